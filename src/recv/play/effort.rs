//! How much the playing thread does at a stretch, whatever a server sends.
//!
//! Pure: time is an argument. The thread runs in real time: no other gets a turn while it computes,
//! and the system ends a program whose thread computes for 200 ms without a rest.

/// Messages that are taken between two looks at the card. A server sends 400 a second at most, so
/// what waited during a stall of a tenth of a second is taken in one turn.
const MOST_MESSAGES: u32 = 64;

/// Messages are taken for no longer than this between two looks at the card, in µs.
const LONGEST_TURN_US: u64 = 2_000;

/// The thread rests after working for this long at the latest, in µs. One more turn fits into the
/// 20 ms that it may take in all.
const LONGEST_EFFORT_US: u64 = 8_000;

/// A wait that was shorter than this, in µs, may have been none.
const SHORTEST_REST_US: u64 = 200;

/// Sleeps of the thread, in µs.
const LONGEST_TICK_US: f64 = 10_000.0;
const SHORTEST_TICK_US: f64 = 500.0;

/// What the playing thread does between two turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Sleep for so many µs, whatever comes.
    Sleep(u64),
    /// Wait until something comes, or for so many µs: with a short delay there is no half millisecond
    /// to lose.
    UntilHeard(u64),
    /// Go on.
    None,
}

/// What the thread has done since it last rested.
#[derive(Debug, Default)]
pub(super) struct Effort {
    turn_us: u64,
    messages: u32,
    rested_us: u64,
}

impl Effort {
    /// A turn begins at `now_us`.
    pub(super) fn begin_turn(&mut self, now_us: u64) {
        (self.turn_us, self.messages) = (now_us, 0);
    }

    /// Whether one more message may be taken in this turn.
    pub(super) fn may_take(&mut self, now_us: u64) -> bool {
        let may =
            self.messages < MOST_MESSAGES && now_us.saturating_sub(self.turn_us) < LONGEST_TURN_US;
        self.messages += u32::from(may);
        may
    }

    /// The thread waited from `from_us` until `to_us`.
    pub(super) fn waited(&mut self, from_us: u64, to_us: u64) {
        if to_us.saturating_sub(from_us) >= SHORTEST_REST_US {
            self.rested_us = to_us;
        }
    }

    /// What the thread does at `now_us`, where `has_more` says that there is work already and the card
    /// has sound for `lead_ms`.
    pub(super) fn rest(&self, now_us: u64, has_more: bool, lead_ms: f64) -> Rest {
        if self.must_rest(now_us) {
            return Rest::Sleep(SHORTEST_TICK_US as u64);
        }
        if has_more {
            return Rest::None;
        }
        let tick_us = (lead_ms * 1e3 / 3.0).clamp(SHORTEST_TICK_US, LONGEST_TICK_US);
        Rest::UntilHeard(tick_us as u64)
    }

    /// Whether the thread has worked for so long that it must rest, however much there is to do.
    fn must_rest(&self, now_us: u64) -> bool {
        now_us.saturating_sub(self.rested_us) >= LONGEST_EFFORT_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_ends_after_64_messages_or_2_ms() {
        let mut effort = Effort::default();
        effort.begin_turn(1_000_000);
        assert_eq!((0..1000).filter(|_| effort.may_take(1_000_100)).count(), 64);
        effort.begin_turn(1_000_200);
        assert!(effort.may_take(1_002_199));
        assert!(!effort.may_take(1_002_200));
    }

    /// A server that has always more to say, of which each message takes `message_us`.
    fn longest_stretch_us(message_us: u64) -> u64 {
        let mut effort = Effort::default();
        let (mut now_us, mut rested_us, mut longest_us) = (1_000_000, 1_000_000, 0);
        effort.waited(0, now_us);
        while now_us < 3_000_000 {
            effort.begin_turn(now_us);
            while effort.may_take(now_us) {
                now_us += message_us;
            }
            longest_us = longest_us.max(now_us - rested_us);
            if effort.must_rest(now_us) {
                effort.waited(now_us, now_us + 500);
                now_us += 500;
                rested_us = now_us;
            }
        }
        longest_us
    }

    #[test]
    fn whoever_sends_without_end_gets_no_more_than_20_ms_at_a_stretch() {
        for message_us in [1, 30, 500, 3_000, 9_000] {
            assert!(longest_stretch_us(message_us) < 20_000, "{message_us}");
        }
    }

    #[test]
    fn a_message_that_was_there_already_is_no_rest() {
        let mut effort = Effort::default();
        effort.waited(0, 1_000_000);
        effort.waited(1_007_000, 1_007_010);
        assert!(effort.must_rest(1_008_000));
        effort.waited(1_008_000, 1_008_500);
        assert!(!effort.must_rest(1_009_000));
    }
}
