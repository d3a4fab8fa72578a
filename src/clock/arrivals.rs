//! The clock of a server that sends no capture times: what arrives first tells.
//!
//! The network only ever delays, so the earliest arrivals of the last seconds, each set against its
//! position, lie closest to the server's clock.

use std::collections::VecDeque;

/// Long enough to hold an undisturbed arrival, short enough to follow 100 ppm of drift within a
/// millisecond.
const WINDOW_US: f64 = 8e6;

/// A frame this much later than its position says was not delayed: the server had paused.
const PAUSE_US: f64 = 500_000.0;

/// Arrivals closer together than this, in µs, add cost, not knowledge: of a second only so many are
/// kept, however many a server sends.
const SPACING_US: f64 = 1_000.0;

/// Arrival times by position.
#[derive(Debug, Clone)]
pub struct Arrivals {
    us_per_frame: f64,
    /// (arrival, how late for its position), lateness rising: a sliding-window minimum.
    earliest: VecDeque<(f64, f64)>,
}

impl Arrivals {
    /// Makes an empty record for a stream of that rate in Hz.
    #[must_use]
    pub fn new(sample_rate: u32) -> Self {
        Self { us_per_frame: 1e6 / f64::from(sample_rate.max(1)), earliest: VecDeque::new() }
    }

    /// Takes a frame's position and arrival time in µs of our clock. Returns when it would have
    /// arrived undelayed, and whether the server had paused before it.
    pub fn arrive(&mut self, position: u64, at_us: u64) -> (u64, bool) {
        let at = at_us as f64;
        let ideal = position as f64 * self.us_per_frame;
        let late = at - ideal;
        let paused = self.earliest.front().is_some_and(|first| late - first.1 > PAUSE_US);
        if paused {
            self.earliest.clear();
        }
        while self.earliest.back().is_some_and(|last| last.1 >= late) {
            self.earliest.pop_back();
        }
        if self.earliest.back().is_none_or(|last| at - last.0 >= SPACING_US) {
            self.earliest.push_back((at, late));
        }
        while self.earliest.front().is_some_and(|first| at - first.0 > WINDOW_US) {
            self.earliest.pop_front();
        }
        let base = self.earliest.front().map_or(late, |first| first.1);
        ((base + ideal).max(0.0) as u64, paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_arrivals_tell_and_late_ones_do_not_disturb() {
        let mut arrivals = Arrivals::new(1000);
        for n in 0..100_u64 {
            let delay = if n % 3 == 0 { 200 } else { 30_000 };
            let (ideal, paused) = arrivals.arrive(n * 10, 1_000_000 + n * 10_000 + delay);
            assert_eq!((ideal, paused), (1_000_200 + n * 10_000, false));
        }
    }

    #[test]
    fn a_drifting_clock_is_followed() {
        let mut arrivals = Arrivals::new(1000);
        let mut error = 0.0;
        for n in 0..6000_u64 {
            let at = 1_000_000.0 + n as f64 * 10_000.0 * 1.0001;
            let (ideal, _) = arrivals.arrive(n * 10, at as u64);
            error = at - ideal as f64;
        }
        assert!(error < 900.0, "{error}");
    }

    #[test]
    fn a_server_that_sends_without_end_is_not_remembered_without_end() {
        let mut arrivals = Arrivals::new(48_000);
        for n in 0..100_000 {
            arrivals.arrive(0, 1_000_000 + n * 4);
        }
        assert!(arrivals.earliest.len() <= 400, "{}", arrivals.earliest.len());
    }

    #[test]
    fn after_a_pause_time_starts_anew() {
        let mut arrivals = Arrivals::new(1000);
        arrivals.arrive(0, 1_000_000);
        assert_eq!(arrivals.arrive(10, 9_000_000), (9_000_000, true));
        assert_eq!(arrivals.arrive(20, 9_010_000), (9_010_000, false));
    }
}
