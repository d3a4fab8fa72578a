//! Fourier transforms, and what lies in one sound of another: at which lag, and how strongly.

use std::sync::Arc;

use rustfft::num_complex;
use rustfft::{Fft, FftPlanner};

/// A complex number.
pub(super) type Complex = num_complex::Complex<f64>;

/// Transforms of one length, a power of two.
pub(super) struct Fourier {
    forward: Arc<dyn Fft<f64>>,
    inverse: Arc<dyn Fft<f64>>,
}

impl Fourier {
    /// For at least so many samples.
    pub(super) fn of(samples: usize) -> Self {
        let size = samples.max(2).next_power_of_two();
        let mut planner = FftPlanner::new();
        Self { forward: planner.plan_fft_forward(size), inverse: planner.plan_fft_inverse(size) }
    }

    /// How many samples it takes.
    pub(super) fn size(&self) -> usize {
        self.forward.len()
    }

    /// The spectrum of real samples, silence behind them; what is too long is cut.
    pub(super) fn of_real(&self, samples: &[f32]) -> Vec<Complex> {
        let mut spectrum = vec![Complex::default(); self.size()];
        for (to, from) in spectrum.iter_mut().zip(samples) {
            to.re = f64::from(*from);
        }
        self.forward.process(&mut spectrum);
        spectrum
    }

    /// Undoes [`of_real`](Self::of_real); as many values as [`size`](Self::size) says.
    pub(super) fn inverse(&self, values: &mut [Complex]) {
        self.inverse.process(values);
        let scale = 1.0 / self.size() as f64;
        values.iter_mut().for_each(|value| *value *= scale);
    }

    /// How strongly a sound lies in another at each lag, from their spectra: the envelope of their
    /// correlation, so that the phase of a loudspeaker is of no account.
    pub(super) fn envelope(&self, heard: &[Complex], sought: &[Complex]) -> Vec<f64> {
        self.envelope_of(heard.iter().zip(sought).map(|(h, s)| h * s.conj()).collect())
    }

    /// The envelope of a correlation, from its spectrum.
    pub(super) fn envelope_of(&self, mut product: Vec<Complex>) -> Vec<f64> {
        // Without its negative frequencies a signal turns about zero at the distance of its envelope.
        let middle = self.size() / 2;
        product[1..middle].iter_mut().for_each(|value| *value *= 2.0);
        product[middle + 1..].iter_mut().for_each(|value| *value = Complex::default());
        self.inverse(&mut product);
        product.into_iter().map(|value| value.norm()).collect()
    }
}

/// Where the peak at `at` of evenly spaced values is, to a fraction: the top of the parabola through it
/// and both its neighbours.
pub(super) fn top(values: &[f64], at: usize) -> f64 {
    let Some([before, here, after]) = at.checked_sub(1).and_then(|from| values.get(from..at + 2))
    else {
        return at as f64;
    };
    let bend = before - 2.0 * here + after;
    let off = if bend < 0.0 { 0.5 * (before - after) / bend } else { 0.0 };
    at as f64 + off.clamp(-0.5, 0.5)
}

/// The value in the middle; 0 of none.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let (middle, is_even) = (values.len() / 2, values.len().is_multiple_of(2));
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if is_even {
        let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        return (lower + upper) / 2.0;
    }
    upper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_is_one_line_and_comes_back() {
        let fourier = Fourier::of(50);
        assert_eq!(fourier.size(), 64);
        let tone: Vec<f32> = (0..64).map(|n| (n as f32 * 5.0 / 64.0 * 6.283_185_5).sin()).collect();
        let mut spectrum = fourier.of_real(&tone);
        for (line, value) in spectrum.iter().enumerate() {
            let expected = if line == 5 || line == 59 { 32.0 } else { 0.0 };
            assert!((value.norm() - expected).abs() < 1e-3, "{line}: {value:?}");
        }
        fourier.inverse(&mut spectrum);
        for (value, sample) in spectrum.iter().zip(&tone) {
            assert!((value.re - f64::from(*sample)).abs() < 1e-6 && value.im.abs() < 1e-6);
        }
    }

    #[test]
    fn the_envelope_peaks_at_the_lag_whatever_the_sign() {
        let fourier = Fourier::of(256);
        let sought: Vec<f32> = (0..64).map(|n| ((n * n) as f32 * 0.02).sin()).collect();
        let mut heard = vec![0.0; 40];
        heard.extend(sought.iter().map(|sample| -sample));
        let envelope = fourier.envelope(&fourier.of_real(&heard), &fourier.of_real(&sought));
        let best = (0..200).max_by(|a, b| envelope[*a].total_cmp(&envelope[*b])).unwrap();
        assert_eq!(best, 40);
        assert!((top(&envelope, best) - 40.0).abs() < 0.2);
    }

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&mut []), 0.0);
    }
}
