//! Turns films down while somebody speaks.

use crate::format::Format;

/// How long the whole way down takes: most of a tenth of a second, so that the first syllable is
/// heard and nothing clicks.
const DOWN_S: f64 = 0.08;

/// Pauses between words are shorter than this.
const HOLD_S: f64 = 0.25;

/// How long the whole way back takes: slow enough not to be heard as pumping.
const BACK_S: f64 = 0.45;

/// A depth below this still takes the steps of this one, in dB.
const LEAST_DB: f32 = 6.0;

/// The gain of films, for one pair of ears. It moves evenly in dB.
#[derive(Debug, Clone)]
pub(super) struct Duck {
    rate: f64,
    depth_db: f32,
    gain: f64,
    /// The gain while somebody speaks.
    low: f64,
    /// What the gain is multiplied by in a frame on the way down, and back.
    down: f64,
    up: f64,
    hold_left: usize,
}

impl Duck {
    /// Films step back by nothing.
    pub(super) fn new(format: Format) -> Self {
        let rate = f64::from(format.sample_rate.max(1));
        let mut duck =
            Self { rate, depth_db: 0.0, gain: 1.0, low: 1.0, down: 1.0, up: 1.0, hold_left: 0 };
        duck.set_db(0.0);
        duck
    }

    /// Films step back by `db`, 0 or more.
    pub(super) fn set_db(&mut self, db: f32) {
        let step = |seconds: f64| {
            10_f64.powf(f64::from(db.max(LEAST_DB)) / 20.0 / (seconds * self.rate).max(1.0))
        };
        (self.down, self.up) = (1.0 / step(DOWN_S), step(BACK_S));
        self.low = 10_f64.powf(-f64::from(db) / 20.0);
        self.depth_db = db;
    }

    pub(super) fn db(&self) -> f32 {
        self.depth_db
    }

    /// Multiplies `frames` of interleaved `film`, `channels` a frame, by the gain, and moves it on.
    pub(super) fn apply(&mut self, film: &mut [f64], channels: usize, is_speaking: bool) {
        if is_speaking {
            self.hold_left = (HOLD_S * self.rate) as usize;
        }
        let is_resting = |gain: f64| !is_speaking && gain == 1.0;
        if is_resting(self.gain) {
            self.hold_left = 0;
            return;
        }
        for frame in film.chunks_exact_mut(channels) {
            let target = if is_speaking || self.hold_left > 0 { self.low } else { 1.0 };
            if !is_speaking {
                self.hold_left = self.hold_left.saturating_sub(1);
            }
            self.gain = if self.gain > target {
                (self.gain * self.down).max(target)
            } else {
                (self.gain * self.up).min(target)
            };
            frame.iter_mut().for_each(|sample| *sample *= self.gain);
        }
    }
}
