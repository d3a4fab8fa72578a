//! What an origin gives its engine: the sound that edges want, and answers to what they ask. Pure: time and what
//! was said are arguments.

mod talk;

use std::collections::{BTreeMap, VecDeque};

use super::nats::{MOST_WAITING, Session, Writer};
use super::people::FarPeople;
use super::said::{self, Past, Stream, Subjects, Want};
use super::sealed::{Backbone, Ear, Mouth, OVERHEAD, Role};
use crate::codec::Codec;
use crate::wire::AudioFrame;
pub use talk::Heard;
use talk::Talk;

/// How often the stream is told of, in µs: whoever comes knows it so soon.
const TELL_US: u64 = 1_000_000;

/// A codec is sent for so long after an edge has last wanted it, in µs: three times as long as edges take to say it
/// again.
const WANTED_US: u64 = 6_000_000;

/// Edges that are known at a time.
const MOST_EDGES: usize = 1_024;

/// Frames that wait for the engine, or are kept for who has missed them, in each codec: the longest playout delay in
/// the shortest packets. What falls out of the first is counted; the others are older than anybody plays.
const MOST_FRAMES: usize = 2_000;

/// Edges that wait for what they have missed, in one codec each.
const MOST_PAST: usize = 64;

/// People at edges for whom what was for them alone is to be sent again: as many as there can be at eight edges.
const MOST_PAST_OWN: usize = 256;

/// What goes to those who have missed something, in bytes per second for all: a second of it is as much as a minute of
/// what everybody hears.
const PAST_BYTES_PER_S: u64 = 8 << 20;

/// How much of that may go at once.
const PAST_AT_ONCE: u64 = 128 * 1024;

/// The subscriptions of an origin.
const WANT: u64 = 1;
const TIME: u64 = 2;
const PAST: u64 = 3;
const PEOPLE: u64 = 4;
const VOICE: u64 = 5;

/// What has gone out and what has not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that the engine was given.
    pub frames: u64,
    /// Their bytes, sealed.
    pub bytes: u64,
    /// Frames that were older than anybody plays, or too many, before the engine took them.
    pub dropped: u64,
    /// Frames that were sent once more to who had missed them.
    pub again: u64,
    /// Messages that nobody with the room's secret can have said.
    pub refused: u64,
}

/// An edge, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeSeen {
    /// What people call it.
    pub name: String,
    /// How many listen there.
    pub listeners: u32,
    until_us: u64,
}

/// One who has missed something.
#[derive(Debug)]
struct Missed {
    codec: Codec,
    /// Whose it was alone: the run of their edge, and their number there.
    person: Option<(u64, u32)>,
    /// The capture time of what goes to it next.
    from_us: u64,
    reply: String,
}

/// An origin's side.
#[derive(Debug)]
pub struct Uplink {
    mouth: Mouth,
    ear: Ear,
    subjects: Subjects,
    stream: Stream,
    told_us: Option<u64>,
    wanted_until_us: [u64; Codec::COUNT],
    waiting: VecDeque<AudioFrame>,
    kept: [VecDeque<AudioFrame>; Codec::COUNT],
    missed: VecDeque<Missed>,
    missed_own: VecDeque<Missed>,
    /// Bytes that may go to those now, and since when.
    past_bytes: u64,
    past_us: u64,
    edges: BTreeMap<u64, EdgeSeen>,
    talk: Talk,
    counts: Counts,
    opened: Vec<u8>,
}

impl Uplink {
    /// The origin of a room, in a run with this random number.
    #[must_use]
    pub fn new(backbone: &Backbone, run: u64, stream: Stream) -> Self {
        Self {
            mouth: Mouth::new(backbone, Role::Origin, run),
            ear: Ear::new(backbone, Role::Edge),
            subjects: Subjects::new(backbone),
            stream,
            told_us: None,
            wanted_until_us: [0; Codec::COUNT],
            waiting: VecDeque::new(),
            kept: std::array::from_fn(|_| VecDeque::new()),
            missed: VecDeque::new(),
            missed_own: VecDeque::new(),
            past_bytes: 0,
            past_us: 0,
            edges: BTreeMap::new(),
            talk: Talk::default(),
            counts: Counts::default(),
            opened: Vec::new(),
        }
    }

    /// A connection is there: asks for what edges say. What waited is from before, and may be late already.
    pub fn begin(&mut self, writer: &mut Writer) {
        writer.subscribe(&self.subjects.want, WANT);
        writer.subscribe(&self.subjects.time, TIME);
        writer.subscribe(&self.subjects.past, PAST);
        if self.stream.talk {
            writer.subscribe(&self.subjects.people, PEOPLE);
            writer.subscribe(&self.subjects.voice, VOICE);
        }
        self.told_us = None;
        self.talk.tell_anew();
        self.missed.clear();
        self.missed_own.clear();
    }

    /// Sound that is captured from `from_us` on is heard so many ms later.
    pub fn change_delay(&mut self, ms: u32, from_us: u64) {
        (self.stream.playout_delay_ms, self.stream.delay_from_us) = (ms, from_us);
        self.told_us = None;
    }

    /// These codecs may be wanted from now on, the best first.
    pub fn change_codecs(&mut self, codecs: Vec<String>) {
        if codecs != self.stream.codecs {
            self.stream.codecs = codecs;
            self.told_us = None;
        }
    }

    /// The sound comes through these servers.
    pub fn change_via(&mut self, via: Vec<String>) {
        if via != self.stream.via {
            self.stream.via = via;
            self.told_us = None;
        }
    }

    /// Whether an edge wants sound of this codec.
    #[must_use]
    pub fn wants(&self, codec: Codec, now_us: u64) -> bool {
        self.wanted_until_us.get(codec.index()).is_some_and(|until_us| *until_us > now_us)
    }

    /// Takes sound that everybody here gets. What no edge wants goes nowhere.
    pub fn take(&mut self, frame: &AudioFrame, now_us: u64) {
        if frame.is_piece() || !self.wants(frame.codec(), now_us) {
            return;
        }
        if self.waiting.len() == MOST_FRAMES {
            self.waiting.pop_front();
            self.counts.dropped += 1;
        }
        self.waiting.push_back(frame.clone());
        let delay_us = self.delay_us();
        let Some(kept) = self.kept.get_mut(frame.codec().index()) else { return };
        let is_over = |kept: &AudioFrame| kept.header().captured_us + delay_us < now_us;
        while kept.len() == MOST_FRAMES || kept.front().is_some_and(is_over) {
            kept.pop_front();
        }
        kept.push_back(frame.clone());
    }

    /// Takes what came of a subscription, and tells what it says of people. The clock is answered at once: whoever
    /// asks counts the time.
    pub fn hear(
        &mut self,
        subscription: u64,
        reply: Option<&str>,
        message: &[u8],
        now_us: u64,
        writer: &mut Writer,
        tell: impl FnOnce(Heard<'_>),
    ) {
        let subject = match subscription {
            WANT => &self.subjects.want,
            TIME => &self.subjects.time,
            PAST => &self.subjects.past,
            PEOPLE => &self.subjects.people,
            VOICE => &self.subjects.voice,
            _ => return,
        };
        let Some(run) = self.ear.open(subject, message, &mut self.opened) else { return };
        match (subscription, reply) {
            (WANT, _) => self.note_want(run, now_us),
            (PEOPLE, _) => {
                if let Some(people) = FarPeople::read(&self.opened) {
                    tell(Heard::People { run, people });
                }
            }
            (VOICE, _) => {
                if let Some((person, frame)) = talk::voice(&self.opened) {
                    tell(Heard::Voice { run, person, frame });
                }
            }
            (TIME, Some(reply)) if writer.waiting().len() < MOST_WAITING => {
                // When it is handed over is when this is made: nothing waits between.
                if let Some(answer) = said::answer(&self.opened, now_us, now_us) {
                    let sealed = self.mouth.seal(&self.subjects.time, &answer);
                    writer.publish(reply, None, &[&sealed]);
                }
            }
            (PAST, Some(reply)) => {
                let asked = Past::read(&self.opened);
                let codec = asked.as_ref().and_then(|past| Codec::parse(&past.codec));
                if let (Some(past), Some(codec)) = (asked, codec) {
                    let (reply, from_us) = (reply.to_owned(), past.from_us);
                    let person = past.person.map(|person| (run, person));
                    let (missed, most) = match person {
                        Some(_) => (&mut self.missed_own, MOST_PAST_OWN),
                        None => (&mut self.missed, MOST_PAST),
                    };
                    if missed.len() < most {
                        missed.push_back(Missed { codec, person, from_us, reply });
                    }
                }
            }
            _ => {}
        }
    }

    fn note_want(&mut self, run: u64, now_us: u64) {
        let Some(want) = Want::read(&self.opened) else { return };
        let until_us = now_us + WANTED_US;
        for codec in want.known() {
            if let Some(wanted) = self.wanted_until_us.get_mut(codec.index()) {
                *wanted = until_us;
            }
        }
        self.edges.retain(|_, edge| edge.until_us > now_us);
        if !self.edges.contains_key(&run) {
            // Whoever comes wants to know what it comes to.
            self.told_us = None;
            self.talk.tell_anew();
        }
        if self.edges.len() < MOST_EDGES || self.edges.contains_key(&run) {
            let Want { name, listeners, .. } = want;
            self.edges.insert(run, EdgeSeen { name, listeners, until_us });
        }
    }

    /// Says what is to be said, as far as the connection takes it. What is older than anybody plays is not.
    pub fn speak(&mut self, session: &mut Session, now_us: u64) {
        if self.told_us.is_none_or(|told_us| now_us >= told_us + TELL_US) {
            // A struct of texts and numbers cannot fail to be JSON.
            let json = serde_json::to_vec(&self.stream).unwrap_or_default();
            let sealed = self.mouth.seal(&self.subjects.stream, &json);
            if session.publish(&self.subjects.stream, None, &[&sealed]) {
                self.told_us = Some(now_us);
            }
        }
        let delay_us = self.delay_us();
        while let Some(frame) = self.waiting.front() {
            if frame.header().captured_us + delay_us < now_us {
                self.counts.dropped += 1;
            } else if session.has_room(frame.typed().len() + OVERHEAD) {
                let Some(subject) = self.subjects.audio.get(frame.codec().index()) else { break };
                let sealed = self.mouth.seal(subject, frame.typed());
                if session.publish(subject, None, &[&sealed]) {
                    self.counts.frames += 1;
                    self.counts.bytes += sealed.len() as u64;
                }
            } else {
                break;
            }
            self.waiting.pop_front();
        }
        self.speak_to_people(session, now_us);
        self.speak_of_the_past(session, now_us);
    }

    /// Sends those who have missed something what they ask for, as fast as that may go: the index of the codec and a
    /// frame, and no frame behind the last. What everybody hears goes first.
    fn speak_of_the_past(&mut self, session: &mut Session, now_us: u64) {
        let since_us = now_us.saturating_sub(self.past_us).min(1_000_000);
        self.past_us = now_us;
        let more = since_us * PAST_BYTES_PER_S / 1_000_000;
        self.past_bytes = (self.past_bytes + more).min(PAST_AT_ONCE);
        while let Some(missed) = self.missed.front_mut().or(self.missed_own.front_mut()) {
            let is_since = |frame: &AudioFrame| frame.header().captured_us >= missed.from_us;
            let next = match missed.person {
                Some(person) => self.talk.kept(person, missed.codec).find(|frame| is_since(frame)),
                None => {
                    let kept = self.kept.get(missed.codec.index());
                    kept.and_then(|kept| kept.iter().find(|frame| is_since(frame)))
                }
            };
            let index = u8::try_from(missed.codec.index()).unwrap_or(u8::MAX);
            let whose = missed.person.map(|(_, person)| person.to_be_bytes());
            let whose = whose.as_ref().map_or(&[][..], <[u8; 4]>::as_slice);
            let body = [whose, &[index], next.map_or(&[][..], AudioFrame::typed)].concat();
            let length = body.len() + OVERHEAD;
            if length as u64 > self.past_bytes || !session.has_room(length) {
                return;
            }
            let sealed = self.mouth.seal(&self.subjects.past, &body);
            if !session.publish(&missed.reply, None, &[&sealed]) {
                return;
            }
            self.past_bytes -= length as u64;
            match next {
                Some(frame) => {
                    missed.from_us = frame.header().captured_us + 1;
                    self.counts.again += 1;
                }
                None if missed.person.is_some() => drop(self.missed_own.pop_front()),
                None => drop(self.missed.pop_front()),
            }
        }
    }

    fn delay_us(&self) -> u64 {
        u64::from(self.stream.playout_delay_ms) * 1_000
    }

    /// The edges that say that they are there.
    pub fn edges(&self, now_us: u64) -> impl Iterator<Item = &EdgeSeen> {
        self.edges.values().filter(move |edge| edge.until_us > now_us)
    }

    /// What has gone out and what has not.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { refused: self.ear.refused(), ..self.counts }
    }
}
