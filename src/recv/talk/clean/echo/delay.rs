//! Finds how much later than an output says its sound reaches the microphone: what Bluetooth and
//! televisions hide.
//!
//! What was played and what was heard are compared at every lag, at an eighth of the rate, with all
//! frequencies counted alike (the phase transform: C. Knapp and G. Carter, “The generalized correlation
//! method for estimation of time delay”, IEEE Transactions ASSP 24, 1976). Pure.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// One sample of so many is looked at: 6,000 Hz hold what tells a film's sounds apart.
const EVERY: usize = 8;

/// How much of what was heard is compared at a time, at that rate: 0.34 s.
const HEARD: usize = 2_048;

/// A transform holds the heard part and every lag before it.
const WINDOW: usize = 2 * HEARD;

/// The longest delay that is found, in frames at 48,000 Hz: 330 ms.
pub(crate) const LONGEST: usize = (HEARD - 64) * EVERY;

/// Compared again after so many samples: a quarter of a second.
const LOOK: usize = 1_500;

/// What earlier looks say counts for so much.
const REMEMBERED: f32 = 0.8;

/// A lag is believed that stands out of all others by so many times their root mean square.
const STANDS_OUT: f32 = 9.0;

/// So many looks in a row must find the same, give or take this many samples (1 ms).
const LOOKS: u32 = 2;
const SAME: usize = 6;

/// Softer than this in the mean square, −70 dBFS, nothing can be compared.
const SILENCE: f32 = 1e-7;

/// Finds the delay.
pub(crate) struct DelayFinder {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    heard: Thinned,
    played: Thinned,
    waiting: usize,
    cross: Vec<Complex<f32>>,
    best: usize,
    looks: u32,
    found: Option<usize>,
}

impl DelayFinder {
    /// Knows nothing yet.
    #[must_use]
    pub(crate) fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        let forward = planner.plan_fft_forward(WINDOW);
        Self {
            inverse: planner.plan_fft_inverse(WINDOW),
            cross: forward.make_output_vec(),
            forward,
            heard: Thinned::new(),
            played: Thinned::new(),
            waiting: 0,
            best: 0,
            looks: 0,
            found: None,
        }
    }

    /// Takes what was heard and what was played meanwhile, as many mono samples of either.
    pub(crate) fn take(&mut self, heard: &[f32], played: &[f32]) {
        self.heard.take(heard);
        self.played.take(played);
        self.waiting += heard.len() / EVERY;
        if self.waiting >= LOOK {
            self.waiting = 0;
            self.look();
        }
    }

    /// How many frames after it was played sound is heard, at 48,000 Hz; `None` where nothing tells.
    #[must_use]
    pub(crate) fn found(&self) -> Option<usize> {
        self.found
    }

    fn look(&mut self) {
        let mut heard = self.heard.last(HEARD);
        let played = self.played.last(WINDOW);
        let is_loud = |samples: &[f32]| {
            samples.iter().map(|sample| sample * sample).sum::<f32>()
                > SILENCE * samples.len() as f32
        };
        if !is_loud(&heard) || !is_loud(&played) {
            return;
        }
        // Where the newest of both lie at the end, what is heard now begins in the middle.
        let mut late = vec![0.0; HEARD];
        late.append(&mut heard);
        let (Some(heard), Some(played)) = (self.spectrum(late), self.spectrum(played)) else {
            return;
        };
        for (cross, (heard, played)) in self.cross.iter_mut().zip(heard.iter().zip(&played)) {
            let product = heard * played.conj();
            let size = product.norm();
            let now = if size > 1e-12 { product / size } else { Complex::default() };
            *cross = *cross * REMEMBERED + now * (1.0 - REMEMBERED);
        }
        let mut lags = self.inverse.make_output_vec();
        let mut cross = self.cross.clone();
        for end in [0, cross.len() - 1] {
            cross[end].im = 0.0;
        }
        if self.inverse.process(&mut cross, &mut lags).is_err() {
            return;
        }
        let lags = &lags[..HEARD];
        let square = lags.iter().map(|lag| lag * lag).sum::<f32>() / lags.len() as f32;
        // The first that is nearly as high as any: what comes later is a wall's.
        let highest = lags.iter().copied().fold(0.0, f32::max);
        let first = lags.iter().position(|lag| *lag >= 0.6 * highest).unwrap_or(0);
        if highest < STANDS_OUT * square.sqrt() {
            self.looks = 0;
            return;
        }
        self.looks = if first.abs_diff(self.best) <= SAME { self.looks + 1 } else { 1 };
        self.best = first;
        if self.looks >= LOOKS {
            self.found = Some((first * EVERY).min(LONGEST));
        }
    }

    fn spectrum(&self, mut samples: Vec<f32>) -> Option<Vec<Complex<f32>>> {
        let mut bins = self.forward.make_output_vec();
        self.forward.process(&mut samples, &mut bins).ok().map(|()| bins)
    }
}

/// The newest [`WINDOW`] samples at the lower rate.
struct Thinned {
    samples: std::collections::VecDeque<f32>,
    sum: f32,
    summed: usize,
}

impl Thinned {
    fn new() -> Self {
        Self { samples: std::iter::repeat_n(0.0, WINDOW).collect(), sum: 0.0, summed: 0 }
    }

    /// Means of so many samples: what of higher sound comes through is alike on both sides.
    fn take(&mut self, samples: &[f32]) {
        for sample in samples {
            self.sum += sample;
            self.summed += 1;
            if self.summed == EVERY {
                self.samples.pop_front();
                self.samples.push_back(self.sum / EVERY as f32);
                (self.sum, self.summed) = (0.0, 0);
            }
        }
    }

    fn last(&self, count: usize) -> Vec<f32> {
        self.samples.iter().skip(WINDOW - count).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without a pattern.
    fn noise(count: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.1
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn a_delay_is_found_within_a_second_and_to_a_millisecond() {
        let played = noise(96_000);
        for delay in [0, 480, 4_800, 12_345, 15_000] {
            let mut finder = DelayFinder::new();
            let heard: Vec<f32> = (0..played.len())
                .map(|at| if at < delay { 0.0 } else { played[at - delay] })
                .collect();
            for (heard, played) in heard.chunks(480).zip(played.chunks(480)) {
                finder.take(heard, played);
            }
            let found = finder.found().expect("an echo is there");
            assert!(found.abs_diff(delay) <= 48, "{delay}: {found}");
        }
    }

    #[test]
    fn where_nothing_comes_back_nothing_is_found() {
        let sound = noise(192_000);
        let (played, voice) = sound.split_at(96_000);
        for heard in [voice.to_vec(), vec![0.0; 96_000]] {
            let mut finder = DelayFinder::new();
            for (heard, played) in heard.chunks(480).zip(played.chunks(480)) {
                finder.take(heard, played);
            }
            assert_eq!(finder.found(), None);
        }
    }
}
