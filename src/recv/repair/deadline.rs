//! When sound has to be there.

/// The moment at which one position is needed; what follows is needed at the stream's rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// A position.
    pub position: u64,
    /// When it is needed, in µs of our clock.
    pub at_us: u64,
    /// Positions per second.
    pub rate_hz: u32,
}

impl Deadline {
    /// When `position` is needed, in µs of our clock.
    #[must_use]
    pub fn of(&self, position: u64) -> u64 {
        let frames = i128::from(position) - i128::from(self.position);
        let rate = i128::from(self.rate_hz.max(1));
        let us = (frames * 1_000_000 + rate - 1).div_euclid(rate);
        u64::try_from((i128::from(self.at_us) + us).max(0)).unwrap_or(u64::MAX)
    }

    /// The position before which everything was needed by `now_us`.
    #[must_use]
    pub fn passed(&self, now_us: u64) -> u64 {
        let us = i128::from(now_us) - i128::from(self.at_us);
        let frames = (us * i128::from(self.rate_hz)).div_euclid(1_000_000);
        let position = i128::from(self.position) + frames + 1;
        u64::try_from(position.max(0)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_by_now_and_when_a_position_is_needed_agree() {
        for rate_hz in [8_000, 44_100, 48_000, 192_000] {
            let deadline = Deadline { position: 1_000, at_us: 5_000_000, rate_hz };
            for position in [0, 999, 1_000, 1_001, 1_441, 50_000] {
                let at_us = deadline.of(position);
                assert!(deadline.passed(at_us) > position, "{position} at {at_us}");
                assert!(deadline.passed(at_us - 1) <= position, "{position} before {at_us}");
            }
        }
    }

    #[test]
    fn positions_beyond_all_reason_are_needed_at_the_end_of_time() {
        let deadline = Deadline { position: 0, at_us: 7, rate_hz: 1 };
        assert_eq!(deadline.of(u64::MAX), u64::MAX);
        let never = Deadline { position: u64::MAX, at_us: u64::MAX, rate_hz: u32::MAX };
        assert_eq!(never.passed(0), 0);
    }
}
