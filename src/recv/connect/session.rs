//! The conversation with one server. What the server says becomes messages for the playing thread;
//! pings and reports go out in time. The conversation outlives a connection on which nothing comes
//! any more.

mod codec;
mod feedback;
mod rival;
mod sound;

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::TrySendError;
use std::time::Duration;

use log::{debug, info, warn};
use mio::{Events, Poll, Token};

use super::datagrams::Datagrams;
use super::delays::Delays;
use super::following::Following;
use super::line::{Got, Line};
use super::pings::Pings;
use super::rescue::Rescue;
use super::sounds::Sounds;
use super::talk::Talk;
use super::{Connect, End, Heard, Stream, is_shut};
use crate::allowance::Allowance;
use crate::clock::{Learnt, ServerClock};
use crate::discovery::follow::Search;
use crate::error::{Error, Result};
use crate::recv::decode::Event;
use crate::recv::fit::Fit;
use crate::recv::repair::Counts;
use crate::shutdown::Shutdown;
use crate::wire::{Config, Full, Notice, Ping, Pong, Reason, Violation, Welcome};
use sound::{hand_on, heard};

/// A change of the delay by so much is steered away and not worth a word, in ms.
const UNHEARD_MS: u32 = 2;

/// A server that has not said what it is within this, in µs, gets another try.
const CONFIG_WITHIN_US: u64 = 2_000_000;

/// A server that has not answered our hello within this, in µs, gets another try.
const WELCOME_WITHIN_US: u64 = 5_000_000;

/// Whoever runs a private room may let us wait so long before it, in µs: a little longer than servers do.
const LET_IN_WITHIN_US: u64 = 150_000_000;

/// A server that is known by name may have another address after a long outage: its name is looked
/// up again then. One that is known by its address is called for ever.
const NAME_HOLDS_FOR_US: u64 = 30_000_000;

/// A server that was found on the network is looked for again after an outage of this long, in µs:
/// it says itself where it is.
const FOUND_HOLDS_FOR_US: u64 = 10_000_000;

/// With `--once`, the client ends when nothing has come for this long, in µs.
const ONCE_FOR_US: u64 = 5_000_000;

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// What has come is acted on for no longer than this, in µs, before everything else has its turn: a
/// server may send without end.
const LONGEST_TURN_US: u64 = 20_000;

/// Shutdown is looked for this often.
const IDLE_US: u64 = 100_000;

const LINE: Token = Token(0);

/// What is known of a server's clock: it outlives connections to the same run of the server.
#[derive(Default)]
pub(super) struct Clocks {
    session: String,
    clock: ServerClock,
    /// What the last server sent its sound in.
    pub(super) codec: String,
    /// Which codec fits the path there.
    fit: Option<Fit>,
}

/// One conversation.
pub(super) struct Session<'a> {
    connect: &'a Connect,
    clocks: &'a mut Clocks,
    poll: Poll,
    line: Line,
    /// A second connection, opened while nothing comes on the first.
    rival: Option<Line>,
    /// Looks where the server is meanwhile.
    search: Option<Search>,
    /// Where it was reached first, and what it calls itself.
    first: SocketAddr,
    name: String,
    /// Watches a version 2 server, once it has welcomed us.
    rescue: Option<Rescue>,
    /// Why the server is about to close, in its own words.
    farewell: Option<String>,
    pings: Pings,
    ping_ms: u32,
    version: u32,
    delays: Delays,
    /// Clocks that have jumped, as often as the log tells of them.
    jumps: Allowance,
    /// Some of what has come has not been acted on.
    has_more: bool,
    talk: Talk,
    /// Timed sound, once there is a welcome.
    sounds: Option<Sounds>,
    /// The other way that it comes, where both sides can.
    datagrams: Option<Datagrams>,
    /// What others have been told of them.
    counted: Counts,
    following: Following,
    /// Whoever runs the room is asked whether we may come in.
    knocks: bool,
    /// When another codec was asked for that has not begun yet.
    asked_us: Option<u64>,
}

impl<'a> Session<'a> {
    /// A session on a fresh connection.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system gives no event queue.
    pub(super) fn new(
        connect: &'a Connect,
        mut line: Line,
        clocks: &'a mut Clocks,
    ) -> Result<Self> {
        let poll = Poll::new().map_err(cannot_wait)?;
        line.register(poll.registry(), LINE)?;
        line.mark(connect.dscp);
        connect.wake_when_said(poll.registry())?;
        Ok(Self {
            connect,
            clocks,
            poll,
            first: line.address,
            name: String::new(),
            line,
            rival: None,
            search: None,
            rescue: None,
            farewell: None,
            pings: Pings::default(),
            ping_ms: 250,
            version: 2,
            delays: Delays::default(),
            jumps: Allowance::per_second(1),
            has_more: false,
            talk: Talk::default(),
            sounds: None,
            datagrams: None,
            counted: Counts::default(),
            following: Following::default(),
            knocks: false,
            asked_us: None,
        })
    }

    /// Talks to the server until one side ends it.
    pub(super) fn run(mut self, shutdown: &Shutdown) -> Result<End> {
        let mut events = Events::with_capacity(8);
        let mut buffer = vec![0; READ_BYTES];
        while !shutdown.is_requested() {
            let (begun_us, rest) = (self.now_us(), self.until_next_duty());
            match self.poll.poll(&mut events, Some(rest)) {
                Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(cannot_wait(e)),
                _ => self.woke(begun_us, rest),
            }
            if let Some(end) = self.hear(&mut buffer)? {
                return Ok(end);
            }
            if let Some(end) = self.hear_rival(&mut buffer)? {
                return Ok(end);
            }
            self.hear_datagrams(&mut buffer);
            self.release()?;
            self.mind_the_clock()?;
            self.mind_the_delay();
            self.ask();
            if let Err(e) = self.line.flush() {
                self.fall_back_on_rival(e)?;
            }
        }
        Ok(End::Stop)
    }

    fn now_us(&self) -> u64 {
        self.connect.clock.now_us()
    }

    fn until_next_duty(&self) -> Duration {
        if self.has_more {
            return Duration::ZERO;
        }
        let now_us = self.now_us();
        let mut due_us = now_us + IDLE_US;
        if let Some(rescue) = self.rescue.as_ref().filter(|_| self.line.conversation.is_typed()) {
            due_us = due_us.min(rescue.due_us());
            if !rescue.is_dead() && !self.line.is_behind() {
                due_us = due_us.min(self.pings.due_us());
            }
        }
        let lines = [Some(&self.line), self.rival.as_ref()];
        let arrives_us = lines.into_iter().flatten().filter_map(Line::next_us).min();
        let due_us = due_us.min(arrives_us.unwrap_or(u64::MAX)).min(self.sound_due_us(now_us));
        Duration::from_micros(due_us.saturating_sub(now_us))
    }

    /// Reads the connection in use and acts on what came, for as long as one turn may last.
    fn hear(&mut self, buffer: &mut [u8]) -> Result<Option<End>> {
        let until_us = self.now_us() + LONGEST_TURN_US;
        loop {
            if let Some(end) = self.take_until(until_us)? {
                return Ok(Some(end));
            }
            if self.has_more {
                return Ok(None);
            }
            let end = match self.line.read(buffer, self.connect.clock.now_us()) {
                Ok(Got::Nothing) => return Ok(None),
                Ok(Got::Bytes) => {
                    self.delivered();
                    continue;
                }
                Ok(Got::End) => self.ended(),
                Err(e) => Err(e),
            };
            match end {
                Ok(end) => return Ok(Some(end)),
                Err(e) => return self.fall_back_on_rival(e).map(|()| None),
            }
        }
    }

    /// What is due because nothing came for too long.
    fn mind_the_clock(&mut self) -> Result<()> {
        let now_us = self.now_us();
        let waited_us = now_us.saturating_sub(self.line.since_us);
        if !self.line.conversation.has_begun() && waited_us > CONFIG_WITHIN_US {
            return Err(self.line.strange("it said nothing within 2 s"));
        }
        let within_us = if self.knocks { LET_IN_WITHIN_US } else { WELCOME_WITHIN_US };
        if self.line.conversation.awaits_welcome() && waited_us > within_us {
            return Err(self
                .line
                .lost(format!("no welcome came within {} s", within_us / 1_000_000)));
        }
        self.mind_the_path(now_us)
    }

    /// Acts on every whole frame, or on as many as can be by `until_us`.
    fn take_until(&mut self, until_us: u64) -> Result<Option<End>> {
        let (arrived_us, address) = (self.now_us(), self.line.address);
        self.has_more = false;
        loop {
            if self.now_us() >= until_us {
                self.has_more = true;
                return Ok(None);
            }
            let Some(event) = self.line.next_event()? else {
                return Ok(None);
            };
            match event {
                Event::Nothing => {}
                Event::Say(bytes) => self.line.say(bytes),
                Event::Full(full) => return Ok(Some(End::Full(self.line.address, full))),
                Event::Shut(shut) => return Err(is_shut(address, shut)),
                Event::Plain(config) => self.begin_plain(&config),
                Event::Welcome(welcome) => self.welcomed(welcome)?,
                Event::Frame(header, payload) => {
                    let bytes = payload.len();
                    if let Some(sounds) = &mut self.sounds {
                        sounds.frame(header, payload).map_err(|why| broken(address, &why))?;
                    }
                    self.came_by_tcp(header, bytes, arrived_us);
                    self.release()?;
                }
                Event::Audio(sound) => {
                    // A first-generation server's sound is all there, or the connection is lost.
                    let heard = heard(self.connect, 0, sound, arrived_us);
                    hand_on(self.connect, &mut self.line, heard);
                }
                Event::Switch(switch) => self.switch(&switch),
                Event::Pong(pong) => self.learn(pong, arrived_us),
                Event::Notice(notice) => self.notice(notice)?,
                Event::People(people) => self.connect.room.enter(people),
                Event::Changes(changes) => self.connect.room.change(changes),
            }
        }
    }

    fn learn(&mut self, pong: Pong, arrived_us: u64) {
        self.following.answered(arrived_us.saturating_sub(pong.client_us));
        let has_stepped = self.clocks.clock.pong(pong, arrived_us) == Learnt::Stepped;
        if has_stepped && self.jumps.takes(arrived_us) {
            info!("a clock has jumped (was a PC asleep?): finding the place anew");
        }
        self.pings.answered(has_stepped);
        if let Some(offset) = self.clocks.clock.offset() {
            let uncertainty = self.clocks.clock.uncertainty_us() * 1e3;
            self.connect.seen.uncertainty_ns.set(uncertainty as u64);
            tell(self.connect, Heard::Offset(offset));
        }
    }

    fn notice(&mut self, notice: Notice) -> Result<()> {
        match (notice.reason, notice.playout_delay_ms) {
            (Reason::PlayoutDelay, Some(playout_delay_ms)) => {
                self.delays.told(playout_delay_ms, notice.from_us.unwrap_or(0));
            }
            (Reason::Waiting, _) => {
                self.knocks = true;
                info!("waiting to be let in: {}", notice.text);
            }
            (Reason::Via, _) => self.refuse_round(&self.clocks.session, &notice.via)?,
            (Reason::MayNotTalk, _) => self.talk.may_not(self.connect, &notice.text),
            (Reason::PlayoutDelay | Reason::Unknown, _) => {}
            (Reason::Muted | Reason::Unmuted, _) => warn!("{}", notice.text),
            (Reason::Removed, _) => return Err(Error::Removed { address: self.line.address }),
            (reason, _) => {
                debug!("the server closes: {reason:?}");
                self.farewell = Some(notice.text).filter(|text| !text.is_empty());
            }
        }
        Ok(())
    }

    /// Hands on what the server says of the delay.
    fn mind_the_delay(&mut self) {
        let before_ms = self.delays.now_ms();
        if let Some((playout_delay_ms, from_us)) = self.delays.due(self.now_us()) {
            let is_small = before_ms.is_some_and(|ms| ms.abs_diff(playout_delay_ms) <= UNHEARD_MS);
            let level = if is_small { log::Level::Debug } else { log::Level::Info };
            log::log!(level, "the server's delay is {playout_delay_ms} ms from here on");
            if let Some(sounds) = &mut self.sounds {
                sounds.set_delay_ms(playout_delay_ms);
            }
            // Rare, and not to be missed.
            let _ = self.connect.player.send(Heard::Delay { playout_delay_ms, from_us });
        }
    }

    fn begin_plain(&mut self, config: &Config) {
        info!("connected to {} (first generation): {}", self.line.address, config.format());
        (self.rescue, self.sounds, self.datagrams) = (None, None, None);
        self.talk.is_plain(self.connect);
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

    fn welcomed(&mut self, welcome: Welcome) -> Result<()> {
        self.refuse_feedback(&welcome)?;
        self.refuse_round(&welcome.session, &welcome.via)?;
        let now_us = self.now_us();
        let same_run = self.clocks.session == welcome.session;
        let before = self.rescue.take();
        if let Some(rescue) = before.as_ref().filter(|rescue| rescue.is_dead()) {
            rival::say_back(self.line.address, rescue.quiet_for_us(now_us));
        }
        if before.is_none() || !same_run {
            let within = |ms| format!(", in step with other places within {ms} ms");
            info!(
                "connected to {}: {}, {}, heard {} ms after the PC plays it{}",
                label(&welcome.name, self.line.address),
                welcome.format,
                welcome.codec,
                welcome.playout_delay_ms,
                welcome.within_ms.map(within).unwrap_or_default()
            );
        }
        if before.is_none() && self.connect.warn_of_delay_flags {
            warn!(
                "--preset and --playout-delay-ms are for first-generation servers: this one \
                 decides the delay itself. --delay moves this listener"
            );
        }
        let places = (self.line.address, self.first);
        self.talk.welcomed(self.connect, places, &welcome, !same_run);
        self.name.clone_from(&welcome.name);
        if !same_run {
            let session = welcome.session.clone();
            (self.clocks.session, self.clocks.clock) = (session, ServerClock::default());
        }
        self.clocks.codec.clone_from(&welcome.codec);
        self.delays.welcomed(welcome.playout_delay_ms);
        self.begin_sound(&welcome);
        let chunk_us = welcome.format.micros(u64::from(welcome.chunk_size)) as u64;
        self.ping_ms = welcome.ping_ms.clamp(100, 10_000);
        let ping_us = u64::from(self.ping_ms) * 1_000;
        self.rescue = Some(Rescue::new(now_us, chunk_us, ping_us, self.give_up_after_us()));
        self.pings.begin(now_us);
        self.version = welcome.version;
        self.begin(
            welcome.version,
            Stream {
                format: welcome.format,
                chunk: welcome.chunk_size as usize,
                playout_delay_ms: Some(welcome.playout_delay_ms),
                session: Some(welcome.session),
            },
        );
        Ok(())
    }

    /// How long the path to this server may be dead before it is looked for anew.
    fn give_up_after_us(&self) -> u64 {
        let place = &self.connect.place;
        match (self.connect.once, place.is_found(), place.may_change()) {
            (true, _, _) => ONCE_FOR_US,
            (false, true, _) => FOUND_HOLDS_FOR_US,
            (false, false, true) => NAME_HOLDS_FOR_US,
            (false, false, false) => u64::MAX,
        }
    }

    fn begin(&mut self, version: u32, stream: Stream) {
        self.connect.seen.connections.add(1);
        self.connect.seen.version.set(u64::from(version));
        // The playing thread must not miss this one.
        let _ = self.connect.player.send(Heard::Stream(stream));
    }

    /// Queues the pings and reports that are due, and what was said. None while nothing comes: the system would hand
    /// them over all at once when the path is back, which is a flood.
    fn ask(&mut self) {
        let is_well = self.rescue.as_ref().is_some_and(|rescue| !rescue.is_dead());
        if !is_well || !self.line.conversation.is_typed() || self.line.is_behind() {
            return;
        }
        while let Ok(report) = self.connect.reports.try_recv() {
            // One that would wait says less than the next.
            if !self.pings.wait() {
                self.line.say(report.frame());
            }
        }
        let now_us = self.now_us();
        let ways = (&mut self.line, self.datagrams.as_mut());
        self.talk.say(self.connect, ways, &self.clocks.clock, now_us);
        let random = crate::random::random();
        if self.pings.is_due(&self.clocks.clock, self.ping_ms, random, now_us) {
            self.line.say(Ping { client_us: now_us }.frame());
        }
    }

    fn ended(&mut self) -> Result<End> {
        let address = self.line.address;
        if self.line.conversation.is_refused() {
            // Our seat was taken by somebody else meanwhile.
            Ok(End::Full(address, Full::Server))
        } else if let Some(why) = self.farewell.take() {
            Err(Error::Dismissed { address, why })
        } else if self.line.conversation.has_begun() {
            Err(self.line.lost("the server closed it"))
        } else {
            Err(self.line.strange("it closed the connection without a word"))
        }
    }
}

fn cannot_wait(error: io::Error) -> Error {
    Error::internal("cannot wait for the network", error)
}

/// A frame that cannot be what it says, by the protocol.
fn broken(address: SocketAddr, why: &Violation) -> Error {
    Error::NotAuraLync { address, why: why.to_string() }
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
