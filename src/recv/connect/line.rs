//! One TCP connection: bytes become events, and what is to be said waits until the socket takes it.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use log::debug;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use super::reach::explain;
use crate::dscp::Dscp;
use crate::error::{Error, Result, plain};
use crate::recv::decode::{Conversation, Event};
use crate::recv::rooms::Rooms;
use crate::recv::simulate::Network;
use crate::wire::{Deframer, Hello};

/// The system holds no more than this of what was said and has not been sent, in bytes: a voice that
/// waits there comes too late, and cannot be taken back. A talk frame fits, and some control.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NOT_SENT: u32 = 8 * 1024;

/// What reading gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Got {
    /// Bytes: take the events out before reading more.
    Bytes,
    /// Nothing has come.
    Nothing,
    /// The server has closed.
    End,
}

/// One connection to one server.
pub(super) struct Line {
    /// Where the server is.
    pub(super) address: SocketAddr,
    /// Where the conversation stands.
    pub(super) conversation: Conversation,
    /// When it was opened, in µs of our clock.
    pub(super) since_us: u64,
    stream: TcpStream,
    /// Stands between the socket and the conversation, if one is simulated.
    network: Option<Network>,
    is_made: bool,
    /// The server has closed, and what it sent before may still be on the way.
    has_ended: bool,
    deframer: Deframer,
    /// Bytes that the socket has not taken: hellos, pings and reports, a few hundred at most.
    unsent: Vec<u8>,
}

impl Line {
    /// A connection that is made. `known` says that this run has been welcomed before.
    pub(super) fn made(
        stream: TcpStream,
        address: SocketAddr,
        (hello, rooms): (Hello, Option<Rooms>),
        known: bool,
        network: Option<Network>,
        now_us: u64,
    ) -> Self {
        if let Some(network) = &network {
            // Else the system would take in what the simulated network has no room for.
            let _ = SockRef::from(&stream).set_recv_buffer_size(network.most_held());
        }
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Err(e) = SockRef::from(&stream).set_tcp_notsent_lowat(NOT_SENT) {
            debug!("{address}: {e}");
        }
        let conversation = Conversation::new(hello, known).with(rooms).undecoded();
        Self {
            address,
            since_us: now_us,
            stream,
            network,
            is_made: true,
            has_ended: false,
            deframer: Deframer::new(conversation.limits()),
            conversation,
            unsent: Vec::new(),
        }
    }

    /// Begins to make a connection to a server that has welcomed this run before.
    ///
    /// # Errors
    /// What the system says at once.
    pub(super) fn call(
        address: SocketAddr,
        hello: (Hello, Option<Rooms>),
        network: Option<Network>,
        now_us: u64,
    ) -> Result<Self> {
        let stream = TcpStream::connect(address).map_err(|e| explain(&e, address))?;
        Ok(Self { is_made: false, ..Self::made(stream, address, hello, true, network, now_us) })
    }

    /// Marks what is said, for access points and routers.
    pub(super) fn mark(&self, dscp: Dscp) {
        dscp.mark(&SockRef::from(&self.stream));
    }

    /// Lets `registry` tell when there is something to read or to write.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> Result<()> {
        registry
            .register(&mut self.stream, token, Interest::READABLE | Interest::WRITABLE)
            .map_err(|e| Error::internal("cannot wait for the network", e))
    }

    /// Whether the connection is made by now.
    ///
    /// # Errors
    /// Why it never will be.
    pub(super) fn is_made(&mut self) -> Result<bool> {
        if self.is_made {
            return Ok(true);
        }
        let failed = |e: &io::Error| explain(e, self.address);
        if let Some(e) = self.stream.take_error().map_err(|e| failed(&e))? {
            return Err(failed(&e));
        }
        self.is_made = self.stream.peer_addr().is_ok();
        if self.is_made
            && let Err(e) = self.stream.set_nodelay(true)
        {
            debug!("{}: {e}", self.address);
        }
        Ok(self.is_made)
    }

    /// Reads what has come by `now_us`, as far as it fits into `buffer`.
    ///
    /// # Errors
    /// [`Error::Lost`] if the connection is.
    pub(super) fn read(&mut self, buffer: &mut [u8], now_us: u64) -> Result<Got> {
        loop {
            if let Some(network) = &mut self.network {
                if let Some(bytes) = network.give(now_us) {
                    self.deframer.push(&bytes);
                    return Ok(Got::Bytes);
                }
                match (network.has_room(), self.has_ended && network.is_empty()) {
                    (_, true) => return Ok(Got::End),
                    (false, _) => return Ok(Got::Nothing),
                    (true, false) => {}
                }
            }
            match self.stream.read(buffer) {
                Ok(0) if self.network.as_ref().is_some_and(|network| !network.is_empty()) => {
                    self.has_ended = true;
                    return Ok(Got::Nothing);
                }
                Ok(0) => return Ok(Got::End),
                Ok(count) => match &mut self.network {
                    Some(network) => network.take(now_us, &buffer[..count]),
                    None => {
                        self.deframer.push(&buffer[..count]);
                        return Ok(Got::Bytes);
                    }
                },
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(Got::Nothing),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.lost(plain(&e))),
            }
        }
    }

    /// A datagram came that belongs to this connection. Returns whether it is to be taken from
    /// [`datagram`](Self::datagram), because a network is simulated.
    pub(super) fn bend(&mut self, datagram: &[u8], now_us: u64) -> bool {
        let network = self.network.as_mut();
        network.map(|network| network.take_datagram(now_us, datagram)).is_some()
    }

    /// The next datagram that has arrived over the simulated network.
    pub(super) fn datagram(&mut self, now_us: u64) -> Option<Vec<u8>> {
        self.network.as_mut()?.give_datagram(now_us)
    }

    /// When more arrives over the simulated network, in µs.
    pub(super) fn next_us(&self) -> Option<u64> {
        self.network.as_ref()?.next_us()
    }

    /// Spoils decoded samples as the simulated network does.
    pub(super) fn spoil(&mut self, samples: &mut [f32]) {
        if let Some(network) = &mut self.network {
            network.add_noise(samples);
        }
    }

    /// What the next whole frame means, if there is one.
    ///
    /// # Errors
    /// [`Error::NotAuraLync`] if the server breaks the protocol.
    pub(super) fn next_event(&mut self) -> Result<Option<Event<'_>>> {
        let address = self.address;
        self.deframer.set_limits(self.conversation.limits());
        let event = match self.deframer.next_frame() {
            Ok(None) => return Ok(None),
            Ok(Some(frame)) => {
                let is_lost = self.conversation.is_sound(&frame)
                    && self.network.as_mut().is_some_and(Network::loses_frame);
                if is_lost {
                    self.conversation.lose();
                    return Ok(Some(Event::Nothing));
                }
                self.conversation.take(frame)
            }
            Err(violation) => Err(violation),
        };
        event.map(Some).map_err(|why| Error::NotAuraLync { address, why: why.to_string() })
    }

    /// Queues a frame to say.
    pub(super) fn say(&mut self, frame: Vec<u8>) {
        let frame = self.conversation.framed(frame);
        self.unsent.extend(frame);
    }

    /// Whether something that was said has not gone out yet.
    pub(super) fn is_behind(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Writes as much of what was said as the socket takes.
    ///
    /// # Errors
    /// [`Error::Lost`] if the connection is.
    pub(super) fn flush(&mut self) -> Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(0) => return Err(self.lost(plain(&io::ErrorKind::WriteZero.into()))),
                Ok(count) => {
                    self.unsent.drain(..count);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.lost(plain(&e))),
            }
        }
        Ok(())
    }

    /// The connection is lost.
    pub(super) fn lost(&self, why: impl Into<String>) -> Error {
        Error::Lost { address: self.address, why: why.into() }
    }

    /// What answers there is no server of ours.
    pub(super) fn strange(&self, why: impl Into<String>) -> Error {
        Error::NotAuraLync { address: self.address, why: why.into() }
    }
}
