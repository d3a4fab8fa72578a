//! A capturing card's clock, read off when its callbacks come.
//!
//! The stamps of captured sound err both ways, in sawteeth of milliseconds, whenever the sound
//! server is short of CPU, and the wrong ones agree. A callback can come late, but never before its
//! last frame was captured: the earliest of each moment lie on a line within some ten µs, while the
//! machine is loaded and right after it has stalled. So callbacks say where the card's frames lie,
//! and stamps only how long before its callback a frame was captured, which is one constant.
//!
//! When the earliest callbacks move, stamps decide what it means. If they moved along, frames were
//! lost; if they stayed, the sound server has changed how far ahead it hands sound over.

use std::collections::VecDeque;

use super::line::{Line, error_at_end, median, plausible, ppm, quantile, slope};

/// The earliest callback of each such time counts.
const BUCKET_US: f64 = 20_000.0;

/// The line is fitted to so many of them, 4 s: long enough to average the noise to a few µs, short
/// enough to follow a crystal that warms up.
const WINDOW: usize = 200;

/// The first line goes through the earliest of this many.
const FIRST: usize = 4;

/// The first stamps after opening mean nothing.
const STAMPS_IGNORED: u32 = 10;

/// Fewer stamps than this do not change what is known.
const STAMPS_ENOUGH: usize = 20;

/// The first sound waits for this many stamps, since any of them may be wrong.
const STAMPS_TO_BEGIN: usize = 6;

/// The first sound waits for stamps for no more than this many buckets, half a second: then any
/// stamp is better than none.
const STAMPS_AWAITED: u32 = 25;

/// Stamps further from their callbacks than this are nonsense, in µs: before and after. No card
/// holds sound back for longer, and none hands over what it has yet to hear.
const EARLIEST_STAMP_US: f64 = -1_000_000.0;
const LATEST_STAMP_US: f64 = 100_000.0;

/// The slope is the nominal rate until the callbacks span this long.
const SLOPE_AFTER_US: f64 = 2e6;

/// So many callbacks in a row that are off the line by more than this, in µs, may have moved.
const MOVED: usize = 3;
const MOVED_US: f64 = 500.0;

/// Callbacks off the line have moved if they agree within this, in µs.
const AGREEMENT_US: f64 = 300.0;

/// A line through so many of the newest that fits the moved ones this well says that the card runs
/// at another rate than was thought, and that nothing has moved.
const BENT: usize = 50;
const FEWEST_BENT: usize = 10;
const BENT_FITS_US: f64 = 100.0;

/// Where callbacks off the line do not agree, only a move of more than this, in µs, is more than a
/// delay.
const FAR_US: f64 = 5_000.0;

/// Stamps have moved along, or stayed, give or take this.
const STAMPS_AGREE_US: f64 = 1_000.0;

/// Where stamps say neither for this long, or callbacks do not agree, those that came earliest decide.
const STAMPS_SILENT_US: f64 = 1e6;

/// This share of the callbacks is taken for undelayed, and what lies within three times their
/// spread, at least the floor, pulls at the line.
const UNDELAYED: f64 = 0.25;
const GATE: f64 = 3.0;
const GATE_FLOOR_US: f64 = 60.0;

/// A model of a capturing card's clock.
#[derive(Debug, Clone)]
pub struct CaptureClock {
    nominal_us_per_frame: f64,
    /// On the line, oldest first.
    earliest: VecDeque<Earliest>,
    /// Off the line, since the last one on it.
    moved: Vec<Earliest>,
    /// The bucket that is filling, and the frame that it began with.
    filling: Option<(f64, Earliest)>,
    /// Where callbacks come.
    line: Option<Line>,
    /// How long after its callback came a frame was captured, in µs: mostly negative.
    ahead_us: f64,
    stamps_seen: u32,
    buckets_seen: u32,
    noise_us: f64,
}

/// The earliest callback of a bucket, late ones left out.
#[derive(Debug, Clone, Copy)]
struct Earliest {
    frame: f64,
    came_us: f64,
    /// What its stamp says, less when it came.
    ahead_us: Option<f64>,
}

impl CaptureClock {
    /// A clock of which only its nominal rate in Hz is known.
    #[must_use]
    pub fn new(sample_rate: u32) -> Self {
        Self {
            nominal_us_per_frame: 1e6 / f64::from(sample_rate.max(1)),
            earliest: VecDeque::with_capacity(WINDOW + 1),
            moved: Vec::new(),
            filling: None,
            line: None,
            ahead_us: 0.0,
            stamps_seen: 0,
            buckets_seen: 0,
            noise_us: 0.0,
        }
    }

    /// Takes what a callback told: it came at `came_us`, less what its frames last, and stamped its
    /// first frame, number `frame`, with `at_us`. Returns by how many µs the clock has stepped
    /// against its frames, if that has just become clear (positive: frames were lost).
    pub fn callback(&mut self, frame: u64, at_us: u64, came_us: u64) -> Option<f64> {
        let (frame, came_us) = (frame as f64, came_us as f64);
        self.stamps_seen = self.stamps_seen.saturating_add(1);
        let ahead_us = Some(at_us as f64 - came_us).filter(|ahead| {
            self.stamps_seen > STAMPS_IGNORED
                && (EARLIEST_STAMP_US..LATEST_STAMP_US).contains(ahead)
        });
        let new = Earliest { frame, came_us, ahead_us };
        let Some((first, earliest)) = &mut self.filling else {
            self.filling = Some((frame, new));
            return None;
        };
        if frame < *first {
            return None;
        }
        if (frame - *first) * self.nominal_us_per_frame < BUCKET_US {
            let late = |e: Earliest| e.came_us - e.frame * self.nominal_us_per_frame;
            if late(new) <= late(*earliest) {
                *earliest = new;
            }
            return None;
        }
        let full = std::mem::replace(earliest, new);
        *first = frame;
        self.buckets_seen = self.buckets_seen.saturating_add(1);
        self.take(full)
    }

    fn take(&mut self, new: Earliest) -> Option<f64> {
        let Some(line) = self.line else {
            self.earliest.push_back(new);
            if self.earliest.len() >= FIRST {
                self.begin();
            }
            return None;
        };
        let late = new.came_us - line.time_of(new.frame);
        if late.abs() > MOVED_US {
            self.moved.push(new);
            return self.judge(line);
        }
        self.moved.clear();
        self.keep([new]);
        self.fit();
        None
    }

    fn keep(&mut self, new: impl IntoIterator<Item = Earliest>) {
        self.earliest.extend(new);
        let over = self.earliest.len().saturating_sub(WINDOW);
        self.earliest.drain(..over);
    }

    /// The first line: through the least delayed.
    fn begin(&mut self) {
        let us_per_frame = self.nominal_us_per_frame;
        let late = |e: &&Earliest| e.came_us - e.frame * us_per_frame;
        let Some(least) = self.earliest.iter().min_by(|a, b| late(a).total_cmp(&late(b))) else {
            return;
        };
        let line = Line { frame: least.frame, at: least.came_us, us_per_frame };
        self.line = Some(line);
        self.earliest.retain(|e| e.came_us - line.time_of(e.frame) <= MOVED_US);
        self.fit();
    }

    /// What it means that callbacks have left the line.
    fn judge(&mut self, line: Line) -> Option<f64> {
        let late = |e: &Earliest| e.came_us - line.time_of(e.frame);
        let waited_us = self.moved.last()?.came_us - self.moved.first()?.came_us;
        let Some(evidence) = self.evidence(late, waited_us >= STAMPS_SILENT_US) else {
            let longest = (STAMPS_SILENT_US / BUCKET_US) as usize * 2;
            if self.moved.len() > longest {
                self.moved.drain(..longest / 2);
            }
            return None;
        };
        if let Some(line) = self.bent(line) {
            self.line = Some(line);
            let moved = std::mem::take(&mut self.moved);
            self.keep(moved);
            return None;
        }
        let least = evidence.iter().map(late).fold(f64::INFINITY, f64::min);
        let stamps = || evidence.iter().filter_map(|e| Some(late(e) + e.ahead_us? - self.ahead_us));
        let stamped = median(stamps());
        let known = stamps().next().is_some();
        // Stamps that disagree by as much as the step cannot tell of it: that would be a click.
        let sure = stamps().all(|stamp| (stamp - stamped).abs() <= least.abs() / 2.0);
        let along = known && sure && (stamped - least).abs() <= STAMPS_AGREE_US;
        let stayed = known && stamped.abs() <= STAMPS_AGREE_US;
        if !along && !stayed && waited_us < STAMPS_SILENT_US {
            return None;
        }
        let is_step = !stayed || (along && (stamped - least).abs() <= stamped.abs());
        self.line = Some(Line { at: line.at + least, ..line });
        if !is_step {
            self.ahead_us -= least;
        }
        self.earliest.clear();
        self.earliest.extend(evidence);
        self.moved.clear();
        is_step.then_some(least)
    }

    /// Those off the line that say by how much: the newest where they agree, else the least delayed
    /// of several, where those do; where callbacks have stayed away for `long`, they need not.
    fn evidence(&self, late: impl Fn(&Earliest) -> f64, long: bool) -> Option<Vec<Earliest>> {
        let agree = |some: &[Earliest]| {
            let lates = || some.iter().map(&late);
            let least = lates().fold(f64::INFINITY, f64::min);
            lates().all(|late| late - least <= AGREEMENT_US)
        };
        let newest = self.moved.get(self.moved.len().checked_sub(MOVED)?..)?;
        if agree(newest) {
            return Some(newest.to_vec());
        }
        if self.moved.len() < 2 * MOVED {
            return None;
        }
        let mut least_late = self.moved.clone();
        least_late.sort_by(|a, b| late(a).total_cmp(&late(b)));
        least_late.truncate(MOVED);
        // A busy machine delays by a few ms for as long as it is busy; nothing is lost by that.
        let far = least_late.iter().all(|e| late(e).abs() > FAR_US);
        let told = far && (agree(&least_late) || long);
        least_late.sort_by(|a, b| a.frame.total_cmp(&b.frame));
        told.then_some(least_late)
    }

    /// The line at another rate that the moved ones lie on as well as those before them.
    fn bent(&self, line: Line) -> Option<Line> {
        let late = |e: &Earliest| (e.frame, e.came_us - line.time_of(e.frame));
        let newest = || self.earliest.iter().chain(&self.moved).rev().take(BENT).map(late);
        let slope = slope(newest(), FEWEST_BENT)?;
        let last = self.moved.last()?;
        let us_per_frame = line.us_per_frame + slope;
        if plausible(us_per_frame, self.nominal_us_per_frame) != us_per_frame {
            return None;
        }
        let level = median(newest().map(|(frame, late)| late - (frame - last.frame) * slope));
        let bent = Line { frame: last.frame, at: line.time_of(last.frame) + level, us_per_frame };
        let fits = |e: &Earliest| (e.came_us - bent.time_of(e.frame)).abs() <= BENT_FITS_US;
        self.moved.iter().all(fits).then_some(bent)
    }

    /// Forgets where the card was, not how fast it runs: a callback that was not delayed came at
    /// `came_us` with frame number `frame` first.
    pub fn anchor(&mut self, frame: u64, came_us: u64) {
        let us_per_frame = self.us_per_frame();
        self.earliest.clear();
        self.moved.clear();
        self.filling = None;
        self.buckets_seen = STAMPS_AWAITED + 1;
        self.line = Some(Line { frame: frame as f64, at: came_us as f64, us_per_frame });
    }

    /// Fits the line to the window.
    fn fit(&mut self) {
        let (Some(line), Some(first), Some(last)) =
            (self.line, self.earliest.front(), self.earliest.back())
        else {
            return;
        };
        let late = |e: &Earliest, us_per_frame: f64| {
            e.came_us - last.came_us - (e.frame - last.frame) * us_per_frame
        };
        let mut us_per_frame = line.us_per_frame;
        let lates = |us_per_frame: f64| self.earliest.iter().map(move |e| late(e, us_per_frame));
        let level = quantile(lates(us_per_frame), UNDELAYED);
        let spread = level - quantile(lates(us_per_frame), 0.05);
        let gate = (GATE * spread).max(GATE_FLOOR_US);
        if last.came_us - first.came_us >= SLOPE_AFTER_US {
            let points = self.earliest.iter().map(|e| (e.frame, late(e, line.us_per_frame)));
            let kept = points.filter(|(_, late)| (late - level).abs() <= gate);
            us_per_frame += slope(kept, WINDOW / 20).unwrap_or(0.0);
            us_per_frame = plausible(us_per_frame, self.nominal_us_per_frame);
        }
        let level = quantile(lates(us_per_frame), UNDELAYED);
        let kept = || lates(us_per_frame).filter(|late| (late - level).abs() <= gate);
        let count = kept().count().max(1) as f64;
        let mean = kept().sum::<f64>() / count;
        self.noise_us = (kept().map(|late| (late - mean).powi(2)).sum::<f64>() / count).sqrt();
        self.line = Some(Line { frame: last.frame, at: last.came_us + mean, us_per_frame });
        let stamped = || self.earliest.iter().filter_map(|e| e.ahead_us);
        let enough = if self.is_stamped() { STAMPS_ENOUGH } else { 1 };
        if stamped().count() >= enough {
            self.ahead_us = median(stamped());
        }
    }

    /// Whether stamps have said what they can.
    fn is_stamped(&self) -> bool {
        self.buckets_seen > STAMPS_AWAITED
    }

    /// Whether callbacks come where they should: if not, frames may have been lost just now.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let stamped = self.earliest.iter().filter(|e| e.ahead_us.is_some()).count();
        let knows_ahead = self.is_stamped() || stamped >= STAMPS_TO_BEGIN;
        let on_line = |line: Line| {
            self.filling.is_none_or(|(_, e)| (e.came_us - line.time_of(e.frame)).abs() <= MOVED_US)
        };
        self.line.is_some_and(on_line) && self.moved.is_empty() && knows_ahead
    }

    /// When frame number `frame` was captured, in µs; `None` while nothing is known.
    #[must_use]
    pub fn time_of(&self, frame: f64) -> Option<f64> {
        self.line.map(|line| line.time_of(frame) + self.ahead_us)
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

    /// Standard error of the line at its end, in µs. The constant that stamps give is not in it.
    #[must_use]
    pub fn uncertainty_us(&self) -> f64 {
        error_at_end(self.noise_us, self.earliest.len())
    }

    /// How long the card keeps a frame before it hands it over, in µs, not counting the frames
    /// that it waits for to hand over together.
    #[must_use]
    pub fn held_back_us(&self) -> f64 {
        (-self.ahead_us).max(0.0)
    }

    /// When frame `frame` should come if nothing delays it, in µs.
    #[must_use]
    pub fn due_us(&self, frame: u64) -> Option<f64> {
        self.line.map(|line| line.time_of(frame as f64))
    }
}

#[cfg(test)]
mod tests;
