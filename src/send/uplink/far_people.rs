//! People at edges, as their origin knows them: each has a number among those here, says no more than anybody may, and
//! is in everybody's list. No channel, no clock.

use std::collections::{BTreeMap, BTreeSet};

use crate::codec::Codec;
use crate::engine::people::{At, Everybody, FarPeople, FarPerson, Known};
use crate::send::fanout::Talker;
use crate::send::presence::{Message, Presence, Speech};
use crate::send::to_edges::FIRST_FAR;
use crate::send::transmit::Elsewhere;
use crate::wire::Person;

/// An edge whose people were not told of for so long is gone, in µs: six times as long as edges take to say it again.
const GONE_US: u64 = 6_000_000;

/// Most people at all edges, and how many of them may be there for their wishes alone: each costs a mix of their own.
const MOST: usize = 512;
const MOST_WISHES: usize = 64;

/// Most edges whose people are known.
const MOST_EDGES: usize = 1_024;

/// Connections of people at edges have numbers from here on: those here never get so far.
const FIRST_CONNECTION: u64 = 1 << 40;

/// Everybody at edges who speaks or hears a mix of their own.
#[derive(Debug, Default)]
pub(super) struct FarOnes {
    people: BTreeMap<(u64, u32), Far>,
    numbers: BTreeMap<u32, (u64, u32)>,
    /// When each edge was last heard of, in µs.
    heard_us: BTreeMap<u64, u64>,
    last_number: u32,
    last_connection: u64,
    /// Those of whom the mix does not know the newest.
    untold: BTreeSet<u32>,
}

#[derive(Debug)]
struct Far {
    number: u32,
    connection: u64,
    codec: Codec,
    said: FarPerson,
    /// `None` of those who only listen.
    talker: Option<Talker>,
}

impl Far {
    fn new(number: u32, connection: u64, codec: Codec, said: FarPerson, may_talk: bool) -> Self {
        let talker = said.microphone.clone().filter(|_| may_talk).and_then(Talker::new);
        Self { number, connection, codec, said, talker }
    }

    fn presence(&self) -> Presence {
        let talker = self.talker.as_ref();
        Presence {
            connection: self.connection,
            id: self.said.id.clone(),
            name: self.said.name.clone(),
            codec: self.codec,
            microphone: talker.map(|talker| talker.microphone.clone()),
            speech: talker.map_or_else(Speech::default, Talker::speech),
            is_muted: self.said.is_muted,
            is_deaf: self.said.is_deaf,
            volumes: self.said.volumes.clone().into(),
        }
    }

    /// As others see them in the list.
    fn shown(&self, now_us: u64) -> Person {
        let heard = self.talker.as_ref().filter(|_| !self.said.is_muted);
        Person {
            person: self.number,
            name: self.said.name.clone(),
            can_talk: self.talker.is_some(),
            is_muted: self.said.is_muted,
            is_deaf: self.said.is_deaf,
            is_speaking: heard.is_some_and(|talker| talker.is_speaking(now_us)),
        }
    }
}

impl FarOnes {
    /// These are at the edge with that run, and nobody else. So many of those at edges may talk at a time.
    pub(super) fn note(&mut self, run: u64, those: FarPeople, may_talk: usize, now_us: u64) {
        if self.heard_us.len() >= MOST_EDGES && !self.heard_us.contains_key(&run) {
            return;
        }
        self.heard_us.insert(run, now_us);
        let there: BTreeSet<u32> = those.people.iter().map(|one| one.person).collect();
        self.keep(|(at, person), _| *at != run || there.contains(person));
        for said in those.people {
            let Some(codec) = said.codec() else { continue };
            let key = (run, said.person);
            match self.people.get_mut(&key) {
                Some(far) if far.said.connection == said.connection && far.codec == codec => {
                    if said.microphone.is_none() {
                        far.talker = None;
                    }
                    if far.said != said {
                        far.said = said;
                        self.untold.insert(far.number);
                    }
                }
                _ => self.come(key, codec, said, may_talk),
            }
        }
    }

    /// Somebody has come, or come again.
    fn come(&mut self, key: (u64, u32), codec: Codec, said: FarPerson, may_talk: usize) {
        let is_wish = |far: &Far| far.said.microphone.is_none();
        let is_one_too_many = self.people.len() >= MOST
            || said.microphone.is_none()
                && self.people.values().filter(|far| is_wish(far)).count() >= MOST_WISHES;
        // Numbers of so many people are never used up by people; what is left are those that edges have for others.
        let is_over = self.last_number >= FIRST_FAR - 1;
        let before = self.people.remove(&key);
        if before.is_none() && (is_one_too_many || is_over) {
            return;
        }
        let may_talk = self.talkers() < may_talk;
        let number = before.map_or_else(
            || {
                self.last_number += 1;
                FIRST_FAR + self.last_number
            },
            |far| far.number,
        );
        self.last_connection += 1;
        let connection = FIRST_CONNECTION + self.last_connection;
        self.people.insert(key, Far::new(number, connection, codec, said, may_talk));
        self.numbers.insert(number, key);
        self.untold.insert(number);
    }

    /// Forgets the people of edges that are gone.
    pub(super) fn forget(&mut self, now_us: u64) {
        let before = self.heard_us.len();
        self.heard_us.retain(|_, heard_us| now_us < *heard_us + GONE_US);
        if self.heard_us.len() < before {
            let known: BTreeSet<u64> = self.heard_us.keys().copied().collect();
            self.keep(|(run, _), _| known.contains(run));
        }
    }

    fn keep(&mut self, stays: impl Fn(&(u64, u32), &Far) -> bool) {
        let Self { people, numbers, untold, .. } = self;
        people.retain(|key, far| {
            let stays = stays(key, far);
            if !stays {
                numbers.remove(&far.number);
                untold.insert(far.number);
            }
            stays
        });
    }

    /// What somebody says, for the mix; `frame` is the body of a talk frame. `None` where it falls out.
    pub(super) fn said(
        &mut self,
        run: u64,
        person: u32,
        frame: &[u8],
        now_us: u64,
    ) -> Option<Message> {
        let far = self.people.get_mut(&(run, person))?;
        let spoken = far.talker.as_mut()?.take(frame, now_us);
        match spoken {
            Ok(spoken) => Some(Message::Said { person: far.number, spoken: spoken? }),
            // No edge lets anybody send that.
            Err(_) => {
                far.talker = None;
                self.untold.insert(far.number);
                None
            }
        }
    }

    /// There is more to mix than time: that person may talk no more.
    pub(super) fn silence(&mut self, person: u32) {
        let far = self.numbers.get(&person).and_then(|key| self.people.get_mut(key));
        if let Some(far) = far {
            far.talker = None;
            self.untold.insert(person);
        }
    }

    /// Tells the mix what it does not know yet, until `tell` says that it takes no more.
    pub(super) fn tell(&mut self, mut tell: impl FnMut(Message) -> bool) {
        while let Some(person) = self.untold.first().copied() {
            let far = self.numbers.get(&person).and_then(|key| self.people.get(key));
            let message = match far {
                Some(far) => Message::Here { person, presence: far.presence() },
                None => Message::Left { person },
            };
            if !tell(message) {
                return;
            }
            self.untold.remove(&person);
        }
    }

    /// At which edge somebody is, by its run, and their number there.
    pub(super) fn whose(&self, person: u32) -> Option<(u64, u32)> {
        self.numbers.get(&person).copied()
    }

    fn talkers(&self) -> usize {
        self.people.values().filter(|far| far.talker.is_some()).count()
    }

    /// What those here are told of people at edges, where so many listen in all, and so many may talk here and there.
    pub(super) fn elsewhere(&self, listening: u64, most_talkers: u32, now_us: u64) -> Elsewhere {
        let talkers = self.people.values().filter(|far| far.talker.is_some());
        let people: Vec<Person> = talkers.map(|far| far.shown(now_us)).collect();
        let others = listening.saturating_sub(people.len() as u64);
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        Elsewhere { people, others, most_talkers }
    }

    /// What edges are told, where these can talk here, so many listen anywhere and so many may talk.
    pub(super) fn everybody(
        &self,
        here: &[Person],
        listening: u64,
        most_talkers: u32,
        now_us: u64,
    ) -> Everybody {
        let here = here.iter().map(|who| Known { who: who.clone(), at: None });
        let far = self.people.iter().map(|((run, person), far)| Known {
            who: far.shown(now_us),
            at: Some(At { run: *run, person: *person, connection: far.said.connection }),
        });
        Everybody { people: here.chain(far).collect(), listening, most_talkers }
    }
}

#[cfg(test)]
mod tests;
