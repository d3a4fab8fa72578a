//! People at edges: who is there, what they say, and the mix that is for each of them alone.

use std::collections::VecDeque;

use super::{Session, TELL_US, Uplink};
use crate::codec::Codec;
use crate::engine::people::{Everybody, FarPeople};
use crate::engine::said::OWN_HEADER;
use crate::engine::sealed::OVERHEAD;
use crate::wire::AudioFrame;

/// Frames for single people that wait for the engine, or are kept for who has missed them: a second of packets of
/// 10 ms for 40 people. What falls out of the first is counted.
const MOST_OWN: usize = 4_096;

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
        let kept = &mut self.talk.kept;
        let is_over = |kept: &Own| kept.frame.header().captured_us < oldest_us;
        while kept.len() == MOST_OWN || kept.front().is_some_and(is_over) {
            kept.pop_front();
        }
        kept.push_back(own.clone());
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
