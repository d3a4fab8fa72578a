//! People in the mix: what they say goes in, and each who needs it gets a mix of their own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use log::{debug, warn};

use crate::clock::CardClock;
use crate::format::Format;
use crate::send::combine::{Combine, Id, Personal, Role, Settings};
use crate::send::own_mixes::OwnMixes;
use crate::send::record::Taps;
use crate::send::talk::{Message, Presence, Spoken};
use crate::send::voice::{Players, Slack, Voice};
use crate::stats;
use crate::wire::{AudioHeader, FLAG_BROKEN};

/// Numbers of voices in the mix begin here; sources have those below.
const FIRST_VOICE: u64 = 1 << 32;

/// Between two looks at the sound card, people are listened to for no longer than this, in µs, whatever
/// waits: their sound is not worth more than everybody's.
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
}

struct Somebody {
    presence: Presence,
    voice: Option<Voice>,
    ear: Option<Personal>,
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
        }
    }

    /// Learns who is there and what they say, for a moment. Between two chunks. `now_us` reads the
    /// server's clock.
    pub(super) fn listen(
        &mut self,
        mix: &mut Combine,
        taps: &mut Taps,
        mut now_us: impl FnMut() -> u64,
    ) {
        let began_us = now_us();
        let mut at_us = began_us;
        while at_us.saturating_sub(began_us) < LISTENS_FOR_US {
            match self.room.try_recv() {
                Ok(Message::Here { person, presence }) => self.here(person, presence, mix, taps),
                Ok(Message::Left { person }) => {
                    self.leave(person, mix, taps);
                    self.own_mixes.forget(person);
                }
                Ok(Message::Said { spoken, .. })
                    if spoken.came_us.saturating_add(STALE_AFTER_US) < at_us =>
                {
                    self.counters.talk_stale.add(1);
                }
                Ok(Message::Said { person, spoken }) => self.said(person, &spoken),
                Err(_) => return,
            }
            at_us = now_us();
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

    fn here(&mut self, person: u32, presence: Presence, mix: &mut Combine, taps: &mut Taps) {
        let connection = presence.connection;
        if self.people.get(&person).is_some_and(|old| old.presence.connection != connection) {
            self.leave(person, mix, taps);
        }
        let is_new = !self.people.contains_key(&person);
        let somebody = self.people.entry(person).or_insert_with(|| {
            let somebody = Somebody { presence: presence.clone(), voice: None, ear: None };
            let microphone = presence.microphone.as_ref();
            let voice = microphone.map(|microphone| Voice::new(microphone, self.format));
            let voice = voice.and_then(|voice| {
                voice.unwrap_or_else(|e| {
                    warn!("person {person} cannot be heard: {e}");
                    None
                })
            });
            if voice.is_some() {
                mix.add(somebody.id(), Role::Voice, Settings::default());
            }
            Somebody { voice, ..somebody }
        });
        let id = somebody.id();
        mix.set_muted(id, presence.is_muted);
        if presence.needs_own_mix() && somebody.ear.is_none() {
            somebody.ear = Some(mix.listener(somebody.voice.is_some().then_some(id)));
        }
        let before = std::mem::replace(&mut somebody.presence, presence);
        if is_new {
            for (other, percent) in self.wishes_about(person) {
                self.set_volume(other, id, percent);
            }
        }
        let wishes = self.people.get(&person).map(|now| Arc::clone(&now.presence.volumes));
        let wishes = wishes.unwrap_or_default();
        if !is_new && Arc::ptr_eq(&wishes, &before.volumes) {
            return;
        }
        let given_up = before.volumes.keys().filter(|who| !wishes.contains_key(who));
        let given_up = given_up.map(|who| (*who, 100)).collect::<Vec<_>>();
        let wanted = wishes.iter().map(|(who, percent)| (*who, *percent));
        for (who, percent) in wanted.chain(given_up) {
            if let Some(id) = self.people.get(&who).map(Somebody::id) {
                self.set_volume(person, id, percent);
            }
        }
    }

    /// Who wants to hear `person` how loud.
    fn wishes_about(&self, person: u32) -> Vec<(u32, u16)> {
        let wish = |somebody: &Somebody| somebody.presence.volumes.get(&person).copied();
        self.people.iter().filter_map(|(who, somebody)| Some((*who, wish(somebody)?))).collect()
    }

    fn set_volume(&mut self, listener: u32, of: Id, percent: u16) {
        let somebody = self.people.get_mut(&listener);
        if let Some(ear) = somebody.and_then(|somebody| somebody.ear.as_mut()) {
            ear.set_volume(of, percent);
        }
    }

    fn leave(&mut self, person: u32, mix: &mut Combine, taps: &mut Taps) {
        if let Some(somebody) = self.people.remove(&person) {
            let id = somebody.id();
            mix.remove(id);
            taps.end(id);
            if let Some(voice) = somebody.voice {
                let (lag_ms, counts) = (voice.lag_us() / 1e3, voice.counts());
                debug!("person {person} stood {lag_ms:.1} ms behind; {counts:?}");
                voice.leave(&mut self.players);
            }
            // What others wished about a voice that will never sound again.
            for other in self.people.values_mut() {
                if let Some(ear) = &mut other.ear {
                    ear.set_volume(id, 100);
                }
            }
        }
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
                    let name = &somebody.presence.name;
                    taps.input((id, name), self.format, header.position, voice.spoken());
                }
            }
        }
    }

    /// Has the chunk encoded for everybody who needs a mix of their own.
    pub(super) fn hear(&mut self, header: AudioHeader, mix: &mut Combine) {
        for (person, somebody) in &mut self.people {
            if let Some(ear) = &mut somebody.ear {
                let codec = somebody.presence.codec;
                self.own_mixes.encode(*person, codec, header, mix.personal(ear));
            }
        }
    }
}
