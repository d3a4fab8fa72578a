//! Another codec for one listener while it plays, from one place in time on, by TCP or by datagram.

use super::super::{DatagramLog, Log, Outbox};
use super::{Listener, Phase};
use crate::codec::Codec;

/// Sound of the new codec begins so long before the place where it is heard, in ms: by then a decoder
/// of Opus gives what an old one would.
const WARM_MS: u64 = 40;

/// By datagram a listener is told of the place so long before, in ms: the word comes by TCP.
const TOLD_BEFORE_MS: u64 = 100;

/// A codec that a listener has asked for and does not hear yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coming {
    codec: Codec,
    /// The place from which on it hears it, once that is decided.
    pub(super) from: Option<u64>,
}

/// One codec's sound, as frames and as datagrams.
#[derive(Debug, Clone, Copy)]
pub struct Both<'a> {
    /// Frames.
    pub log: &'a Log,
    /// The same, cut.
    pub cut: &'a DatagramLog,
}

impl Listener {
    /// Wants its sound in another codec as soon as that can be. `false` where it cannot be, or is so.
    pub fn ask_for_codec(&mut self, codec: Codec) -> bool {
        let is_decided = self.coming.is_some_and(|coming| coming.from.is_some());
        let can_be = self.phase == Phase::Typed && !self.is_alone() && self.own.is_none();
        if !can_be || is_decided {
            return false;
        }
        self.coming = (codec != self.codec).then_some(Coming { codec, from: None });
        self.coming.is_some()
    }

    /// The codec that it has asked for and does not hear yet.
    #[must_use]
    pub fn awaits(&self) -> Option<Codec> {
        self.coming.map(|coming| coming.codec)
    }

    /// Turns from the codec that it hears, `old`, to the one that it has asked for, `new`, when both are
    /// there: `rate` is that of their positions, and `say` makes the word for the place. Returns whether
    /// it has turned now.
    pub fn turn_to_codec(
        &mut self,
        old: Both<'_>,
        new: Both<'_>,
        rate: u32,
        say: impl FnOnce(u64) -> Vec<u8>,
    ) -> bool {
        let Some(coming) = self.coming else { return false };
        if self.is_leaving() || self.is_alone() || self.own.is_some() {
            self.coming = None;
            return false;
        }
        let in_frames = |ms: u64| ms * u64::from(rate) / 1_000;
        let warm = in_frames(WARM_MS);
        let by_datagram = self.is_by_datagram();
        let Some(from) = coming.from else {
            let end = old.log.end_position();
            let is_going_over = by_datagram && self.outbox.cursor.is_some();
            if is_going_over || !new.log.holds(end.saturating_sub(warm)) {
                return false;
            }
            let from = if by_datagram {
                let from = end + in_frames(TOLD_BEFORE_MS);
                self.outbox.say_first(say(from));
                from
            } else {
                self.outbox.end_at(end)
            };
            self.coming = Some(Coming { from: Some(from), ..coming });
            return false;
        };
        if old.log.end_position() < from || new.log.end_position() < from {
            return false;
        }
        let begins = from.saturating_sub(warm);
        match self.path.as_mut().filter(|_| by_datagram) {
            Some(path) if path.is_through(old.cut, from) => {
                path.go_on_with(new.cut.covering(begins));
            }
            None if self.outbox.is_through(old.log) => {
                self.outbox.say_first(say(from));
                self.outbox.go_on_at(new.log.covering(begins));
            }
            _ => return false,
        }
        self.codec = coming.codec;
        self.coming = None;
        true
    }

    /// The place where the codec that it hears ends, once that is decided.
    pub(super) fn codec_ends(&self) -> Option<u64> {
        self.coming.and_then(|coming| coming.from)
    }
}

impl Outbox {
    /// Says something before all else.
    fn say_first(&mut self, typed: Vec<u8>) {
        let bytes = self.framed(typed);
        self.greeting.get_or_insert_default().extend(bytes);
    }

    /// Goes on with frame `number` of another log.
    fn go_on_at(&mut self, number: u64) {
        self.cursor = Some(number);
        self.until = None;
    }
}

#[cfg(test)]
mod tests;
