//! Frames in the framing of a listener, in as few sends as there can be.

use std::io::{self, IoSlice};

use super::Generation;
use super::together::MOST_TOGETHER;
use crate::wire::AudioFrame;

/// Bytes of an audio frame on the wire.
pub(super) fn length(frame: &AudioFrame, generation: Generation) -> usize {
    match generation {
        Generation::Plain => frame.plain().0.len() + frame.plain().1.len(),
        Generation::Typed | Generation::WebSocket => framed(frame, generation).len(),
    }
}

/// Writes frames once, all in one send. Plain ones come one at a time.
pub(super) fn send_row<'a>(
    mut row: impl Iterator<Item = &'a AudioFrame>,
    generation: Generation,
    send: &mut impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<usize> {
    let Some(first) = row.next() else {
        return Ok(0);
    };
    let Some(second) = row.next() else {
        return send_frame(first, generation, 0, send);
    };
    let mut slices = [IoSlice::new(&[]); MOST_TOGETHER];
    let mut count = 0;
    for (slice, frame) in slices.iter_mut().zip([first, second].into_iter().chain(row)) {
        *slice = IoSlice::new(framed(frame, generation));
        count += 1;
    }
    send(&slices[..count])
}

/// An audio frame as typed listeners get it.
fn framed(frame: &AudioFrame, generation: Generation) -> &[u8] {
    match generation {
        Generation::WebSocket => frame.websocket(),
        Generation::Plain | Generation::Typed => frame.typed(),
    }
}

/// Writes an audio frame once, from byte `written` on.
pub(super) fn send_frame(
    frame: &AudioFrame,
    generation: Generation,
    written: usize,
    send: &mut impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
) -> io::Result<usize> {
    if generation != Generation::Plain {
        return send(&[IoSlice::new(&framed(frame, generation)[written..])]);
    }
    let (header, payload) = frame.plain();
    match written.checked_sub(header.len()) {
        Some(into) => send(&[IoSlice::new(&payload[into..])]),
        None => send(&[IoSlice::new(&header[written..]), IoSlice::new(payload)]),
    }
}

/// `None` where the socket would block.
pub(super) fn attempt(mut send: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        return match send() {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => Ok(Some(written)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => Err(e),
        };
    }
}
