//! Connects to the server, keeps trying, and turns its bytes into messages for the playing thread.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use log::{debug, info, warn};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::decode::{Conversation, Event};
use crate::clock::{BURST, BURST_SPACING_US, Clock, Learnt, Offset, ServerClock};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::settings::Target;
use crate::shutdown::Shutdown;
use crate::stats::Counter;
use crate::wire::{Deframer, Hello, Ping, Reason, Report, Violation};

/// An attempt lasts no longer than this, over all of the host's addresses.
const ATTEMPT: Duration = Duration::from_secs(3);

/// A server that has not said what it is by then gets another try.
const CONFIG_WITHIN: Duration = Duration::from_secs(2);

/// A version 2 server keeps silence flowing: nothing at all for this long means that it is gone,
/// though the system may not know it yet.
const DEAD_AFTER: Duration = Duration::from_secs(5);

/// A full server is asked again this often.
const FULL_RETRY: Duration = Duration::from_secs(10);

/// Waits between attempts, then [`EVERY_SECOND`] for [`EVERY_SECOND_FOR`], then [`FOR_EVER`].
const FIRST_WAITS: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
];
const EVERY_SECOND: Duration = Duration::from_secs(1);
const EVERY_SECOND_FOR: Duration = Duration::from_secs(600);
const FOR_EVER: Duration = Duration::from_secs(5);

/// Reconnects wait up to this much longer, so that a room does not come back in one instant.
const SPREAD_MS: u64 = 250;

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// What the playing thread hears of the network.
#[derive(Debug)]
pub enum Heard {
    /// A stream begins. What was known of another one is void.
    Stream(Stream),
    /// Sound.
    Audio {
        /// Position of the first frame.
        position: u64,
        /// When it was captured (server's clock), where the server says.
        captured_us: Option<u64>,
        /// When it was read, in µs of our clock.
        arrived_us: u64,
        /// The timeline was broken before it.
        broken: bool,
        /// Interleaved samples.
        samples: Vec<f32>,
    },
    /// What is known of the server's clock.
    Offset(Offset),
    /// The connection is gone; another may come.
    Gone,
}

/// What a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// Rate and channels.
    pub format: Format,
    /// Frames that come at a time.
    pub chunk: usize,
    /// What the server says of the delay; nothing in generation one.
    pub playout_delay_ms: Option<u32>,
    /// The server's run; nothing in generation one.
    pub session: Option<String>,
}

/// What can be seen of the connection from outside.
#[derive(Debug, Default)]
pub struct Seen {
    /// Connections that got a stream.
    pub connections: Counter,
    /// Version spoken; 0 while not connected.
    pub version: Counter,
    /// Frames received.
    pub frames: Counter,
    /// Chunks that the playing thread was too busy to take.
    pub refused: Counter,
    /// Uncertainty of the server clock's estimate, in ns.
    pub uncertainty_ns: Counter,
}

/// The network thread's state.
pub struct Connect {
    /// Where the server is.
    pub target: Target,
    /// How we introduce ourselves.
    pub hello: Hello,
    /// Give up instead of trying again.
    pub once: bool,
    /// The output that we play on, which the server must not be capturing.
    pub own_output: Option<String>,
    /// Our clock.
    pub clock: Clock,
    /// The playing thread.
    pub player: SyncSender<Heard>,
    /// What to report to the server, newest last.
    pub reports: Receiver<Report>,
    /// What others may see.
    pub seen: Arc<Seen>,
    /// The user chose a delay, which only a first-generation server lets us choose.
    pub warn_of_delay_flags: bool,
}

/// How a connection ended.
enum End {
    Stop,
    Full(SocketAddr),
    Broken(Error),
}

impl Connect {
    /// Runs until `shutdown`, or until there is nothing more to try.
    ///
    /// # Errors
    /// With `once` whatever ended the connection; else only what trying again cannot mend.
    pub fn run(self, shutdown: &Shutdown) -> Result<()> {
        let mut known = false;
        let mut retry = Retry::default();
        let mut said = false;
        loop {
            let before = self.seen.connections.get();
            let end = match self.attempt() {
                Ok((stream, address)) => self.converse(stream, address, known, shutdown),
                Err(e) => End::Broken(e),
            };
            self.seen.version.set(0);
            let connected = self.seen.connections.get() != before;
            known |= connected;
            if connected {
                (retry, said) = (Retry::default(), false);
                let _ = self.player.send(Heard::Gone);
            }
            let wait = match end {
                End::Stop => return Ok(()),
                End::Full(address) if self.once => return Err(Error::ServerFull { address }),
                End::Full(address) => {
                    if !said {
                        warn!("{}. Trying again every 10 s", Error::ServerFull { address });
                        said = true;
                    }
                    FULL_RETRY
                }
                End::Broken(e) if self.once || is_hopeless(&e, known) => return Err(e),
                End::Broken(e) => {
                    if !said {
                        warn!("{e}. Trying again until it works");
                        said = true;
                    }
                    debug!("{e}");
                    retry.next(spread())
                }
            };
            if shutdown.sleep(wait) {
                return Ok(());
            }
        }
    }

    /// One attempt over all addresses of the host.
    fn attempt(&self) -> Result<(TcpStream, SocketAddr)> {
        let until = Instant::now() + ATTEMPT;
        let host = &self.target.host;
        let unresolved = |why: String| Error::Unresolved { host: host.clone(), why };
        let addresses: Vec<SocketAddr> = (host.as_str(), self.target.port)
            .to_socket_addrs()
            .map_err(|_| unresolved("no address belongs to that name".to_owned()))?
            .collect();
        let mut failure = unresolved("the name has no address".to_owned());
        for (n, &address) in addresses.iter().enumerate() {
            // What is left is shared fairly, so that a dead address does not eat it all.
            let left = until.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(addresses.len() - n).unwrap_or(1);
            if share.is_zero() {
                break;
            }
            match std::net::TcpStream::connect_timeout(&address, share) {
                Ok(stream) => {
                    let ready =
                        stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true));
                    if let Err(e) = ready {
                        debug!("{address}: {e}");
                    }
                    return Ok((TcpStream::from_std(stream), address));
                }
                Err(e) => failure = explain(&e, address),
            }
        }
        Err(failure)
    }

    /// Talks to a server until one side ends it.
    fn converse(
        &self,
        mut stream: TcpStream,
        address: SocketAddr,
        known: bool,
        shutdown: &Shutdown,
    ) -> End {
        let mut session = Session {
            connect: self,
            address,
            conversation: Conversation::new(self.hello.clone(), known),
            server_clock: ServerClock::default(),
            pings: 0,
            next_ping_us: 0,
            ping_ms: 250,
            unsent: Vec::new(),
        };
        match session.run(&mut stream, shutdown) {
            Ok(end) => end,
            Err(e) => End::Broken(e),
        }
    }
}

/// One connection.
struct Session<'a> {
    connect: &'a Connect,
    address: SocketAddr,
    conversation: Conversation,
    server_clock: ServerClock,
    pings: u32,
    next_ping_us: u64,
    ping_ms: u32,
    /// Bytes that the socket has not taken: hellos, pings and reports, a few hundred at most.
    unsent: Vec<u8>,
}

impl Session<'_> {
    fn run(&mut self, stream: &mut TcpStream, shutdown: &Shutdown) -> Result<End> {
        let internal = |e: io::Error| Error::internal("cannot wait for the network", e);
        let mut poll = Poll::new().map_err(internal)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(stream, Token(0), interest).map_err(internal)?;
        let mut events = Events::with_capacity(4);
        let mut deframer = Deframer::new(self.conversation.limits());
        let mut buffer = vec![0; READ_BYTES];
        let start = Instant::now();
        let mut heard = start;
        while !shutdown.is_requested() {
            match poll.poll(&mut events, Some(self.until_next_ping())) {
                Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(internal(e)),
                _ => {}
            }
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) => return Err(self.ended()),
                    Ok(count) => {
                        heard = Instant::now();
                        deframer.push(&buffer[..count]);
                        if let Some(end) = self.take_all(&mut deframer)? {
                            return Ok(end);
                        }
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(self.lost(e.to_string())),
                }
            }
            if !self.conversation.has_begun() && start.elapsed() > CONFIG_WITHIN {
                return Err(self.strange("it said nothing within 2 s".to_owned()));
            }
            if self.conversation.is_typed() && heard.elapsed() > DEAD_AFTER {
                return Err(self.lost("nothing came for 5 s".to_owned()));
            }
            self.ask();
            self.flush(stream)?;
        }
        Ok(End::Stop)
    }

    fn until_next_ping(&self) -> Duration {
        const IDLE: Duration = Duration::from_millis(100);
        if !self.conversation.is_typed() {
            return IDLE;
        }
        let now = self.connect.clock.now_us();
        Duration::from_micros(self.next_ping_us.saturating_sub(now)).min(IDLE)
    }

    /// Acts on every whole frame.
    fn take_all(&mut self, deframer: &mut Deframer) -> Result<Option<End>> {
        let arrived_us = self.connect.clock.now_us();
        loop {
            deframer.set_limits(self.conversation.limits());
            let event = match deframer.next_frame() {
                Ok(None) => return Ok(None),
                Ok(Some(frame)) => self.conversation.take(frame),
                Err(violation) => Err(violation),
            };
            let event = match event {
                Ok(event) => event,
                Err(violation) => return Err(self.violated(&violation)),
            };
            match event {
                Event::Nothing => {}
                Event::Say(bytes) => self.unsent.extend(bytes),
                Event::Full => return Ok(Some(End::Full(self.address))),
                Event::Plain(config) => {
                    info!("connected to {} (first generation): {}", self.address, config.format());
                    self.begin(
                        1,
                        Stream {
                            format: config.format(),
                            chunk: config.chunk_size as usize,
                            playout_delay_ms: None,
                            session: None,
                        },
                    );
                }
                Event::Welcome(welcome) => {
                    self.refuse_feedback(welcome.captured_output.as_deref())?;
                    info!(
                        "connected to {}: {}, heard {} ms after the PC plays it",
                        label(&welcome.name, self.address),
                        welcome.format,
                        welcome.playout_delay_ms
                    );
                    if self.connect.warn_of_delay_flags {
                        warn!(
                            "--preset and --playout-delay-ms are for first-generation servers: \
                             this one decides the delay itself. --delay moves this listener"
                        );
                    }
                    self.ping_ms = welcome.ping_ms.clamp(100, 10_000);
                    self.begin(
                        welcome.version,
                        Stream {
                            format: welcome.format,
                            chunk: welcome.chunk_size as usize,
                            playout_delay_ms: Some(welcome.playout_delay_ms),
                            session: Some(welcome.session),
                        },
                    );
                }
                Event::Audio { position, captured_us, broken, frames, samples } => {
                    let frames = u64::from(frames);
                    let samples = samples.to_vec();
                    let heard = Heard::Audio { position, captured_us, arrived_us, broken, samples };
                    self.connect.seen.frames.add(frames);
                    tell(self.connect, heard);
                }
                Event::Pong(pong) => {
                    if self.server_clock.pong(pong, arrived_us) == Learnt::Stepped {
                        info!("a clock has jumped (was a PC asleep?): finding the place anew");
                        self.pings = 0;
                    }
                    if let Some(offset) = self.server_clock.offset() {
                        let uncertainty = self.server_clock.uncertainty_us() * 1e3;
                        self.connect.seen.uncertainty_ns.set(uncertainty as u64);
                        tell(self.connect, Heard::Offset(offset));
                    }
                }
                Event::Notice(notice) => match notice.reason {
                    Reason::PlayoutDelay | Reason::Unknown => {}
                    reason => debug!("the server closes: {reason:?} {}", notice.text),
                },
            }
        }
    }

    fn begin(&mut self, version: u32, stream: Stream) {
        self.connect.seen.connections.add(1);
        self.connect.seen.version.set(u64::from(version));
        // The playing thread must not miss this one.
        let _ = self.connect.player.send(Heard::Stream(stream));
    }

    /// Playing on the output that the server captures would feed back.
    fn refuse_feedback(&self, captured: Option<&str>) -> Result<()> {
        match (captured, &self.connect.own_output) {
            (Some(captured), Some(own)) if captured == own => Err(Error::Usage {
                what: format!(
                    "the server on this PC captures “{own}”, and playing there would send the \
                     sound round and round"
                ),
                fix: "Choose another output with --device (--list-devices shows them), or add \
                      --allow-feedback"
                    .to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Queues the pings and reports that are due.
    fn ask(&mut self) {
        if !self.conversation.is_typed() || !self.unsent.is_empty() {
            return;
        }
        while let Ok(report) = self.connect.reports.try_recv() {
            self.unsent.extend(report.frame());
        }
        let now = self.connect.clock.now_us();
        if now < self.next_ping_us {
            return;
        }
        self.pings += 1;
        self.unsent.extend(Ping { client_us: now }.frame());
        let wait = if self.pings < BURST {
            BURST_SPACING_US
        } else {
            // ±25 % at random, so that a room's pings do not meet.
            let usual = u64::from(self.ping_ms) * 1000;
            usual * 3 / 4 + crate::send::random() % (usual / 2).max(1)
        };
        self.next_ping_us = now + wait;
    }

    fn flush(&mut self, stream: &mut TcpStream) -> Result<()> {
        while !self.unsent.is_empty() {
            match stream.write(&self.unsent) {
                Ok(count) => {
                    self.unsent.drain(..count);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.lost(e.to_string())),
            }
        }
        Ok(())
    }

    fn ended(&self) -> Error {
        if self.conversation.has_begun() {
            self.lost("the server closed it".to_owned())
        } else {
            self.strange("it closed the connection without a word".to_owned())
        }
    }

    fn lost(&self, why: String) -> Error {
        Error::Lost { address: self.address, why }
    }

    fn strange(&self, why: String) -> Error {
        Error::NotAuraLync { address: self.address, why }
    }

    fn violated(&self, violation: &Violation) -> Error {
        self.strange(violation.to_string())
    }
}

/// Hands a message to the playing thread. Sound that finds no room is counted: the thread stands
/// still, and what it could not take now would be too late then.
fn tell(connect: &Connect, heard: Heard) {
    if let Err(TrySendError::Full(Heard::Audio { .. })) = connect.player.try_send(heard) {
        connect.seen.refused.add(1);
    }
}

fn label(name: &str, address: SocketAddr) -> String {
    let name = crate::format::printable(name, 64);
    if name.is_empty() { address.to_string() } else { format!("“{name}” ({address})") }
}

/// A connect error as what the user can do about it.
fn explain(error: &io::Error, address: SocketAddr) -> Error {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Error::Refused { address },
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Error::NoAnswer { address },
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Error::NoAnswer { address }
        }
        _ => Error::Lost { address, why: error.to_string() },
    }
}

/// Whether trying again is no use: something else than a server answers, the name does not exist,
/// or the user asked for what cannot be. A server that was there before may come back.
fn is_hopeless(error: &Error, known: bool) -> bool {
    match error {
        Error::Usage { .. } | Error::Internal { .. } => true,
        Error::NotAuraLync { .. } | Error::Unresolved { .. } => !known,
        _ => false,
    }
}

/// The waits between attempts.
#[derive(Debug, Default)]
struct Retry {
    attempts: usize,
    waited: Duration,
}

impl Retry {
    /// How long to wait before the next attempt; `spread` is added to all but the first.
    fn next(&mut self, spread: Duration) -> Duration {
        let wait = match FIRST_WAITS.get(self.attempts) {
            Some(wait) => *wait,
            None if self.waited < EVERY_SECOND_FOR => EVERY_SECOND,
            None => FOR_EVER,
        };
        self.attempts += 1;
        self.waited += wait;
        if wait.is_zero() { wait } else { wait + spread }
    }
}

fn spread() -> Duration {
    Duration::from_millis(crate::send::random() % SPREAD_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_at_once_then_rarer_and_never_end() {
        let mut retry = Retry::default();
        let waits: Vec<u128> = (0..6).map(|_| retry.next(Duration::ZERO).as_millis()).collect();
        assert_eq!(waits, [0, 250, 500, 1000, 1000, 1000]);
        let later = (0..700).map(|_| retry.next(Duration::ZERO)).last().unwrap();
        assert_eq!(later, FOR_EVER);
    }

    #[test]
    fn refused_and_no_answer_are_different_sentences() {
        let address = ([127, 0, 0, 1], 5555).into();
        let refused = explain(&io::ErrorKind::ConnectionRefused.into(), address).to_string();
        let silent = explain(&io::ErrorKind::TimedOut.into(), address).to_string();
        assert!(refused.contains("no AuraLync server is running there"), "{refused}");
        assert!(silent.contains("firewall") && silent.contains("localport=5555"), "{silent}");
    }

    #[test]
    fn only_what_was_never_a_server_is_given_up() {
        let address = ([127, 0, 0, 1], 5555).into();
        let strange = Error::NotAuraLync { address, why: String::new() };
        assert!(is_hopeless(&strange, false) && !is_hopeless(&strange, true));
        assert!(!is_hopeless(&Error::Refused { address }, false));
    }
}
