//! Whether a talker's sound can be heard at all: silence that somebody sends is no speech. Pure.

use crate::format::Format;

/// Softer than this nobody speaks: −60 dBFS. What a client takes for a voice is louder than −65.
const SOFTEST: f32 = 0.001;

/// Sound has to be louder for so long before it counts, in ms: a click does not. Who waits for a voice
/// before sending sends as much of what was before, and so counts at once.
const COUNTS_AFTER_MS: f64 = 50.0;

/// Sound counts as speech until it has been softer for so long, in ms: words have gaps.
const ENDS_AFTER_MS: f64 = 200.0;

/// Sound is looked at in pieces of this length, in ms.
const PIECE_MS: f64 = 5.0;

/// What a talker's sound was like of late.
#[derive(Debug)]
pub(super) struct Audible {
    piece: usize,
    /// Samples: so much was loud since it was silent, and so much has been soft since it was loud.
    loud: usize,
    soft: usize,
    counts_after: usize,
    ends_after: usize,
}

impl Audible {
    /// Makes a judge of interleaved sound in that format.
    pub(super) fn new(format: Format) -> Self {
        let samples = |ms: f64| format.samples(format.frames_in_ms(ms).max(1));
        Self {
            piece: samples(PIECE_MS),
            loud: 0,
            soft: 0,
            counts_after: samples(COUNTS_AFTER_MS),
            ends_after: samples(ENDS_AFTER_MS),
        }
    }

    /// A silence was before what comes next.
    pub(super) fn begin(&mut self) {
        (self.loud, self.soft) = (0, 0);
    }

    /// Takes the next samples.
    pub(super) fn hear(&mut self, samples: &[f32]) {
        for piece in samples.chunks(self.piece) {
            if piece.iter().any(|sample| sample.abs() > SOFTEST) {
                self.loud = self.loud.saturating_add(piece.len());
                self.soft = 0;
            } else {
                self.soft = self.soft.saturating_add(piece.len());
                if self.soft >= self.ends_after {
                    self.loud = 0;
                }
            }
        }
    }

    /// Whether what was heard last counts as speech.
    pub(super) fn is_speech(&self) -> bool {
        self.loud >= self.counts_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONO: Format = Format { sample_rate: 48_000, channels: 1 };

    /// What counts after so many ms of each of these levels.
    fn after(parts: &[(usize, f32)]) -> bool {
        let mut audible = Audible::new(MONO);
        for (ms, level) in parts {
            for _ in 0..*ms {
                let wave: Vec<f32> = (0..48).map(|n| level * (n as f32 * 0.3).sin()).collect();
                audible.hear(&wave);
            }
        }
        audible.is_speech()
    }

    #[test]
    fn silence_noise_below_hearing_and_clicks_are_no_speech() {
        assert!(!after(&[(5_000, 0.0)]));
        assert!(!after(&[(5_000, 0.0009)]));
        assert!(!after(&[(40, 0.9), (1_000, 0.0), (40, 0.9)]));
    }

    #[test]
    fn what_is_loud_for_fifty_ms_is_speech_until_it_has_been_soft_for_a_while() {
        assert!(!after(&[(49, 0.01)]));
        assert!(after(&[(50, 0.01)]));
        assert!(after(&[(50, 0.01), (199, 0.0)]));
        assert!(!after(&[(50, 0.01), (200, 0.0)]));
    }
}
