//! What the chunking thread has not been told of people yet. No clock, no queue.

use std::collections::{BTreeMap, BTreeSet};

/// The chunking thread is told of one person no more often, in µs: a slider moves smoothly, and
/// whoever asks for changes without end costs everybody ten of them a second.
const TOLD_EVERY_US: u64 = 100_000;

/// What there is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// This person has come, or changed something.
    Here(u32),
    /// This person has left.
    Left(u32),
}

/// People who have come, changed something or left since the chunking thread was told.
#[derive(Debug, Default)]
pub(super) struct News {
    /// People that the chunking thread knows of, and when it was told of them last, in µs.
    known: BTreeMap<u32, u64>,
    changed: BTreeSet<u32>,
    left: BTreeSet<u32>,
}

impl News {
    /// A person has come, or changed something.
    pub(super) fn change(&mut self, person: u32) {
        self.changed.insert(person);
    }

    /// A person has left.
    pub(super) fn leave(&mut self, person: u32) {
        self.changed.remove(&person);
        if self.known.contains_key(&person) {
            self.left.insert(person);
        }
    }

    /// Tells what is due at `now_us`, until `tell` says that no more is taken.
    pub(super) fn tell(&mut self, now_us: u64, mut tell: impl FnMut(Item) -> bool) {
        while let Some(person) = self.left.first().copied() {
            if !tell(Item::Left(person)) {
                return;
            }
            self.left.remove(&person);
            self.known.remove(&person);
        }
        let Self { known, changed, .. } = self;
        let mut is_taken = true;
        changed.retain(|person| {
            let told_us = known.get(person);
            let is_due =
                told_us.is_none_or(|told_us| now_us.saturating_sub(*told_us) >= TOLD_EVERY_US);
            is_taken = is_taken && (!is_due || tell(Item::Here(*person)));
            let is_told = is_due && is_taken;
            if is_told {
                known.insert(*person, now_us);
            }
            !is_told
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(news: &mut News, now_us: u64) -> Vec<Item> {
        let mut told = Vec::new();
        news.tell(now_us, |item| {
            told.push(item);
            true
        });
        told
    }

    #[test]
    fn who_changes_something_a_thousand_times_a_second_is_told_of_ten_times_and_at_the_end() {
        let mut news = News::default();
        let mut count = 0;
        for n in 0..1_000 {
            news.change(1);
            count += told(&mut news, n * 1_000).len();
        }
        assert_eq!(count, 10);
        assert_eq!(told(&mut news, 1_000_000), [Item::Here(1)]);
        assert_eq!(told(&mut news, 2_000_000), []);
    }

    #[test]
    fn a_newcomer_is_told_of_at_once_whatever_others_do() {
        let mut news = News::default();
        news.change(1);
        assert_eq!(told(&mut news, 0), [Item::Here(1)]);
        news.change(1);
        news.change(2);
        assert_eq!(told(&mut news, 1), [Item::Here(2)]);
    }

    #[test]
    fn who_leaves_before_anything_was_told_was_never_there() {
        let mut news = News::default();
        news.change(1);
        news.leave(1);
        assert_eq!(told(&mut news, 0), []);
        news.change(2);
        told(&mut news, 0);
        news.change(2);
        news.leave(2);
        assert_eq!(told(&mut news, 1), [Item::Left(2)]);
        assert_eq!(told(&mut news, 9_000_000), []);
    }

    #[test]
    fn what_is_not_taken_is_told_again() {
        let mut news = News::default();
        news.change(1);
        news.change(2);
        let mut taken = 0;
        news.tell(0, |_| {
            taken += 1;
            taken < 2
        });
        assert_eq!(told(&mut news, 1), [Item::Here(2)]);
        news.leave(1);
        news.tell(2, |_| false);
        assert_eq!(told(&mut news, 3), [Item::Left(1)]);
    }
}
