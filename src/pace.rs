//! So many of something in a second, and no more.
//!
//! Pure: time is an argument. What a peer can make this program do is counted with it.

/// A second, in µs.
const SECOND_US: u64 = 1_000_000;

/// Counts what happens, second by second.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    most: u32,
    since_us: u64,
    happened: u32,
}

impl Pace {
    /// At most `most` a second.
    pub(crate) const fn at_most(most: u32) -> Self {
        Self { most, since_us: 0, happened: 0 }
    }

    /// Whether one more may happen at `now_us`. If so, it is counted.
    pub(crate) fn allows(&mut self, now_us: u64) -> bool {
        let is_another_second = now_us.saturating_sub(self.since_us) >= SECOND_US;
        if is_another_second || self.happened == 0 {
            (self.since_us, self.happened) = (now_us, 0);
        }
        let is_allowed = self.happened < self.most;
        self.happened += u32::from(is_allowed);
        is_allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_allowed_happens_in_a_second_and_the_next_one_allows_as_many() {
        let mut pace = Pace::at_most(3);
        let allowed = |pace: &mut Pace, from_us: u64| {
            (0..10).filter(|n| pace.allows(from_us + n * 1000)).count()
        };
        assert_eq!(allowed(&mut pace, 5_000_000), 3);
        assert_eq!(allowed(&mut pace, 5_900_000), 0);
        assert_eq!(allowed(&mut pace, 6_000_000), 3, "a second after the first of them");
    }
}
