//! A limiter for voices before they are added to anything: what leaves it is never above its ceiling.
//!
//! It does not look ahead, so that it makes no voice later: the gain is down with the very sample that
//! needs it. What that bends is the first peak of a sound that is too loud.
//!
//! Pure: no allocation.

use crate::format::Format;

/// How long a peak counts in full: half a period of 20 Hz.
const HOLD_S: f64 = 0.025;

/// How fast it is forgotten after that.
const RELEASE_S: f64 = 0.200;

/// Holds interleaved samples within a ceiling.
#[derive(Debug, Clone)]
pub struct Ceiling {
    channels: usize,
    highest: f64,
    /// The loudest sample of late, never below the ceiling.
    peak: f64,
    hold_left: usize,
    hold: usize,
    /// What is left of a peak's excess after a frame of forgetting.
    release: f64,
}

impl Ceiling {
    /// Makes a limiter for interleaved sound of `format` that is to stay within ±`highest`.
    #[must_use]
    pub fn new(format: Format, highest: f64) -> Self {
        let rate = f64::from(format.sample_rate.max(1));
        Self {
            channels: usize::from(format.channels.max(1)),
            highest,
            peak: highest,
            hold_left: 0,
            hold: (HOLD_S * rate).round() as usize,
            release: (-1.0 / (RELEASE_S * rate)).exp(),
        }
    }

    /// Holds finite samples of whole frames within the ceiling, in place. Below it, with nothing
    /// louder of late, they stay as they are.
    pub fn process(&mut self, samples: &mut [f64]) {
        for frame in samples.chunks_mut(self.channels) {
            if let Some(gain) = self.next(frame.iter().fold(0.0, |most, s| s.abs().max(most))) {
                frame.iter_mut().for_each(|sample| *sample *= gain);
            }
        }
    }

    /// Holds single samples so; what rounding leaves above the ceiling is cut off.
    pub fn process_single(&mut self, samples: &mut [f32]) {
        let highest = self.highest as f32;
        for frame in samples.chunks_mut(self.channels) {
            let loudest = frame.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
            if let Some(gain) = self.next(loudest.into()) {
                let gain = gain as f32;
                frame.iter_mut().for_each(|s| *s = (*s * gain).clamp(-highest, highest));
            }
        }
    }

    /// The gain for a frame whose loudest sample is `loudest`; `None` where it is 1.
    fn next(&mut self, loudest: f64) -> Option<f64> {
        if loudest >= self.peak {
            self.peak = loudest;
            self.hold_left = self.hold;
        } else if self.hold_left > 0 {
            self.hold_left -= 1;
        } else if self.peak > self.highest {
            self.peak = (self.peak * self.release).max(self.highest).max(loudest);
        }
        (self.peak > self.highest).then(|| self.highest / self.peak)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONO: Format = Format { sample_rate: 48_000, channels: 1 };

    #[test]
    fn nothing_leaves_above_the_ceiling_and_what_stays_below_it_is_left_alone() {
        let mut ceiling = Ceiling::new(MONO, 0.5);
        let soft: Vec<f32> = (0..4_800).map(|n| 0.5 * (n as f32 * 0.07).sin()).collect();
        let mut samples = soft.clone();
        ceiling.process_single(&mut samples);
        assert_eq!(samples, soft);
        let mut loud: Vec<f32> = soft.iter().map(|sample| sample * 31.7).collect();
        ceiling.process_single(&mut loud);
        assert!(loud.iter().all(|sample| sample.abs() <= 0.5));
        let mut after = soft.repeat(40);
        ceiling.process_single(&mut after);
        assert_eq!(after[after.len() - 4_800..], soft[..], "forgotten after a while");
    }

    #[test]
    fn a_loud_tone_keeps_its_shape() {
        let mut ceiling = Ceiling::new(MONO, 0.5);
        let mut tone: Vec<f64> = (0..48_000).map(|n| 2.0 * (f64::from(n) * 0.02).sin()).collect();
        ceiling.process(&mut tone);
        let exact = |n: usize| 0.5 * (n as f64 * 0.02).sin();
        let worst = (4_800..48_000).map(|n| (tone[n] - exact(n)).abs()).fold(0.0, f64::max);
        assert!(worst < 0.01, "{worst}");
        assert!(tone.iter().all(|sample| sample.abs() <= 0.5 + 1e-12));
    }
}
