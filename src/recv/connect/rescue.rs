//! What to do about a connection on which nothing comes any more: when to call the server a second
//! time, and which of the two connections to keep. No socket, no clock: time is an argument.
//!
//! A version 2 server keeps silence flowing, so quiet means that the path is dead. When it is back,
//! TCP waits for its own next retransmission, which comes seconds later after a long outage; a call
//! made meanwhile is answered at once.

/// A path on which nothing comes for this long, in µs, is dead and does not only stutter: lost
/// packets are sent again sooner.
const QUIET_US: u64 = 500_000;

/// A server with long chunks is quiet for longer between two of them: it may be quiet for this many
/// chunks.
const QUIET_CHUNKS: u64 = 4;

/// While datagrams come, a connection on which nothing comes for this long, in µs, and so many answers
/// to pings, is called beside: it only carries control then.
const LINE_QUIET_US: u64 = 5_000_000;
const LINE_QUIET_PINGS: u64 = 4;

/// A call that has not reached the server by then is given up for the next one, because the
/// system itself asks again only after a second.
const CALL_US: u64 = 500_000;

/// On a path that takes longer than that no such call would ever arrive, so one in this many is
/// given [`ATTEMPT_US`].
const PATIENT_EVERY: u64 = 40;

/// A call that reached the server is given this long in all: one that does not answer is busy, and
/// more calls would not help it.
const ATTEMPT_US: u64 = 3_000_000;

/// Calls begin this far apart, and rarely once the path has been dead for [`OFTEN_FOR_US`].
const OFTEN_US: u64 = 500_000;
const OFTEN_FOR_US: u64 = 600_000_000;
const RARELY_US: u64 = 5_000_000;

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Say that the path is dead.
    Mourn,
    /// Open a second connection.
    Call,
    /// Close the second connection.
    HangUp,
    /// End both: the server is to be looked for anew.
    GiveUp,
}

/// What the connection in use has delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivered {
    /// The path was dead for so long, in µs, and is back.
    pub(super) back_after_us: Option<u64>,
    /// The second connection is not needed: close it.
    pub(super) hang_up: bool,
}

/// The second connection.
#[derive(Debug, Clone, Copy)]
struct Call {
    since_us: u64,
    /// When its time is up.
    until_us: u64,
    greeted: bool,
}

/// The watch over one connection.
#[derive(Debug)]
pub(super) struct Rescue {
    quiet_us: u64,
    give_up_after_us: u64,
    heard_us: u64,
    /// When the connection itself last delivered: datagrams come beside it.
    line_us: u64,
    line_quiet_us: u64,
    dead: bool,
    call: Option<Call>,
    next_call_us: u64,
    calls: u64,
}

impl Rescue {
    /// Watches a connection that has just delivered, and will deliver a chunk every `chunk_us`, or beside
    /// datagrams an answer every `ping_us`. A path that is dead for `give_up_after_us` is given up.
    pub(super) fn new(now_us: u64, chunk_us: u64, ping_us: u64, give_up_after_us: u64) -> Self {
        Self {
            quiet_us: QUIET_US.max(chunk_us.saturating_mul(QUIET_CHUNKS)),
            give_up_after_us,
            heard_us: now_us,
            line_us: now_us,
            line_quiet_us: LINE_QUIET_US + ping_us.saturating_mul(LINE_QUIET_PINGS),
            dead: false,
            call: None,
            next_call_us: 0,
            calls: 0,
        }
    }

    /// Whether nothing comes.
    pub(super) fn is_dead(&self) -> bool {
        self.dead
    }

    /// For how long nothing has come, in µs.
    pub(super) fn quiet_for_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.heard_us)
    }

    /// The connection in use has delivered. A second one to which we have not introduced ourselves
    /// is not needed; one to which we have is about to take the place of this one at the server.
    pub(super) fn heard(&mut self, now_us: u64) -> Delivered {
        let back_after_us = self.dead.then(|| self.quiet_for_us(now_us));
        let hang_up = self.call.take_if(|call| !call.greeted).is_some();
        (self.heard_us, self.line_us, self.dead) = (now_us, now_us, false);
        Delivered { back_after_us, hang_up }
    }

    /// A datagram has come beside the connection in use: the path is alive, the connection may not be.
    pub(super) fn heard_beside(&mut self, now_us: u64) -> Delivered {
        let back_after_us = self.dead.then(|| self.quiet_for_us(now_us));
        (self.heard_us, self.dead) = (now_us, false);
        Delivered { back_after_us, hang_up: false }
    }

    /// The second connection has reached the server.
    pub(super) fn reached(&mut self) {
        if let Some(call) = &mut self.call {
            call.until_us = call.since_us + ATTEMPT_US;
        }
    }

    /// We have introduced ourselves on the second connection.
    pub(super) fn greeted(&mut self) {
        if let Some(call) = &mut self.call {
            call.greeted = true;
        }
    }

    /// The second connection has failed.
    pub(super) fn failed(&mut self) {
        self.call = None;
    }

    /// When [`next`](Self::next) may have something to do.
    pub(super) fn due_us(&self) -> u64 {
        match (self.dead, self.call) {
            (false, None) => {
                let line_us = (self.line_us + self.line_quiet_us).max(self.next_call_us);
                line_us.min(self.heard_us + self.quiet_us)
            }
            (true, None) => self.next_call_us,
            (_, Some(call)) => call.until_us,
        }
    }

    /// What is to be done now; ask until there is nothing.
    pub(super) fn next(&mut self, now_us: u64) -> Option<Step> {
        let quiet_us = self.quiet_for_us(now_us);
        if self.call.take_if(|call| now_us >= call.until_us).is_some() {
            return Some(Step::HangUp);
        }
        if !self.dead && quiet_us >= self.quiet_us {
            (self.dead, self.next_call_us) = (true, now_us);
            return Some(Step::Mourn);
        }
        let is_line_quiet = now_us.saturating_sub(self.line_us) >= self.line_quiet_us;
        if !(self.dead || is_line_quiet) || self.call.is_some() {
            return None;
        }
        if quiet_us >= self.give_up_after_us {
            return Some(Step::GiveUp);
        }
        if now_us < self.next_call_us {
            return None;
        }
        self.calls += 1;
        let patient = self.calls.is_multiple_of(PATIENT_EVERY);
        let until_us = now_us + if patient { ATTEMPT_US } else { CALL_US };
        self.call = Some(Call { since_us: now_us, until_us, greeted: false });
        self.next_call_us = now_us + if quiet_us < OFTEN_FOR_US { OFTEN_US } else { RARELY_US };
        Some(Step::Call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1000;

    /// A watch since 0 over a server whose chunks last 20 ms.
    fn watch() -> Rescue {
        Rescue::new(0, 20 * MS, 250 * MS, u64::MAX)
    }

    /// All steps that are due; giving up is the last.
    fn steps(rescue: &mut Rescue, now_us: u64) -> Vec<Step> {
        let mut steps = Vec::new();
        while steps.last() != Some(&Step::GiveUp)
            && let Some(step) = rescue.next(now_us)
        {
            steps.push(step);
        }
        steps
    }

    #[test]
    fn half_a_second_of_nothing_is_a_dead_path_and_the_server_is_called_at_once() {
        let mut rescue = watch();
        assert_eq!(steps(&mut rescue, 499 * MS), []);
        assert_eq!(rescue.due_us(), 500 * MS);
        assert_eq!(steps(&mut rescue, 500 * MS), [Step::Mourn, Step::Call]);
        assert!(rescue.is_dead());
    }

    #[test]
    fn a_server_with_long_chunks_is_not_thought_dead_between_two_of_them() {
        let mut rescue = Rescue::new(0, 1000 * MS, 250 * MS, u64::MAX);
        assert_eq!(steps(&mut rescue, 3999 * MS), []);
        assert_eq!(steps(&mut rescue, 4000 * MS), [Step::Mourn, Step::Call]);
    }

    #[test]
    fn calls_that_reach_nobody_follow_each_other_and_never_pile_up() {
        let mut rescue = watch();
        let (mut open, mut begun) = (0, Vec::new());
        for now_ms in 0..5000 {
            for step in steps(&mut rescue, now_ms * MS) {
                match step {
                    Step::Mourn => assert_eq!(now_ms, 500),
                    Step::Call => {
                        open += 1;
                        begun.push(now_ms);
                    }
                    Step::HangUp => open -= 1,
                    Step::GiveUp => panic!("at {now_ms} ms"),
                }
            }
            assert!(open <= 1, "{open} calls at {now_ms} ms");
        }
        assert_eq!(begun, [500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 4500]);
    }

    #[test]
    fn a_call_that_fails_at_once_is_not_repeated_at_once() {
        let mut rescue = watch();
        assert_eq!(steps(&mut rescue, 500 * MS), [Step::Mourn, Step::Call]);
        rescue.failed();
        assert_eq!(steps(&mut rescue, 501 * MS), []);
        assert_eq!(steps(&mut rescue, 1000 * MS), [Step::Call]);
    }

    #[test]
    fn a_server_that_was_reached_and_is_busy_is_given_three_seconds() {
        let mut rescue = watch();
        let _ = steps(&mut rescue, 500 * MS);
        rescue.reached();
        assert_eq!(steps(&mut rescue, 3499 * MS), []);
        assert_eq!(steps(&mut rescue, 3500 * MS), [Step::HangUp, Step::Call]);
    }

    #[test]
    fn now_and_then_a_call_is_patient_enough_for_a_slow_path() {
        let mut rescue = watch();
        let patience = (0..60_000).filter_map(|now_ms| {
            let called = steps(&mut rescue, now_ms * MS).contains(&Step::Call);
            called.then(|| rescue.due_us() - now_ms * MS)
        });
        assert_eq!(patience.max(), Some(ATTEMPT_US));
    }

    #[test]
    fn an_old_connection_that_delivers_first_is_kept_and_the_path_is_back() {
        let mut rescue = watch();
        let _ = steps(&mut rescue, 500 * MS);
        rescue.reached();
        let back = Delivered { back_after_us: Some(700 * MS), hang_up: true };
        assert_eq!(rescue.heard(700 * MS), back);
        let usual = Delivered { back_after_us: None, hang_up: false };
        assert_eq!(rescue.heard(720 * MS), usual);
        assert_eq!(steps(&mut rescue, 1219 * MS), []);
        assert_eq!(steps(&mut rescue, 1220 * MS), [Step::Mourn, Step::Call], "the next time");
    }

    #[test]
    fn a_connection_on_which_we_have_said_hello_is_kept_whatever_the_old_one_delivers() {
        let mut rescue = watch();
        let _ = steps(&mut rescue, 500 * MS);
        rescue.reached();
        rescue.greeted();
        let back = Delivered { back_after_us: Some(700 * MS), hang_up: false };
        assert_eq!(rescue.heard(700 * MS), back);
        assert_eq!(steps(&mut rescue, 1200 * MS), [Step::Mourn], "no third connection");
        assert_eq!(steps(&mut rescue, 3500 * MS), [Step::HangUp, Step::Call], "it had its time");
    }

    #[test]
    fn datagrams_keep_a_path_alive_and_a_connection_that_is_quiet_beside_them_is_called_beside() {
        let mut rescue = watch();
        for now_ms in (0..5_999).step_by(5) {
            assert_eq!(rescue.heard_beside(now_ms * MS).back_after_us, None);
            assert_eq!(steps(&mut rescue, now_ms * MS), [], "at {now_ms} ms");
        }
        assert_eq!(rescue.due_us(), 6_000 * MS);
        assert_eq!(steps(&mut rescue, 6_000 * MS), [Step::Call]);
        assert!(!rescue.is_dead());
    }

    #[test]
    fn a_path_that_stays_dead_is_given_up_in_the_end_and_called_more_rarely_before() {
        let mut rescue = Rescue::new(0, 20 * MS, 250 * MS, 2000 * MS);
        let _ = steps(&mut rescue, 500 * MS);
        assert_eq!(steps(&mut rescue, 1999 * MS), [Step::HangUp, Step::Call]);
        assert_eq!(steps(&mut rescue, 2500 * MS), [Step::HangUp, Step::GiveUp]);

        let mut patient = watch();
        let mut calls = 0;
        for now_ms in (0..1_200_000).step_by(10) {
            calls += steps(&mut patient, now_ms * MS).iter().filter(|s| **s == Step::Call).count();
        }
        assert!((1100..1300).contains(&calls), "{calls}");
    }
}
