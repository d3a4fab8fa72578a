//! A sound card's clock, read off the stamps that its callbacks carry.
//!
//! Stamps are near-white noise of tens of µs about a straight line, with one-sided late spikes of
//! milliseconds, and steps where the sound server dropped or repeated something. A line fitted by
//! least squares to what lies within three median deviations of it follows the first, ignores the
//! second and, by rules of its own, re-anchors on the third.
//!
//! A sound server that is short of CPU stamps whole bursts wrongly, and the wrong stamps agree.
//! What cannot lie is when a callback came: frames that were lost make every later callback late,
//! frames that were only delayed do not. A step must show there as well.

use std::collections::VecDeque;

use super::line::{Line, error_at_end, median, plausible, ppm, slope};

/// The newest stamps that the line is fitted to, in µs. Long enough to average the noise to a few
/// µs, short enough to follow a crystal that warms up.
const WINDOW_US: f64 = 4e6;

/// Stamps closer together than this add cost, not knowledge.
const SPACING_US: f64 = 4_500.0;

/// At most this many stamps are kept: the window at that spacing.
const CAPACITY: usize = 1024;

/// Sound servers need a few callbacks before their stamps mean anything.
const IGNORED_AT_START: u32 = 10;

/// The first line goes through this many stamps, so that a wrong one among them does not decide.
const FIRST_STAMPS: usize = 8;

/// A line that no stamp has lain on for this long is wrong, whatever the callbacks say.
const ABANDONED_US: f64 = 1e6;

/// The slope is the nominal rate until the stamps span this long.
const SLOPE_AFTER_US: f64 = 1e6;

/// The slope stays where fewer stamps than this are within the gate.
const FEWEST: usize = 8;

/// Three stamps in a row off the line by more than this …
const STEP_US: f64 = 500.0;

/// … that agree within this are a step.
const STEP_AGREEMENT_US: f64 = 200.0;

/// How many stamps make a step.
const STEP_STAMPS: usize = 3;

/// Callbacks must have moved with a step, give or take this.
const STEP_ARRIVALS_US: f64 = 1_000.0;

/// The earliest callbacks of this long a time tell when undelayed ones come.
const FLOOR_US: f64 = 1e6;

/// A stamp this far from its callback, in µs, is nonsense: no output is that late or early.
const EARLIEST_STAMP_US: f64 = -500_000.0;
const LATEST_STAMP_US: f64 = 3_000_000.0;

/// What lies further than this many median deviations from the line does not pull at it.
const GATE: f64 = 3.0;

/// A floor under the gate: below it everything is noise of the same kind.
const GATE_FLOOR_US: f64 = 30.0;

/// A model of one card's clock.
#[derive(Debug, Clone)]
pub struct CardClock {
    nominal_us_per_frame: f64,
    stamps: VecDeque<(f64, f64)>,
    /// Stamps off the line, with how late their callbacks were.
    suspects: Vec<((f64, f64), f64)>,
    /// (callback, how late against the line), lateness rising: a sliding-window minimum.
    floor: VecDeque<(f64, f64)>,
    line: Option<Line>,
    ignored: u32,
    since_fit: usize,
    noise_us: f64,
}

impl CardClock {
    /// A clock of which only its nominal rate in Hz is known.
    #[must_use]
    pub fn new(sample_rate: u32) -> Self {
        Self {
            nominal_us_per_frame: 1e6 / f64::from(sample_rate.max(1)),
            stamps: VecDeque::with_capacity(CAPACITY),
            suspects: Vec::with_capacity(STEP_STAMPS),
            floor: VecDeque::new(),
            line: None,
            ignored: 0,
            since_fit: 0,
            noise_us: 0.0,
        }
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
        // Early on every stamp counts; later a fit per sixteenth of the window follows any drift.
        if self.stamps.len() < 64 || self.since_fit >= CAPACITY / 64 {
            self.fit();
        }
        None
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
        let Some(&(last_frame, last_at)) = self.stamps.back() else {
            return;
        };
        while self.stamps.len() > CAPACITY
            || self.stamps.front().is_some_and(|first| last_at - first.1 > WINDOW_US)
        {
            self.stamps.pop_front();
        }
        let first_at = self.stamps.front().map_or(last_at, |first| first.1);
        let mut us_per_frame =
            self.line.map_or(self.nominal_us_per_frame, |line| line.us_per_frame);
        let residuals = |us_per_frame: f64| -> Vec<f64> {
            self.stamps.iter().map(|s| s.1 - last_at - (s.0 - last_frame) * us_per_frame).collect()
        };
        let mut rest = residuals(us_per_frame);
        let mut middle = median(rest.iter().copied());
        let deviations = rest.iter().map(|r| (r - middle).abs());
        let gate = (GATE * median(deviations)).max(GATE_FLOOR_US);
        if last_at - first_at >= SLOPE_AFTER_US {
            for _ in 0..2 {
                let points = self.stamps.iter().zip(&rest).map(|(s, r)| (s.0, *r));
                let kept = points.filter(|(_, r)| (r - middle).abs() <= gate);
                us_per_frame += slope(kept, FEWEST).unwrap_or(0.0);
                us_per_frame = plausible(us_per_frame, self.nominal_us_per_frame);
                rest = residuals(us_per_frame);
                middle = median(rest.iter().copied());
            }
        }
        let kept: Vec<f64> = rest.iter().copied().filter(|r| (r - middle).abs() <= gate).collect();
        let offset = kept.iter().sum::<f64>() / kept.len().max(1) as f64;
        let spread = kept.iter().map(|r| (r - offset).powi(2)).sum::<f64>();
        self.noise_us = (spread / kept.len().max(1) as f64).sqrt();
        self.line = Some(Line { frame: last_frame, at: last_at + offset, us_per_frame });
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
        error_at_end(self.noise_us, self.stamps.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator of repeatable noise, roughly normal.
    struct Noise(u64);

    impl Noise {
        fn uniform(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }

        fn normal(&mut self) -> f64 {
            (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
        }
    }

    const PERIOD: u64 = 480;

    fn run(clock: &mut CardClock, from: u64, count: u64, ppm: f64, offset: f64, noise: &mut Noise) {
        for n in from..from + count {
            let spike = if noise.uniform() < 0.03 { noise.uniform() * 4000.0 } else { 0.0 };
            let exact = 1e6 + offset + (n * PERIOD) as f64 / 48_000.0 * 1e6 / (1.0 + ppm * 1e-6);
            let came = exact as u64 + 400;
            let _ = clock.stamp(n * PERIOD, (exact + 20.0 * noise.normal() + spike) as u64, came);
        }
    }

    #[test]
    fn noise_and_late_spikes_leave_the_line_within_a_few_microseconds() {
        for ppm in [-200.0, 0.0, 87.0] {
            let mut clock = CardClock::new(48_000);
            let mut noise = Noise(7);
            run(&mut clock, 0, 800, ppm, 0.0, &mut noise);
            let frame = 810.0 * PERIOD as f64;
            let exact = 1e6 + frame / 48_000.0 * 1e6 / (1.0 + ppm * 1e-6);
            let error = clock.time_of(frame).unwrap() - exact;
            assert!(error.abs() < 8.0, "{ppm} ppm: off by {error} µs");
            assert!((clock.ppm() - ppm).abs() < 5.0, "{} for {ppm}", clock.ppm());
            assert!(clock.uncertainty_us() < 5.0);
        }
    }

    #[test]
    fn three_stamps_that_agree_are_a_step_and_one_is_not() {
        let mut clock = CardClock::new(48_000);
        let mut noise = Noise(3);
        run(&mut clock, 0, 300, 0.0, 0.0, &mut noise);
        let at = |n: u64| 1_000_000 + n * 10_000;
        let mut stamp =
            |n: u64, late: u64| clock.stamp(n * PERIOD, at(n) + late, at(n) + late + 400);
        assert_eq!(stamp(300, 9_000), None);
        assert_eq!(stamp(301, 0), None);
        assert_eq!(stamp(302, 9_000), None);
        assert_eq!(stamp(303, 9_010), None);
        let step = stamp(304, 9_020).unwrap();
        assert!((step - 9_010.0).abs() < 30.0, "{step}");
        let after = clock.time_of(305.0 * PERIOD as f64).unwrap() - at(305) as f64;
        assert!((after - 9_010.0).abs() < 30.0, "{after}");
    }

    #[test]
    fn stamps_that_agree_but_whose_callbacks_did_not_move_are_no_step() {
        let mut clock = CardClock::new(48_000);
        let mut noise = Noise(3);
        run(&mut clock, 0, 300, 0.0, 0.0, &mut noise);
        let at = |n: u64| 1_000_000 + n * 10_000;
        for n in 300..310 {
            assert_eq!(clock.stamp(n * PERIOD, at(n) + 20_000, at(n) + 400), None);
        }
        for n in 310..320 {
            assert_eq!(clock.stamp(n * PERIOD, at(n) - 20_000, at(n) + 400), None);
        }
        let error = clock.time_of(320.0 * PERIOD as f64).unwrap() - at(320) as f64;
        assert!(error.abs() < 20.0, "{error}");
    }

    #[test]
    fn a_wrong_start_is_put_right_and_is_no_step() {
        let mut clock = CardClock::new(48_000);
        let at = |n: u64| 1_000_000 + n * 10_000;
        for n in 0..40 {
            assert_eq!(clock.stamp(n * PERIOD, at(n) - 6_200, at(n) + 400), None);
        }
        for n in 40..200 {
            assert_eq!(clock.stamp(n * PERIOD, at(n), at(n) + 400), None);
        }
        let error = clock.time_of(200.0 * PERIOD as f64).unwrap() - at(200) as f64;
        assert!(error.abs() < 20.0, "{error}");
    }

    #[test]
    fn a_wrong_stamp_among_the_first_does_not_decide() {
        let mut clock = CardClock::new(48_000);
        for n in 0..30_u64 {
            let wrong = if n % 4 == 2 { 6_000 } else { 0 };
            let at = 1_000_000 + n * 10_000;
            assert_eq!(clock.stamp(n * PERIOD, at - wrong, at + 400), None);
        }
        let error = clock.time_of(30.0 * PERIOD as f64).unwrap() - 1_300_000.0;
        assert!(error.abs() < 20.0, "{error}");
    }

    #[test]
    fn nonsense_stamps_are_survived() {
        let mut clock = CardClock::new(48_000);
        let mut noise = Noise(3);
        run(&mut clock, 0, 300, 0.0, 0.0, &mut noise);
        for nonsense in [0, u64::MAX / 2, 5] {
            let _ = clock.stamp(310 * PERIOD, nonsense, nonsense);
        }
        let _ = clock.stamp(0, 4_000_000, 4_000_000);
        run(&mut clock, 311, 300, 0.0, 0.0, &mut noise);
        let error = clock.time_of(611.0 * PERIOD as f64).unwrap() - 7_110_000.0;
        assert!(error.abs() < 20.0, "{error}");
    }

    #[test]
    fn before_any_stamp_nothing_is_known_but_the_nominal_rate() {
        let clock = CardClock::new(50_000);
        assert_eq!(clock.time_of(0.0), None);
        assert_eq!(clock.us_per_frame(), 20.0);
        assert_eq!(clock.ppm(), 0.0);
    }
}
