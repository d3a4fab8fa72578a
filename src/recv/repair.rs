//! Puts sound together that came in pieces, by two ways: frames by TCP, and datagrams that may be
//! lost, come twice, or overtake each other. What is missing is asked for as long as there is time.
//!
//! Pure: time and bytes are arguments. Pieces leave in order of their positions, because a decoder
//! remembers what came before: each as soon as all before it is there, or when the deadline of what
//! is missing has passed.

mod counts;
mod deadline;
mod gaps;
mod lane;
mod need;
mod pace;
mod parity;
mod round_trip;

use std::collections::VecDeque;

pub use counts::Counts;
pub use deadline::Deadline;
pub use gaps::Wanted;

use crate::codec::{self, Codec};
use crate::format::Format;
use crate::playout::frames::{FAR_S, LONGEST_MADE_UP_MS};
use crate::wire::datagram::{self, FromServer, Parities};
use crate::wire::{AudioHeader, FLAG_BROKEN};
use lane::{Came, Fit, Lane, Place};
use need::{Need, Time};
use round_trip::RoundTrip;

/// Frames of TCP that wait for datagrams before them, and their bytes. More means a peer that plays
/// games, so the gap before them is given up.
const MOST_FRAMES: usize = 256;
const MOST_FRAME_BYTES: usize = 4 << 20;

/// Datagrams of a stream that has ended may still be on their way for this long, in µs.
const STRAGGLERS_US: u64 = 200_000;

/// How much time there is changes slowly: by this share of each new one.
const LEFT_SHARE: u64 = 16;

/// A piece of sound, encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its place in time.
    pub header: AudioHeader,
    /// Its bytes.
    pub payload: Vec<u8>,
    /// It did not come by TCP.
    pub is_datagram: bool,
}

impl Piece {
    fn is_broken(&self) -> bool {
        self.header.flags & FLAG_BROKEN != 0
    }

    fn end(&self) -> u64 {
        self.header.position.saturating_add(u64::from(self.header.frames))
    }
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Release {
    /// Sound.
    Piece(Piece),
    /// Nothing was there when its time came: it is to be made up.
    Missing {
        /// The first position that is missing.
        position: u64,
        /// How many are.
        frames: u32,
    },
}

/// Sound on its way to the decoder.
#[derive(Debug)]
pub struct Repair {
    format: Format,
    codec: Codec,
    /// What came by TCP, or by another stream's datagrams, in order.
    frames: VecDeque<Piece>,
    frame_bytes: usize,
    lane: Option<Lane>,
    left: Option<Left>,
    /// The position behind what was released last.
    next: Option<u64>,
    /// Frames in a row that had to be made up.
    made_up: u64,
    deadline: Option<Deadline>,
    delay_us: u64,
    round_trip: RoundTrip,
    /// How long before its time a datagram comes by itself, in µs, as it usually is.
    left_us: Option<u64>,
    need: Need,
    counts: Counts,
}

impl Repair {
    /// Nothing, for sound in `format`, packed by `codec`, of whatever bitrate.
    #[must_use]
    pub fn new(format: Format, codec: Codec) -> Self {
        Self {
            format,
            codec,
            frames: VecDeque::new(),
            frame_bytes: 0,
            lane: None,
            left: None,
            next: None,
            made_up: 0,
            deadline: None,
            delay_us: 0,
            round_trip: RoundTrip::default(),
            left_us: None,
            need: Need::default(),
            counts: Counts::default(),
        }
    }

    /// When sound has to be there, where that is known: what is missing is waited for until then. Sound
    /// is heard `delay_us` after its capture.
    pub fn expect_by(&mut self, deadline: Option<Deadline>, delay_us: u64) {
        (self.deadline, self.delay_us) = (deadline, delay_us);
    }

    /// An ask was answered after that long, in µs.
    pub fn answered(&mut self, round_trip_us: u64, now_us: u64) {
        self.round_trip.note(round_trip_us);
        let piece_us = self.lane.as_ref().map_or(0, |lane| self.format.micros(lane.unit()) as u64);
        let time = Time {
            round_trip_us: self.round_trip.usual_us(),
            patience_us: self.round_trip.patience_us().max(gaps::SOONEST_US),
            delay_us: self.delay_us,
            // By the number that follows.
            left_us: self.left_us.map(|left_us| left_us.saturating_sub(piece_us)),
        };
        self.need.looked(time, now_us);
    }

    /// A frame came by TCP.
    pub fn frame(&mut self, header: AudioHeader, payload: &[u8]) {
        self.frame_bytes += payload.len();
        self.frames.push_back(Piece { header, payload: payload.to_vec(), is_datagram: false });
    }

    /// A datagram of sound came.
    pub fn datagram(&mut self, bytes: &[u8], now_us: u64) {
        let sound = self.read(bytes).filter(|sound| self.has_place(sound, now_us));
        let Some(sound) = sound else {
            self.counts.refused += 1;
            return;
        };
        let (stream, number) = (sound.stream, sound.number);
        let lane = self.lane.as_ref();
        if lane.map_or(Fit::Elsewhere, |lane| lane.fits(stream, number, now_us)) == Fit::Elsewhere {
            if self.left.is_some_and(|left| left.is(stream, now_us)) {
                self.counts.late += 1;
                return;
            }
            self.begin_lane(stream, number, now_us);
        }
        self.counts.datagrams += 1;
        match self.put(&sound, now_us) {
            Came::ByItself => {
                self.need.came(now_us);
                self.note_left(sound.header.position, now_us);
            }
            Came::Asked => {
                self.counts.lost += 1;
                self.counts.repaired += 1;
                self.need.lost(self.is_alone(number), now_us);
            }
            Came::Again => self.counts.duplicates += 1,
            Came::TooLate { known } => {
                self.counts.late += 1;
                if !known {
                    self.missed(self.is_alone(number), now_us);
                }
            }
        }
        if self.need.wants(now_us).is_any()
            && let Some(lane) = &mut self.lane
        {
            lane.keep(number, bytes);
            self.restore(now_us);
        }
    }

    /// Notes how long before its time a datagram has come.
    fn note_left(&mut self, position: u64, now_us: u64) {
        let Some(left_us) = self.left_until(position, now_us) else {
            return;
        };
        self.left_us = Some(self.left_us.map_or(left_us, |before_us| {
            before_us - before_us / LEFT_SHARE + left_us / LEFT_SHARE
        }));
    }

    /// How long it is until `position` is needed, in µs, where that is known.
    fn left_until(&self, position: u64, now_us: u64) -> Option<u64> {
        Some(self.deadline?.of(position).saturating_sub(now_us))
    }

    /// Whether the neighbours of a datagram that was lost came by themselves.
    fn is_alone(&self, number: u32) -> bool {
        self.lane.as_ref().is_some_and(|lane| lane.is_alone(number))
    }

    /// Whether a datagram's number can be.
    fn has_place(&self, sound: &datagram::Piece<'_>, now_us: u64) -> bool {
        let fits = |lane: &Lane| lane.fits(sound.stream, sound.number, now_us);
        self.lane.as_ref().map(fits) != Some(Fit::Nowhere)
    }

    /// A parity over some datagrams of a stream came, of which `first` is the first.
    pub fn parity(&mut self, stream: u8, first: u32, bytes: &[u8], now_us: u64) {
        if let Some(lane) = self.lane.as_mut().filter(|lane| lane.stream == stream) {
            lane.parity(first, bytes);
            self.restore(now_us);
        }
    }

    /// What comes next, if it may leave at `now_us`. Ask until there is nothing.
    pub fn next(&mut self, now_us: u64) -> Option<Release> {
        if let Some(lane) = &mut self.lane {
            lane.watch(now_us, self.delay_us);
        }
        loop {
            self.drop_stale();
            if let Some(piece) = self.take_ready(now_us) {
                self.made_up = 0;
                return Some(Release::Piece(piece));
            }
            let next = self.next?;
            let (head, is_full) = (self.head(), self.is_full());
            let passed = self.deadline.map_or(u64::MAX, |deadline| deadline.passed(now_us));
            let lane = self.lane.as_mut()?;
            if lane.first().is_some_and(|(piece, _)| piece.is_broken()) {
                // How much is missing before another timeline, no position tells.
                if passed <= next && !is_full {
                    return None;
                }
                lane.skip_to_first();
                continue;
            }
            let until = match head {
                Some(head) if is_full => head,
                Some(head) => head.min(passed),
                None if lane.lacks_next() && lane.flows(now_us) => passed,
                None => return None,
            };
            if until <= next {
                return None;
            }
            let frames = lane.unit().min(head.unwrap_or(u64::MAX) - next);
            let longest = self.format.frames_in_ms(LONGEST_MADE_UP_MS) as u64;
            if self.made_up + frames > longest {
                self.made_up = longest;
                self.next = Some(until);
                continue;
            }
            self.made_up += frames;
            self.next = Some(next + frames);
            let frames = u32::try_from(frames).unwrap_or(u32::MAX);
            return Some(Release::Missing { position: next, frames });
        }
    }

    /// What is to be asked for at `now_us`, of which stream.
    pub fn ask(&mut self, now_us: u64) -> Option<(u8, Wanted)> {
        let lane = self.lane.as_mut().filter(|lane| lane.flows(now_us))?;
        Some((lane.stream, lane.ask(now_us, self.deadline, self.round_trip)?))
    }

    /// Which parity is wanted.
    #[must_use]
    pub fn wants_parity(&self, now_us: u64) -> Parities {
        self.need.wants(now_us)
    }

    /// When [`next`](Self::next) or [`ask`](Self::ask) may have something, in µs of our clock.
    #[must_use]
    pub fn due_us(&self, now_us: u64) -> Option<u64> {
        let lane = self.lane.as_ref()?;
        let is_waiting = self.head().is_some()
            || lane.lacks_next()
                && lane.flows(now_us)
                && self.made_up < self.format.frames_in_ms(LONGEST_MADE_UP_MS) as u64;
        let given_up_us = self.deadline.zip(self.next).filter(|_| is_waiting);
        let given_up_us = given_up_us.map(|(deadline, next)| deadline.of(next));
        let due_us = lane.due_us(now_us, self.deadline, self.delay_us);
        due_us.filter(|_| lane.flows(now_us)).into_iter().chain(given_up_us).min()
    }

    /// The position behind what was released last; what comes by TCP is wanted from there on.
    #[must_use]
    pub fn position(&self) -> Option<u64> {
        self.next
    }

    /// How long an ask and its answer take, in µs; 0 where that is not known.
    #[must_use]
    pub fn round_trip_us(&self) -> u64 {
        self.round_trip.usual_us()
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Goes on from what had happened by then.
    pub fn count_on_from(&mut self, counts: Counts) {
        self.counts = counts;
    }

    fn put(&mut self, sound: &datagram::Piece<'_>, now_us: u64) -> Came {
        let place = Place { next: self.next, now_us };
        let piece =
            Piece { header: sound.header, payload: sound.payload.to_vec(), is_datagram: true };
        match &mut self.lane {
            Some(lane) => lane.put(sound.number, piece, place, self.round_trip),
            None => Came::Again,
        }
    }

    /// Makes again what parity allows.
    fn restore(&mut self, now_us: u64) {
        while let Some(bytes) = self.lane.as_mut().and_then(Lane::restore) {
            let Some(sound) = self.read(&bytes) else {
                self.counts.refused += 1;
                continue;
            };
            if let Came::ByItself | Came::Asked = self.put(&sound, now_us) {
                self.counts.lost += 1;
                self.counts.restored += 1;
                let left_us = self.left_until(sound.header.position, now_us);
                let needed = left_us.is_some_and(|left_us| left_us < self.round_trip.usual_us());
                if let Some(lane) = &mut self.lane {
                    lane.lose(sound.number);
                }
                self.need.restored(self.is_alone(sound.number), needed, now_us);
            }
            if let Some(lane) = &mut self.lane {
                lane.keep(sound.number, &bytes);
            }
        }
    }

    /// What a datagram holds, if it is sound of this codec.
    fn read<'a>(&self, bytes: &'a [u8]) -> Option<datagram::Piece<'a>> {
        let Some(FromServer::Sound(sound)) = FromServer::read(bytes) else {
            return None;
        };
        let (frames, channels) = (sound.header.frames, self.format.channels);
        codec::check_payload(self.codec, sound.payload, frames, channels).ok()?;
        Some(sound)
    }

    /// Datagrams of a stream begin. What came of another one goes on as if it had come by TCP.
    fn begin_lane(&mut self, stream: u8, number: u32, now_us: u64) {
        if let Some(lane) = self.lane.replace(Lane::new(stream, number, self.format.sample_rate)) {
            self.left = Some(Left { stream: lane.stream, at_us: now_us })
                .filter(|left| left.stream != stream);
            for piece in lane.into_pieces() {
                self.frame_bytes += piece.payload.len();
                self.frames.push_back(piece);
            }
        }
    }

    /// A datagram that was lost `alone`, or with others, was not there when its time came.
    fn missed(&mut self, alone: bool, now_us: u64) {
        self.counts.lost += 1;
        self.counts.missing += 1;
        self.need.missing(alone, now_us);
    }

    /// Forgets what has been released already.
    fn drop_stale(&mut self) {
        let (Some(next), Some(lane)) = (self.next, &mut self.lane) else {
            return;
        };
        let far = FAR_S * u64::from(self.format.sample_rate);
        let is_stale =
            |piece: &Piece| !piece.is_broken() && piece.end() <= next && next - piece.end() < far;
        while self.frames.front().is_some_and(is_stale) {
            let stale = self.frames.pop_front();
            self.frame_bytes -= stale.map_or(0, |piece| piece.payload.len());
        }
        while lane.first().is_some_and(|(piece, _)| is_stale(piece)) {
            let _ = lane.pop(|_| {});
            self.counts.duplicates += 1;
        }
    }

    /// Takes out what has nothing missing before it.
    fn take_ready(&mut self, now_us: u64) -> Option<Piece> {
        let joins = |piece: &Piece| self.next.is_none_or(|next| piece.header.position <= next);
        let first = self.lane.as_ref().and_then(Lane::first);
        let numbered = first.map(|(piece, _)| piece.header.position);
        let frame = self.frames.front().filter(|frame| {
            // What is behind a datagram waits for it, and for what is missing before it.
            let is_behind = numbered.is_some_and(|position| position < frame.header.position);
            !is_behind || joins(frame) || frame.is_broken()
        });
        let ready = first.filter(|(piece, is_next)| *is_next || joins(piece) && !piece.is_broken());
        let piece = match (frame, ready) {
            (None, None) => return None,
            (Some(frame), Some((piece, _))) if piece.header.position < frame.header.position => {
                self.pop(now_us)
            }
            (None, Some(_)) => self.pop(now_us),
            (Some(_), _) => self.frames.pop_front().inspect(|frame| {
                self.frame_bytes -= frame.payload.len();
            }),
        }?;
        self.next = Some(piece.end());
        Some(piece)
    }

    fn pop(&mut self, now_us: u64) -> Option<Piece> {
        let mut missing = Vec::new();
        let piece = self.lane.as_mut()?.pop(|alone| missing.push(alone));
        missing.into_iter().for_each(|alone| self.missed(alone, now_us));
        piece
    }

    /// The first position that is there.
    fn head(&self) -> Option<u64> {
        let numbered = self.lane.as_ref().and_then(Lane::first).map(|(piece, _)| piece);
        numbered.into_iter().chain(self.frames.front()).map(|piece| piece.header.position).min()
    }

    /// Whether more waits than should.
    fn is_full(&self) -> bool {
        self.frames.len() > MOST_FRAMES
            || self.frame_bytes > MOST_FRAME_BYTES
            || self.lane.as_ref().is_some_and(Lane::is_full)
    }
}

/// A stream whose datagrams have ended.
#[derive(Debug, Clone, Copy)]
struct Left {
    stream: u8,
    at_us: u64,
}

impl Left {
    /// Whether a datagram of that stream is one that was on its way then.
    fn is(self, stream: u8, now_us: u64) -> bool {
        self.stream == stream && now_us.saturating_sub(self.at_us) < STRAGGLERS_US
    }
}

#[cfg(test)]
mod tests;
