//! When the server is pinged. No socket: time is an argument.

use crate::clock::ServerClock;

/// Pings that may wait for an answer. Where sound comes by datagram it goes on while TCP stands still; more
/// pings would come all at once when that goes on, which the server takes for a flood: it reads twenty a
/// second. A clock that has jumped is asked about with ten at once beside these.
const MOST_UNANSWERED: u32 = 10;

/// The pings of one conversation.
#[derive(Debug, Default)]
pub(super) struct Pings {
    /// How many have been sent since the clock was new.
    sent: u32,
    next_us: u64,
    unanswered: u32,
}

impl Pings {
    /// A conversation begins at `now_us`: its clock may have been asleep, or the path be another one.
    pub(super) fn begin(&mut self, now_us: u64) {
        *self = Self { sent: 0, next_us: now_us, unanswered: 0 };
    }

    /// A pong came; whether `is_new` that the clock is.
    pub(super) fn answered(&mut self, is_new: bool) {
        self.unanswered = 0;
        if is_new {
            self.sent = 0;
        }
    }

    /// Whether what is said waits somewhere on the way.
    pub(super) fn wait(&self) -> bool {
        self.unanswered >= MOST_UNANSWERED
    }

    /// When the next is due, in µs.
    pub(super) fn due_us(&self) -> u64 {
        if self.wait() { u64::MAX } else { self.next_us }
    }

    /// Whether one is to be sent at `now_us`; the next follows as often as `clock` needs and the server
    /// wants, `ping_ms`, spread by `random`.
    pub(super) fn is_due(
        &mut self,
        clock: &ServerClock,
        ping_ms: u32,
        random: u64,
        now_us: u64,
    ) -> bool {
        let is_due = now_us >= self.due_us();
        if is_due {
            self.sent += 1;
            self.unanswered += 1;
            self.next_us = now_us + clock.ping_after_us(self.sent, ping_ms, random);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(pings: &mut Pings, seconds: std::ops::Range<u64>, is_answered: bool) -> u32 {
        let mut sent = 0;
        for now_us in (seconds.start * 1_000_000..seconds.end * 1_000_000).step_by(10_000) {
            if pings.is_due(&ServerClock::default(), 250, now_us, now_us) {
                sent += 1;
                if is_answered {
                    pings.answered(false);
                }
            }
        }
        sent
    }

    #[test]
    fn pings_that_nobody_answers_do_not_gather_to_a_flood() {
        let mut pings = Pings::default();
        pings.begin(0);
        assert!(sent(&mut pings, 0..5, true) > 20);
        assert_eq!(sent(&mut pings, 5..65, false), MOST_UNANSWERED);
        assert!(pings.wait() && pings.due_us() == u64::MAX);
        pings.answered(false);
        assert!(!pings.wait() && sent(&mut pings, 65..66, true) > 2);
    }
}
