//! Finds frames in a byte stream that TCP may have cut anywhere.

use byteorder::{BigEndian, ByteOrder};

use super::{TYPED, Violation};

/// How long frames may be, in bytes; `0` means that such frames may not come at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest plain payload.
    pub plain: usize,
    /// Longest typed frame: kind and body.
    pub typed: usize,
}

/// One frame, borrowed from the deframer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Generation one's: a payload.
    Plain(&'a [u8]),
    /// Generation two's.
    Typed {
        /// One of [`super::kind`], or one that we do not know.
        kind: u8,
        /// What follows the kind.
        body: &'a [u8],
    },
}

/// Cuts a byte stream into frames. Holds at most one incomplete frame plus what was pushed since
/// the last [`next_frame`](Self::next_frame) that returned `None`.
#[derive(Debug)]
pub struct Deframer {
    buffer: Vec<u8>,
    read: usize,
    limits: Limits,
}

impl Deframer {
    /// A deframer at the start of a stream.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { buffer: Vec::new(), read: 0, limits }
    }

    /// Changes what is allowed from the next frame on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Adds what the socket gave. Take all frames out before adding more.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read > 0 {
            self.buffer.drain(..self.read);
            self.read = 0;
        }
        if self.buffer.is_empty() && self.buffer.capacity() > self.limits.typed + self.limits.plain
        {
            // A peer's largest burst must not be kept for the rest of its stay.
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, or `None` until more bytes come.
    ///
    /// # Errors
    /// A [`Violation`] as soon as a length word shows one. The stream cannot be read further.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Violation> {
        let waiting = &self.buffer[self.read..];
        if waiting.is_empty() {
            return Ok(None);
        }
        // The first byte alone tells a peer that can never be one of ours.
        let is_typed = waiting[0] & 0x80 != 0;
        let limit = if is_typed { self.limits.typed } else { self.limits.plain };
        if limit == 0 {
            return Err(Violation::Unframed);
        }
        if waiting.len() < 4 {
            return Ok(None);
        }
        let word = BigEndian::read_u32(waiting);
        let length = word & !TYPED;
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        if size > limit {
            return Err(Violation::TooLong { length, limit });
        }
        if size == 0 {
            return Err(Violation::TooShort { length });
        }
        if waiting.len() - 4 < size {
            return Ok(None);
        }
        let start = self.read + 4;
        self.read = start + size;
        let frame = &self.buffer[start..start + size];
        Ok(Some(if is_typed {
            Frame::Typed { kind: frame[0], body: &frame[1..] }
        } else {
            Frame::Plain(frame)
        }))
    }

    /// Bytes held that belong to no finished frame yet.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buffer.len() - self.read
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{plain, typed};

    const OPEN: Limits = Limits { plain: 1 << 20, typed: 1 << 20 };

    type Owned = Vec<(Option<u8>, Vec<u8>)>;

    fn collect(deframer: &mut Deframer, found: &mut Owned) -> Result<(), Violation> {
        while let Some(frame) = deframer.next_frame()? {
            found.push(match frame {
                Frame::Plain(payload) => (None, payload.to_vec()),
                Frame::Typed { kind, body } => (Some(kind), body.to_vec()),
            });
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn frames_are_the_same_however_the_stream_is_cut(
            frames in prop::collection::vec(
                (prop::option::of(any::<u8>()), prop::collection::vec(any::<u8>(), 1..200)), 1..20),
            cuts in prop::collection::vec(1..50_usize, 1..40),
        ) {
            let bytes: Vec<u8> = frames
                .iter()
                .flat_map(|(kind, body)| match kind {
                    Some(kind) => typed(*kind, body),
                    None => plain(body),
                })
                .collect();
            let mut deframer = Deframer::new(OPEN);
            let mut found = Owned::new();
            let mut rest = bytes.as_slice();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (head, tail) = rest.split_at((*cut).min(rest.len()));
                deframer.push(head);
                collect(&mut deframer, &mut found).unwrap();
                rest = tail;
            }
            prop_assert_eq!(found, frames);
            prop_assert_eq!(deframer.pending(), 0);
        }

        #[test]
        fn no_bytes_make_it_hold_more_than_a_frame_and_a_push(
            bytes in prop::collection::vec(any::<u8>(), 0..4000),
        ) {
            let limits = Limits { plain: 0, typed: 512 };
            let mut deframer = Deframer::new(limits);
            let mut found = Owned::new();
            for piece in bytes.chunks(100) {
                deframer.push(piece);
                if collect(&mut deframer, &mut found).is_err() { break; }
                prop_assert!(deframer.pending() <= 4 + 512);
                // The bound that docs/protocol.md states for what a listener can make us hold.
                prop_assert!(deframer.buffer.capacity() <= 2 * (4 + 512 - 1 + 100));
            }
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_its_bytes_come() {
        let mut deframer = Deframer::new(Limits { plain: 100, typed: 100 });
        deframer.push(&[0x7f, 0xff, 0xff, 0xff]);
        assert_eq!(
            deframer.next_frame(),
            Err(Violation::TooLong { length: 0x7fff_ffff, limit: 100 })
        );
        assert!(deframer.buffer.capacity() < 1000);
    }

    #[test]
    fn a_peer_that_is_not_ours_is_known_by_its_first_byte() {
        for first in [b'G', 0x16, 0x00] {
            let mut deframer = Deframer::new(Limits { plain: 0, typed: 100 });
            deframer.push(&[first]);
            assert_eq!(deframer.next_frame(), Err(Violation::Unframed));
        }
    }

    #[test]
    fn an_empty_frame_is_a_violation() {
        let mut deframer = Deframer::new(OPEN);
        deframer.push(&[0x80, 0, 0, 0]);
        assert_eq!(deframer.next_frame(), Err(Violation::TooShort { length: 0 }));
    }

    #[test]
    fn a_frame_of_exactly_the_limit_passes() {
        let mut deframer = Deframer::new(Limits { plain: 0, typed: 4 });
        deframer.push(&typed(9, &[1, 2, 3]));
        assert_eq!(deframer.next_frame(), Ok(Some(Frame::Typed { kind: 9, body: &[1, 2, 3] })));
    }
}
