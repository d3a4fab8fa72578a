//! A limiter for the mix that looks ahead: no true peak leaves it above −1 dBTP.
//!
//! A *true peak* is the highest point of the curve that a converter draws through the samples, which
//! can lie between two of them. It is found as ITU-R BS.1770-4 (annex 2) finds it, by four times as
//! many samples, and a parabola through the three highest, which leaves out less than 0.1 dB of what
//! lies between those. The gain is down before a peak comes, along a slope as long as the look-ahead:
//! no sample is bent. Where no peak needs it, samples pass bit for bit.
//!
//! Pure: no allocation but in [`TruePeak::new`] and where a call is longer than any before.

use std::collections::VecDeque;
use std::f64::consts::PI;

use crate::format::Format;

/// −1.5 dBFS. The half dB below −1 is what the filter cannot see of the highest frequencies and what
/// the gain's own slope adds, by a filter much finer: under 0.2 dB for noise, clicks and tones, 0.32
/// at worst that was found, when 28 dB come down on a tone of 23 kHz.
const CEILING: f32 = 0.841_395_1;

/// How far ahead it looks, filter included.
const LOOK_AHEAD_S: f64 = 0.0012;

/// Input samples under the interpolating filter. Annex 2 has 12, which lose 2 dB of what lies near
/// half the sample rate.
const TAPS: usize = 64;

/// Points between two samples: four times the rate.
const BETWEEN: usize = 3;

/// The β of the filter's Kaiser window: narrower would see less of the highest frequencies, wider
/// would ripple.
const KAISER_BETA: f64 = 3.0;

/// Fewest frames over which the gain falls: at low rates the look-ahead is longer for it.
const SHORTEST_SLOPE: usize = 16;

/// Frames before a peak and behind it that must have its gain, because they shape it.
const AROUND: usize = 4;

/// How long a peak counts in full: half a period of 20 Hz.
const HOLD_S: f64 = 0.025;

/// How fast it is forgotten after that.
const RELEASE_S: f64 = 0.200;

/// How near 1 the gain counts as there (−120 dB): an exponential never gets there.
const ARRIVED: f64 = 1e-6;

/// Frames looked at together: quiet ones are passed on without the filter.
const PIECE: usize = 64;

/// By how much the parabola can lie above the highest of its three points: 1 / cos(π / 8).
const ABOVE_POINTS: f32 = 1.083;

/// The limiter.
#[derive(Debug, Clone)]
pub struct TruePeak {
    channels: usize,
    delay: usize,
    /// Frames that are kept: the filter may look further back than the delay.
    held: usize,
    slope: usize,
    filter: [[f32; TAPS]; BETWEEN],
    /// No peak can lie above the ceiling while no sample lies above this.
    harmless: f32,
    /// The last `held` frames, interleaved, and behind them the piece in hand.
    frames: Vec<f32>,
    /// One channel of the piece in hand, with the filter's past before it.
    plane: Vec<f32>,
    /// The gain that each frame of the piece asks for.
    wanted: Vec<f32>,
    /// The last two points of each channel's curve.
    points: Vec<[f32; 2]>,
    /// Number of the frame that comes next.
    now: u64,
    hold: u64,
    /// Gains asked for lately, smaller ones before larger ones: a sliding minimum.
    lowest: VecDeque<(u64, f32)>,
    /// Share of the way back to 1 that the gain goes in one frame.
    release: f64,
    /// In f32 the last steps towards 1 would round to nothing.
    gain: f64,
    /// The last `slope` gains, whose mean is applied, and their sum.
    recent: VecDeque<f64>,
    sum: f64,
    /// How many of them in a row are exactly 1.
    open: usize,
}

impl TruePeak {
    /// A limiter for interleaved samples of `format`.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let rate = f64::from(format.sample_rate.max(1));
        let channels = usize::from(format.channels.max(1));
        let look_ahead = (LOOK_AHEAD_S * rate).round() as usize;
        let slope = look_ahead.saturating_sub(TAPS / 2 + AROUND).max(SHORTEST_SLOPE);
        let delay = slope + TAPS / 2 + AROUND;
        let held = delay.max(TAPS - 1);
        let filter = filter();
        let loudest = |taps: &[f32; TAPS]| taps.iter().map(|tap| tap.abs()).sum::<f32>();
        let most = filter.iter().map(loudest).fold(1.0, f32::max) * ABOVE_POINTS;
        let hold = (HOLD_S * rate).round() as u64 + (slope + 2 * AROUND) as u64;
        Self {
            channels,
            delay,
            held,
            slope,
            filter,
            harmless: CEILING / most,
            frames: vec![0.0; (held + PIECE) * channels],
            plane: vec![0.0; PIECE + TAPS - 1],
            wanted: vec![1.0; PIECE],
            points: vec![[0.0; 2]; channels],
            now: 0,
            hold,
            lowest: VecDeque::with_capacity(hold as usize + 1),
            release: 1.0 - (-1.0 / (RELEASE_S * rate)).exp(),
            gain: 1.0,
            recent: VecDeque::from(vec![1.0; slope]),
            sum: slope as f64,
            open: slope,
        }
    }

    /// Frames by which sound leaves later than it comes.
    #[must_use]
    pub fn delay(&self) -> usize {
        self.delay
    }

    /// Replaces whole interleaved frames by those that came [`delay`](Self::delay) frames before,
    /// limited. They must be finite.
    pub fn process(&mut self, samples: &mut [f32]) {
        for piece in samples.chunks_mut(PIECE * self.channels) {
            self.piece(piece);
        }
    }

    fn piece(&mut self, piece: &mut [f32]) {
        let held = self.held * self.channels;
        let oldest = (self.held - self.delay) * self.channels;
        self.frames[held..held + piece.len()].copy_from_slice(piece);
        let count = piece.len() / self.channels;
        let past = (TAPS - 1) * self.channels;
        let loudest = self.frames[held - past..held + piece.len()]
            .iter()
            .fold(0.0_f32, |most, sample| most.max(sample.abs()));
        let is_quiet = loudest <= self.harmless;
        piece.copy_from_slice(&self.frames[oldest..oldest + piece.len()]);
        if is_quiet && self.is_open() {
            self.now += count as u64;
            self.points.fill([0.0; 2]);
        } else {
            self.wanted[..count].fill(1.0);
            if is_quiet {
                self.points.fill([0.0; 2]);
            } else {
                (0..self.channels).for_each(|channel| self.look(channel, count));
            }
            for (n, frame) in piece.chunks_exact_mut(self.channels).enumerate() {
                let gain = self.next_gain(self.wanted[n]);
                frame.iter_mut().for_each(|sample| *sample *= gain);
            }
        }
        self.frames.copy_within(piece.len()..held + piece.len(), 0);
    }

    /// Whether the gain is 1, and has nothing to come down for.
    fn is_open(&self) -> bool {
        self.open >= self.slope && self.lowest.is_empty() && self.gain == 1.0
    }

    /// Finds the gain that each of the piece's `count` frames needs for one channel.
    fn look(&mut self, channel: usize, count: usize) {
        let first = self.held + 1 - TAPS;
        let plane = &mut self.plane[..count + TAPS - 1];
        let frames = self.frames.chunks_exact(self.channels).skip(first);
        for (sample, frame) in plane.iter_mut().zip(frames) {
            *sample = frame[channel];
        }
        let [mut before, mut middle] = self.points[channel];
        for (window, wanted) in plane.windows(TAPS).zip(&mut self.wanted) {
            let mut highest = 0.0_f32;
            let mut point = |next: f32| {
                highest = highest.max(summit(before, middle, next));
                (before, middle) = (middle, next);
            };
            point(window[TAPS / 2 - 1]);
            self.filter.iter().for_each(|taps| point(dot(taps, window)));
            if highest > CEILING {
                *wanted = wanted.min(CEILING / highest);
            }
        }
        self.points[channel] = [before, middle];
    }

    /// The gain to apply, when the newest frame wants `wanted`.
    fn next_gain(&mut self, wanted: f32) -> f32 {
        while self.lowest.front().is_some_and(|&(at, _)| at + self.hold < self.now) {
            self.lowest.pop_front();
        }
        if wanted < 1.0 {
            while self.lowest.back().is_some_and(|&(_, gain)| gain >= wanted) {
                self.lowest.pop_back();
            }
            self.lowest.push_back((self.now, wanted));
        }
        self.now += 1;
        let lowest = self.lowest.front().map_or(1.0, |&(_, gain)| f64::from(gain));
        self.gain = (self.gain + (1.0 - self.gain) * self.release).min(lowest);
        if 1.0 - self.gain < ARRIVED {
            self.gain = 1.0;
        }
        let oldest = self.recent.pop_front().unwrap_or(1.0);
        self.recent.push_back(self.gain);
        self.open = if self.gain == 1.0 { (self.open + 1).min(self.slope) } else { 0 };
        if self.open == self.slope {
            // What the sum has gathered in roundings is forgotten.
            self.sum = self.slope as f64;
            return 1.0;
        }
        self.sum += self.gain - oldest;
        (self.sum / self.slope as f64) as f32
    }
}

/// The height of the curve at `middle`, if it has its highest point there.
fn summit(before: f32, middle: f32, next: f32) -> f32 {
    let height = middle.abs();
    if height * ABOVE_POINTS < CEILING || before.abs() > height || next.abs() > height {
        return height;
    }
    let bend = before - 2.0 * middle + next;
    if bend == 0.0 {
        return height;
    }
    let slope = before - next;
    (middle - slope * slope / (8.0 * bend)).abs().clamp(height, height * ABOVE_POINTS)
}

fn dot(taps: &[f32; TAPS], window: &[f32]) -> f32 {
    // In lanes, so that it can be done four at a time.
    let mut lanes = [0.0_f32; 8];
    for (taps, samples) in taps.chunks_exact(8).zip(window.chunks_exact(8)) {
        for (lane, (tap, sample)) in lanes.iter_mut().zip(taps.iter().zip(samples)) {
            *lane += tap * sample;
        }
    }
    lanes.iter().sum()
}

/// A windowed sinc for each point between the two samples in the middle.
fn filter() -> [[f32; TAPS]; BETWEEN] {
    let mut filter = [[0.0; TAPS]; BETWEEN];
    for (n, taps) in filter.iter_mut().enumerate() {
        let centre = (TAPS / 2 - 1) as f64 + (n + 1) as f64 / (BETWEEN + 1) as f64;
        let exact: Vec<f64> = (0..TAPS)
            .map(|tap| {
                let from_centre = tap as f64 - centre;
                let x = PI * from_centre;
                let edge = from_centre / (TAPS / 2) as f64;
                x.sin() / x * bessel(KAISER_BETA * (1.0 - edge * edge).max(0.0).sqrt())
            })
            .collect();
        let sum: f64 = exact.iter().sum();
        for (tap, exact) in taps.iter_mut().zip(exact) {
            *tap = (exact / sum) as f32;
        }
    }
    filter
}

/// The modified Bessel function I₀, by its series.
fn bessel(x: f64) -> f64 {
    let mut term = 1.0;
    (1..30).fold(1.0, |sum, n| {
        term *= (x / (2.0 * f64::from(n))).powi(2);
        sum + term
    })
}

#[cfg(test)]
mod tests;
