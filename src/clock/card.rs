//! A sound card's clock, read off the stamps that its callbacks carry.
//!
//! Stamps lie late, by tens of µs that come and go with the load of the machine and by spikes of
//! milliseconds, after a sharp edge that does not move; and they step where the sound server dropped
//! or repeated something. A line fitted by least squares to the earliest of them follows the edge,
//! ignores the rest and, by rules of its own, re-anchors on the steps.
//!
//! A sound server that is short of CPU stamps whole bursts wrongly, and the wrong stamps agree.
//! What cannot lie is when a callback came: frames that were lost make every later callback late,
//! frames that were only delayed do not. A step must show there as well.

use std::collections::VecDeque;

use super::line::{Line, median, ppm};
use super::{edge, shift};

/// The newest stamps that the line is fitted to, in µs. Long enough to average the noise to a few
/// µs, short enough to follow a crystal that warms up.
const WINDOW_US: f64 = 20e6;

/// The newest times that the line is fitted to where they are a model's already, in µs: they need
/// little, and whoever came later should soon know as much.
const TOLD_WINDOW_US: f64 = 4e6;

/// Stamps closer together than this add cost, not knowledge.
const SPACING_US: f64 = 9_500.0;

/// At most this many stamps are kept: what tells is their number, and at that spacing they take half
/// the window.
const CAPACITY: usize = 1024;

/// Sound servers need a few callbacks before their stamps mean anything.
const IGNORED_AT_START: u32 = 10;

/// The first line goes through this many stamps, so that a wrong one among them does not decide.
const FIRST_STAMPS: usize = 8;

/// A line that no stamp has lain on for this long is wrong, whatever the callbacks say.
const ABANDONED_US: f64 = 1e6;

/// A slope once measured is kept while the stamps span less than this: short spans swing.
const KEEP_SLOPE_US: f64 = 4e6;

/// A card that seems to have moved again within this time, in µs, has changed its pace: only a line
/// through its stamps tells where it is.
const SHIFT_REST_US: f64 = 4e6;

/// Three stamps in a row that are off the line by more than this, in µs, may be a step.
const STEP_US: f64 = 1_000.0;

/// Stamps off the line are a step if they agree within this, in µs.
const STEP_AGREEMENT_US: f64 = 200.0;

/// How many stamps in a row make a step.
const STEP_STAMPS: usize = 3;

/// Callbacks must have moved with a step, give or take this.
const STEP_ARRIVALS_US: f64 = 1_000.0;

/// The earliest callbacks of this long a time tell when undelayed ones come.
const FLOOR_US: f64 = 1e6;

/// A stamp this far from its callback, in µs, is nonsense: no output is that late or early.
const EARLIEST_STAMP_US: f64 = -500_000.0;
const LATEST_STAMP_US: f64 = 3_000_000.0;

/// A model of one card's clock.
#[derive(Debug, Clone)]
pub struct CardClock {
    nominal_us_per_frame: f64,
    /// Times come from a model of the card elsewhere.
    told: bool,
    stamps: VecDeque<(f64, f64)>,
    /// Stamps off the line, with how late their callbacks were.
    suspects: Vec<((f64, f64), f64)>,
    /// (callback, how late against the line), lateness rising: a sliding-window minimum.
    floor: VecDeque<(f64, f64)>,
    line: Option<Line>,
    ignored: u32,
    /// The slope was measured over long enough to keep it for a while.
    rate_known: bool,
    since_fit: usize,
    /// When the card last moved by less than a step.
    shifted_at: f64,
    error_us: f64,
}

impl CardClock {
    /// A clock of which only its nominal rate in Hz is known.
    #[must_use]
    pub fn new(sample_rate: u32) -> Self {
        Self {
            nominal_us_per_frame: 1e6 / f64::from(sample_rate.max(1)),
            told: false,
            stamps: VecDeque::with_capacity(CAPACITY),
            suspects: Vec::with_capacity(STEP_STAMPS),
            floor: VecDeque::new(),
            line: None,
            ignored: 0,
            rate_known: false,
            since_fit: 0,
            shifted_at: f64::NEG_INFINITY,
            error_us: 0.0,
        }
    }

    /// A clock of a card elsewhere, whose times are told by who has a model of it.
    #[must_use]
    pub fn told(sample_rate: u32) -> Self {
        Self { told: true, ..Self::new(sample_rate) }
    }

    /// Takes a stamp: frame number `frame` meets the card at `at_us`, says a callback that came at
    /// `came_us`. Returns by how many µs the clock stepped against its frames, if it just did
    /// (positive: time passed without frames).
    pub fn stamp(&mut self, frame: u64, at_us: u64, came_us: u64) -> Option<f64> {
        if self.ignored < IGNORED_AT_START {
            self.ignored += 1;
            return None;
        }
        let (at_us, came_us) = (at_us as f64, came_us as f64);
        let sense = (EARLIEST_STAMP_US..LATEST_STAMP_US).contains(&(at_us - came_us));
        // A card that knows nothing of time is timed by when it asks.
        let stamp = (frame as f64, if sense { at_us } else { came_us });
        let late = self.line.map(|line| came_us - line.time_of(stamp.0));
        if let Some(&(last_frame, _)) = self.stamps.back()
            && (stamp.0 - last_frame) * self.nominal_us_per_frame < SPACING_US
        {
            self.note_arrival(came_us, late);
            return None;
        }
        let Some(line) = self.line else {
            self.stamps.push_back(stamp);
            if self.stamps.len() >= FIRST_STAMPS {
                self.fit();
            }
            return None;
        };
        let error = stamp.1 - line.time_of(stamp.0);
        if error.abs() > STEP_US {
            return self.suspect(stamp, late.unwrap_or(0.0), line);
        }
        self.note_arrival(came_us, late);
        self.suspects.clear();
        self.stamps.push_back(stamp);
        self.since_fit += 1;
        if self.follow_shift(line) {
            self.fit();
            return None;
        }
        // Early on every stamp counts; later a fit per sixteenth of the window follows any drift.
        if self.stamps.len() < 64 || self.since_fit >= CAPACITY / 64 {
            self.fit();
        }
        None
    }

    /// Moves what is known of the card along with it, if it has moved by less than a step.
    fn follow_shift(&mut self, line: Line) -> bool {
        let Some(&(_, last_at)) = self.stamps.back() else {
            return false;
        };
        if self.told || !self.rate_known || last_at - self.shifted_at < SHIFT_REST_US {
            return false;
        }
        let Some(shift) = shift::find(self.stamps.make_contiguous(), line) else {
            return false;
        };
        for stamp in self.stamps.range_mut(..shift.from) {
            stamp.1 += shift.by_us;
        }
        self.shifted_at = last_at;
        true
    }

    /// Keeps the earliest callbacks of the last second.
    fn note_arrival(&mut self, came_us: f64, late: Option<f64>) {
        let Some(late) = late else {
            return;
        };
        while self.floor.back().is_some_and(|last| last.1 >= late) {
            self.floor.pop_back();
        }
        self.floor.push_back((came_us, late));
        // A peer's times may stand still, so that nothing ever gets old.
        while self.floor.len() > CAPACITY
            || self.floor.front().is_some_and(|first| came_us - first.0 > FLOOR_US)
        {
            self.floor.pop_front();
        }
    }

    /// A stamp off the line: alone it is a spike, three that agree are a step, if the callbacks
    /// moved with them.
    fn suspect(&mut self, stamp: (f64, f64), late: f64, line: Line) -> Option<f64> {
        self.suspects.push((stamp, late));
        let errors: Vec<f64> = self.suspects.iter().map(|s| s.0.1 - line.time_of(s.0.0)).collect();
        let lowest = errors.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = errors.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let step = median(errors.iter().copied());
        let earliest = self.suspects.iter().map(|s| s.1).fold(f64::INFINITY, f64::min);
        let moved = self.floor.front().is_none_or(|&(_, usual)| {
            if step > 0.0 {
                earliest >= usual + step - STEP_ARRIVALS_US
            } else {
                earliest <= usual + step + STEP_ARRIVALS_US
            }
        });
        if self.suspects.len() < STEP_STAMPS {
            return None;
        }
        if highest - lowest > STEP_AGREEMENT_US {
            self.suspects.remove(0);
            return None;
        }
        if moved {
            self.move_by(step, line);
            return Some(step);
        }
        let on_line = self.stamps.back().map_or(stamp.1, |last| last.1);
        if stamp.1 - on_line > ABANDONED_US {
            // No frames are missing: only what was believed of their time was wrong.
            self.move_by(step, line);
        } else {
            self.suspects.remove(0);
        }
        None
    }

    /// Starts anew from the stamps that were off the line.
    fn move_by(&mut self, step: f64, line: Line) {
        self.stamps.clear();
        self.stamps.extend(self.suspects.drain(..).map(|suspect| suspect.0));
        self.floor.clear();
        self.line = Some(Line { at: line.at + step, ..line });
    }

    /// Forgets where the card was, not how fast it runs: frame `frame` meets it at `at_us`.
    pub fn anchor(&mut self, frame: u64, at_us: u64) {
        let us_per_frame = self.us_per_frame();
        self.ignored = IGNORED_AT_START;
        self.stamps.clear();
        self.suspects.clear();
        self.floor.clear();
        self.line = Some(Line { frame: frame as f64, at: at_us as f64, us_per_frame });
    }

    /// Fits the line to the window.
    fn fit(&mut self) {
        self.since_fit = 0;
        let Some(&(_, last_at)) = self.stamps.back() else {
            return;
        };
        let window_us = if self.told { TOLD_WINDOW_US } else { WINDOW_US };
        while self.stamps.len() > CAPACITY
            || self.stamps.front().is_some_and(|first| last_at - first.1 > window_us)
        {
            self.stamps.pop_front();
        }
        let span_us = self.stamps.front().map_or(0.0, |first| last_at - first.1);
        let (us_per_frame, nominal) = (self.us_per_frame(), self.nominal_us_per_frame);
        let keep_slope = self.rate_known && span_us < KEEP_SLOPE_US;
        self.rate_known |= span_us >= KEEP_SLOPE_US;
        let stamps = self.stamps.make_contiguous();
        let fit = if self.told {
            edge::middle(stamps, us_per_frame, nominal)
        } else {
            edge::edge(stamps, us_per_frame, nominal, keep_slope)
        };
        if let Some(fit) = fit {
            self.line = Some(fit.line);
            self.error_us = fit.error_us;
        }
    }

    /// When frame number `frame` meets the card, in µs; `None` before the first stamp that counts.
    #[must_use]
    pub fn time_of(&self, frame: f64) -> Option<f64> {
        self.line.map(|line| line.time_of(frame))
    }

    /// The frame that meets the card at `at_us`, with its fraction.
    #[must_use]
    pub fn frame_at(&self, at_us: f64) -> Option<f64> {
        self.line.map(|line| line.frame_at(at_us))
    }

    /// How long a frame really lasts, in µs.
    #[must_use]
    pub fn us_per_frame(&self) -> f64 {
        self.line.map_or(self.nominal_us_per_frame, |line| line.us_per_frame)
    }

    /// How much faster than nominal the card runs, in parts per million.
    #[must_use]
    pub fn ppm(&self) -> f64 {
        ppm(self.us_per_frame(), self.nominal_us_per_frame)
    }

    /// Standard error of the line at its end, in µs.
    #[must_use]
    pub fn uncertainty_us(&self) -> f64 {
        self.error_us
    }
}

#[cfg(test)]
mod tests;
