//! Compares what an ear heard with what the PC played: how late, and how whole.

use std::fmt::Write;

use crate::house::{PC, RATE, Recording};
use crate::running::median;

/// Sound is compared in windows of this many frames (0.2 s), one every half window.
const WINDOW: usize = RATE as usize / 5;
const HOP: usize = WINDOW / 2;

/// A shorter gap than a window shows in pieces of this many frames (10 ms).
const PIECE: usize = RATE as usize / 100;

/// A window whose best match is below this is damaged.
const WHOLE: f64 = 0.9;

/// A piece that matches worse than this, where its window says, is a glitch.
const UNBROKEN: f64 = 0.85;

/// A window is looked for this far from the last one's place, in frames.
const NEAR: usize = RATE as usize / 1000;

/// A window that is not near the last one's place is looked for up to this far from it, in frames.
const FAR: usize = RATE as usize / 20;

/// Far searches compare every so many samples only.
const STRIDE: usize = 8;

/// Latest that a listener may be, in frames.
const LATEST: usize = RATE as usize * 2;

pub(crate) const HEADING: &str = "                            ears behind pc, ms       damaged      \
                                  glitched\n                             min  median     max   \
                                  0.2 s pieces   10 ms pieces  target";

/// Stereo noise in which every moment is unlike every other, and neighbouring samples alike enough
/// for lags between two of them.
pub(crate) fn noise(frames: usize) -> Vec<f32> {
    /// Share of the way to the newest sample that a one-pole low-pass goes: 4 kHz.
    const SMOOTHING: f32 = 0.47;
    /// −24 dBFS on average.
    const GAIN: f32 = 0.2;
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut smooth = [[0.0_f32; 2]; 2];
    let mut samples = Vec::with_capacity(frames * 2);
    for _ in 0..frames {
        for [first, second] in &mut smooth {
            // xorshift64, by Marsaglia.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let white = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            *first += (white - *first) * SMOOTHING;
            *second += (*first - *second) * SMOOTHING;
            samples.push(*second * GAIN);
        }
    }
    samples
}

/// What an ear heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    lags_ms: Vec<f64>,
    windows: usize,
    damaged: usize,
    pieces: usize,
    glitched: usize,
}

/// Compares the ear on `channel` with the PC.
pub(crate) fn compare(recording: &Recording, channel: usize, delay_ms: u32) -> Heard {
    let (played, ear) = (recording.channel(PC), recording.channel(channel));
    let mut heard = Heard::default();
    let expected = delay_ms as usize * RATE as usize / 1000;
    let mut place = expected;
    let last = played.len().saturating_sub(RATE as usize);
    for start in (0..last.saturating_sub(WINDOW)).step_by(HOP) {
        let window = &played[start..start + WINDOW];
        let found = find(window, &ear[start..], place, heard.lags_ms.is_empty());
        heard.windows += 1;
        if found.likeness < WHOLE {
            heard.damaged += 1;
        } else {
            place = found.lag;
            heard.lags_ms.push(found.exact * 1e3 / f64::from(RATE));
        }
        heard.count_pieces(window, &ear[start + found.lag..]);
    }
    heard
}

impl Heard {
    /// Every piece of the window's first half is compared where the window was found.
    fn count_pieces(&mut self, window: &[f32], ear: &[f32]) {
        for (played, heard) in window[..HOP].chunks_exact(PIECE).zip(ear.chunks_exact(PIECE)) {
            self.pieces += 1;
            self.glitched += usize::from(likeness(played, heard, 1) < UNBROKEN);
        }
    }

    /// Whether not one window was found.
    pub(crate) fn is_silent(&self) -> bool {
        self.lags_ms.is_empty()
    }

    /// A line of the table.
    pub(crate) fn row(&self, name: &str, remark: &str) -> String {
        let least = self.lags_ms.iter().copied().fold(f64::NAN, f64::min);
        let most = self.lags_ms.iter().copied().fold(f64::NAN, f64::max);
        let mut row = format!("{name:<24}");
        for lag in [least, median(self.lags_ms.clone()), most] {
            // Formatting into a string cannot fail.
            let _ =
                if lag.is_nan() { write!(row, "{:>8}", "-") } else { write!(row, "{lag:>8.2}") };
        }
        let damaged = format!("{} of {}", self.damaged, self.windows);
        let glitched = format!("{} of {}", self.glitched, self.pieces);
        format!("{row}{damaged:>15}{glitched:>15}  {remark}")
    }
}

/// The place where a window was found.
#[derive(Debug, Clone, Copy)]
struct Found {
    /// In frames.
    lag: usize,
    /// The lag to a fraction of a frame.
    exact: f64,
    /// 1 for the very same sound.
    likeness: f64,
}

/// Looks near `place` first; where it is not there, or never was, further away.
fn find(window: &[f32], ear: &[f32], place: usize, anywhere: bool) -> Found {
    let near = best(window, ear, place.saturating_sub(NEAR), place + NEAR, 1);
    if near.likeness >= WHOLE {
        return near;
    }
    let (from, to) = if anywhere { (0, LATEST) } else { (place.saturating_sub(FAR), place + FAR) };
    let coarse = best(window, ear, from, to, STRIDE);
    let fine = best(window, ear, coarse.lag.saturating_sub(2), coarse.lag + 2, 1);
    if fine.likeness > near.likeness { fine } else { near }
}

/// The most alike of the lags `from..=to`, comparing every `stride`th sample.
fn best(window: &[f32], ear: &[f32], from: usize, to: usize, stride: usize) -> Found {
    let to = to.min(ear.len().saturating_sub(window.len()));
    let at = |lag: usize| likeness(window, &ear[lag..], stride);
    let (lag, alike) = (from..=to)
        .map(|lag| (lag, at(lag)))
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .unwrap_or((from.min(to), 0.0));
    let mut exact = lag as f64;
    if from < lag && lag < to {
        // The top of the parabola through the three highest.
        let (before, after) = (at(lag - 1), at(lag + 1));
        let bend = before - 2.0 * alike + after;
        if bend < 0.0 {
            exact += 0.5 * (before - after) / bend;
        }
    }
    Found { lag, exact, likeness: alike }
}

/// Normalised correlation.
fn likeness(played: &[f32], heard: &[f32], stride: usize) -> f64 {
    let (mut cross, mut both) = (0.0_f32, [f32::MIN_POSITIVE; 2]);
    for (a, b) in played.iter().step_by(stride).zip(heard.iter().step_by(stride)) {
        cross += a * b;
        both[0] += a * a;
        both[1] += b * b;
    }
    f64::from(cross) / f64::from(both[0] * both[1]).sqrt().max(1e-12)
}
