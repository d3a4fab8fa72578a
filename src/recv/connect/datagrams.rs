//! The client's side of sound by datagram: the socket, and what is said over it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};

use socket2::SockRef;

use super::asking::Asking;
use super::said::Said;
use crate::codec::Codec;
use crate::dscp::Dscp;
use crate::recv::repair::Wanted;
use crate::secure::handshake::Sealing;
use crate::wire::AudioHeader;
use crate::wire::datagram::{self, Ask, MAX_DATAGRAM, PRIVATE_TO_SERVER, private_to_server};

/// What may have come and wait, in bytes, where the system grants it: a second of float32, because whatever
/// does not fit is lost.
const ROOM: usize = 1 << 20;

/// A socket that sends to one server's port and takes what comes from there.
pub(super) struct Datagrams {
    /// Not connected, so that it goes on from another address of ours when one is gone.
    socket: UdpSocket,
    server: SocketAddr,
    pub(super) asking: Asking,
    said: Said,
    /// What seals all that is said here, in a private room.
    sealing: Option<Sealing>,
}

impl Datagrams {
    /// Opens a socket to the server at `server`, which knows us by `token`. In a private room all that is
    /// said is sealed by `sealing`.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn open(
        server: SocketAddr,
        (token, sealing): (datagram::Token, Option<Sealing>),
        (registry, wake): (&Registry, Token),
        now_us: u64,
    ) -> io::Result<Self> {
        let any = match server {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let mut socket = UdpSocket::bind(any)?;
        // Less than that it goes on with what the system gives.
        let _ = SockRef::from(&socket).set_recv_buffer_size(ROOM);
        registry.register(&mut socket, wake, Interest::READABLE)?;
        let asking = Asking::new(token, now_us);
        Ok(Self { socket, server, asking, said: Said::default(), sealing })
    }

    /// Marks what is sent.
    pub(super) fn mark(&self, dscp: Dscp) {
        dscp.mark(&SockRef::from(&self.socket));
    }

    /// The next datagram that has come, whole; `None` where there is none. It is empty where somebody else
    /// has sent it.
    pub(super) fn read<'a>(&self, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        loop {
            match self.socket.recv_from(buffer) {
                Ok((length, from)) => {
                    let is_ours =
                        (from.ip(), from.port()) == (self.server.ip(), self.server.port());
                    return buffer.get(..if is_ours { length } else { 0 });
                }
                // Nobody is there yet, or no more: the socket goes on.
                Err(e) if is_passing(&e) => {}
                Err(_) => return None,
            }
        }
    }

    /// Sends an ask. What the system does not take is asked for again later.
    pub(super) fn send(&mut self, ask: &Ask) {
        let seal = if self.sealing.is_some() { PRIVATE_TO_SERVER } else { 0 };
        let bytes = ask.datagram_within(MAX_DATAGRAM - seal);
        let token = self.asking.whose().0;
        tell((&self.socket, self.server), (token, &mut self.sealing), &bytes);
    }

    /// Says a piece of what the microphone hears, packed by `codec` at `rate` Hz.
    pub(super) fn say(&mut self, packing: (Codec, u32), piece: (AudioHeader, &[u8]), now_us: u64) {
        let Self { socket, server, asking, said, sealing } = self;
        let (token, cookie) = asking.whose();
        // What the system does not take is asked for.
        let send = |bytes: &[u8]| tell((socket, *server), (token, sealing), bytes);
        said.say((token, cookie), packing, piece, now_us, send);
    }

    /// Says again what the server is missing.
    pub(super) fn say_again(&mut self, numbers: &[u32], now_us: u64) {
        let Self { socket, server, asking, said, sealing } = self;
        let (token, cookie) = asking.whose();
        let send = |bytes: &[u8]| tell((socket, *server), (token, sealing), bytes);
        said.again((token, cookie), numbers, now_us, send);
    }

    /// Asks for what is missing of a stream.
    pub(super) fn want(&mut self, stream: u8, wanted: Wanted, now_us: u64) {
        let Wanted { numbers, again } = wanted;
        for numbers in [numbers, again].into_iter().filter(|numbers| !numbers.is_empty()) {
            let ask = self.asking.ask(stream, numbers, now_us);
            self.send(&ask);
        }
    }
}

/// Sends a datagram to a server that knows us by `token`, sealed where that is to be.
fn tell(
    (socket, server): (&UdpSocket, SocketAddr),
    (token, sealing): (&datagram::Token, &mut Option<Sealing>),
    bytes: &[u8],
) {
    // What the system does not take is lost, as on the way.
    let _ = match sealing {
        None => socket.send_to(bytes, server),
        Some(sealing) => match sealing.seal(bytes) {
            Some(sealed) => socket.send_to(&private_to_server(token, &sealed), server),
            None => return,
        },
    };
}

/// Whether more may be read behind that error: it tells of what was sent, not of what comes.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | Interrupted)
}
