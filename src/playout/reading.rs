//! How far a player has read, told to whoever fetches what is missing.

use std::sync::atomic::{AtomicI64, Ordering};

/// The pace at which sound is read: one thread tells it, another looks.
#[derive(Debug)]
pub struct Reading {
    /// When position 0 would have been read, in µs; one number, so that it is never half of two.
    origin_us: AtomicI64,
}

const NONE: i64 = i64::MIN;

impl Default for Reading {
    fn default() -> Self {
        Self { origin_us: AtomicI64::new(NONE) }
    }
}

impl Reading {
    /// By `now_us` everything before `position` has been read, of `rate_hz` positions a second.
    pub fn at(&self, position: u64, now_us: u64, rate_hz: u32) {
        let us = i128::from(position) * 1_000_000 / i128::from(rate_hz.max(1));
        let origin_us = i64::try_from(i128::from(now_us) - us).unwrap_or(NONE);
        self.origin_us.store(origin_us, Ordering::Relaxed);
    }

    /// Nothing is read.
    pub fn stop(&self) {
        self.origin_us.store(NONE, Ordering::Relaxed);
    }

    /// The position that is read at `now_us` if all goes on as it does; `None` while nothing is read.
    #[must_use]
    pub fn position(&self, now_us: u64, rate_hz: u32) -> Option<u64> {
        let origin_us = self.origin_us.load(Ordering::Relaxed);
        let us = i128::from(now_us) - i128::from(origin_us);
        let position = us * i128::from(rate_hz) / 1_000_000;
        u64::try_from(position).ok().filter(|_| origin_us != NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_goes_on_at_its_rate_until_nothing_is() {
        let reading = Reading::default();
        assert_eq!(reading.position(5, 48_000), None);
        reading.at(48_000_000, 7_000_000, 48_000);
        assert_eq!(reading.position(7_010_000, 48_000), Some(48_000_480));
        reading.stop();
        assert_eq!(reading.position(7_010_000, 48_000), None);
        reading.at(u64::MAX, 0, 1);
        assert_eq!(reading.position(0, 1), None, "beyond all reason");
    }
}
