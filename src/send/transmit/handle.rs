//! The other threads' end of the network loop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use mio::Waker;
use zeroize::Zeroizing;

use super::codes::Shown;
use super::elsewhere::{Elsewhere, TooMany};

use crate::codec::opus::Layout;
use crate::codec::{InUse, Offers};
use crate::error::{Error, Result};
use crate::format::Format;
use crate::send::webrtc::{Said, Whose};
use crate::stats::{ListenerStats, ServerStats, WaitingStats};
use crate::wire::AudioFrame;

/// Somebody who asks waits for an answer no longer than this.
const ANSWER: Duration = Duration::from_secs(2);

/// What the loop is told.
pub(super) enum Order {
    Frame(AudioFrame),
    Own(Vec<(u32, AudioFrame)>),
    Silence(u32, TooMany),
    Elsewhere(Elsewhere),
    Change(Change),
    Anew(Box<Shape>),
    Within(Option<u32>),
    Figures(Box<ServerStats>),
    Listeners(SyncSender<Vec<ListenerStats>>),
    Remove { peer: SocketAddr, by_address: bool, answer: SyncSender<bool> },
    Mute { peer: SocketAddr, is_muted: bool, answer: SyncSender<bool> },
    Code { is_new: bool, answer: SyncSender<Option<Shown>> },
    Waiting(SyncSender<Vec<WaitingStats>>),
    LetIn { peer: SocketAddr, is_let_in: bool, answer: SyncSender<bool> },
    Link(SyncSender<Option<Zeroizing<String>>>),
    NewKey(SyncSender<bool>),
    Channel(Whose, Said),
    Stop,
}

/// What may change while the server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// How long after its capture a sample is heard, in ms.
    pub playout_delay_ms: u32,
    /// The capture time from which the delay holds, in µs: the same sample for everybody.
    pub from_us: u64,
    /// Most listeners at a time.
    pub max_clients: u32,
    /// Most of them from one address elsewhere.
    pub per_address: u32,
    /// Most of them who may talk, of those who come from now on.
    pub max_talkers: u32,
    /// Codecs for those who join from now on.
    pub offers: Offers,
}

/// What another stream is, where one takes the place of the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The run of the program that sends it: 16 hexadecimal digits.
    pub session: String,
    /// Rate and channels.
    pub format: Format,
    /// Frames in a chunk of everything but Opus.
    pub chunk_size: u32,
    /// How long after its capture a sample is heard, in ms.
    pub playout_delay_ms: u32,
    /// How its Opus is cut.
    pub opus: Layout,
    /// Which codecs there are, and who gets what.
    pub offers: Offers,
}

/// The other threads' end of the network loop.
#[derive(Clone)]
pub struct Handle {
    pub(super) orders: SyncSender<Order>,
    pub(super) waker: Arc<Waker>,
    pub(super) in_use: Arc<InUse>,
}

impl Handle {
    /// The codecs that anybody listens to.
    #[must_use]
    pub fn in_use(&self) -> &InUse {
        &self.in_use
    }

    /// Hands a frame to every listener that has its codec. `false` if the loop was too busy to take it.
    #[must_use]
    pub fn send(&self, frame: AudioFrame) -> bool {
        self.offer(Order::Frame(frame))
    }

    /// Hands frames to one person each, by their number. `false` if the loop was too busy to take them.
    #[must_use]
    pub fn send_to(&self, frames: Vec<(u32, AudioFrame)>) -> bool {
        self.offer(Order::Own(frames))
    }

    /// Takes a person's microphone away, because too many people talk. `false` if the loop was too busy to take
    /// that.
    #[must_use]
    pub fn silence(&self, person: u32, why: TooMany) -> bool {
        self.offer(Order::Silence(person, why))
    }

    /// These are at other servers from now on. `false` if the loop was too busy to take that.
    #[must_use]
    pub fn set_elsewhere(&self, elsewhere: Elsewhere) -> bool {
        self.offer(Order::Elsewhere(elsewhere))
    }

    /// Hands on what came from a browser's data channel. `false` if the loop was too busy to take it.
    #[must_use]
    pub fn hear_channel(&self, whose: Whose, said: Said) -> bool {
        self.offer(Order::Channel(whose, said))
    }

    fn offer(&self, order: Order) -> bool {
        let taken = self.orders.try_send(order).is_ok();
        // A wake that fails means that the loop is gone, and the join tells why.
        let _ = self.waker.wake();
        taken
    }

    /// Changes delay and limits, and tells the listeners.
    pub fn change(&self, change: Change) {
        self.insist(|| Order::Change(change.clone()));
    }

    /// Another stream begins in place of the one that was: whoever listens comes again.
    pub fn begin_anew(&self, shape: Shape) {
        self.insist(|| Order::Anew(Box::new(shape.clone())));
    }

    /// From now on whoever comes is told that listeners here are in step with those elsewhere within so many ms.
    /// `false` if the loop was too busy to take that.
    #[must_use]
    pub fn set_within(&self, within_ms: Option<u32>) -> bool {
        self.offer(Order::Within(within_ms))
    }

    /// What the page's visitors may read from now on. Where the loop is too busy, the next second's
    /// figures do as well.
    pub fn figures(&self, stats: ServerStats) {
        let _ = self.orders.try_send(Order::Figures(Box::new(stats)));
        let _ = self.waker.wake();
    }

    /// The listeners as they are.
    ///
    /// # Errors
    /// [`Error::Busy`] if the loop does not answer in time, [`Error::Internal`] if the server is
    /// ending.
    pub fn listeners(&self) -> Result<Vec<ListenerStats>> {
        self.ask(Order::Listeners)
    }

    /// Asks the listener at `peer` to leave, and lets in no more that run of its program, nor its
    /// name from its address; `by_address` nobody from there. `false` where there is none.
    ///
    /// # Errors
    /// [`Error::Busy`] if the loop does not answer in time, [`Error::Internal`] if the server is
    /// ending.
    pub fn remove(&self, peer: SocketAddr, by_address: bool) -> Result<bool> {
        self.ask(|answer| Order::Remove { peer, by_address, answer })
    }

    /// Lets nobody hear the listener at `peer`, or lets them again. `false` where there is none that
    /// could speak.
    ///
    /// # Errors
    /// [`Error::Busy`] if the loop does not answer in time, [`Error::Internal`] if the server is
    /// ending.
    pub fn mute(&self, peer: SocketAddr, is_muted: bool) -> Result<bool> {
        self.ask(|answer| Order::Mute { peer, is_muted, answer })
    }

    /// Who waits to be let into the private room.
    ///
    /// # Errors
    /// [`Error::Busy`] if the loop does not answer in time, [`Error::Internal`] if the server is
    /// ending.
    pub fn waiting(&self) -> Result<Vec<WaitingStats>> {
        self.ask(Order::Waiting)
    }

    /// Lets in whoever waits at `peer`, or sends them away. `false` where nobody waits there.
    ///
    /// # Errors
    /// [`Error::Busy`] if the loop does not answer in time, [`Error::Internal`] if the server is
    /// ending.
    pub fn let_in(&self, peer: SocketAddr, is_let_in: bool) -> Result<bool> {
        self.ask(|answer| Order::LetIn { peer, is_let_in, answer })
    }

    /// The code that lets somebody into the private room, made where there is none that holds, or with
    /// `is_new` in any case. `None` where the room is open.
    ///
    /// # Errors
    /// [`Error::Busy`] if the loop does not answer in time, [`Error::Internal`] if the server is
    /// ending.
    pub fn code(&self, is_new: bool) -> Result<Option<Shown>> {
        self.ask(|answer| Order::Code { is_new, answer })
    }

    /// What stands behind the `#` of the link to the private room. `None` where the room is open.
    ///
    /// # Errors
    /// [`Error::Busy`] if the loop does not answer in time, [`Error::Internal`] if the server is
    /// ending.
    pub fn link(&self) -> Result<Option<Zeroizing<String>>> {
        self.ask(Order::Link)
    }

    /// Gives the private room another secret: who is in goes on, and older links let nobody else in.
    /// `false` where the room is open.
    ///
    /// # Errors
    /// [`Error::Busy`] if the loop does not answer in time, [`Error::Internal`] if the server is
    /// ending.
    pub fn new_key(&self) -> Result<bool> {
        self.ask(Order::NewKey)
    }

    fn ask<T>(&self, order: impl FnOnce(SyncSender<T>) -> Order) -> Result<T> {
        let (answer, arrives) = sync_channel(1);
        let ends = || Error::internal("cannot ask the network loop", "the server is ending");
        let busy = || Error::Busy { what: "the network loop".to_owned() };
        self.orders.try_send(order(answer)).map_err(|refused| match refused {
            TrySendError::Full(_) => busy(),
            TrySendError::Disconnected(_) => ends(),
        })?;
        let _ = self.waker.wake();
        arrives.recv_timeout(ANSWER).map_err(|missing| match missing {
            RecvTimeoutError::Timeout => busy(),
            RecvTimeoutError::Disconnected => ends(),
        })
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
