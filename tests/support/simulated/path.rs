//! The network between the PC and one listener: what is sent comes in order, and late.

use super::random::Random;
use super::{MINUTE, SECOND};

/// What a network does to what is sent.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    pub(crate) least_us: f64,
    /// What comes on top, mostly little of it, at most all.
    pub(crate) jitter_us: f64,
    /// How long nothing comes through, once a minute.
    pub(crate) stall_us: f64,
    random: Random,
    forth: f64,
    back: f64,
}

impl Path {
    pub(crate) fn new(jitter_us: f64, stall_us: f64, seed: u64) -> Self {
        let random = Random::new(seed);
        Self { least_us: 150.0, jitter_us, stall_us, random, forth: 0.0, back: 0.0 }
    }

    /// When what leaves the listener now comes to the PC.
    pub(crate) fn reaches_pc(&mut self, now: f64) -> f64 {
        self.forth = self.through(now).max(self.forth);
        self.forth
    }

    /// When what leaves the PC now comes to the listener.
    pub(crate) fn reaches_listener(&mut self, now: f64) -> f64 {
        self.back = self.through(now).max(self.back);
        self.back
    }

    fn through(&mut self, now: f64) -> f64 {
        let comes = now + self.least_us + self.random.uniform().powi(3) * self.jitter_us;
        let began = (comes / MINUTE).floor() * MINUTE + 30.0 * SECOND;
        if (began..began + self.stall_us).contains(&comes) { began + self.stall_us } else { comes }
    }
}
