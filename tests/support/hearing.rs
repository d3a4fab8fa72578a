//! Whether anything is heard in a room.

use super::recorder::Recorder;
use super::room::{RATE, Sink};

/// How much of the latest sound says whether anything is heard, and how loud a sample must be.
const LATEST_S: f64 = 0.4;
const AUDIBLE: f32 = 0.003;

impl Recorder {
    /// When `sink` was first and last heard between two seconds of the recording, if it was.
    pub(crate) fn heard(&self, sink: Sink, from: f64, to: f64) -> Option<(f64, f64)> {
        let played = self.played(sink, from).left;
        let frames = ((to - from) * f64::from(RATE)) as usize;
        let within = &played[..frames.min(played.len())];
        let is_heard = |sample: &f32| sample.abs() > AUDIBLE;
        let at = |frame: usize| from + frame as f64 / f64::from(RATE);
        Some((at(within.iter().position(is_heard)?), at(within.iter().rposition(is_heard)?)))
    }

    /// Whether `sink` has been playing sound, and nothing but sound, for the last tenths of a
    /// second.
    pub(crate) fn hears(&self, sink: Sink) -> bool {
        let seconds = self.seconds();
        let latest = self.played(sink, seconds - LATEST_S);
        let pieces = latest.left.chunks_exact(RATE as usize / 50);
        seconds > LATEST_S
            && pieces.len() > 0
            && pieces.clone().all(|piece| piece.iter().any(|sample| sample.abs() > AUDIBLE))
    }

    /// Whether `sink` has been silent for the last tenths of a second.
    pub(crate) fn hears_nothing(&self, sink: Sink) -> bool {
        let seconds = self.seconds();
        let latest = self.played(sink, seconds - LATEST_S);
        seconds > LATEST_S && latest.left.iter().all(|sample| sample.abs() < AUDIBLE)
    }
}
