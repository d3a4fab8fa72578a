//! An output that a program plays on by itself: it asks for sound, and says when that is heard.

use std::sync::Arc;

use super::play::Plugged;
use super::speaker::{self, Speaker};
use crate::clock::Clock;
use crate::format::Format;
use crate::stats;

/// Sound on its way from the playing thread to the program, at most, in ms: the longest lead and the largest
/// number of frames that is expected to be asked for at once.
const RING_MS: f64 = 500.0;

/// Frames that are asked for at once, in ms, until it is seen how many they are.
const PERIOD_MS: f64 = 10.0;

/// The playing thread's side of it.
pub(crate) struct Pulled {
    pub(super) plugged: Plugged,
    /// The clock by which the program is told when to play.
    pub(super) clock: Clock,
    pub(super) counters: Arc<stats::Playback>,
}

impl Pulled {
    /// Both sides of an output in `format`.
    pub(crate) fn new(format: Format, clock: Clock) -> (Self, Speaker) {
        let counters: Arc<stats::Playback> = Arc::default();
        let frames = format.frames_in_ms(RING_MS);
        let (speaker, feed) = speaker::ring(format, frames, Arc::clone(&counters));
        let plugged = Plugged { feed, format, period: format.frames_in_ms(PERIOD_MS) };
        (Self { plugged, clock, counters }, speaker)
    }
}
