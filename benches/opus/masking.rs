//! How much of an error the ear can hear: the noise-to-mask ratio, as ITU-R BS.1387 averages it
//! (“total NMR”, and “relative disturbed frames”), over a masking model that is simpler than its
//! own: Johnston, “Transform coding of audio signals using perceptual noise criteria” (1988).

use std::f64::consts::{PI, TAU};

/// Frames of a piece, and between the beginnings of two.
const LENGTH: usize = 2048;
const HOP: usize = LENGTH / 2;

const RATE: f64 = 48_000.0;

/// Critical bands up to 24 kHz.
const BANDS: usize = 25;

/// What a sine at full scale is played at, in dB of sound pressure: BS.1387's assumption.
const FULL_SCALE_DB_SPL: f64 = 92.0;

/// Pieces whose signal is this far below full scale say nothing, in dB.
const QUIET_DB: f64 = -60.0;

/// A band counts as disturbed from here on, in dB: BS.1387.
const DISTURBED_DB: f64 = 1.5;

/// What can be heard of an error.
pub(crate) struct Heard {
    /// Noise against the mask, averaged over bands and pieces, in dB.
    pub(crate) nmr_db: f64,
    /// Share of pieces in which some band is disturbed.
    pub(crate) share: f64,
}

/// Compares interleaved stereo at 48 kHz.
pub(crate) fn compare(original: &[f32], decoded: &[f32]) -> Heard {
    let window: Vec<f64> =
        (0..LENGTH).map(|n| 0.5 - 0.5 * (TAU * n as f64 / LENGTH as f64).cos()).collect();
    let quiet: [f64; BANDS] = std::array::from_fn(quiet);
    let frames = original.len().min(decoded.len()) / 2;
    let (mut total, mut pieces, mut disturbed) = (0.0, 0_u32, 0_u32);
    for channel in 0..2 {
        for begin in (0..frames.saturating_sub(LENGTH)).step_by(HOP) {
            let at = |samples: &[f32], n: usize| f64::from(samples[(begin + n) * 2 + channel]);
            let signal = spectrum(|n| at(original, n) * window[n]);
            let error = spectrum(|n| (at(original, n) - at(decoded, n)) * window[n]);
            let (signal_bands, noise) = (bands(&signal), bands(&error));
            if 10.0 * signal_bands.iter().sum::<f64>().log10() < QUIET_DB {
                continue;
            }
            let mask = mask(&signal, &signal_bands, &quiet);
            let ratios: Vec<f64> = noise.iter().zip(mask).map(|(n, mask)| n / mask).collect();
            total += ratios.iter().sum::<f64>() / BANDS as f64;
            pieces += 1;
            let limit = 10_f64.powf(DISTURBED_DB / 10.0);
            disturbed += u32::from(ratios.iter().any(|ratio| *ratio > limit));
        }
    }
    let pieces = f64::from(pieces.max(1));
    Heard { nmr_db: 10.0 * (total / pieces).log10(), share: f64::from(disturbed) / pieces }
}

/// Critical-band rate in Bark: Zwicker and Terhardt (1980).
fn bark(hz: f64) -> f64 {
    13.0 * (0.000_76 * hz).atan() + 3.5 * (hz / 7500.0).powi(2).atan()
}

/// Power in each critical band; a sine at full scale is 1.
fn bands(power: &[f64]) -> [f64; BANDS] {
    let mut bands = [0.0; BANDS];
    for (bin, power) in power.iter().enumerate() {
        let band = bark(bin as f64 * RATE / LENGTH as f64) as usize;
        bands[band.min(BANDS - 1)] += power;
    }
    bands
}

/// The power in each critical band up to which noise is not heard beside the signal.
fn mask(power: &[f64], signal: &[f64; BANDS], quiet: &[f64; BANDS]) -> [f64; BANDS] {
    let tonality = tonality(power);
    std::array::from_fn(|band| {
        // Spreading over the bands: Schroeder, Atal and Hall (1979), made to keep the power.
        let spread = |from: usize| {
            let apart = band as f64 - from as f64 + 0.474;
            10_f64.powf((15.81 + 7.5 * apart - 17.5 * apart.hypot(1.0)) / 10.0)
        };
        let spread_signal: f64 = (0..BANDS).map(|from| signal[from] * spread(from)).sum();
        let gain: f64 = (0..BANDS).map(spread).sum();
        let offset_db = tonality * (14.5 + band as f64) + (1.0 - tonality) * 5.5;
        let masked = spread_signal / gain * 10_f64.powf(-offset_db / 10.0);
        masked.max(quiet[band])
    })
}

/// 1 for a tone, 0 for noise: spectral flatness, of which −60 dB is a tone (Johnston).
fn tonality(power: &[f64]) -> f64 {
    let count = power.len() as f64;
    let logarithms: f64 = power.iter().map(|power| (power + 1e-20).log10()).sum();
    let mean = power.iter().sum::<f64>() / count + 1e-20;
    ((logarithms / count - mean.log10()) * 10.0 / -60.0).clamp(0.0, 1.0)
}

/// The threshold in quiet, in the middle of a band: Terhardt (1979).
fn quiet(band: usize) -> f64 {
    // The highest band's middle would lie beyond what is sampled.
    let middle = (1..24_000).map(f64::from).find(|hz| bark(*hz) >= band as f64 + 0.5);
    let khz = middle.unwrap_or(20_000.0) / 1000.0;
    let db = 3.64 * khz.powf(-0.8) - 6.5 * (-0.6 * (khz - 3.3).powi(2)).exp() + 1e-3 * khz.powi(4);
    10_f64.powf((db - FULL_SCALE_DB_SPL) / 10.0)
}

/// Power of each frequency of [`LENGTH`] windowed samples; a sine at full scale is 1 in all.
fn spectrum(sample: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut values: Vec<(f64, f64)> = (0..LENGTH).map(|n| (sample(n), 0.0)).collect();
    transform(&mut values);
    // Hann's window spreads a sine over three frequencies: 1 + ¼ + ¼ of (length ÷ 4)².
    let full = 1.5 * (LENGTH as f64 / 4.0).powi(2);
    values[..LENGTH / 2].iter().map(|(re, im)| (re * re + im * im) / full).collect()
}

/// The fast Fourier transform in place: Cooley and Tukey (1965), decimation in time.
fn transform(values: &mut [(f64, f64)]) {
    let bits = values.len().trailing_zeros();
    for n in 0..values.len() {
        let mirrored = n.reverse_bits() >> (usize::BITS - bits);
        if n < mirrored {
            values.swap(n, mirrored);
        }
    }
    let mut half = 1;
    while half < values.len() {
        let turn: Vec<(f64, f64)> =
            (0..half).map(|n| (-PI * n as f64 / half as f64).sin_cos()).collect();
        for pair in values.chunks_exact_mut(half * 2) {
            let (low, high) = pair.split_at_mut(half);
            for ((low, high), (sin, cos)) in low.iter_mut().zip(high).zip(&turn) {
                let turned = (high.0 * cos - high.1 * sin, high.0 * sin + high.1 * cos);
                *high = (low.0 - turned.0, low.1 - turned.1);
                *low = (low.0 + turned.0, low.1 + turned.1);
            }
        }
        half *= 2;
    }
}
