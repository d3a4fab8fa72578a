//! The socket to an engine: made, lost, and made anew at the next address. What is said over it is
//! [`Session`]'s.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token, Waker};

use super::nats::{Addresses, End, Event, Session, Url, Who, Writer};
use crate::clock::Clock;
use crate::error::{Error, Result, plain};
use crate::outgoing::{self, Outgoing, Trust};

const WAKER: Token = Token(0);
const SOCKET: Token = Token(1);

/// Bytes read at a time: a few frames of the largest.
const READ_BYTES: usize = 64 * 1024;

/// Reads in a turn, so that an engine that has much to say keeps nothing else waiting for long.
const MOST_READS: usize = 16;

/// A line looks after its connection this often at least, in µs.
const LOOK_US: u64 = 100_000;

/// A connection that could not be made, or is over.
#[derive(Debug)]
pub struct Lost {
    /// Where to.
    pub url: Url,
    /// Whether anything could be said over it.
    pub had_worked: bool,
    /// Why.
    pub why: Why,
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// The engine, or what answers in its place, ended it or broke the protocol.
    #[error(transparent)]
    Ended(End),
    /// It demands TLS, and nobody has said whom to believe.
    #[error("it demands TLS, and its certificate is not known here: give it with --engine-ca FILE")]
    NoTrust,
    /// What answers is not who is believed, or speaks no TLS.
    #[error("it is not believed: {0}")]
    NotBelieved(String),
    /// The system says that there is no way there.
    #[error("{}", plain(.0))]
    Broken(io::Error),
}

struct Connection {
    way: Outgoing,
    session: Session,
    url: Url,
}

/// The line to one engine.
pub struct Line {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    clock: Clock,
    addresses: Addresses,
    who: Who,
    trust: Option<Trust>,
    connection: Option<Connection>,
    buffer: Box<[u8]>,
}

impl Line {
    /// A line to the engine at these addresses, which `trust` believes where it is spoken to by TLS. Nothing is tried before the first [`turn`](Self::turn).
    ///
    /// # Errors
    /// [`Error::Internal`] if the system gives no event queue.
    pub fn new(addresses: Addresses, who: Who, trust: Option<Trust>, clock: Clock) -> Result<Self> {
        let failed = |e: io::Error| Error::internal("cannot start the line to the engine", e);
        let poll = Poll::new().map_err(failed)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(failed)?);
        Ok(Self {
            poll,
            events: Events::with_capacity(16),
            waker,
            clock,
            addresses,
            who,
            trust,
            connection: None,
            buffer: vec![0; READ_BYTES].into(),
        })
    }

    /// Ends another thread's wait in [`turn`](Self::turn).
    #[must_use]
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// The connection, where something can be said over it.
    pub fn session(&mut self) -> Option<&mut Session> {
        self.connection.as_mut().map(|connection| &mut connection.session).filter(|s| s.is_ready())
    }

    /// Where the connection is to, where something can be said over it.
    #[must_use]
    pub fn works_at(&self) -> Option<&Url> {
        self.connection.as_ref().filter(|one| one.session.is_ready()).map(|one| &one.url)
    }

    /// Gives the connection up, and goes on at the next address.
    pub fn give_up(&mut self) {
        if self.connection.take().is_some() {
            self.addresses.failed(self.clock.now_us());
        }
    }

    /// Writes what waits, rests until something comes, somebody wakes it or `rest` is over, and tells what came.
    /// A connection that is missing is made first. Returns the one that was lost, if one was.
    ///
    /// # Errors
    /// [`Error::Internal`] if the event queue breaks.
    pub fn turn(
        &mut self,
        rest: Duration,
        mut tell: impl FnMut(&mut Writer, Event<'_>),
    ) -> Result<Option<Lost>> {
        let now_us = self.clock.now_us();
        if self.connection.is_none()
            && let Some(url) = self.addresses.due(now_us).cloned()
        {
            match Connection::begin(url.clone(), &self.poll, &self.who, now_us) {
                Ok(connection) => self.connection = Some(connection),
                Err(e) => {
                    self.addresses.failed(now_us);
                    return Ok(Some(Lost { url, had_worked: false, why: Why::Broken(e) }));
                }
            }
        }
        if let Some(lost) = self.serve(&mut tell) {
            return Ok(Some(lost));
        }
        let until_us = match self.connection {
            Some(_) => LOOK_US,
            None => self.addresses.due_us().saturating_sub(self.clock.now_us()),
        };
        let rest = rest.min(Duration::from_micros(until_us));
        match self.poll.poll(&mut self.events, Some(rest)) {
            Err(e) if e.kind() != io::ErrorKind::Interrupted => {
                return Err(Error::internal("the line to the engine broke", e));
            }
            _ => {}
        }
        Ok(self.serve(&mut tell))
    }

    /// Reads and writes as far as the socket allows.
    fn serve(&mut self, tell: &mut impl FnMut(&mut Writer, Event<'_>)) -> Option<Lost> {
        let connection = self.connection.as_mut()?;
        let now_us = self.clock.now_us();
        let had_worked = connection.session.is_ready();
        let addresses = &mut self.addresses;
        let trust = self.trust.as_ref();
        let served =
            connection.serve(&self.poll, &mut self.buffer, trust, now_us, |writer, event| {
                match &event {
                    Event::Ready => addresses.worked(),
                    Event::Info(info) => addresses.learn(&info.connect_urls),
                    _ => {}
                }
                tell(writer, event);
            });
        let why = served.err()?;
        let lost = self.connection.take()?;
        self.addresses.failed(now_us);
        Some(Lost { url: lost.url, had_worked, why })
    }
}

impl Connection {
    fn begin(url: Url, poll: &Poll, who: &Who, now_us: u64) -> io::Result<Self> {
        let session = Session::new(who, url.tls, now_us);
        let way = Outgoing::begin(outgoing::Addresses::of(&url.host, url.port)?, prepare(poll))?;
        Ok(Self { way, session, url })
    }

    fn serve(
        &mut self,
        poll: &Poll,
        buffer: &mut [u8],
        trust: Option<&Trust>,
        now_us: u64,
        mut tell: impl FnMut(&mut Writer, Event<'_>),
    ) -> std::result::Result<(), Why> {
        if !self.way.is_open(prepare(poll)).map_err(Why::Broken)? {
            return self.session.mind(now_us).map_err(Why::Ended);
        }
        for _ in 0..MOST_READS {
            match self.way.read(buffer) {
                Ok(0) => return Err(Why::Broken(io::ErrorKind::ConnectionReset.into())),
                Ok(count) => {
                    let mut must_be_secure = false;
                    let read = self.session.read(&buffer[..count], now_us, |writer, event| {
                        must_be_secure |= matches!(event, Event::Secure);
                        tell(writer, event);
                    });
                    read.map_err(Why::Ended)?;
                    if must_be_secure {
                        let trust = trust.ok_or(Why::NoTrust)?;
                        self.way.seal(trust, &self.url.host).map_err(Why::Broken)?;
                        self.session.secured();
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                    return Err(Why::NotBelieved(e.to_string()));
                }
                Err(e) => return Err(Why::Broken(e)),
            }
        }
        self.session.mind(now_us).map_err(Why::Ended)?;
        self.way.flush().map_err(Why::Broken)?;
        while !self.session.waiting().is_empty() {
            match self.way.write(self.session.waiting()) {
                Ok(0) => return Err(Why::Broken(io::ErrorKind::WriteZero.into())),
                Ok(count) => self.session.wrote(count),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(Why::Broken(e)),
            }
        }
        Ok(())
    }
}

/// Has the event queue see a socket, and sound on it wait for no other sound: that would be late.
fn prepare(poll: &Poll) -> impl FnMut(&mut TcpStream) -> io::Result<()> {
    |socket| {
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(socket, SOCKET, interest)?;
        socket.set_nodelay(true)
    }
}
