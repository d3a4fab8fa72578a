//! Runs on the audio thread: no allocation, free, lock, log or system call.
//!
//! Turns a sound card stream's own time into our clock's.

/// How long a difference between the two clocks is believed, in µs. Both run off the same crystal
/// on most systems, but not on all: a driver may stamp by its own. Within this, 50 ppm add 0.5 ms,
/// which the slow correction of whoever follows the stamps takes out.
const WINDOW_US: u64 = 10_000_000;

/// How far our clock is ahead of a stream's.
///
/// Both are read in each callback, the stream's first. Whatever comes between them, being
/// preempted above all, only makes the difference larger; so the smallest one is the true one, and
/// the more callbacks, the better it is known.
#[derive(Debug)]
pub(super) struct Stamps {
    window_started_us: Option<u64>,
    previous_ns: i128,
    current_ns: i128,
}

impl Stamps {
    pub(super) const fn new() -> Self {
        Self { window_started_us: None, previous_ns: i128::MAX, current_ns: i128::MAX }
    }

    /// Our clock's reading, in µs, at the stream's time `stamp_ns`. `callback_ns` and `now_us` are
    /// this callback's readings of the stream's clock and of ours.
    pub(super) fn convert(&mut self, callback_ns: u128, stamp_ns: u128, now_us: u64) -> u64 {
        let started = *self.window_started_us.get_or_insert(now_us);
        if now_us.saturating_sub(started) >= WINDOW_US {
            self.window_started_us = Some(now_us);
            self.previous_ns = self.current_ns;
            self.current_ns = i128::MAX;
        }
        let signed = |ns: u128| i128::try_from(ns).unwrap_or(i128::MAX / 4);
        let ahead = i128::from(now_us) * 1000 - signed(callback_ns);
        self.current_ns = self.current_ns.min(ahead);
        let ahead = self.current_ns.min(self.previous_ns);
        u64::try_from((signed(stamp_ns) + ahead).max(0) / 1000).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH_US: u64 = 1_000_000_000;

    #[test]
    fn a_late_callback_does_not_make_its_sound_late() {
        let mut stamps = Stamps::new();
        let mut converted = Vec::new();
        for (turn, late_us) in [9, 3, 4_000, 0, 250, 70].into_iter().enumerate() {
            let callback_us = turn as u64 * 10_000;
            let callback_ns = u128::from(callback_us) * 1000;
            let now_us = EPOCH_US + callback_us + late_us;
            let heard = stamps.convert(callback_ns, callback_ns + 20_000_000, now_us);
            converted.push(heard - EPOCH_US - callback_us - 20_000);
        }
        assert_eq!(converted, [9, 3, 3, 0, 0, 0]);
    }

    #[test]
    fn capture_times_before_the_callback_convert_too() {
        let mut stamps = Stamps::new();
        assert_eq!(stamps.convert(50_000_000, 40_000_000, EPOCH_US), EPOCH_US - 10_000);
    }

    #[test]
    fn a_stream_clock_that_runs_slow_is_followed() {
        let mut stamps = Stamps::new();
        let mut worst_us = 0;
        for callback in 0..30_000_u64 {
            let now_us = EPOCH_US + callback * 10_000;
            let stream_us = callback * 10_000 * 9_999 / 10_000;
            let stamp_ns = u128::from(stream_us) * 1000;
            worst_us = worst_us.max(stamps.convert(stamp_ns, stamp_ns, now_us).abs_diff(now_us));
        }
        assert!((1..=2_100).contains(&worst_us), "{worst_us} µs");
    }

    #[test]
    fn times_beyond_reason_do_not_overflow() {
        let mut stamps = Stamps::new();
        assert_eq!(stamps.convert(u128::MAX, 0, 0), 0);
        assert_eq!(stamps.convert(0, u128::MAX, u64::MAX), 0);
        assert!(Stamps::new().convert(0, u128::MAX, u64::MAX) > 0);
    }
}
