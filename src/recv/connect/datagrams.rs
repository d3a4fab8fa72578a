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
use crate::wire::AudioHeader;
use crate::wire::datagram::{self, Ask};

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
}

impl Datagrams {
    /// Opens a socket to the server at `server`, which knows us by `token`.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn open(
        server: SocketAddr,
        token: datagram::Token,
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
        Ok(Self { socket, server, asking: Asking::new(token, now_us), said: Said::default() })
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
    pub(super) fn send(&self, ask: &Ask) {
        let _ = self.socket.send_to(&ask.datagram(), self.server);
    }

    /// Says a piece of what the microphone hears, packed by `codec` at `rate` Hz.
    pub(super) fn say(&mut self, packing: (Codec, u32), piece: (AudioHeader, &[u8]), now_us: u64) {
        let Self { socket, server, asking, said } = self;
        // What the system does not take is asked for.
        let send = |bytes: &[u8]| drop(socket.send_to(bytes, *server));
        said.say(asking.whose(), packing, piece, now_us, send);
    }

    /// Says again what the server is missing.
    pub(super) fn say_again(&self, numbers: &[u32], now_us: u64) {
        let send = |bytes: &[u8]| drop(self.socket.send_to(bytes, self.server));
        self.said.again(self.asking.whose(), numbers, now_us, send);
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

/// Whether more may be read behind that error: it tells of what was sent, not of what comes.
fn is_passing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionRefused | ConnectionReset | Interrupted)
}
