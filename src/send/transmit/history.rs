//! Bounds what all newcomers together get of the sound that was captured before they came. No
//! clock.

/// Bytes a second for all newcomers: at home everybody begins at once, and where a thousand come in
/// the same moment most begin a playout delay later, instead of all with gaps.
const BYTES_PER_SECOND: f64 = 8.0 * 1024.0 * 1024.0;

/// What is left of it. What is not used is there for the next second, not for a later one.
#[derive(Debug)]
pub(super) struct History {
    left: f64,
    at_us: u64,
}

impl Default for History {
    fn default() -> Self {
        Self { left: BYTES_PER_SECOND, at_us: 0 }
    }
}

impl History {
    /// The capture time from which a newcomer is sent sound: `from_us`, or `now_us` where what lies
    /// between is more than is left. A second of its sound is `bytes_per_second` long.
    pub(super) fn allow(&mut self, from_us: u64, now_us: u64, bytes_per_second: usize) -> u64 {
        let passed_s = now_us.saturating_sub(self.at_us) as f64 / 1e6;
        self.left = (self.left + passed_s * BYTES_PER_SECOND).min(BYTES_PER_SECOND);
        self.at_us = now_us;
        let wanted = now_us.saturating_sub(from_us) as f64 / 1e6 * bytes_per_second as f64;
        if wanted > self.left {
            return now_us;
        }
        self.left -= wanted;
        from_us
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_newcomers_begin_with_what_was_captured_before_and_a_crowd_with_what_comes() {
        let mut history = History::default();
        let (second, float32) = (1_000_000, 384_000);
        let now_us = 100 * second;
        let from_us = now_us - second / 2;
        let begun = |history: &mut History, now_us, from_us| {
            let all = (0..1000).map(|_| history.allow(from_us, now_us, float32));
            all.filter(|begun| *begun == from_us).count()
        };
        assert_eq!(begun(&mut history, now_us, from_us), 43);
        assert_eq!(history.allow(from_us, now_us, float32), now_us);
        assert_eq!(begun(&mut history, now_us + second, from_us + second), 43);
        // Hours of nobody coming save nothing up.
        let now_us = now_us + 10_000 * second;
        assert_eq!(begun(&mut history, now_us, now_us - second / 2), 43);
    }
}
