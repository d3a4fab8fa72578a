//! A socket for each network adapter and IP version.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use if_addrs::{IfAddr, Interface};
use log::debug;
use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use socket2::{Domain, Protocol, Socket, Type};

use crate::discovery::responder::{Datagram, LinkId, Local, MOST_LINKS, PORT};

/// Everybody who speaks mDNS (RFC 6762, section 3).
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// What is sent must not have passed a router, and some look (RFC 6762, section 11).
const HOPS: u32 = 255;

/// A socket that is bound to the group hears nothing else there, and leaves to other programs what is for
/// them alone. Elsewhere that is impossible, or it could not send.
const BINDS_TO_GROUP: bool = cfg!(target_os = "linux");

/// Windows says of each datagram that did not arrive that it did not when the next is read: so many in a
/// row are passed over.
const TRIES: usize = 16;

/// Adapters over which Apple's devices talk to each other, and where nobody listens.
const APPLES_OWN: [&str; 2] = ["awdl", "llw"];

/// The sockets, and the networks they are on.
pub(super) struct Sockets {
    bind: Option<IpAddr>,
    open: BTreeMap<LinkId, Open>,
}

struct Open {
    socket: UdpSocket,
    /// The address that the system was told to send from.
    through: IpAddr,
    addresses: Vec<Local>,
}

impl Sockets {
    /// Makes a set of no sockets yet, for a server that is bound to this address.
    pub(super) fn new(bind: Option<IpAddr>) -> Self {
        Self { bind, open: BTreeMap::new() }
    }

    /// Looks which networks there are, opens what is new and closes what is gone.
    ///
    /// # Errors
    /// Why no socket could be opened where there are networks.
    pub(super) fn look(&mut self, registry: &Registry) -> io::Result<()> {
        let links = links(&if_addrs::get_if_addrs()?, self.bind);
        self.open.retain(|id, open| {
            let is_there = links
                .get(id)
                .is_some_and(|there| there.iter().any(|local| local.ip == open.through));
            if !is_there {
                // A socket that is dropped is not looked at any more either.
                let _ = registry.deregister(&mut open.socket);
            }
            is_there
        });
        let mut result = Ok(());
        for (id, addresses) in links.into_iter().take(MOST_LINKS) {
            if let Some(open) = self.open.get_mut(&id) {
                open.addresses = addresses;
                continue;
            }
            let through = addresses.iter().map(|local| local.ip).find(|ip| ip.is_ipv6() == id.ipv6);
            let Some(through) = through else { continue };
            match open(id, through, registry) {
                Ok(socket) => drop(self.open.insert(id, Open { socket, through, addresses })),
                Err(e) => {
                    debug!("nothing is announced through {through}: {e}");
                    result = Err(e);
                }
            }
        }
        if self.open.is_empty() { result } else { Ok(()) }
    }

    pub(super) fn links(&self) -> BTreeMap<LinkId, Vec<Local>> {
        self.open.iter().map(|(id, open)| (*id, open.addresses.clone())).collect()
    }

    pub(super) fn ids(&self) -> Vec<LinkId> {
        self.open.keys().copied().collect()
    }

    /// One datagram: from where, its length, and whether it was certainly sent to all.
    pub(super) fn receive(
        &self,
        link: LinkId,
        buffer: &mut [u8],
    ) -> Option<(SocketAddr, usize, bool)> {
        let open = self.open.get(&link)?;
        for _ in 0..TRIES {
            match open.socket.recv_from(buffer) {
                Ok((length, from)) => return Some((from, length, BINDS_TO_GROUP)),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => {}
            }
        }
        None
    }

    /// # Errors
    /// Why it could not be sent.
    pub(super) fn send(&self, datagram: &Datagram) -> io::Result<()> {
        let Some(open) = self.open.get(&datagram.link) else { return Ok(()) };
        let to = datagram.to.unwrap_or_else(|| group(datagram.link));
        open.socket.send_to(&datagram.bytes, to).map(drop)
    }
}

fn group(link: LinkId) -> SocketAddr {
    if link.ipv6 {
        SocketAddrV6::new(GROUP_V6, PORT, 0, link.adapter).into()
    } else {
        (GROUP_V4, PORT).into()
    }
}

/// The links that a server bound to `bind` is announced on, each with the addresses that it is announced
/// with there: for IPv4 and IPv6 the ones of both.
fn links(interfaces: &[Interface], bind: Option<IpAddr>) -> BTreeMap<LinkId, Vec<Local>> {
    let only = bind.filter(|ip| !ip.is_unspecified());
    let ipv4_only = bind.is_some_and(|ip| ip.is_ipv4());
    let mut adapters: BTreeMap<u32, Vec<Local>> = BTreeMap::new();
    for interface in interfaces {
        let is_apples = APPLES_OWN.iter().any(|begin| interface.name.starts_with(begin));
        if !interface.is_oper_up() || interface.is_p2p() || interface.is_loopback() || is_apples {
            continue;
        }
        let (Some(adapter), ip) = (interface.index, interface.ip()) else { continue };
        let prefix = match &interface.addr {
            IfAddr::V4(v4) => v4.prefixlen,
            IfAddr::V6(v6) => v6.prefixlen,
        };
        let is_own = only.map_or(!(ipv4_only && ip.is_ipv6()), |only| only.to_canonical() == ip);
        if is_own {
            adapters.entry(adapter).or_default().push(Local { ip, prefix });
        }
    }
    let mut links = BTreeMap::new();
    for (adapter, addresses) in adapters {
        for ipv6 in [false, true] {
            if addresses.iter().any(|local| local.ip.is_ipv6() == ipv6) {
                links.insert(LinkId { adapter, ipv6 }, addresses.clone());
            }
        }
    }
    links
}

fn open(link: LinkId, through: IpAddr, registry: &Registry) -> io::Result<UdpSocket> {
    let domain = if link.ipv6 { Domain::IPV6 } else { Domain::IPV4 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    // The system's own mDNS service, and other programs, have the port too.
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    let at: SocketAddr = match through {
        _ if BINDS_TO_GROUP => group(link),
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, PORT).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, PORT).into(),
    };
    match through {
        IpAddr::V4(ip) => {
            socket.bind(&at.into())?;
            #[cfg(target_os = "linux")]
            socket.set_multicast_all_v4(false)?;
            socket.join_multicast_v4(&GROUP_V4, &ip)?;
            socket.set_multicast_if_v4(&ip)?;
            socket.set_multicast_loop_v4(true)?;
            socket.set_multicast_ttl_v4(HOPS)?;
            socket.set_ttl_v4(HOPS)?;
        }
        IpAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.bind(&at.into())?;
            socket.join_multicast_v6(&GROUP_V6, link.adapter)?;
            socket.set_multicast_if_v6(link.adapter)?;
            socket.set_multicast_loop_v6(true)?;
            socket.set_multicast_hops_v6(HOPS)?;
            socket.set_unicast_hops_v6(HOPS)?;
        }
    }
    let mut socket = UdpSocket::from_std(socket.into());
    // Whatever wakes the thread, it looks at all of them.
    registry.register(&mut socket, Token(1), Interest::READABLE)?;
    Ok(socket)
}
