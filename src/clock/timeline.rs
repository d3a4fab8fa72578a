//! When a stream's samples were captured and should be heard.

use super::{CardClock, Offset};

/// The server's positions and capture times, set against *our* clock.
#[derive(Debug, Clone)]
pub struct Timeline {
    captured: CardClock,
    offset: Offset,
    delay_us: f64,
    /// From what capture time on another delay holds, and which.
    next_delay: Option<(f64, f64)>,
}

impl Timeline {
    /// A timeline on which frame `position` was captured at `captured_us` of the server's clock and
    /// is heard `delay_us` later.
    #[must_use]
    pub fn new(rate: u32, position: u64, captured_us: u64, offset: Offset, delay_us: f64) -> Self {
        let mut captured = CardClock::told(rate);
        captured.anchor(position, captured_us);
        Self { captured, offset, delay_us, next_delay: None }
    }

    /// Learns from a frame captured at `captured_us` of the server's clock; `broken` says that
    /// nothing learnt before holds.
    pub fn note(&mut self, position: u64, captured_us: u64, broken: bool) {
        if broken {
            self.captured.anchor(position, captured_us);
        }
        let _ = self.captured.stamp(position, captured_us, captured_us);
    }

    /// Changes what is known of the server's clock.
    pub fn set_offset(&mut self, offset: Offset) {
        self.offset = offset;
    }

    /// Changes how long after its capture a sample is heard, in µs.
    pub fn set_delay_us(&mut self, delay_us: f64) {
        self.delay_us = delay_us;
        self.next_delay = None;
    }

    /// Changes how long after its capture a sample is heard, in µs, from the sample on that was
    /// captured at `from_us` of the server's clock.
    pub fn set_delay_from(&mut self, from_us: u64, delay_us: f64) {
        self.next_delay = Some((from_us as f64, delay_us));
    }

    /// Lets a change of the delay take place, if `position` was captured late enough for it.
    pub fn reach(&mut self, position: f64) {
        if let Some((from_us, delay_us)) = self.next_delay
            && self.captured.time_of(position).is_some_and(|at_us| at_us >= from_us)
        {
            self.set_delay_us(delay_us);
        }
    }

    /// When `position` was captured, in µs of our clock.
    #[must_use]
    pub fn captured_at(&self, position: f64) -> f64 {
        self.heard_at(position) - self.delay_us
    }

    /// The position that should be heard at `at_us` of our clock.
    #[must_use]
    pub fn position_at(&self, at_us: f64) -> f64 {
        self.captured.frame_at(self.offset.server_us(at_us) - self.delay_us).unwrap_or(0.0)
    }

    /// When `position` should be heard, in µs of our clock.
    #[must_use]
    pub fn heard_at(&self, position: f64) -> f64 {
        let server_us = self.captured.time_of(position).unwrap_or(0.0) + self.delay_us;
        self.offset.ours_us(server_us)
    }

    /// How long a frame of the stream really lasts, in µs of the server's clock.
    #[must_use]
    pub fn us_per_frame(&self) -> f64 {
        self.captured.us_per_frame()
    }

    /// How long after its capture a sample is heard, in µs.
    #[must_use]
    pub fn delay_us(&self) -> f64 {
        self.delay_us
    }

    /// How much faster than ours the server's clock runs, as a share.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.offset.rate
    }
}
