//! What a program sees of the listener that it has: as it was a moment ago.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::stats::ClientStats;

/// How a [`Listener`](crate::Listener) does.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Stats {
    /// Whether a server is connected.
    pub is_connected: bool,
    /// How long after its capture the sound is heard, in ms; 0 before any is.
    pub delay_ms: f64,
    /// How long after its capture it should be heard, in ms.
    pub playout_delay_ms: f64,
    /// Sound waiting for its time, in ms.
    pub buffered_ms: f64,
    /// Frames received.
    pub frames: u64,
    /// Frames that were not there when their time came.
    pub lost_frames: u64,
    /// Times that the output found too little.
    pub underruns: u64,
}

/// Where a listener is shown.
#[derive(Debug, Default)]
pub(crate) struct Shown(Mutex<Now>);

/// How a listener is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Now {
    pub(crate) stats: Stats,
    /// The names of the others in the room.
    pub(crate) people: Vec<String>,
}

impl Shown {
    /// Shows it as it is now.
    pub(super) fn put(&self, stats: &ClientStats, people: Vec<String>) {
        *self.lock() = Now {
            stats: Stats {
                is_connected: stats.connected,
                delay_ms: stats.delay_ms,
                playout_delay_ms: stats.playout_delay_ms,
                buffered_ms: stats.buffered_ms,
                frames: stats.frames_received,
                lost_frames: stats.lost_frames,
                underruns: stats.underruns,
            },
            people,
        };
    }

    /// How it is.
    pub(crate) fn look(&self) -> Now {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
