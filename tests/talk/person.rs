//! Somebody with a microphone, who speaks the wire.

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use auralync::codec::opus::{Encoder, Layout};
use auralync::codec::{Bitrate, Decoder};
use auralync::wire::{AudioHeader, Changes, Microphone, Notice, People, Reason, Wish, kind};

pub(crate) use crate::support::caller::RATE;
use crate::support::caller::{Caller, FRAME, microphone_of};
use crate::support::wait_until;

/// Sound that came: where it belongs, when it was captured, what it is.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) header: AudioHeader,
    pub(crate) samples: Vec<f32>,
}

/// A caller who keeps what comes.
pub(crate) struct Person {
    caller: Caller,
    decoder: Decoder,
    encoder: Option<Encoder>,
    pub(crate) heard: Vec<Heard>,
    pub(crate) people: Option<People>,
    pub(crate) people_came: usize,
    pub(crate) notice: Option<Notice>,
}

impl Deref for Person {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl DerefMut for Person {
    fn deref_mut(&mut self) -> &mut Caller {
        &mut self.caller
    }
}

/// A microphone that sends mono in `codec`.
pub(crate) fn microphone(codec: &str) -> Microphone {
    microphone_of(codec, if codec == "opus" { Layout::VOICE.delay } else { 0 })
}

impl Person {
    /// Somebody who hears `codec`.
    pub(crate) fn join(
        server: SocketAddr,
        id: &str,
        codec: &str,
        microphone: Option<Microphone>,
    ) -> Self {
        let is_opus = microphone.as_ref().is_some_and(|microphone| microphone.codec == "opus");
        let encoder = is_opus.then(|| Encoder::new(Layout::VOICE, 1, Bitrate::default()).unwrap());
        let caller = Caller::join(server, id, codec, microphone);
        let decoder = Decoder::new(&caller.welcome.codec, caller.welcome.format.channels).unwrap();
        Self {
            caller,
            decoder,
            encoder,
            heard: Vec::new(),
            people: None,
            people_came: 0,
            notice: None,
        }
    }

    /// Somebody who knows the server's clock too.
    pub(crate) fn join_in_time(
        server: SocketAddr,
        id: &str,
        codec: &str,
        microphone: Microphone,
    ) -> Self {
        let mut person = Self::join(server, id, codec, Some(microphone));
        for _ in 0..5 {
            let before = person.pongs;
            person.ping();
            person.listen_until("a pong", |person| person.pongs > before);
        }
        person
    }

    /// What the server's clock shows.
    pub(crate) fn server_us(&self) -> u64 {
        self.caller.server_us().unwrap()
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.line.say(bytes);
    }

    pub(crate) fn wish(&mut self, wish: &Wish) {
        self.say(&wish.frame());
    }

    /// Says one frame of its microphone's sound, the first sample of which was captured at
    /// `captured_us` of the server's clock.
    pub(crate) fn talk(&mut self, samples: &[f32], captured_us: u64, flags: u8) {
        let frames = u32::try_from(samples.len()).unwrap();
        match &mut self.encoder {
            Some(encoder) => {
                self.caller.talk(encoder.encode(samples).unwrap(), frames, captured_us, flags);
            }
            None => {
                let payload: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
                self.caller.talk(&payload, frames, captured_us, flags);
            }
        }
    }

    /// Takes what has come.
    pub(crate) fn listen(&mut self) {
        let Self { caller, decoder, heard, people, people_came, notice, .. } = self;
        let channels = caller.welcome.format.channels;
        caller.listen(|kind, body| match kind {
            kind::AUDIO => {
                let (header, payload) = AudioHeader::split(body).unwrap();
                let mut samples = Vec::new();
                decoder.decode(payload, header.frames, channels, &mut samples).unwrap();
                heard.push(Heard { header, samples });
            }
            kind::PEOPLE => {
                *people = Some(People::read(body).unwrap());
                *people_came += 1;
            }
            kind::CHANGES => {
                if let Some(people) = people {
                    people.change(Changes::read(body).unwrap());
                    *people_came += 1;
                }
            }
            kind::NOTICE => {
                let said = Notice::read(body).unwrap();
                // That is for servers.
                if said.reason != Reason::Via {
                    *notice = Some(said);
                }
            }
            _ => {}
        });
    }

    /// Listens until `condition` holds.
    #[track_caller]
    pub(crate) fn listen_until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        wait_until(what, || {
            self.listen();
            condition(self)
        });
    }

    /// Left samples of what was heard from the first frame on that was captured at `from_us` or
    /// later. There is no gap and no overlap in all that was heard.
    pub(crate) fn heard_from(&self, from_us: u64) -> Vec<f32> {
        let channels = usize::from(self.welcome.format.channels);
        for pair in self.heard.windows(2) {
            let next = pair[0].header.position + u64::from(pair[0].header.frames);
            assert_eq!(
                pair[1].header.position, next,
                "a gap or an overlap after {:?}, before {:?}",
                pair[0].header, pair[1].header
            );
        }
        let late = self.heard.iter().filter(|heard| heard.header.captured_us >= from_us);
        late.flat_map(|heard| heard.samples.iter().step_by(channels).copied()).collect()
    }

    pub(crate) fn person(&self) -> u32 {
        self.welcome.person.unwrap()
    }
}

/// How much longer the first frame of somebody's takes who speaks [at ease](converse_at_ease): the
/// server then waits that long for all of them, and no stall of a busy machine leaves a gap.
const EASE_US: u64 = 400_000;

/// Somebody speaks for `length`, `sample` of each frame's number, and listens meanwhile. What they
/// say may come late without being missed. Returns when the first sample was captured.
pub(crate) fn converse_at_ease(
    person: &mut Person,
    length: Duration,
    sample: impl Fn(u64) -> f32,
) -> u64 {
    let start_us = person.server_us() - EASE_US;
    converse_from(person, start_us, length, sample);
    start_us
}

/// Somebody speaks for `length`, `sample` of each frame's number, and every frame leaves as soon as its
/// last sample has been captured. Returns when the first sample was.
pub(crate) fn converse(person: &mut Person, length: Duration, sample: impl Fn(u64) -> f32) -> u64 {
    let start_us = person.server_us();
    converse_from(person, start_us, length, sample);
    start_us
}

/// Somebody speaks for `length`, `sample` of each frame's number, the first of which was captured at `start_us`.
pub(crate) fn converse_from(
    person: &mut Person,
    start_us: u64,
    length: Duration,
    sample: impl Fn(u64) -> f32,
) {
    let first = person.said;
    let frames = length.as_micros() as u64 * u64::from(RATE) / 1_000_000;
    while person.said - first < frames && !person.has_ended {
        let from = person.said;
        let captured_us = start_us + (from - first) * 1_000_000 / u64::from(RATE);
        let end_us = captured_us + u64::from(FRAME) * 1_000_000 / u64::from(RATE);
        while person.server_us() < end_us {
            person.listen();
        }
        let samples: Vec<f32> = (from..from + u64::from(FRAME)).map(&sample).collect();
        person.talk(&samples, captured_us, 0);
    }
}
