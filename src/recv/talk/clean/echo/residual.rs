//! What the adaptive filter leaves of an echo, made softer: band by band, as far as what is left
//! looks like a share of what was computed.
//!
//! The share is the least that each band has had of late, since whoever speaks leaves gaps between
//! sounds, and a room's echo does not. Bands in which a voice stands out of that are left alone.

use super::filter::Filter;
use super::spectrum::{BINS, CHUNK, Fourier, Spectrum};

/// Borders of the bands, in bins of 50 Hz: as wide as an ear hears them.
const BORDERS: [usize; 25] = [
    0, 3, 6, 9, 12, 15, 18, 22, 26, 31, 36, 42, 49, 57, 67, 79, 93, 110, 131, 155, 190, 235, 290,
    360, BINS,
];
const BANDS: usize = BORDERS.len() - 1;

/// The share sinks to what is seen by so much of the way with each chunk.
const SINKS: f32 = 0.1;
/// It rises by so much with each chunk: 2.6 dB per second, so that two seconds of a voice without any gap
/// do little, and a door that opens is followed.
const RISES: f32 = 1.006;
/// No filter leaves more than there was.
const MOST_SHARE: f32 = 2.0;
/// What is seen scatters about the share: this many times it may still be echo, while somebody speaks
/// and while nobody does.
const SCATTER: Wary = Wary { with_voice: 4.0, alone: 10.0 };
/// What is more than this many times the share stands out of it.
const STANDS_OUT: f32 = 20.0;
/// So much of what the filter itself is in doubt of may be left.
const DOUBT: Wary = Wary { with_voice: 0.0, alone: 3.0 };
/// Somebody speaks where so many bands stand out of what the echo's scatter explains, and for so many
/// chunks after it: within words there are softer ones.
const VOICE_BANDS: usize = 8;
const VOICE_LASTS: u32 = 15;
/// An echo that is heard no more rings on: of the power of a chunk, so much is left in the next.
const RINGS: f32 = 0.7;
/// How far a band is made softer, in amplitude: 26 dB.
const SOFTEST: f32 = 0.05;
/// Gains rise by so much of the way with each chunk: a word's first sound opens them in one, and an
/// echo's own scatter does not make them flutter.
const OPENS: f32 = 0.8;
/// Taps of the filter that the gains are made to, and how long it delays, in frames.
const TAPS: usize = 97;
/// How long what goes through is delayed, in frames: 1 ms.
pub(crate) const DELAY: usize = TAPS / 2;

/// A measure of caution.
struct Wary {
    with_voice: f32,
    alone: f32,
}

impl Wary {
    fn now(&self, is_voice: bool) -> f32 {
        if is_voice { self.with_voice } else { self.alone }
    }
}

/// Makes a remaining echo softer.
pub(crate) struct Residual {
    fourier: Fourier,
    share: [f32; BANDS],
    echo: [f32; BANDS],
    gains: [f32; BANDS],
    /// Chunks for which a voice is reckoned with.
    voice: u32,
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

impl Residual {
    /// Expects as much echo to be left as was computed, until it has heard less.
    #[must_use]
    pub(crate) fn new() -> Self {
        let mut residual = Self {
            fourier: Fourier::new(),
            share: [1.0; BANDS],
            echo: [0.0; BANDS],
            gains: [1.0; BANDS],
            voice: 0,
            bins: (0..BINS).map(Bin::new).collect(),
            taper: (0..TAPS).map(taper).collect(),
            response: Spectrum::default(),
            before: vec![0.0; CHUNK],
            input: Spectrum::default(),
            product: Spectrum::default(),
            window: vec![0.0; 2 * CHUNK],
            out: vec![0.0; CHUNK],
        };
        residual.make_response();
        residual
    }

    /// The filter begins anew: it is expected to leave all of the echo, until less was heard.
    pub(crate) fn doubt_everything(&mut self) {
        self.share = [1.0; BANDS];
    }

    /// Whether somebody speaks, or did a moment ago, where anything is played.
    pub(crate) fn hears_voice(&self) -> bool {
        self.voice > 0
    }

    /// Takes a chunk from which `seen` has just taken what it could; `None` where nothing was played.
    /// The samples come out [`DELAY`] frames later.
    pub(crate) fn soften(&mut self, samples: &mut [f32], seen: Option<&Filter>) {
        match seen {
            Some(filter) => self.look(filter),
            None => {
                self.echo.fill(0.0);
                self.gains.iter_mut().for_each(|gain| *gain += (1.0 - *gain) * OPENS);
            }
        }
        self.window[..CHUNK].copy_from_slice(&self.before);
        self.window[CHUNK..].copy_from_slice(samples);
        self.before.copy_from_slice(samples);
        self.fourier.forward(&mut self.window, &mut self.input);
        // The old gains fade into the new ones.
        self.filtered();
        self.out.copy_from_slice(&self.window[CHUNK..]);
        self.make_response();
        self.filtered();
        for (at, (sample, old)) in samples.iter_mut().zip(&self.out).enumerate() {
            let share = at as f32 / CHUNK as f32;
            *sample = old + (self.window[CHUNK + at] - old) * share;
        }
    }

    fn look(&mut self, filter: &Filter) {
        let (left, echo) = (in_bands(filter.left()), in_bands(filter.echo()));
        let doubt = in_bands(filter.doubt());
        let mut standing_out = 0;
        for band in 0..BANDS {
            let (ringing, share) = (&mut self.echo[band], &mut self.share[band]);
            *ringing = echo[band].max(*ringing * RINGS);
            let seen = left[band] / (*ringing + 1e-12);
            *share = if seen < *share { *share + (seen - *share) * SINKS } else { *share * RISES };
            *share = share.clamp(1e-6, MOST_SHARE);
            let explained = (STANDS_OUT * *share * *ringing).max(DOUBT.alone * doubt[band]);
            standing_out += usize::from(left[band] > explained);
        }
        self.voice = match standing_out {
            VOICE_BANDS.. => VOICE_LASTS,
            _ => self.voice.saturating_sub(1),
        };
        let (scatter, in_doubt) = (SCATTER.now(self.voice > 0), DOUBT.now(self.voice > 0));
        for band in 0..BANDS {
            let of_echo = scatter * self.share[band] * self.echo[band];
            let may_be_echo = of_echo.max(in_doubt * doubt[band]);
            let wanted = (1.0 - may_be_echo / (left[band] + 1e-12)).max(0.0).sqrt().max(SOFTEST);
            let gain = &mut self.gains[band];
            *gain = if wanted > *gain { *gain + (wanted - *gain) * OPENS } else { wanted };
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
    fn filtered(&mut self) {
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

fn in_bands(powers: impl Iterator<Item = f32>) -> [f32; BANDS] {
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
