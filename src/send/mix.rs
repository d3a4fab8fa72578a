//! The mix: cuts what the first source gives into chunks, adds what the others and the people in the
//! room give, and encodes each chunk once. It runs on no thread of its own and reads no clock:
//! `mix/thread` does.

pub mod combine;
pub mod desk;
mod generating;
mod overload;
pub(super) mod own_mixes;
mod people;
pub(super) mod prepare;
pub(super) mod read_ahead;
pub(super) mod record;
mod relayed;
mod sources;
pub(super) mod thread;
pub mod track;
pub mod voice;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};

use super::encode::Encoders;
use super::presence::Message;
use crate::capture::cards::{Card, Cards};
use crate::capture::chunk::{Chunker, LONGEST_SLEEP_US, SHORTEST_SLEEP_US};
use crate::capture::piece::piece_of;
use crate::codec::InUse;
use crate::codec::opus;
use crate::error::Result;
use crate::format::Format;
use crate::stats::{self, SourceStats};
use crate::wire::{AudioFrame, AudioHeader};
use combine::{Combine, Role, Settings};
use desk::Order;
use generating::Generating;
use overload::Overload;
use own_mixes::OwnMixes;
use people::People;
use prepare::Prepared;
use read_ahead::ReadAhead;
use record::Taps;
use sources::{CARRIER, Sources};

/// A turn ends after so much processor time, in µs, with chunks still due: the thread sleeps for a
/// moment, and goes on. A thread with real time that computes for longer than the kernel allows it (200 ms, which rtkit
/// asks for) ends the program; a tenth of that leaves room for machines that are slower and busier.
const LONGEST_TURN_US: u64 = 20_000;

/// A card that has not delivered by then is silent for now. A fraction of the playout delay, so
/// that the silence still comes in time, but longer than a PC's ordinary hiccups.
const SHORTEST_PATIENCE_US: u64 = 25_000;
const LONGEST_PATIENCE_US: u64 = 150_000;

/// The mix of a server.
pub struct Mix {
    chunker: Chunker,
    combine: Combine,
    /// By how much later sound leaves the mix than it came, in µs.
    behind_us: u64,
    sources: Sources,
    encoders: Encoders,
    input: Input,
    counters: Arc<stats::Capture>,
    /// Who may speak, where listeners may.
    people: Option<People>,
    overload: Overload,
    format: Format,
    taps: Taps,
    /// What the track of the carrier is called.
    source: String,
}

#[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card makes these"))]
enum Input {
    Nothing,
    Cards(Cards),
    Generator(Generating),
}

impl Mix {
    /// A mix in `format`, sent in chunks of `chunk_size` frames and made in pieces of them, from
    /// `now_us` on. Opus is cut as `layout`
    /// says. The first source, the carrier, is called `name` and stands in the mix as `settings` say.
    #[must_use]
    pub fn new(
        format: Format,
        chunk_size: u32,
        layout: opus::Layout,
        (name, settings): (&str, Settings),
        counters: Arc<stats::Capture>,
        now_us: u64,
    ) -> Self {
        let piece = piece_of(chunk_size, format.sample_rate);
        let mut combine = Combine::new(format);
        combine.add(CARRIER, Role::Film, settings);
        let behind_us = format.micros(combine.delay_frames() as u64).round() as u64;
        Self {
            chunker: Chunker::new(format, piece, LONGEST_PATIENCE_US, now_us)
                .jumping_by(chunk_size),
            combine,
            behind_us,
            sources: Sources::new(format, name),
            encoders: Encoders::new(format, chunk_size, layout),
            input: Input::Nothing,
            counters,
            people: None,
            overload: Overload::default(),
            format,
            taps: Taps::default(),
            source: String::new(),
        }
    }

    /// For simulations: the sum leaves as it is, at once.
    #[must_use]
    pub fn simulated(mut self) -> Self {
        self.combine.leave_out_limiter();
        self.behind_us = 0;
        self
    }

    /// What is sent is recorded, and what comes from the source called `source`.
    pub(super) fn record(&mut self, taps: Taps, source: &str) {
        self.taps = taps;
        self.taps.leave_out(self.combine.delay_frames());
        self.source = source.to_owned();
    }

    /// Takes a source in beside the carrier.
    pub(super) fn add(&mut self, source: Prepared) -> Result<()> {
        self.sources.add(source, &mut self.combine)
    }

    /// Lets people speak, of whom `room` tells. Films step back by `duck_db` meanwhile.
    pub(super) fn let_people_speak(
        &mut self,
        room: Receiver<Message>,
        own_mixes: OwnMixes,
        duck_db: f32,
    ) {
        self.combine.set_duck_db(duck_db);
        self.people = Some(People::new(self.format, room, own_mixes, Arc::clone(&self.counters)));
    }

    /// Sound comes from what is read ahead in the mix's format, from `now_us` on.
    ///
    /// # Errors
    /// None, for a format of the mix's own.
    pub(super) fn generate(&mut self, ahead: ReadAhead, now_us: u64) -> Result<()> {
        self.chunker.plug_exact(now_us)?;
        self.input = Input::Generator(Generating::new(ahead, self.format, now_us));
        Ok(())
    }

    /// Sound comes from cards, announced through what this returns. `pick` names two channels of a
    /// card that has more.
    #[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card makes these"))]
    pub fn cards(&mut self, pick: Option<(u16, u16)>) -> SyncSender<Card> {
        let (cards, sender) = Cards::new(pick);
        self.input = Input::Cards(cards);
        sender
    }

    /// Does what somebody at the desk asks for; the sources as they are then.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for what cannot be done.
    pub(super) fn obey(&mut self, order: Order) -> Result<Vec<SourceStats>> {
        let (is_playing, has_ended) = match &self.input {
            Input::Nothing => (false, true),
            Input::Cards(cards) => (cards.is_plugged(), false),
            Input::Generator(generating) => (generating.is_playing(), false),
        };
        self.sources.set_carrier(is_playing, has_ended);
        self.sources.obey(order, &mut self.combine, &mut self.taps)
    }

    /// Makes what is due at `now_us` in the codecs that are `in_use`, and gives each frame to `send`,
    /// which says whether there was room for it. `delay_ms` is the playout delay, `spent_us` the
    /// processor time that the thread has taken. Returns who is to talk no more, because there is more
    /// to do than time.
    pub fn turn(
        &mut self,
        now_us: u64,
        delay_ms: u32,
        in_use: &InUse,
        spent_us: impl Fn() -> u64,
        mut send: impl FnMut(AudioFrame) -> bool,
    ) -> Option<u32> {
        let began_us = spent_us();
        self.take_input(now_us);
        self.sources.take_input(now_us);
        self.chunker.set_patience(patience_us(delay_ms));
        self.encoders.remember(u64::from(delay_ms) * 1000);
        if let Some(people) = &mut self.people {
            people.listen(&mut self.combine, now_us, &spent_us);
        }
        let mut is_behind = false;
        while let Some(piece) = self.chunker.next_chunk(now_us) {
            self.combine.begin(piece.header.frames as usize);
            self.combine.input(CARRIER, piece.samples, false);
            let carrier = (CARRIER, self.source.as_str());
            self.taps.input(carrier, self.format, piece.header.position, piece.samples);
            self.sources.give(&piece.header, &mut self.combine, &mut self.taps);
            if let Some(people) = &mut self.people {
                people.speak(&piece.header, now_us, &mut self.combine, &mut self.taps);
            }
            let captured_us = piece.header.captured_us.saturating_sub(self.behind_us);
            let header = AudioHeader { captured_us, ..piece.header };
            if let Some(people) = &mut self.people {
                people.hear(header, &mut self.combine);
            }
            self.taps.mix(self.format, header.position, self.combine.common());
            self.encoders.encode(header, self.combine.common(), in_use, |frame| {
                if !send(frame) {
                    self.counters.chunks_dropped.add(1);
                }
            });
            if spent_us().saturating_sub(began_us) > LONGEST_TURN_US {
                is_behind = true;
                break;
            }
        }
        self.count();
        let lasts = self.overload.lasts(is_behind, now_us);
        self.people.as_ref().filter(|_| lasts).and_then(People::newest_talker)
    }

    /// Takes this person's microphone away.
    pub(super) fn silence(&mut self, person: u32) {
        if let Some(people) = &mut self.people {
            people.silence(person, &mut self.combine);
        }
    }

    /// Until there may be something to do again, in µs.
    #[must_use]
    pub fn rest_us(&self, now_us: u64) -> u64 {
        self.chunker.due_in_us(now_us).clamp(SHORTEST_SLEEP_US, LONGEST_SLEEP_US)
    }

    /// Frames of silence that were put in because a card delivered none in time.
    #[must_use]
    pub fn silent_frames(&self) -> u64 {
        self.chunker.silence()
    }

    fn count(&mut self) {
        self.counters.chunks_dropped.add(self.encoders.take_halved());
        self.counters.silence.set(self.chunker.silence());
        if let Some((ppm, uncertainty_us)) = self.chunker.card_clock() {
            self.counters.ppm.set(ppm);
            self.counters.uncertainty_us.set(uncertainty_us);
        }
    }

    fn take_input(&mut self, now_us: u64) {
        match &mut self.input {
            Input::Nothing => {}
            Input::Cards(cards) => cards.feed(&mut self.chunker),
            Input::Generator(generating) => {
                if !generating.feed(&mut self.chunker, now_us, &self.counters) {
                    self.chunker.unplug();
                    self.input = Input::Nothing;
                }
            }
        }
    }
}

fn patience_us(delay_ms: u32) -> u64 {
    (u64::from(delay_ms) * 1000 / 4).clamp(SHORTEST_PATIENCE_US, LONGEST_PATIENCE_US)
}

#[cfg(test)]
mod tests;
