//! Makes bands of a sound softer, each by a gain of its own, with filters so short that they delay it by
//! 1 or 2 ms and not by a block.

use std::f64::consts::{PI, TAU};

use super::spectrum::{BINS, CHUNK};

/// Borders of the bands, in bins of 50 Hz: as wide as an ear hears them.
const BORDERS: [usize; 25] = [
    0, 3, 6, 9, 12, 15, 18, 22, 26, 31, 36, 42, 49, 57, 67, 79, 93, 110, 131, 155, 190, 235, 290,
    360, BINS,
];

/// How many bands there are.
pub(super) const BANDS: usize = BORDERS.len() - 1;

/// Old gains fade into new ones in so many frames, 2.5 ms: a word's first sound does not wait, and nothing clicks.
const FADE: usize = CHUNK / 4;

/// Filters one sound by gains that change with each chunk, with an odd number of taps: with more of them it tells apart
/// bands that are nearer to each other, and takes longer.
pub(super) struct Shape<const TAPS: usize> {
    /// The filter of each band: what they are together is the sum of each times its gain.
    bands: Vec<[f32; TAPS]>,
    taps: [f32; TAPS],
    /// The end of what came before, and the newest chunk.
    heard: Vec<f32>,
    fading: [f32; FADE],
}

impl<const TAPS: usize> Shape<TAPS> {
    /// How long what goes through is delayed, in frames.
    pub(super) const DELAY: usize = TAPS / 2;

    /// Lets everything through.
    #[must_use]
    pub(super) fn new() -> Self {
        let mut shape = Self {
            bands: (0..BANDS).map(taps_of).collect(),
            taps: [0.0; TAPS],
            heard: vec![0.0; TAPS - 1 + CHUNK],
            fading: [0.0; FADE],
        };
        shape.make_taps(&[1.0; BANDS]);
        shape
    }

    /// Takes a chunk, in which each band gets its gain within [`FADE`]. The samples come out [`DELAY`](Self::DELAY) frames
    /// later.
    pub(super) fn apply(&mut self, samples: &mut [f32], gains: &[f32; BANDS]) {
        self.heard.copy_within(CHUNK.., 0);
        self.heard[TAPS - 1..].copy_from_slice(samples);
        filter(&self.heard, &self.taps, &mut self.fading);
        self.make_taps(gains);
        filter(&self.heard, &self.taps, samples);
        for (at, (sample, old)) in samples.iter_mut().zip(&self.fading).enumerate() {
            *sample = old + (*sample - old) * at as f32 / FADE as f32;
        }
    }

    fn make_taps(&mut self, gains: &[f32; BANDS]) {
        self.taps.fill(0.0);
        for (gain, taps) in gains.iter().zip(&self.bands) {
            for (sum, tap) in self.taps.iter_mut().zip(taps) {
                *sum += gain * tap;
            }
        }
    }
}

/// As many samples as there is room for, from what was heard and `TAPS - 1` samples before each.
fn filter<const TAPS: usize>(heard: &[f32], taps: &[f32; TAPS], out: &mut [f32]) {
    let middle = taps[TAPS / 2];
    for (out, sample) in out.iter_mut().zip(&heard[TAPS / 2..]) {
        *out = middle * sample;
    }
    // Taps are alike on both sides of the middle.
    for (before, tap) in taps[..TAPS / 2].iter().enumerate() {
        let pairs = heard[before..].iter().zip(&heard[TAPS - 1 - before..]);
        for (sum, (one, other)) in out.iter_mut().zip(pairs) {
            *sum += tap * (one + other);
        }
    }
}

/// The filter that lets one band through: of each bin, a part as large as the band's share of it.
fn taps_of<const TAPS: usize>(band: usize) -> [f32; TAPS] {
    let delay = (TAPS / 2) as f64;
    let shares: Vec<(usize, f64)> =
        (0..BINS).map(|bin| (bin, share(band, bin))).filter(|(_, share)| *share > 0.0).collect();
    std::array::from_fn(|tap| {
        let away = tap as f64 - delay;
        let waves = shares.iter().map(|(bin, share)| {
            // What is neither 0 Hz nor half the rate stands for two bins.
            let count = if [0, BINS - 1].contains(bin) { 1.0 } else { 2.0 };
            let turn = TAU * *bin as f64 * away / (2 * CHUNK) as f64;
            count * share * turn.cos()
        });
        // A Hann window keeps what is cut off from being heard.
        let taper = 0.5 + 0.5 * (PI * away / (delay + 1.0)).cos();
        (taper * waves.sum::<f64>() / (2 * CHUNK) as f64) as f32
    })
}

/// How much of a bin's gain is that band's: between the middles of two bands there is a line.
fn share(band: usize, bin: usize) -> f64 {
    let middle = |band: usize| (BORDERS[band] + BORDERS[band + 1]) as f64 / 2.0;
    let at = (bin as f64).clamp(middle(0), middle(BANDS - 1));
    let next = if at < middle(band) { band.checked_sub(1) } else { Some(band + 1) };
    match next.filter(|next| *next < BANDS) {
        Some(next) => (1.0 - (at - middle(band)) / (middle(next) - middle(band))).max(0.0),
        None => 1.0,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Half a second of a tone, and how loud it comes out after its first chunks.
    fn gain_of(hz: f64, gains: &[f32; BANDS]) -> f64 {
        let mut shape = Shape::<97>::new();
        let mut power = [0.0; 2];
        for chunk in 0..50 {
            let at = |n: usize| TAU * hz * (chunk * CHUNK + n) as f64 / 48_000.0;
            let mut samples: Vec<f32> = (0..CHUNK).map(|n| at(n).sin() as f32).collect();
            let before: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
            shape.apply(&mut samples, gains);
            if chunk >= 10 {
                power[0] += before;
                power[1] += samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
            }
        }
        (power[1] / power[0]).sqrt()
    }

    #[test]
    fn what_no_band_changes_comes_out_as_it_was_a_millisecond_later() {
        let mut shape = Shape::<97>::new();
        let sound: Vec<f32> = (0..4 * CHUNK).map(|n| (n as f32 * 0.37).sin()).collect();
        let mut out = sound.clone();
        out.chunks_exact_mut(CHUNK).for_each(|chunk| shape.apply(chunk, &[1.0; BANDS]));
        for (out, was) in out[48..].iter().zip(&sound) {
            assert!((out - was).abs() < 1e-5, "{out} for {was}");
        }
    }

    #[test]
    fn every_bin_belongs_wholly_to_one_band_or_two() {
        for bin in 0..BINS {
            let shares = (0..BANDS).map(|band| share(band, bin));
            assert!((shares.clone().sum::<f64>() - 1.0).abs() < 1e-9, "bin {bin}");
            assert!(shares.filter(|share| *share > 0.0).count() <= 2, "bin {bin}");
        }
    }

    #[test]
    fn bands_that_are_closed_take_their_tone_out_and_no_other() {
        // From 6,550 to 11,750 Hz.
        let mut gains = [1.0; BANDS];
        gains[18..21].fill(0.0);
        let left = gain_of(8_625.0, &gains);
        assert!(left < 0.05, "{left}");
        assert!((gain_of(3_000.0, &gains) - 1.0).abs() < 0.01);
    }
}
