//! Takes out of a microphone what this client's own output plays: chunks of 10 ms in and out.
//!
//! Three steps, each in a file: where in what was played the echo begins ([`delay`]), what can be
//! computed of it ([`filter`]), and what that leaves ([`residual`]). Pure: what was played, by the
//! time at which it was heard, is an argument.

mod delay;
mod filter;
mod residual;

use delay::DelayFinder;
use filter::{CHANNELS, Filter};
use residual::Residual;

use super::spectrum::CHUNK;

/// How much later a chunk comes out than it went in, in frames at 48,000 Hz.
pub(super) const DELAY: usize = residual::DELAY;

/// An echo is looked for from so much before the time at which the output says that its sound is
/// heard, in frames: outputs and microphones are wrong about themselves by a few ms.
pub(crate) const MARGIN: usize = 144;

/// The filter begins so many frames before the echo does: a delay is not found to the sample, and
/// sound that bends around a corner is behind what went straight.
const HEADROOM: usize = 6 * 48;

/// An echo that begins this much behind the filter's start still has its room in it.
const LATEST_BEGIN: usize = 40 * 48;

/// Takes the echo of one output out of one microphone.
pub(crate) struct EchoCanceller {
    finder: DelayFinder,
    filter: Filter,
    residual: Residual,
    /// So much later than [`MARGIN`] says the filter begins, in frames.
    begins: usize,
    /// What was played so much earlier, or silence.
    earlier: Vec<Vec<f32>>,
    mixed: Vec<f32>,
    /// Whether the last chunk may hold an echo.
    may_echo: bool,
}

impl EchoCanceller {
    /// Expects the echo within 40 ms of when the output says that it is heard, until it has found
    /// it somewhere else.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self {
            finder: DelayFinder::new(),
            filter: Filter::new(CHANNELS),
            residual: Residual::new(),
            begins: 0,
            earlier: vec![vec![0.0; CHUNK]; CHANNELS],
            mixed: vec![0.0; CHUNK],
            may_echo: false,
        }
    }

    /// Takes the echo out of `heard`, a chunk of mono samples at 48,000 Hz. `played` is what was played at the
    /// chunk's place and [`MARGIN`] after it, channel by channel, `None` where nothing was; `read` gives what was so
    /// many frames before that, and whether it is known. The chunk comes out [`DELAY`] frames later.
    pub(crate) fn cancel(
        &mut self,
        heard: &mut [f32],
        played: Option<&[Vec<f32>]>,
        read: impl FnOnce(usize, &mut [Vec<f32>]) -> bool,
    ) {
        if let Some(played) = played {
            mix(played, &mut self.mixed);
            self.finder.take(heard, &self.mixed);
            if let Some(found) = self.finder.found().filter(|found| self.is_elsewhere(*found)) {
                self.begins = found.saturating_sub(HEADROOM);
                log::debug!("an echo begins {:.1} ms later than said", found as f64 / 48.0);
                self.filter = Filter::new(CHANNELS);
                self.residual.doubt_everything();
            }
        }
        let far = match played {
            Some(played) if self.begins == 0 => played,
            Some(_) if read(self.begins, &mut self.earlier) => &self.earlier,
            _ => {
                self.earlier.iter_mut().for_each(|channel| channel.fill(0.0));
                &self.earlier
            }
        };
        self.may_echo = self.filter.cancel(heard, far);
        self.residual.soften(heard, self.may_echo.then_some(&self.filter));
    }

    /// Whether what is left of the last chunk may be a voice: more than is left of an echo.
    pub(crate) fn may_be_voice(&self) -> bool {
        !self.may_echo || self.residual.hears_voice()
    }

    /// Whether an echo that begins there is beyond what the filter holds.
    fn is_elsewhere(&self, found: usize) -> bool {
        found < self.begins || found > self.begins + LATEST_BEGIN
    }
}

fn mix(channels: &[Vec<f32>], mixed: &mut [f32]) {
    mixed.fill(0.0);
    for channel in channels {
        for (sum, sample) in mixed.iter_mut().zip(channel) {
            *sum += sample;
        }
    }
}
