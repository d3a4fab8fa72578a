//! How often a listener may say what. No clock.

use crate::wire::{Violation, kind};

/// A client says hello once, and a full server hears it for a second.
const MAX_HELLOS_PER_SECOND: u32 = 1;

/// A client pings four times a second, and three times as often until it knows the clock.
const MAX_PINGS_PER_SECOND: u32 = 20;

/// A client reports once a second; the rest is what a stall of the network held up.
const MAX_REPORTS_PER_SECOND: u32 = 20;

/// Talk frames that a client may send: as many as are taken, and as many as are only dropped.
const MAX_TALKS_PER_SECOND: u32 = 3_000;

/// A client gathers what its person does for a tenth of a second.
const MAX_WISHES_PER_SECOND: u32 = 20;

/// A client looks for another way after silence of a tenth of a second, and seldom changes it.
const MAX_PATHS_PER_SECOND: u32 = 20;

/// A page that has lost its data channel tries again after a second.
const MAX_OFFERS_PER_SECOND: u32 = 4;

/// Datagrams with which a client asks, in a second: it asks for what is missing every 4 ms, twice where
/// little time is left. More are not read.
pub(super) const MAX_ASKS_PER_SECOND: u64 = 500;

/// Datagrams with which a client asks from an address that has not proven itself, in a second: one
/// proves it.
pub(super) const MAX_PROOFS_PER_SECOND: u64 = 20;

/// Frames of kinds that only a later version knows.
const MAX_OTHERS_PER_SECOND: u32 = 100;

/// What a listener may say, and how many of it in a second: one more is a violation.
const RATES: [(u8, &str, u32); 8] = [
    (kind::HELLO, "hellos", MAX_HELLOS_PER_SECOND),
    (kind::PING, "pings", MAX_PINGS_PER_SECOND),
    (kind::REPORT, "reports", MAX_REPORTS_PER_SECOND),
    (kind::TALK, "talk frames", MAX_TALKS_PER_SECOND),
    (kind::WISH, "wishes", MAX_WISHES_PER_SECOND),
    (kind::PATH, "wishes for another way", MAX_PATHS_PER_SECOND),
    (kind::OFFER, "offers", MAX_OFFERS_PER_SECOND),
    (OTHERS, "frames of unknown kinds", MAX_OTHERS_PER_SECOND),
];

/// Stands for every kind that has no line of its own; nothing of ours is of kind 0.
const OTHERS: u8 = 0;

/// What one listener has said in the current second.
#[derive(Debug, Default)]
pub(super) struct Said([u32; RATES.len()]);

impl Said {
    /// Counts a frame of that kind.
    ///
    /// # Errors
    /// The [`Violation`] if it is one more than may come in a second.
    pub(super) fn count(&mut self, kind: u8) -> Result<(), Violation> {
        let row = RATES.iter().position(|(of, ..)| *of == kind).unwrap_or(RATES.len() - 1);
        self.0[row] = self.0[row].saturating_add(1);
        match RATES[row] {
            (_, _, most) if self.0[row] <= most => Ok(()),
            (kind::TALK, ..) => Err(Violation::TooMuchTalk),
            (_, what, _) => Err(too_many(what)),
        }
    }
}

/// A listener has said too much of something.
pub(super) fn too_many(what: &'static str) -> Violation {
    Violation::Unreadable { what: "conversation", why: format!("too many {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_number_a_second_and_one_more_of_it_is_a_violation() {
        for kind in 0..=u8::MAX {
            let mut said = Said::default();
            let row = RATES.iter().find(|(of, ..)| *of == kind).unwrap_or(&RATES[RATES.len() - 1]);
            for _ in 0..row.2 {
                assert_eq!(said.count(kind), Ok(()), "{kind}");
            }
            assert!(said.count(kind).is_err(), "{kind}");
            // Others go on being heard.
            let other = if kind == kind::PING { kind::REPORT } else { kind::PING };
            assert_eq!(said.count(other), Ok(()), "{kind}");
        }
    }
}
