//! One connection: what the server says becomes messages for the playing thread; pings and reports
//! go out in time.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::mpsc::TrySendError;
use std::time::{Duration, Instant};

use log::{debug, info, warn};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::{Connect, End, Heard, Stream};
use crate::clock::{BURST, BURST_SPACING_US, Learnt, ServerClock};
use crate::error::{Error, Result, plain};
use crate::recv::decode::{Conversation, Event};
use crate::shutdown::Shutdown;
use crate::wire::{Deframer, Notice, Ping, Reason, Violation};

/// A server that has not said what it is by then gets another try.
const CONFIG_WITHIN: Duration = Duration::from_secs(2);

/// A version 2 server keeps silence flowing: nothing at all for this long means that it is gone,
/// though the system may not know it yet.
const DEAD_AFTER: Duration = Duration::from_secs(5);

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// What is known of a server's clock: it outlives connections to the same run of the server.
#[derive(Default)]
pub(super) struct Clocks {
    session: String,
    clock: ServerClock,
}

/// One connection.
pub(super) struct Session<'a> {
    connect: &'a Connect,
    address: SocketAddr,
    conversation: Conversation,
    clocks: &'a mut Clocks,
    pings: u32,
    next_ping_us: u64,
    ping_ms: u32,
    /// Bytes that the socket has not taken: hellos, pings and reports, a few hundred at most.
    unsent: Vec<u8>,
}

impl<'a> Session<'a> {
    /// A session on a fresh connection to `address`. `known` says that this run has been welcomed
    /// before.
    pub(super) fn new(
        connect: &'a Connect,
        address: SocketAddr,
        known: bool,
        clocks: &'a mut Clocks,
    ) -> Self {
        Self {
            connect,
            address,
            conversation: Conversation::new(connect.hello.clone(), known),
            clocks,
            pings: 0,
            next_ping_us: 0,
            ping_ms: 250,
            unsent: Vec::new(),
        }
    }

    /// Talks to the server until one side ends it.
    pub(super) fn run(mut self, stream: &mut TcpStream, shutdown: &Shutdown) -> Result<End> {
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
                    Ok(0) => return self.ended(),
                    Ok(count) => {
                        heard = Instant::now();
                        deframer.push(&buffer[..count]);
                        if let Some(end) = self.take_all(&mut deframer)? {
                            return Ok(end);
                        }
                    }
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(self.lost(plain(&e))),
                }
            }
            if !self.conversation.has_begun() && start.elapsed() > CONFIG_WITHIN {
                return Err(self.strange("it said nothing within 2 s".to_owned()));
            }
            if self.conversation.awaits_welcome() && start.elapsed() > DEAD_AFTER {
                return Err(self.lost("no welcome came within 5 s".to_owned()));
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
                    if self.clocks.session != welcome.session {
                        let session = welcome.session.clone();
                        *self.clocks = Clocks { session, clock: ServerClock::default() };
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
                    if self.clocks.clock.pong(pong, arrived_us) == Learnt::Stepped {
                        info!("a clock has jumped (was a PC asleep?): finding the place anew");
                        self.pings = 0;
                    }
                    if let Some(offset) = self.clocks.clock.offset() {
                        let uncertainty = self.clocks.clock.uncertainty_us() * 1e3;
                        self.connect.seen.uncertainty_ns.set(uncertainty as u64);
                        tell(self.connect, Heard::Offset(offset));
                    }
                }
                Event::Notice(notice) => self.notice(&notice),
            }
        }
    }

    fn notice(&self, notice: &Notice) {
        match (notice.reason, notice.playout_delay_ms) {
            (Reason::PlayoutDelay, Some(playout_delay_ms)) => {
                info!("the server's delay is {playout_delay_ms} ms from here on");
                let from_us = notice.from_us.unwrap_or(0);
                // Rare, and not to be missed.
                let _ = self.connect.player.send(Heard::Delay { playout_delay_ms, from_us });
            }
            (Reason::PlayoutDelay | Reason::Unknown, _) => {}
            (reason, _) => debug!("the server closes: {reason:?} {}", notice.text),
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
                what: "the server on this PC captures the output that this client would play on, \
                       which would send the sound round and round"
                    .to_owned(),
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
                Err(e) => return Err(self.lost(plain(&e))),
            }
        }
        Ok(())
    }

    fn ended(&self) -> Result<End> {
        if self.conversation.is_refused() {
            // Our seat was taken by somebody else meanwhile.
            Ok(End::Full(self.address))
        } else if self.conversation.has_begun() {
            Err(self.lost("the server closed it".to_owned()))
        } else {
            Err(self.strange("it closed the connection without a word".to_owned()))
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
