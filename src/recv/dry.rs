//! Why a listener keeps running dry, and what would help. Pure: time and counts are arguments.

use std::collections::VecDeque;

/// How often it is looked whether sound was missing.
const LOOK_US: u64 = 1_000_000;

/// So many of the last seconds with missing sound are a habit; fewer are an accident.
const WINDOW_US: u64 = 30_000_000;
const HABIT: usize = 4;

/// The cause is said at most this often, in µs: more would be read by nobody.
const SAY_EVERY_US: u64 = 60_000_000;

/// A listener that may help itself plays later by this share of its delay at a time, in whole steps.
const STEP_SHARE: u32 = 4;
pub(super) const STEP_MS: u32 = 10;

/// A listener that helps itself never adds more than this, in ms: by then something is wrong that
/// no delay mends.
const MOST_MS: u32 = 2_000;

/// What made sound be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It was not there when its time came.
    Network,
    /// It was there, but the card took more at a time than was ready for it.
    Card,
    /// It was there, but this PC did not get round to handing it on.
    Processor,
}

impl Cause {
    /// What happened, as the middle of a sentence.
    #[must_use]
    pub fn what(self) -> &'static str {
        match self {
            Self::Network => "it came too late over the network",
            Self::Card => "the sound card wanted more at a time than was ready for it",
            Self::Processor => "this PC was too busy to hand it on in time",
        }
    }

    /// What the person who listens, or the one who plays, can do.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::Network => {
                "A cable, a place nearer to the Wi-Fi router, or a preset with a longer delay on \
                 the server helps; so does --adaptive here"
            }
            Self::Card => {
                "Another output (--device), or a preset with a longer delay on the server helps; \
                 so does --adaptive here"
            }
            Self::Processor => {
                "Close other programs, or use a preset with a longer delay on the server; \
                 --adaptive here helps too"
            }
        }
    }
}

/// What has been counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Frames that were not there when their time came.
    pub lost: u64,
    /// Times that the card found too little.
    pub underruns: u64,
    /// Times that the playing thread came later than what was ready for the card lasts.
    pub busy: u64,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Say why.
    Say {
        /// The most frequent cause.
        cause: Cause,
        /// Seconds with missing sound in the last half minute.
        seconds: usize,
    },
    /// Play later by `by_ms`, and say so.
    PlayLater {
        /// The most frequent cause.
        cause: Cause,
        /// How much later.
        by_ms: u32,
    },
}

/// Watches one listener.
#[derive(Debug)]
pub struct Dry {
    /// Whether the listener may play later by itself.
    adaptive: bool,
    looked: Option<(u64, Counted)>,
    /// The seconds in which sound was missing, oldest first: at most as many as the window has.
    dry: VecDeque<(u64, Cause)>,
    said_us: Option<u64>,
}

impl Dry {
    /// Watches a listener that may play later by itself, or may not.
    #[must_use]
    pub fn new(adaptive: bool) -> Self {
        Self { adaptive, looked: None, dry: VecDeque::new(), said_us: None }
    }

    /// Looks at what has been counted by `now_us`. `delay_ms` is how long after its capture sound
    /// should be heard here, `added_ms` what of that the listener has added itself.
    pub fn look(
        &mut self,
        now_us: u64,
        counted: Counted,
        delay_ms: u32,
        added_ms: u32,
    ) -> Option<Advice> {
        let Some((looked_us, before)) = self.looked else {
            self.looked = Some((now_us, counted));
            return None;
        };
        if now_us.saturating_sub(looked_us) < LOOK_US {
            return None;
        }
        self.looked = Some((now_us, counted));
        let cause = cause(before, counted)?;
        self.dry.push_back((now_us, cause));
        self.dry.retain(|(then_us, _)| now_us.saturating_sub(*then_us) < WINDOW_US);
        let seconds = self.dry.len();
        if seconds < HABIT {
            return None;
        }
        let cause = self.usual_cause();
        if self.adaptive && added_ms < MOST_MS {
            // What was before is answered; whether it was enough shows from here on.
            self.dry.clear();
            let by_ms = step_ms(delay_ms).min(MOST_MS - added_ms);
            return Some(Advice::PlayLater { cause, by_ms });
        }
        if self.said_us.is_some_and(|said_us| now_us.saturating_sub(said_us) < SAY_EVERY_US) {
            return None;
        }
        self.said_us = Some(now_us);
        Some(Advice::Say { cause, seconds })
    }

    /// Forgets what was seen: it says nothing about another card or another stream.
    pub fn forget(&mut self) {
        self.dry.clear();
        self.looked = None;
    }

    fn usual_cause(&self) -> Cause {
        let count = |cause| self.dry.iter().filter(|(_, other)| *other == cause).count();
        let causes = [Cause::Network, Cause::Card, Cause::Processor];
        causes.into_iter().max_by_key(|cause| count(*cause)).unwrap_or(Cause::Network)
    }
}

/// Why sound was missing between two looks, if it was.
fn cause(before: Counted, now: Counted) -> Option<Cause> {
    let underran = now.underruns > before.underruns;
    if (underran || now.lost > before.lost) && now.busy > before.busy {
        Some(Cause::Processor)
    } else if now.lost > before.lost {
        Some(Cause::Network)
    } else {
        underran.then_some(Cause::Card)
    }
}

fn step_ms(delay_ms: u32) -> u32 {
    (delay_ms / STEP_SHARE).div_ceil(STEP_MS).max(1) * STEP_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    /// What is advised second by second, where each second adds what `adds` says.
    fn advised(dry: &mut Dry, seconds: std::ops::Range<u64>, adds: Counted) -> Vec<(u64, Advice)> {
        let mut counted = Counted::default();
        let mut advice = Vec::new();
        for second in seconds {
            advice.extend(dry.look(second * SECOND, counted, 80, 0).map(|advice| (second, advice)));
            counted.lost += adds.lost;
            counted.underruns += adds.underruns;
            counted.busy += adds.busy;
        }
        advice
    }

    #[test]
    fn a_listener_that_never_runs_dry_is_told_nothing() {
        let busy_but_whole = Counted { busy: 3, ..Counted::default() };
        assert_eq!(advised(&mut Dry::new(false), 0..300, Counted::default()), []);
        assert_eq!(advised(&mut Dry::new(true), 0..300, busy_but_whole), []);
    }

    #[test]
    fn an_accident_is_no_habit() {
        let mut dry = Dry::new(false);
        let mut counted = Counted::default();
        for second in 0..300 {
            // Three dry seconds in each half minute.
            counted.lost += u64::from(second % 10 == 0);
            assert_eq!(dry.look(second * SECOND, counted, 80, 0), None, "{second}");
        }
    }

    #[test]
    fn a_habit_is_said_once_a_minute_with_its_cause() {
        for (adds, cause) in [
            (Counted { lost: 9, underruns: 0, busy: 0 }, Cause::Network),
            (Counted { lost: 9, underruns: 2, busy: 0 }, Cause::Network),
            (Counted { lost: 0, underruns: 2, busy: 0 }, Cause::Card),
            (Counted { lost: 0, underruns: 2, busy: 1 }, Cause::Processor),
            (Counted { lost: 9, underruns: 0, busy: 1 }, Cause::Processor),
        ] {
            let advice = advised(&mut Dry::new(false), 0..130, adds);
            let at: Vec<u64> = advice.iter().map(|(second, _)| *second).collect();
            assert_eq!(at, [4, 64, 124], "{adds:?}");
            assert_eq!(advice[0].1, Advice::Say { cause, seconds: 4 });
            assert_eq!(advice[1].1, Advice::Say { cause, seconds: 30 });
        }
    }

    #[test]
    fn the_most_frequent_cause_is_named() {
        let mut dry = Dry::new(false);
        let mut counted = Counted::default();
        let mut said = None;
        for second in 0..6 {
            said = said.or(dry.look(second * SECOND, counted, 80, 0));
            if second == 1 {
                counted.lost += 1;
            } else {
                counted.underruns += 1;
            }
        }
        assert_eq!(said, Some(Advice::Say { cause: Cause::Card, seconds: 4 }));
    }

    #[test]
    fn one_that_may_help_itself_plays_later_step_by_step_until_it_is_enough() {
        let adds = Counted { lost: 9, ..Counted::default() };
        let advice = advised(&mut Dry::new(true), 0..10, adds);
        let later = Advice::PlayLater { cause: Cause::Network, by_ms: 20 };
        assert_eq!(advice, [(4, later), (8, later)]);
    }

    #[test]
    fn steps_grow_with_the_delay_and_end_at_two_seconds() {
        assert_eq!([5, 20, 80, 300, 800, 10_000].map(step_ms), [10, 10, 20, 80, 200, 2_500]);
        let mut dry = Dry::new(true);
        let mut added = 0;
        for second in 0..200 {
            let counted = Counted { lost: second, ..Counted::default() };
            match dry.look(second * SECOND, counted, 300 + added, added) {
                Some(Advice::PlayLater { by_ms, .. }) => added += by_ms,
                Some(Advice::Say { .. }) => assert_eq!(added, MOST_MS, "only then is it said"),
                None => {}
            }
        }
        assert_eq!(added, MOST_MS);
    }

    #[test]
    fn another_card_starts_with_a_clean_sheet() {
        let mut dry = Dry::new(false);
        let lost = |lost| Counted { lost, ..Counted::default() };
        for second in 0..4 {
            assert_eq!(dry.look(second * SECOND, lost(second), 80, 0), None);
        }
        dry.forget();
        assert_eq!(dry.look(4 * SECOND, lost(400), 80, 0), None);
        assert_eq!(dry.look(5 * SECOND, lost(401), 80, 0), None);
    }
}
