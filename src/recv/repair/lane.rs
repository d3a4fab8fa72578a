//! The datagrams of one stream: in the order of their numbers, with what is missing between them.

use std::collections::{BTreeMap, BTreeSet};

use super::Piece;
use super::deadline::Deadline;
use super::gaps::{self, Gaps, Wanted};
use super::pace::Pace;
use super::parity::Group;
use super::round_trip::RoundTrip;
use crate::wire::datagram::{nearest, parity_of};

/// A number further than this from the newest is not of this stream's present.
const MOST_AHEAD: u64 = 4_096;

/// Datagrams that wait for one before them: more than three seconds of the smallest. Then what is
/// missing is given up.
const MOST_HELD: usize = 1_024;

/// Datagrams that the clock alone says are missing.
const MOST_EXPECTED: u64 = 64;

/// Numbers before the first datagram that may be missing.
const MOST_GUESSED: u64 = 16;

/// Numbers that were given up and are remembered, to tell what is late from what comes twice.
const MOST_GIVEN_UP: usize = 256;

/// Datagrams that have not come for this long, in µs, do not come any more. The next one begins
/// anew.
const FLOWING_US: u64 = 1_000_000;

/// How a datagram came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    ByItself,
    Asked,
    /// It is there already.
    Again,
    /// Its time has passed, which is `known` already.
    TooLate {
        known: bool,
    },
}

/// Where a datagram belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Here,
    /// Another stream begins, or this one begins anew.
    Elsewhere,
    Nowhere,
}

/// Where releasing stands when a datagram comes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) next: Option<u64>,
    pub(super) now_us: u64,
}

/// One stream's datagrams.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) stream: u8,
    rate_hz: u32,
    /// The newest that came; counts on where the wire's number begins again.
    highest: u64,
    /// The position behind it.
    end: u64,
    /// How many frames it held.
    unit: u64,
    came_us: u64,
    /// The number that is released next.
    next: u64,
    pieces: BTreeMap<u64, Piece>,
    gaps: Gaps,
    /// How many behind the newest the clock says are missing.
    expected: u64,
    pace: Pace,
    group: Group,
    given_up: BTreeSet<u64>,
    is_new: bool,
}

impl Lane {
    /// A lane of which `number` comes first, of so many positions a second.
    pub(super) fn new(stream: u8, number: u32, rate_hz: u32) -> Self {
        // So that numbers before it have a place.
        let first = (1 << 32) + u64::from(number);
        Self {
            stream,
            rate_hz,
            highest: first,
            end: 0,
            unit: 1,
            came_us: 0,
            next: first,
            pieces: BTreeMap::new(),
            gaps: Gaps::default(),
            expected: 0,
            pace: Pace::default(),
            group: Group::default(),
            given_up: BTreeSet::new(),
            is_new: true,
        }
    }

    /// Whether a datagram belongs here.
    pub(super) fn fits(&self, stream: u8, number: u32, now_us: u64) -> Fit {
        if self.is_new {
            return Fit::Here;
        }
        if stream != self.stream || !self.flows(now_us) {
            return Fit::Elsewhere;
        }
        let is_near = nearest(self.highest, number).abs_diff(self.highest) <= MOST_AHEAD;
        if is_near { Fit::Here } else { Fit::Nowhere }
    }

    /// Whether datagrams come.
    pub(super) fn flows(&self, now_us: u64) -> bool {
        now_us.saturating_sub(self.came_us) < FLOWING_US
    }

    /// Takes a datagram.
    pub(super) fn put(
        &mut self,
        number: u32,
        piece: Piece,
        place: Place,
        round_trip: RoundTrip,
    ) -> Came {
        let number = nearest(self.highest, number);
        if number < self.next && !self.is_new || self.pieces.contains_key(&number) {
            let is_late = self.given_up.remove(&number);
            return if is_late { Came::TooLate { known: true } } else { Came::Again };
        }
        // What comes sooner than an answer can come came by itself.
        let (is_overtaken, soonest_us) = (number < self.highest, round_trip.usual_us() * 3 / 4);
        let came = self.gaps.came(number, is_overtaken, place.now_us, soonest_us);
        if self.is_new || number > self.highest {
            self.notice(number, &piece, place, round_trip);
            if came != Some(gaps::Came::Asked) {
                if piece.is_broken() {
                    self.pace.forget();
                }
                self.pace.came(us_of(piece.end(), self.rate_hz), place.now_us);
            }
        }
        self.came_us = place.now_us;
        if !piece.is_broken() && place.next.is_some_and(|next| piece.end() <= next) {
            self.next += u64::from(number == self.next);
            return match came {
                Some(_) => Came::TooLate { known: false },
                None => Came::Again,
            };
        }
        self.pieces.insert(number, piece);
        if came == Some(gaps::Came::Asked) { Came::Asked } else { Came::ByItself }
    }

    /// Notes what is missing before the newest datagram.
    fn notice(&mut self, number: u64, piece: &Piece, place: Place, round_trip: RoundTrip) {
        let (position, frames) = (piece.header.position, u64::from(piece.header.frames).max(1));
        let now_us = place.now_us;
        if self.is_new {
            let before = place.next.filter(|_| !piece.is_broken());
            let frames_missing = before.map_or(0, |next| position.saturating_sub(next));
            let guessed = frames_missing.div_ceil(frames).min(MOST_GUESSED);
            for back in 1..=guessed {
                let position = position.saturating_sub(back * frames);
                let ask_us = now_us + round_trip.patience_us();
                self.gaps.guess(number - back, position, now_us, ask_us);
            }
            self.next = number - guessed;
            self.is_new = false;
        } else if number == self.highest + 1 {
            self.gaps.in_order();
        } else {
            let missing = number - self.highest - 1;
            let between = if piece.is_broken() {
                missing.saturating_mul(self.unit)
            } else {
                position.saturating_sub(self.end)
            };
            for ahead in 0..missing {
                let share = u128::from(between) * u128::from(ahead) / u128::from(missing);
                let position = self.end.saturating_add(share as u64);
                self.gaps.note(self.highest + 1 + ahead, position, now_us);
            }
        }
        self.expected = self.expected.saturating_sub(number - self.highest.min(number));
        (self.highest, self.end, self.unit) = (number, piece.end(), frames);
    }

    /// Notes what should have come by now, where sound is heard `delay_us` after its capture.
    pub(super) fn watch(&mut self, now_us: u64, delay_us: u64) {
        while self.missing_us(delay_us).is_some_and(|at_us| at_us <= now_us) && self.flows(now_us) {
            let position = self.end.saturating_add(self.expected * self.unit);
            self.expected += 1;
            self.gaps.note(self.highest + self.expected, position, now_us);
        }
    }

    /// When the next datagram that has not come is missing.
    fn missing_us(&self, delay_us: u64) -> Option<u64> {
        if self.expected >= MOST_EXPECTED {
            return None;
        }
        let end = self.end.saturating_add((self.expected + 1) * self.unit);
        self.pace.missing_us(us_of(end, self.rate_hz), delay_us)
    }

    /// The first that waits: its position, and whether all before it has been released, as far as
    /// numbers tell.
    pub(super) fn first(&self) -> Option<(&Piece, bool)> {
        let (number, piece) = self.pieces.first_key_value()?;
        Some((piece, *number == self.next))
    }

    /// What is missing before the first that waits is not waited for any more.
    pub(super) fn skip_to_first(&mut self) {
        if let Some((number, _)) = self.pieces.first_key_value() {
            self.next = *number;
        }
    }

    /// Takes out the first that waits. What is missing before it never comes in time: `missing` is
    /// called with each, and whether it was lost alone.
    pub(super) fn pop(&mut self, mut missing: impl FnMut(bool)) -> Option<Piece> {
        let (number, piece) = self.pieces.pop_first()?;
        self.next = number + 1;
        let mut given_up = Vec::new();
        self.gaps.give_up(self.next, |number| given_up.push(number));
        for number in given_up {
            missing(self.gaps.is_alone(number));
            self.given_up.insert(number);
        }
        while self.given_up.len() > MOST_GIVEN_UP {
            self.given_up.pop_first();
        }
        Some(piece)
    }

    /// Whether more waits than should.
    pub(super) fn is_full(&self) -> bool {
        self.pieces.len() >= MOST_HELD
    }

    /// Whether what is released next is known to be missing.
    pub(super) fn lacks_next(&self) -> bool {
        self.gaps.has(self.next)
    }

    /// How many frames a datagram holds.
    pub(super) fn unit(&self) -> u64 {
        self.unit
    }

    /// What is to be asked for.
    pub(super) fn ask(
        &mut self,
        now_us: u64,
        deadline: Option<Deadline>,
        trip: RoundTrip,
    ) -> Option<Wanted> {
        self.gaps.ask(now_us, deadline, trip.patience_us())
    }

    /// When something is to be asked for, or is missing by the clock.
    pub(super) fn due_us(
        &self,
        now_us: u64,
        deadline: Option<Deadline>,
        delay_us: u64,
    ) -> Option<u64> {
        let watch_us = self.missing_us(delay_us);
        self.gaps.due_us(now_us, deadline).into_iter().chain(watch_us).min()
    }

    /// Keeps a datagram for parity.
    pub(super) fn keep(&mut self, number: u32, bytes: &[u8]) {
        self.group.keep(nearest(self.highest, number), bytes);
    }

    /// Takes a parity over `first` and those behind it.
    pub(super) fn parity(&mut self, first: u32, bytes: &[u8]) {
        let first = nearest(self.highest, first);
        if let Some(of) = parity_of(bytes)
            && first.abs_diff(self.highest) <= MOST_AHEAD
        {
            self.group.parity(first, of, bytes);
        }
    }

    /// The datagram `number` was lost, whether or not that was noticed before it was made again.
    pub(super) fn lose(&mut self, number: u32) {
        self.gaps.lose(nearest(self.highest, number));
    }

    /// Whether the neighbours of `number` came by themselves, as far as is known.
    pub(super) fn is_alone(&self, number: u32) -> bool {
        self.gaps.is_alone(nearest(self.highest, number))
    }

    /// A datagram that parity makes again.
    pub(super) fn restore(&mut self) -> Option<Vec<u8>> {
        self.group.restore()
    }

    /// What waits, in order; the rest is given up.
    pub(super) fn into_pieces(self) -> impl Iterator<Item = Piece> {
        self.pieces.into_values()
    }
}

/// The moment of a position, in µs of the stream.
fn us_of(position: u64, rate_hz: u32) -> u64 {
    let us = u128::from(position) * 1_000_000 / u128::from(rate_hz.max(1));
    u64::try_from(us).unwrap_or(u64::MAX)
}
