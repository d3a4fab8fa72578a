//! Sample-rate conversion with a ratio that can be nudged: windowed sinc, through `rubato`.

mod counter;
mod whole;

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable, Async, FixedAsync, Resampler as _, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use crate::error::{Error, Result};
use counter::Counter;
pub use whole::WholeConverter;

/// Taps of the sinc. 128 with quadratic interpolation measured 134 dB SINAD up to 19 kHz at a
/// quarter of a percent of a core; half as many taps lose 40 dB there.
const TAPS: usize = 128;

/// The ratio may be corrected by this much, relatively. Drift needs a tenth of it.
const MAX_CORRECTION: f64 = 0.005;

/// Converts blocks of interleaved frames between two rates. Allocates only in [`new`](Self::new).
pub struct RateConverter {
    filter: Filter,
    ratio: f64,
    channels: usize,
    output: Vec<f32>,
}

/// What becomes of the samples.
enum Filter {
    Sinc(Box<Async<f32>>),
    Counter(Counter),
}

impl RateConverter {
    /// A converter that makes `block` frames at a time.
    ///
    /// # Errors
    /// [`Error::Internal`] if the rates are beyond what the library converts.
    pub fn new(from_rate: u32, to_rate: u32, channels: u16, block: usize) -> Result<Self> {
        let ratio = f64::from(to_rate) / f64::from(from_rate);
        let parameters = SincInterpolationParameters::new(TAPS, WindowFunction::BlackmanHarris2)
            .interpolation(SincInterpolationType::Quadratic);
        let channels = usize::from(channels);
        let largest = 1.0 + 2.0 * MAX_CORRECTION;
        let inner =
            Async::new_sinc(ratio, largest, &parameters, block, channels, FixedAsync::Output)
                .map_err(|e| {
                    Error::internal(format!("cannot convert {from_rate} Hz to {to_rate} Hz"), e)
                })?;
        let filter = Filter::Sinc(Box::new(inner));
        Ok(Self { filter, ratio, channels, output: vec![0.0; block * channels] })
    }

    /// A converter that takes and gives as many frames as the real one, all of them silent: for
    /// simulations of hours.
    #[doc(hidden)]
    #[must_use]
    pub fn counting(from_rate: u32, to_rate: u32, channels: u16, block: usize) -> Self {
        let ratio = f64::from(to_rate) / f64::from(from_rate);
        let channels = usize::from(channels);
        let filter = Filter::Counter(Counter::new(ratio, TAPS, block));
        Self { filter, ratio, channels, output: vec![0.0; block * channels] }
    }

    /// Makes frames last `1 + correction` times as long (positive: plays slower), from the next
    /// block on, gliding there within it.
    pub fn stretch(&mut self, correction: f64) {
        let correction = if correction.is_finite() { correction } else { 0.0 };
        let relative = 1.0 + correction.clamp(-MAX_CORRECTION, MAX_CORRECTION);
        match &mut self.filter {
            // Within bounds by the clamp.
            Filter::Sinc(inner) => drop(inner.set_resample_ratio_relative(relative, true)),
            Filter::Counter(counter) => counter.stretch(relative),
        }
    }

    /// Forgets all sound and every stretch, as if it were new. Costs next to nothing, where a new one
    /// computes a table for a millisecond or two.
    pub fn reset(&mut self) {
        let block = self.output.len() / self.channels;
        match &mut self.filter {
            Filter::Sinc(inner) => inner.reset(),
            Filter::Counter(counter) => *counter = Counter::new(self.ratio, TAPS, block),
        }
        self.output.fill(0.0);
    }

    /// Frames that the next block needs; ask before every block.
    #[must_use]
    pub fn needed(&self) -> usize {
        match &self.filter {
            Filter::Sinc(inner) => inner.input_frames_next(),
            Filter::Counter(counter) => counter.needed(),
        }
    }

    /// Frames out per frame in, when nothing is stretched.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.ratio
    }

    /// Frames of output by which a sample comes out later than it went in: half the taps, less
    /// the one frame that the library is ahead of its own figure (measured, at every ratio).
    #[must_use]
    pub fn delay(&self) -> f64 {
        (TAPS / 2) as f64 * self.ratio - 1.0
    }

    /// Converts exactly [`needed`](Self::needed) frames into one block of interleaved frames.
    /// With any other number of frames the block is silent.
    pub fn block(&mut self, input: &[f32]) -> &[f32] {
        let frames = self.output.len() / self.channels;
        let needed = self.needed();
        let inner = match &mut self.filter {
            Filter::Sinc(inner) => inner,
            Filter::Counter(counter) => {
                counter.take_block();
                return &self.output;
            }
        };
        let converted = InterleavedSlice::new(input, self.channels, needed).ok().and_then(|from| {
            let mut to = InterleavedSlice::new_mut(&mut self.output, self.channels, frames).ok()?;
            inner.process_into_buffer(&from, &mut to, None).ok()
        });
        if converted.is_none() {
            self.output.fill(0.0);
        }
        &self.output
    }
}

impl std::fmt::Debug for RateConverter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RateConverter").field("channels", &self.channels).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_comes_out_as_the_same_sine_at_the_stated_delay() {
        for (from, to) in [(48_000, 48_000), (44_100, 48_000), (96_000, 48_000), (48_000, 40_000)] {
            let mut converter = RateConverter::new(from, to, 1, 64).unwrap();
            let sine = |frame: f64, rate: u32| {
                (frame / f64::from(rate) * 440.0 * std::f64::consts::TAU).sin()
            };
            let delay = converter.delay();
            let (mut read, mut made) = (0_u32, 0_u32);
            for _ in 0..100 {
                let input: Vec<f32> = (0..converter.needed())
                    .map(|i| sine(f64::from(read) + i as f64, from) as f32)
                    .collect();
                read += input.len() as u32;
                for sample in converter.block(&input) {
                    let error = f64::from(*sample) - sine(f64::from(made) - delay, to);
                    assert!(made < 400 || error.abs() < 1e-3, "{from}→{to}: {error}");
                    made += 1;
                }
            }
        }
    }

    #[test]
    fn a_converter_that_was_reset_gives_what_a_new_one_gives() {
        let mut fresh = RateConverter::new(44_100, 48_000, 1, 64).unwrap();
        let mut used = RateConverter::new(44_100, 48_000, 1, 64).unwrap();
        for n in 0..50 {
            used.stretch(0.001 * f64::from(n % 5));
            let needed = used.needed();
            used.block(&vec![0.7; needed]);
        }
        used.reset();
        for n in 0..50_u32 {
            assert_eq!(used.needed(), fresh.needed());
            let input: Vec<f32> =
                (0..fresh.needed()).map(|i| (i as f32 + n as f32).sin()).collect();
            assert_eq!(used.block(&input), fresh.block(&input));
        }
    }

    #[test]
    fn a_stretch_changes_how_much_a_block_needs() {
        let mut converter = RateConverter::new(48_000, 48_000, 2, 64).unwrap();
        converter.stretch(0.004);
        let mut read = 0;
        for _ in 0..1000 {
            let needed = converter.needed();
            read += needed;
            converter.block(&vec![0.0; needed * 2]);
        }
        let expected = 64_000.0 / 1.004;
        assert!((read as f64 - expected).abs() < 200.0, "{read}");
    }

    #[test]
    fn a_counter_takes_the_frames_that_the_filter_takes() {
        for (from, to) in [(48_000, 48_000), (44_100, 48_000), (96_000, 40_000)] {
            let mut real = RateConverter::new(from, to, 1, 32).unwrap();
            let mut counting = RateConverter::counting(from, to, 1, 32);
            assert_eq!(real.delay(), counting.delay());
            let input = vec![0.0; 4096];
            let (mut taken, mut counted) = (0, 0);
            // A minute, with a ratio that wanders as steering lets it.
            for n in 0..60 * to / 32 {
                let stretch = 700e-6 * (f64::from(n) / 5e3).sin();
                for (converter, sum) in [(&mut real, &mut taken), (&mut counting, &mut counted)] {
                    converter.stretch(stretch);
                    let needed = converter.needed();
                    *sum += needed;
                    assert_eq!(converter.block(&input[..needed]).len(), 32);
                }
                // Rounding may move a frame from one block to the next.
                let apart = i64::try_from(taken).unwrap() - i64::try_from(counted).unwrap();
                assert!(apart.abs() <= 1, "{from}→{to}, block {n}: {taken} and {counted}");
            }
        }
    }

    #[test]
    fn nonsense_is_silence() {
        let mut converter = RateConverter::new(48_000, 48_000, 2, 64).unwrap();
        converter.stretch(f64::NAN);
        assert!(converter.block(&[1.0; 3]).iter().all(|s| *s == 0.0));
    }
}
