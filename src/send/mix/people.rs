//! People in the mix: what they say goes in, and each who needs it gets a mix of their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use log::{debug, warn};

use crate::clock::CardClock;
use crate::format::Format;
use crate::send::mix::combine::{Combine, Id, Role, Settings};
use crate::send::mix::own_mixes::{Ear, OwnMixes};
use crate::send::mix::record::Taps;
use crate::send::mix::voice::{Players, Slack, Voice};
use crate::send::presence::{Message, Presence, Spoken};
use crate::send::to_edges::is_far;
use crate::stats;
use crate::wire::{AudioHeader, FLAG_BROKEN};

/// Numbers of voices in the mix begin here; sources have those below.
const FIRST_VOICE: u64 = 1 << 32;

/// Between two looks at the sound card, people are listened to for no longer than this, in µs of
/// processor time, whatever waits: their sound is not worth more than everybody's.
const LISTENS_FOR_US: u64 = 3_000;

/// What somebody said that has waited longer than this is thrown away unread, in µs: its time in the mix
/// is over, and reading it would make what comes behind it late, too.
const STALE_AFTER_US: u64 = 200_000;

/// Everybody who is there.
pub(super) struct People {
    format: Format,
    room: Receiver<Message>,
    own_mixes: OwnMixes,
    /// When the mix's frames were captured.
    clock: CardClock,
    /// How long after its first frame was captured a block of the mix is made.
    slack: Slack,
    players: Players,
    counters: Arc<stats::Capture>,
    people: BTreeMap<u32, Somebody>,
    /// How many have come.
    came: u64,
}

struct Somebody {
    presence: Presence,
    voice: Option<Voice>,
    /// Whether they have a log of their own in the fan-out. A person who has had one keeps it.
    hears_alone: bool,
    /// How many had come before.
    came: u64,
}

impl Somebody {
    /// What this person is in the mix. Each connection is another: its sound begins anew.
    fn id(&self) -> Id {
        Id(FIRST_VOICE + self.presence.connection)
    }
}

impl People {
    /// People that `room` tells of, in a mix of that format.
    pub(super) fn new(
        format: Format,
        room: Receiver<Message>,
        own_mixes: OwnMixes,
        counters: Arc<stats::Capture>,
    ) -> Self {
        Self {
            format,
            room,
            own_mixes,
            clock: CardClock::told(format.sample_rate),
            slack: Slack::default(),
            players: Players::new(format),
            counters,
            people: BTreeMap::new(),
            came: 0,
        }
    }

    /// Learns who is there and what they say, for a moment. Between two chunks, at `now_us` of the
    /// server's clock; `spent_us` says how much processor time the thread has taken.
    pub(super) fn listen(
        &mut self,
        mix: &mut Combine,
        now_us: u64,
        mut spent_us: impl FnMut() -> u64,
    ) {
        let began_us = spent_us();
        loop {
            match self.room.try_recv() {
                Ok(Message::Here { person, presence }) => self.here(person, presence, mix),
                Ok(Message::Left { person }) => self.leave(person, mix),
                Ok(Message::Said { spoken, .. })
                    if spoken.came_us.saturating_add(STALE_AFTER_US) < now_us =>
                {
                    self.counters.talk_stale.add(1);
                }
                Ok(Message::Said { person, spoken }) => self.said(person, &spoken),
                Err(_) => return,
            }
            if spent_us().saturating_sub(began_us) >= LISTENS_FOR_US {
                return;
            }
        }
    }

    fn said(&mut self, person: u32, spoken: &Spoken) {
        let Some(somebody) = self.people.get_mut(&person) else {
            return;
        };
        let Some(voice) = &mut somebody.voice else {
            return;
        };
        let before = voice.counts().restless;
        if let Err(e) = voice.take(spoken, self.slack.us(), &mut self.players) {
            // What cannot be heard is not tried again: the next frame would be no different.
            warn!("person {person} cannot be heard: {e}");
            somebody.voice = None;
            return;
        }
        self.counters.talk_restless.add(voice.counts().restless - before);
        if let Some(speech_us) = voice.speech_us() {
            somebody.presence.speech.note(speech_us);
        }
    }

    fn here(&mut self, person: u32, presence: Presence, mix: &mut Combine) {
        let connection = presence.connection;
        if self.people.get(&person).is_some_and(|old| old.presence.connection != connection) {
            self.leave(person, mix);
        }
        if presence.microphone.is_none() {
            self.silence(person, mix);
        }
        let format = self.format;
        let is_new = !self.people.contains_key(&person);
        self.came += u64::from(is_new);
        let came = self.came;
        let somebody = self.people.entry(person).or_insert_with(|| {
            let microphone = presence.microphone.as_ref();
            let voice = microphone.map(|microphone| Voice::new(microphone, format));
            let voice = voice.and_then(|voice| {
                voice.unwrap_or_else(|e| {
                    warn!("person {person} cannot be heard: {e}");
                    None
                })
            });
            // What is for people at edges comes to them alone.
            let hears_alone = is_far(person);
            let somebody = Somebody { presence: presence.clone(), voice, hears_alone, came };
            if somebody.voice.is_some() {
                mix.add(somebody.id(), Role::Voice, Settings::default());
            }
            somebody
        });
        mix.set_muted(somebody.id(), presence.is_muted);
        somebody.hears_alone |= presence.needs_own_mix();
        somebody.presence = presence;
        self.tell_ear(person);
        if is_new {
            self.tell_who_wishes_about(person);
        }
    }

    /// The person who got a microphone last.
    pub(super) fn newest_talker(&self) -> Option<u32> {
        let talkers = self.people.iter().filter(|(_, somebody)| somebody.voice.is_some());
        talkers.max_by_key(|(_, somebody)| somebody.came).map(|(person, _)| *person)
    }

    /// Takes a person's microphone away: from now on they only listen.
    pub(super) fn silence(&mut self, person: u32, mix: &mut Combine) {
        let Some(somebody) = self.people.get_mut(&person) else {
            return;
        };
        if let Some(voice) = somebody.voice.take() {
            voice.leave(&mut self.players);
            mix.remove(somebody.id());
        }
        self.tell_ear(person);
    }

    /// Tells the own mixes how a person hears.
    fn tell_ear(&mut self, person: u32) {
        let ear =
            self.people.get(&person).filter(|somebody| somebody.hears_alone).map(|somebody| {
                let wishes = somebody.presence.volumes.iter();
                let id_of = |who: &u32| self.people.get(who).map(Somebody::id);
                Ear {
                    codec: somebody.presence.codec,
                    own: somebody.voice.is_some().then(|| somebody.id()),
                    volumes: wishes
                        .filter_map(|(who, percent)| Some((id_of(who)?, *percent)))
                        .collect(),
                }
            });
        self.own_mixes.set(person, ear);
    }

    /// Tells the own mixes of those who wish something of `person`, who has come or left.
    fn tell_who_wishes_about(&mut self, person: u32) {
        let wishes = |somebody: &Somebody| somebody.presence.volumes.contains_key(&person);
        let who = self.people.iter().filter(|(_, somebody)| wishes(somebody));
        for who in who.map(|(who, _)| *who).collect::<Vec<_>>() {
            self.tell_ear(who);
        }
    }

    fn leave(&mut self, person: u32, mix: &mut Combine) {
        if let Some(somebody) = self.people.remove(&person) {
            let id = somebody.id();
            mix.remove(id);
            if let Some(voice) = somebody.voice {
                let (lag_ms, counts) = (voice.lag_us() / 1e3, voice.counts());
                let (least_us, most_us) = voice.needed_us().unwrap_or_default();
                let (least_ms, most_ms) = (least_us / 1e3, most_us / 1e3);
                debug!(
                    "person {person} stood {lag_ms:.1} ms behind, of {least_ms:.1} to {most_ms:.1} ms that \
                     frames needed; {counts:?}"
                );
                voice.leave(&mut self.players);
            }
        }
        self.tell_ear(person);
        self.tell_who_wishes_about(person);
    }

    /// Gives the mix what everybody says during the chunk that begins as `header` says. What came
    /// before `now_us` has been [taken](Self::listen).
    pub(super) fn speak(
        &mut self,
        header: &AudioHeader,
        now_us: u64,
        mix: &mut Combine,
        taps: &mut Taps,
    ) {
        let is_broken = header.flags & FLAG_BROKEN != 0;
        if is_broken || self.clock.time_of(0.0).is_none() {
            self.clock.anchor(header.position, header.captured_us);
        }
        let _ = self.clock.stamp(header.position, header.captured_us, header.captured_us);
        self.slack.chunk(now_us, header.position, header.frames as usize, &self.clock);
        for somebody in self.people.values_mut() {
            let id = somebody.id();
            if let Some(voice) = &mut somebody.voice {
                voice.speak(header.position, header.frames as usize, &self.clock);
                mix.input(id, voice.spoken(), voice.is_speaking());
                if !voice.spoken().is_empty() {
                    let Presence { id, name, .. } = &somebody.presence;
                    taps.person((id, name), self.format, header.position, voice.spoken());
                }
            }
        }
    }

    /// Has the chunk in hand made for everybody who needs a mix of their own, before it is made for
    /// everybody else.
    pub(super) fn hear(&mut self, header: AudioHeader, mix: &mut Combine) {
        self.own_mixes.work(header, mix);
    }
}

#[cfg(test)]
mod tests;
