//! People at edges: who is there, what they say, and the mix that is for each of them alone.

use std::collections::VecDeque;

use super::{Session, TELL_US, Uplink};
use crate::codec::Codec;
use crate::engine::people::{Everybody, FarPeople};
use crate::engine::said::OWN_HEADER;
use crate::engine::sealed::OVERHEAD;
use crate::wire::AudioFrame;

/// Frames for single people that wait for the engine: a second of packets of 10 ms for 40 people. What falls out is
/// counted.
const MOST_OWN: usize = 4_096;

/// Bytes that are kept of them for who has missed them: a second of Opus for 1,000 people, or of s16 for 80.
const MOST_KEPT_BYTES: usize = 16 << 20;

/// What edges say of people.
#[derive(Debug)]
pub enum Heard<'a> {
    /// Those at the edge with that run.
    People {
        /// The edge's run.
        run: u64,
        /// They.
        people: FarPeople,
    },
    /// Somebody there speaks.
    Voice {
        /// The edge's run.
        run: u64,
        /// Their number there.
        person: u32,
        /// The body of a talk frame, not checked, with its capture time by the origin's clock.
        frame: &'a [u8],
    },
}

/// What is to be said to people at edges.
#[derive(Debug, Default)]
pub(super) struct Talk {
    /// Everybody, as JSON.
    everybody: Vec<u8>,
    /// When edges were last told of them; `None` where they do not know it yet.
    told_us: Option<u64>,
    waiting: VecDeque<Own>,
    /// What went out lately, for who has missed it.
    kept: VecDeque<Own>,
    kept_bytes: usize,
}

/// A frame for one person.
#[derive(Debug, Clone)]
struct Own {
    run: u64,
    person: u32,
    frame: AudioFrame,
}

impl Talk {
    /// Somebody has come who knows of nobody.
    pub(super) fn tell_anew(&mut self) {
        self.told_us = None;
    }

    /// Keeps a frame, and none that was captured before `oldest_us`.
    fn keep(&mut self, own: Own, oldest_us: u64) {
        self.kept_bytes += own.frame.typed().len();
        self.kept.push_back(own);
        while let Some(Own { frame, .. }) = self.kept.front()
            && (self.kept_bytes > MOST_KEPT_BYTES || frame.header().captured_us < oldest_us)
        {
            self.kept_bytes -= frame.typed().len();
            self.kept.pop_front();
        }
    }

    /// What went out lately to that person at the edge with that run, in this codec.
    pub(super) fn kept(
        &self,
        (run, person): (u64, u32),
        codec: Codec,
    ) -> impl Iterator<Item = &AudioFrame> {
        let theirs = self.kept.iter().filter(move |own| (own.run, own.person) == (run, person));
        theirs.map(|own| &own.frame).filter(move |frame| frame.codec() == codec)
    }
}

/// Reads who speaks, and what. `None` where it is too short.
pub(super) fn voice(said: &[u8]) -> Option<(u32, &[u8])> {
    let (person, frame) = said.split_first_chunk()?;
    Some((u32::from_be_bytes(*person), frame))
}

impl Uplink {
    /// These are in the room from now on.
    pub fn tell_everybody(&mut self, everybody: Everybody) {
        let json = everybody.json();
        if json != self.talk.everybody {
            self.talk.everybody = json;
            self.talk.tell_anew();
        }
    }

    /// Takes sound that is for that person alone, at the edge with that run.
    pub fn take_own(&mut self, run: u64, person: u32, frame: AudioFrame) {
        if self.talk.waiting.len() == MOST_OWN {
            self.talk.waiting.pop_front();
            self.counts.dropped += 1;
        }
        let own = Own { run, person, frame };
        let oldest_us = own.frame.header().captured_us.saturating_sub(self.delay_us());
        self.talk.keep(own.clone(), oldest_us);
        self.talk.waiting.push_back(own);
    }

    /// Says what people are to hear, as far as the connection takes it.
    pub(super) fn speak_to_people(&mut self, session: &mut Session, now_us: u64) {
        let is_due = self.talk.told_us.is_none_or(|told_us| now_us >= told_us + TELL_US);
        if is_due && !self.talk.everybody.is_empty() {
            let sealed = self.mouth.seal(&self.subjects.everybody, &self.talk.everybody);
            if session.publish(&self.subjects.everybody, None, &[&sealed]) {
                self.talk.told_us = Some(now_us);
            }
        }
        let delay_us = self.delay_us();
        while let Some(Own { run, person, frame }) = self.talk.waiting.front() {
            if frame.header().captured_us + delay_us < now_us {
                self.counts.dropped += 1;
            } else if session.has_room(frame.typed().len() + OWN_HEADER + OVERHEAD) {
                let subject = self.subjects.own(*run);
                let codec = u8::try_from(frame.codec().index()).unwrap_or(u8::MAX);
                let body = [&person.to_be_bytes()[..], &[codec], frame.typed()].concat();
                let sealed = self.mouth.seal(&subject, &body);
                if session.publish(&subject, None, &[&sealed]) {
                    self.counts.frames += 1;
                    self.counts.bytes += sealed.len() as u64;
                }
            } else {
                break;
            }
            self.talk.waiting.pop_front();
        }
    }
}
