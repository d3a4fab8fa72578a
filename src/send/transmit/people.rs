//! Who is there: numbers for people, what the chunking thread must know of them, and the list that
//! everybody gets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{SyncSender, TrySendError};

use log::warn;

use super::{Seat, Transmit};
use crate::send::fanout::{Listener, Phase, Talker};
use crate::send::talk::{Message, Presence, Spoken};
use crate::wire::{AudioFrame, MAX_PEOPLE, Microphone, People, Person, Welcome};

/// How often the list of people may go out, in µs: soon enough to see who has begun to speak.
const PEOPLE_EVERY_US: u64 = 100_000;

/// In big rooms a list has many lines and many readers, so it goes out once in so many µs for each of
/// them: 64 people get it four times a second.
const PEOPLE_EACH_US: u64 = 4_000;

/// What somebody is told whose microphone's sound has a form that nothing of ours has.
const UNFIT_MICROPHONE: &str = "this server cannot take sound as this microphone gives it";

/// What somebody is told whose microphone is too much for this PC.
const TOO_MANY_MICROPHONES: &str = "the server's PC cannot keep up with so many microphones. Come \
                                    again when fewer people talk";

/// The people in the room, where listeners may speak.
#[derive(Debug)]
pub(super) struct Gathering {
    mixer: SyncSender<Message>,
    /// The seat of each person: the newest connection's.
    seats: BTreeMap<u32, usize>,
    last_person: u32,
    last_connection: u64,
    /// Whom the mixer knows, and what it has not been told yet: `None` of those who have left.
    known: BTreeSet<u32>,
    pending: BTreeMap<u32, Option<Presence>>,
    /// Talk frames that the mixer was too busy to take.
    refused: u64,
    told: Vec<Person>,
    told_us: u64,
    /// Somebody has come who has not got the list.
    is_awaited: bool,
}

impl Gathering {
    pub(super) fn new(mixer: SyncSender<Message>) -> Self {
        Self {
            mixer,
            seats: BTreeMap::new(),
            last_person: 0,
            last_connection: 0,
            known: BTreeSet::new(),
            pending: BTreeMap::new(),
            refused: 0,
            told: Vec::new(),
            told_us: 0,
            is_awaited: false,
        }
    }

    /// Talk frames that the mixer was too busy to take, since the start.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Tells the mixer what it does not know yet, as far as it listens.
    fn flush(&mut self) {
        while let Some((person, presence)) = self.pending.pop_first() {
            let is_here = presence.is_some();
            let message = match presence.clone() {
                Some(presence) => Message::Here { person, presence },
                None => Message::Left { person },
            };
            if let Err(TrySendError::Full(_)) = self.mixer.try_send(message) {
                self.pending.insert(person, presence);
                return;
            }
            if is_here {
                self.known.insert(person);
            } else {
                self.known.remove(&person);
            }
        }
    }

    fn left(&mut self, person: u32) {
        if self.known.contains(&person) {
            self.pending.insert(person, None);
        } else {
            self.pending.remove(&person);
        }
        self.flush();
    }
}

impl Transmit {
    /// Lets listeners speak; `mixer` is told who is there and what they say.
    pub fn let_listeners_speak(&mut self, mixer: SyncSender<Message>) {
        self.gathering = Some(Gathering::new(mixer));
    }

    /// Makes the listener at `index`, who is about to be welcomed, a person of the room: the one at
    /// `ghost`, where it takes that one's place.
    pub(super) fn number(&mut self, index: usize, ghost: Option<usize>, welcome: &mut Welcome) {
        let Some(gathering) = &mut self.gathering else {
            return;
        };
        let before = ghost.and_then(|ghost| self.seats.get(ghost)?.as_ref());
        let before = before.and_then(|seat| {
            let Listener { person, is_muted, is_deaf, volumes, .. } = &seat.listener;
            Some((person.as_ref().copied()?, *is_muted, *is_deaf, volumes.clone()))
        });
        let (person, is_muted, is_deaf, volumes) = before.unwrap_or_else(|| {
            gathering.last_person += 1;
            (gathering.last_person, false, false, BTreeMap::new())
        });
        gathering.seats.insert(person, index);
        welcome.person = Some(person);
        if let Some(Some(seat)) = self.seats.get_mut(index) {
            let listener = &mut seat.listener;
            listener.person = Some(person);
            (listener.is_muted, listener.is_deaf, listener.volumes) = (is_muted, is_deaf, volumes);
            if listener.talker.is_some() {
                welcome.let_speak();
            }
        }
    }

    /// Lets the listener at `index` speak, as its hello asked with `talk`, unless enough people do. Who
    /// is refused is told why after its welcome.
    pub(super) fn let_speak(
        &mut self,
        index: usize,
        ghost: Option<usize>,
        talk: Option<Microphone>,
    ) -> Option<String> {
        self.gathering.as_ref()?;
        let microphone = talk?;
        let most = self.room.max_talkers;
        let others = self.seats.iter().enumerate().filter(|(at, seat)| {
            let is_talker =
                |seat: &Seat| seat.listener.is_seated() && seat.listener.talker.is_some();
            *at != index && Some(*at) != ghost && seat.as_ref().is_some_and(is_talker)
        });
        if others.count() >= most as usize {
            return Some(format!(
                "as many people as this server lets talk ({most}) have a microphone already. Come \
                 again when one of them has left"
            ));
        }
        let talker = Talker::new(microphone);
        let refusal = talker.is_none().then(|| UNFIT_MICROPHONE.to_owned());
        if let Some(Some(seat)) = self.seats.get_mut(index) {
            seat.listener.talker = talker;
        }
        refusal
    }

    /// Takes a person's microphone away, because the mix cannot keep up with so many.
    pub(super) fn silence(&mut self, person: u32) {
        let index = self.gathering.as_ref().and_then(|g| g.seats.get(&person).copied());
        let Some((index, seat)) = index.and_then(|n| Some((n, self.seats.get_mut(n)?.as_mut()?)))
        else {
            return;
        };
        seat.listener.lose_microphone(TOO_MANY_MICROPHONES);
        let label = seat.listener.label();
        warn!("this PC cannot keep up with so many people who talk: {label} only listens now");
        self.touch(index);
        self.introduce(index, false);
    }

    /// Tells the mixer all about the listener at `index`, who has come or changed something.
    pub(super) fn introduce(&mut self, index: usize, is_new: bool) {
        let (Some(gathering), Some(Some(seat))) = (&mut self.gathering, self.seats.get_mut(index))
        else {
            return;
        };
        let Some(person) = seat.listener.person else {
            return;
        };
        if is_new {
            gathering.last_connection += 1;
            seat.connection = gathering.last_connection;
            gathering.is_awaited = true;
        }
        let listener = &seat.listener;
        let presence = Presence {
            connection: seat.connection,
            id: listener.id.clone(),
            name: listener.name.clone(),
            codec: listener.codec,
            microphone: listener.talker.as_ref().map(|talker| talker.microphone.clone()),
            speech: listener.talker.as_ref().map(Talker::speech).unwrap_or_default(),
            is_muted: listener.is_muted,
            volumes: listener.volumes.clone(),
        };
        gathering.pending.insert(person, Some(presence));
        gathering.flush();
    }

    /// Hands on what the listener at `index` says.
    pub(super) fn hand_on(&mut self, index: usize, spoken: Spoken) {
        let person = self.seats.get(index).and_then(|seat| seat.as_ref()?.listener.person);
        if let (Some(gathering), Some(person)) = (&mut self.gathering, person)
            && gathering.seats.get(&person) == Some(&index)
            && gathering.mixer.try_send(Message::Said { person, spoken }).is_err()
        {
            gathering.refused += 1;
        }
    }

    /// Takes a frame that is for one person alone.
    pub(super) fn hear_own(&mut self, person: u32, frame: AudioFrame) {
        let seat = self.gathering.as_ref().and_then(|g| g.seats.get(&person).copied());
        let bound = self.room.queue_bound(frame.codec());
        if let Some(index) = seat
            && let Some(Some(seat)) = self.seats.get_mut(index)
            && seat.listener.person == Some(person)
        {
            seat.listener.hear_own(frame, bound);
            self.touch(index);
        }
    }

    /// A listener that was at `index` is gone.
    pub(super) fn forget(&mut self, person: Option<u32>, index: usize) {
        if let (Some(gathering), Some(person)) = (&mut self.gathering, person)
            && gathering.seats.get(&person) == Some(&index)
        {
            gathering.seats.remove(&person);
            gathering.left(person);
        }
    }

    /// Tells everybody who is there, if that has changed and the last list is old enough.
    pub(super) fn tell_people(&mut self, now_us: u64) {
        let Some(gathering) = &mut self.gathering else {
            return;
        };
        gathering.flush();
        let every_us = PEOPLE_EVERY_US.max(gathering.seats.len() as u64 * PEOPLE_EACH_US);
        if now_us.saturating_sub(gathering.told_us) < every_us {
            return;
        }
        gathering.told_us = now_us;
        let seats = gathering.seats.iter();
        let listeners = seats
            .filter_map(|(person, index)| {
                Some((*person, &self.seats.get(*index)?.as_ref()?.listener))
            })
            .filter(|(_, listener)| listener.phase == Phase::Typed);
        let people = list(listeners, now_us);
        if people == gathering.told && !std::mem::take(&mut gathering.is_awaited) {
            return;
        }
        gathering.is_awaited = false;
        let text = People::list(&people);
        gathering.told = people;
        for index in 0..self.seats.len() {
            if let Some(Some(seat)) = self.seats.get_mut(index)
                && seat.listener.phase == Phase::Typed
                && let Some(you) = seat.listener.person
            {
                seat.listener.outbox.people(People::frame_around(you, &text));
                self.touch(index);
            }
        }
    }
}

/// Who is there, those who can talk first, as far as a list goes.
fn list<'a>(listeners: impl Iterator<Item = (u32, &'a Listener)>, now_us: u64) -> Vec<Person> {
    let mut people: Vec<Person> = listeners
        .map(|(person, listener)| Person {
            person,
            name: listener.name.clone(),
            can_talk: listener.talker.is_some(),
            is_muted: listener.is_muted,
            is_deaf: listener.is_deaf,
            is_speaking: listener.is_speaking(now_us),
        })
        .collect();
    people.sort_by_key(|person| (!person.can_talk, person.person));
    people.truncate(MAX_PEOPLE);
    people
}
