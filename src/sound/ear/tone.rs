//! Bass and treble: a shelf each.

use super::{GLIDE_S, glide};
use crate::sound::biquad::{Biquad, Memory};
use crate::sound::ramp::Ramp;

/// Where a shelf has half its decibels, in Hz: below it is what is felt, above it what makes speech sharp.
const BASS_HZ: f64 = 150.0;
const TREBLE_HZ: f64 = 4_000.0;

/// What a filter still remembers when it is left out, at most: less than the smallest step of 24 bits.
const FORGOTTEN: f64 = 1e-9;

/// A shelf that may rise and sink.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    make: fn(f64, f64, f64) -> Biquad,
    hz: f64,
    rate: f64,
    db: Ramp,
    filter: Biquad,
    /// Of each channel.
    memories: Vec<Memory>,
}

impl Shelf {
    pub(super) fn bass(channels: usize, rate: f64) -> Self {
        Self::new(Biquad::low_shelf, BASS_HZ, channels, rate)
    }

    pub(super) fn treble(channels: usize, rate: f64) -> Self {
        Self::new(Biquad::high_shelf, TREBLE_HZ, channels, rate)
    }

    fn new(make: fn(f64, f64, f64) -> Biquad, hz: f64, channels: usize, rate: f64) -> Self {
        Self {
            make,
            hz,
            rate,
            db: Ramp::new(0.0, glide(GLIDE_S, rate)),
            filter: make(hz, 0.0, rate),
            memories: vec![Memory::default(); channels],
        }
    }

    /// From here on it is to be so many dB high.
    pub(super) fn aim(&mut self, db: i8) {
        self.db.aim(f32::from(db));
        // Before the first sound it is there at once.
        self.filter = (self.make)(self.hz, self.db.value().into(), self.rate);
    }

    /// Whether sound passes as it is, from now on and until something else is aimed at.
    pub(super) fn rests(&mut self) -> bool {
        let rests = self.db.at_rest() == Some(0.0)
            && self.memories.iter().all(|memory| memory.is_below(FORGOTTEN));
        if rests {
            self.memories.fill(Memory::default());
        }
        rests
    }

    pub(super) fn process(&mut self, samples: &mut [f32]) {
        for frame in samples.chunks_exact_mut(self.memories.len().max(1)) {
            if self.db.at_rest().is_none() {
                let db = f64::from(self.db.next());
                self.filter = (self.make)(self.hz, db, self.rate);
            }
            for (sample, memory) in frame.iter_mut().zip(&mut self.memories) {
                *sample = memory.next(&self.filter, f64::from(*sample)) as f32;
                memory.calm();
            }
        }
    }
}
