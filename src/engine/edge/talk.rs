//! People at an edge: the origin is told who they are and what they say, and tells who is elsewhere and what each of
//! them is to hear alone.

use std::collections::{BTreeMap, VecDeque};

use super::track::{TYPED_HEADER, Taken, Track, holds_until_us};
use super::{Edge, Origin, Told, past};
use crate::codec::Codec;
use crate::engine::nats::{Session, Writer};
use crate::engine::people::{Everybody, FarPeople, MOST_FAR};
use crate::engine::said::OWN_HEADER;
use crate::engine::sealed::OVERHEAD;
use crate::wire::{AudioFrame, AudioHeader, talk_frame};

/// How often the origin is told who is here, in µs: it forgets whom it has not heard of for six times as long.
const TELL_US: u64 = 1_000_000;

/// Frames for single people that wait: those of 32 for as long as sound is held, in chunks of 4 ms.
const MOST_HELD: usize = 2_048;

/// The subscriptions for people.
pub(super) const EVERYBODY: u64 = 4;
pub(super) const OWN: u64 = 5;
pub(super) const MISSED_OWN: u64 = 6;

/// What is known of people here.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// Whether people may speak here.
    is_on: bool,
    is_subscribed: bool,
    /// Who is here, as JSON.
    people: Vec<u8>,
    /// When the origin was last told of them; `None` where it does not know it yet.
    told_us: Option<u64>,
    /// Sound for single people that waits for what everybody gets, and was to be heard before it.
    held: VecDeque<(u32, AudioFrame)>,
    /// The own sound of each person here, in its codec.
    own: BTreeMap<u32, (Codec, Track)>,
}

impl Talk {
    /// A connection is there, on which nothing has been said.
    pub(super) fn begin(&mut self) {
        (self.is_subscribed, self.told_us) = (false, None);
    }

    /// Sound for single people begins anew: positions mean something else.
    pub(super) fn begin_anew(&mut self) {
        self.told_us = None;
        self.held.clear();
        self.own.clear();
    }
}

impl Edge {
    /// People here may speak.
    pub fn let_people_speak(&mut self) {
        self.talk.is_on = true;
    }

    /// The number of this run, by which the origin knows this edge.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.mouth.run()
    }

    /// These are here from now on.
    pub fn tell_people(&mut self, people: FarPeople) {
        self.talk.own.retain(|person, _| people.people.iter().any(|one| one.person == *person));
        let json = people.json();
        if json != self.talk.people {
            self.talk.people = json;
            self.talk.told_us = None;
        }
    }

    /// Somebody here says this, captured by this server's clock. `false` where it cannot be told: the origin's clock is
    /// not known, or the connection takes no more.
    pub fn say(
        &mut self,
        session: &mut Session,
        person: u32,
        header: AudioHeader,
        payload: &[u8],
    ) -> bool {
        let Some((_, offset)) = self.origin.as_ref().and_then(Origin::known) else { return false };
        let captured_us = offset.server_us(header.captured_us as f64).max(0.0) as u64;
        let header = AudioHeader { captured_us, ..header };
        let Some(frame) = talk_frame(header, payload) else { return false };
        let body = [&person.to_be_bytes()[..], frame.get(TYPED_HEADER..).unwrap_or(&[])].concat();
        if !session.has_room(body.len() + OVERHEAD) {
            return false;
        }
        let sealed = self.mouth.seal(&self.subjects.voice, &body);
        session.publish(&self.subjects.voice, None, &[&sealed])
    }

    /// Says who is here, as far as that is due.
    pub(super) fn speak_of_people(&mut self, session: &mut Session, now_us: u64) {
        if !self.talk.is_on {
            return;
        }
        if !std::mem::replace(&mut self.talk.is_subscribed, true) {
            session.subscribe(&self.subjects.everybody, EVERYBODY);
            session.subscribe(&self.own_subject, OWN);
            session.subscribe(&format!("{}.own", self.inbox), MISSED_OWN);
        }
        let is_due = self.talk.told_us.is_none_or(|told_us| now_us >= told_us + TELL_US);
        if is_due && !self.talk.people.is_empty() {
            let sealed = self.mouth.seal(&self.subjects.people, &self.talk.people);
            if session.publish(&self.subjects.people, None, &[&sealed]) {
                self.talk.told_us = Some(now_us);
            }
        }
    }

    /// Takes what the origin says of people.
    pub(super) fn learn_everybody(json: &[u8], tell: &mut impl FnMut(Told)) {
        if let Some(everybody) = Everybody::read(json) {
            tell(Told::Everybody(everybody));
        }
    }

    /// Takes a frame that is for one person here.
    pub(super) fn take_own(
        &mut self,
        said: &[u8],
        now_us: u64,
        writer: &mut Writer,
        tell: &mut impl FnMut(Told),
    ) {
        let Some((stream, offset)) = self.origin.as_ref().and_then(Origin::known) else { return };
        let Some((person, codec, typed)) = read_own(said) else { return self.counts.refused += 1 };
        let Talk { own, held, .. } = &mut self.talk;
        let Some(track) = track(own, person, codec) else { return };
        let counts = &mut self.counts;
        let hold = &mut |told| hold(held, person, told);
        let until_us = holds_until_us(now_us, u64::from(stream.playout_delay_ms) * 1_000);
        match track.take(codec, typed, stream.channels, offset, until_us, counts, hold) {
            Taken::Refused => self.counts.refused += 1,
            Taken::HandedOn => {}
            Taken::MissesFrom(from_us) => {
                let message = past(&mut self.mouth, &self.subjects, codec, from_us, Some(person));
                let reply = format!("{}.own", self.inbox);
                writer.publish(&self.subjects.past, Some(&reply), &[&message]);
            }
        }
        self.hand_on_own(tell);
    }

    /// Takes what was asked for of it; no frame behind the last.
    pub(super) fn take_missed_own(&mut self, said: &[u8], tell: &mut impl FnMut(Told)) {
        let Some((stream, offset)) = self.origin.as_ref().and_then(Origin::known) else { return };
        let Some((person, codec, typed)) = read_own(said) else { return };
        let Talk { own, held, .. } = &mut self.talk;
        let Some(track) = track(own, person, codec) else { return };
        let counts = &mut self.counts;
        let hold = &mut |told| hold(held, person, told);
        if typed.is_empty() {
            track.let_go(counts, hold);
        } else if !track.take_missed(codec, typed, stream.channels, offset, counts, hold) {
            self.counts.refused += 1;
        }
        self.hand_on_own(tell);
    }

    /// Hands on what has waited long enough for what lies before it.
    pub(super) fn let_own_go(&mut self, now_us: u64, tell: &mut impl FnMut(Told)) {
        let (counts, held) = (&mut self.counts, &mut self.talk.held);
        for (person, (_, track)) in &mut self.talk.own {
            if track.has_held_too_long(now_us) {
                track.let_go(counts, &mut |told| hold(held, *person, told));
            }
        }
        self.hand_on_own(tell);
    }

    /// Hands on what is for single people. Who begins to hear it goes over from what everybody gets, so that must not
    /// come later.
    fn hand_on_own(&mut self, tell: &mut impl FnMut(Told)) {
        while let Some((_, frame)) = self.talk.held.front() {
            if self.tracks[frame.codec().index()].is_holding() {
                return;
            }
            if let Some((person, frame)) = self.talk.held.pop_front() {
                tell(Told::Own(person, frame));
            }
        }
    }
}

/// Reads whose sound it is, in which codec, and what. `None` where it is no such thing.
fn read_own(said: &[u8]) -> Option<(u32, Codec, &[u8])> {
    let (head, typed) = said.split_at_checked(OWN_HEADER)?;
    let (person, index) = head.split_first_chunk()?;
    let codec = Codec::all().get(usize::from(*index.first()?)).copied()?;
    Some((u32::from_be_bytes(*person), codec, typed))
}

/// Puts what a person's track hands on behind what waits. The newest falls out where that is too much.
fn hold(held: &mut VecDeque<(u32, AudioFrame)>, person: u32, told: Told) {
    if let Told::Frame(frame) = told
        && held.len() < MOST_HELD
    {
        held.push_back((person, frame));
    }
}

/// The track of what is for that person alone; `None` for one more than there can be.
fn track(own: &mut BTreeMap<u32, (Codec, Track)>, person: u32, codec: Codec) -> Option<&mut Track> {
    if own.len() >= MOST_FAR && !own.contains_key(&person) {
        return None;
    }
    let own = own.entry(person).or_insert_with(|| (codec, Track::new(true)));
    if own.0 != codec {
        *own = (codec, Track::new(true));
    }
    Some(&mut own.1)
}
