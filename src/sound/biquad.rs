//! Filters of the second order, by R. Bristow-Johnson's “Cookbook formulae for audio EQ biquad filter coefficients”.
//!
//! Pure and real-time safe: no allocation.

use std::f64::consts::{FRAC_1_SQRT_2, TAU};

/// The highest frequency that a filter is made for, as a share of the sample rate: beyond it lies nothing that is heard.
const HIGHEST: f64 = 0.45;

/// What a filter remembers below this is nothing: as it gets smaller still, processors become slow.
const NOTHING: f64 = 1e-30;

/// Numerator and denominator, the latter's first being 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Biquad {
    pub(crate) b: [f64; 3],
    pub(crate) a: [f64; 2],
}

impl Biquad {
    /// Raises what lies below `hz` by `db`, without a hump. At 0 dB every sample is itself.
    pub(crate) fn low_shelf(hz: f64, db: f64, rate: f64) -> Self {
        Self::shelf(hz, db, rate, 1.0)
    }

    /// Raises what lies above `hz` by `db`, without a hump. At 0 dB every sample is itself.
    pub(crate) fn high_shelf(hz: f64, db: f64, rate: f64) -> Self {
        Self::shelf(hz, db, rate, -1.0)
    }

    /// A shelf below, where `side` is 1, or above, where it is −1.
    fn shelf(hz: f64, db: f64, rate: f64, side: f64) -> Self {
        let (sin, cos) = turn(hz, rate).sin_cos();
        let cos = side * cos;
        let a = 10_f64.powf(db / 40.0);
        let bend = 2.0 * a.sqrt() * sin * FRAC_1_SQRT_2;
        let (more, less) = (a + 1.0, a - 1.0);
        Self::scaled(
            [
                a * (more - less * cos + bend),
                side * 2.0 * a * (less - more * cos),
                a * (more - less * cos - bend),
            ],
            [more + less * cos + bend, side * -2.0 * (less + more * cos), more + less * cos - bend],
        )
    }

    /// Lets pass what lies about `hz`, by the more the smaller `q` is.
    pub(crate) fn band(hz: f64, q: f64, rate: f64) -> Self {
        let (sin, cos) = turn(hz, rate).sin_cos();
        let alpha = sin / (2.0 * q);
        Self::scaled([alpha, 0.0, -alpha], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
    }

    /// Lets pass what lies above `hz`.
    pub(crate) fn high_pass(hz: f64, rate: f64) -> Self {
        let (sin, cos) = turn(hz, rate).sin_cos();
        let alpha = sin * FRAC_1_SQRT_2;
        let half = f64::midpoint(1.0, cos);
        Self::scaled([half, -2.0 * half, half], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
    }

    /// Lets pass what lies below `hz`.
    pub(crate) fn low_pass(hz: f64, rate: f64) -> Self {
        let (sin, cos) = turn(hz, rate).sin_cos();
        let alpha = sin * FRAC_1_SQRT_2;
        let half = (1.0 - cos) / 2.0;
        Self::scaled([half, 2.0 * half, half], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
    }

    fn scaled(b: [f64; 3], a: [f64; 3]) -> Self {
        Self { b: b.map(|b| b / a[0]), a: [a[1] / a[0], a[2] / a[0]] }
    }
}

/// How far `hz` turns within a sample.
fn turn(hz: f64, rate: f64) -> f64 {
    TAU * (hz / rate).min(HIGHEST)
}

/// What a filter remembers of one channel (transposed direct form II).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Memory([f64; 2]);

impl Memory {
    /// The next sample behind `filter`.
    pub(crate) fn next(&mut self, filter: &Biquad, sample: f64) -> f64 {
        let out = filter.b[0] * sample + self.0[0];
        self.0[0] = filter.b[1] * sample - filter.a[0] * out + self.0[1];
        self.0[1] = filter.b[2] * sample - filter.a[1] * out;
        out
    }

    /// Forgets what is too small to be heard. Called once in a while, it keeps silence as cheap as sound.
    pub(crate) fn calm(&mut self) {
        for state in &mut self.0 {
            if state.abs() < NOTHING {
                *state = 0.0;
            }
        }
    }

    /// Whether what it remembers is below `size`.
    pub(crate) fn is_below(&self, size: f64) -> bool {
        self.0.iter().all(|state| state.abs() < size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By how many dB a tone leaves louder.
    fn gain_db(filter: &Biquad, hz: f64, rate: f64) -> f64 {
        let mut memory = Memory::default();
        let tone = |n: i32| (TAU * hz * f64::from(n) / rate).sin();
        let (mut before, mut after) = (0.0, 0.0);
        for n in 0..rate as i32 {
            let out = memory.next(filter, tone(n));
            if n > rate as i32 / 2 {
                before += tone(n) * tone(n);
                after += out * out;
            }
        }
        10.0 * (after / before).log10()
    }

    #[test]
    fn a_shelf_raises_one_side_by_its_decibels_and_the_middle_by_half_of_them() {
        for (db, rate) in [(12.0, 48_000.0), (-12.0, 44_100.0), (6.0, 192_000.0)] {
            let low = Biquad::low_shelf(200.0, db, rate);
            let high = Biquad::high_shelf(4_000.0, db, rate);
            for (filter, hz, expected) in [
                (&low, 20.0, db),
                (&low, 200.0, db / 2.0),
                (&low, 4_000.0, 0.0),
                (&high, 100.0, 0.0),
                (&high, 4_000.0, db / 2.0),
                (&high, 18_000.0, db),
            ] {
                let gain = gain_db(filter, hz, rate);
                assert!(
                    (gain - expected).abs() < 0.3,
                    "{hz} Hz: {gain:.2} dB instead of {expected}"
                );
            }
        }
    }

    #[test]
    fn a_shelf_of_0_db_is_nothing_to_the_last_bit() {
        for filter in [Biquad::low_shelf(150.0, 0.0, 48_000.0), Biquad::high_shelf(5e3, 0.0, 8e3)] {
            assert_eq!((filter.b[0], [filter.b[1], filter.b[2]]), (1.0, filter.a));
        }
    }

    #[test]
    fn silence_is_forgotten_before_it_becomes_slow() {
        let filter = Biquad::band(150.0, 1.4, 48_000.0);
        let mut memory = Memory::default();
        memory.next(&filter, 1.0);
        for _ in 0..10_000 {
            (0..100).for_each(|_| {
                memory.next(&filter, 0.0);
            });
            memory.calm();
        }
        assert_eq!(memory.0, [0.0; 2]);
    }
}
