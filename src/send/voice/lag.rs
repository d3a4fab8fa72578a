//! How much later than the film a talker stands in the mix: as little as lets its frames come in
//! time. Pure; in µs.

use std::collections::VecDeque;

/// Longest lag, in ms. Whose frames take longer is heard with gaps, but not seconds late.
pub(super) const LONGEST_MS: u32 = 400;

/// Above what ninety-nine of a hundred frames need.
const MARGIN_US: f64 = 1_500.0;

/// What is remembered of how long frames took: long enough to hold what a Wi-Fi does now and then.
const REMEMBERED_US: u64 = 30_000_000;

/// At most as many frames: those of that time at 10 ms.
const REMEMBERED: usize = 3_000;

/// A lag is made shorter by no less than this, and no more often: each change is a jump in what is
/// heard, behind a crossfade.
const WORTH_US: f64 = 4_000.0;
const SHORTER_EVERY_US: u64 = 10_000_000;

/// Frames that come too late make it longer when there are as many in this long a time: one is an
/// accident.
const LATE: usize = 2;
const LATE_WITHIN_US: u64 = 2_000_000;

/// The lag of one talker.
#[derive(Debug, Default)]
pub struct Lag {
    us: f64,
    /// When each frame came, and what lag it would have needed.
    needed: VecDeque<(u64, f64)>,
    changed_us: u64,
}

impl Lag {
    /// The lag now.
    #[must_use]
    pub fn us(&self) -> f64 {
        self.us
    }

    /// Learns that a frame that came at `now_us` needed a lag of `needed_us`. `begins` says that it
    /// is the first after a silence, where a change is not heard. Returns whether the lag changed.
    pub fn note(&mut self, now_us: u64, needed_us: f64, begins: bool) -> bool {
        let longest_us = f64::from(LONGEST_MS) * 1e3;
        while self.needed.len() >= REMEMBERED
            || self.needed.front().is_some_and(|(at, _)| at + REMEMBERED_US < now_us)
        {
            self.needed.pop_front();
        }
        self.needed.push_back((now_us, needed_us));
        let wanted_us = if self.us == 0.0 {
            needed_us + MARGIN_US
        } else if needed_us > self.us {
            let recent = || {
                let recent = self.needed.iter().rev();
                recent.take_while(|(at, _)| at + LATE_WITHIN_US >= now_us).map(|(_, us)| *us)
            };
            if recent().filter(|us| *us > self.us).count() < LATE {
                return false;
            }
            recent().fold(0.0, f64::max) + MARGIN_US
        } else {
            let is_time = now_us.saturating_sub(self.changed_us) >= SHORTER_EVERY_US;
            if !is_time || !(begins || self.needed.len() == REMEMBERED) {
                return false;
            }
            self.changed_us = now_us;
            let shorter_us = self.usual_us() + MARGIN_US;
            if shorter_us + WORTH_US > self.us {
                return false;
            }
            shorter_us
        };
        let wanted_us = wanted_us.min(longest_us);
        let is_changed = wanted_us != self.us;
        (self.us, self.changed_us) = (wanted_us, now_us);
        is_changed
    }

    /// What ninety-nine of a hundred remembered frames get by with.
    fn usual_us(&self) -> f64 {
        let mut all: Vec<f64> = self.needed.iter().map(|(_, us)| *us).collect();
        let at = all.len().saturating_sub(1) * 99 / 100;
        if all.is_empty() {
            return 0.0;
        }
        *all.select_nth_unstable_by(at, f64::total_cmp).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME_US: u64 = 10_000;

    /// Frames every 10 ms for `seconds`, each of which needs what `needed` says of its number.
    fn listen(lag: &mut Lag, from_us: u64, seconds: u64, needed: impl Fn(u64) -> f64) -> u32 {
        let frames = seconds * 1_000_000 / FRAME_US;
        let changed =
            (0..frames).filter(|n| lag.note(from_us + n * FRAME_US, needed(*n), n % 300 == 0));
        u32::try_from(changed.count()).unwrap()
    }

    #[test]
    fn on_a_cable_the_lag_is_what_frames_need_and_stays() {
        let mut lag = Lag::default();
        let changes = listen(&mut lag, 0, 60, |n| 17_000.0 + (n % 7) as f64 * 100.0);
        assert_eq!(changes, 1);
        assert!((18_500.0..19_500.0).contains(&lag.us()), "{}", lag.us());
    }

    #[test]
    fn a_single_late_frame_changes_nothing_and_two_do() {
        let mut lag = Lag::default();
        listen(&mut lag, 0, 1, |_| 17_000.0);
        let before = lag.us();
        assert!(!lag.note(1_000_000, 60_000.0, false));
        assert_eq!(lag.us(), before);
        assert!(lag.note(1_500_000, 40_000.0, false));
        assert_eq!(lag.us(), 61_500.0);
    }

    #[test]
    fn a_lag_that_is_needed_no_more_becomes_shorter_between_words_after_a_while() {
        let mut lag = Lag::default();
        listen(&mut lag, 0, 2, |n| if n < 50 { 80_000.0 } else { 20_000.0 });
        assert!(lag.us() > 80_000.0);
        let changes = listen(&mut lag, 2_000_000, 60, |_| 20_000.0);
        assert_eq!(changes, 1);
        assert_eq!(lag.us(), 21_500.0);
    }

    #[test]
    fn a_liar_gets_the_longest_lag_and_no_longer() {
        let mut lag = Lag::default();
        listen(&mut lag, 0, 1, |_| f64::MAX);
        assert_eq!(lag.us(), f64::from(LONGEST_MS) * 1e3);
        assert!(lag.needed.len() <= REMEMBERED);
    }
}
