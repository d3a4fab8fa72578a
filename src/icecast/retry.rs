//! When a server is tried again, and what of it is said.

use super::fault::Fault;

/// Waits double from the one to the other, in µs.
const FIRST_WAIT_US: u64 = 250_000;
const LONGEST_WAIT_US: u64 = 5_000_000;

/// The longest wait for a server that is not there at all, in µs: it gets sound within two seconds of its start.
const LONGEST_FOR_NOBODY_US: u64 = 1_000_000;

/// A server that takes sound for so long, in µs, works: what goes wrong then is new.
const WORKS_AFTER_US: u64 = 5_000_000;

/// What has happened with one server so far.
#[derive(Debug, Default)]
pub struct Retry {
    failures: u32,
    due_us: u64,
    /// What was said last of what is wrong.
    said: Option<String>,
    /// Whether it was said that it works, since.
    has_worked: bool,
}

impl Retry {
    /// When it is tried next, in µs.
    #[must_use]
    pub fn due_us(&self) -> u64 {
        self.due_us
    }

    /// It does not work, or not any more. What is to be said of it, unless that was said already.
    pub fn failed(&mut self, fault: &Fault, now_us: u64) -> Option<String> {
        let longest = if fault.is_cheap() { LONGEST_FOR_NOBODY_US } else { LONGEST_WAIT_US };
        self.due_us = now_us + (FIRST_WAIT_US << self.failures.min(5)).min(longest);
        self.failures = self.failures.saturating_add(1);
        let sentence = fault.to_string();
        let is_new = self.said.as_ref() != Some(&sentence);
        if is_new {
            self.said = Some(sentence.clone());
            self.has_worked = false;
        }
        is_new.then_some(sentence)
    }

    /// It has taken sound for so long, in µs. Whether that is to be said: at once where nothing was wrong before.
    pub fn works(&mut self, for_us: u64) -> bool {
        if for_us >= WORKS_AFTER_US {
            self.failures = 0;
        } else if self.said.is_some() {
            return false;
        }
        let is_news = !self.has_worked;
        self.has_worked = true;
        if for_us >= WORKS_AFTER_US {
            self.said = None;
        }
        is_news
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_five_seconds_and_to_one_where_nobody_is() {
        for (fault, longest_us) in [(Fault::Password, 5_000_000), (Fault::Refused, 1_000_000)] {
            let mut retry = Retry::default();
            let mut waits = Vec::new();
            for _ in 0..1_000 {
                let now_us = retry.due_us();
                let _ = retry.failed(&fault, now_us);
                waits.push(retry.due_us() - now_us);
            }
            assert_eq!(waits[..3], [250_000, 500_000, 1_000_000]);
            assert!(waits.iter().all(|wait| *wait <= longest_us));
            assert_eq!(waits[999], longest_us);
        }
    }

    #[test]
    fn what_is_wrong_is_said_once_until_it_changes() {
        let mut retry = Retry::default();
        assert!(retry.works(0), "what works is said at once");
        assert!(!retry.works(1_000_000) && !retry.works(9_000_000));
        assert!(retry.failed(&Fault::Ended, 0).is_some());
        assert!(retry.failed(&Fault::Refused, 0).is_some());
        assert!((0..100).all(|_| retry.failed(&Fault::Refused, 0).is_none()));
        assert!(!retry.works(0) && !retry.works(4_999_999), "it may be lost at once");
        assert!(retry.failed(&Fault::Refused, 0).is_none());
        assert!(retry.works(5_000_000) && !retry.works(5_100_000));
        assert!(retry.failed(&Fault::Refused, 0).is_some(), "it had worked");
        assert_eq!(retry.due_us(), 250_000);
    }
}
