//! What an edge makes of what its engine brings: the origin's sound in order and in this server's own time. Pure:
//! time and what was said are arguments.

mod talk;
mod track;

use super::nats::{Session, Writer};
use super::people::Everybody;
use super::said::{self, Past, Stream, Subjects, Want};
use super::sealed::{Backbone, Ear, Mouth, Role};
use crate::chance::Chance;
use crate::clock::{Offset, ServerClock};
use crate::codec::Codec;
use crate::format::hex;
use crate::wire::AudioFrame;
use talk::{EVERYBODY, MISSED_OWN, OWN, Talk};
use track::{Taken, Track, holds_until_us};

/// How often an edge says what it wants, in µs.
const WANT_US: u64 = 2_000_000;

/// An origin that has said nothing for so long is gone, in µs: another one may take its place.
const GONE_US: u64 = 3_000_000;

/// A question for the clock that nobody has answered for so long is lost, in µs.
const ANSWER_US: u64 = 1_000_000;

/// Where all that comes has been too late for so long, another connection is made, in µs.
const BEHIND_US: u64 = 1_000_000;

/// The clock is asked so often, in ms, once it is known.
const ASK_MS: u32 = 250;

/// The subscriptions of an edge: a codec's sound has its index behind the last.
const STREAM: u64 = 1;
const TIME: u64 = 2;
const MISSED: u64 = 3;
const AUDIO: u64 = 7;

/// What an edge is told.
#[derive(Debug)]
pub enum Told {
    /// The origin's stream begins: one that has another session has nothing to do with what came before.
    Begins(Stream),
    /// What the origin says of it is something else.
    Changes(Stream),
    /// Sound, with its capture time in this server's own time.
    Frame(AudioFrame),
    /// Who is in the room.
    Everybody(Everybody),
    /// Sound for one person here, by their number, with its capture time in this server's own time.
    Own(u32, AudioFrame),
    /// Another origin speaks in this room, and is not heard as long as the first is there.
    Another,
    /// What is said there cannot be used; said once.
    Unusable(String),
}

/// What has come and what has not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that were handed on.
    pub frames: u64,
    /// Frames that had come before, or lay before what was handed on.
    pub again: u64,
    /// Places where sound is missing.
    pub gaps: u64,
    /// Messages that nobody with the room's secret can have said, or that are no sound of the stream.
    pub refused: u64,
}

/// The origin whose sound is handed on.
#[derive(Debug)]
struct Origin {
    run: u64,
    stream: Option<Stream>,
    heard_us: u64,
    clock: ServerClock,
}

impl Origin {
    /// What it sends and what its clock shows, once both are known.
    fn known(&self) -> Option<(&Stream, Offset)> {
        Some((self.stream.as_ref()?, self.clock.offset()?))
    }
}

/// An edge's side.
#[derive(Debug)]
pub struct Edge {
    mouth: Mouth,
    ear: Ear,
    subjects: Subjects,
    /// What is for single people here.
    own_subject: String,
    /// Where answers go: one for each of ours.
    inbox: String,
    name: String,
    listeners: u32,
    origin: Option<Origin>,
    tracks: [Track; Codec::COUNT],
    chance: Chance,
    /// The question that is not answered, and when it was asked.
    asked: Option<(u64, u64)>,
    questions: u32,
    ask_at_us: u64,
    want_at_us: u64,
    has_told_of_another: bool,
    has_told_of_unusable: bool,
    /// Since when all sound that comes is too old to be played.
    late_since_us: Option<u64>,
    talk: Talk,
    counts: Counts,
    opened: Vec<u8>,
}

impl Edge {
    /// An edge of a room, in a run with this random number. `name` is what people call it.
    #[must_use]
    pub fn new(backbone: &Backbone, run: u64, name: &str) -> Self {
        let (mut chance, subjects) = (Chance::new(run), Subjects::new(backbone));
        let inbox = format!("_INBOX.{}", hex(&chance.bits().to_be_bytes()));
        Self {
            mouth: Mouth::new(backbone, Role::Edge, run),
            ear: Ear::new(backbone, Role::Origin),
            own_subject: subjects.own(run),
            subjects,
            inbox,
            name: name.to_owned(),
            listeners: 0,
            origin: None,
            tracks: std::array::from_fn(|_| Track::default()),
            chance,
            asked: None,
            questions: 0,
            ask_at_us: 0,
            want_at_us: 0,
            has_told_of_another: false,
            has_told_of_unusable: false,
            late_since_us: None,
            talk: Talk::default(),
            counts: Counts::default(),
            opened: Vec::new(),
        }
    }

    /// What the origin's clock shows as `origin_us`, in this server's own time, both in µs. `None` before it is known.
    #[must_use]
    pub fn ours_us(&self, origin_us: u64) -> Option<u64> {
        let offset = self.origin.as_ref()?.clock.offset()?;
        Some(offset.ours_us(origin_us as f64).max(0.0) as u64)
    }

    /// By how much this server's idea of the origin's clock may be wrong, in µs. `None` before there is one.
    #[must_use]
    pub fn clock_bound_us(&self) -> Option<f64> {
        let clock = &self.origin.as_ref()?.clock;
        clock.offset().map(|_| clock.uncertainty_us())
    }

    /// What has come and what has not.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// A connection is there: asks for what the origin says, and for the sound that is wanted. What was missed
    /// meanwhile is asked for with the first frame behind it.
    pub fn begin(&mut self, writer: &mut Writer) {
        writer.subscribe(&self.subjects.stream, STREAM);
        writer.subscribe(&format!("{}.time", self.inbox), TIME);
        writer.subscribe(&format!("{}.past", self.inbox), MISSED);
        for codec in Codec::all().into_iter().filter(|codec| self.tracks[codec.index()].is_wanted) {
            writer.subscribe(&self.subjects.audio[codec.index()], number(codec));
        }
        (self.asked, self.ask_at_us, self.want_at_us) = (None, 0, 0);
        self.late_since_us = None;
        self.talk.begin();
    }

    /// Whether all sound has come too late for so long that it is better to go elsewhere: what lies in buffers on the
    /// way is minutes of it.
    #[must_use]
    pub fn is_behind(&self, now_us: u64) -> bool {
        self.late_since_us.is_some_and(|since_us| now_us >= since_us + BEHIND_US)
    }

    /// These codecs are listened to here, by so many.
    pub fn want(
        &mut self,
        session: &mut Session,
        wanted: impl Fn(Codec) -> bool,
        listeners: u32,
        now_us: u64,
    ) {
        if listeners != self.listeners {
            (self.listeners, self.want_at_us) = (listeners, 0);
        }
        for codec in Codec::all() {
            let track = &mut self.tracks[codec.index()];
            let is_wanted = wanted(codec);
            if is_wanted == track.is_wanted {
                continue;
            }
            *track = Track::new(is_wanted);
            if !is_wanted {
                session.unsubscribe(number(codec));
                continue;
            }
            session.subscribe(&self.subjects.audio[codec.index()], number(codec));
            self.want_at_us = 0;
            // Whoever comes hears at once what others hear now, which was captured a playout delay ago.
            let Some((stream, offset)) = self.origin.as_ref().and_then(Origin::known) else {
                continue;
            };
            let delay_us = u64::from(stream.playout_delay_ms) * 1_000;
            let from_us = offset.server_us(now_us.saturating_sub(delay_us) as f64).max(0.0) as u64;
            *track = Track::beginning(holds_until_us(now_us, delay_us));
            let message = past(&mut self.mouth, &self.subjects, codec, from_us, None);
            let reply = format!("{}.past", self.inbox);
            session.publish(&self.subjects.past, Some(&reply), &[&message]);
        }
    }

    /// Says what is to be said: what is wanted, and questions for the clock. Hands on what has waited long enough.
    pub fn speak(&mut self, session: &mut Session, now_us: u64, mut tell: impl FnMut(Told)) {
        if now_us >= self.want_at_us {
            let wanted =
                Codec::all().into_iter().filter(|codec| self.tracks[codec.index()].is_wanted);
            let want = Want {
                codecs: wanted.map(|codec| codec.to_string()).collect(),
                name: self.name.clone(),
                listeners: self.listeners,
            };
            self.want_at_us = now_us + WANT_US;
            // A struct of texts and numbers cannot fail to be JSON.
            let json = serde_json::to_vec(&want).unwrap_or_default();
            let sealed = self.mouth.seal(&self.subjects.want, &json);
            session.publish(&self.subjects.want, None, &[&sealed]);
        }
        let is_lost = |(_, at_us): (u64, u64)| now_us >= at_us + ANSWER_US;
        if now_us >= self.ask_at_us && self.asked.is_none_or(is_lost) {
            let number = self.chance.bits();
            self.asked = Some((number, now_us));
            self.questions = self.questions.saturating_add(1);
            let clock = self.origin.as_ref().map(|origin| &origin.clock);
            let random = self.chance.bits();
            let after_us = match clock {
                Some(clock) => clock.ping_after_us(self.questions, ASK_MS, random),
                None => u64::from(ASK_MS) * 1_000,
            };
            self.ask_at_us = now_us + after_us;
            let sealed = self.mouth.seal(&self.subjects.time, &said::question(number, now_us));
            let reply = format!("{}.time", self.inbox);
            session.publish(&self.subjects.time, Some(&reply), &[&sealed]);
        }
        self.speak_of_people(session, now_us);
        for index in 0..Codec::COUNT {
            if self.tracks[index].has_held_too_long(now_us) {
                self.tracks[index].let_go(&mut self.counts, &mut tell);
            }
        }
        self.let_own_go(now_us, &mut tell);
    }

    /// Takes what came of a subscription.
    pub fn hear(
        &mut self,
        subscription: u64,
        message: &[u8],
        now_us: u64,
        writer: &mut Writer,
        mut tell: impl FnMut(Told),
    ) {
        let codec = codec_of(subscription);
        let subject = match (subscription, codec) {
            (STREAM, _) => &self.subjects.stream,
            (TIME, _) => &self.subjects.time,
            (MISSED | MISSED_OWN, _) => &self.subjects.past,
            (EVERYBODY, _) => &self.subjects.everybody,
            (OWN, _) => &self.own_subject,
            (_, Some(codec)) => &self.subjects.audio[codec.index()],
            _ => return,
        };
        let mut opened = std::mem::take(&mut self.opened);
        match self.ear.open(subject, message, &mut opened) {
            None => self.counts.refused += 1,
            Some(run) if subscription == TIME => self.learn_time(run, &opened, now_us),
            Some(run) => {
                if self.is_origin(run, now_us, &mut tell) {
                    match codec {
                        Some(codec) => self.take(codec, &opened, now_us, writer, &mut tell),
                        None if subscription == MISSED => self.take_missed(&opened, &mut tell),
                        None if subscription == OWN => {
                            self.take_own(&opened, now_us, writer, &mut tell);
                        }
                        None if subscription == MISSED_OWN => {
                            self.take_missed_own(&opened, &mut tell);
                        }
                        None if subscription == EVERYBODY => {
                            Self::learn_everybody(&opened, &mut tell);
                        }
                        None => self.learn_stream(&opened, &mut tell),
                    }
                }
            }
        }
        self.opened = opened;
    }

    /// Whether that run is the origin whose sound is handed on. Whoever answers a question of ours is there now: what
    /// was said in a run that is over can be said again by the engine, an answer cannot.
    fn is_origin(&mut self, run: u64, now_us: u64, tell: &mut impl FnMut(Told)) -> bool {
        match &mut self.origin {
            Some(origin) if origin.run == run => {
                origin.heard_us = now_us;
                true
            }
            Some(origin) if now_us < origin.heard_us + GONE_US => {
                if !std::mem::replace(&mut self.has_told_of_another, true) {
                    tell(Told::Another);
                }
                false
            }
            _ => false,
        }
    }

    fn take(
        &mut self,
        codec: Codec,
        frame: &[u8],
        now_us: u64,
        writer: &mut Writer,
        tell: &mut impl FnMut(Told),
    ) {
        let Some((stream, offset)) = self.origin.as_ref().and_then(Origin::known) else { return };
        let delay_us = u64::from(stream.playout_delay_ms) * 1_000;
        let track = &mut self.tracks[codec.index()];
        let until_us = holds_until_us(now_us, delay_us);
        match track.take(codec, frame, stream.channels, offset, until_us, &mut self.counts, tell) {
            Taken::Refused => return self.counts.refused += 1,
            Taken::HandedOn => {}
            Taken::MissesFrom(from_us) => {
                let message = past(&mut self.mouth, &self.subjects, codec, from_us, None);
                let reply = format!("{}.past", self.inbox);
                writer.publish(&self.subjects.past, Some(&reply), &[&message]);
            }
        }
        if track.newest_us() + delay_us < now_us {
            self.late_since_us.get_or_insert(now_us);
        } else {
            self.late_since_us = None;
        }
    }

    /// Takes what was asked for: the index of its codec, and a frame; no frame behind the last.
    fn take_missed(&mut self, said: &[u8], tell: &mut impl FnMut(Told)) {
        let Some((stream, offset)) = self.origin.as_ref().and_then(Origin::known) else { return };
        let Some((index, frame)) = said.split_first() else { return };
        let Some(codec) = Codec::all().get(usize::from(*index)).copied() else { return };
        let track = &mut self.tracks[codec.index()];
        if frame.is_empty() {
            track.let_go(&mut self.counts, tell);
        } else if !track.take_missed(codec, frame, stream.channels, offset, &mut self.counts, tell)
        {
            self.counts.refused += 1;
        }
    }

    fn learn_time(&mut self, run: u64, answer: &[u8], now_us: u64) {
        let Some((number, pong)) = said::read_answer(answer) else { return };
        if self.asked.is_none_or(|(asked, _)| asked != number) {
            return;
        }
        match &mut self.origin {
            Some(origin) if origin.run == run => {
                origin.heard_us = now_us;
                origin.clock.pong(pong, now_us);
            }
            Some(origin) if now_us < origin.heard_us + GONE_US => return,
            _ => {
                let mut clock = ServerClock::default();
                clock.pong(pong, now_us);
                self.origin = Some(Origin { run, stream: None, heard_us: now_us, clock });
                self.has_told_of_another = false;
                self.talk.begin_anew();
                self.tracks.iter_mut().for_each(|track| {
                    *track = Track::new(track.is_wanted);
                });
            }
        }
        self.asked = None;
    }

    fn learn_stream(&mut self, json: &[u8], tell: &mut impl FnMut(Told)) {
        let Some(origin) = &mut self.origin else { return };
        match Stream::read(json) {
            Err(why) => {
                if !std::mem::replace(&mut self.has_told_of_unusable, true) {
                    tell(Told::Unusable(why));
                }
            }
            Ok(stream) if origin.stream.as_ref() == Some(&stream) => {}
            Ok(stream) => {
                self.has_told_of_unusable = false;
                let is_same = |known: &Stream| known.session == stream.session;
                let begins = !origin.stream.as_ref().is_some_and(is_same);
                origin.stream = Some(stream.clone());
                tell(if begins { Told::Begins(stream) } else { Told::Changes(stream) });
            }
        }
    }
}

/// Asks for the sound of a codec that was captured from then on, in µs of the origin: what everybody gets, or that
/// person alone.
fn past(
    mouth: &mut Mouth,
    subjects: &Subjects,
    codec: Codec,
    from_us: u64,
    person: Option<u32>,
) -> Vec<u8> {
    let past = Past { codec: codec.to_string(), from_us, person };
    // A struct of texts and numbers cannot fail to be JSON.
    mouth.seal(&subjects.past, &serde_json::to_vec(&past).unwrap_or_default())
}

/// The number of a codec's subscription.
fn number(codec: Codec) -> u64 {
    AUDIO + codec.index() as u64
}

fn codec_of(subscription: u64) -> Option<Codec> {
    let index = usize::try_from(subscription.checked_sub(AUDIO)?).ok()?;
    Codec::all().get(index).copied()
}

#[cfg(test)]
mod tests;
