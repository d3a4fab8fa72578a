//! The echo as far as it can be computed: an adaptive filter from what the output plays to what of it
//! the microphone hears.
//!
//! A Kalman filter in the frequency domain, cut into partitions of one chunk each (G. Enzner and
//! P. Vary, “Frequency-domain adaptive Kalman filter for acoustic echo control”, Signal Processing
//! 86, 2006; in partitions: F. Kuech, E. Mabande, G. Enzner, “State-space architecture of the
//! partitioned-block-based acoustic echo controller”, ICASSP 2014). How far each coefficient is still
//! in doubt decides how far a new chunk moves it, and somebody who speaks is noise that moves
//! nothing: so it needs no detector of double talk, and takes nothing from a voice.

use crate::recv::talk::clean::spectrum::{BINS, CHUNK, Fourier, Spectrum};

/// How long the room is heard to answer, in chunks of 10 ms: after 160 ms an ordinary room is 40 dB
/// softer.
pub(crate) const PARTITIONS: usize = 16;

/// What the output has at most: more channels are mixed down to two.
pub(crate) const CHANNELS: usize = 2;

/// How much of a coefficient is still itself a chunk later: rooms change as people move. 0.9995 forgets
/// within 10 s.
const STAYS: f32 = 0.9995;

/// How much less each partition is expected to hold than the one before it, in power: 3 dB per
/// 10 ms is a reverberation time of 0.2 s.
const FADES: f32 = 0.5;

/// Of a chunk's squared spectrum, what is smoothed in with each new one.
const SMOOTHING: f32 = 0.3;

/// Partitions that are held to their length with each chunk. All have been after a few.
const HELD: usize = 4;

/// Softer than this in the mean square, −90 dBFS, an output plays nothing.
const SILENCE: f32 = 1e-9;

/// One partition of one channel: what it is believed to be, and how far that is in doubt.
#[derive(Debug, Clone)]
struct Partition {
    weight: Spectrum,
    doubt: Vec<f32>,
}

/// What was played in one chunk, and its squared magnitude.
#[derive(Debug, Clone)]
struct Far {
    spectrum: Spectrum,
    power: Vec<f32>,
}

/// The adaptive filter.
pub(crate) struct Filter {
    fourier: Fourier,
    /// Channel by channel, newest partition first.
    partitions: Vec<Vec<Partition>>,
    /// Channel by channel, a ring of which [`newest`](Self::newest) is the newest.
    far: Vec<Vec<Far>>,
    newest: usize,
    /// The samples of the chunk before, channel by channel.
    before: Vec<Vec<f32>>,
    /// What else the microphone hears, in power.
    near: Vec<f32>,
    /// Chunks until nothing of what was played is in the ring.
    sounding: usize,
    turn: usize,
    echo: Spectrum,
    error: Spectrum,
    expected: Vec<f32>,
    window: Vec<f32>,
}

impl Filter {
    /// A filter that expects no echo of `channels` channels, 1 or 2.
    #[must_use]
    pub(crate) fn new(channels: usize) -> Self {
        let channels = channels.clamp(1, CHANNELS);
        let far = Far { spectrum: Spectrum::default(), power: vec![0.0; BINS] };
        let partition = |at: usize| Partition {
            weight: Spectrum::default(),
            doubt: vec![FADES.powi(i32::try_from(at).unwrap_or(0)); BINS],
        };
        Self {
            fourier: Fourier::new(),
            partitions: vec![(0..PARTITIONS).map(partition).collect(); channels],
            far: vec![vec![far; PARTITIONS]; channels],
            newest: 0,
            before: vec![vec![0.0; CHUNK]; channels],
            near: vec![0.0; BINS],
            sounding: 0,
            turn: 0,
            echo: Spectrum::default(),
            error: Spectrum::default(),
            expected: vec![0.0; BINS],
            window: vec![0.0; 2 * CHUNK],
        }
    }

    /// Takes out of `heard`, a chunk of a microphone's samples, what is computed of the echo of
    /// `played`, the same chunk channel by channel. Whether there may be any.
    pub(crate) fn cancel(&mut self, heard: &mut [f32], played: &[Vec<f32>]) -> bool {
        self.take_far(played);
        if self.sounding == 0 {
            return false;
        }
        self.estimate();
        self.fourier.inverse(&self.echo, &mut self.window);
        for (sample, echo) in heard.iter_mut().zip(self.window.iter().skip(CHUNK)) {
            *sample -= echo;
        }
        self.window[..CHUNK].fill(0.0);
        self.window[CHUNK..].copy_from_slice(heard);
        self.fourier.forward(&mut self.window, &mut self.error);
        self.adapt();
        self.hold();
        true
    }

    /// What of the echo the last chunk was computed to hold, in squared magnitude, bin by bin.
    pub(crate) fn echo(&self) -> impl Iterator<Item = f32> {
        self.echo.powers()
    }

    /// How much of the last chunk's echo may be left, as far as the coefficients are in doubt, in squared
    /// magnitude, bin by bin.
    pub(crate) fn doubt(&self) -> impl Iterator<Item = f32> {
        self.expected.iter().copied()
    }

    /// What was left of the last chunk, in squared magnitude, bin by bin.
    pub(crate) fn left(&self) -> impl Iterator<Item = f32> {
        self.error.powers()
    }

    fn take_far(&mut self, played: &[Vec<f32>]) {
        self.newest = (self.newest + PARTITIONS - 1) % PARTITIONS;
        let mut is_loud = false;
        for ((ring, before), played) in self.far.iter_mut().zip(&mut self.before).zip(played) {
            self.window[..CHUNK].copy_from_slice(before);
            self.window[CHUNK..].copy_from_slice(played);
            before.copy_from_slice(played);
            let square: f32 = played.iter().map(|sample| sample * sample).sum();
            is_loud |= square > SILENCE * CHUNK as f32;
            let newest = &mut ring[self.newest];
            self.fourier.forward(&mut self.window, &mut newest.spectrum);
            for (power, now) in newest.power.iter_mut().zip(newest.spectrum.powers()) {
                *power = now;
            }
        }
        self.sounding = if is_loud { PARTITIONS + 1 } else { self.sounding.saturating_sub(1) };
    }

    /// Computes the echo, and how far that may be wrong.
    fn estimate(&mut self) {
        self.echo.clear();
        self.expected.fill(0.0);
        for (partitions, ring) in self.partitions.iter().zip(&self.far) {
            for (at, partition) in partitions.iter().enumerate() {
                let far = &ring[(self.newest + at) % PARTITIONS];
                self.echo.add_product(&far.spectrum, &partition.weight);
                let doubts = partition.doubt.iter().zip(&far.power);
                for (expected, (doubt, power)) in self.expected.iter_mut().zip(doubts) {
                    *expected += doubt * power;
                }
            }
        }
    }

    /// Moves the coefficients by what is left.
    fn adapt(&mut self) {
        // Of a window that is half empty only half of the power is there.
        const HALF: f32 = 0.5;
        const LEAST: f32 = 1e-9;
        let left = self.error.powers().zip(&self.expected);
        for (near, (left, expected)) in self.near.iter_mut().zip(left) {
            let now = (left - HALF * expected).max(0.1 * left);
            *near += (now - *near) * SMOOTHING;
        }
        let gain = &mut self.window[..BINS];
        for (gain, (expected, near)) in gain.iter_mut().zip(self.expected.iter().zip(&self.near)) {
            *gain = 1.0 / (HALF * expected + near + LEAST);
        }
        let (stays, goes) = (STAYS * STAYS, 1.0 - STAYS * STAYS);
        for (partitions, ring) in self.partitions.iter_mut().zip(&self.far) {
            for (at, partition) in partitions.iter_mut().enumerate() {
                let far = &ring[(self.newest + at) % PARTITIONS];
                let Partition { weight, doubt } = partition;
                weight.adapt(&far.spectrum, &self.error, gain, doubt);
                let sizes = weight.re.iter().zip(&weight.im);
                let rest = far.power.iter().zip(gain.iter()).zip(sizes);
                for (doubt, ((power, gain), (re, im))) in doubt.iter_mut().zip(rest) {
                    let sure = (HALF * *doubt * gain * power).min(1.0);
                    *doubt = stays * (1.0 - sure) * *doubt + goes * (re * re + im * im) + 1e-12;
                }
            }
        }
    }

    /// Holds some partitions to the length of a chunk: what lies behind belongs to the next one.
    fn hold(&mut self) {
        let channels = self.partitions.len();
        for _ in 0..HELD {
            self.turn = (self.turn + 1) % (channels * PARTITIONS);
            let partition = &mut self.partitions[self.turn % channels][self.turn / channels];
            self.fourier.inverse(&partition.weight, &mut self.window);
            self.window[CHUNK..].fill(0.0);
            self.fourier.forward(&mut self.window, &mut partition.weight);
        }
    }
}
