//! Makes bands of a sound softer, each by a gain of its own, with filters so short that they delay it by
//! 1 ms and not by a block.

use super::spectrum::{BINS, CHUNK, Fourier, Spectrum};

/// Borders of the bands, in bins of 50 Hz: as wide as an ear hears them.
const BORDERS: [usize; 25] = [
    0, 3, 6, 9, 12, 15, 18, 22, 26, 31, 36, 42, 49, 57, 67, 79, 93, 110, 131, 155, 190, 235, 290,
    360, BINS,
];

/// How many bands there are.
pub(super) const BANDS: usize = BORDERS.len() - 1;

/// Taps of the filter that gains are made to.
const TAPS: usize = 97;

/// Old gains fade into new ones in so many frames.
const FADE: usize = CHUNK / 4;

/// How long what goes through is delayed, in frames: 1 ms.
pub(super) const DELAY: usize = TAPS / 2;

/// Filters one sound by gains that change with each chunk.
pub(super) struct Shape {
    fourier: Fourier,
    /// What the response was made of.
    gains: [f32; BANDS],
    bins: Vec<Bin>,
    /// What each tap is weighed by.
    taper: Vec<f32>,
    response: Spectrum,
    before: Vec<f32>,
    input: Spectrum,
    product: Spectrum,
    window: Vec<f32>,
    out: Vec<f32>,
}

impl Shape {
    /// Lets everything through.
    #[must_use]
    pub(super) fn new() -> Self {
        let mut shape = Self {
            fourier: Fourier::new(),
            gains: [1.0; BANDS],
            bins: (0..BINS).map(Bin::new).collect(),
            taper: (0..TAPS).map(taper).collect(),
            response: Spectrum::default(),
            before: vec![0.0; CHUNK],
            input: Spectrum::default(),
            product: Spectrum::default(),
            window: vec![0.0; 2 * CHUNK],
            out: vec![0.0; CHUNK],
        };
        shape.make_response();
        shape
    }

    /// Takes a chunk, at whose end each band has its gain. The samples come out [`DELAY`] frames later.
    pub(super) fn apply(&mut self, samples: &mut [f32], gains: &[f32; BANDS]) {
        self.window[..CHUNK].copy_from_slice(&self.before);
        self.window[CHUNK..].copy_from_slice(samples);
        self.before.copy_from_slice(samples);
        self.fourier.forward(&mut self.window, &mut self.input);
        self.filter();
        if *gains == self.gains {
            samples.copy_from_slice(&self.window[CHUNK..]);
            return;
        }
        // The old gains fade into the new ones.
        self.out.copy_from_slice(&self.window[CHUNK..]);
        self.gains = *gains;
        self.make_response();
        self.filter();
        for (at, (sample, old)) in samples.iter_mut().zip(&self.out).enumerate() {
            let share = (at as f32 / FADE as f32).min(1.0);
            *sample = old + (self.window[CHUNK + at] - old) * share;
        }
    }

    /// Makes taps of the gains.
    fn make_response(&mut self) {
        for (bin, Bin { below, above, share, turn }) in self.bins.iter().enumerate() {
            let gain = self.gains[*below] + (self.gains[*above] - self.gains[*below]) * share;
            self.response.re[bin] = gain * turn.0;
            self.response.im[bin] = gain * turn.1;
        }
        self.fourier.inverse(&self.response, &mut self.window);
        for (tap, taper) in self.window.iter_mut().zip(&self.taper) {
            *tap *= taper;
        }
        self.window[TAPS..].fill(0.0);
        self.fourier.forward(&mut self.window, &mut self.response);
    }

    /// The input through the response, in the second half of the window.
    fn filter(&mut self) {
        self.product.clear();
        self.product.add_product(&self.input, &self.response);
        self.fourier.inverse(&self.product, &mut self.window);
    }
}

/// A Hann window, whose middle is at [`DELAY`].
fn taper(tap: usize) -> f32 {
    let away = (tap as f32 - DELAY as f32) / (DELAY + 1) as f32;
    0.5 + 0.5 * (std::f32::consts::PI * away).cos()
}

/// Where a bin's gain comes from: the line between the middles of two bands. And how far [`DELAY`] turns it.
struct Bin {
    below: usize,
    above: usize,
    /// How far from one to the other.
    share: f32,
    /// The cosine of the turn, and the sine of its opposite.
    turn: (f32, f32),
}

impl Bin {
    fn new(bin: usize) -> Self {
        let middle = |band: usize| (BORDERS[band] + BORDERS[band + 1]) as f32 / 2.0;
        let at = bin as f32;
        let (below, above, share) = match (0..BANDS).find(|band| middle(*band) > at) {
            None => (BANDS - 1, BANDS - 1, 0.0),
            Some(0) => (0, 0, 0.0),
            Some(band) => {
                let (from, to) = (middle(band - 1), middle(band));
                (band - 1, band, (at - from) / (to - from))
            }
        };
        let turn = std::f32::consts::PI * (bin * DELAY) as f32 / CHUNK as f32;
        Self { below, above, share, turn: (turn.cos(), -turn.sin()) }
    }
}

/// The power in each band, from that of each bin.
pub(super) fn in_bands(powers: impl Iterator<Item = f32>) -> [f32; BANDS] {
    let mut bands = [0.0; BANDS];
    let mut band = 0;
    for (bin, power) in powers.enumerate() {
        if band + 1 < BANDS && bin >= BORDERS[band + 1] {
            band += 1;
        }
        bands[band] += power;
    }
    bands
}
