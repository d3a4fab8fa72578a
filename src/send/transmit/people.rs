//! Who is there: numbers for people, what the chunking thread must know of them, and the list that
//! everybody gets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};

use log::warn;
use mio::Waker;

use super::elsewhere::{Elsewhere, TellOthers, TooMany};
use super::names::distinct;
use super::news::{Item, News};
use super::roll::Roll;
use super::{Seat, Transmit};
use crate::send::fanout::{Listener, Phase, Talker};
use crate::send::presence::{Message, Presence, Spoken};
use crate::wire::{AudioFrame, Microphone, People, Person, Welcome, Wish};

/// What somebody is told whose microphone's sound has a form that nothing of ours has.
const UNFIT_MICROPHONE: &str = "this server cannot take sound as this microphone gives it";

/// What somebody is told who may not talk where others may.
const NOT_NAMED: &str = "only those may talk here whom whoever runs this server has named";

/// What somebody is told whose microphone is too much for this PC.
const TOO_MANY_MICROPHONES: &str = "the server's PC cannot keep up with so many microphones. Come \
                                    again when fewer people talk";

/// What somebody at an edge is told whose microphone is too much for the server that has the sound.
const TOO_MANY_IN_ROOM: &str = "too many people talk in this room already, at this server and at others. Come again \
                                when fewer do";

/// The people in the room, where listeners may speak.
#[derive(Debug)]
pub(super) struct Gathering {
    mixer: SyncSender<Message>,
    /// The seat of each person: the newest connection's.
    seats: BTreeMap<u32, usize>,
    last_person: u32,
    last_connection: u64,
    /// What the mixer has not been told yet.
    news: News,
    /// Talk frames that the mixer was too busy to take.
    refused: u64,
    /// What everybody has been told.
    roll: Roll,
    /// Somebody has come who has not got the list, or lags behind it.
    is_awaited: bool,
    /// Ends the wait of whoever the mixer is, where it waits for more than people.
    wake: Option<Arc<Waker>>,
    /// Those who are at other servers of this room.
    pub(super) elsewhere: Elsewhere,
    /// Who tells other servers who is here.
    pub(super) tell_others: Option<TellOthers>,
}

impl Gathering {
    pub(super) fn new(mixer: SyncSender<Message>, wake: Option<Arc<Waker>>) -> Self {
        Self {
            mixer,
            seats: BTreeMap::new(),
            last_person: 0,
            last_connection: 0,
            news: News::default(),
            refused: 0,
            roll: Roll::default(),
            is_awaited: false,
            wake,
            elsewhere: Elsewhere::default(),
            tell_others: None,
        }
    }

    /// The mixer, and everybody, must be told anew of a person.
    pub(super) fn has_changed(&mut self, person: u32) {
        self.news.change(person);
    }

    /// Talk frames that the mixer was too busy to take, since the start.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }
}

impl Transmit {
    /// Lets listeners speak; `mixer` is told who is there and what they say, and woken by `wake` where it waits for
    /// more than that.
    pub fn let_listeners_speak(&mut self, mixer: SyncSender<Message>, wake: Option<Arc<Waker>>) {
        self.gathering = Some(Gathering::new(mixer, wake));
    }

    /// Makes the listener at `index`, who is about to be welcomed, a person of the room: the one at
    /// `ghost`, where it takes that one's place.
    pub(super) fn number(&mut self, index: usize, ghost: Option<usize>, welcome: &mut Welcome) {
        let Some(gathering) = &mut self.gathering else {
            return;
        };
        let before = ghost.and_then(|ghost| self.seats.get(ghost)?.as_ref());
        let before = before.and_then(|seat| {
            let Listener { person, is_muted, is_silenced, is_deaf, volumes, .. } = &seat.listener;
            let person = person.as_ref().copied()?;
            Some((person, [*is_muted, *is_silenced, *is_deaf], Arc::clone(volumes)))
        });
        let (person, states, volumes) = before.unwrap_or_else(|| {
            gathering.last_person += 1;
            (gathering.last_person, [false; 3], Arc::default())
        });
        gathering.seats.insert(person, index);
        welcome.person = Some(person);
        if let Some(Some(seat)) = self.seats.get_mut(index) {
            let listener = &mut seat.listener;
            listener.person = Some(person);
            [listener.is_muted, listener.is_silenced, listener.is_deaf] = states;
            listener.volumes = volumes;
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
        (key, name): (Option<&[u8; 32]>, &str),
        talk: Option<Microphone>,
    ) -> Option<String> {
        let gathering = self.gathering.as_ref()?;
        let microphone = talk?;
        let (may_talk, known) = self.guests.may_talk(key, name);
        let others = self.seats.iter().enumerate().filter(|(at, seat)| {
            let is_talker =
                |seat: &Seat| seat.listener.is_seated() && seat.listener.talker.is_some();
            *at != index && Some(*at) != ghost && seat.as_ref().is_some_and(is_talker)
        });
        let full = gathering.elsewhere.refusal(others.count(), self.room.max_talkers);
        if let Some(known) = known {
            self.keep_guests(known);
        }
        if !may_talk {
            return Some(NOT_NAMED.to_owned());
        }
        if full.is_some() {
            return full;
        }
        let talker = Talker::new(microphone);
        let refusal = talker.is_none().then(|| UNFIT_MICROPHONE.to_owned());
        if let Some(Some(seat)) = self.seats.get_mut(index) {
            seat.listener.talker = talker;
        }
        refusal
    }

    /// Takes a person's microphone away, because the mix cannot keep up with so many, here or where that is.
    pub(super) fn silence(&mut self, person: u32, why: TooMany) {
        let index = self.gathering.as_ref().and_then(|g| g.seats.get(&person).copied());
        let Some((index, seat)) = index.and_then(|n| Some((n, self.seats.get_mut(n)?.as_mut()?)))
        else {
            return;
        };
        let (said, what) = match why {
            TooMany::ForThisPc => {
                (TOO_MANY_MICROPHONES, "this PC cannot keep up with so many people who talk")
            }
            TooMany::InTheRoom => {
                (TOO_MANY_IN_ROOM, "the server that has the sound lets no more people talk")
            }
        };
        seat.listener.lose_microphone(said);
        let label = seat.listener.label();
        warn!("{what}: {label} only listens now");
        self.touch(index);
        if let Some(gathering) = &mut self.gathering {
            gathering.news.change(person);
        }
    }

    /// Grants the wish of the listener at `index`, if it is about anything.
    pub(super) fn grant(&mut self, index: usize, mut wish: Wish) {
        wish.name = wish.name.map(|name| self.distinct_name(name, index, None));
        let (Some(gathering), Some(Some(seat))) = (&mut self.gathering, self.seats.get_mut(index))
        else {
            return;
        };
        let is_there =
            |person| gathering.seats.contains_key(&person) || gathering.elsewhere.includes(person);
        if seat.listener.grant(wish, is_there)
            && let Some(person) = seat.listener.person
        {
            gathering.news.change(person);
            if seat.listener.is_silenced {
                // Under whatever name it comes again.
                self.verdicts.mute(seat.who(), true);
            }
        }
    }

    /// What the listener at `index` may be called, who takes the place of the one at `ghost`.
    pub(super) fn distinct_name(
        &self,
        wanted: String,
        index: usize,
        ghost: Option<usize>,
    ) -> String {
        let others = self.seats.iter().enumerate().filter_map(|(at, seat)| {
            let listener = &seat.as_ref()?.listener;
            let is_other = at != index && Some(at) != ghost && listener.is_seated();
            is_other.then_some(listener.name.as_str())
        });
        distinct(wanted, others)
    }

    /// Makes the listener at `index`, who has been welcomed, known to the mixer and to everybody.
    pub(super) fn introduce(&mut self, index: usize) {
        let (Some(gathering), Some(Some(seat))) = (&mut self.gathering, self.seats.get_mut(index))
        else {
            return;
        };
        let Some(person) = seat.listener.person else {
            return;
        };
        gathering.last_connection += 1;
        seat.connection = gathering.last_connection;
        gathering.is_awaited = true;
        gathering.news.change(person);
        // What it says may come with its hello.
        self.tell_mixer(self.clock.now_us());
    }

    /// Tells the mixer what it does not know yet, as far as that is due and it listens.
    pub(super) fn tell_mixer(&mut self, now_us: u64) {
        let Self { gathering: Some(gathering), seats, .. } = self else {
            return;
        };
        let Gathering { mixer, seats: places, news, .. } = gathering;
        news.tell(now_us, |item| {
            let message = match item {
                Item::Left(person) => Message::Left { person },
                Item::Here(person) => {
                    let seat = places.get(&person).and_then(|index| seats.get(*index)?.as_ref());
                    let Some(seat) = seat else { return true };
                    Message::Here { person, presence: presence(seat) }
                }
            };
            !matches!(mixer.try_send(message), Err(TrySendError::Full(_)))
        });
    }

    /// Hands on what the listener at `index` says.
    pub(super) fn hand_on(&mut self, index: usize, spoken: Spoken) {
        let person = self.seats.get(index).and_then(|seat| seat.as_ref()?.listener.person);
        if let (Some(gathering), Some(person)) = (&mut self.gathering, person)
            && gathering.seats.get(&person) == Some(&index)
        {
            if gathering.mixer.try_send(Message::Said { person, spoken }).is_err() {
                gathering.refused += 1;
            }
            if let Some(wake) = &gathering.wake {
                // A wake that fails means that nobody waits there any more.
                let _ = wake.wake();
            }
        }
    }

    /// Takes a frame that is for one person alone.
    pub(super) fn hear_own(&mut self, person: u32, frame: AudioFrame) {
        let seat = self.gathering.as_ref().and_then(|g| g.seats.get(&person).copied());
        let (bound, keep_us) = (self.room.queue_bound(frame.codec()), self.kept_us());
        let rate = self.room.position_rate(frame.codec());
        if let Some(index) = seat
            && let Some(Some(seat)) = self.seats.get_mut(index)
            && seat.listener.person == Some(person)
        {
            seat.listener.hear_own(frame, bound, rate, keep_us);
            self.touch(index);
        }
    }

    /// A listener that was at `index` is gone.
    pub(super) fn forget(&mut self, person: Option<u32>, index: usize) {
        if let (Some(gathering), Some(person)) = (&mut self.gathering, person)
            && gathering.seats.get(&person) == Some(&index)
        {
            gathering.seats.remove(&person);
            gathering.news.leave(person);
        }
    }

    /// Tells everybody who is there, as far as that is news to them and due.
    pub(super) fn tell_people(&mut self, now_us: u64) {
        self.tell_mixer(now_us);
        let Some(gathering) = &mut self.gathering else {
            return;
        };
        let count = gathering.seats.len() + gathering.elsewhere.people.len();
        if !gathering.roll.is_due(count, now_us) {
            return;
        }
        let seats = gathering.seats.iter();
        let listeners = seats
            .filter_map(|(person, index)| {
                Some((*person, &self.seats.get(*index)?.as_ref()?.listener))
            })
            .filter(|(_, listener)| listener.phase == Phase::Typed);
        let mut now = list(listeners, now_us);
        if let Some(tell_others) = &mut gathering.tell_others {
            tell_others.tell(&now.people);
        }
        gathering.elsewhere.join(&mut now);
        let news = gathering.roll.look(&now, now_us);
        if news.changes.is_empty() && !news.is_whole && !gathering.is_awaited {
            return;
        }
        let mut is_awaited = false;
        let changes = (!news.changes.is_empty()).then(|| news.changes.frame());
        let told = People::list(gathering.roll.told());
        let elsewhere = gathering.roll.elsewhere();
        for index in 0..self.seats.len() {
            let Some(Some(Seat { listener, .. })) = self.seats.get_mut(index) else { continue };
            let Some(you) = listener.person.filter(|_| listener.phase == Phase::Typed) else {
                continue;
            };
            let is_behind = !listener.follows_people || listener.outbox.people_wait();
            if news.is_whole || is_behind && Roll::may_list(listener.listed_us, now_us) {
                listener.outbox.people(People::frame_around(you, &told, elsewhere));
                (listener.listed_us, listener.follows_people) = (Some(now_us), true);
                self.touch(index);
            } else if is_behind {
                // It gets the whole list when it may have one again.
                listener.follows_people = false;
                is_awaited = true;
            } else if let Some(changes) = &changes {
                listener.outbox.people(changes.clone());
                self.touch(index);
            }
        }
        if let Some(gathering) = &mut self.gathering {
            gathering.is_awaited = is_awaited;
        }
    }
}

/// All that the mixer must know of a listener.
fn presence(Seat { listener, connection, .. }: &Seat) -> Presence {
    Presence {
        connection: *connection,
        id: listener.id.clone(),
        name: listener.name.clone(),
        codec: listener.codec,
        microphone: listener.talker.as_ref().map(|talker| talker.microphone.clone()),
        speech: listener.talker.as_ref().map(Talker::speech).unwrap_or_default(),
        is_muted: listener.is_unheard(),
        is_deaf: listener.is_deaf,
        volumes: Arc::clone(&listener.volumes),
    }
}

/// The list of who is there, those who can talk first, as far as a list goes.
fn list<'a>(listeners: impl Iterator<Item = (u32, &'a Listener)>, now_us: u64) -> People {
    let people = listeners
        .map(|(person, listener)| Person {
            person,
            name: listener.name.clone(),
            can_talk: listener.talker.is_some(),
            is_muted: listener.is_unheard(),
            is_deaf: listener.is_deaf,
            is_speaking: listener.is_speaking(now_us),
        })
        .collect();
    let mut people = People { people, ..People::default() };
    people.sort();
    people
}
