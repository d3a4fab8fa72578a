//! Takes noise out of a voice: fans, hum, hiss, keyboards.
//!
//! The library decides what is voice, and hands its own sound over 10 ms late. So that nobody waits for that, only how
//! much softer each band became in it is used, for the chunk that the library has just heard.

use nnnoiseless::DenoiseState;

use super::shape::{BANDS, Shape, in_bands};
use super::spectrum::{CHUNK, Fourier, Spectrum};

/// How much later a chunk comes out than it went in, in frames at 48,000 Hz.
pub(super) const DELAY: usize = Shape::<TAPS>::DELAY;

/// Taps of the filter that takes noise out. With half as many a hum of 50 Hz and its overtones would go with a voice or
/// stay with it.
const TAPS: usize = 193;

/// What the library's samples are for full scale: those of 16 bits.
const FULL_SCALE: f32 = 32_768.0;

/// Less power than this in a band of [`Heard::powers`], as the library counts, says nothing: 115 dB below full scale.
const NOTHING: f32 = 1e-3;

/// Takes out what is no voice.
pub(super) struct Noise {
    state: Box<DenoiseState<'static>>,
    /// The chunk that the library's sound is of, and the newest.
    before: [f32; CHUNK],
    input: [f32; CHUNK],
    output: [f32; CHUNK],
    heard: Heard,
    gains: [f32; BANDS],
    shape: Shape<TAPS>,
}

impl Noise {
    /// Has heard nothing yet.
    #[must_use]
    pub(super) fn new() -> Self {
        Self {
            state: DenoiseState::new(),
            before: [0.0; CHUNK],
            input: [0.0; CHUNK],
            output: [0.0; CHUNK],
            heard: Heard::new(),
            gains: [1.0; BANDS],
            shape: Shape::new(),
        }
    }

    /// Takes a chunk of 10 ms of mono samples at 48,000 Hz, and gives what it has of a voice, [`DELAY`]
    /// frames later.
    pub(super) fn take_out(&mut self, samples: &mut [f32]) {
        std::mem::swap(&mut self.before, &mut self.input);
        for (to, from) in self.input.iter_mut().zip(samples.iter()) {
            *to = from * FULL_SCALE;
        }
        self.state.process_frame(&mut self.output, &self.input);
        let (before, after) = (self.heard.powers(&self.before), self.heard.powers(&self.output));
        for (gain, (before, after)) in self.gains.iter_mut().zip(before.into_iter().zip(after)) {
            *gain = ((after + NOTHING) / (before + NOTHING)).min(1.0).sqrt();
        }
        self.shape.apply(samples, &self.gains);
    }
}

/// How loud the end of a chunk is: there the library's judgement of the newest chunk counts most.
struct Heard {
    fourier: Fourier,
    spectrum: Spectrum,
    window: Vec<f32>,
    weights: Vec<f32>,
}

impl Heard {
    fn new() -> Self {
        Self {
            fourier: Fourier::new(),
            spectrum: Spectrum::default(),
            window: vec![0.0; 2 * CHUNK],
            weights: (0..CHUNK).map(weight).collect(),
        }
    }

    /// The power in each band.
    fn powers(&mut self, samples: &[f32; CHUNK]) -> [f32; BANDS] {
        for (to, (sample, weight)) in self.window.iter_mut().zip(samples.iter().zip(&self.weights))
        {
            *to = sample * weight;
        }
        self.window[CHUNK..].fill(0.0);
        self.fourier.forward(&mut self.window, &mut self.spectrum);
        in_bands(self.spectrum.powers())
    }
}

/// Rises for three quarters of a chunk and falls in the last quarter.
fn weight(at: usize) -> f32 {
    const TOP: usize = CHUNK * 3 / 4;
    let share =
        if at < TOP { at as f32 / TOP as f32 } else { (CHUNK - at) as f32 / (CHUNK - TOP) as f32 };
    (std::f32::consts::FRAC_PI_2 * share).sin().powi(2)
}
