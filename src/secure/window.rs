//! Which counters have come, so that nothing is opened twice.

/// Counters below the highest that are told apart, in bits.
const WIDTH: u64 = 1_024;
const WORDS: usize = WIDTH as usize / 64;

/// The counters of what was opened under one key, as RFC 6479 keeps them: the highest, and which of the
/// 1,024 below it have come.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// One more than the highest that has come.
    end: u64,
    /// Bit `n % WIDTH` tells of counter `n`.
    come: [u64; WORDS],
}

impl Window {
    /// One more than the highest that has come.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Whether nothing with this counter was taken yet. What lies 1,024 below the highest is taken for
    /// old.
    #[must_use]
    pub fn is_new(&self, counter: u64) -> bool {
        let is_too_old = counter.saturating_add(WIDTH) < self.end;
        !is_too_old && (counter >= self.end || self.come[word(counter)] & bit(counter) == 0)
    }

    /// Takes note of a counter whose seal was right; whether it [is new](Self::is_new).
    pub fn take(&mut self, counter: u64) -> bool {
        if !self.is_new(counter) || counter == u64::MAX {
            return false;
        }
        if counter >= self.end {
            let skipped = (counter - self.end).min(WIDTH);
            for gone in counter - skipped..=counter {
                self.come[word(gone)] &= !bit(gone);
            }
            self.end = counter + 1;
        }
        self.come[word(counter)] |= bit(counter);
        true
    }
}

/// The number that `low` is the lower half of, nearest to `near`.
#[must_use]
pub fn nearest(near: u64, low: u32) -> u64 {
    let forward = low.wrapping_sub(near as u32);
    if forward < 1 << 31 {
        near.saturating_add(forward.into())
    } else {
        near.saturating_sub(u64::from(forward.wrapping_neg()))
    }
}

fn word(counter: u64) -> usize {
    (counter % WIDTH / 64) as usize
}

fn bit(counter: u64) -> u64 {
    1 << (counter % 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_came_is_not_new_and_what_was_overtaken_is() {
        let mut window = Window::default();
        assert!(window.take(5) && window.take(3) && window.take(1_026));
        assert!(!window.is_new(5) && !window.is_new(3) && !window.is_new(1_026));
        assert!(window.is_new(4) && window.take(4) && !window.take(4));
        assert!(!window.is_new(2), "1,024 below the highest is old");
    }

    #[test]
    fn the_last_counter_of_all_is_never_taken() {
        let mut window = Window::default();
        assert!(!window.take(u64::MAX) && window.take(u64::MAX - 1) && !window.take(7));
    }

    proptest! {
        #[test]
        fn nothing_is_taken_twice_and_nothing_new_is_refused(
            counters in prop::collection::vec(0_u64..4_000, 1..3_000)
        ) {
            let (mut window, mut taken) = (Window::default(), BTreeSet::new());
            for counter in counters {
                let highest = taken.last().copied().unwrap_or(0_u64);
                let is_new = !taken.contains(&counter) && counter + WIDTH > highest;
                prop_assert_eq!(window.take(counter), is_new, "{} after {}", counter, highest);
                if is_new {
                    taken.insert(counter);
                }
            }
        }
    }
}
