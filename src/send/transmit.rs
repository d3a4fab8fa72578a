//! The network loop: one thread that owns every listener's socket and writes without blocking.
//!
//! What to send to whom is [`fanout`](super::fanout)'s to decide; here are sockets and time.
//! One turn: read, control, accept (a few), then audio in slices with a zero-time poll between, so
//! that two thousand sockets to write keep no accept, pong or close waiting for long.

pub mod sockets;

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::Duration;

use log::{debug, info, warn};
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use super::fanout::{Asks, Listener, Log, Overdue, Phase, Stopped};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::stats::ListenerStats;
use crate::wire::{AudioFrame, Config, Hello, Notice, Reason, VERSION, Welcome};
use sockets::Buffering;

/// Frames between the encoder and the loop. The loop takes them all at every turn, so more than a
/// few waiting means that it stands still; then the newest are dropped and counted.
const QUEUE: usize = 64;

/// Accepts in one turn.
const ACCEPTS_PER_TURN: usize = 64;

/// Sockets written between two looks at what else has happened.
const SLICE: usize = 256;

/// How long accepting pauses when the process has no file descriptor left.
const ACCEPT_PAUSE_US: u64 = 100_000;

/// Connections above `max_clients` that are kept a moment, in case they are ghosts.
const EXTRA_SEATS: usize = 8;

/// Connections in all, for each listener that `max_clients` allows: everybody who listens, and as
/// many that were told to go and have not gone yet, as when a whole room comes back at once.
const CONNECTIONS_PER_CLIENT: usize = 2;

/// How often overdue listeners are looked for.
const HOUSEKEEPING_US: u64 = 100_000;

/// How often the state of every listener is handed out.
const SNAPSHOT_US: u64 = 1_000_000;

/// Bytes read from one socket in one turn.
const READ_BYTES: usize = 16 * 1024;

/// How long the last words may take when the server stops.
const STOP_WITHIN: Duration = Duration::from_millis(500);

const WAKER: Token = Token(usize::MAX);
const DOOR: Token = Token(usize::MAX - 1);

/// What the loop is told.
enum Order {
    Frame(AudioFrame),
    Change(Change),
    Stop,
}

/// What may change while the server runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// How long after its capture a sample is heard, in ms.
    pub playout_delay_ms: u32,
    /// The capture time from which the delay holds, in µs: the same sample for everybody.
    pub from_us: u64,
    /// Most listeners at a time; 0: as many as the system lets in.
    pub max_clients: u32,
}

/// The other threads' end of the loop.
#[derive(Clone)]
pub struct Handle {
    orders: SyncSender<Order>,
    waker: Arc<Waker>,
}

impl Handle {
    /// Hands a frame to every listener. `false` if the loop was too busy to take it.
    #[must_use]
    pub fn send(&self, frame: AudioFrame) -> bool {
        let taken = self.orders.try_send(Order::Frame(frame)).is_ok();
        // A wake that fails means that the loop is gone, and the join tells why.
        let _ = self.waker.wake();
        taken
    }

    /// Changes delay and limits, and tells the listeners.
    pub fn change(&self, change: Change) {
        self.insist(|| Order::Change(change));
    }

    /// Tells every listener goodbye and ends the loop.
    pub fn stop(&self) {
        self.insist(|| Order::Stop);
    }

    /// Gives an order that must not be lost. The loop takes all that wait at every turn.
    fn insist(&self, order: impl Fn() -> Order) {
        while let Err(TrySendError::Full(_)) = self.orders.try_send(order()) {
            let _ = self.waker.wake();
            std::thread::yield_now();
        }
        let _ = self.waker.wake();
    }
}

/// What the loop knows of its stream.
#[derive(Debug, Clone)]
pub struct Room {
    /// The first thing that every listener hears.
    pub config: Config,
    /// What a hello is answered with, but for what depends on the listener.
    pub welcome: Welcome,
    /// The output whose sound is captured: told to listeners on this machine.
    pub captured_output: Option<String>,
    /// Most listeners at a time; 0: as many as the system lets in.
    pub max_clients: u32,
    /// Chunks that may wait for one listener.
    pub max_queue_size: u32,
}

/// The state of the loop once a second.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Everybody who listens.
    pub listeners: Vec<ListenerStats>,
    /// Audio frames dropped for listeners that have left.
    pub dropped_before: u64,
    /// CPU time that the loop's thread has used, in ms; 0 where the system does not say.
    pub cpu_ms: f64,
}

struct Seat {
    stream: TcpStream,
    listener: Listener,
    writable: bool,
    in_touched: bool,
    /// The connection that this one takes the place of, once its welcome is written.
    replaces: Option<usize>,
}

/// The loop.
pub struct Transmit {
    room: Room,
    clock: Clock,
    poll: Poll,
    door: TcpListener,
    orders: Receiver<Order>,
    snapshots: SyncSender<Snapshot>,
    seats: Vec<Option<Seat>>,
    free: Vec<usize>,
    /// Seats that something happened to since they were last written.
    touched: Vec<usize>,
    log: Log,
    fresh_audio: bool,
    door_open: bool,
    accept_after_us: u64,
    housekeeping_us: u64,
    snapshot_us: u64,
    rotation: usize,
    dropped_before: u64,
    /// A playout delay that was, in ms, and the capture time from which it is no more.
    old_delay: (u32, u64),
    buffer: Box<[u8; READ_BYTES]>,
    stopping: bool,
}

impl Transmit {
    /// Prepares the loop on a listening socket. Its [`Snapshot`]s come out of the receiver; those
    /// that nobody takes in time are skipped.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system gives no event queue.
    pub fn new(
        door: std::net::TcpListener,
        room: Room,
        clock: Clock,
    ) -> Result<(Self, Handle, Receiver<Snapshot>)> {
        let failed = |e: io::Error| Error::internal("cannot start the network loop", e);
        let poll = Poll::new().map_err(failed)?;
        let mut door = TcpListener::from_std(door);
        poll.registry().register(&mut door, DOOR, Interest::READABLE).map_err(failed)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(failed)?);
        let (sender, orders) = sync_channel(QUEUE);
        let (snapshots, taken) = sync_channel(1);
        let transmit = Self {
            log: Log::new(room.max_queue_size as usize),
            room,
            clock,
            poll,
            door,
            orders,
            snapshots,
            seats: Vec::new(),
            free: Vec::new(),
            touched: Vec::new(),
            fresh_audio: false,
            door_open: true,
            accept_after_us: 0,
            housekeeping_us: 0,
            snapshot_us: 0,
            rotation: 0,
            dropped_before: 0,
            old_delay: (0, 0),
            buffer: Box::new([0; READ_BYTES]),
            stopping: false,
        };
        Ok((transmit, Handle { orders: sender, waker }, taken))
    }

    /// Runs until [`Handle::stop`], or until every handle is gone.
    ///
    /// # Errors
    /// [`Error::Internal`] if the event queue breaks.
    pub fn run(mut self) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        while !self.stopping {
            let timeout = self.until_next_duty();
            self.turn(&mut events, Some(timeout))?;
            self.write_round(&mut events)?;
            self.keep_house();
        }
        self.say_goodbye(&mut events)
    }

    /// Waits for events and reads, answers and accepts what they bring.
    fn turn(&mut self, events: &mut Events, timeout: Option<Duration>) -> Result<()> {
        match self.poll.poll(events, timeout) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(e) => return Err(Error::internal("the network loop cannot wait", e)),
        }
        for event in events.iter() {
            match event.token() {
                WAKER => {}
                DOOR => self.door_open = true,
                Token(index) => self.seat_event(index, event),
            }
        }
        self.take_orders();
        self.write_touched();
        self.accept();
        Ok(())
    }

    fn until_next_duty(&self) -> Duration {
        if !self.touched.is_empty() || self.fresh_audio {
            return Duration::ZERO;
        }
        let now = self.clock.now_us();
        if self.door_open {
            return Duration::from_micros(self.accept_after_us.saturating_sub(now));
        }
        Duration::from_micros((self.housekeeping_us + HOUSEKEEPING_US).saturating_sub(now))
    }

    fn take_orders(&mut self) {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Frame(frame)) => {
                    self.log.push(frame);
                    self.fresh_audio = true;
                }
                Ok(Order::Change(change)) => self.change(change),
                Ok(Order::Stop) | Err(TryRecvError::Disconnected) => {
                    self.stopping = true;
                    return;
                }
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    fn change(&mut self, change: Change) {
        self.room.max_clients = change.max_clients;
        let before_ms = self.room.welcome.playout_delay_ms;
        if before_ms == change.playout_delay_ms {
            return;
        }
        self.room.welcome.playout_delay_ms = change.playout_delay_ms;
        // What was captured before still has the old delay's time.
        self.old_delay = (before_ms, change.from_us);
        let notice = Notice {
            reason: Reason::PlayoutDelay,
            text: format!("the playout delay is now {} ms", change.playout_delay_ms),
            playout_delay_ms: Some(change.playout_delay_ms),
            from_us: Some(change.from_us),
        };
        for index in 0..self.seats.len() {
            if let Some(Some(seat)) = self.seats.get_mut(index) {
                seat.listener.outbox.notice(&notice);
                self.touch(index);
            }
        }
    }

    /// How old a frame may be to be worth sending, in µs, but for what a listener adds itself.
    fn max_age_us(&self, now_us: u64) -> u64 {
        let (old_ms, until_us) = self.old_delay;
        let new_ms = self.room.welcome.playout_delay_ms;
        let old_holds = now_us < until_us + u64::from(old_ms) * 1000;
        u64::from(if old_holds { old_ms.max(new_ms) } else { new_ms }) * 1000
    }

    fn seat_event(&mut self, index: usize, event: &Event) {
        let Some(seat) = self.seats.get_mut(index).and_then(Option::as_mut) else {
            return;
        };
        if event.is_writable() {
            seat.writable = true;
            self.touch(index);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.read(index);
        }
    }

    fn touch(&mut self, index: usize) {
        if let Some(Some(seat)) = self.seats.get_mut(index)
            && !seat.in_touched
        {
            seat.in_touched = true;
            self.touched.push(index);
        }
    }

    /// Reads all that is there; the listener's own limits end a flood.
    fn read(&mut self, index: usize) {
        loop {
            let Some(Some(seat)) = self.seats.get_mut(index) else {
                return;
            };
            match seat.stream.read(&mut self.buffer[..]) {
                Ok(0) => return self.leave(index, "left"),
                Ok(count) => {
                    self.hear(index, count);
                    self.touch(index);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return self.leave(index, &format!("was lost ({e})")),
            }
        }
    }

    /// Acts on `count` bytes in the buffer that came from a listener.
    fn hear(&mut self, index: usize, mut count: usize) {
        let now = self.clock.now_us();
        while let Some(Some(seat)) = self.seats.get_mut(index) {
            match seat.listener.read(&self.buffer[..count], now) {
                Ok(Asks::Nothing) => return,
                Ok(Asks::Welcome(hello)) => self.welcome(index, hello),
                Err(_) if seat.listener.is_leaving() => {
                    return self.leave(index, "was told to go and talked on");
                }
                Err(violation) => {
                    let label = seat.listener.label();
                    debug!("{label} broke the protocol: {violation}");
                    let text = "what this listener sent is not AuraLync's protocol";
                    seat.listener.close(Reason::Violation, text, now);
                    return;
                }
            }
            count = 0;
        }
    }

    /// The seat of a client run, unless a newer connection of the same run has been given it: each
    /// seat is given away once, however many ask for it at the same moment.
    fn ghost_of(&self, id: &str) -> Option<usize> {
        let seats =
            || self.seats.iter().enumerate().filter_map(|(n, seat)| Some((n, seat.as_ref()?)));
        let mut own =
            seats().filter(|(_, seat)| seat.listener.is_seated() && seat.listener.id == id);
        let is_given_away =
            |index| seats().any(|(_, s)| s.replaces == Some(index) && s.listener.id == id);
        own.find_map(|(index, _)| (!is_given_away(index)).then_some(index))
    }

    /// Answers a hello. A known id takes the older connection's place; a listener that was told
    /// that the server is full gets a seat only so.
    fn welcome(&mut self, index: usize, hello: Hello) {
        let ghost = self.ghost_of(&hello.id);
        let seated = self.seated();
        let captured_output = self.room.captured_output.clone();
        let Some(Some(seat)) = self.seats.get_mut(index) else {
            return;
        };
        if seat.listener.phase == Phase::Refused && ghost.is_none() {
            return;
        }
        let same_machine = seat
            .stream
            .local_addr()
            .is_ok_and(|local| local.ip().to_canonical() == seat.listener.peer.ip().to_canonical());
        let mut welcome = self.room.welcome.clone();
        welcome.ping_ms = welcome.ping_ms.max(u32::try_from(seated).unwrap_or(u32::MAX));
        welcome.version = hello.version.min(VERSION);
        welcome.captured_output = captured_output.filter(|_| same_machine);
        seat.replaces = ghost;
        seat.listener.welcome(hello, welcome.frame(), &self.log);
        info!("{} listens (version {})", seat.listener.label(), welcome.version);
    }

    fn accept(&mut self) {
        if !self.door_open || self.stopping || self.clock.now_us() < self.accept_after_us {
            return;
        }
        for _ in 0..ACCEPTS_PER_TURN {
            match self.door.accept() {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.door_open = false;
                    return;
                }
                Err(e) if is_out_of_files(&e) => {
                    warn!("no more connections fit: {e}. Raise the open-file limit (ulimit -n)");
                    self.accept_after_us = self.clock.now_us() + ACCEPT_PAUSE_US;
                    return;
                }
                // The peer gave up while it waited, or the like: the next one may be fine.
                Err(e) => debug!("a connection was not accepted: {e}"),
            }
        }
        // More may wait: the door stays open, and the next turn comes at once.
    }

    fn seated(&self) -> usize {
        self.seats.iter().flatten().filter(|seat| seat.listener.is_seated()).count()
    }

    fn admit(&mut self, mut stream: TcpStream, peer: std::net::SocketAddr) {
        let now = self.clock.now_us();
        let seated = self.seated();
        let refused = || {
            let seats = self.seats.iter().flatten();
            seats.filter(|s| s.listener.phase == Phase::Refused).count()
        };
        let held = self.seats.len() - self.free.len();
        let (limited, most) = (self.room.max_clients != 0, self.room.max_clients as usize);
        let full = limited && seated >= most;
        let crowded = limited && held >= most * CONNECTIONS_PER_CLIENT + EXTRA_SEATS;
        if crowded || (full && refused() >= EXTRA_SEATS) {
            // Too many even to be told properly; the kernel sends what it can.
            let _ = stream.write(crate::wire::SERVER_FULL);
            return;
        }
        sockets::prepare(socket2::SockRef::from(&stream), self.buffering());
        let listener = if full {
            info!("{peer} was told that the server is full ({seated} listen)");
            Listener::refused(peer, now)
        } else {
            Listener::seated(peer, self.room.config.frame(), &self.log, now)
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.seats.push(None);
            self.seats.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(e) = self.poll.registry().register(&mut stream, Token(index), interest) {
            warn!("{peer} cannot be served: {e}");
            self.free.push(index);
            return;
        }
        debug!("{peer} connected");
        let seat = Seat { stream, listener, writable: true, in_touched: false, replaces: None };
        self.seats[index] = Some(seat);
        self.write(index);
    }

    fn buffering(&self) -> Buffering {
        let payload = self.room.config.payload_bytes();
        let rate = self.room.config.sample_rate as usize;
        Buffering {
            frame_bytes: payload + crate::wire::AUDIO_HEADER,
            bytes_per_second: rate * usize::from(self.room.config.channels) * 4,
            playout_delay_ms: self.room.welcome.playout_delay_ms,
        }
    }

    fn write_touched(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        for &index in &touched {
            if let Some(Some(seat)) = self.seats.get_mut(index) {
                seat.in_touched = false;
            }
            self.write(index);
        }
        // Keep the allocation; nothing is touched while writing.
        let touched_meanwhile = std::mem::replace(&mut self.touched, touched);
        self.touched.clear();
        self.touched.extend(touched_meanwhile);
    }

    /// Writes fresh audio to everybody, a slice at a time, each round from another seat on.
    fn write_round(&mut self, events: &mut Events) -> Result<()> {
        if !std::mem::take(&mut self.fresh_audio) {
            return Ok(());
        }
        let count = self.seats.len();
        self.rotation = if count == 0 { 0 } else { (self.rotation + SLICE) % count };
        for step in 0..count {
            if step > 0 && step % SLICE == 0 {
                self.turn(events, Some(Duration::ZERO))?;
            }
            self.write((self.rotation + step) % count);
        }
        Ok(())
    }

    fn write(&mut self, index: usize) {
        let now = self.clock.now_us();
        let max_age_us = self.max_age_us(now);
        let Some(Some(seat)) = self.seats.get_mut(index) else {
            return;
        };
        if !seat.writable || !seat.listener.outbox.has_work(&self.log) {
            return;
        }
        let max_age = max_age_us + seat.listener.extra_us();
        let before = seat.listener.outbox.counts().bytes;
        let stream = &mut seat.stream;
        let result =
            seat.listener.outbox.write(&self.log, now, max_age, |slices| send(stream, slices));
        let progress = seat.listener.outbox.counts().bytes != before;
        match result {
            Ok(Stopped::Empty) => seat.listener.wrote(progress, false, now),
            Ok(Stopped::Blocked) => {
                seat.writable = false;
                seat.listener.wrote(progress, true, now);
            }
            Ok(Stopped::Finished) if seat.listener.phase == Phase::Closing => {
                seat.listener.linger(now);
                let _ = seat.stream.shutdown(std::net::Shutdown::Write);
            }
            Ok(Stopped::Finished) => {}
            Err(e) => return self.leave(index, &format!("was lost ({e})")),
        }
        self.replace_ghost(index);
    }

    /// Once a welcome is written, the same client's older connection goes.
    fn replace_ghost(&mut self, index: usize) {
        let Some(Some(seat)) = self.seats.get_mut(index) else {
            return;
        };
        if seat.listener.outbox.is_greeted()
            && let Some(ghost) = seat.replaces.take()
        {
            let id = seat.listener.id.clone();
            let now = self.clock.now_us();
            if let Some(Some(old)) = self.seats.get_mut(ghost)
                && old.listener.id == id
            {
                old.listener.close(Reason::Replaced, "a newer connection took over", now);
                self.touch(ghost);
            }
        }
    }

    fn keep_house(&mut self) {
        let now = self.clock.now_us();
        if now.saturating_sub(self.housekeeping_us) < HOUSEKEEPING_US {
            return;
        }
        self.housekeeping_us = now;
        for index in 0..self.seats.len() {
            let Some(Some(seat)) = self.seats.get_mut(index) else {
                continue;
            };
            match seat.listener.overdue(now) {
                None => {}
                Some(Overdue::Stalled) => self.leave(index, "took nothing for 10 s"),
                Some(Overdue::HalfHello) => {
                    let text = "no whole hello came within 5 s";
                    seat.listener.close(Reason::Violation, text, now);
                    self.touch(index);
                }
                Some(Overdue::Refused) => {
                    seat.listener.close(Reason::Stopping, "", now);
                    self.touch(index);
                }
                Some(Overdue::Closed) => self.leave(index, "was closed"),
            }
        }
        if now.saturating_sub(self.snapshot_us) >= SNAPSHOT_US {
            self.snapshot_us = now;
            // Nobody has taken the last one: they are not interested in every second.
            let _ = self.snapshots.try_send(self.snapshot(now));
        }
    }

    fn snapshot(&self, now_us: u64) -> Snapshot {
        let seats = self.seats.iter().flatten().filter(|seat| seat.listener.is_seated());
        let listeners = seats
            .map(|Seat { listener, .. }| {
                let counts = listener.outbox.counts();
                ListenerStats {
                    address: listener.peer,
                    name: listener.name.clone(),
                    version: if listener.phase == Phase::Typed { VERSION } else { 1 },
                    codec: "f32",
                    connected_s: now_us.saturating_sub(listener.since_us) as f64 / 1e6,
                    queued: listener.outbox.queued(&self.log),
                    frames: counts.frames,
                    bytes: counts.bytes,
                    dropped_full: counts.dropped_full,
                    dropped_old: counts.dropped_old,
                    report: listener.report,
                }
            })
            .collect();
        Snapshot { listeners, dropped_before: self.dropped_before, cpu_ms: thread_cpu_ms() }
    }

    /// Forgets a connection. What else was due to it goes with it.
    fn leave(&mut self, index: usize, how: &str) {
        let Some(mut seat) = self.seats.get_mut(index).and_then(Option::take) else {
            return;
        };
        let _ = self.poll.registry().deregister(&mut seat.stream);
        self.free.push(index);
        let counts = seat.listener.outbox.counts();
        self.dropped_before += counts.dropped_full + counts.dropped_old;
        let account = seat.listener.account(self.clock.now_us());
        // Whoever was said to listen is also said to have gone.
        if counts.frames > 0 || !seat.listener.id.is_empty() {
            info!("{} {how} {account}", seat.listener.label());
        } else {
            debug!("{} {how} {account}", seat.listener.label());
        }
    }

    /// Says to everybody that the server stops, for as long as that may take.
    fn say_goodbye(mut self, events: &mut Events) -> Result<()> {
        let now = self.clock.now_us();
        let until = now + u64::try_from(STOP_WITHIN.as_micros()).unwrap_or(u64::MAX);
        for index in 0..self.seats.len() {
            if let Some(Some(seat)) = self.seats.get_mut(index)
                && !seat.listener.is_leaving()
            {
                seat.listener.close(Reason::Stopping, "the server was stopped", now);
                self.write(index);
            }
        }
        while self.seats.iter().any(Option::is_some) && self.clock.now_us() < until {
            self.turn(events, Some(Duration::from_millis(20)))?;
        }
        for index in 0..self.seats.len() {
            self.leave(index, "was told goodbye");
        }
        Ok(())
    }
}

/// One slice is a plain `send`; two are gathered.
fn send(stream: &mut TcpStream, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        [one] => stream.write(one),
        many => stream.write_vectored(many),
    }
}

#[cfg(unix)]
fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error();
    code == Some(Errno::MFILE.raw_os_error()) || code == Some(Errno::NFILE.raw_os_error())
}

#[cfg(windows)]
fn is_out_of_files(error: &io::Error) -> bool {
    const WSAEMFILE: i32 = 10024;
    error.raw_os_error() == Some(WSAEMFILE)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn thread_cpu_ms() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn thread_cpu_ms() -> f64 {
    0.0
}
