//! What sound goes through last: this person's ear, then the volume and the limiter behind it.

use super::Wishes;
use crate::format::Format;
use crate::sound::ear::Ear;
use crate::sound::limiter::Limiter;

/// Makes sound as this person wants to hear it, within full scale. Delays nothing.
pub(super) struct Finish {
    ear: Ear,
    limiter: Limiter,
    wishes: Wishes,
}

impl Finish {
    /// For interleaved sound of `format`.
    pub(super) fn new(format: Format, wishes: Wishes) -> Self {
        let (mut ear, mut limiter) = (Ear::new(format), Limiter::new(format));
        ear.set(wishes.hearing);
        limiter.set_volume(wishes.volume_percent);
        Self { ear, limiter, wishes }
    }

    /// Takes the newest wishes.
    pub(super) fn obey(&mut self, wishes: Wishes) {
        if wishes.volume_percent != self.wishes.volume_percent {
            self.limiter.set_volume(wishes.volume_percent);
        }
        if wishes.hearing != self.wishes.hearing {
            self.ear.set(wishes.hearing);
        }
        self.wishes = wishes;
    }

    /// Processes whole frames in place. Allocates nothing.
    pub(super) fn process(&mut self, samples: &mut [f32]) {
        self.ear.process(samples);
        self.limiter.process(samples);
    }
}
