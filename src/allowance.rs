//! How often in a second something may happen that a peer can bring about, and how many bytes it may
//! have sent. Pure: time is an argument, in µs.

/// How often something may still happen: some times at once, and one more each time that a while
/// has passed.
#[derive(Debug)]
pub(crate) struct Allowance {
    at_once: u64,
    every_us: u64,
    /// When all of it would be there again.
    full_us: u64,
}

impl Allowance {
    /// `most` times at once, and as many in every second after that.
    pub(crate) const fn per_second(most: u64) -> Self {
        Self::new(most, most)
    }

    /// `at_once` times, and `per_second` times in every second.
    pub(crate) const fn new(at_once: u64, per_second: u64) -> Self {
        Self { at_once, every_us: 1_000_000 / per_second, full_us: 0 }
    }

    /// Takes one time at `now_us`; `false` where none is left.
    pub(crate) fn takes(&mut self, now_us: u64) -> bool {
        self.takes_times(1, now_us)
    }

    /// Takes so many times at `now_us`, all or none; `false` where fewer are left.
    pub(crate) fn takes_times(&mut self, times: u64, now_us: u64) -> bool {
        let full_us = self.full_us.max(now_us).saturating_add(times * self.every_us);
        let is_left = full_us - now_us <= self.at_once * self.every_us;
        if is_left {
            self.full_us = full_us;
        }
        is_left
    }
}

/// How many bytes may still be sent: a number of them at once, which grows back at a rate.
#[derive(Debug)]
pub(crate) struct ByteAllowance {
    left: f64,
    at_us: u64,
}

impl ByteAllowance {
    /// An allowance of which nothing has been taken, where `at_once` bytes are.
    pub(crate) fn new(at_once: usize) -> Self {
        Self { left: at_once as f64, at_us: 0 }
    }

    /// Takes `bytes` at `now_us`, of `at_once` and as many `per_second`; `false` where fewer are left.
    pub(crate) fn takes(
        &mut self,
        bytes: usize,
        now_us: u64,
        at_once: usize,
        per_second: usize,
    ) -> bool {
        let passed_s = now_us.saturating_sub(self.at_us) as f64 / 1e6;
        self.left = (self.left + passed_s * per_second as f64).min(at_once as f64);
        self.at_us = self.at_us.max(now_us);
        let is_left = bytes as f64 <= self.left;
        if is_left {
            self.left -= bytes as f64;
        }
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_bytes_are_allowed_at_once_and_so_many_in_every_second_after_that() {
        let (at_once, per_second) = (32_000, 8_000);
        let mut allowance = ByteAllowance::new(at_once);
        let mut taken = |from_us: u64, until_us: u64| {
            let each = 400;
            let times = (from_us..until_us).step_by(1_000);
            times.filter(|us| allowance.takes(each, *us, at_once, per_second)).count() * each
        };
        assert_eq!(taken(5_000_000, 5_010_000), 4_000);
        assert!((32_000 - 4_000..33_000).contains(&taken(5_010_000, 5_100_000)), "the rest");
        assert!((79_600..=80_000).contains(&taken(5_100_000, 15_100_000)));
        assert!((32_000..33_700).contains(&taken(90_000_000, 90_200_000)), "no more after a rest");
        assert!(taken(1_000, 2_000) == 0, "a clock that goes back allows no more");
    }

    #[test]
    fn so_many_are_allowed_at_once_and_so_many_in_every_second_after_that() {
        let mut allowance = Allowance::new(4, 4);
        let mut taken = |from_us: u64, until_us: u64| {
            (from_us..until_us).step_by(1_000).filter(|us| allowance.takes(*us)).count()
        };
        assert_eq!(taken(5_000_000, 5_001_000), 1);
        assert_eq!(taken(5_001_000, 5_100_000), 3, "the rest of four");
        assert_eq!(taken(5_100_000, 15_000_000), 39);
        assert_eq!(taken(60_000_000, 60_200_000), 4, "after a rest no more than at first");
    }

    #[test]
    fn what_counts_for_several_is_taken_whole_or_not_at_all() {
        let mut allowance = Allowance::new(4, 4);
        let now_us = 5_000_000;
        assert!(allowance.takes_times(3, now_us) && !allowance.takes_times(2, now_us));
        assert!(allowance.takes(now_us) && !allowance.takes(now_us));
        assert!(!allowance.takes_times(5, now_us + 60_000_000), "more than there ever are");
    }

    #[test]
    fn a_clock_that_goes_back_allows_no_more() {
        let mut allowance = Allowance::new(2, 1);
        assert!(allowance.takes(9_000_000) && allowance.takes(9_000_000));
        assert!(!allowance.takes(1_000));
    }
}
