//! Sound cut into datagrams: once for all listeners of a stream, and kept so that any can be sent again.

mod waiting;

use std::collections::VecDeque;
use std::sync::Arc;

use waiting::{Waiting, filling};

use crate::codec::{Codec, opus};
use crate::secure::keyring::{Kind, StreamSeal};
use crate::wire::datagram::{
    self, MAX_DATAGRAM_PAYLOAD, PARITY_OF, Parities, Piece, cut, nearest, parity,
};
use crate::wire::{AudioFrame, AudioHeader, SEAL};

/// Datagrams of a stream that are kept at most: ten seconds of float32 in stereo. The oldest go.
pub const MAX_KEPT: usize = 4_096;

/// How much longer than the playout delay datagrams are kept, in µs: some listeners play later than
/// others.
pub const KEPT_BEYOND_US: u64 = 1_000_000;

// Every packet of Opus fits into a datagram.
const _: () = assert!(opus::MAX_ENCODED <= MAX_DATAGRAM_PAYLOAD);

/// A datagram of sound that is kept.
#[derive(Debug)]
pub struct Datagram {
    /// As it goes to everybody.
    pub bytes: Arc<[u8]>,
    /// Where its first frame lies.
    pub position: u64,
    /// Where what follows it lies.
    pub end: u64,
    /// When its first frame was captured, in µs.
    pub captured_us: u64,
    /// What restores one of this one and the three before it, where anybody wants that.
    pub parity: Option<Arc<[u8]>>,
    /// What restores this one or the one before it, where anybody wants that.
    pub pair: Option<Arc<[u8]>>,
}

impl Datagram {
    /// What follows it for a listener who wants `parities`.
    pub(super) fn parities(&self, parities: Parities) -> impl Iterator<Item = &Arc<[u8]>> {
        let of_four = self.parity.as_ref().filter(|_| parities.of_four);
        of_four.into_iter().chain(self.pair.as_ref().filter(|_| parities.of_two))
    }
}

/// The newest datagrams of a stream, oldest first. Each has a number that never repeats; the lower half
/// of it is on the wire.
#[derive(Debug)]
pub struct DatagramLog {
    stream: u8,
    /// Frames per second of its positions.
    rate: u32,
    kept: VecDeque<Datagram>,
    /// Number of `kept[0]`.
    first: u64,
    is_heard: bool,
    parities: Parities,
    /// How long sound may wait for more of it, in µs.
    wait_us: u64,
    /// Frames of sound that fill a datagram together: one ends at each whole multiple of them.
    filling: u64,
    waiting: Option<Waiting>,
    /// Where somebody began last: a datagram ends there too.
    begun: u64,
    /// The newest datagrams as they were before they were sealed, the newest last: parity is over these.
    open: VecDeque<(u64, Arc<[u8]>)>,
    /// What seals each datagram, in a private room.
    seal: Option<StreamSeal>,
    /// The position behind the last sound that came while nobody listened, or was forgotten then: it does not
    /// come again.
    forgotten: u64,
}

impl DatagramLog {
    /// An empty log of the stream with that number, whose positions are at `rate`. Nothing is cut
    /// before somebody [hears](Self::hear) it.
    #[must_use]
    pub fn new(stream: u8, rate: u32) -> Self {
        Self {
            stream,
            rate: rate.max(1),
            kept: VecDeque::new(),
            first: 0,
            is_heard: false,
            parities: Parities::NONE,
            wait_us: 0,
            filling: 1,
            waiting: None,
            begun: 0,
            open: VecDeque::new(),
            seal: None,
            forgotten: 0,
        }
    }

    /// What becomes a datagram from now on is sealed so.
    pub fn seal_with(&mut self, seal: StreamSeal) {
        self.seal = Some(seal);
    }

    /// What is pushed from now on may wait for `wait_us` until more of it fills a datagram.
    pub fn let_wait(&mut self, wait_us: u64) {
        self.wait_us = wait_us;
    }

    /// The stream's number.
    #[must_use]
    pub fn stream(&self) -> u8 {
        self.stream
    }

    /// One more listens, who wants `parities`: what is pushed from now on is cut.
    pub fn hear(&mut self, parities: Parities) {
        self.is_heard = true;
        self.parities = self.parities.or(parities);
    }

    /// The next to listen begins at `position`: nothing before it is in one datagram with what follows.
    pub(super) fn begin_at(&mut self, position: u64) {
        self.begun = position;
    }

    /// Whether anybody listens, and which parities any of them wants. What nobody hears is forgotten.
    pub fn set_heard(&mut self, is_heard: bool, parities: Parities) {
        (self.is_heard, self.parities) = (is_heard, parities);
        if !is_heard {
            let kept = self.kept.back().map_or(0, |datagram| datagram.end);
            let waiting = self.waiting.as_ref().map_or(0, Waiting::end);
            self.forgotten = self.forgotten.max(kept).max(waiting);
            self.first = self.end();
            self.kept = VecDeque::new();
            self.open = VecDeque::new();
            self.waiting = None;
        }
    }

    /// Cuts a frame into datagrams and forgets what was captured more than `keep_us` before it. A
    /// packet of Opus stays whole, other codecs are cut between frames, into pieces of one length. What
    /// may wait and leaves room in a datagram is joined with what follows.
    pub fn push(&mut self, frame: &AudioFrame, keep_us: u64) {
        let AudioHeader { frames, captured_us, position, .. } = *frame.header();
        if !self.is_heard {
            self.forgotten = self.forgotten.max(position + u64::from(frames));
            return;
        }
        if frames == 0 {
            return;
        }
        let whole = (*frame.header(), frame.plain().1);
        self.filling = filling(frame, self.rate, self.wait_us);
        for (header, payload) in cut(frame.codec(), self.rate, MAX_DATAGRAM_PAYLOAD, whole) {
            self.fill(frame.codec(), header, payload);
        }
        let old = |datagram: &Datagram| datagram.captured_us.saturating_add(keep_us) < captured_us;
        while self.kept.len() > MAX_KEPT || self.kept.front().is_some_and(old) {
            self.kept.pop_front();
            self.first += 1;
        }
    }

    /// Puts a piece into the datagram in hand, which ends where it is filled.
    fn fill(&mut self, codec: Codec, header: AudioHeader, payload: &[u8]) {
        let is_joined = self.waiting.as_mut().is_some_and(|waiting| waiting.take(&header, payload));
        if !is_joined {
            self.let_go();
            self.waiting = Some(Waiting::new(codec, header, payload));
        }
        let end = header.position + u64::from(header.frames);
        let frames = self.waiting.as_ref().map_or(0, Waiting::frames);
        if end.is_multiple_of(self.filling) || end == self.begun || frames >= self.filling {
            self.let_go();
        }
    }

    /// What waits for more of it waits no longer.
    pub fn let_go(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            let (header, payload) = waiting.joined();
            self.add(header, &payload);
        }
    }

    /// The first position from `position` on where a frame of `frames` and a datagram end, of those to
    /// come, and behind which nothing was forgotten.
    pub(super) fn border(&self, position: u64, frames: u64) -> u64 {
        let frames = frames.max(1);
        let first = self.forgotten.saturating_sub(position).div_ceil(frames);
        let first = position.saturating_add(first.saturating_mul(frames));
        let mut positions = (0..=self.filling).map(|count| first.saturating_add(count * frames));
        positions.find(|at| at.is_multiple_of(self.filling)).unwrap_or(first)
    }

    /// How much sound a datagram holds, in µs.
    #[must_use]
    pub fn datagram_us(&self) -> u64 {
        let frames = self.kept.back().map_or(0, |datagram| datagram.end - datagram.position);
        frames * 1_000_000 / u64::from(self.rate)
    }

    fn add(&mut self, header: AudioHeader, payload: &[u8]) {
        let number = self.end();
        let piece = Piece { stream: self.stream, number: number as u32, header, payload };
        let Some(open) = piece.datagram().map(Arc::<[u8]>::from) else { return };
        self.open.push_back((number, Arc::clone(&open)));
        while self.open.len() > PARITY_OF {
            self.open.pop_front();
        }
        let Some(bytes) = self.sealed(Kind::Sound, number, datagram::SOUND_HEADER, open) else {
            return;
        };
        let of = PARITY_OF as u64;
        let four = self.parities.of_four && number % of == of - 1;
        let parity = if four { self.parity_up_to(number) } else { None };
        let pair = if self.parities.of_two { self.pair_up_to(number) } else { None };
        self.kept.push_back(Datagram {
            bytes,
            position: header.position,
            end: header.position + u64::from(header.frames),
            captured_us: header.captured_us,
            parity,
            pair,
        });
    }

    /// A datagram, whose header has so many bytes, as it goes out. `None` where it cannot be sealed.
    fn sealed(
        &mut self,
        kind: Kind,
        counter: u64,
        header: usize,
        open: Arc<[u8]>,
    ) -> Option<Arc<[u8]>> {
        let Some(seal) = &mut self.seal else { return Some(open) };
        let mut bytes = Vec::with_capacity(open.len() + SEAL);
        bytes.extend_from_slice(&open);
        bytes[datagram::EPOCH_AT] = seal.epoch;
        seal.seal(kind, counter, header, &mut bytes)?;
        Some(bytes.into())
    }

    /// The open datagram that was so many before `last`, the newest.
    fn open_one(&self, last: u64, behind: u64) -> Option<&[u8]> {
        let number = last.checked_sub(behind)?;
        self.open.iter().find(|(at, _)| *at == number).map(|(_, bytes)| &bytes[..])
    }

    /// What restores one of the four datagrams of which `last` is the last, where all are there.
    fn parity_up_to(&mut self, last: u64) -> Option<Arc<[u8]>> {
        let one = |behind| self.open_one(last, behind);
        let bytes = parity([one(3)?, one(2)?, one(1)?, one(0)?]);
        self.sealed(Kind::OfFour, last - 3, datagram::PARITY_HEADER, bytes.into())
    }

    /// What restores the datagram `last` or the one before it, where both are there.
    fn pair_up_to(&mut self, last: u64) -> Option<Arc<[u8]>> {
        let bytes = parity([self.open_one(last, 1)?, self.open_one(last, 0)?]);
        self.sealed(Kind::OfTwo, last - 1, datagram::PARITY_HEADER, bytes.into())
    }

    /// The number of the oldest datagram.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The number that the next datagram gets.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first + self.kept.len() as u64
    }

    /// The number of the first datagram that begins at `position` or later, come or to come.
    pub(super) fn since(&self, position: u64) -> u64 {
        let later = self.kept.iter().rev().take_while(|datagram| datagram.position >= position);
        self.end() - later.count() as u64
    }

    /// The datagram with that number, if it is still there.
    #[must_use]
    pub fn get(&self, number: u64) -> Option<&Datagram> {
        self.kept.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    /// The number of the first datagram that holds `position`, or lies behind it.
    pub(super) fn covering(&self, position: u64) -> u64 {
        self.first + self.kept.partition_point(|datagram| datagram.end <= position) as u64
    }

    /// The number whose lower half is `low`, and its datagram, to be sent again.
    #[must_use]
    pub fn again(&self, low: u32) -> Option<(u64, &Datagram)> {
        let number = nearest(self.end(), low);
        Some((number, self.get(number)?))
    }
}

#[cfg(test)]
mod tests;
