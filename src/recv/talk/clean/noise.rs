//! Takes noise out of a voice: fans, hum, hiss, keyboards.

use nnnoiseless::DenoiseState;

use super::echo::CHUNK;

/// How much later a chunk comes out than it went in, in frames at 48,000 Hz.
pub(super) const DELAY: usize = CHUNK;

/// What the library's samples are for full scale: those of 16 bits.
const FULL_SCALE: f32 = 32_768.0;

/// Takes out what is no voice.
pub(super) struct Noise {
    state: Box<DenoiseState<'static>>,
    input: [f32; CHUNK],
    output: [f32; CHUNK],
}

impl Noise {
    /// Has heard nothing yet.
    #[must_use]
    pub(super) fn new() -> Self {
        let state = DenoiseState::new();
        Self { state, input: [0.0; CHUNK], output: [0.0; CHUNK] }
    }

    /// Takes a chunk of 10 ms of mono samples at 48,000 Hz, and gives what it has of a voice, [`DELAY`]
    /// frames later.
    pub(super) fn take_out(&mut self, samples: &mut [f32]) {
        for (to, from) in self.input.iter_mut().zip(samples.iter()) {
            *to = from * FULL_SCALE;
        }
        self.state.process_frame(&mut self.output, &self.input);
        for (to, from) in samples.iter_mut().zip(&self.output) {
            *to = from / FULL_SCALE;
        }
    }
}
