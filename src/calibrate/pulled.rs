//! The stream of a listener that plays on nothing, kept with the times at which it is due.

use std::time::{Duration, Instant};

use super::find::Recording;
use crate::clock::Clock;
use crate::format::Format;
use crate::listener::Sound;

/// Sound is asked for in pieces of this length, so long before it is due: what a card would do.
pub(crate) const PIECE: Duration = Duration::from_millis(10);
pub(crate) const AHEAD: Duration = Duration::from_millis(30);

/// The longest that is kept, in seconds: more than any measurement takes.
const LONGEST_S: usize = 60;

/// What a listener is due to play, kept.
pub(crate) struct Stream {
    format: Format,
    begins: Instant,
    samples: Vec<f32>,
    piece: Vec<f32>,
}

impl Stream {
    /// From `begins` on, in one channel or more.
    pub(crate) fn new(format: Format, begins: Instant) -> Self {
        let frames = format.frames_in_ms(PIECE.as_secs_f64() * 1e3);
        Self { format, begins, samples: Vec::new(), piece: vec![0.0; format.samples(frames)] }
    }

    /// Pulls what a card would have asked for by now.
    pub(crate) fn pull(&mut self, sound: &mut Sound) {
        loop {
            let frames = self.format.frames(self.samples.len()) as u64;
            let due = self.begins + Duration::from_secs_f64(self.format.micros(frames) / 1e6);
            // What was missed while this thread could not run is silence in its place.
            if due > Instant::now() + AHEAD {
                return;
            }
            sound.fill(&mut self.piece, due);
            if self.samples.len() >= self.format.samples(self.format.frames_in_ms(1e3) * LONGEST_S)
            {
                // What is this old is of no use any more.
                self.samples.clear();
                self.begins = due;
            }
            self.samples.extend_from_slice(&self.piece);
        }
    }

    /// The first channel, on `clock`.
    pub(crate) fn recording(&self, clock: Clock) -> Recording {
        let channels = usize::from(self.format.channels).max(1);
        Recording {
            samples: self.samples.iter().step_by(channels).copied().collect(),
            rate_hz: self.format.sample_rate,
            first_us: clock.us(self.begins) as f64,
            us_per_frame: self.format.micros(1),
        }
    }
}
