//! The sound that is played to be found again: short sweeps in three seconds, at distances that no
//! delay can take for one another.

use std::f64::consts::{PI, TAU};

/// When each sweep begins, in ms after the first. No two distances up to the longest delay that is
/// looked for are alike, so that no echo and no neighbour comes at the same lag in most of them.
const STARTS_MS: [u32; 8] = [0, 310, 680, 1_010, 1_420, 1_770, 2_200, 2_590];

/// How many sweeps there are: each says by itself how late it came.
pub const SWEEPS: usize = STARTS_MS.len();

/// How long one sweep is, in ms: long enough to be quiet, and shorter than the shortest distance.
pub(super) const SWEEP_MS: f64 = 180.0;

/// A sweep comes and goes over so many ms, so that it does not click.
const FADE_MS: f64 = 20.0;

/// The sweep's band in Hz: what small loudspeakers play and every room lets through.
const LOW_HZ: f64 = 600.0;
const HIGH_HZ: f64 = 6_000.0;

/// The part of a sample rate up to which a card can be trusted to pass what it is given.
const PASSED: f64 = 0.42;

/// As loud as this, of full scale (−20 dBFS): quiet beside a film.
pub(super) const LEVEL: f64 = 0.1;

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Chirp {
    pub(super) low_hz: f64,
    pub(super) high_hz: f64,
}

impl Chirp {
    /// One that cards of these rates, in Hz, can play and hear.
    #[must_use]
    pub fn between(played_hz: u32, heard_hz: u32) -> Self {
        let passed = f64::from(played_hz.min(heard_hz)) * PASSED;
        Self { low_hz: LOW_HZ, high_hz: HIGH_HZ.min(passed).max(2.0 * LOW_HZ) }
    }

    /// When the sweeps begin, in ms after the first.
    pub fn starts_ms() -> impl Iterator<Item = f64> {
        STARTS_MS.into_iter().map(f64::from)
    }

    /// How long all of it is, in ms.
    #[must_use]
    pub fn length_ms() -> f64 {
        Self::starts_ms().fold(0.0, f64::max) + SWEEP_MS
    }

    /// One sweep of full scale at a rate in Hz.
    #[must_use]
    pub fn sweep(self, rate_hz: f64) -> Vec<f32> {
        let seconds = SWEEP_MS / 1e3;
        let rise = (self.high_hz - self.low_hz) / seconds / 2.0;
        let frames = (rate_hz * seconds) as usize;
        let sample = |frame: usize| {
            let at = frame as f64 / rate_hz;
            let edge = (at.min(seconds - at) * 1e3 / FADE_MS).clamp(0.0, 1.0);
            let level = 0.5 - 0.5 * (PI * edge).cos();
            (level * (TAU * (self.low_hz + rise * at) * at).sin()) as f32
        };
        (0..frames).map(sample).collect()
    }

    /// All that is played at a rate in Hz, one channel, from the first sweep to the end of the last; and
    /// the frames at which they begin.
    #[must_use]
    pub fn played(self, rate_hz: u32) -> (Vec<f32>, Vec<usize>) {
        let rate_hz = f64::from(rate_hz);
        let sweep = self.sweep(rate_hz);
        let starts: Vec<_> =
            Self::starts_ms().map(|ms| (ms * rate_hz / 1e3).round() as usize).collect();
        let length = starts.iter().copied().max().unwrap_or_default() + sweep.len();
        let mut all = vec![0.0; length];
        for start in &starts {
            for (to, sample) in all[*start..].iter_mut().zip(&sweep) {
                *to = sample * LEVEL as f32;
            }
        }
        (all, starts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_three_seconds_and_is_quiet() {
        assert!((2_500.0..=3_000.0).contains(&Chirp::length_ms()));
        let (all, starts) = Chirp::between(48_000, 48_000).played(48_000);
        let loudest = all.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
        assert!(loudest <= 0.1 && loudest > 0.09, "{loudest}");
        assert_eq!(starts.len(), SWEEPS);
        assert_eq!(all[starts[3]], 0.0, "it does not click");
    }

    #[test]
    fn no_two_neighbours_are_as_far_apart_as_two_others() {
        let gaps: Vec<u32> = STARTS_MS.windows(2).map(|pair| pair[1] - pair[0]).collect();
        for (at, gap) in gaps.iter().enumerate() {
            assert!(f64::from(*gap) > SWEEP_MS);
            assert!(gaps[at + 1..].iter().all(|other| other.abs_diff(*gap) >= 15), "{gaps:?}");
        }
    }

    #[test]
    fn a_microphone_of_few_samples_gets_what_it_can_hear() {
        assert_eq!(Chirp::between(48_000, 44_100).high_hz, 6_000.0);
        assert_eq!(Chirp::between(48_000, 8_000).high_hz, 3_360.0);
        let sweep = Chirp::between(48_000, 8_000).sweep(8_000.0);
        assert!(sweep.iter().all(|sample| sample.abs() <= 1.0));
    }
}
