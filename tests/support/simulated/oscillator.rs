//! What drives a clock: a crystal that is off by something, and wanders slowly.

use std::f64::consts::TAU;

use super::{MINUTE, SECOND};

/// How far a crystal wanders to either side as its room warms and cools, and how long that takes.
const WANDER: f64 = 2e-6;
const WANDER_PERIOD: f64 = 40.0 * MINUTE;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Oscillator {
    fast: f64,
    phase: f64,
}

impl Oscillator {
    /// An oscillator that runs that many parts per million fast. No two wander alike.
    pub(crate) fn fast_by(ppm: f64, phase: f64) -> Self {
        Self { fast: ppm * 1e-6, phase }
    }

    /// What it has counted when `elapsed` has passed.
    pub(crate) fn counted(&self, elapsed: f64) -> f64 {
        elapsed + self.ahead(elapsed)
    }

    /// How long it takes to count that far.
    pub(crate) fn takes(&self, counted: f64) -> f64 {
        // Off by the square of some hundred parts per million, and without a seam.
        counted - self.ahead(counted)
    }

    fn ahead(&self, elapsed: f64) -> f64 {
        let swing = WANDER * WANDER_PERIOD / TAU;
        let turn = elapsed / WANDER_PERIOD * TAU + self.phase;
        elapsed * self.fast + swing * (turn.sin() - self.phase.sin())
    }
}

/// A computer's clock, in µs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Host {
    began: f64,
    oscillator: Oscillator,
    /// When it jumped, and by how much: a computer was asleep.
    jump: Option<(f64, f64)>,
}

impl Host {
    /// A clock that shows `began` when the virtual clock shows 0.
    pub(crate) fn new(began: f64, oscillator: Oscillator) -> Self {
        Self { began, oscillator, jump: None }
    }

    pub(crate) fn jump(&mut self, at: f64, by: f64) {
        self.jump = Some((at, by));
    }

    pub(crate) fn exact(&self, now: f64) -> f64 {
        let jumped = self.jump.filter(|(at, _)| now >= *at).map_or(0.0, |(_, by)| by);
        self.began + self.oscillator.counted(now) + jumped
    }

    pub(crate) fn reads(&self, now: f64) -> u64 {
        self.exact(now) as u64
    }
}

/// A sound card's clock: when each of its frames meets the ear, or was captured.
#[derive(Debug, Clone)]
pub(crate) struct Card {
    start: f64,
    oscillator: Oscillator,
    /// From which frame on time has passed without frames, and how much.
    step: Option<(f64, f64)>,
}

impl Card {
    pub(crate) fn new(start: f64, oscillator: Oscillator) -> Self {
        Self { start, oscillator, step: None }
    }

    /// Frames from `frame` on come so much later.
    pub(crate) fn step(&mut self, frame: f64, by: f64) {
        self.step = Some((frame, by));
    }

    pub(crate) fn time_of(&self, frame: f64) -> f64 {
        let nominal = frame * (SECOND / f64::from(super::RATE));
        let stepped = self.step.filter(|(from, _)| frame >= *from).map_or(0.0, |(_, by)| by);
        self.start + self.oscillator.takes(nominal) + stepped
    }
}
