//! The people of an edge: what the origin is to know of those here, and who is elsewhere. No channel, no clock.

use std::collections::{BTreeMap, BTreeSet};

use crate::engine::people::{Everybody, FarPeople, FarPerson, Known, MOST_FAR, MOST_VOLUMES};
use crate::send::presence::{Message, Presence, Spoken};
use crate::send::transmit::Elsewhere;
use crate::wire::Person;

/// People elsewhere have numbers from here on: the origin's, and this. Those here never get so far, nor does the origin.
const FIRST_ELSEWHERE: u32 = 1 << 31;

/// So many of those whom the origin is told of are for people with a microphone.
const FOR_MICROPHONES: usize = 24;

/// Who is elsewhere is forgotten where the origin has not said it for so long, in µs: six times as long as it takes to
/// say it again.
const GONE_US: u64 = 6_000_000;

/// Those here who matter to the origin, and those elsewhere.
#[derive(Debug)]
pub(super) struct Room {
    /// This edge's run.
    run: u64,
    here: BTreeMap<u32, Presence>,
    /// Connections that the origin has been told of. What they hear comes to them alone ever after.
    told: BTreeSet<u64>,
    everybody: Everybody,
    /// When that was said, in µs.
    learnt_us: u64,
    /// What the origin calls those here.
    numbers: BTreeMap<u32, u32>,
    /// Connections whose microphone was taken.
    silenced: BTreeSet<u64>,
    /// The origin does not know the newest.
    has_news: bool,
}

impl Room {
    /// That of the edge with this run, empty.
    pub(super) fn new(run: u64) -> Self {
        Self {
            run,
            here: BTreeMap::new(),
            told: BTreeSet::new(),
            everybody: Everybody::default(),
            learnt_us: 0,
            numbers: BTreeMap::new(),
            silenced: BTreeSet::new(),
            has_news: true,
        }
    }

    /// Learns who is here. Returns what somebody says, and who.
    pub(super) fn hear(&mut self, message: Message) -> Option<(u32, Spoken)> {
        match message {
            Message::Here { person, presence } => {
                let connection = presence.connection;
                let before = self.here.insert(person, presence);
                if let Some(before) = before.filter(|before| before.connection != connection) {
                    self.forget(before.connection);
                }
            }
            Message::Left { person } => {
                if let Some(left) = self.here.remove(&person) {
                    self.forget(left.connection);
                }
            }
            Message::Said { person, spoken } => return Some((person, spoken)),
        }
        self.has_news = true;
        None
    }

    fn forget(&mut self, connection: u64) {
        self.silenced.remove(&connection);
        self.told.remove(&connection);
    }

    /// Whom the origin is to know, where that may have changed.
    pub(super) fn news(&mut self) -> Option<FarPeople> {
        std::mem::take(&mut self.has_news).then(|| self.people())
    }

    /// Those with a microphone, and those who do not hear what everybody hears, as many as there can be. Whoever was
    /// told of before stays, then come those with a microphone: the wishes of the others are what may wait.
    fn people(&mut self) -> FarPeople {
        let is_told = |presence: &Presence| self.told.contains(&presence.connection);
        let matters = |presence: &Presence| presence.needs_own_mix() || is_told(presence);
        let mut those: Vec<_> = self.here.iter().filter(|(_, one)| matters(one)).collect();
        those.sort_by_key(|(_, one)| (!is_told(one), one.microphone.is_none()));
        let is_wish = |one: &Presence| one.microphone.is_none() && !is_told(one);
        let mut room = MOST_FAR.saturating_sub(FOR_MICROPHONES);
        those.retain(|(_, one)| {
            let is_in = !is_wish(one) || room > 0;
            room = room.saturating_sub(usize::from(one.microphone.is_none()));
            is_in
        });
        those.truncate(MOST_FAR);
        let told = those.iter().map(|(_, presence)| presence.connection).collect();
        let people = those.into_iter().map(|(person, presence)| FarPerson {
            person: *person,
            connection: presence.connection,
            id: presence.id.clone(),
            name: presence.name.clone(),
            codec: presence.codec.to_string(),
            microphone: presence.microphone.clone(),
            is_muted: presence.is_muted,
            is_deaf: presence.is_deaf,
            volumes: self.by_origins_numbers(&presence.volumes),
        });
        let people = people.collect();
        self.told = told;
        FarPeople { people }
    }

    fn by_origins_numbers(&self, volumes: &BTreeMap<u32, u16>) -> BTreeMap<u32, u16> {
        let number = |who: u32| match who.checked_sub(FIRST_ELSEWHERE) {
            Some(number) => Some(number),
            None => self.numbers.get(&who).copied(),
        };
        let all = volumes.iter().filter_map(|(who, percent)| Some((number(*who)?, *percent)));
        all.take(MOST_VOLUMES).collect()
    }

    /// Learns at `now_us` who is in the room. Returns those here whose microphone nobody is to hear, until it is said
    /// that they were [told](Self::note_silenced).
    pub(super) fn learn(&mut self, everybody: Everybody, now_us: u64) -> Vec<u32> {
        (self.everybody, self.learnt_us) = (everybody, now_us);
        self.has_news = true;
        let ours = self.everybody.people.iter().filter_map(|known| {
            let at = known.at.filter(|at| at.run == self.run)?;
            Some((known, at))
        });
        self.numbers.clear();
        let mut silent = Vec::new();
        for (known, at) in ours {
            self.numbers.insert(at.person, known.who.person);
            let is_refused = self.here.get(&at.person).is_some_and(|presence| {
                presence.connection == at.connection && presence.microphone.is_some()
            });
            if is_refused && !known.who.can_talk && !self.silenced.contains(&at.connection) {
                silent.push(at.person);
            }
        }
        silent
    }

    /// That person's microphone was taken.
    pub(super) fn note_silenced(&mut self, person: u32) {
        self.silenced.extend(self.here.get(&person).map(|presence| presence.connection));
    }

    /// Forgets who is elsewhere where the origin has not said it for long. Whether that is news.
    pub(super) fn forget_elsewhere(&mut self, now_us: u64) -> bool {
        let is_old = now_us >= self.learnt_us + GONE_US;
        let forgets = is_old && self.everybody != Everybody::default();
        if forgets {
            self.learn(Everybody::default(), now_us);
        }
        forgets
    }

    /// Another origin is there, which lets people `talk` or not. Returns what those here are told until it says more.
    pub(super) fn begin_anew(&mut self, talk: bool, now_us: u64) -> Elsewhere {
        self.learn(Everybody::default(), now_us);
        let nobody = Elsewhere::default();
        Elsewhere { most_talkers: if talk { nobody.most_talkers } else { 0 }, ..nobody }
    }

    /// What those here are told of people elsewhere, where so many listen here.
    pub(super) fn elsewhere(&self, listening: u32) -> Elsewhere {
        let is_elsewhere =
            |known: &&Known| known.who.can_talk && known.at.is_none_or(|at| at.run != self.run);
        let those = self.everybody.people.iter().filter(is_elsewhere);
        let people: Vec<Person> = those
            .map(|Known { who, .. }| Person { person: FIRST_ELSEWHERE | who.person, ..who.clone() })
            .collect();
        let named = people.len() as u64 + u64::from(listening);
        let others = self.everybody.listening.saturating_sub(named);
        // Each who listens alone takes the place of one who might talk.
        let alone = self
            .here
            .values()
            .filter(|one| one.microphone.is_none() && self.told.contains(&one.connection));
        let here = u32::try_from(MOST_FAR.saturating_sub(alone.count())).unwrap_or(u32::MAX);
        let there = u32::try_from(people.len()).unwrap_or(u32::MAX);
        let most_talkers = self.everybody.most_talkers.min(here.saturating_add(there));
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        Elsewhere { people, others, most_talkers }
    }

    /// Those here who speak, as the origin said last, speak on at `now_us`: only there is heard what is speech.
    pub(super) fn note_speech(&self, now_us: u64) {
        for known in self.everybody.people.iter().filter(|known| known.who.is_speaking) {
            let at = known.at.filter(|at| at.run == self.run);
            if let Some(presence) = at.and_then(|at| self.here.get(&at.person)) {
                presence.speech.note(now_us);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;
    use crate::engine::people::At;
    use crate::send::presence::Speech;
    use crate::wire::{AudioHeader, Microphone};

    const RUN: u64 = 9;

    fn here(person: u32, connection: u64, can_talk: bool, volumes: &[(u32, u16)]) -> Message {
        let microphone =
            Microphone { codec: "s16".to_owned(), rate: 48_000, channels: 1, algorithmic_delay: 0 };
        let presence = Presence {
            connection,
            id: person.to_string(),
            name: format!("{person} here"),
            codec: Codec::Int16,
            microphone: can_talk.then_some(microphone),
            speech: Speech::default(),
            is_muted: false,
            is_deaf: true,
            volumes: BTreeMap::from_iter(volumes.iter().copied()).into(),
        };
        Message::Here { person, presence }
    }

    fn known(person: u32, can_talk: bool, at: Option<At>) -> Known {
        let who = Person {
            person,
            name: person.to_string(),
            can_talk,
            is_muted: false,
            is_deaf: false,
            is_speaking: true,
        };
        Known { who, at }
    }

    fn at(run: u64, person: u32) -> Option<At> {
        Some(At { run, person, connection: 1 })
    }

    #[test]
    fn the_origin_is_told_of_those_who_talk_first_and_of_wishes_by_its_own_numbers() {
        let mut room = Room::new(RUN);
        room.hear(here(1, 1, false, &[]));
        room.hear(here(2, 1, false, &[(3, 50), (FIRST_ELSEWHERE | 4, 60), (5, 70)]));
        room.hear(here(3, 1, true, &[]));
        let people = vec![known(4, true, None), known(77, true, at(RUN, 3))];
        room.learn(Everybody { people, listening: 9, most_talkers: 16 }, 0);
        let told = room.people().people;
        let numbers: Vec<u32> = told.iter().map(|one| one.person).collect();
        assert_eq!(numbers, [3, 2], "who only listens is of no account");
        assert_eq!(told[1].volumes, BTreeMap::from([(77, 50), (4, 60)]));
        assert!(told[0].is_deaf && told[0].microphone.is_some());
        room.hear(Message::Left { person: 3 });
        assert_eq!(room.people().people.len(), 1);
    }

    #[test]
    fn those_here_are_told_of_everybody_elsewhere_and_never_of_themselves() {
        let mut room = Room::new(RUN);
        room.hear(here(3, 1, true, &[]));
        let people = vec![
            known(4, true, None),
            known(77, true, at(RUN, 3)),
            known(78, true, at(8, 3)),
            known(79, false, at(8, 4)),
        ];
        room.learn(Everybody { people, listening: 1_000, most_talkers: 16 }, 0);
        let elsewhere = room.elsewhere(100);
        let numbers: Vec<u32> = elsewhere.people.iter().map(|one| one.person).collect();
        assert_eq!(numbers, [FIRST_ELSEWHERE | 4, FIRST_ELSEWHERE | 78]);
        assert_eq!(elsewhere.others, 898);
    }

    #[test]
    fn whoever_may_not_talk_loses_the_microphone_once_and_has_another_try_when_they_come_again() {
        let mut room = Room::new(RUN);
        let refused = || Everybody {
            people: vec![known(77, false, at(RUN, 3))],
            listening: 1,
            most_talkers: 16,
        };
        room.hear(here(3, 1, true, &[]));
        assert_eq!(room.learn(refused(), 0), [3]);
        assert_eq!(room.learn(refused(), 0), [3], "the loop was too busy");
        room.note_silenced(3);
        assert!(room.learn(refused(), 0).is_empty());
        room.hear(here(3, 2, true, &[]));
        assert!(room.learn(refused(), 0).is_empty(), "that was said of the connection before");
    }

    #[test]
    fn speech_of_those_here_is_noted_as_long_as_the_origin_hears_it() {
        let mut room = Room::new(RUN);
        let message = here(3, 1, true, &[]);
        let Message::Here { presence, .. } = &message else { unreachable!() };
        let speech = presence.speech.clone();
        room.hear(message);
        room.note_speech(1_000);
        assert_eq!(speech.last_us(), 0);
        let people = vec![known(77, true, at(RUN, 3))];
        room.learn(Everybody { people, listening: 1, most_talkers: 16 }, 0);
        room.note_speech(2_000);
        assert_eq!(speech.last_us(), 2_000);
    }

    #[test]
    fn what_somebody_says_is_handed_on() {
        let header = AudioHeader { flags: 0, frames: 1, position: 7, captured_us: 8 };
        let spoken = Spoken { header, payload: [1, 2].into(), came_us: 9 };
        let mut room = Room::new(RUN);
        let said = Message::Said { person: 3, spoken: spoken.clone() };
        assert_eq!(room.hear(said), Some((3, spoken)));
    }

    #[test]
    fn whoever_was_told_of_stays_so_as_long_as_the_connection_does() {
        let mut room = Room::new(RUN);
        room.hear(here(2, 1, false, &[(5, 50)]));
        room.hear(here(3, 2, true, &[]));
        assert_eq!(room.people().people.len(), 2);
        // One hears all as loud as they are again, the other has no microphone any more.
        room.hear(here(2, 1, false, &[]));
        room.hear(here(3, 2, false, &[]));
        assert_eq!(room.people().people.len(), 2);
        room.hear(here(2, 3, false, &[]));
        assert_eq!(room.people().people.len(), 1, "another connection hears what everybody does");
    }

    #[test]
    fn there_is_room_for_those_who_talk_however_many_have_wishes_and_who_has_it_keeps_it() {
        let mut room = Room::new(RUN);
        for person in 0..50 {
            room.hear(here(person, u64::from(person), false, &[(FIRST_ELSEWHERE, 50)]));
        }
        let wishing = MOST_FAR - FOR_MICROPHONES;
        assert_eq!(room.people().people.len(), wishing);
        for person in 100..120 {
            room.hear(here(person, u64::from(person), true, &[]));
        }
        let told = room.people().people;
        assert_eq!(told.len(), wishing + 20);
        assert!(told.iter().filter(|one| one.microphone.is_none()).all(|one| one.person < 8));
        room.learn(Everybody { people: Vec::new(), listening: 70, most_talkers: 200 }, 0);
        assert_eq!(room.elsewhere(70).most_talkers as usize, FOR_MICROPHONES);
    }

    #[test]
    fn people_elsewhere_are_gone_where_their_origin_is_or_says_nothing_of_them() {
        let mut room = Room::new(RUN);
        let everybody =
            || Everybody { people: vec![known(4, true, None)], listening: 9, most_talkers: 16 };
        room.learn(everybody(), 1_000);
        assert!(!room.forget_elsewhere(1_000 + GONE_US - 1));
        assert_eq!(room.elsewhere(0).people.len(), 1);
        assert!(room.forget_elsewhere(1_000 + GONE_US));
        assert!(room.elsewhere(0).people.is_empty());
        assert_eq!(room.elsewhere(0).most_talkers, 0, "nobody talks where no origin says so");
        assert!(!room.forget_elsewhere(1_000 + 3 * GONE_US), "that is no news");
        room.learn(everybody(), 1_000 + 3 * GONE_US);
        assert_eq!(room.begin_anew(true, 1_000 + 3 * GONE_US), Elsewhere::default());
        assert_eq!(room.begin_anew(false, 1_000 + 3 * GONE_US).most_talkers, 0);
        assert!(room.elsewhere(0).people.is_empty());
    }
}
