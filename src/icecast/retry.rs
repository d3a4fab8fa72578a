//! When a server is tried again, and what of it is said.

use super::fault::Fault;

/// Waits double from the one to the other, in µs.
const FIRST_WAIT_US: u64 = 250_000;
const LONGEST_WAIT_US: u64 = 5_000_000;

/// The longest wait for a server that is not there at all, in µs: it gets sound within two seconds of its start.
const LONGEST_FOR_NOBODY_US: u64 = 1_000_000;

/// A server that takes sound for so long, in µs, works, even if it had lost it before: what goes wrong then is new. It is
/// longer than what is on the way takes to be found stuck.
const WORKS_AFTER_US: u64 = 30_000_000;

/// What has happened with one server so far.
#[derive(Debug, Default)]
pub struct Retry {
    failures: u32,
    due_us: u64,
    /// What was said last of what is wrong.
    said: Option<String>,
    /// Whether it was said that it works, since.
    has_worked: bool,
    /// Whether it took sound when it failed last.
    is_shaky: bool,
}

impl Retry {
    /// When it is tried next, in µs.
    #[must_use]
    pub fn due_us(&self) -> u64 {
        self.due_us
    }

    /// It does not work, or not any more, if it `had_sound`. What is to be said of it, unless that was said already.
    pub fn failed(&mut self, fault: &Fault, had_sound: bool, now_us: u64) -> Option<String> {
        self.is_shaky = had_sound;
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

    /// It has taken sound for so long, in µs. Whether that is to be said: at once, unless it may be lost again at once.
    pub fn works(&mut self, for_us: u64) -> bool {
        if for_us >= WORKS_AFTER_US {
            self.failures = 0;
            self.is_shaky = false;
        }
        if self.is_shaky || self.has_worked {
            return false;
        }
        self.said = None;
        self.has_worked = true;
        true
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
                let _ = retry.failed(&fault, false, now_us);
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
        assert!(!retry.works(1_000_000) && !retry.works(90_000_000));
        assert!(retry.failed(&Fault::Ended, true, 0).is_some());
        assert!(retry.failed(&Fault::Refused, false, 0).is_some());
        assert!((0..100).all(|_| retry.failed(&Fault::Refused, false, 0).is_none()));
        assert!(retry.works(0) && !retry.works(1_000_000), "it is another that takes it now");
        assert!(retry.failed(&Fault::Refused, false, 0).is_some(), "it had worked");
    }

    #[test]
    fn of_a_server_that_takes_sound_and_loses_it_again_and_again_little_is_said() {
        let mut retry = Retry::default();
        assert!(retry.works(0));
        assert!(retry.failed(&Fault::Ended, true, 0).is_some());
        for _ in 0..100 {
            assert!(!retry.works(0) && !retry.works(29_999_999));
            assert!(retry.failed(&Fault::Ended, true, 0).is_none());
        }
        assert_eq!(retry.due_us(), 1_000_000);
        assert!(retry.works(30_000_000) && !retry.works(30_100_000));
        assert!(retry.failed(&Fault::Ended, true, 0).is_some(), "it had worked");
        assert_eq!(retry.due_us(), 250_000);
    }
}
