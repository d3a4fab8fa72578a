//! What the loop tells of itself.

use super::codes::Shown;
use crate::stats::{ListenerStats, WaitingStats};

/// The state of the loop once a second.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Everybody who listens.
    pub listeners: Vec<ListenerStats>,
    /// How long after its capture a sample is heard, in ms.
    pub playout_delay_ms: u32,
    /// Whether nobody else is let in for now.
    pub full: bool,
    /// Who waits to be let in.
    pub waiting: Vec<WaitingStats>,
    /// The code that lets somebody in, if there is one.
    pub code: Option<Shown>,
    /// How many keys have entered the private room; `None` in an open one.
    pub members: Option<usize>,
    /// Audio frames dropped for listeners that have left.
    pub dropped_before: u64,
    /// Talk frames that the mix was too busy to take.
    pub talk_refused: u64,
    /// CPU time that the loop's thread has used, in ms; 0 where the system does not say.
    pub cpu_ms: f64,
}
