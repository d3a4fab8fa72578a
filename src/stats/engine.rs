//! What is told of the way between servers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Serialize;

/// Edges that are named each; of more there is only the number.
pub const MOST_EDGES: usize = 100;

/// It is told so often, in µs.
pub const TOLD_EVERY_US: u64 = 1_000_000;

/// A server's side of the way between servers, in [`ServerStats`](super::ServerStats).
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EngineStats {
    /// `origin` has the sound, `edge` serves it.
    pub role: &'static str,
    /// What the room is called between servers.
    pub room: String,
    /// The engine's address, while the line to it is there.
    pub url: Option<String>,
    /// Frames that it was given, or that came and were handed on, since the start.
    pub frames: u64,
    /// Frames that were too old or too many for it, since the start.
    pub dropped: u64,
    /// Frames that were sent once more, or that came once more, since the start.
    pub again: u64,
    /// Places where sound was missing for good, at an edge, since the start.
    pub gaps: u64,
    /// Messages that nobody with the room's key can have said, since the start.
    pub refused: u64,
    /// By how much an edge's clock may be wrong, in µs; `null` where that is not known.
    pub clock_bound_us: Option<f64>,
    /// How many edges say that they are there.
    pub edge_count: usize,
    /// How many listen at all of them.
    pub listening_there: u64,
    /// The first [`MOST_EDGES`] of these edges.
    pub edges: Vec<EdgeStats>,
}

/// One edge, in [`EngineStats`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EdgeStats {
    /// What people call it.
    pub name: String,
    /// How many listen there.
    pub listening: u32,
}

/// Where the thread that speaks with an engine and those who tell of it meet, once a second.
#[derive(Debug, Default)]
pub struct EngineFigures {
    stats: Mutex<Option<EngineStats>>,
    listening: AtomicU32,
}

impl EngineFigures {
    /// So it is now. Where somebody reads at this moment, the next second does as well.
    pub fn put(&self, stats: EngineStats) {
        if let Ok(mut held) = self.stats.try_lock() {
            *held = Some(stats);
        }
    }

    /// How it was when it was last told.
    #[must_use]
    pub fn get(&self) -> Option<EngineStats> {
        self.stats.lock().ok()?.clone()
    }

    /// So many listen here.
    pub fn set_listening(&self, count: usize) {
        self.listening.store(u32::try_from(count).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// How many listen here.
    #[must_use]
    pub fn listening(&self) -> u32 {
        self.listening.load(Ordering::Relaxed)
    }
}
