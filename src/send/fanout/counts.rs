//! What is counted of a listener's sound by TCP.

/// What has gone to one listener and what has not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Whole audio frames written.
    pub frames: u64,
    /// All bytes written.
    pub bytes: u64,
    /// Audio frames that fell out at the bound.
    pub dropped_full: u64,
    /// Audio frames that fell out for being older than the playout delay.
    pub dropped_old: u64,
}
