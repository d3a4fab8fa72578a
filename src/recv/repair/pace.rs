//! When the next datagram should come: by the pace of those that came by themselves.

use std::collections::VecDeque;

use crate::wire::burst_us;

/// Datagrams that tell the pace: of a third of a second to one, as they are cut.
const REMEMBERED: usize = 64;

/// So many of them that came latest are thought held up, and say nothing.
const HELD_UP: usize = 2;

/// Later than the latest usual one by this, in µs, a datagram is missing; or by this share of the delay,
/// where that is less. What leaves in bursts has as long as a burst beside: those of which the first was
/// asked for too soon would tell nothing of the pace, and be asked for too soon for ever.
const GRACE_US: u64 = 2_000;
const GRACE_SHARE: u64 = 25;

/// What comes later than the earliest by more than this, in µs, is not waited for by the clock: a
/// number that follows tells sooner.
const MOST_LATE_US: i64 = 25_000;

/// How late datagrams come for what they hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    /// Arrival less the moment of the position behind them, in µs, oldest first.
    late_us: VecDeque<i64>,
    /// What the latest usual one was late by.
    most_us: Option<i64>,
}

impl Pace {
    /// A datagram whose sound ends at `end_us` of the stream came by itself at `now_us`.
    pub(super) fn came(&mut self, end_us: u64, now_us: u64) {
        if self.late_us.len() == REMEMBERED {
            self.late_us.pop_front();
        }
        self.late_us.push_back(i64::try_from(i128::from(now_us) - i128::from(end_us)).unwrap_or(0));
        let mut sorted: Vec<i64> = self.late_us.iter().copied().collect();
        sorted.sort_unstable();
        let usual = sorted.len().saturating_sub(1 + HELD_UP);
        let earliest = sorted.first().copied();
        self.most_us = sorted
            .get(usual)
            .zip(earliest)
            .map(|(late_us, earliest)| (*late_us).min(earliest.saturating_add(MOST_LATE_US)));
    }

    /// Nothing that was learnt holds.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// When a datagram whose sound ends at `end_us` of the stream is missing, in µs of our clock, where sound
    /// is heard `delay_us` after its capture.
    pub(super) fn missing_us(&self, end_us: u64, delay_us: u64) -> Option<u64> {
        let grace_us = GRACE_US.min(delay_us / GRACE_SHARE) + burst_us(delay_us);
        let late_us = i128::from(self.most_us?) + i128::from(grace_us);
        u64::try_from(i128::from(end_us) + late_us).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_missing_two_milliseconds_after_the_latest_usual_one() {
        let mut pace = Pace::default();
        assert_eq!(pace.missing_us(5_000, 80_000), None);
        for n in 0..100 {
            pace.came(n * 5_000, 900_000 + n * 5_000 + n % 4 * 1_000);
        }
        assert_eq!(pace.missing_us(500_000, 80_000), Some(900_000 + 500_000 + 3_000 + 2_000));
        assert_eq!(pace.missing_us(500_000, 25_000), Some(900_000 + 500_000 + 3_000 + 1_000));
    }

    #[test]
    fn datagrams_that_leave_in_bursts_are_waited_for_as_long_as_a_burst() {
        let mut pace = Pace::default();
        for n in 0..100 {
            pace.came(n * 5_000, 900_000 + n * 5_000);
        }
        assert_eq!(pace.missing_us(500_000, 149_000), Some(900_000 + 500_000 + 2_000));
        assert_eq!(pace.missing_us(500_000, 150_000), Some(900_000 + 500_000 + 20_750));
        assert_eq!(pace.missing_us(500_000, 800_000), Some(900_000 + 500_000 + 27_000));
    }

    #[test]
    fn one_that_was_held_up_does_not_make_the_next_be_waited_for() {
        let mut pace = Pace::default();
        for n in 0..100 {
            pace.came(n * 5_000, n * 5_000 + if n == 80 { 120_000 } else { 0 });
        }
        assert_eq!(pace.missing_us(500_000, 80_000), Some(502_000));
    }
}
