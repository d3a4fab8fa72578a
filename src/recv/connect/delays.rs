//! The playout delays that a server tells: each that differs, one a second, the newest in the end.
//!
//! Pure: time is an argument. A change is said in the log and makes the player's buffer larger, so
//! a server must not be able to have it without end.

use crate::allowance::Allowance;

/// What was told of the delay.
#[derive(Debug)]
pub(super) struct Delays {
    now_ms: Option<u32>,
    /// What was told since: a delay in ms, and the capture time in µs from which it holds.
    waiting: Option<(u32, u64)>,
    allowance: Allowance,
}

impl Default for Delays {
    fn default() -> Self {
        Self { now_ms: None, waiting: None, allowance: Allowance::per_second(1) }
    }
}

impl Delays {
    /// The delay that holds, in ms, once a welcome has said it.
    pub(super) fn now_ms(&self) -> Option<u32> {
        self.now_ms
    }

    /// A welcome says what the delay is.
    pub(super) fn welcomed(&mut self, playout_delay_ms: u32) {
        (self.now_ms, self.waiting) = (Some(playout_delay_ms), None);
    }

    /// The delay is to be `playout_delay_ms` for what was captured from `from_us` on.
    pub(super) fn told(&mut self, playout_delay_ms: u32, from_us: u64) {
        self.waiting = Some((playout_delay_ms, from_us));
    }

    /// The change that is to be made at `now_us`, if there is one: a delay in ms, and the capture
    /// time from which it holds.
    pub(super) fn due(&mut self, now_us: u64) -> Option<(u32, u64)> {
        let differs = |&(told_ms, _): &(u32, u64)| self.now_ms != Some(told_ms);
        self.waiting = self.waiting.filter(differs);
        if self.waiting.is_none() || !self.allowance.takes(now_us) {
            return None;
        }
        self.now_ms = self.waiting.map(|(told_ms, _)| told_ms);
        self.waiting.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_at_once_and_then_the_newest_of_each_second() {
        let mut delays = Delays::default();
        delays.welcomed(300);
        delays.told(300, 1);
        assert_eq!(delays.due(10_000_000), None, "it is that already");
        let mut told = Vec::new();
        for ms in 0..3_000 {
            delays.told(300 + (ms as u32 % 7), ms);
            told.extend(delays.due(10_000_000 + ms * 1000).map(|(delay_ms, _)| delay_ms));
        }
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(delays.due(13_100_000), Some((303, 2999)), "the last one counts");
        assert_eq!(delays.due(20_000_000), None);
    }
}
