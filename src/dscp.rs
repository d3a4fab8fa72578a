//! How packets are marked, so that access points and routers give sound the way. One function for
//! every socket that carries it: TCP and UDP, of servers and of clients.

use std::str::FromStr;

use socket2::SockRef;

/// What stands in the field for differentiated services (DSCP, RFC 2474) of each packet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Dscp {
    /// Expedited forwarding (RFC 3246): what voice is marked with, and RFC 8325 wants access points to
    /// treat as such. Plain ones read three bits alone, and put it among video.
    #[default]
    Ef,
    /// Class selector 6: what plain access points put among voice, their first queue.
    Cs6,
    /// Nothing: as all other packets.
    Off,
}

/// What Linux puts first on its way out of this PC, beside the mark in the packet: the highest that
/// needs no rights (`socket(7)`).
#[cfg(any(target_os = "linux", target_os = "android"))]
const PRIORITY: u32 = 6;

impl Dscp {
    /// The octet that holds it: IPv4's type of service, IPv6's traffic class. Its lower two bits are
    /// the network's own.
    #[must_use]
    pub fn octet(self) -> u32 {
        match self {
            Self::Ef => 0xb8,
            Self::Cs6 => 0xc0,
            Self::Off => 0,
        }
    }

    /// Marks what leaves by a socket. Where a system refuses it, and on home networks that ignore it,
    /// nothing is lost, so nobody is told.
    pub fn mark(self, socket: &SockRef<'_>) {
        if self == Self::Off {
            return;
        }
        // A socket for both versions needs both: either is refused where it does not belong.
        let _ = socket.set_tos_v4(self.octet());
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "macos"))]
        let _ = socket.set_tclass_v6(self.octet());
        // Behind the mark, which sets a lower one.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = socket.set_priority(PRIORITY);
    }
}

impl FromStr for Dscp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ef" => Ok(Self::Ef),
            "cs6" => Ok(Self::Cs6),
            "off" => Ok(Self::Off),
            _ => Err("it can be ef (as voice is marked), cs6 (the first queue of plain access \
                      points) or off"
                .to_owned()),
        }
    }
}

impl std::fmt::Display for Dscp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Ef => "ef",
            Self::Cs6 => "cs6",
            Self::Off => "off",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_known_by_its_word_and_nothing_else_is() {
        for dscp in [Dscp::Ef, Dscp::Cs6, Dscp::Off] {
            assert_eq!(dscp.to_string().parse(), Ok(dscp));
        }
        for wrong in ["", "EF", "cs7", "46"] {
            assert!(wrong.parse::<Dscp>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn plain_access_points_read_three_bits_of_it_as_video_or_as_voice() {
        let user_priority = |dscp: Dscp| dscp.octet() >> 5;
        assert_eq!(user_priority(Dscp::Ef), 5, "4 and 5 are video");
        assert_eq!(user_priority(Dscp::Cs6), 6, "6 and 7 are voice");
        assert_eq!(user_priority(Dscp::Off), 0, "what is not marked");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_kind_of_socket_is_marked_for_both_versions() {
        use socket2::{Domain, Socket, Type};
        for kind in [Type::STREAM, Type::DGRAM] {
            for dscp in [Dscp::Ef, Dscp::Cs6] {
                let four = Socket::new(Domain::IPV4, kind, None).unwrap();
                dscp.mark(&SockRef::from(&four));
                assert_eq!(four.tos_v4().unwrap(), dscp.octet());
                assert_eq!(four.priority().unwrap(), PRIORITY);
                // A PC may have no IPv6.
                let Ok(both) = Socket::new(Domain::IPV6, kind, None) else { continue };
                dscp.mark(&SockRef::from(&both));
                assert_eq!(both.tclass_v6().unwrap(), dscp.octet());
                assert_eq!(both.tos_v4().unwrap(), dscp.octet(), "listeners by IPv4 come here too");
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn off_leaves_a_socket_as_the_system_made_it() {
        use socket2::{Domain, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        let before = (socket.tos_v4().unwrap(), socket.priority().unwrap());
        Dscp::Off.mark(&SockRef::from(&socket));
        assert_eq!((socket.tos_v4().unwrap(), socket.priority().unwrap()), before);
    }
}
