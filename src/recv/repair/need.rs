//! Whether parity is wanted: asking is cheaper, and does where there is time for it.

use std::collections::VecDeque;

/// What was lost is looked at over this long, in µs, in parts of this length.
const PART_US: u64 = 10_000_000;
const PARTS: usize = 6;

/// Of so many datagrams one may be missing in the end before parity is wanted: 0.01 %.
const ONE_IN: u64 = 10_000;

/// A round trip longer than this share of the delay leaves too little time to ask.
const DELAY_SHARE: u64 = 4;

/// Parity that was not needed for this long, in µs, is no longer wanted.
const UNNEEDED_FOR_US: u64 = 180_000_000;

/// Whether parity is wanted.
#[derive(Debug, Default)]
pub(super) struct Need {
    /// What came and what was missing in each part of the last minute.
    parts: VecDeque<(u64, u64, u64)>,
    needed_us: Option<u64>,
}

impl Need {
    /// A datagram came by itself.
    pub(super) fn came(&mut self, now_us: u64) {
        self.part(now_us).1 += 1;
    }

    /// One was missing in the end.
    pub(super) fn missing(&mut self, now_us: u64) {
        self.part(now_us).2 += 1;
        let came: u64 = self.parts.iter().map(|(_, came, _)| came).sum();
        let missing: u64 = self.parts.iter().map(|(_, _, missing)| missing).sum();
        if missing * ONE_IN > came {
            self.needed_us = Some(now_us);
        }
    }

    /// Parity brought back what could not have been asked for in time.
    pub(super) fn restored(&mut self, now_us: u64) {
        self.needed_us = Some(now_us);
    }

    /// A round trip takes `round_trip_us`, and sound is heard `delay_us` after its capture.
    pub(super) fn looked(&mut self, now_us: u64, round_trip_us: u64, delay_us: u64) {
        if round_trip_us > delay_us / DELAY_SHARE {
            self.needed_us = Some(now_us);
        }
    }

    /// Whether parity is wanted at `now_us`.
    pub(super) fn wants_parity(&self, now_us: u64) -> bool {
        self.needed_us.is_some_and(|at_us| now_us.saturating_sub(at_us) < UNNEEDED_FOR_US)
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

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;

    #[test]
    fn parity_is_wanted_where_one_in_ten_thousand_is_missing_and_not_for_ever() {
        let mut need = Need::default();
        (0..11_000).for_each(|n| need.came(n * 5_000));
        need.missing(55 * S);
        assert!(!need.wants_parity(55 * S), "one of eleven thousand");
        need.missing(55 * S);
        assert!(need.wants_parity(55 * S));
        assert!(need.wants_parity(234 * S) && !need.wants_parity(235 * S));
    }

    #[test]
    fn a_long_round_trip_wants_parity_as_long_as_it_lasts() {
        let mut need = Need::default();
        need.looked(S, 20_000, 80_000);
        assert!(!need.wants_parity(S));
        need.looked(2 * S, 20_001, 80_000);
        assert!(need.wants_parity(2 * S) && !need.wants_parity(200 * S));
    }
}
