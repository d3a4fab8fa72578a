//! Volume and the limiter behind it.
//!
//! Two stages, neither of which looks ahead, so that sound leaves in the call it came in. A gain
//! that follows the loudest of the last moments brings lasting overs down without distorting them;
//! what it is too slow for, a soft knee between −1 and 0 dBFS bends under full scale. Below the
//! knee, with the gain at rest and the volume at 100 %, samples pass bit for bit.
//!
//! May run on the audio thread: no allocation, lock, log or syscall after [`Limiter::new`].

pub mod ceiling;
pub mod true_peak;

use crate::format::{Format, sanitise};
use crate::sound::ramp::Ramp;

/// Highest volume, in percent: +6 dB, beyond which the limiter would work all the time.
pub const MAX_VOLUME: u16 = crate::wire::MAX_VOLUME_PERCENT;

/// −1 dBFS: where the knee begins.
const KNEE: f32 = 0.891_250_9;

/// How long a change of volume takes: long enough not to click, too short to be waited for.
const VOLUME_RAMP_S: f64 = 0.020;

/// How fast the gain closes in on what the level asks for. A step would click; the knee holds
/// what comes through meanwhile.
const GAIN_S: f64 = 0.005;

/// How long a peak counts in full: half a period of 20 Hz, so that the gain stands still between
/// the peaks of the lowest tone.
const HOLD_S: f64 = 0.025;

/// How fast a peak is forgotten after that. Shorter is heard as pumping.
const RELEASE_S: f64 = 0.200;

/// How near the gain has to come to count as arrived (−120 dB): an exponential never gets there.
const ARRIVED: f64 = 1e-6;

/// Applies a volume to interleaved samples and holds them within full scale.
///
/// All channels of a frame get the same gain, so that loud moments do not shift the stereo image.
#[derive(Debug, Clone)]
pub struct Limiter {
    channels: usize,
    volume: Ramp,
    /// Loudest sample lately, never below the knee.
    peak: f32,
    /// Frames for which `peak` still counts in full.
    hold: u32,
    /// What lasting overs are turned down by, 0…1. In f32 the last steps towards 1 would round to
    /// nothing.
    gain: f64,
    hold_frames: u32,
    /// What is left of a peak's excess after one frame of forgetting.
    release: f32,
    /// Share of its remaining way that the gain goes in one frame.
    approach: f64,
}

impl Limiter {
    /// A limiter for interleaved samples of `format`, at 100 % volume.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let rate = f64::from(format.sample_rate.max(1));
        Self {
            channels: usize::from(format.channels.max(1)),
            volume: Ramp::new(1.0, frames(VOLUME_RAMP_S * rate)),
            peak: KNEE,
            hold: 0,
            gain: 1.0,
            hold_frames: frames(HOLD_S * rate),
            release: (-1.0 / (RELEASE_S * rate)).exp() as f32,
            approach: 1.0 - (-1.0 / (GAIN_S * rate)).exp(),
        }
    }

    /// Sets the volume in percent of the amplitude, 0 to [`MAX_VOLUME`]; more counts as that much.
    ///
    /// It is reached over 20 ms. Before the first sound it holds at once, so that 0 % is silent
    /// from the start.
    pub fn set_volume(&mut self, percent: u16) {
        self.volume.aim(f32::from(percent.min(MAX_VOLUME)) / 100.0);
    }

    /// Processes interleaved samples in place. Afterwards each is within −1…1, whatever it was:
    /// NaN and infinities become silence.
    pub fn process(&mut self, samples: &mut [f32]) {
        sanitise(samples);
        for frame in samples.chunks_mut(self.channels) {
            let volume = self.volume.next();
            let mut loudest = 0.0_f32;
            for sample in frame.iter_mut() {
                *sample *= volume;
                loudest = loudest.max(sample.abs());
            }
            let gain = self.gain_for(loudest);
            for sample in frame {
                *sample = bend(*sample * gain);
            }
        }
    }

    /// The gain for a frame whose loudest sample has this magnitude.
    fn gain_for(&mut self, loudest: f32) -> f32 {
        if loudest >= self.peak {
            self.peak = loudest;
            self.hold = self.hold_frames;
        } else if self.hold > 0 {
            self.hold -= 1;
        } else {
            self.peak = (self.peak * self.release).max(KNEE);
        }
        let wanted = f64::from(KNEE / self.peak);
        self.gain += (wanted - self.gain) * self.approach;
        if (wanted - self.gain).abs() < ARRIVED {
            self.gain = wanted;
        }
        self.gain as f32
    }
}

/// The knee: identity up to it, from there a curve that starts with slope 1 and nears full scale
/// for ever.
fn bend(sample: f32) -> f32 {
    let over = sample.abs() - KNEE;
    if over <= 0.0 {
        return sample;
    }
    let room = 1.0 - KNEE;
    let bent = KNEE + room * (over / (room + over));
    bent.copysign(sample)
}

fn frames(exact: f64) -> u32 {
    exact.round().max(1.0) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };
    const MONO: Format = Format { sample_rate: 48_000, channels: 1 };

    fn sine(amplitude: f32, hz: f32, frames: usize) -> Vec<f32> {
        let step = std::f32::consts::TAU * hz / 48_000.0;
        (0..frames).map(|n| amplitude * (step * n as f32).sin()).collect()
    }

    fn processed(limiter: &mut Limiter, mut samples: Vec<f32>) -> Vec<f32> {
        limiter.process(&mut samples);
        samples
    }

    fn largest_step(samples: &[f32]) -> f32 {
        samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    proptest! {
        #[test]
        fn what_stays_below_the_knee_passes_bit_for_bit(
            samples in proptest::collection::vec(-KNEE..=KNEE, 0..500),
        ) {
            prop_assert_eq!(processed(&mut Limiter::new(STEREO), samples.clone()), samples);
        }

        #[test]
        fn nothing_leaves_above_full_scale_whatever_comes_in(
            bits in proptest::collection::vec(any::<u32>(), 0..500),
            percent in any::<u16>(),
            later in any::<u16>(),
            channels in 0..4_u16,
        ) {
            let mut limiter = Limiter::new(Format { sample_rate: 44_100, channels });
            limiter.set_volume(percent);
            let samples: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
            for sample in processed(&mut limiter, samples.clone()) {
                prop_assert!(sample.abs() <= 1.0);
            }
            limiter.set_volume(later);
            for sample in processed(&mut limiter, samples) {
                prop_assert!(sample.abs() <= 1.0);
            }
        }

        #[test]
        fn a_larger_sample_never_leaves_smaller(a in -40.0_f32..40.0, b in -40.0_f32..40.0) {
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            prop_assert!(bend(low) <= bend(high));
            prop_assert_eq!(bend(-a), -bend(a));
        }
    }

    #[test]
    fn the_curve_has_neither_step_nor_corner_at_the_knee() {
        let h = 1e-3;
        let below = (bend(KNEE) - bend(KNEE - h)) / h;
        let above = (bend(KNEE + h) - bend(KNEE)) / h;
        assert!((below - 1.0).abs() < 1e-3);
        assert!((above - 1.0).abs() < 0.02, "slope {above} above the knee");
        assert_eq!(bend(KNEE), KNEE);
    }

    #[test]
    fn a_lasting_over_is_turned_down_and_stays_a_sine() {
        for hz in [25.0, 440.0, 5_000.0] {
            let mut limiter = Limiter::new(MONO);
            let loud = sine(2.0, hz, 48_000);
            let out = processed(&mut limiter, loud.clone());
            let scale = KNEE / 2.0;
            let worst =
                (9_600..48_000).map(|n| (out[n] - loud[n] * scale).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-3, "{hz} Hz is bent by {worst}");
        }
    }

    #[test]
    fn an_over_that_begins_does_not_click() {
        let mut signal = sine(0.5, 440.0, 4_800);
        signal.extend(sine(2.0, 440.0, 4_800));
        let out = processed(&mut Limiter::new(MONO), signal.clone());
        assert!(largest_step(&out) <= largest_step(&signal));
    }

    #[test]
    fn after_an_over_the_identity_comes_back() {
        let mut limiter = Limiter::new(MONO);
        processed(&mut limiter, sine(16.0, 440.0, 4_800));
        processed(&mut limiter, sine(0.5, 440.0, 48_000));
        let quiet = sine(0.8, 440.0, 4_800);
        assert!(processed(&mut limiter, quiet.clone()) == quiet);
    }

    #[test]
    fn samples_that_are_not_sound_are_silent_and_leave_no_trace() {
        let mut limiter = Limiter::new(MONO);
        let hostile = vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN];
        assert_eq!(processed(&mut limiter, hostile), [0.0; 4]);
        let quiet = sine(0.8, 440.0, 480);
        assert_eq!(processed(&mut limiter, quiet.clone()), quiet);
    }

    #[test]
    fn channels_share_one_gain() {
        let mut limiter = Limiter::new(STEREO);
        let frames: Vec<f32> =
            sine(2.0, 440.0, 24_000).iter().flat_map(|s| [*s, s / 8.0]).collect();
        let out = processed(&mut limiter, frames);
        for frame in out[24_000..].chunks(2) {
            assert!((frame[0] / 8.0 - frame[1]).abs() < 1e-3);
        }
    }

    #[test]
    fn volume_scales_the_amplitude_and_stops_at_200_percent() {
        for (percent, expected) in [(0, 0.0), (50, 0.1), (100, 0.2), (200, 0.4), (u16::MAX, 0.4)] {
            let mut limiter = Limiter::new(MONO);
            limiter.set_volume(percent);
            assert_eq!(processed(&mut limiter, vec![0.2; 3]), [expected; 3]);
        }
    }

    #[test]
    fn a_change_of_volume_takes_20_ms_in_even_steps_and_arrives_exactly() {
        let mut limiter = Limiter::new(MONO);
        limiter.set_volume(0);
        processed(&mut limiter, vec![0.5; 100]);
        limiter.set_volume(100);
        let out = processed(&mut limiter, vec![0.5; 1_000]);
        assert!(largest_step(&out) < 0.5 / 960.0 * 1.01);
        assert!(out[958] < 0.5);
        assert_eq!(out[959..], [0.5; 41]);
    }

    #[test]
    fn a_change_of_volume_during_another_goes_on_from_where_it_is() {
        let mut limiter = Limiter::new(MONO);
        let mut out = processed(&mut limiter, vec![0.5; 10]);
        limiter.set_volume(0);
        out.extend(processed(&mut limiter, vec![0.5; 480]));
        limiter.set_volume(100);
        out.extend(processed(&mut limiter, vec![0.5; 1_000]));
        assert!(largest_step(&out) < 0.5 / 960.0 * 1.01);
        assert_eq!(out.last(), Some(&0.5));
    }
}
