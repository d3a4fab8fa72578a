//! Who may do what in a private room: who knocks, who was let in, who may talk. No socket, no clock.

use std::collections::VecDeque;

use crate::secure::handshake::Asked;
use crate::send::guest::{Guest, MOST_GUESTS, Right};
use crate::wire::Hello;

/// People who knock at the same time: more than anybody lets in one by one. The next is told to come later.
const MOST_KNOCKING: usize = 16;

/// Whoever was refused may knock again after so long, in µs.
const REFUSED_FOR_US: u64 = 60_000_000;

/// Refused people who are remembered for that long.
const MOST_REFUSED: usize = 64;

/// Somebody who waits to be let in.
pub(super) struct Knock {
    /// Their connection's place.
    pub(super) index: usize,
    pub(super) hello: Hello,
    pub(super) asked: Asked,
    pub(super) since_us: u64,
}

/// What becomes of somebody who comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Knocked {
    /// They wait.
    Waits,
    /// They were refused a moment ago.
    Refused,
    /// Too many wait.
    Crowded,
}

/// Who may do what.
#[derive(Default)]
pub(super) struct Guests {
    /// Newcomers are asked about.
    asks: bool,
    /// Those who may talk, by name; `None` is everybody.
    talkers: Option<Vec<String>>,
    known: VecDeque<Guest>,
    knocking: VecDeque<Knock>,
    refused: VecDeque<([u8; 32], u64)>,
}

impl Guests {
    /// With `asks` whoever is not known waits to be let in; `talkers` alone may speak, if there are any.
    pub(super) fn new(asks: bool, talkers: Option<Vec<String>>, known: Vec<Guest>) -> Self {
        Self { asks, talkers, known: known.into(), ..Self::default() }
    }

    /// Whether somebody with that key must be let in by hand.
    pub(super) fn must_knock(&self, key: &[u8; 32]) -> bool {
        self.asks && !self.has(Right::Enter, key)
    }

    fn has(&self, right: Right, key: &[u8; 32]) -> bool {
        self.known.iter().any(|guest| guest.right == right && guest.key == *key)
    }

    /// Somebody knocks. Returns the place of the connection on which they knocked before, too.
    pub(super) fn knock(&mut self, knock: Knock) -> (Knocked, Option<usize>) {
        let (key, now_us) = (knock.asked.client, knock.since_us);
        self.refused.retain(|(_, until_us)| now_us < *until_us);
        if self.refused.iter().any(|(refused, _)| *refused == key) {
            return (Knocked::Refused, None);
        }
        let before = self.knocking.iter().position(|other| other.asked.client == key);
        let before = before.and_then(|place| self.knocking.remove(place)).map(|other| other.index);
        if self.knocking.len() >= MOST_KNOCKING {
            return (Knocked::Crowded, before);
        }
        self.knocking.push_back(knock);
        (Knocked::Waits, before)
    }

    /// Those who wait, the first first.
    pub(super) fn knocking(&self) -> impl Iterator<Item = &Knock> {
        self.knocking.iter()
    }

    /// Whoever waits at that place waits no longer.
    pub(super) fn answer(&mut self, index: usize) -> Option<Knock> {
        let place = self.knocking.iter().position(|knock| knock.index == index)?;
        self.knocking.remove(place)
    }

    /// Whoever has that key is not let in for now.
    pub(super) fn refuse(&mut self, key: [u8; 32], now_us: u64) {
        self.refused.push_back((key, now_us + REFUSED_FOR_US));
        if self.refused.len() > MOST_REFUSED {
            self.refused.pop_front();
        }
    }

    /// Whoever has that key comes in unasked from now on. Returns who is to be remembered.
    pub(super) fn let_in(&mut self, key: [u8; 32], name: &str) -> Vec<Guest> {
        self.note(Guest { right: Right::Enter, key, name: name.to_owned() })
    }

    fn note(&mut self, guest: Guest) -> Vec<Guest> {
        self.known.retain(|other| (other.right, other.key) != (guest.right, guest.key));
        self.known.push_back(guest);
        if self.known.len() > MOST_GUESTS {
            self.known.pop_front();
        }
        self.known.iter().cloned().collect()
    }

    /// Whoever has that key must be let in again, and may not talk. Returns who is to be remembered, if that
    /// is somebody else than before.
    pub(super) fn forget(&mut self, key: &[u8; 32]) -> Option<Vec<Guest>> {
        let before = self.known.len();
        self.known.retain(|guest| guest.key != *key);
        (self.known.len() < before).then(|| self.known.iter().cloned().collect())
    }

    /// Whether somebody with that key and that name may talk. A name belongs to the first who comes with it
    /// and may; who is to be remembered then comes back too.
    pub(super) fn may_talk(
        &mut self,
        key: Option<&[u8; 32]>,
        name: &str,
    ) -> (bool, Option<Vec<Guest>>) {
        let Some(talkers) = &self.talkers else { return (true, None) };
        let Some(key) = key else { return (false, None) };
        let talks = |guest: &&Guest| guest.right == Right::Talk && is_same(talkers, &guest.name);
        if self.known.iter().filter(talks).any(|guest| guest.key == *key) {
            return (true, None);
        }
        let is_taken = self.known.iter().filter(talks).any(|guest| alike(&guest.name, name));
        if is_taken || !is_same(talkers, name) {
            return (false, None);
        }
        let guest = Guest { right: Right::Talk, key: *key, name: name.to_owned() };
        (true, Some(self.note(guest)))
    }
}

fn is_same(names: &[String], name: &str) -> bool {
    names.iter().any(|other| alike(other, name))
}

fn alike(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure::Key;
    use crate::secure::handshake::{Pair, Terms};
    use crate::secure::room::Secret;

    const S: u64 = 1_000_000;

    fn hello() -> Hello {
        Hello::read(br#"{"version": 3, "id": "run", "name": "Ann"}"#).unwrap()
    }

    fn knock(index: usize, n: u8, since_us: u64) -> Knock {
        let (secret, server) = (Secret::new([1; 16]), Pair::new(Key::new([2; 32])));
        let own = Pair::new(Key::new([n; 32]));
        let random = &Key::new([9; 32]);
        let terms = Terms { secret: &secret, own: &own, config: b"", random };
        let (_, message) = terms.ask(&server.public, b"").unwrap();
        let asked = Terms { own: &server, ..terms }.take(&message).unwrap();
        Knock { index, hello: hello(), asked, since_us }
    }

    #[test]
    fn whoever_is_not_known_waits_once_and_is_known_when_let_in() {
        let mut guests = Guests::new(true, None, Vec::new());
        let first = knock(1, 7, 0);
        let key = first.asked.client;
        assert!(guests.must_knock(&key));
        assert_eq!(guests.knock(first), (Knocked::Waits, None));
        assert_eq!(guests.knock(knock(2, 7, S)), (Knocked::Waits, Some(1)), "they called again");
        assert!(guests.answer(1).is_none());
        let answered = guests.answer(2).unwrap().asked.client;
        let kept = guests.let_in(answered, "Ann");
        assert_eq!((kept.len(), kept[0].key), (1, key));
        assert!(!guests.must_knock(&key) && guests.knocking().next().is_none());
        assert!(!Guests::new(true, None, kept).must_knock(&key), "remembered");
        assert_eq!(guests.forget(&key), Some(Vec::new()));
        assert!(guests.must_knock(&key));
        assert!(!Guests::new(false, None, Vec::new()).must_knock(&key));
    }

    #[test]
    fn no_more_than_sixteen_wait_and_whoever_was_refused_comes_again_after_a_minute() {
        let mut guests = Guests::new(true, None, Vec::new());
        for n in 0..MOST_KNOCKING {
            assert_eq!(guests.knock(knock(n, 10 + n as u8, 0)).0, Knocked::Waits);
        }
        assert_eq!(guests.knock(knock(99, 99, 0)).0, Knocked::Crowded);
        assert_eq!(guests.knock(knock(98, 10, 0)), (Knocked::Waits, Some(0)));
        let key = guests.answer(98).unwrap().asked.client;
        guests.refuse(key, 5 * S);
        assert_eq!(guests.knock(knock(97, 10, 64 * S)).0, Knocked::Refused);
        assert_eq!(guests.knock(knock(97, 10, 65 * S)).0, Knocked::Waits);
    }

    #[test]
    fn a_name_that_may_talk_belongs_to_the_first_key_that_comes_with_it() {
        let talkers = Some(vec!["Ann".to_owned(), "Bob".to_owned()]);
        let mut guests = Guests::new(false, talkers.clone(), Vec::new());
        let (ann, eve) = ([1; 32], [2; 32]);
        assert_eq!(guests.may_talk(Some(&eve), "Eve"), (false, None));
        let (may, kept) = guests.may_talk(Some(&ann), "ann");
        assert!(may);
        assert_eq!(guests.may_talk(Some(&eve), "Ann"), (false, None), "it is another's");
        assert_eq!(guests.may_talk(Some(&ann), "Queen"), (true, None), "whatever she is called");
        assert_eq!(guests.may_talk(None, "Bob"), (false, None));
        let mut again = Guests::new(false, talkers, kept.unwrap());
        assert!(!again.may_talk(Some(&eve), "Ann").0);
        let mut others = Guests::new(false, Some(vec!["Bob".to_owned()]), again.known.into());
        assert!(!others.may_talk(Some(&ann), "Ann").0, "she is not named any more");
        assert!(Guests::default().may_talk(None, "").0, "everybody may");
    }
}
