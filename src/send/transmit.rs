//! The network loop: one thread that owns every listener's socket and writes without blocking.
//!
//! [`fanout`](super::fanout) decides what to send to whom; this module has the sockets and the
//! time. One turn reads, obeys, accepts (a few), then writes audio in slices with a zero-time poll
//! between, so that two thousand sockets to write keep no accept, pong or close waiting for long.

mod another_codec;
mod another_stream;
pub mod at_door;
mod by_fetch;
mod channels;
mod codes;
mod crowd;
pub mod datagram_socket;
mod datagrams;
mod door;
mod elsewhere;
mod guests;
mod handle;
mod history;
mod housekeeping;
mod keys;
mod knocking;
mod limits;
mod line;
mod moderate;
mod names;
mod news;
mod people;
mod places;
mod private;
mod roll;
mod room;
mod rounds;
mod snapshot;
pub mod sockets;
mod turn;
mod verdicts;
mod visitor;
mod voices;
mod waiting;
mod web_door;

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};

use super::fanout::{DatagramLog, Listener, Log, Own, Phase, Stopped, Together};
use super::web::Web;
use super::webrtc::{Channels, Whose};
use crate::clock::Clock;
use crate::codec::{Codec, InUse};
use crate::error::{Error, Result, plain};
use crate::hearsay::Hearsay;
use crate::wire::{Notice, Reason};
use at_door::AtDoor;
use by_fetch::ByFetch;
use codes::Invitation;
pub use codes::{Shown, new_code};
use datagrams::Datagrams;
pub use elsewhere::{Elsewhere, MOST_LISTS, TellOthers, TooMany};
use guests::Guests;
use handle::Order;
pub use handle::{Change, Handle, Shape};
use history::History;
use keys::Keys;
use knocking::KeepGuests;
use line::Line;
use people::Gathering;
use places::Origin;
use private::Keep;
pub use room::Room;
use rounds::Due;
pub use snapshot::Snapshot;
use verdicts::Verdicts;
use waiting::Waiting;
pub use web_door::Caller;
use web_door::WebDoor;

/// Frames between the encoders and the loop: a few of each codec's, and of each talker's. The loop
/// takes them all at every turn, so more than a few waiting means that it stands still; then the
/// newest are dropped and counted.
const QUEUE: usize = 2048;

/// Sockets written between two looks at what else has happened.
const SLICE: usize = 256;

/// How often overdue listeners are looked for. Each look touches every seat, and the shortest time
/// that anybody is given is a second.
const HOUSEKEEPING_US: u64 = 250_000;

/// A loop that nothing wakes looks after this long. Sound wakes it more often, so that while there
/// is sound no wake-up is spent on looking alone.
const LONGEST_REST_US: u64 = 2 * HOUSEKEEPING_US;

/// How long a turn may read, answer and let in before it looks for sound again, in µs: a chunk of the
/// shortest preset lasts 1.3 ms, and its delay forgives ten times that.
const TURN_US: u64 = 2_000;

/// How long it may do so between two slices of sound that is being written, in µs: in a room of two
/// thousand there are eight.
const TURN_BETWEEN_US: u64 = 500;

/// Bytes read from one socket at a time.
const READ_BYTES: usize = 16 * 1024;

/// Lines about those who come and go, in [`COMINGS_US`]: a whole room that comes at once may have
/// them, and a crowd that comes and goes all day does not fill a disk.
const MOST_COMINGS: u32 = 20;

/// How long these are counted together, in µs.
const COMINGS_US: u64 = 10_000_000;

const WAKER: Token = Token(usize::MAX);
const DOOR: Token = Token(usize::MAX - 1);
const DATAGRAMS: Token = Token(usize::MAX - 2);
const WEB_DOOR: Token = Token(usize::MAX - 3);
const SECURE_DOOR: Token = Token(usize::MAX - 4);

struct Seat {
    line: Line,
    listener: Listener,
    writable: bool,
    in_touched: bool,
    /// The connection that this one takes the place of, once its welcome is written.
    replaces: Option<usize>,
    /// Tells the connections of one person apart.
    connection: u64,
    /// Whom it is counted with.
    origin: Origin,
    /// It is being told that it broke the protocol.
    is_violator: bool,
    /// Its data channel, if it has asked for one.
    channel: Option<Whose>,
    /// What its page says comes by requests of their own.
    says_by: Option<ByFetch>,
}

/// The loop.
pub struct Transmit {
    room: Room,
    clock: Clock,
    poll: Poll,
    door: TcpListener,
    web: Option<WebDoor>,
    datagrams: Option<Datagrams>,
    channels: Option<Channels>,
    /// Those of a private room.
    keys: Option<Keys>,
    /// Keeps the room's key where it is another one.
    keep_secrets: Option<Keep>,
    /// The code by which somebody may come into it.
    invitation: Invitation,
    /// Who may do what in it.
    guests: Guests,
    /// Keeps who was let in.
    keep_guests: Option<KeepGuests>,
    /// Data channels that were asked for so far.
    offers: u64,
    gathering: Option<Gathering>,
    orders: Receiver<Order>,
    snapshots: SyncSender<Snapshot>,
    seats: Vec<Option<Seat>>,
    /// Which of them have not shown the private room's key.
    at_door: AtDoor,
    /// How far the log of its codec must have come before a seat is looked at again, by its index.
    due_at: Vec<Option<Due>>,
    free: Vec<usize>,
    /// Seats that something happened to since they were last written.
    touched: Vec<usize>,
    /// Connections that have something to be read, by their tokens.
    waiting: Waiting,
    /// The log of each codec, by [`Codec::index`].
    logs: Vec<Log>,
    /// All that is in those, cut into datagrams, as far as anybody hears it that way.
    cut: Vec<DatagramLog>,
    in_use: Arc<InUse>,
    fresh_audio: bool,
    /// When the last frame came, in µs.
    frame_us: u64,
    /// No frame has come for longer than one may wait for others.
    is_quiet: bool,
    door_open: bool,
    accept_after_us: u64,
    housekeeping_us: u64,
    snapshot_us: u64,
    rotation: usize,
    dropped_before: u64,
    /// What was decided about listeners by hand.
    verdicts: Verdicts,
    hearsay: Hearsay,
    history: History,
    /// The outputs that were captured when it was last looked.
    captured: Vec<String>,
    /// The servers that the sound came through when it was last looked.
    via: Vec<String>,
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
        let in_use: Arc<InUse> = Arc::default();
        let (sender, orders) = sync_channel(QUEUE);
        let (snapshots, taken) = sync_channel(1);
        let transmit = Self {
            logs: Codec::all().map(|codec| Log::new(room.queue_bound(codec))).into(),
            cut: datagrams::logs(&room),
            in_use: Arc::clone(&in_use),
            captured: room.captured.list(),
            via: room.upstreams.list(),
            room,
            clock,
            poll,
            door,
            web: None,
            datagrams: None,
            channels: None,
            keys: None,
            keep_secrets: None,
            invitation: Invitation::default(),
            guests: Guests::default(),
            keep_guests: None,
            offers: 0,
            gathering: None,
            orders,
            snapshots,
            seats: Vec::new(),
            at_door: AtDoor::default(),
            due_at: Vec::new(),
            free: Vec::new(),
            touched: Vec::new(),
            waiting: Waiting::default(),
            fresh_audio: false,
            frame_us: 0,
            is_quiet: true,
            door_open: true,
            accept_after_us: 0,
            housekeeping_us: 0,
            snapshot_us: 0,
            rotation: 0,
            dropped_before: 0,
            verdicts: Verdicts::default(),
            hearsay: Hearsay::new(MOST_COMINGS, COMINGS_US),
            history: History::default(),
            old_delay: (0, 0),
            buffer: Box::new([0; READ_BYTES]),
            stopping: false,
        };
        Ok((transmit, Handle { orders: sender, waker, in_use }, taken))
    }

    /// Serves the page on a second listening socket.
    ///
    /// # Errors
    /// [`Error::Internal`] if the event queue does not take it.
    pub fn open_to_browsers(&mut self, door: std::net::TcpListener, web: Web) -> Result<()> {
        let door = WebDoor::new(&self.poll, door, web);
        self.web = Some(door.map_err(|e| Error::internal("cannot serve the page", e))?);
        Ok(())
    }

    /// Hands programs that may tell the server what to do to `callers`. Only where there is a page.
    pub fn send_callers_to(&mut self, callers: SyncSender<Caller>) {
        if let Some(web) = &mut self.web {
            web.send_callers_to(callers);
        }
    }

    /// Runs until [`Handle::stop`], or until every handle is gone.
    ///
    /// # Errors
    /// [`Error::Internal`] if the event queue breaks.
    pub fn run(mut self) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        while !self.stopping {
            self.mind_keys();
            let timeout = self.until_next_duty();
            self.turn(&mut events, Some(timeout), TURN_US)?;
            self.note_quiet();
            self.write_round(&mut events)?;
            self.keep_house();
            self.tell_people(self.clock.now_us());
            self.tell_state();
        }
        self.say_goodbye(&mut events)
    }

    fn take_orders(&mut self) {
        loop {
            match self.orders.try_recv() {
                Ok(Order::Frame(frame)) => {
                    // A packet of Opus is both.
                    let is_whole = !frame.is_piece();
                    if !is_whole || matches!(frame.codec(), Codec::Opus(_)) {
                        self.cut(&frame);
                    }
                    if is_whole {
                        self.logs[frame.codec().index()].push(frame);
                    }
                    self.note_frame();
                }
                Ok(Order::Own(frames)) => {
                    frames.into_iter().for_each(|(person, frame)| self.hear_own(person, frame));
                }
                Ok(Order::Silence(person, why)) => self.silence(person, why),
                Ok(Order::Elsewhere(elsewhere)) => self.take_elsewhere(elsewhere),
                Ok(Order::Change(change)) => self.change(change),
                Ok(Order::Anew(shape)) => self.begin_anew(&shape),
                Ok(Order::Within(within_ms)) => self.room.welcome.within_ms = within_ms,
                Ok(Order::Listeners(answer)) => {
                    // Who asked may have gone.
                    let _ = answer.try_send(self.snapshot(self.clock.now_us()).listeners);
                }
                Ok(Order::Remove { peer, by_address, answer }) => {
                    let _ = answer.try_send(self.remove(peer, by_address));
                }
                Ok(Order::Mute { peer, is_muted, answer }) => {
                    let _ = answer.try_send(self.mute(peer, is_muted));
                }
                Ok(Order::Code { is_new, answer }) => {
                    let _ = answer.try_send(self.invite(is_new));
                }
                Ok(Order::Waiting(answer)) => {
                    let _ = answer.try_send(self.waiting_people(self.clock.now_us()));
                }
                Ok(Order::LetIn { peer, is_let_in, answer }) => {
                    let _ = answer.try_send(self.answer_knock(peer, is_let_in));
                }
                Ok(Order::Link(answer)) => {
                    let _ = answer.try_send(self.link());
                }
                Ok(Order::NewKey(answer)) => {
                    let _ = answer.try_send(self.change_secret());
                }
                Ok(Order::Figures(stats)) => {
                    if let Some(web) = &mut self.web {
                        web.web.tell(*stats);
                    }
                }
                Ok(Order::Channel(whose, said)) => self.hear_channel(whose, said),
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
        self.room.per_address = change.per_address;
        self.room.max_talkers = change.max_talkers;
        self.room.offers = change.offers;
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
            wait_s: None,
            via: Vec::new(),
        };
        self.tell_all(&notice);
    }

    fn tell_all(&mut self, notice: &Notice) {
        for index in 0..self.seats.len() {
            if let Some(Some(seat)) = self.seats.get_mut(index) {
                seat.listener.outbox.notice(notice);
                self.touch(index);
            }
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

    fn write_touched(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        for &index in &touched {
            if let Some(Some(seat)) = self.seats.get_mut(index) {
                seat.in_touched = false;
            }
            self.write(index);
        }
        self.send_batch();
        // Keep the allocation; nothing is touched while writing.
        let touched_meanwhile = std::mem::replace(&mut self.touched, touched);
        self.touched.clear();
        self.touched.extend(touched_meanwhile);
    }

    /// Writes to a listener what is due; whether anything was.
    fn write(&mut self, index: usize) -> bool {
        let was_due = self.write_due(index);
        self.note_due(index);
        was_due
    }

    fn write_due(&mut self, index: usize) -> bool {
        let now = self.clock.now_us();
        let max_age_us = self.max_age_us(now);
        let wait_us = self.wait_us(now);
        self.turn_codec(index);
        let gave = self.give_datagrams(index, now);
        let Some(Some(seat)) = self.seats.get_mut(index) else {
            return false;
        };
        if let Err(e) = seat.catch_up(now) {
            self.leave(index, &format!("was lost ({})", plain(&e)));
            return true;
        }
        let frame_us = self.room.frame_us(seat.listener.codec);
        let log = &self.logs[seat.listener.codec.index()];
        let together = Together::within(wait_us, frame_us, index).at_most(log.bound());
        seat.listener.outbox.send_together(together);
        seat.listener.turn_to_own(log);
        let log = Own::read_or(seat.listener.own.as_ref(), log);
        if !seat.writable || !seat.listener.outbox.is_due(log) {
            return gave;
        }
        let max_age = max_age_us + seat.listener.extra_us();
        let before = seat.listener.outbox.counts().bytes;
        let line = &mut seat.line;
        let apart = matches!(seat.listener.codec, Codec::Opus(_));
        let send = |slices: &[IoSlice<'_>]| line.send(slices, apart);
        let result = seat.listener.outbox.write(log, now, max_age, send);
        let progress = seat.listener.outbox.counts().bytes != before;
        match result {
            Ok(Stopped::Empty) => seat.listener.wrote(progress, false, now),
            Ok(Stopped::Blocked) => {
                seat.writable = false;
                seat.listener.wrote(progress, true, now);
            }
            Ok(Stopped::Finished) if seat.listener.phase == Phase::Closing => {
                seat.listener.linger(now);
                seat.line.shutdown();
            }
            Ok(Stopped::Finished) => {}
            Err(e) => {
                self.leave(index, &format!("was lost ({})", plain(&e)));
                return true;
            }
        }
        self.replace_ghost(index);
        true
    }
}
