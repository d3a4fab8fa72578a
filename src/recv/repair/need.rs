//! Whether parity is wanted, and which: asking is cheaper, and does where there is time for it.

use std::collections::VecDeque;

use crate::wire::datagram::Parities;

/// What was lost is looked at over this long, in µs, in parts of this length.
const PART_US: u64 = 10_000_000;
const PARTS: usize = 6;

/// Of so many datagrams one may be missing in the end before parity is wanted: 0.01 %.
const ONE_IN: u64 = 10_000;

/// A round trip longer than this share of the delay leaves too little time to ask.
const DELAY_SHARE: u64 = 4;

/// Parity that was not needed for this long, in µs, is no longer wanted.
const UNNEEDED_FOR_US: u64 = 180_000_000;

/// With a delay up to this, in µs, parity over two is worth its cost, which is as much again: there may
/// be no time to wait for a fourth datagram. With more there is time to ask.
const SHORT_DELAY_US: u64 = 50_000;

/// Where what is missing can be asked for so often in the time there is, parity over two is not needed; where
/// it is already wanted, once more.
const ASKS_ENOUGH: u64 = 2;

/// Where it cannot, each of the first datagrams is protected for this long, in µs: what the way is like is
/// not known yet. Then, as long after each loss.
const BEGINS_FOR_US: u64 = 10_000_000;
const CLOSE_FOR_US: u64 = 30_000_000;

/// How much time there is for asking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Time {
    /// How long an ask and its answer take, in µs: as it usually is, and the least after which they are
    /// thought lost.
    pub(super) round_trip_us: u64,
    pub(super) patience_us: u64,
    /// Sound is heard so long after its capture, in µs.
    pub(super) delay_us: u64,
    /// What is left when it is known that a datagram is missing, in µs, as far as any has come.
    pub(super) left_us: Option<u64>,
}

/// Which parity is wanted.
#[derive(Debug, Default)]
pub(super) struct Need {
    /// What came and what was missing in each part of the last minute.
    parts: VecDeque<(u64, u64, u64)>,
    began_us: Option<u64>,
    /// When a datagram was lost whose neighbours came.
    alone_us: Option<u64>,
    needed_us: Option<u64>,
    /// There is hardly time to ask.
    is_close: bool,
}

impl Need {
    /// A datagram came by itself.
    pub(super) fn came(&mut self, now_us: u64) {
        self.part(now_us).1 += 1;
    }

    /// A datagram was lost. One that was not `alone`, because a neighbour was lost too, says nothing: of a
    /// hole no parity brings back more than its edges.
    pub(super) fn lost(&mut self, alone: bool, now_us: u64) {
        if alone {
            self.alone_us = Some(now_us);
        }
    }

    /// One that was lost `alone`, or with others, was missing in the end.
    pub(super) fn missing(&mut self, alone: bool, now_us: u64) {
        self.lost(alone, now_us);
        if !alone {
            return;
        }
        self.part(now_us).2 += 1;
        let came: u64 = self.parts.iter().map(|(_, came, _)| came).sum();
        let missing: u64 = self.parts.iter().map(|(_, _, missing)| missing).sum();
        if missing * ONE_IN > came {
            self.needed_us = Some(now_us);
        }
    }

    /// Parity brought back one that was lost `alone`, or with others, and that was `needed`: it could not
    /// have been asked for in time.
    pub(super) fn restored(&mut self, alone: bool, needed: bool, now_us: u64) {
        self.lost(alone, now_us);
        if alone && needed {
            self.needed_us = Some(now_us);
        }
    }

    /// So much time there is for asking.
    pub(super) fn looked(&mut self, time: Time, now_us: u64) {
        self.began_us.get_or_insert(now_us);
        let asks_us = time.patience_us * (ASKS_ENOUGH + u64::from(self.is_close));
        self.is_close =
            time.delay_us <= SHORT_DELAY_US && time.left_us.is_none_or(|left_us| left_us < asks_us);
        let is_far = time.round_trip_us > time.delay_us / DELAY_SHARE;
        if is_far && is_within(self.alone_us, UNNEEDED_FOR_US, now_us) {
            self.needed_us = Some(now_us);
        }
    }

    /// Which parity is wanted at `now_us`.
    pub(super) fn wants(&self, now_us: u64) -> Parities {
        let is_needed = is_within(self.needed_us, UNNEEDED_FOR_US, now_us);
        let of_two = self.is_close
            && (is_needed
                || is_within(self.began_us, BEGINS_FOR_US, now_us)
                || is_within(self.alone_us, CLOSE_FOR_US, now_us));
        Parities { of_four: is_needed && !of_two, of_two }
    }

    fn part(&mut self, now_us: u64) -> &mut (u64, u64, u64) {
        let number = now_us / PART_US;
        if self.parts.back().is_none_or(|(last, _, _)| *last != number) {
            self.parts.push_back((number, 0, 0));
        }
        while self.parts.len() > PARTS {
            self.parts.pop_front();
        }
        let last = self.parts.len() - 1;
        &mut self.parts[last]
    }
}

/// Whether something happened no longer than `for_us` ago.
fn is_within(at_us: Option<u64>, for_us: u64, now_us: u64) -> bool {
    at_us.is_some_and(|at_us| now_us.saturating_sub(at_us) < for_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;
    const MS: u64 = 1_000;

    const OF_FOUR: Parities = Parities { of_four: true, ..Parities::NONE };
    const OF_TWO: Parities = Parities { of_two: true, ..Parities::NONE };

    /// A delay of so many ms, and a round trip of 4 ms.
    fn time(delay_ms: u64, left_ms: Option<u64>) -> Time {
        let left_us = left_ms.map(|ms| ms * MS);
        Time { round_trip_us: 4 * MS, patience_us: 4 * MS, delay_us: delay_ms * MS, left_us }
    }

    #[test]
    fn parity_is_wanted_where_one_in_ten_thousand_is_missing_and_not_for_ever() {
        let mut need = Need::default();
        (0..11_000).for_each(|n| need.came(n * 5_000));
        need.missing(true, 55 * S);
        assert_eq!(need.wants(55 * S), Parities::NONE, "one of eleven thousand");
        need.missing(true, 55 * S);
        assert_eq!(need.wants(234 * S), OF_FOUR);
        assert_eq!(need.wants(235 * S), Parities::NONE);
    }

    #[test]
    fn holes_want_no_parity_however_many_there_are() {
        let mut need = Need::default();
        for second in 0..600 {
            need.looked(Time { round_trip_us: 30 * MS, ..time(80, Some(60)) }, second * S);
            (0..200).for_each(|_| need.came(second * S));
            (0..12).for_each(|_| need.missing(false, second * S));
            need.restored(false, true, second * S);
            assert_eq!(need.wants(second * S), Parities::NONE, "{second} s");
        }
    }

    #[test]
    fn a_long_round_trip_wants_parity_as_long_as_it_lasts_and_something_is_lost() {
        let mut need = Need::default();
        let far = Time { round_trip_us: 20_001, ..time(80, Some(60)) };
        need.looked(far, S);
        assert_eq!(need.wants(S), Parities::NONE, "nothing is lost");
        need.lost(true, 2 * S);
        need.looked(Time { round_trip_us: 20_000, ..far }, 2 * S);
        assert_eq!(need.wants(2 * S), Parities::NONE);
        need.looked(far, 3 * S);
        assert_eq!((need.wants(3 * S), need.wants(200 * S)), (OF_FOUR, Parities::NONE));
    }

    #[test]
    fn where_there_is_hardly_time_to_ask_the_first_seconds_and_those_behind_a_loss_are_protected() {
        let mut need = Need::default();
        need.looked(time(25, None), S);
        assert_eq!(need.wants(S), OF_TWO);
        need.looked(time(25, Some(7)), 2 * S);
        assert_eq!((need.wants(10 * S), need.wants(11 * S)), (OF_TWO, Parities::NONE));
        need.lost(false, 20 * S);
        assert_eq!(need.wants(20 * S), Parities::NONE, "a hole");
        need.lost(true, 20 * S);
        assert_eq!((need.wants(49 * S), need.wants(50 * S)), (OF_TWO, Parities::NONE));
    }

    #[test]
    fn parity_over_two_is_for_short_delays_alone_and_where_no_second_ask_is_answered_in_time() {
        for (delay_ms, left_ms) in [(25, Some(8)), (51, None), (80, Some(3))] {
            let mut need = Need::default();
            need.looked(time(delay_ms, left_ms), S);
            need.missing(true, S);
            assert_eq!(need.wants(S), OF_FOUR, "{delay_ms} ms");
        }
    }
}
