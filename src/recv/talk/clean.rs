//! Makes a voice of what a microphone hears: without the film that comes back from the loudspeakers,
//! without the room's noise, and as loud as the others.
//!
//! Pure: chunks of 10 ms in and out, and what the output played, by time. With everything off a chunk
//! passes bit for bit.

mod echo;
pub mod far_end;
mod gain;
mod noise;
mod shape;
mod spectrum;

use std::sync::mpsc::SyncSender;

use crate::codec::opus::RATE;
use crate::sound::biquad::{Biquad, Memory};
use crate::talking::Clean;
use crate::wire::AudioHeader;
use echo::EchoCanceller;
use far_end::{FarEnd, Output};
use gain::Gain;
use noise::Noise;
use spectrum::CHUNK;

/// What is lower than any voice is rumble, in Hz.
const RUMBLE_HZ: f64 = 20.0;

/// No microphone hands over more than this, full scale being 1.
const LOUDEST: f32 = 2.0;

/// Samples at full scale in a chunk before it counts as clipped.
const CLIPPED_SAMPLES: usize = 3;

/// So many clipped chunks of the last hundred or so are worth a word.
const CLIPPED_CHUNKS: f32 = 5.0;

/// Cleans one microphone.
pub struct Cleaner {
    far: FarEnd,
    /// `None` where nothing is to be cleaned.
    rumble: Option<(Biquad, Memory)>,
    echo: Option<EchoCanceller>,
    noise: Option<Noise>,
    gain: Option<Gain>,
    played: Vec<Vec<f32>>,
    samples: Vec<f32>,
    clipped: f32,
}

impl Cleaner {
    /// Makes what `clean` asks for. Outputs are announced through what is returned with it, where anything is made of
    /// what they play.
    #[must_use]
    pub fn new(clean: Clean) -> (Self, Option<SyncSender<Output>>) {
        let (far, outputs) = FarEnd::new();
        let cleaner = Self {
            far,
            rumble: clean
                .is_any()
                .then(|| (Biquad::high_pass(RUMBLE_HZ, f64::from(RATE)), Memory::default())),
            echo: clean.echo.then(EchoCanceller::new),
            noise: clean.noise.then(Noise::new),
            gain: clean.gain.then(Gain::new),
            played: vec![vec![0.0; CHUNK]; 2],
            samples: vec![0.0; CHUNK],
            clipped: 0.0,
        };
        (cleaner, Some(outputs).filter(|_| clean.echo || clean.gain))
    }

    /// How much later a chunk comes out than it went in, in frames at 48,000 Hz.
    #[must_use]
    pub fn delay(&self) -> usize {
        let echo = self.echo.as_ref().map_or(0, |_| echo::DELAY);
        echo + self.noise.as_ref().map_or(0, |_| noise::DELAY)
    }

    /// Takes what the output has played since last time.
    pub fn hear_output(&mut self) {
        self.far.take();
    }

    /// Cleans the next chunk of mono samples at 48,000 Hz, while what is played is as loud as `volume`
    /// says, 1 being as the server sends it; `None` where it is not as the server sends it in other ways, so that it is
    /// no measure for a voice. Returns the chunk with the time at which it was captured.
    pub fn clean(
        &mut self,
        header: AudioHeader,
        samples: &[f32],
        volume: Option<f32>,
    ) -> (AudioHeader, &[f32]) {
        self.samples.clear();
        self.samples.extend_from_slice(samples);
        if self.rumble.is_none() || samples.len() != CHUNK {
            return (header, &self.samples);
        }
        for sample in &mut self.samples {
            *sample = if sample.is_finite() { sample.clamp(-LOUDEST, LOUDEST) } else { 0.0 };
        }
        self.mind_clipping();
        if let Some((filter, rumble)) = &mut self.rumble {
            for sample in &mut self.samples {
                *sample = rumble.next(filter, f64::from(*sample)) as f32;
            }
        }
        let is_playing = self.far.go_to(header.captured_us) && self.far.read(0, &mut self.played);
        let played = Some(&self.played[..]).filter(|_| is_playing);
        if let Some(echo) = &mut self.echo {
            echo.cancel(&mut self.samples, played, |before, out| self.far.read(before, out));
        }
        if let Some(noise) = &mut self.noise {
            noise.take_out(&mut self.samples);
        }
        if let (Some(gain), Some(volume), Some(played)) = (&mut self.gain, volume, played) {
            gain.hear_film(played, volume);
        }
        let delay_us = self.delay() as u64 * 1_000_000 / u64::from(RATE);
        let captured_us = header.captured_us.saturating_sub(delay_us);
        (AudioHeader { captured_us, ..header }, &self.samples)
    }

    /// Whether the last chunk may be a voice: what is left of a film is none, however it sounds.
    #[must_use]
    pub fn may_be_voice(&self) -> bool {
        self.echo.as_ref().is_none_or(EchoCanceller::may_be_voice)
    }

    /// Makes a chunk that goes out as loud as it should be.
    pub fn set_gain(&mut self, samples: &mut [f32]) {
        if let Some(gain) = &mut self.gain {
            gain.set(samples);
        }
    }

    /// Whether the microphone is so loud that it is cut off at full scale again and again.
    #[must_use]
    pub fn is_clipping(&self) -> bool {
        self.clipped > CLIPPED_CHUNKS
    }

    fn mind_clipping(&mut self) {
        const FORGETS: f32 = 0.01;
        let full = self.samples.iter().filter(|sample| sample.abs() >= 0.999).count();
        self.clipped *= 1.0 - FORGETS;
        self.clipped += if full >= CLIPPED_SAMPLES { 1.0 } else { 0.0 };
    }
}
