//! The datagrams that are missing, and when each is asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::deadline::Deadline;
use crate::wire::datagram::{MAX_STRETCHES, STRETCH};

/// Numbers that may be missing at once: more than any delay has room for at 375 datagrams a second
/// is a path that is dead, not one to be repaired.
const MOST_MISSING: usize = 1_024;

/// An ask is never repeated sooner than this, in µs, however short the round trip.
pub(super) const SOONEST_US: u64 = 4_000;

/// With less than this left, in µs, two asks go out at once: there is no time for a third.
const URGENT_US: u64 = 20_000;

/// Asks wait no longer than this, in µs, for datagrams that overtake each other.
const MOST_OVERTAKEN_US: u64 = 10_000;

/// Numbers that were lost and are remembered, to tell holes from what is lost alone.
const MOST_LOST: usize = 256;

/// What is to be asked for now, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// All that is due.
    pub numbers: Vec<u32>,
    /// What is asked for a second time at once.
    pub again: Vec<u32>,
}

/// How a datagram that was missing came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    /// It was only late.
    ByItself,
    /// It was asked for.
    Asked,
}

#[derive(Debug, Clone, Copy)]
struct Gap {
    /// Where its sound belongs, as far as its neighbours tell.
    position: u64,
    since_us: u64,
    asked_us: Option<u64>,
    next_us: u64,
    /// It may be another stream's, or have come by TCP: not counted.
    is_guess: bool,
}

/// Numbers that are missing.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    missing: BTreeMap<u64, Gap>,
    /// What did not come by itself, of late.
    lost: BTreeSet<u64>,
    /// By how much datagrams overtook each other lately, in µs.
    overtaken_us: u64,
}

impl Gaps {
    /// `number`, whose sound is about at `position`, is missing.
    pub(super) fn note(&mut self, number: u64, position: u64, now_us: u64) {
        self.add(number, position, now_us, now_us + self.overtaken_us, false);
        self.lose(number);
    }

    /// `number` did not come by itself.
    pub(super) fn lose(&mut self, number: u64) {
        self.lost.insert(number);
        if self.lost.len() > MOST_LOST {
            self.lost.pop_first();
        }
    }

    /// Whether the neighbours of `number` came by themselves, as far as is known.
    pub(super) fn is_alone(&self, number: u64) -> bool {
        !self.lost.contains(&number.wrapping_sub(1)) && !self.lost.contains(&(number + 1))
    }

    /// `number` may be missing: it is not asked for before `ask_us`.
    pub(super) fn guess(&mut self, number: u64, position: u64, now_us: u64, ask_us: u64) {
        self.add(number, position, now_us, ask_us, true);
    }

    fn add(&mut self, number: u64, position: u64, now_us: u64, next_us: u64, is_guess: bool) {
        let gap = Gap { position, since_us: now_us, asked_us: None, next_us, is_guess };
        self.missing.entry(number).or_insert(gap);
        if self.missing.len() > MOST_MISSING {
            self.missing.pop_first();
        }
    }

    /// Whether `number` is known to be missing.
    pub(super) fn has(&self, number: u64) -> bool {
        self.missing.contains_key(&number)
    }

    /// The datagram `number` came at `now_us`, behind a later one where it `is_overtaken`. An answer takes at
    /// least `soonest_us`.
    pub(super) fn came(
        &mut self,
        number: u64,
        is_overtaken: bool,
        now_us: u64,
        soonest_us: u64,
    ) -> Option<Came> {
        let gap = self.missing.remove(&number)?;
        let by_itself =
            gap.asked_us.is_none_or(|asked_us| now_us.saturating_sub(asked_us) < soonest_us);
        if !by_itself {
            return Some(Came::Asked);
        }
        self.lost.remove(&number);
        // One that was only late is no reason to wait for others.
        if is_overtaken {
            let overtaken_us = now_us.saturating_sub(gap.since_us).min(MOST_OVERTAKEN_US);
            self.overtaken_us = self.overtaken_us.max(overtaken_us);
        }
        Some(Came::ByItself)
    }

    /// Datagrams come in order: less is waited for.
    pub(super) fn in_order(&mut self) {
        self.overtaken_us -= self.overtaken_us.div_ceil(64);
    }

    /// Gives up what is numbered below `number`: calls `missing` with each that never came.
    pub(super) fn give_up(&mut self, number: u64, mut missing: impl FnMut(u64)) {
        while let Some(first) = self.missing.first_entry()
            && *first.key() < number
        {
            let (number, gap) = first.remove_entry();
            if !gap.is_guess {
                missing(number);
            }
        }
    }

    /// What is to be asked for at `now_us`, where an answer takes `round_trip_us`. Nothing whose time
    /// has passed.
    pub(super) fn ask(
        &mut self,
        now_us: u64,
        deadline: Option<Deadline>,
        round_trip_us: u64,
    ) -> Option<Wanted> {
        let mut wanted = Wanted::default();
        let mut stretches = Stretches::default();
        for (number, gap) in &mut self.missing {
            let left_us = deadline
                .map_or(u64::MAX, |deadline| deadline.of(gap.position).saturating_sub(now_us));
            if now_us < gap.next_us || left_us == 0 {
                continue;
            }
            // Numbers go round on the wire.
            let on_wire = *number as u32;
            if !stretches.has_room_for(on_wire) {
                break;
            }
            wanted.numbers.push(on_wire);
            if left_us < URGENT_US {
                wanted.again.push(on_wire);
            }
            gap.asked_us.get_or_insert(now_us);
            gap.next_us = now_us + round_trip_us.max(SOONEST_US);
        }
        Some(wanted).filter(|wanted| !wanted.numbers.is_empty())
    }

    /// When [`ask`](Self::ask) has something to say, after it has been asked at `now_us`.
    pub(super) fn due_us(&self, now_us: u64, deadline: Option<Deadline>) -> Option<u64> {
        let is_in_time = |gap: &&Gap| {
            deadline.is_none_or(|deadline| gap.next_us.max(now_us) < deadline.of(gap.position))
        };
        self.missing.values().filter(is_in_time).map(|gap| gap.next_us).min()
    }
}

/// The stretches that an ask names, as its numbers are added in order.
#[derive(Debug, Default)]
struct Stretches {
    first: Option<u32>,
    count: usize,
}

impl Stretches {
    /// Whether the ask can name that number, too.
    fn has_room_for(&mut self, number: u32) -> bool {
        if self.first.is_some_and(|first| number.wrapping_sub(first) < STRETCH) {
            return true;
        }
        (self.first, self.count) = (Some(number), self.count + 1);
        self.count <= MAX_STRETCHES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;

    /// Position 0 is needed at 100 ms, and a position lasts a millisecond.
    const DEADLINE: Option<Deadline> =
        Some(Deadline { position: 0, at_us: 100 * MS, rate_hz: 1_000 });

    #[test]
    fn what_is_missing_is_asked_for_at_once_and_after_each_round_trip_until_its_time() {
        let mut gaps = Gaps::default();
        gaps.note(7, 0, 0);
        let mut asked = Vec::new();
        for now_ms in 0..200 {
            if let Some(ask) = gaps.ask(now_ms * MS, DEADLINE, 15 * MS) {
                assert_eq!(ask.numbers, [7]);
                asked.push((now_ms, ask.again.len()));
            }
        }
        assert_eq!(asked, [(0, 0), (15, 0), (30, 0), (45, 0), (60, 0), (75, 0), (90, 1)]);
        assert_eq!(gaps.due_us(199 * MS, DEADLINE), None, "it is too late to ask");
    }

    #[test]
    fn asks_are_never_closer_together_than_four_milliseconds() {
        let mut gaps = Gaps::default();
        gaps.note(7, 0, 0);
        let asked = (0..20).filter(|ms| gaps.ask(ms * MS, DEADLINE, 100).is_some());
        assert_eq!(asked.collect::<Vec<_>>(), [0, 4, 8, 12, 16]);
    }

    #[test]
    fn an_ask_names_numbers_across_the_end_of_the_count_and_no_more_than_it_holds() {
        let mut gaps = Gaps::default();
        let base = u64::from(u32::MAX);
        [base, base + 1, base + 33].into_iter().for_each(|number| gaps.note(number, 0, 0));
        assert_eq!(gaps.ask(0, DEADLINE, 0).unwrap().numbers, [u32::MAX, 0, 32]);

        let mut gaps = Gaps::default();
        (0..2_000).for_each(|n| gaps.note(n * 40, 0, 0));
        assert_eq!(gaps.missing.len(), MOST_MISSING);
        assert_eq!(gaps.ask(0, DEADLINE, 0).unwrap().numbers.len(), MAX_STRETCHES);
        assert!(gaps.ask(0, DEADLINE, 0).is_some(), "the others are asked for next");
    }

    #[test]
    fn datagrams_that_overtake_each_other_are_given_a_little_time() {
        let mut gaps = Gaps::default();
        gaps.note(1, 0, 0);
        assert_eq!(gaps.came(1, true, 3 * MS, 4 * MS), Some(Came::ByItself));
        gaps.note(2, 0, 10 * MS);
        assert_eq!(gaps.due_us(10 * MS, DEADLINE), Some(13 * MS));
        (0..1_000).for_each(|_| gaps.in_order());
        gaps.note(3, 0, 20 * MS);
        assert!(gaps.ask(20 * MS, DEADLINE, 4 * MS).is_some());
        assert_eq!(gaps.came(3, true, 25 * MS, 4 * MS), Some(Came::Asked));
    }

    #[test]
    fn datagrams_that_are_only_late_do_not_make_others_be_asked_for_later() {
        let mut gaps = Gaps::default();
        gaps.note(1, 0, 0);
        assert_eq!(gaps.came(1, false, 3 * MS, 4 * MS), Some(Came::ByItself));
        gaps.note(2, 0, 10 * MS);
        assert_eq!(gaps.due_us(10 * MS, DEADLINE), Some(10 * MS));
    }

    #[test]
    fn what_is_lost_alone_is_told_from_a_hole_until_its_neighbour_comes_after_all() {
        let mut gaps = Gaps::default();
        [3, 7, 8, 9].into_iter().for_each(|number| gaps.note(number, 0, 0));
        let alone = |gaps: &Gaps| [3, 7, 8, 9].map(|number| gaps.is_alone(number));
        assert_eq!(alone(&gaps), [true, false, false, false]);
        let _ = gaps.came(8, false, MS, 4 * MS);
        assert_eq!(alone(&gaps), [true, true, false, true]);
        (100..2_000).for_each(|number| gaps.lose(number));
        assert_eq!(gaps.lost.len(), MOST_LOST);
    }
}
