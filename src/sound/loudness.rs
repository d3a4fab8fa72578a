//! Brings a source to a loudness and keeps it there, slowly.
//!
//! Loudness is measured as ITU-R BS.1770-4 and EBU R 128 say, over the last minute of sound. Silence
//! and pauses are no sound, so they raise nothing. The gain follows within seconds at first, then so
//! slowly that nobody hears it move.
//!
//! Pure: no allocation but in [`Loudness::new`].

pub(crate) mod weighting;

use std::collections::VecDeque;

use crate::format::Format;
use weighting::{Coefficients, Weighting};

/// The gain is within this, in dB: more would make a noise of what is nearly silent.
pub const MOST_GAIN_DB: f64 = 20.0;

/// Steps in which loudness is measured: blocks of 400 ms overlap by 75 %.
const STEP_S: f64 = 0.1;
const STEPS_IN_BLOCK: usize = 4;

/// A minute of blocks counts.
const HISTORY: usize = 600;

/// Quieter than this a block is silence, in LUFS (BS.1770's absolute gate).
const SILENCE_LUFS: f64 = -70.0;

/// Blocks so much below the average do not count, in LU (its relative gate).
const RELATIVE_GATE_LU: f64 = 10.0;

/// A block so much below what was heard so far is a pause, in LU: a minute of them must not be all
/// that is remembered.
const PAUSE_LU: f64 = 20.0;

/// The gain moves so fast at most, in dB per step: at first until so many blocks were heard, then up
/// and down. Too loud is worse than too quiet.
const BLOCKS_AT_FIRST: usize = 60;
const AT_FIRST_DB: f64 = 0.6;
const UP_DB: f64 = 0.03;
const DOWN_DB: f64 = 0.2;

/// Measures a source and says by what to multiply it.
#[derive(Debug, Clone)]
pub struct Loudness {
    target_lufs: f64,
    most_gain_db: f64,
    channels: usize,
    filters: Vec<Weighting>,
    coefficients: Coefficients,
    step_frames: usize,
    /// Frames and energy of the step that is filling.
    frames: usize,
    energy: f64,
    /// Mean squares of the last steps.
    steps: VecDeque<f64>,
    /// Mean squares of the blocks that count.
    blocks: VecDeque<f64>,
    gain_db: f64,
}

impl Loudness {
    /// Makes a control for interleaved sound of `format` that is to be as loud as `target_lufs`, in
    /// LUFS.
    #[must_use]
    pub fn new(format: Format, target_lufs: f32) -> Self {
        let channels = usize::from(format.channels.max(1));
        let rate = f64::from(format.sample_rate.max(1));
        Self {
            target_lufs: f64::from(target_lufs),
            most_gain_db: MOST_GAIN_DB,
            channels,
            filters: vec![Weighting::default(); channels],
            coefficients: Coefficients::new(rate),
            step_frames: (STEP_S * rate).round().max(1.0) as usize,
            frames: 0,
            energy: 0.0,
            steps: VecDeque::with_capacity(STEPS_IN_BLOCK + 1),
            blocks: VecDeque::with_capacity(HISTORY + 1),
            gain_db: 0.0,
        }
    }

    /// Lets the gain be within `most_gain_db` decibels.
    #[must_use]
    pub fn within(self, most_gain_db: f64) -> Self {
        Self { most_gain_db, ..self }
    }

    /// Aims at another loudness, in LUFS, from the next block on.
    pub fn aim_at(&mut self, target_lufs: f64) {
        self.target_lufs = target_lufs;
    }

    /// Measures whole frames and returns by what to multiply their like from now on.
    pub fn measure(&mut self, samples: &[f32]) -> f32 {
        for frame in samples.chunks_exact(self.channels) {
            for (filter, sample) in self.filters.iter_mut().zip(frame) {
                let weighted = filter.next(f64::from(*sample), &self.coefficients);
                self.energy += weighted * weighted;
            }
            self.frames += 1;
            if self.frames == self.step_frames {
                self.end_step();
            }
        }
        self.gain()
    }

    /// By what to multiply sound now.
    #[must_use]
    pub fn gain(&self) -> f32 {
        10_f64.powf(self.gain_db / 20.0) as f32
    }

    /// The gain now, in dB.
    #[must_use]
    pub fn gain_db(&self) -> f64 {
        self.gain_db
    }

    fn end_step(&mut self) {
        self.steps.push_back(self.energy / self.step_frames as f64);
        (self.frames, self.energy) = (0, 0.0);
        if self.steps.len() < STEPS_IN_BLOCK {
            return;
        }
        let block = self.steps.iter().sum::<f64>() / STEPS_IN_BLOCK as f64;
        self.steps.pop_front();
        let pause = self.loudness().map_or(SILENCE_LUFS, |heard| heard - PAUSE_LU);
        if lufs(block) <= pause.max(SILENCE_LUFS) {
            return;
        }
        if self.blocks.len() == HISTORY {
            self.blocks.pop_front();
        }
        self.blocks.push_back(block);
        self.steer();
    }

    fn steer(&mut self) {
        let Some(heard) = self.loudness() else {
            return;
        };
        let wanted = (self.target_lufs - heard).clamp(-self.most_gain_db, self.most_gain_db);
        let (down, up) = if self.blocks.len() < BLOCKS_AT_FIRST {
            (AT_FIRST_DB, AT_FIRST_DB)
        } else {
            (DOWN_DB, UP_DB)
        };
        self.gain_db += (wanted - self.gain_db).clamp(-down, up);
    }

    /// The gated loudness of what counts, in LUFS; `None` before anything was heard.
    #[must_use]
    pub fn loudness(&self) -> Option<f64> {
        let all = mean(self.blocks.iter().copied())?;
        let gate = lufs(all) - RELATIVE_GATE_LU;
        mean(self.blocks.iter().copied().filter(|block| lufs(*block) > gate)).map(lufs)
    }
}

fn mean(blocks: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = blocks.fold((0_u32, 0.0), |(count, sum), block| (count + 1, sum + block));
    (count > 0).then(|| sum / f64::from(count))
}

/// BS.1770's loudness of a mean square, in LUFS.
pub(crate) fn lufs(mean_square: f64) -> f64 {
    -0.691 + 10.0 * mean_square.max(1e-20).log10()
}

#[cfg(test)]
mod tests;
