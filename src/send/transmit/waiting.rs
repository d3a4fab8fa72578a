//! Connections that have something to be read, in the order in which they are served. No socket, no
//! clock.

use std::collections::{BTreeSet, VecDeque};

/// Whose turn it is. Each is in it once.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    order: VecDeque<usize>,
    known: BTreeSet<usize>,
}

impl Waiting {
    /// Notes that this one has something to be read.
    pub(super) fn add(&mut self, number: usize) {
        if self.known.insert(number) {
            self.order.push_back(number);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Lets each have its share, until all have none left or it is `until_us`. `serve` gives one its
    /// share, and says whether there is more and what time it is.
    pub(super) fn serve(&mut self, until_us: u64, mut serve: impl FnMut(usize) -> (bool, u64)) {
        while let Some(number) = self.order.pop_front() {
            self.known.remove(&number);
            let (has_more, now_us) = serve(number);
            if has_more {
                self.add(number);
            }
            if now_us >= until_us {
                return;
            }
        }
    }

    /// Takes those in that came while this was being served.
    pub(super) fn join(&mut self, others: Self) {
        others.order.into_iter().for_each(|number| self.add(number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_has_always_more_takes_no_longer_than_the_turn_and_holds_up_nobody() {
        let mut waiting = Waiting::default();
        for number in [7, 1, 2, 3, 7] {
            waiting.add(number);
        }
        let (mut now_us, mut served) = (0, Vec::new());
        waiting.serve(1_000, |number| {
            now_us += 100;
            served.push(number);
            (number == 7, now_us)
        });
        assert_eq!(served[..4], [7, 1, 2, 3], "each has its share before anybody has a second");
        assert_eq!(served.len(), 10, "and the turn has an end");
        assert!(!waiting.is_empty(), "it goes on in the next");
    }

    #[test]
    fn a_crowd_is_served_over_several_turns_and_nobody_is_left_out() {
        let mut waiting = Waiting::default();
        (0..1_000).for_each(|number| waiting.add(number));
        let (mut now_us, mut served, mut turns) = (0, BTreeSet::new(), 0);
        while !waiting.is_empty() {
            turns += 1;
            let until_us = now_us + 2_000;
            waiting.serve(until_us, |number| {
                now_us += 50;
                served.insert(number);
                (false, now_us)
            });
            assert!(now_us <= until_us);
        }
        assert_eq!((served.len(), turns), (1_000, 25));
    }
}
