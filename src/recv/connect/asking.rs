//! Whether sound comes by datagram: when to try, when to ask, and when to go back to TCP.
//!
//! Pure: time is an argument, and asks and answers are messages.

use crate::wire::datagram::{Answer, Ask, Parities, Token};

/// Asks without a word back are this far apart, in µs, before the round trip is known; at first less, because
/// sound by TCP stands still where a segment is lost, and a server takes twenty a second.
const FIRST_ASKS_US: u64 = 100_000;
const HASTY_ASKS_US: u64 = 25_000;
const HASTY_FOR_US: u64 = 200_000;

/// The path is tried for so long, in µs, before TCP is thought the better way.
const TRY_US: u64 = 1_000_000;

/// A path that does not work is tried again after so long, then after twice that, up to the longest,
/// in µs.
const FIRST_RETRY_US: u64 = 1_000_000;
const LAST_RETRY_US: u64 = 30_000_000;

/// A path that has worked for so long, in µs, is a good one: it is tried soon again when it fails.
const WORKED_US: u64 = 60_000_000;

/// An ask is sent at least this often, in µs: a server stops after ten seconds without, and a router
/// forgets the way after thirty.
const KEEP_US: u64 = 1_000_000;

/// Where no ask was answered for so long, in µs, what is said goes by TCP: two asks of those that keep the
/// path, and the time that an answer may take.
const UNHEARD_US: u64 = 2_500_000;

/// While no sound comes, asks are no closer together than this, in µs. The first waits for this share of the
/// playout delay too, and no longer than the most: a server may take half of that share, and 60 ms, to fill
/// a datagram, and sound is back within 100 ms of another address.
const QUIET_ASKS_US: u64 = 20_000;
const QUIET_SHARE_OF_DELAY: u64 = 4;
const MOST_QUIET_US: u64 = 80_000;

/// Asks that are answered while no sound comes are believed for so long, in µs.
const ANSWERED_ONLY_US: u64 = 1_000_000;

/// Sound that comes by TCP when none has come by datagram for so long, in µs, was not sent before these
/// began.
const TURNED_US: u64 = 1_000_000;

/// A path that is silent for half the playout delay, within these bounds in µs, is not waited for.
const SHORTEST_SILENCE_US: u64 = 100_000;
const LONGEST_SILENCE_US: u64 = 400_000;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Send an ask.
    Ask(Ask),
    /// Let sound come by TCP again.
    FallBack,
    /// The path does not work, for the first time or again.
    GiveUp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// By TCP, until then.
    Off { until_us: u64 },
    /// The path is being tried.
    Trying { since_us: u64 },
    /// Sound comes by datagram.
    On { since_us: u64 },
}

/// One connection's datagrams.
#[derive(Debug)]
pub(super) struct Asking {
    token: Token,
    cookie: u64,
    is_proven: bool,
    state: State,
    retry_us: u64,
    next_ask_us: u64,
    /// This parity is to come, too.
    parities: Parities,
    /// When sound and an answer came last.
    sound_us: u64,
    answer_us: u64,
}

impl Asking {
    /// Begins to try the path at `now_us`.
    pub(super) fn new(token: Token, now_us: u64) -> Self {
        Self {
            token,
            cookie: 0,
            is_proven: false,
            state: State::Trying { since_us: now_us },
            retry_us: FIRST_RETRY_US,
            next_ask_us: now_us,
            parities: Parities::NONE,
            sound_us: now_us,
            answer_us: now_us,
        }
    }

    /// Whether sound comes by datagram.
    pub(super) fn is_on(&self) -> bool {
        matches!(self.state, State::On { .. })
    }

    /// Whether the server has told what proves our address.
    pub(super) fn has_cookie(&self) -> bool {
        self.cookie != 0
    }

    /// Which parity is to come, too: what is new is asked for at once.
    pub(super) fn wish_parity(&mut self, parities: Parities, now_us: u64) {
        if std::mem::replace(&mut self.parities, parities) != parities && self.is_on() {
            self.next_ask_us = now_us;
        }
    }

    /// Whether what is said by datagram at `now_us` is likely to be heard: sound comes that way, and asks are
    /// answered.
    pub(super) fn is_heard(&self, now_us: u64) -> bool {
        self.is_on() && self.is_proven && now_us.saturating_sub(self.answer_us) < UNHEARD_US
    }

    /// The token and the cookie that tell the server whose a datagram is.
    pub(super) fn whose(&self) -> (&Token, u64) {
        (&self.token, self.cookie)
    }

    /// A datagram of sound came. Returns whether it is the first.
    pub(super) fn sound(&mut self, now_us: u64) -> bool {
        self.sound_us = now_us;
        let begins = matches!(self.state, State::Trying { .. });
        if begins {
            self.state = State::On { since_us: now_us };
        }
        begins
    }

    /// An answer came. Returns the round trip in µs, where it tells.
    pub(super) fn answer(&mut self, answer: &Answer, now_us: u64) -> Option<u64> {
        let round_trip_us = now_us.checked_sub(answer.client_us)?;
        self.answer_us = now_us;
        if self.cookie != answer.cookie || !answer.is_proven {
            // The address is another one, or new: the next ask proves it.
            self.is_proven = false;
            self.next_ask_us = now_us;
        } else {
            self.is_proven = true;
        }
        self.cookie = answer.cookie;
        Some(round_trip_us)
    }

    /// Sound came by TCP. Returns whether datagrams have ended with that: the server sends by TCP again by
    /// itself.
    pub(super) fn came_by_tcp(&mut self, now_us: u64) -> bool {
        let has_ended = self.is_on() && now_us.saturating_sub(self.sound_us) >= TURNED_US;
        if has_ended {
            self.fall_back(now_us);
        }
        has_ended
    }

    /// What is to be done at `now_us`, where an answer takes `round_trip_us` and sound is heard `delay_us`
    /// after its capture. Ask until there is nothing.
    pub(super) fn next(&mut self, now_us: u64, round_trip_us: u64, delay_us: u64) -> Option<Step> {
        match self.state {
            State::Off { until_us } if now_us < until_us => return None,
            State::Off { .. } => {
                self.state = State::Trying { since_us: now_us };
                (self.cookie, self.is_proven, self.next_ask_us) = (0, false, now_us);
            }
            State::Trying { since_us } if now_us - since_us >= TRY_US => {
                self.fall_back(now_us);
                return Some(Step::GiveUp);
            }
            State::On { .. } if self.is_silent(now_us, delay_us) => {
                self.fall_back(now_us);
                return Some(Step::FallBack);
            }
            State::Trying { .. } | State::On { .. } => {}
        }
        if now_us < self.ask_due_us(round_trip_us, delay_us) {
            return None;
        }
        let ask = self.ask(0, Vec::new(), now_us);
        Some(Step::Ask(ask))
    }

    /// An ask for what is missing.
    pub(super) fn ask(&mut self, stream: u8, missing: Vec<u32>, now_us: u64) -> Ask {
        let spacing_us = match self.state {
            State::On { .. } => KEEP_US,
            State::Trying { since_us } if now_us.saturating_sub(since_us) < HASTY_FOR_US => {
                HASTY_ASKS_US
            }
            State::Trying { .. } | State::Off { .. } => FIRST_ASKS_US,
        };
        self.next_ask_us = now_us + spacing_us;
        Ask {
            is_wanted: true,
            parity: self.parities,
            stream,
            token: self.token,
            cookie: self.cookie,
            client_us: now_us,
            missing,
        }
    }

    /// When [`next`](Self::next) has something to do, in µs.
    pub(super) fn due_us(&self, round_trip_us: u64, delay_us: u64) -> u64 {
        match self.state {
            State::Off { until_us } => until_us,
            State::Trying { since_us } => self.next_ask_us.min(since_us + TRY_US),
            State::On { .. } => {
                let ask_us = self.ask_due_us(round_trip_us, delay_us);
                let answered_us = self.sound_us.max(self.answer_us);
                let silent_us = answered_us + silence_us(delay_us);
                ask_us.min(silent_us).min(self.sound_us + ANSWERED_ONLY_US)
            }
        }
    }

    fn ask_due_us(&self, round_trip_us: u64, delay_us: u64) -> u64 {
        let quiet_us = round_trip_us.max(QUIET_ASKS_US);
        let share_us = (delay_us / QUIET_SHARE_OF_DELAY).min(MOST_QUIET_US);
        let silent_us = self.sound_us + quiet_us.max(share_us);
        let last_us = self.next_ask_us.saturating_sub(KEEP_US);
        match self.state {
            State::On { .. } => self.next_ask_us.min(silent_us.max(last_us + quiet_us)),
            State::Trying { .. } | State::Off { .. } => self.next_ask_us,
        }
    }

    fn is_silent(&self, now_us: u64, delay_us: u64) -> bool {
        let silence_us = silence_us(delay_us);
        let unheard_us = now_us.saturating_sub(self.sound_us);
        let unanswered_us = now_us.saturating_sub(self.sound_us.max(self.answer_us));
        unanswered_us >= silence_us || unheard_us >= ANSWERED_ONLY_US
    }

    fn fall_back(&mut self, now_us: u64) {
        if let State::On { since_us } = self.state
            && now_us.saturating_sub(since_us) >= WORKED_US
        {
            self.retry_us = FIRST_RETRY_US;
        }
        self.state = State::Off { until_us: now_us + self.retry_us };
        self.retry_us = (self.retry_us * 2).min(LAST_RETRY_US);
    }
}

fn silence_us(delay_us: u64) -> u64 {
    (delay_us / 2).clamp(SHORTEST_SILENCE_US, LONGEST_SILENCE_US)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000;
    const DELAY_US: u64 = 80 * MS;
    const TRIP_US: u64 = 4 * MS;

    fn steps(asking: &mut Asking, now_us: u64) -> Vec<Step> {
        let steps = std::iter::from_fn(|| asking.next(now_us, TRIP_US, DELAY_US)).collect();
        assert!(asking.due_us(TRIP_US, DELAY_US) > now_us, "{asking:?} at {now_us}");
        steps
    }

    fn answer(asking: &mut Asking, cookie: u64, is_proven: bool, now_us: u64) {
        let answer = Answer { is_proven, cookie, client_us: now_us - TRIP_US, server_us: 0 };
        assert_eq!(asking.answer(&answer, now_us), Some(TRIP_US));
    }

    /// On at 1,010 ms.
    fn on() -> Asking {
        let mut asking = Asking::new([7; 16], 1_000 * MS);
        assert_eq!(steps(&mut asking, 1_000 * MS).len(), 1);
        answer(&mut asking, 9, false, 1_005 * MS);
        let [Step::Ask(ask)] = &steps(&mut asking, 1_005 * MS)[..] else { panic!() };
        assert_eq!((ask.cookie, ask.is_wanted), (9, true));
        answer(&mut asking, 9, true, 1_009 * MS);
        assert!(asking.sound(1_010 * MS) && !asking.sound(1_010 * MS) && asking.is_on());
        asking
    }

    #[test]
    fn a_path_is_tried_proven_and_used_and_asks_keep_it() {
        let mut asking = on();
        let mut asked = 0;
        for ms in 1_010..11_010 {
            asking.sound(ms * MS);
            asked += steps(&mut asking, ms * MS).len();
        }
        assert_eq!(asked, 10);
    }

    #[test]
    fn silence_is_asked_about_at_once_and_ends_in_tcp_and_a_new_try() {
        let mut asking = on();
        let (mut asked, mut fell_back) = (Vec::new(), None);
        for ms in 1_010..1_200 {
            for step in steps(&mut asking, ms * MS) {
                match step {
                    Step::Ask(_) => asked.push(ms - 1_010),
                    Step::FallBack => fell_back = Some(ms - 1_010),
                    Step::GiveUp => panic!(),
                }
            }
        }
        assert_eq!((asked, fell_back), (vec![20, 40, 60, 80], Some(100)));
        assert!(!asking.is_on());
        assert_eq!(steps(&mut asking, 2_109 * MS), []);
        let [Step::Ask(ask)] = &steps(&mut asking, 2_110 * MS)[..] else { panic!() };
        assert_eq!(ask.cookie, 0, "the address is proven anew");
    }

    #[test]
    fn silence_that_is_answered_is_waited_for_up_to_a_second() {
        let mut asking = on();
        for ms in 1_010..2_009 {
            for step in steps(&mut asking, ms * MS) {
                assert!(matches!(step, Step::Ask(_)), "{step:?} at {ms}");
                answer(&mut asking, 9, true, (ms + 4) * MS);
            }
        }
        assert_eq!(steps(&mut asking, 2_010 * MS), [Step::FallBack]);
    }

    #[test]
    fn a_new_cookie_is_used_at_once() {
        let mut asking = on();
        answer(&mut asking, 11, false, 1_040 * MS);
        let [Step::Ask(ask)] = &steps(&mut asking, 1_040 * MS)[..] else { panic!() };
        assert_eq!(ask.cookie, 11);
        assert_eq!(steps(&mut asking, 1_041 * MS), []);
    }

    #[test]
    fn a_path_that_never_works_is_tried_more_and_more_rarely() {
        let mut asking = Asking::new([7; 16], 0);
        let mut given_up = Vec::new();
        for ms in 0..200_000 {
            given_up
                .extend(steps(&mut asking, ms * MS).contains(&Step::GiveUp).then_some(ms / 1_000));
        }
        assert_eq!(given_up, [1, 3, 6, 11, 20, 37, 68, 99, 130, 161, 192]);
    }
}
