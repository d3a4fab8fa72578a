//! Volume and the limiter behind it.
//!
//! Two stages, neither of which looks ahead, so that sound leaves in the call it came in. A gain
//! that follows the loudest of the last moments brings lasting overs down without distorting them;
//! what it is too slow for, a soft knee between −1 and 0 dBFS bends under full scale. Below the
//! knee, with the gain at rest and the volume at 100 %, samples pass bit for bit.
//!
//! May run on the audio thread: no allocation, lock, log or syscall after [`Limiter::new`].

use crate::format::{Format, sanitise};

/// Highest volume, in percent: +6 dB.
pub const MAX_VOLUME: u16 = 200;

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
            volume: Ramp::new(frames(VOLUME_RAMP_S * rate)),
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

/// A value that moves to its target in even steps.
#[derive(Debug, Clone)]
struct Ramp {
    value: f32,
    target: f32,
    step: f32,
    steps_left: u32,
    /// Length of a whole move.
    steps: u32,
    started: bool,
}

impl Ramp {
    fn new(steps: u32) -> Self {
        Self { value: 1.0, target: 1.0, step: 0.0, steps_left: 0, steps, started: false }
    }

    fn aim(&mut self, target: f32) {
        self.target = target;
        if self.started {
            self.steps_left = self.steps;
            self.step = (target - self.value) / self.steps as f32;
        } else {
            self.value = target;
        }
    }

    fn next(&mut self) -> f32 {
        self.started = true;
        match self.steps_left {
            0 => {}
            1 => {
                // The sum of the steps misses the target by rounding; 100 % must be exactly 1.
                self.value = self.target;
                self.steps_left = 0;
            }
            _ => {
                self.value += self.step;
                self.steps_left -= 1;
            }
        }
        self.value
    }
}

fn frames(exact: f64) -> u32 {
    exact.round().max(1.0) as u32
}

#[cfg(test)]
mod tests;
