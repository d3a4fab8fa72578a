//! One codec's sound at an edge: in order, each frame once, with what was missed in its place.

use std::collections::VecDeque;

use super::{Counts, Told};
use crate::clock::Offset;
use crate::codec::{self, Codec};
use crate::wire::{AudioFrame, AudioHeader, TYPED, kind};

/// Sound that has come waits for what lies before it and was asked for as long as half of the playout delay, within
/// these bounds, in µs: the other half is what listeners need. With 300 ms an answer has ten times as long as it takes.
const SHORTEST_HOLD_US: u64 = 50_000;
const LONGEST_HOLD_US: u64 = 1_000_000;

/// Until when sound that comes at `now_us` waits, where the playout delay is so long.
pub(super) fn holds_until_us(now_us: u64, delay_us: u64) -> u64 {
    now_us + (delay_us / 2).clamp(SHORTEST_HOLD_US, LONGEST_HOLD_US)
}

/// Frames that wait so: the longest playout delay in the shortest packets.
const MOST_HELD: usize = 2_000;

/// Bytes of a typed frame before its body: length and kind.
pub(super) const TYPED_HEADER: usize = 5;

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is no sound of this stream.
    Refused,
    /// It was handed on, waits, or was there before.
    HandedOn,
    /// It waits for what lies before it: what was captured from then on, in µs of the origin, is to be asked for.
    MissesFrom(u64),
}

/// How far a codec's sound has come.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) is_wanted: bool,
    /// The position behind the last frame that was handed on, and when that was captured, in µs of the origin.
    end: Option<(u64, u64)>,
    /// What came and waits for what lies before it.
    held: VecDeque<Came>,
    hold_until_us: Option<u64>,
    /// When the last frame that everybody gets was captured, in µs of this server.
    newest_us: u64,
}

/// A frame that came.
#[derive(Debug)]
struct Came {
    frame: AudioFrame,
    /// When it was captured, in µs of the origin.
    captured_us: u64,
}

impl Came {
    /// Reads a whole typed frame. `None` where it is no sound that this stream can have.
    fn read(codec: Codec, typed: &[u8], channels: u16, offset: Offset) -> Option<Self> {
        let (head, body) = typed.split_at_checked(TYPED_HEADER)?;
        let (length, frame_kind) = (u32::from_be_bytes(*head.first_chunk()?), head.last()?);
        if length != TYPED | u32::try_from(body.len() + 1).ok()? || *frame_kind != kind::AUDIO {
            return None;
        }
        let (header, payload) = AudioHeader::split(body).ok()?;
        codec::check_payload(codec, payload, header.frames, channels).ok()?;
        let captured_us = header.captured_us;
        let ours_us = offset.ours_us(captured_us as f64).max(0.0) as u64;
        let header = AudioHeader { captured_us: ours_us, ..header };
        let frame = AudioFrame::new(codec, header, payload.len(), |to| to.copy_from_slice(payload));
        Some(Self { frame, captured_us })
    }

    fn position(&self) -> u64 {
        self.frame.header().position
    }

    fn end(&self) -> u64 {
        self.position().saturating_add(u64::from(self.frame.header().frames))
    }
}

impl Track {
    /// One of which nothing has come.
    pub(super) fn new(is_wanted: bool) -> Self {
        Self { is_wanted, ..Self::default() }
    }

    /// One that somebody begins to listen to: what comes waits until then for what came before it, which is asked for.
    pub(super) fn beginning(until_us: u64) -> Self {
        Self { is_wanted: true, hold_until_us: Some(until_us), ..Self::default() }
    }

    /// Takes a frame that everybody gets. Where something is missing before it, it waits until then.
    #[expect(
        clippy::too_many_arguments,
        reason = "a frame, its stream, how long it waits, and where it goes"
    )]
    pub(super) fn take(
        &mut self,
        codec: Codec,
        typed: &[u8],
        channels: u16,
        offset: Offset,
        hold_until_us: u64,
        counts: &mut Counts,
        tell: &mut impl FnMut(Told),
    ) -> Taken {
        let Some(came) = Came::read(codec, typed, channels, offset) else { return Taken::Refused };
        self.newest_us = came.frame.header().captured_us;
        if self.hold_until_us.is_some() {
            if self.held.len() == MOST_HELD {
                self.let_go(counts, tell);
                self.hand_on(came, counts, tell);
            } else {
                self.held.push_back(came);
            }
            return Taken::HandedOn;
        }
        match self.end {
            Some((end, captured_us)) if came.position() > end => {
                self.held.push_back(came);
                self.hold_until_us = Some(hold_until_us);
                Taken::MissesFrom(captured_us + 1)
            }
            _ => {
                self.hand_on(came, counts, tell);
                Taken::HandedOn
            }
        }
    }

    /// When the last frame that everybody gets was captured, in µs of this server.
    pub(super) fn newest_us(&self) -> u64 {
        self.newest_us
    }

    /// Takes a frame that was asked for. `false` where it is no sound of this stream.
    pub(super) fn take_missed(
        &mut self,
        codec: Codec,
        typed: &[u8],
        channels: u16,
        offset: Offset,
        counts: &mut Counts,
        tell: &mut impl FnMut(Told),
    ) -> bool {
        let Some(came) = Came::read(codec, typed, channels, offset) else { return false };
        // Later than that, what lies behind it is out already.
        if self.hold_until_us.is_some() {
            self.hand_on(came, counts, tell);
            if self
                .held
                .front()
                .is_some_and(|held| self.end.is_some_and(|(end, _)| held.position() <= end))
            {
                self.let_go(counts, tell);
            }
        }
        true
    }

    /// Whether sound waits for what lies before it.
    pub(super) fn is_holding(&self) -> bool {
        self.hold_until_us.is_some()
    }

    /// Whether sound has waited for long enough.
    pub(super) fn has_held_too_long(&self, now_us: u64) -> bool {
        self.hold_until_us.is_some_and(|until_us| now_us >= until_us)
    }

    /// Hands on all that waits.
    pub(super) fn let_go(&mut self, counts: &mut Counts, tell: &mut impl FnMut(Told)) {
        self.hold_until_us = None;
        for came in std::mem::take(&mut self.held) {
            self.hand_on(came, counts, tell);
        }
    }

    fn hand_on(&mut self, came: Came, counts: &mut Counts, tell: &mut impl FnMut(Told)) {
        if let Some((end, _)) = self.end {
            if came.position() < end {
                counts.again += 1;
                return;
            }
            counts.gaps += u64::from(came.position() > end);
        }
        self.end = Some((came.end(), came.captured_us));
        counts.frames += 1;
        tell(Told::Frame(came.frame));
    }
}
