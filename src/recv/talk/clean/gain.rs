//! Makes every voice as loud as the film is here, or as a film usually is.

use crate::format::Format;
use crate::sound::limiter::Limiter;
use crate::sound::loudness::Loudness;

use super::spectrum::CHUNK;

/// As loud as a film's speech usually is, in LUFS, where nothing is played that tells.
const USUAL_LUFS: f64 = -23.0;

/// How far a film may move that, in LUFS: what is nearly silent, or roars, is no measure of a voice.
const SOFTEST_LUFS: f64 = -32.0;
const LOUDEST_LUFS: f64 = -16.0;

/// The gain is within this, in dB: a voice at −45 dBFS needs 25.
const MOST_GAIN_DB: f64 = 30.0;

/// Softer than this, in the mean square (−58 dBFS), is breath, a room, or what is left of an echo.
const SOFTEST: f32 = 1.6e-6;

/// Sets how loud a voice is.
pub(super) struct Gain {
    voice: Loudness,
    film: Loudness,
    limiter: Limiter,
    played: Vec<f32>,
}

impl Gain {
    /// A gain of 1, for mono chunks at 48,000 Hz.
    #[must_use]
    pub(super) fn new() -> Self {
        let mono = Format { sample_rate: 48_000, channels: 1 };
        Self {
            voice: Loudness::new(mono, USUAL_LUFS as f32).within(MOST_GAIN_DB),
            film: Loudness::new(Format { channels: 2, ..mono }, USUAL_LUFS as f32),
            limiter: Limiter::new(mono),
            played: vec![0.0; 2 * CHUNK],
        }
    }

    /// Takes what was played, two channels of a chunk, at `volume`, which 1 leaves as the server sends
    /// it.
    pub(super) fn hear_film(&mut self, played: &[Vec<f32>], volume: f32) {
        let [left, right] = played else {
            return;
        };
        // What is turned down all the way says nothing of how loud it would be.
        if volume < 0.01 {
            return;
        }
        for (frame, (left, right)) in self.played.chunks_exact_mut(2).zip(left.iter().zip(right)) {
            frame.copy_from_slice(&[left / volume, right / volume]);
        }
        self.film.measure(&self.played);
        if let Some(lufs) = self.film.loudness() {
            self.voice.aim_at(lufs.clamp(SOFTEST_LUFS, LOUDEST_LUFS));
        }
    }

    /// Takes a chunk of a voice and makes it as loud as it should be.
    pub(super) fn set(&mut self, samples: &mut [f32]) {
        let square: f32 = samples.iter().map(|sample| sample * sample).sum();
        let from = self.voice.gain();
        let to = if square > SOFTEST * samples.len() as f32 {
            self.voice.measure(samples)
        } else {
            from
        };
        let length = samples.len().max(1) as f32;
        for (at, sample) in samples.iter_mut().enumerate() {
            *sample *= from + (to - from) * at as f32 / length;
        }
        self.limiter.process(samples);
    }
}
