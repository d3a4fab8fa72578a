//! How loud the ear takes each frequency to be: the K-weighting of BS.1770.

use std::f64::consts::{PI, SQRT_2};

use crate::sound::biquad::{Biquad, Memory};

/// A shelf for the head, then a high pass, for one sample rate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coefficients {
    shelf: Biquad,
    high_pass: Biquad,
}

impl Coefficients {
    /// BS.1770 gives the filters at 48 kHz; these are the analogue ones that they come from, as B.
    /// De Man found them (“Evaluation of implementations of the EBU R128 loudness measurement”,
    /// AES 145, 2018), for any rate.
    pub(crate) fn new(rate: f64) -> Self {
        const SHELF_HZ: f64 = 1_681.974_450_955_533;
        const SHELF_DB: f64 = 3.999_843_853_973_347;
        const SHELF_Q: f64 = 1.0 / SQRT_2;
        const SHELF_BEND: f64 = 0.499_666_774_154_541_6;
        const HIGH_PASS_HZ: f64 = 38.135_470_876_024_44;
        const HIGH_PASS_Q: f64 = 0.500_327_037_323_877_3;

        let high = 10_f64.powf(SHELF_DB / 20.0);
        let bend = high.powf(SHELF_BEND);
        let (k, q) = ((PI * SHELF_HZ / rate).tan(), SHELF_Q);
        let whole = 1.0 + k / q + k * k;
        let shelf = Biquad {
            b: [
                (high + bend * k / q + k * k) / whole,
                2.0 * (k * k - high) / whole,
                (high - bend * k / q + k * k) / whole,
            ],
            a: [2.0 * (k * k - 1.0) / whole, (1.0 - k / q + k * k) / whole],
        };
        let (k, q) = ((PI * HIGH_PASS_HZ / rate).tan(), HIGH_PASS_Q);
        let whole = 1.0 + k / q + k * k;
        let high_pass = Biquad {
            b: [1.0, -2.0, 1.0],
            a: [2.0 * (k * k - 1.0) / whole, (1.0 - k / q + k * k) / whole],
        };
        Self { shelf, high_pass }
    }
}

/// What one channel's filters remember.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Weighting {
    shelf: Memory,
    high_pass: Memory,
}

impl Weighting {
    /// The next sample, as the ear weighs it.
    pub(crate) fn next(&mut self, sample: f64, coefficients: &Coefficients) -> f64 {
        let shelved = self.shelf.next(&coefficients.shelf, sample);
        self.high_pass.next(&coefficients.high_pass, shelved)
    }

    /// Forgets what is too small to be heard: see [`Memory::calm`].
    pub(crate) fn calm(&mut self) {
        self.shelf.calm();
        self.high_pass.calm();
    }
}
