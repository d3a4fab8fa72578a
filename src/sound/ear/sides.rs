//! Both ears alike, and one louder than the other.

use std::f32::consts::FRAC_PI_2;

use super::{GLIDE_S, glide};
use crate::sound::ear::hearing::MOST_BALANCE;
use crate::sound::mixdown::{Layout, Position};
use crate::sound::ramp::Ramp;

/// Gives both ears everything.
#[derive(Debug, Clone)]
pub(super) struct Mono {
    amount: Ramp,
    /// By how much each channel counts, and whether the sum goes there.
    channels: Vec<(f32, bool)>,
}

impl Mono {
    pub(super) fn new(layout: &Layout, rate: f64) -> Self {
        let [left, right] = layout.weights();
        let weights = left.iter().zip(&right).map(|(left, right)| f32::midpoint(*left, *right));
        let has_fronts = layout.positions().contains(&Position::FrontLeft);
        let is_front = |position: &Position| {
            !has_fronts || matches!(position, Position::FrontLeft | Position::FrontRight)
        };
        Self {
            amount: Ramp::new(0.0, glide(GLIDE_S, rate)),
            channels: weights.zip(layout.positions().iter().map(is_front)).collect(),
        }
    }

    pub(super) fn aim(&mut self, is_wanted: bool) {
        self.amount.aim(f32::from(u8::from(is_wanted)));
    }

    /// Whether sound passes as it is, from now on and until something else is aimed at.
    pub(super) fn rests(&mut self) -> bool {
        self.channels.len() < 2 || self.amount.at_rest() == Some(0.0)
    }

    pub(super) fn process(&mut self, samples: &mut [f32]) {
        for frame in samples.chunks_exact_mut(self.channels.len().max(1)) {
            let amount = self.amount.next();
            let weighted = frame.iter().zip(&self.channels);
            let sum: f32 = weighted.map(|(sample, (weight, _))| sample * weight).sum();
            for (sample, (_, is_front)) in frame.iter_mut().zip(&self.channels) {
                let alike = if *is_front { sum } else { 0.0 };
                *sample = *sample * (1.0 - amount) + alike * amount;
            }
        }
    }
}

/// Turns one side down.
#[derive(Debug, Clone)]
pub(super) struct Balance {
    left: Ramp,
    right: Ramp,
    /// The side that each channel is on: −1 left, 1 right, 0 neither.
    sides: Vec<i8>,
}

impl Balance {
    pub(super) fn new(layout: &Layout, rate: f64) -> Self {
        let [left, right] = layout.weights();
        let side = |(left, right): (&f32, &f32)| match (*left > *right, *right > *left) {
            (true, _) => -1,
            (_, true) => 1,
            _ => 0,
        };
        let ramp = || Ramp::new(1.0, glide(GLIDE_S, rate));
        Self { left: ramp(), right: ramp(), sides: left.iter().zip(&right).map(side).collect() }
    }

    /// −100 leaves the left alone, 100 the right. Half-way the other side is 3 dB softer.
    pub(super) fn aim(&mut self, balance: i8) {
        let share = f32::from(balance.unsigned_abs()) / f32::from(MOST_BALANCE);
        let other = if share < 1.0 { (share * FRAC_PI_2).cos() } else { 0.0 };
        self.left.aim(if balance > 0 { other } else { 1.0 });
        self.right.aim(if balance < 0 { other } else { 1.0 });
    }

    /// Whether sound passes as it is, from now on and until something else is aimed at.
    pub(super) fn rests(&mut self) -> bool {
        [&mut self.left, &mut self.right].into_iter().all(|ramp| ramp.at_rest() == Some(1.0))
    }

    pub(super) fn process(&mut self, samples: &mut [f32]) {
        for frame in samples.chunks_exact_mut(self.sides.len().max(1)) {
            let (left, right) = (self.left.next(), self.right.next());
            for (sample, side) in frame.iter_mut().zip(&self.sides) {
                *sample *= match side {
                    -1 => left,
                    1 => right,
                    _ => 1.0,
                };
            }
        }
    }
}
