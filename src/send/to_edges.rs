//! The way from an origin's mix to single people at edges: numbers that tell them apart from people here, and a queue
//! to the thread that speaks with the engine.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use mio::Waker;

use crate::wire::AudioFrame;

/// People at edges have numbers from here on: those here never get so far.
pub(super) const FIRST_FAR: u32 = 1 << 30;

/// Orders that wait for the thread: those of 64 people for a second. What falls out is sound for one person.
const MOST_WAITING: usize = 8_192;

/// Whether that is somebody at an edge.
#[must_use]
pub(super) fn is_far(person: u32) -> bool {
    person >= FIRST_FAR
}

/// What an edge is told of one person.
#[derive(Debug)]
pub(super) enum ToEdge {
    /// Sound for them alone.
    Frame(u32, AudioFrame),
    /// They may speak no more: there is more to mix than time.
    Silence(u32),
}

/// The mix's end of the way.
#[derive(Debug, Clone)]
pub(super) struct ToEdges {
    waiting: SyncSender<ToEdge>,
    waker: Arc<Waker>,
}

impl ToEdges {
    /// Both ends; `waker` ends the wait of whoever has the other.
    #[must_use]
    pub(super) fn new(waker: Arc<Waker>) -> (Self, Receiver<ToEdge>) {
        let (waiting, arrives) = sync_channel(MOST_WAITING);
        (Self { waiting, waker }, arrives)
    }

    /// Hands on what is for people at edges, and leaves the rest in `frames`. Returns how many found no room.
    pub(super) fn take_from(&self, frames: &mut Vec<(u32, AudioFrame)>) -> u64 {
        let mut refused = 0;
        let mut has_taken = false;
        for (person, frame) in frames.extract_if(.., |(person, _)| is_far(*person)) {
            has_taken = true;
            let taken = self.waiting.try_send(ToEdge::Frame(person, frame));
            refused += u64::from(matches!(taken, Err(TrySendError::Full(_))));
        }
        if has_taken {
            self.wake();
        }
        refused
    }

    /// Takes a person's microphone away. `false` if there was no room for that.
    #[must_use]
    pub(super) fn silence(&self, person: u32) -> bool {
        let taken = self.waiting.try_send(ToEdge::Silence(person)).is_ok();
        self.wake();
        taken
    }

    fn wake(&self) {
        // A wake that fails means that nobody waits there any more.
        let _ = self.waker.wake();
    }
}
