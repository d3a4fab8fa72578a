//! How much later than the others an output plays because it cannot make the server's delay.
//!
//! Pure: time is an argument. It grows as soon as sound comes too late, and goes back by one step a
//! minute where there was time to spare all that while. A step back that proves wrong is not tried
//! again, so it never goes to and fro.

use crate::recv::dry::STEP_MS;
use crate::wire::MAX_PLAYOUT_DELAY_MS;

/// Time to spare must have been ample for so long before a step back, in µs.
const AMPLE_FOR_US: u64 = 60_000_000;

/// Time to spare is ample when this is left of it after the step back, in µs.
const LEFT_US: f64 = 10_000.0;

/// How much later, and whether that is still needed.
#[derive(Debug, Default)]
pub(super) struct Extra {
    ms: u32,
    /// A step back below this has proved wrong.
    floor_ms: u32,
    /// The last step was one back.
    went_back: bool,
    /// The least time to spare, in µs, and since when it is watched.
    watched: Option<(f64, u64)>,
    /// The least time to spare of late, for the server.
    pub(super) least: Least,
}

/// The least time to spare of the last second or two.
#[derive(Debug, Default)]
pub(super) struct Least {
    /// Of the second that passes, in µs, and when it began; and of the one before.
    now: Option<(f64, u64)>,
    before: Option<(f64, u64)>,
}

/// For so long the least time to spare is looked for, in µs: reports come once a second.
const LEAST_OF_US: u64 = 1_000_000;

impl Least {
    /// Notes that there are `spare_us` between the newest sound and what has to be played.
    pub(super) fn note(&mut self, spare_us: f64, now_us: u64) {
        match &mut self.now {
            Some((least_us, since_us)) if now_us.saturating_sub(*since_us) < LEAST_OF_US => {
                *least_us = least_us.min(spare_us);
            }
            now => self.before = now.replace((spare_us, now_us)),
        }
    }

    /// What it is at `now_us`, in µs; `None` where nothing was noted of late.
    pub(super) fn us(&self, now_us: u64) -> Option<f64> {
        let is_late =
            |&&(_, since_us): &&(f64, u64)| now_us.saturating_sub(since_us) < 3 * LEAST_OF_US;
        let all = self.now.iter().chain(&self.before).filter(is_late);
        all.map(|&(us, _)| us).min_by(f64::total_cmp)
    }
}

impl Extra {
    /// How much later, in ms: a multiple of [`STEP_MS`].
    pub(super) fn ms(&self) -> u32 {
        self.ms
    }

    /// Forgets everything: nothing is known of another output.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Sound comes too late: plays later by so many steps.
    pub(super) fn grow(&mut self, steps: u32) {
        // Beyond ten seconds it is no latency but a broken clock, and playing later cannot help.
        self.ms = self.ms.saturating_add(steps.saturating_mul(STEP_MS)).min(MAX_PLAYOUT_DELAY_MS);
        if self.went_back {
            self.floor_ms = self.ms;
        }
        (self.went_back, self.watched) = (false, None);
    }

    /// The server's delay changes. What the output needs in all stays the same.
    pub(super) fn delay_changes(&mut self, before_ms: u32, after_ms: u32) {
        if self.ms > 0 {
            let needed_ms = (before_ms + self.ms).saturating_sub(after_ms);
            self.ms = needed_ms.next_multiple_of(STEP_MS).min(MAX_PLAYOUT_DELAY_MS);
        }
        (self.floor_ms, self.went_back, self.watched) = (0, false, None);
    }

    /// Notes that nothing can be told from what comes just now.
    pub(super) fn disturb(&mut self) {
        self.watched = None;
    }

    /// Notes that there are `spare_us` between the newest sound and what has to be played. Returns
    /// whether there was so much for so long that sound is played a step sooner from now on.
    pub(super) fn spare(&mut self, spare_us: f64, now_us: u64) -> bool {
        self.least.note(spare_us, now_us);
        if self.ms <= self.floor_ms {
            return false;
        }
        let (least_us, since_us) = self.watched.unwrap_or((spare_us, now_us));
        let least_us = least_us.min(spare_us);
        if least_us < f64::from(STEP_MS) * 1e3 + LEFT_US {
            self.watched = None;
            return false;
        }
        self.watched = Some((least_us, since_us));
        if now_us.saturating_sub(since_us) < AMPLE_FOR_US {
            return false;
        }
        self.ms = self.ms.saturating_sub(STEP_MS);
        (self.went_back, self.watched) = (true, None);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    /// Looks ten times a second at `spare_us`, which falls by a step with each step back; how often
    /// that was.
    fn listen(extra: &mut Extra, spare_us: &mut f64, seconds: std::ops::Range<u64>) -> u32 {
        let mut steps = 0;
        for now_us in (seconds.start * SECOND..seconds.end * SECOND).step_by(100_000) {
            if extra.spare(*spare_us, now_us) {
                *spare_us -= f64::from(STEP_MS) * 1e3;
                steps += 1;
            }
        }
        steps
    }

    #[test]
    fn time_to_spare_is_given_back_by_one_step_a_minute_until_little_is_left() {
        let mut extra = Extra::default();
        extra.grow(5);
        let mut spare_us = 42_000.0;
        assert_eq!(listen(&mut extra, &mut spare_us, 0..60), 0);
        assert_eq!(listen(&mut extra, &mut spare_us, 60..62), 1);
        assert_eq!(listen(&mut extra, &mut spare_us, 62..3600), 2);
        assert_eq!((extra.ms(), spare_us), (20, 12_000.0));
    }

    #[test]
    fn one_moment_with_little_to_spare_begins_the_minute_anew() {
        let mut extra = Extra::default();
        extra.grow(1);
        assert_eq!(listen(&mut extra, &mut 50_000.0, 0..50), 0);
        assert!(!extra.spare(15_000.0, 50 * SECOND));
        assert_eq!(listen(&mut extra, &mut 50_000.0, 51..110), 0);
        assert_eq!(listen(&mut extra, &mut 50_000.0, 110..112), 1);
        assert_eq!(extra.ms(), 0);
        assert_eq!(listen(&mut extra, &mut 50_000.0, 112..400), 0, "never below nothing");
    }

    #[test]
    fn a_step_back_that_proves_wrong_is_not_tried_again() {
        let mut extra = Extra::default();
        extra.grow(3);
        assert_eq!(listen(&mut extra, &mut 21_000.0, 0..61), 1);
        extra.grow(1);
        assert_eq!(extra.ms(), 30);
        assert_eq!(listen(&mut extra, &mut 90_000.0, 61..3600), 0);
        extra.grow(2);
        assert_eq!(listen(&mut extra, &mut 90_000.0, 3600..4000), 2, "but what came later is");
        assert_eq!(extra.ms(), 30);
    }

    #[test]
    fn the_least_time_to_spare_is_that_of_the_last_seconds() {
        let mut least = Least::default();
        assert_eq!(least.us(0), None);
        for ms in 0..5_000_u64 {
            let spare_us = if ms == 2_500 { -7_000.0 } else { 40_000.0 };
            least.note(spare_us, ms * 1_000);
            let is_remembered = (2_500..4_000).contains(&ms);
            assert_eq!(
                least.us(ms * 1_000),
                Some(if is_remembered { -7_000.0 } else { 40_000.0 }),
                "{ms}"
            );
        }
        assert_eq!(least.us(10 * SECOND), None, "nothing has come since");
    }

    #[test]
    fn another_delay_leaves_what_the_output_needs_and_another_output_leaves_nothing() {
        let mut extra = Extra::default();
        extra.delay_changes(300, 80);
        assert_eq!(extra.ms(), 0, "one that can make it");
        extra.grow(12);
        extra.delay_changes(80, 145);
        assert_eq!(extra.ms(), 60, "200 ms in all, in whole steps");
        extra.delay_changes(145, 800);
        assert_eq!(extra.ms(), 0);
        extra.grow(1);
        extra.forget();
        assert_eq!(extra.ms(), 0);
    }
}
