//! Whether the chunking thread falls behind for long. Pure; in µs.

/// The chunking thread may be behind for this long, in µs: whatever else the PC does now and then
/// is over by then.
const BEARABLE_US: u64 = 1_000_000;

/// Since when the thread has had more to do than there is time for.
#[derive(Debug, Default)]
pub(super) struct Overload {
    since_us: Option<u64>,
}

impl Overload {
    /// Notes whether a turn that began at `now_us` ended with chunks still due. `true` once for every
    /// second for which all turns have: something has to go.
    pub(super) fn lasts(&mut self, is_behind: bool, now_us: u64) -> bool {
        if !is_behind {
            self.since_us = None;
            return false;
        }
        let since_us = *self.since_us.get_or_insert(now_us);
        let lasts = now_us.saturating_sub(since_us) >= BEARABLE_US;
        if lasts {
            self.since_us = Some(now_us);
        }
        lasts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_second_of_being_behind_all_the_time_counts_and_each_further_one() {
        let mut overload = Overload::default();
        let mut count = |from_ms: u64, until_ms: u64, is_behind: fn(u64) -> bool| {
            let turns = (from_ms..until_ms).step_by(20);
            turns.filter(|ms| overload.lasts(is_behind(*ms), ms * 1_000)).count()
        };
        assert_eq!(count(0, 5_000, |_| false), 0);
        assert_eq!(count(5_000, 10_000, |ms| ms % 900 != 0), 0, "it got there now and then");
        assert_eq!(count(19_980, 20_000, |_| false), 0);
        assert_eq!(count(20_000, 20_980, |_| true), 0);
        assert_eq!(count(20_980, 23_980, |_| true), 3);
        assert_eq!(count(23_980, 24_000, |_| false), 0);
        assert_eq!(count(24_000, 24_900, |_| true), 0, "all anew");
    }
}
