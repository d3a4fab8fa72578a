//! A sine that is as exact after hours as in its first period.

use std::f64::consts::TAU;

use crate::error::{Error, Result};
use crate::format::Format;

/// −12 dBFS: well heard, and room for others when mixed.
const AMPLITUDE: f64 = 0.251_188_643_150_958;

/// One whole turn of the phase, which is as many steps as a `u64` has values.
const TURN: f64 = 18_446_744_073_709_551_616.0;

/// A sine, the same on all channels.
#[derive(Debug)]
pub(crate) struct Tone {
    channels: usize,
    /// Where in its period the next frame is. An integer that wraps at each turn has no rounding
    /// to add up.
    phase: u64,
    step: u64,
}

impl Tone {
    /// A sine of `hz`, which the rate of `format` must be able to carry.
    pub(crate) fn new(hz: f64, format: Format) -> Result<Self> {
        let limit = f64::from(format.sample_rate) / 2.0;
        if !(hz > 0.0 && hz < limit) {
            return Err(Error::usage(
                format!(
                    "cannot make a tone of {hz} Hz: at a sample rate of {} Hz it has to lie \
                     between 0 and {limit} Hz",
                    format.sample_rate
                ),
                "Try tone:440",
            ));
        }
        let step = (hz / f64::from(format.sample_rate) * TURN).round() as u64;
        Ok(Self { channels: usize::from(format.channels.max(1)), phase: 0, step })
    }

    /// Fills interleaved frames.
    pub(crate) fn fill(&mut self, out: &mut [f32]) {
        for frame in out.chunks_mut(self.channels) {
            frame.fill((AMPLITUDE * (self.phase as f64 / TURN * TAU).sin()) as f32);
            self.phase = self.phase.wrapping_add(self.step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

    #[test]
    fn the_sine_has_its_level_and_is_the_same_on_all_channels() {
        let mut out = vec![0.0; 2 * 48_000];
        Tone::new(440.0, STEREO).unwrap().fill(&mut out);
        let peak = out.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!((crate::format::dbfs(peak) + 12.0).abs() < 0.01);
        assert!(out.chunks(2).all(|frame| frame[0] == frame[1]));
        let power = out.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / out.len() as f64;
        assert!((power.sqrt() * 2.0_f64.sqrt() - AMPLITUDE).abs() < 1e-6);
    }

    #[test]
    fn the_phase_goes_on_however_the_sound_is_cut() {
        let mut whole = vec![0.0; 2 * 1_000];
        Tone::new(997.0, STEREO).unwrap().fill(&mut whole);
        let mut tone = Tone::new(997.0, STEREO).unwrap();
        let mut cut = vec![0.0; 2 * 1_000];
        for part in cut.chunks_mut(2 * 7) {
            tone.fill(part);
        }
        assert_eq!(cut, whole);
    }

    #[test]
    fn after_a_day_the_sine_is_where_it_should_be() {
        for (hz, rate) in [(440.0, 44_100_u32), (997.0, 48_000), (19_999.9, 48_000)] {
            let format = Format { sample_rate: rate, channels: 1 };
            let mut tone = Tone::new(hz, format).unwrap();
            let frames = u64::from(rate) * 86_400;
            tone.phase = tone.step.wrapping_mul(frames);
            let turns = (hz * 86_400.0).fract();
            let off = (tone.phase as f64 / TURN - turns + 0.5).rem_euclid(1.0) - 0.5;
            assert!(off.abs() < 1e-6, "{hz} Hz is {off} turns off");
        }
    }

    #[test]
    fn a_tone_that_the_rate_cannot_carry_is_the_users_to_correct() {
        for hz in [0.0, -1.0, 24_000.0, 1e300, f64::NAN, f64::INFINITY] {
            let error = Tone::new(hz, STEREO).unwrap_err();
            assert_eq!(error.exit_code(), crate::error::exit::USAGE);
        }
        assert!(Tone::new(1e-300, STEREO).is_ok());
    }
}
