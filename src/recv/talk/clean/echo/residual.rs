//! What the adaptive filter leaves of an echo, made softer: band by band, as far as what is left
//! looks like a share of what was computed.
//!
//! The share is the least that each band has had of late, since whoever speaks leaves gaps between
//! sounds, and a room's echo does not. Bands in which a voice stands out of that are left alone.

use super::filter::Filter;
use crate::recv::talk::clean::shape::{BANDS, Shape, in_bands};

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

/// Taps of the filter that makes an echo softer, and how long it delays, in frames: 1 ms.
const TAPS: usize = 97;
pub(crate) const DELAY: usize = Shape::<TAPS>::DELAY;

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
    share: [f32; BANDS],
    echo: [f32; BANDS],
    gains: [f32; BANDS],
    /// Chunks for which a voice is reckoned with.
    voice: u32,
    shape: Shape<TAPS>,
}

impl Residual {
    /// Expects as much echo to be left as was computed, until it has heard less.
    #[must_use]
    pub(crate) fn new() -> Self {
        Self {
            share: [1.0; BANDS],
            echo: [0.0; BANDS],
            gains: [1.0; BANDS],
            voice: 0,
            shape: Shape::new(),
        }
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
        self.shape.apply(samples, &self.gains);
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
}
