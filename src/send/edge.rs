//! The edge thread: gives the network loop what an engine brings, as it is, in place of a mix.
//! [`Edge`] decides what is handed on, [`Line`] has the socket.

mod room;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use log::{info, warn};
use mio::Waker;

use super::mix::desk::{Asked, Order};
use super::presence::Message;
use super::taps::{self, Tap};
use super::terms;
use super::transmit::{Change, Elsewhere, Handle, Shape, TooMany};
use crate::capture::piece::piece_of;
use crate::clock::Clock;
use crate::codec::{Codec, InUse, Offers};
use crate::engine::edge::{Edge, Told};
use crate::engine::key;
use crate::engine::line::Line;
use crate::engine::nats::{Addresses, Event};
use crate::engine::news::{News, Said};
use crate::engine::people::{self, Everybody};
use crate::engine::said::{self, Stream};
use crate::engine::sealed::Role;
use crate::error::{Error, Result};
use crate::preset::Preset;
use crate::random::random;
use crate::settings::{EngineSettings, ServerSettings};
use crate::shutdown::Shutdown;
use crate::stats::{self, EngineFigures, EngineStats, SourceStats, TOLD_EVERY_US};
use crate::upstreams::Upstream;
use crate::wire::{AudioFrame, AudioHeader};
use room::Room;

/// What is said where people are to speak and the origin lets nobody.
const NO_TALK: &str = "nobody can speak here: where the sound is, a server runs without --talk. Start it there with \
                       --talk, and this one again";

/// Where nothing wakes the thread, it looks around so often.
const REST: Duration = Duration::from_millis(50);

/// A room whose stream is not there yet is told of after so long.
const SOON_US: u64 = 2_000_000;

/// Listeners at different places who are apart by less are said to be in step, in µs: nobody hears or sees that.
const CLOSE_US: f64 = 5_000.0;

/// An edge with its line.
pub(super) struct Downlink {
    line: Line,
    edge: Edge,
    clock: Clock,
    news: News,
    /// What the room is called between servers.
    room: String,
    /// Frames of voices that the line did not take.
    unsaid: u64,
}

impl Downlink {
    /// Goes to the engine, and waits for the room's stream as long as that takes, or until `stop`. With `talk`, people
    /// here are to speak.
    ///
    /// # Errors
    /// [`Error::File`] where the room's key is not there or is none; [`Error::Internal`] if the system's event queue
    /// breaks.
    pub(super) fn open(
        engine: &EngineSettings,
        (name, talk): (&str, bool),
        clock: Clock,
        stop: &Shutdown,
    ) -> Result<Option<(Self, Stream)>> {
        let backbone = key::known(&engine.room)?;
        let longest = if talk { people::MOST_BYTES as u64 } else { said::MOST_TEXT };
        let who = backbone.who(Role::Edge, name, longest);
        let line =
            Line::new(Addresses::new(engine.urls.clone(), random()), who, engine.trust()?, clock)?;
        let edge = Edge::new(&backbone, random(), name);
        let (news, room) = (News::default(), engine.room.to_string());
        let mut downlink = Self { line, edge, clock, news, room, unsaid: 0 };
        let mut since_us = Some(clock.now_us());
        while !stop.is_requested() {
            let mut begun = None;
            downlink.turn(&InUse::default(), 0, |told| match told {
                Told::Begins(stream) | Told::Changes(stream) => begun = Some(stream),
                told => warn_of(&told),
            })?;
            if let Some(stream) = begun {
                if talk && stream.talk {
                    downlink.edge.let_people_speak();
                } else if talk {
                    warn!("{NO_TALK}");
                }
                return Ok(Some((downlink, stream)));
            }
            let is_long = |since_us| clock.now_us().saturating_sub(since_us) > SOON_US;
            if downlink.line.works_at().is_some() && since_us.is_some_and(is_long) {
                since_us = None;
                warn!(
                    "nothing is sent to the room “{}” so far: it is waited for. Where a server sends to it, that has \
                     another key: copy the file {} from there once more",
                    engine.room,
                    key::file_name(&engine.room)
                );
            }
        }
        Ok(None)
    }

    /// One turn: says what is wanted, rests until something comes, and tells what it was.
    fn turn(&mut self, in_use: &InUse, listeners: u32, mut tell: impl FnMut(Told)) -> Result<()> {
        let Self { line, edge, clock, news, .. } = self;
        if let Some(session) = line.session() {
            let now_us = clock.now_us();
            edge.want(session, |codec| in_use.contains_either(codec), listeners, now_us);
            edge.speak(session, now_us, &mut tell);
            if edge.is_behind(now_us) {
                warn!(
                    "sound comes by the engine too late to be played: another way there is tried"
                );
                line.give_up();
            }
        }
        let lost = line.turn(REST, |writer, event| match event {
            Event::Ready => edge.begin(writer),
            Event::Message { subscription, payload, .. } => {
                edge.hear(subscription, payload, clock.now_us(), writer, &mut tell);
            }
            Event::Forbidden(why) if news.forbids(why) => {
                warn!("not all of the room comes here: the engine says {why}");
            }
            Event::Forbidden(_) | Event::Info(_) | Event::Secure => {}
        })?;
        match news.after(lost.as_ref(), line.works_at()) {
            Some(Said::Gone(said)) => warn!("{said}. It is tried again"),
            Some(Said::There(said)) => info!("{said}"),
            None => {}
        }
        Ok(())
    }

    /// Ends the wait of whoever takes turns.
    pub(super) fn waker(&self) -> Arc<Waker> {
        self.line.waker()
    }

    /// Tells the origin what people here say, and who they are where that has changed.
    fn tell_of(&mut self, people: &mut People) {
        while let Ok(message) = people.heard.try_recv() {
            let Some((person, spoken)) = people.room.hear(message) else { continue };
            let is_said = self.line.session().is_some_and(|session| {
                self.edge.say(session, person, spoken.header, &spoken.payload)
            });
            self.unsaid += u64::from(!is_said);
        }
        people.room.note_speech(self.clock.now_us());
        if let Some(news) = people.room.news() {
            self.edge.tell_people(news);
        }
    }

    /// What is told of an edge.
    fn figures(&self) -> EngineStats {
        let counts = self.edge.counts();
        EngineStats {
            role: "edge",
            room: self.room.clone(),
            url: self.line.works_at().map(ToString::to_string),
            frames: counts.frames,
            dropped: self.unsaid,
            again: counts.again,
            gaps: counts.gaps,
            refused: counts.refused,
            clock_bound_us: self.edge.clock_bound_us(),
            ..EngineStats::default()
        }
    }
}

fn warn_of(told: &Told) {
    match told {
        Told::Another => warn!(
            "another server sends to this room too, and is not heard as long as the first one is there: stop one of \
             them, or give it another --engine-room"
        ),
        Told::Unusable(why) => warn!("what is sent to this room cannot be served: {why}"),
        Told::Begins(_) | Told::Changes(_) | Told::Frame(_) => {}
        Told::Everybody(_) | Told::Own(..) => {}
    }
}

/// What listeners are told of a stream.
pub(super) fn shape(stream: &Stream) -> Shape {
    Shape {
        session: stream.session.clone(),
        format: stream.format(),
        chunk_size: stream.chunk_size,
        playout_delay_ms: stream.playout_delay_ms,
        opus: stream.opus(),
        offers: Offers::parse(&stream.codecs).unwrap_or_default(),
    }
}

/// What an edge is asked to do, with what only the stream says.
pub(super) fn settings(settings: ServerSettings, stream: &Stream) -> ServerSettings {
    let preset = Preset {
        chunk_size: stream.chunk_size,
        playout_delay_ms: stream.playout_delay_ms,
        sample_rate: Some(stream.sample_rate),
        channels: stream.channels,
        codecs: Some(stream.codecs.clone()),
        ..settings.preset
    };
    ServerSettings { preset, ..settings }
}

/// People who may speak here.
pub(super) struct People {
    room: Room,
    heard: Receiver<Message>,
    /// Who is elsewhere, as people here were told.
    told: Elsewhere,
}

impl People {
    /// Those of whom that queue tells, at the edge of that line.
    pub(super) fn new(downlink: &Downlink, heard: Receiver<Message>) -> Self {
        Self { room: Room::new(downlink.edge.run()), heard, told: Elsewhere::default() }
    }
}

/// What the thread is given.
pub(super) struct EdgeThread {
    pub(super) downlink: Downlink,
    pub(super) stream: Stream,
    pub(super) orders: Receiver<Asked>,
    /// The playout delay in force, in ms.
    pub(super) delay_ms: Arc<AtomicU32>,
    pub(super) network: Handle,
    /// Others than listeners who get what is sent.
    pub(super) taps: Vec<Tap>,
    /// Where people may speak.
    pub(super) people: Option<People>,
    /// Where listeners here learn which servers the sound comes through.
    pub(super) upstream: Upstream,
    pub(super) preset: Preset,
    pub(super) counters: Arc<stats::Capture>,
    pub(super) figures: Arc<EngineFigures>,
}

impl EdgeThread {
    /// Runs until `shutdown`.
    ///
    /// # Errors
    /// If the system's event queue breaks.
    pub(super) fn run(mut self, shutdown: &Shutdown) -> Result<()> {
        let (mut told, mut told_us, mut told_within) = (Vec::new(), 0, None);
        self.name_upstreams();
        while !shutdown.is_requested() {
            if let Ok(Asked { order, answer }) = self.orders.try_recv() {
                // Whoever asked may have gone.
                let _ = answer.try_send(refuse(&order));
            }
            if let Some(people) = &mut self.people {
                self.downlink.tell_of(people);
                if people.room.forget_elsewhere(self.downlink.clock.now_us()) {
                    self.tell_of_elsewhere();
                }
            }
            let in_use = self.network.in_use();
            taps::note_wanted(&self.taps, in_use);
            let listening = self.figures.listening();
            self.downlink.turn(in_use, listening, |one| told.push(one))?;
            let now_us = self.downlink.clock.now_us();
            if now_us >= told_us + TOLD_EVERY_US {
                told_us = now_us;
                let figures = self.downlink.figures();
                let within = figures.clock_bound_us.and_then(within_ms);
                if within != told_within && self.network.set_within(within) {
                    told_within = within;
                }
                self.figures.put(figures);
            }
            told.drain(..).for_each(|one| self.hear(one));
        }
        Ok(())
    }

    fn hear(&mut self, told: Told) {
        match told {
            Told::Frame(frame) => self.hand_on(frame),
            Told::Begins(stream) => {
                info!("the room “{}” begins anew", stream.name);
                self.begin_with_people(stream.talk);
                self.delay_ms.store(stream.playout_delay_ms, Ordering::Relaxed);
                let shape = shape(&stream);
                taps::begin_anew(&mut self.taps, &shape);
                self.network.begin_anew(shape);
                self.stream = stream;
                self.name_upstreams();
            }
            Told::Changes(stream) => self.change(stream),
            Told::Own(person, frame) => {
                if !self.network.send_to(vec![(person, frame)]) {
                    self.counters.chunks_dropped.add(1);
                }
            }
            Told::Everybody(everybody) => self.learn(everybody),
            told => warn_of(&told),
        }
    }

    /// Whoever takes the sound from here as a source is to know whose it is.
    fn name_upstreams(&self) {
        // A server that only hands on what comes is no ring: nothing of its own goes in.
        let _ = self.upstream.take(&self.stream.session, &self.stream.via);
    }

    fn learn(&mut self, everybody: Everybody) {
        let Some(people) = &mut self.people else { return };
        for person in people.room.learn(everybody, self.downlink.clock.now_us()) {
            if self.network.silence(person, TooMany::InTheRoom) {
                people.room.note_silenced(person);
            }
        }
        self.tell_of_elsewhere();
    }

    fn tell_of_elsewhere(&mut self) {
        let Some(people) = &mut self.people else { return };
        let elsewhere = people.room.elsewhere(self.figures.listening());
        if elsewhere != people.told && self.network.set_elsewhere(elsewhere.clone()) {
            people.told = elsewhere;
        }
    }

    /// Another origin is there, which lets people `talk` or not. Whoever listens comes again, and is told then.
    fn begin_with_people(&mut self, talk: bool) {
        let Some(people) = &mut self.people else { return };
        if !talk {
            warn!("{NO_TALK}");
        }
        let elsewhere = people.room.begin_anew(talk, self.downlink.clock.now_us());
        if self.network.set_elsewhere(elsewhere.clone()) {
            people.told = elsewhere;
        }
    }

    fn change(&mut self, stream: Stream) {
        let from_us = self.downlink.edge.ours_us(stream.delay_from_us);
        self.delay_ms.store(stream.playout_delay_ms, Ordering::Relaxed);
        let preset = Preset {
            playout_delay_ms: stream.playout_delay_ms,
            codecs: Some(stream.codecs.clone()),
            ..self.preset.clone()
        };
        let now_us = self.downlink.clock.now_us();
        let change = terms::change(&preset, now_us);
        self.network.change(Change { from_us: from_us.unwrap_or(now_us), ..change });
        self.stream = stream;
        self.name_upstreams();
    }

    /// Gives everybody here a frame that has come, whole, in pieces or both, as it is wanted.
    fn hand_on(&mut self, frame: AudioFrame) {
        let (codec, in_use) = (frame.codec(), self.network.in_use());
        taps::give(&self.taps, &frame);
        let is_opus = matches!(codec, Codec::Opus(_));
        let mut lost = 0;
        if !is_opus && in_use.contains_pieces(codec) {
            let (chunk, rate) = (self.stream.chunk_size, self.stream.sample_rate);
            let mut pieces = pieces(&frame, piece_of(chunk, rate), rate);
            lost += pieces.by_ref().filter(|piece| !self.network.send(piece.clone())).count();
        }
        if is_opus || in_use.contains(codec) {
            lost += usize::from(!self.network.send(frame));
        }
        self.counters.chunks_dropped.add(lost as u64);
    }
}

/// A chunk's pieces of so many frames each, at `rate` Hz.
fn pieces(chunk: &AudioFrame, piece: u32, rate: u32) -> impl Iterator<Item = AudioFrame> {
    let (codec, header) = (chunk.codec(), *chunk.header());
    let payload = chunk.plain().1;
    let frame_bytes = (payload.len() / header.frames.max(1) as usize).max(1);
    payload.chunks(frame_bytes * piece.max(1) as usize).zip(0_u64..).map(move |(bytes, number)| {
        let before = number * u64::from(piece.max(1));
        let header = AudioHeader {
            position: header.position + before,
            captured_us: header.captured_us + before * 1_000_000 / u64::from(rate.max(1)),
            // No more than the whole chunk has.
            frames: u32::try_from(bytes.len() / frame_bytes).unwrap_or(header.frames),
            flags: if number == 0 { header.flags } else { 0 },
        };
        AudioFrame::new(codec, header, bytes.len(), |to| to.copy_from_slice(bytes)).into_piece()
    })
}

/// Within how many ms listeners here are in step with those at other places, where that is worth a word.
fn within_ms(bound_us: f64) -> Option<u32> {
    (bound_us > CLOSE_US).then(|| (bound_us / 1e3).ceil() as u32)
}

fn refuse(order: &Order) -> Result<Vec<SourceStats>> {
    match order {
        Order::List => Ok(Vec::new()),
        Order::Source(_) | Order::Add(_) => Err(Error::usage(
            "this server is an edge: what it sends is mixed elsewhere",
            "Ask the server that has the sound",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_that_the_way_cannot_give_is_not_claimed() {
        assert_eq!(within_ms(80.0), None);
        assert_eq!(within_ms(5_000.0), None);
        assert_eq!(within_ms(5_001.0), Some(6));
        assert_eq!(within_ms(23_400.0), Some(24));
    }

    #[test]
    fn a_chunk_and_its_pieces_hold_the_same_sound_at_the_same_places() {
        let header = AudioHeader { position: 4_800, captured_us: 1_000_000, flags: 1, frames: 480 };
        let samples: Vec<f32> = (0..960).map(|n| n as f32).collect();
        let chunk = AudioFrame::float32(header, &samples);
        let pieces: Vec<AudioFrame> = pieces(&chunk, 200, 48_000).collect();
        let headers: Vec<_> = pieces.iter().map(|piece| *piece.header()).collect();
        let at = |position, captured_us, flags, frames| AudioHeader {
            flags,
            frames,
            position,
            captured_us,
        };
        assert_eq!(
            headers,
            [
                at(4_800, 1_000_000, 1, 200),
                at(5_000, 1_004_166, 0, 200),
                at(5_200, 1_008_333, 0, 80)
            ]
        );
        assert!(pieces.iter().all(AudioFrame::is_piece));
        let joined: Vec<u8> = pieces.iter().flat_map(|piece| piece.plain().1).copied().collect();
        assert_eq!(joined, chunk.plain().1);
    }
}
