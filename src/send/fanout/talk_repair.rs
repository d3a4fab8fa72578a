//! A microphone's sound that comes by datagram: put in order again, and what is missing asked for. No
//! socket, no clock.

use std::collections::BTreeMap;

use crate::wire::AudioHeader;
use crate::wire::datagram::nearest;

/// What lies behind a gap waits no longer for it, in µs: long enough to ask three times in a home's Wi-Fi,
/// and no longer than a talker's lag forgives.
const WAIT_US: u64 = 40_000;

/// What is missing is asked for again after so long, in µs.
const ASK_AGAIN_US: u64 = 12_000;

/// Datagrams that wait behind a gap. More do not come in [`WAIT_US`], so the gap is given up.
const MOST_HELD: usize = 64;

/// A number further than this from the newest is none of this microphone's.
const MOST_AHEAD: u64 = 512;

/// A piece of what somebody said.
pub(super) type Piece = (AudioHeader, Box<[u8]>);

/// One microphone's datagrams.
#[derive(Debug, Default)]
pub(super) struct TalkRepair {
    /// The number that leaves next, once there was one.
    next: Option<u64>,
    /// What waits, by number.
    held: BTreeMap<u64, Piece>,
    /// Since when the next is missing, in µs, and when it is asked for.
    gap_us: u64,
    ask_us: u64,
}

impl TalkRepair {
    /// Takes a datagram. What has left, or is here already, is left out.
    pub(super) fn take(&mut self, number: u32, piece: impl FnOnce() -> Piece, now_us: u64) {
        // So that numbers before the first have a place.
        let next = *self.next.get_or_insert((1 << 32) + u64::from(number));
        let newest = self.held.last_key_value().map_or(next, |(newest, _)| *newest);
        let number = nearest(newest, number);
        if number < next || number.abs_diff(newest) > MOST_AHEAD {
            return;
        }
        if self.held.is_empty() && number > next {
            (self.gap_us, self.ask_us) = (now_us, now_us);
        }
        self.held.entry(number).or_insert_with(piece);
    }

    /// The next piece, if it may leave at `now_us`. Ask until there is none.
    pub(super) fn next(&mut self, now_us: u64) -> Option<Piece> {
        let first = *self.held.first_key_value()?.0;
        let waited_us = now_us.saturating_sub(self.gap_us);
        let may_leave =
            self.next == Some(first) || waited_us >= WAIT_US || self.held.len() > MOST_HELD;
        if !may_leave {
            return None;
        }
        let piece = self.held.remove(&first)?;
        self.next = Some(first + 1);
        if self.held.first_key_value().is_some_and(|(behind, _)| *behind > first + 1) {
            (self.gap_us, self.ask_us) = (now_us, now_us);
        }
        Some(piece)
    }

    /// The numbers that are to be asked for at `now_us`.
    pub(super) fn missing(&mut self, now_us: u64) -> Vec<u32> {
        let (Some(next), Some((newest, _))) = (self.next, self.held.last_key_value()) else {
            return Vec::new();
        };
        if now_us < self.ask_us {
            return Vec::new();
        }
        self.ask_us = now_us + ASK_AGAIN_US;
        let missing = (next..*newest).filter(|number| !self.held.contains_key(number));
        // Numbers go round on the wire.
        missing.map(|number| number as u32).collect()
    }

    /// When [`next`](Self::next) or [`missing`](Self::missing) have something, in µs, if more does not come.
    pub(super) fn due_us(&self) -> Option<u64> {
        (!self.held.is_empty()).then(|| self.ask_us.min(self.gap_us + WAIT_US))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece(number: u32) -> Piece {
        let position = u64::from(number) * 480;
        (AudioHeader { flags: 0, frames: 480, position, captured_us: 0 }, Box::default())
    }

    fn take(repair: &mut TalkRepair, number: u32, now_us: u64) {
        repair.take(number, || piece(number), now_us);
    }

    fn leaving(repair: &mut TalkRepair, now_us: u64) -> Vec<u64> {
        std::iter::from_fn(|| repair.next(now_us))
            .map(|(header, _)| header.position / 480)
            .collect()
    }

    #[test]
    fn what_comes_in_order_leaves_at_once_and_nothing_is_asked_for() {
        let mut repair = TalkRepair::default();
        for number in 7..100 {
            take(&mut repair, number, 0);
            assert_eq!(leaving(&mut repair, 0), [u64::from(number)]);
            assert_eq!((repair.missing(0).len(), repair.due_us()), (0, None));
        }
    }

    #[test]
    fn what_is_missing_is_asked_for_at_once_and_again_and_given_up_after_40_ms() {
        let mut repair = TalkRepair::default();
        take(&mut repair, 0, 0);
        assert_eq!(leaving(&mut repair, 0), [0]);
        take(&mut repair, 3, 1_000);
        let asked: Vec<u64> = (1..60).filter(|ms| !repair.missing(ms * 1_000).is_empty()).collect();
        assert_eq!(asked, [1, 13, 25, 37, 49]);
        assert_eq!(leaving(&mut repair, 40_999), [0_u64; 0]);
        assert_eq!(leaving(&mut repair, 41_000), [3]);
        take(&mut repair, 2, 42_000);
        assert_eq!(leaving(&mut repair, 42_000), [0_u64; 0], "it comes too late");
    }

    #[test]
    fn what_comes_in_time_lets_all_behind_it_leave() {
        let mut repair = TalkRepair::default();
        for number in [0, 1, 4, 5] {
            take(&mut repair, number, 0);
        }
        assert_eq!(leaving(&mut repair, 0), [0, 1]);
        assert_eq!(repair.missing(0), [2, 3]);
        for number in [3, 2, 2, 1] {
            take(&mut repair, number, 8_000);
        }
        assert_eq!(leaving(&mut repair, 8_000), [2, 3, 4, 5]);
        assert_eq!(repair.due_us(), None);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_bounded_and_leaves_in_order(
            numbers in prop::collection::vec((any::<u32>(), 0..80_u32, 0..5_000_u64), 1..300),
        ) {
            let mut repair = TalkRepair::default();
            let (mut now_us, mut last) = (0, None);
            for (any, near, wait_us) in numbers {
                now_us += wait_us;
                // Now and then a number from anywhere.
                let number = if any % 16 == 0 { any } else { near };
                repair.take(number, || piece(number), now_us);
                prop_assert!(repair.held.len() <= MOST_HELD + 1);
                prop_assert!(repair.missing(now_us).len() <= 2 * MOST_AHEAD as usize);
                while repair.next(now_us).is_some() {
                    prop_assert!(repair.next > last);
                    last = repair.next;
                }
            }
        }
    }
}
