//! Spectra of two chunks, their real and imaginary parts apart, so that compilers make one
//! instruction of four bins.

use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};

/// Frames of a chunk: 10 ms at 48,000 Hz.
pub(crate) const CHUNK: usize = 480;

/// Bins of the spectrum of two chunks.
pub(crate) const BINS: usize = CHUNK + 1;

/// Bin by bin, from 0 Hz to half the rate.
#[derive(Debug, Clone)]
pub(crate) struct Spectrum {
    /// The real parts.
    pub(crate) re: Vec<f32>,
    /// The imaginary parts.
    pub(crate) im: Vec<f32>,
}

impl Default for Spectrum {
    fn default() -> Self {
        Self { re: vec![0.0; BINS], im: vec![0.0; BINS] }
    }
}

impl Spectrum {
    /// Squared magnitudes.
    pub(crate) fn powers(&self) -> impl Iterator<Item = f32> {
        self.re.iter().zip(&self.im).map(|(re, im)| re * re + im * im)
    }

    /// Makes everything zero.
    pub(crate) fn clear(&mut self) {
        self.re.fill(0.0);
        self.im.fill(0.0);
    }

    /// Adds `a` times `b`.
    pub(crate) fn add_product(&mut self, a: &Self, b: &Self) {
        let factors = a.re.iter().zip(&a.im).zip(b.re.iter().zip(&b.im));
        for ((re, im), ((a_re, a_im), (b_re, b_im))) in
            self.re.iter_mut().zip(&mut self.im).zip(factors)
        {
            *re += a_re * b_re - a_im * b_im;
            *im += a_re * b_im + a_im * b_re;
        }
    }

    /// Adds the conjugate of `far` times `error`, bin by bin times `gain` and `doubt`.
    pub(crate) fn adapt(&mut self, far: &Self, error: &Self, gain: &[f32], doubt: &[f32]) {
        let factors = far.re.iter().zip(&far.im).zip(error.re.iter().zip(&error.im));
        let steps = gain.iter().zip(doubt);
        for (((re, im), ((x_re, x_im), (e_re, e_im))), (gain, doubt)) in
            self.re.iter_mut().zip(&mut self.im).zip(factors).zip(steps)
        {
            let step = gain * doubt;
            *re += step * (x_re * e_re + x_im * e_im);
            *im += step * (x_re * e_im - x_im * e_re);
        }
    }
}

/// Goes between two chunks of samples and their spectrum.
pub(crate) struct Fourier {
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
    bins: Vec<Complex<f32>>,
    samples: Vec<f32>,
    scratch: Vec<Complex<f32>>,
}

impl Fourier {
    /// Plans both ways.
    #[must_use]
    pub(crate) fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        let forward = planner.plan_fft_forward(2 * CHUNK);
        let inverse = planner.plan_fft_inverse(2 * CHUNK);
        let scratch = forward.get_scratch_len().max(inverse.get_scratch_len());
        Self {
            bins: forward.make_output_vec(),
            samples: vec![0.0; 2 * CHUNK],
            scratch: vec![Complex::default(); scratch],
            forward,
            inverse,
        }
    }

    /// The spectrum of two chunks of samples, which are lost.
    pub(crate) fn forward(&mut self, samples: &mut [f32], spectrum: &mut Spectrum) {
        // Lengths are constants, so neither way can fail.
        let _ = self.forward.process_with_scratch(samples, &mut self.bins, &mut self.scratch);
        for ((re, im), bin) in spectrum.re.iter_mut().zip(&mut spectrum.im).zip(&self.bins) {
            (*re, *im) = (bin.re, bin.im);
        }
    }

    /// Two chunks of samples that have this spectrum.
    pub(crate) fn inverse(&mut self, spectrum: &Spectrum, samples: &mut [f32]) {
        for (bin, (re, im)) in self.bins.iter_mut().zip(spectrum.re.iter().zip(&spectrum.im)) {
            *bin = Complex::new(*re, *im);
        }
        // What is real has no imaginary part at either end.
        for end in [0, BINS - 1] {
            self.bins[end].im = 0.0;
        }
        let _ =
            self.inverse.process_with_scratch(&mut self.bins, &mut self.samples, &mut self.scratch);
        for (to, from) in samples.iter_mut().zip(&self.samples) {
            *to = from / (2 * CHUNK) as f32;
        }
    }
}
