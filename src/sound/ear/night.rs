//! Night: loud things are softer and soft things louder, so that a film is understood and wakes nobody.
//!
//! Loudness is weighed as BS.1770 does. The further it lies from the middle, the more of the way back the sound goes,
//! and slowly: how fast the gain may move is bounded, upwards so that nobody hears the noise between two words come and
//! go, downwards so that a sudden bang is soon softer. Near silence the gain stays where it is, and it is never more
//! than [`MOST_DB`].

use super::{GLIDE_S, STEPS_PER_S, glide};
use crate::sound::loudness::lufs;
use crate::sound::loudness::weighting::{Coefficients, Weighting};
use crate::sound::mixdown::{Layout, Position};
use crate::sound::ramp::Ramp;

/// What is as loud as this stays as loud, in LUFS: about where films and broadcasts have their speech.
const MIDDLE_LUFS: f64 = -24.0;

/// Of each decibel by which it is louder or softer, so much is taken off: 20 LU become 5, and what the gain is too slow
/// for is beside that.
const TAKEN: f64 = 0.75;

/// The gain is never more or less than this, in dB: more would make a noise of what is nearly silent.
pub(super) const MOST_DB: f64 = 15.0;

/// Softer than this nothing is heard but noise, in LUFS: the gain stays.
const SILENCE_LUFS: f64 = -60.0;

/// How long loudness is measured, and how long for what is suddenly loud, in s.
const MEASURED_S: f64 = 0.400;
const SUDDEN_S: f64 = 0.030;

/// What is suddenly loud is what should be softer than it is by more than this, in dB. Syllables do not reach it.
const SUDDEN_DB: f64 = 5.0;

/// How fast the gain moves at most, in dB per s: up, while it may be only a pause that is soft, and when it was soft for
/// longer than people pause between two sentences; down; and down where something is suddenly loud.
const PAUSE_DB_PER_S: f64 = 2.0;
pub(super) const UP_DB_PER_S: f64 = 8.0;
const PAUSE_S: f64 = 1.0;
pub(super) const DOWN_DB_PER_S: f64 = 20.0;
pub(super) const SUDDEN_DB_PER_S: f64 = 60.0;

/// Sound is soft where it should be louder by more than this, in dB.
const SOFT_DB: f64 = 0.5;

/// Near where it should be the gain goes this share of the way in a second, at most: it comes to rest without a jolt.
const NEARS_PER_S: f64 = 4.0;

/// Levels a film for the night.
#[derive(Debug, Clone)]
pub(super) struct Night {
    channels: usize,
    /// 1 where it is wanted, 0 where not, and on the way in between.
    amount: Ramp,
    coefficients: Coefficients,
    /// Of each channel, and by how much it counts.
    ears: Vec<(Weighting, f64)>,
    step_frames: usize,
    frames: usize,
    energy: f64,
    /// Mean squares, over long and over little.
    measured: f64,
    sudden: f64,
    gain_db: f64,
    /// How many steps it has been soft for.
    soft: f64,
    /// The gain as a factor, and by how much more it is with each frame.
    gain: f64,
    change: f64,
}

impl Night {
    pub(super) fn new(layout: &Layout, rate: f64) -> Self {
        let counts = |position: &Position| if *position == Position::Lfe { 0.0 } else { 1.0 };
        let ears = layout.positions().iter().map(|at| (Weighting::default(), counts(at))).collect();
        Self {
            channels: usize::from(layout.channels()),
            amount: Ramp::new(0.0, glide(GLIDE_S, rate)),
            coefficients: Coefficients::new(rate),
            ears,
            step_frames: super::step_frames(rate),
            frames: 0,
            energy: 0.0,
            measured: 0.0,
            sudden: 0.0,
            gain_db: 0.0,
            soft: 0.0,
            gain: 1.0,
            change: 0.0,
        }
    }

    /// Whether it is wanted from here on.
    pub(super) fn aim(&mut self, is_wanted: bool) {
        self.amount.aim(f32::from(u8::from(is_wanted)));
    }

    /// Whether sound passes as it is, from now on and until something else is aimed at.
    pub(super) fn rests(&mut self) -> bool {
        let rests = self.amount.at_rest() == Some(0.0);
        if rests && self.measured > 0.0 {
            self.forget();
        }
        rests
    }

    fn forget(&mut self) {
        self.ears.iter_mut().for_each(|(ear, _)| *ear = Weighting::default());
        (self.frames, self.energy, self.measured, self.sudden) = (0, 0.0, 0.0, 0.0);
        (self.gain_db, self.soft, self.gain, self.change) = (0.0, 0.0, 1.0, 0.0);
    }

    pub(super) fn process(&mut self, samples: &mut [f32]) {
        for frame in samples.chunks_exact_mut(self.channels) {
            for (sample, (ear, counts)) in frame.iter().zip(&mut self.ears) {
                let weighted = ear.next(f64::from(*sample), &self.coefficients);
                self.energy += weighted * weighted * *counts;
            }
            let gain = 1.0 + f64::from(self.amount.next()) * (self.gain - 1.0);
            self.gain += self.change;
            for sample in frame {
                *sample = (f64::from(*sample) * gain) as f32;
            }
            self.frames += 1;
            if self.frames == self.step_frames {
                self.step();
            }
        }
    }

    /// Moves the gain by what a thousandth of a second allows.
    fn step(&mut self) {
        self.ears.iter_mut().for_each(|(ear, _)| ear.calm());
        let mean = std::mem::take(&mut self.energy) / self.step_frames as f64;
        self.frames = 0;
        let follow = |value: &mut f64, s: f64| {
            *value += (mean - *value) * (1.0 - (-1.0 / (s * STEPS_PER_S)).exp());
        };
        follow(&mut self.measured, MEASURED_S);
        follow(&mut self.sudden, SUDDEN_S);
        self.gain_db += self.moved_db() / STEPS_PER_S;
        let gain = 10_f64.powf(self.gain_db / 20.0);
        self.change = (gain - self.gain) / self.step_frames as f64;
    }

    /// How fast the gain moves now, in dB per s.
    fn moved_db(&mut self) -> f64 {
        let (measured, sudden) = (lufs(self.measured), lufs(self.sudden));
        if wanted_db(sudden) < self.gain_db - SUDDEN_DB {
            self.soft = 0.0;
            return -SUDDEN_DB_PER_S;
        }
        // Between two words, too: what was measured until then says nothing of what comes.
        if measured.min(sudden) < SILENCE_LUFS {
            return 0.0;
        }
        let way_db = wanted_db(measured) - self.gain_db;
        self.soft = if way_db > SOFT_DB { self.soft + 1.0 } else { 0.0 };
        let is_pause = self.soft < PAUSE_S * STEPS_PER_S;
        let up = if is_pause { PAUSE_DB_PER_S } else { UP_DB_PER_S };
        (way_db * NEARS_PER_S).clamp(-DOWN_DB_PER_S, up)
    }

    /// The gain now, in dB.
    #[cfg(test)]
    pub(super) fn gain_db(&self) -> f64 {
        self.gain_db
    }
}

/// By how many dB what is so loud should be louder.
fn wanted_db(loudness: f64) -> f64 {
    ((MIDDLE_LUFS - loudness) * TAKEN).clamp(-MOST_DB, MOST_DB)
}
