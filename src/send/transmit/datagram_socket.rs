//! The socket for datagrams, and how many of them leave it with one call.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use log::debug;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::sockets::plain_reason;
use crate::dscp::Dscp;
use crate::wire::datagram::MAX_DATAGRAM;

/// Datagrams that are handed to the system with one call.
pub(super) const BATCH: usize = 64;

/// Datagrams to one listener that are handed to the system as one message: it cuts no more, nor more than
/// 64 KiB.
const LONGEST_ROW: usize = 48;
const _: () = assert!(LONGEST_ROW * MAX_DATAGRAM < 65_000);

/// Bytes that the system may hold of what is sent, where it allows: a chunk for a slice of listeners.
const SEND_BUFFER: usize = 4 * 1024 * 1024;

/// Bytes that it may hold of what has come: an ask of each of some thousand listeners.
const RECEIVE_BUFFER: usize = 1024 * 1024;

/// Binds the UDP port of the address that `door` listens on: IPv6 and IPv4 at once, where that does. What
/// leaves it is marked as `dscp` says. A server can do without.
///
/// # Errors
/// What whoever runs the server can do about it, as a sentence.
pub fn open(door: SocketAddr, dscp: Dscp) -> Result<UdpSocket, String> {
    bind(door, dscp).map_err(|e| {
        format!(
            "sound cannot go by datagram from UDP port {}: {}. Everybody can listen, and a bad Wi-Fi \
             will be heard more. Stop the program that uses the port, choose another with --port, or \
             leave datagrams out with --no-udp",
            door.port(),
            plain_reason(&e)
        )
    })
}

/// Binds a UDP port for data channels: that of `door`, which serves the page, or any where another program
/// has that one.
///
/// # Errors
/// If the system gives none.
#[cfg(feature = "webrtc")]
pub fn open_for_browsers(door: SocketAddr) -> io::Result<UdpSocket> {
    bound(door).or_else(|_| bound(SocketAddr::new(door.ip(), 0))).map(UdpSocket::from)
}

fn bind(door: SocketAddr, dscp: Dscp) -> io::Result<UdpSocket> {
    let socket = bound(door)?;
    prepare(&SockRef::from(&socket));
    dscp.mark(&SockRef::from(&socket));
    Ok(socket.into())
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.bind(&address.into())?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Everything here is an improvement that a system may refuse.
fn prepare(socket: &SockRef<'_>) {
    let tried = [
        ("the send buffer", socket.set_send_buffer_size(SEND_BUFFER)),
        ("the receive buffer", socket.set_recv_buffer_size(RECEIVE_BUFFER)),
        ("“do not fragment”", forbid_fragments(socket)),
    ];
    for (option, result) in tried {
        if let Err(e) = result {
            debug!("{option} of the datagram socket not set: {e}");
        }
    }
}

/// A datagram that does not fit the path is lost as a whole, whatever somebody claims of the path.
#[cfg(target_os = "linux")]
fn forbid_fragments(socket: &Socket) -> io::Result<()> {
    use rustix::net::sockopt::{
        Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
    };
    // Where the socket is IPv4's alone there is no such thing.
    let _ = set_ipv6_mtu_discover(socket, Ipv6PathMtuDiscovery::PROBE);
    Ok(set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::PROBE)?)
}

#[cfg(not(target_os = "linux"))]
fn forbid_fragments(_socket: &Socket) -> io::Result<()> {
    Ok(())
}

/// Datagrams that leave together.
#[derive(Debug)]
pub(super) struct Batch {
    outgoing: Vec<Outgoing>,
    /// Whether the system cuts what goes to one listener into datagrams by itself.
    is_cut_by_system: bool,
}

/// One of them.
#[derive(Debug)]
struct Outgoing {
    to: SocketAddr,
    bytes: Arc<[u8]>,
    /// The seat of the listener that it is for.
    seat: usize,
}

impl Batch {
    /// Nothing yet, of what leaves through `socket`.
    pub(super) fn new(socket: &UdpSocket) -> Self {
        Self { outgoing: Vec::new(), is_cut_by_system: may_be_cut_by_system(socket) }
    }

    pub(super) fn add(&mut self, seat: usize, to: SocketAddr, bytes: &Arc<[u8]>) {
        self.outgoing.push(Outgoing { to, bytes: Arc::clone(bytes), seat });
    }

    /// Whether there are enough for one call.
    pub(super) fn is_full(&self) -> bool {
        self.outgoing.len() >= BATCH
    }

    /// Hands all to the system, which takes what it has room for; the seats and lengths of the others.
    pub(super) fn send(&mut self, socket: &mio::net::UdpSocket) -> Vec<(usize, usize)> {
        let mut refused = Vec::new();
        let mut refuse = |outgoing: &Outgoing| refused.push((outgoing.seat, outgoing.bytes.len()));
        let mut left = &self.outgoing[..];
        while let [first, others @ ..] = left {
            let row = if self.is_cut_by_system { row_of_one(left) } else { 1 };
            let sent = match row {
                0 | 1 => send_some(socket, &left[..row_of_many(left, self.is_cut_by_system)]),
                row => match send_row(socket, &left[..row]) {
                    // Not on the way to this one.
                    Err(e) if !is_passing(&e) => send_some(socket, &left[..row]),
                    sent => sent,
                },
            };
            match sent {
                Ok(sent) => left = &left[sent.clamp(1, left.len())..],
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    left.iter().for_each(&mut refuse);
                    break;
                }
                // This one cannot get where it should; the next may.
                Err(_) => {
                    refuse(first);
                    left = others;
                }
            }
        }
        self.outgoing.clear();
        refused
    }
}

/// Whether an error says that this is not the time, rather than that it cannot be.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// How many of these, from the first on, go to one listener and are of one length, but for the last, which
/// may be shorter.
fn row_of_one(outgoing: &[Outgoing]) -> usize {
    let Some(first) = outgoing.first() else { return 0 };
    let (length, most) = (first.bytes.len(), outgoing.len().min(LONGEST_ROW));
    let mut row = 1;
    while row < most
        && outgoing[row].to == first.to
        && outgoing[row - 1].bytes.len() == length
        && outgoing[row].bytes.len() <= length
    {
        row += 1;
    }
    row
}

/// How many of these, from the first on, leave in one call that are each cut already.
fn row_of_many(outgoing: &[Outgoing], is_cut_by_system: bool) -> usize {
    let most = outgoing.len().min(BATCH);
    let ends = |from: &usize| is_cut_by_system && row_of_one(&outgoing[*from..]) > 1;
    (1..most).find(ends).unwrap_or(most)
}

/// Whether the system can cut what goes to one listener into datagrams.
#[cfg(target_os = "linux")]
fn may_be_cut_by_system(socket: &UdpSocket) -> bool {
    use nix::sys::socket::{setsockopt, sockopt::UdpGsoSegment};
    // No length of its own: each call brings one. An older system does not know what that is.
    setsockopt(socket, UdpGsoSegment, &0).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn may_be_cut_by_system(_socket: &UdpSocket) -> bool {
    false
}

/// Sends a [row](row_of_one) in one message, which passes through the system once; how many they are.
#[cfg(target_os = "linux")]
fn send_row(socket: &mio::net::UdpSocket, row: &[Outgoing]) -> io::Result<usize> {
    use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
    use std::os::fd::AsRawFd;
    let Some(first) = row.first() else { return Ok(0) };
    let length = u16::try_from(first.bytes.len()).unwrap_or(u16::MAX);
    let bytes: Vec<_> = row.iter().map(|outgoing| io::IoSlice::new(&outgoing.bytes)).collect();
    let (to, cut) = (SockaddrStorage::from(first.to), [ControlMessage::UdpGsoSegments(&length)]);
    sendmsg(socket.as_raw_fd(), &bytes, &cut, MsgFlags::MSG_DONTWAIT, Some(&to))?;
    Ok(row.len())
}

#[cfg(not(target_os = "linux"))]
fn send_row(socket: &mio::net::UdpSocket, row: &[Outgoing]) -> io::Result<usize> {
    send_some(socket, row)
}

/// Sends the first of these datagrams, and as many behind it as the system takes at once; how many.
#[cfg(target_os = "linux")]
fn send_some(socket: &mio::net::UdpSocket, batch: &[Outgoing]) -> io::Result<usize> {
    use io::IoSlice;
    use rustix::net::addr::SocketAddrArg;
    use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};
    let to: Vec<_> = batch.iter().map(|outgoing| outgoing.to.as_any()).collect();
    let bytes: Vec<_> = batch.iter().map(|outgoing| [IoSlice::new(&outgoing.bytes)]).collect();
    let mut nothing: Vec<_> = batch.iter().map(|_| SendAncillaryBuffer::default()).collect();
    let mut messages: Vec<_> = to
        .iter()
        .zip(&bytes)
        .zip(&mut nothing)
        .map(|((to, bytes), nothing)| MMsgHdr::new_with_addr(to, bytes, nothing))
        .collect();
    Ok(sendmmsg(socket, &mut messages, SendFlags::DONTWAIT)?)
}

#[cfg(not(target_os = "linux"))]
fn send_some(socket: &mio::net::UdpSocket, batch: &[Outgoing]) -> io::Result<usize> {
    let Some(first) = batch.first() else { return Ok(0) };
    socket.send_to(&first.bytes, first.to).map(|_| 1)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    fn outgoing(to: SocketAddr, length: usize) -> Outgoing {
        Outgoing { to, bytes: vec![length as u8; length].into(), seat: 0 }
    }

    #[test]
    fn a_row_goes_to_one_listener_and_only_its_last_is_shorter() {
        let (one, other) = (([10, 0, 0, 1], 5).into(), ([10, 0, 0, 2], 5).into());
        for (row, lengths) in [
            (3, &[(one, 900), (one, 900), (one, 900), (other, 900)][..]),
            (3, &[(one, 900), (one, 900), (one, 400), (one, 400)]),
            (1, &[(one, 400), (one, 900)]),
            (LONGEST_ROW, &[(one, 900); 2 * LONGEST_ROW]),
            (0, &[]),
        ] {
            let all: Vec<_> = lengths.iter().map(|(to, length)| outgoing(*to, *length)).collect();
            assert_eq!(row_of_one(&all), row);
        }
    }

    #[test]
    fn what_leaves_together_comes_as_it_was_cut_and_in_order() {
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let [one, other] = [0; 2].map(|_| {
            let listener = UdpSocket::bind(here).unwrap();
            listener.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            listener
        });
        let [to_one, to_other] = [&one, &other].map(|listener| listener.local_addr().unwrap());
        let socket = UdpSocket::bind(here).unwrap();
        socket.set_nonblocking(true).unwrap();
        let mut batch = Batch::new(&socket);
        let socket = mio::net::UdpSocket::from_std(socket);
        let lengths = [40, 1_052, 1_052, 1_052, 500, 1_052, 700, 700];
        for length in lengths {
            batch.outgoing.push(outgoing(to_one, length));
        }
        batch.outgoing.push(outgoing(to_other, 9));
        assert_eq!(batch.send(&socket), []);
        let mut buffer = [0; 2_000];
        for length in lengths {
            assert_eq!(one.recv(&mut buffer).unwrap(), length);
            assert!(buffer[..length].iter().all(|byte| *byte == length as u8));
        }
        assert_eq!(other.recv(&mut buffer).unwrap(), 9);
    }
}
