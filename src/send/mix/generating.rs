//! A source without a card that is the first one: gives what is due by the clock.

use super::read_ahead::ReadAhead;
use crate::capture::chunk::Chunker;
use crate::format::Format;
use crate::stats;

/// What no card gives never makes up for more than this at once: after a stall its sound goes on where
/// it was, later.
pub(super) const LONGEST_CATCH_UP_US: u64 = 500_000;

/// A source that is read ahead.
pub(super) struct Generating {
    ahead: ReadAhead,
    format: Format,
    start_us: u64,
    made: u64,
    scratch: Vec<f32>,
    is_playing: bool,
}

impl Generating {
    /// Sound of `ahead`, in `format`, the first frame of which belongs to `start_us`.
    pub(super) fn new(ahead: ReadAhead, format: Format, start_us: u64) -> Self {
        Self { ahead, format, start_us, made: 0, scratch: Vec::new(), is_playing: false }
    }

    /// Whether there was sound when it was last due.
    pub(super) fn is_playing(&self) -> bool {
        self.is_playing
    }

    /// Gives what is due at `now_us`. `false` when the sound has ended.
    pub(super) fn feed(
        &mut self,
        chunker: &mut Chunker,
        now_us: u64,
        counters: &stats::Capture,
    ) -> bool {
        let format = self.format;
        let elapsed = now_us.saturating_sub(self.start_us) as f64;
        let due = (elapsed * f64::from(format.sample_rate) / 1e6) as u64;
        let most = format.frames_in_ms(LONGEST_CATCH_UP_US as f64 / 1e3) as u64;
        let mut missing = due.saturating_sub(self.made);
        if missing > most {
            self.start_us += format.micros(missing - most) as u64;
            missing = most;
        }
        if missing == 0 {
            return true;
        }
        self.scratch.clear();
        self.scratch.resize(format.samples(missing as usize), 0.0);
        let count = self.ahead.read(&mut self.scratch);
        let has_ended = self.ahead.has_ended();
        self.is_playing = count > 0;
        // What was not read in time is silence, and is heard later.
        let samples = &self.scratch[..if has_ended { count } else { self.scratch.len() }];
        let at_us = self.start_us + format.micros(self.made) as u64;
        chunker.stamp(self.made, 0, at_us, at_us);
        chunker.samples(samples);
        let frames = format.frames(samples.len()) as u64;
        counters.peak.note(samples);
        counters.frames.add(frames);
        self.made += frames;
        !has_ended
    }
}
