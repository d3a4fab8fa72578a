//! The lag: how much later than the film a talker stands in the mix. It is as short as lets the
//! talker's frames come in time. Pure; in µs.

use std::collections::VecDeque;

/// Longest lag, in ms. Whose frames take longer is heard with gaps, but not seconds late.
pub(super) const LONGEST_MS: u32 = 400;

/// How much longer the lag is than ninety-nine of a hundred frames need, in µs.
const MARGIN_US: f64 = 1_500.0;

/// What is remembered of how long frames took: long enough to hold what a Wi-Fi does now and then.
const REMEMBERED_US: u64 = 30_000_000;

/// Most frames that are remembered: those of that time at 10 ms.
const REMEMBERED: usize = 3_000;

/// While somebody speaks a lag is made shorter by no less than this: the change is a jump in what is
/// heard, behind a crossfade.
const WORTH_US: f64 = 4_000.0;

/// Between words nobody hears it, and it is brought to what is needed, where that differs by more than
/// what a second's frames tell apart, once so many are remembered.
const WORTH_BETWEEN_WORDS_US: f64 = 1_000.0;
const ENOUGH: usize = 100;

/// What frames made longer by coming too late is not made shorter for this long.
const SHORTER_AFTER_US: u64 = 10_000_000;

/// What is usual is looked for no more often than this: it takes as long as to decode some frames.
const LOOK_EVERY_US: u64 = 250_000;

/// Frames that come too late make it longer when there are as many in this long a time: one is an
/// accident.
const LATE: usize = 2;
const LATE_WITHIN_US: u64 = 2_000_000;

/// The lag of one talker.
#[derive(Debug, Default)]
pub struct Lag {
    /// `None` before the first frame.
    us: Option<f64>,
    /// When each frame came, and what lag it would have needed if the mix had been made at once.
    needed: VecDeque<(u64, f64)>,
    /// Until then the lag is not made shorter.
    shorter_from_us: u64,
    /// Until then what is usual is not looked for again.
    look_from_us: u64,
}

impl Lag {
    /// The lag now; 0 before the first frame.
    #[must_use]
    pub fn us(&self) -> f64 {
        self.us.unwrap_or_default()
    }

    /// Learns that a frame that came at `now_us` needs a lag of `needed_us`, less the `slack_us` that
    /// the mix is made later. `begins` says that it is the first after a pause, where a change is not
    /// heard. Returns whether the lag changed.
    pub fn note(&mut self, now_us: u64, needed_us: f64, slack_us: f64, begins: bool) -> bool {
        while self.needed.len() >= REMEMBERED
            || self.needed.front().is_some_and(|(at, _)| at + REMEMBERED_US < now_us)
        {
            self.needed.pop_front();
        }
        self.needed.push_back((now_us, needed_us));
        let wanted_us = match self.us {
            None => Some(needed_us),
            // There is no longer one.
            Some(us) if needed_us - slack_us > us && us >= f64::from(LONGEST_MS) * 1e3 => None,
            Some(us) if needed_us - slack_us > us => self.longer_us(now_us, us + slack_us),
            Some(us) => self.usual_us(now_us, us + slack_us, begins),
        };
        let Some(wanted_us) = wanted_us else {
            return false;
        };
        // Nobody speaks before the film: whoever makes the mix so late may not always.
        let longest_us = f64::from(LONGEST_MS) * 1e3;
        let wanted_us = (wanted_us + MARGIN_US - slack_us).clamp(0.0, longest_us);
        self.us.replace(wanted_us) != Some(wanted_us)
    }

    /// What the frames of the last seconds need, if more than one of them needs more than `least_us`.
    fn longer_us(&mut self, now_us: u64, least_us: f64) -> Option<f64> {
        let recent = self.needed.iter().rev();
        let recent = recent.take_while(|(at, _)| at + LATE_WITHIN_US >= now_us).map(|(_, us)| *us);
        let (late, most_us) = recent.fold((0, 0.0_f64), |(late, most_us), us| {
            (late + usize::from(us > least_us), most_us.max(us))
        });
        if late < LATE {
            return None;
        }
        self.shorter_from_us = now_us + SHORTER_AFTER_US;
        Some(most_us)
    }

    /// What ninety-nine of a hundred remembered frames need, if it is time for a change and that is
    /// worth one for who has `has_us` now.
    fn usual_us(&mut self, now_us: u64, has_us: f64, begins: bool) -> Option<f64> {
        let enough = if begins { ENOUGH } else { REMEMBERED };
        let from_us = self.shorter_from_us.max(self.look_from_us);
        if self.needed.len() < enough || now_us < from_us {
            return None;
        }
        self.look_from_us = now_us + if begins { LOOK_EVERY_US } else { SHORTER_AFTER_US };
        let mut all: Vec<f64> = self.needed.iter().map(|(_, us)| *us).collect();
        let at = all.len().saturating_sub(1) * 99 / 100;
        let usual_us = *all.select_nth_unstable_by(at, f64::total_cmp).1;
        let shorter_by_us = has_us - (usual_us + MARGIN_US);
        let is_worth_it = if begins {
            shorter_by_us.abs() >= WORTH_BETWEEN_WORDS_US
        } else {
            shorter_by_us >= WORTH_US
        };
        is_worth_it.then_some(usual_us)
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
            (0..frames).filter(|n| lag.note(from_us + n * FRAME_US, needed(*n), 0.0, n % 300 == 0));
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
        assert!(!lag.note(1_000_000, 60_000.0, 0.0, false));
        assert_eq!(lag.us(), before);
        assert!(lag.note(1_500_000, 40_000.0, 0.0, false));
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

    #[test]
    fn a_first_frame_that_was_late_counts_for_no_longer_than_the_first_words() {
        let mut lag = Lag::default();
        let first = |n| if n == 0 { 30_000.0 } else { 20_000.0 };
        assert_eq!(listen(&mut lag, 0, 3, first), 1);
        assert_eq!(lag.us(), 31_500.0, "not while it can be heard");
        let changes = listen(&mut lag, 3_000_000, 60, |_| 20_000.0);
        assert_eq!((changes, lag.us()), (1, 21_500.0));
    }

    #[test]
    fn words_of_less_than_a_second_tell_too_little() {
        let mut lag = Lag::default();
        lag.note(0, 30_000.0, 0.0, true);
        for n in 1..99 {
            assert!(!lag.note(n * FRAME_US, 20_000.0, 0.0, n % 10 == 0));
        }
        assert!(lag.note(FRAME_US * 99, 20_000.0, 0.0, true));
    }

    #[test]
    fn what_comes_late_now_and_then_moves_it_no_more_than_once_in_ten_seconds_either_way() {
        let mut lag = Lag::default();
        // Two frames of six hundred, too few to be usual.
        let changes = listen(&mut lag, 0, 120, |n| if n % 600 >= 598 { 60e3 } else { 20e3 });
        assert!((3..=24).contains(&changes), "{changes}");
        assert!(lag.us() > 60e3, "{}", lag.us());
    }

    #[test]
    fn the_mix_being_made_later_is_taken_off_it_and_a_mix_that_is_sooner_makes_it_longer() {
        let mut lag = Lag::default();
        assert!(lag.note(0, 20_000.0, 4_000.0, true));
        assert_eq!(lag.us(), 17_500.0);
        for n in 1..200 {
            assert!(!lag.note(n * FRAME_US, 20_000.0, 4_000.0, n % 100 == 0));
        }
        assert!(lag.note(200 * FRAME_US, 20_000.0, 1_000.0, false), "by now all are too late");
        assert_eq!(lag.us(), 20_500.0);
        assert!(Lag::default().note(0, 3_000.0, 10_000.0, true), "known, if it is 0");
    }
}
