//! Who was asked to leave and who was muted by whoever runs the server. No socket, no clock.

use std::collections::VecDeque;

use super::places::Origin;

/// Verdicts of each sort that are remembered: more than anybody speaks by hand.
const MOST_VERDICTS: usize = 256;

/// How somebody is known again: the id of a program's run, or where they come from and what they
/// are called there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    /// Where they come from.
    pub(super) origin: Origin,
    /// What their hello said; empty for a listener of the first generation.
    pub(super) id: String,
    /// What they are called; empty if they did not say.
    pub(super) name: String,
}

impl Who {
    /// Ids are chosen by clients, and so are names: what both leave is the address.
    fn is(&self, other: &Self) -> bool {
        let same_id = !self.id.is_empty() && self.id == other.id;
        let same_name = self.origin == other.origin
            && !self.name.is_empty()
            && self.name.eq_ignore_ascii_case(&other.name);
        same_id || same_name
    }
}

/// What was decided, as long as the server runs.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    removed: VecDeque<Who>,
    shut_out: VecDeque<Origin>,
    muted: VecDeque<Who>,
}

impl Verdicts {
    /// Notes that somebody was asked to leave, and is not let in again.
    pub(super) fn remove(&mut self, who: Who) {
        remember(&mut self.removed, who);
    }

    /// Notes that nobody from there is let in again.
    pub(super) fn shut_out(&mut self, origin: Origin) {
        remember(&mut self.shut_out, origin);
    }

    /// Whether somebody is not let in.
    pub(super) fn is_removed(&self, who: &Who) -> bool {
        self.is_shut_out(who.origin) || self.removed.iter().any(|removed| removed.is(who))
    }

    /// Whether nobody from there is let in.
    pub(super) fn is_shut_out(&self, origin: Origin) -> bool {
        self.shut_out.contains(&origin)
    }

    /// Notes that somebody is not heard, or is heard again.
    pub(super) fn mute(&mut self, who: Who, is_muted: bool) {
        if is_muted {
            remember(&mut self.muted, who);
            return;
        }
        // Whatever they were called, and whichever ids they had under these names.
        let mut cleared = vec![who];
        while let Some(who) = cleared.pop() {
            let all = std::mem::take(&mut self.muted);
            let (theirs, others): (Vec<_>, Vec<_>) =
                all.into_iter().partition(|muted| muted.is(&who));
            self.muted = others.into();
            cleared.extend(theirs);
        }
    }

    /// Whether somebody is not heard.
    pub(super) fn is_muted(&self, who: &Who) -> bool {
        self.muted.iter().any(|muted| muted.is(who))
    }
}

fn remember<T: PartialEq>(verdicts: &mut VecDeque<T>, verdict: T) {
    if verdicts.contains(&verdict) {
        return;
    }
    if verdicts.len() == MOST_VERDICTS {
        verdicts.pop_front();
    }
    verdicts.push_back(verdict);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(address: &str, id: &str, name: &str) -> Who {
        let origin = Origin::of(address.parse().unwrap(), [192, 168, 1, 1].into());
        Who { origin, id: id.into(), name: name.into() }
    }

    #[test]
    fn who_was_asked_to_leave_stays_out_under_the_same_id_or_the_same_name_there() {
        let mut verdicts = Verdicts::default();
        verdicts.remove(who("10.0.0.1", "a", "Ann"));
        for (again, is_removed) in [
            (who("10.0.0.1", "a", "Bob"), true),
            (who("10.0.0.9", "a", "Ann"), true),
            (who("10.0.0.1", "b", "ann"), true),
            (who("10.0.0.9", "b", "Ann"), false),
            (who("10.0.0.1", "b", "Bob"), false),
            (who("10.0.0.1", "b", ""), false),
        ] {
            assert_eq!(verdicts.is_removed(&again), is_removed, "{again:?}");
        }
    }

    #[test]
    fn an_address_that_is_shut_out_stays_out_under_any_name() {
        let mut verdicts = Verdicts::default();
        verdicts.shut_out(who("10.0.0.1", "", "").origin);
        assert!(verdicts.is_removed(&who("10.0.0.1", "new", "new")));
        assert!(!verdicts.is_removed(&who("10.0.0.2", "new", "new")));
    }

    #[test]
    fn who_is_unmuted_is_heard_under_every_name_that_was_muted() {
        let mut verdicts = Verdicts::default();
        let (ann, bob) = (who("10.0.0.1", "a", "Ann"), who("10.0.0.1", "a", "Bob"));
        verdicts.mute(ann.clone(), true);
        verdicts.mute(bob.clone(), true);
        assert!(verdicts.is_muted(&who("10.0.0.1", "b", "Bob")));
        verdicts.mute(who("10.0.0.1", "b", "Bob"), true);
        verdicts.mute(who("10.0.0.1", "b", "Bob (2)"), false);
        assert!([&ann, &bob].iter().all(|who| !verdicts.is_muted(who)));
    }

    #[test]
    fn a_thousand_verdicts_are_not_kept_and_the_newest_are() {
        let mut verdicts = Verdicts::default();
        for n in 0..1_000 {
            verdicts.remove(who("10.0.0.1", &n.to_string(), ""));
        }
        assert_eq!(verdicts.removed.len(), MOST_VERDICTS);
        assert!(verdicts.is_removed(&who("10.0.0.9", "999", "")));
    }
}
