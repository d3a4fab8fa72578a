//! Tells whether somebody speaks: blocks of a microphone's sound in, open or closed out.
//!
//! Pure: time passes by blocks of 10 ms. A voice is what stands out of the room's steady noise in one
//! of two bands: where vowels are, or where an s or an f is. The noise's level is the least that each
//! band has had of late, since even people who talk without a pause leave gaps between their sounds.

use std::collections::VecDeque;

use crate::sound::biquad::{Biquad, Memory};

/// Samples are looked at in blocks of this length, in ms.
pub const BLOCK_MS: usize = 10;

/// Where the vowels are, above hum and rumble, and where the hissing sounds are, in Hz.
const BANDS_HZ: [(f64, f64); 2] = [(200.0, 4_000.0), (4_000.0, 8_000.0)];

/// Sound that stands out of the noise by this ratio of powers (6.5 dB) is a voice.
const OPENS_AT: f64 = 4.5;

/// While there is a voice, sound that stands out of the noise by this ratio of powers (5 dB)
/// belongs to it.
const STAYS_AT: f64 = 3.2;

/// Softest sound that opens, in mean square: −65 dBFS is below the noise of ordinary microphones.
const SOFTEST: f64 = 3.2e-7;

/// Each block of voice makes the pauses that belong to it longer by so many blocks.
const HANGOVER_PER_BLOCK: u32 = 5;

/// Longest pause that belongs to a voice, in blocks. A pause between two words is hardly ever
/// longer; a click of a block or two is not waited for.
const LONGEST_HANGOVER: u32 = 40;

/// The noise is the least power of so many stretches of so many blocks each: 2 s in all, longer
/// than anybody speaks without a gap, and soon enough over for a fan that was just switched on.
const STRETCHES: usize = 8;
const STRETCH: u32 = 25;

/// How much of a block's power enters what the least is sought of: a single weak block says little.
const SMOOTHING: f64 = 0.3;

/// Tells a voice from noise.
#[derive(Debug, Clone)]
pub struct VoiceActivity {
    bands: [Band; 2],
    is_open: bool,
    /// Blocks that a pause may last yet.
    patience: u32,
}

impl VoiceActivity {
    /// Makes a detector for mono sound of `rate_hz`.
    #[must_use]
    pub fn new(rate_hz: u32) -> Self {
        let bands = BANDS_HZ.map(|(from, to)| Band::new(from, to, f64::from(rate_hz)));
        Self { bands, is_open: false, patience: 0 }
    }

    /// Takes the next [`BLOCK_MS`] of mono samples; whether there is a voice, or a pause that
    /// belongs to it.
    pub fn hear(&mut self, block: &[f32]) -> bool {
        let ratio = if self.patience > 0 { STAYS_AT } else { OPENS_AT };
        let stands_out = self.bands.each_mut().map(|band| band.stands_out(block, ratio));
        if stands_out.contains(&true) {
            self.is_open = true;
            self.patience = (self.patience + HANGOVER_PER_BLOCK).min(LONGEST_HANGOVER);
        } else {
            self.patience = self.patience.saturating_sub(1);
            self.is_open &= self.patience > 0;
        }
        self.is_open
    }
}

/// A band and its noise.
#[derive(Debug, Clone)]
struct Band {
    /// Two of either kind in a row: 24 dB an octave.
    filters: [(Biquad, Memory); 4],
    smoothed: Option<f64>,
    /// The least smoothed power of past stretches, oldest first, and of the one that goes on.
    least: VecDeque<f64>,
    least_now: f64,
    blocks: u32,
}

impl Band {
    fn new(from_hz: f64, to_hz: f64, rate_hz: f64) -> Self {
        let high = (Biquad::high_pass(from_hz, rate_hz), Memory::default());
        let low = (Biquad::low_pass(to_hz, rate_hz), Memory::default());
        Self {
            filters: [high, high, low, low],
            smoothed: None,
            least: VecDeque::with_capacity(STRETCHES),
            least_now: f64::INFINITY,
            blocks: 0,
        }
    }

    /// Whether the block's power in this band is more than `ratio` times the noise's.
    fn stands_out(&mut self, block: &[f32], ratio: f64) -> bool {
        let power = self.power(block);
        let smoothed = self.smoothed.map_or(power, |before| before + (power - before) * SMOOTHING);
        self.smoothed = Some(smoothed);
        self.least_now = self.least_now.min(smoothed);
        let noise = self.least.iter().copied().fold(self.least_now, f64::min);
        self.blocks += 1;
        if self.blocks == STRETCH {
            if self.least.len() == STRETCHES {
                self.least.pop_front();
            }
            self.least.push_back(self.least_now);
            (self.least_now, self.blocks) = (f64::INFINITY, 0);
        }
        power > (noise * ratio).max(SOFTEST)
    }

    fn power(&mut self, block: &[f32]) -> f64 {
        let mut sum = 0.0;
        for sample in block {
            let sample = if sample.is_finite() { f64::from(*sample) } else { 0.0 };
            let filtered = self
                .filters
                .iter_mut()
                .fold(sample, |sample, (filter, memory)| memory.next(filter, sample));
            sum += filtered * filtered;
        }
        sum / block.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests;
