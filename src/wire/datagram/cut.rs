//! Sound cut so that each piece fits into one datagram.

use crate::codec::Codec;
use crate::wire::{AudioHeader, FLAG_BROKEN, FLAG_LAST};

/// A frame of sound in pieces of at most `longest` bytes, all of one length but perhaps the last. A packet of
/// Opus stays whole, other codecs are cut between frames of sound. Positions are at `rate` Hz.
pub fn cut(
    codec: Codec,
    rate: u32,
    longest: usize,
    (whole, payload): (AudioHeader, &[u8]),
) -> impl Iterator<Item = (AudioHeader, &[u8])> {
    let frames = (whole.frames as usize).max(1);
    let frame_bytes = (payload.len() / frames).max(1);
    let most = match codec {
        Codec::Opus(_) => frames,
        _ => (longest / frame_bytes).max(1),
    };
    let count = frames.div_ceil(most);
    let each = frames.div_ceil(count);
    (0..count).map(move |index| {
        if count == 1 {
            return (whole, payload);
        }
        let (from, to) = (index * each, ((index + 1) * each).min(frames));
        // A break lies before the first piece, and silence behind the last.
        let not_first = if index > 0 { FLAG_BROKEN } else { 0 };
        let not_last = if index + 1 < count { FLAG_LAST } else { 0 };
        let behind = from as u64;
        let header = AudioHeader {
            flags: whole.flags & !(not_first | not_last),
            frames: u32::try_from(to - from).unwrap_or(u32::MAX),
            position: whole.position + behind,
            captured_us: whole.captured_us + behind * 1_000_000 / u64::from(rate.max(1)),
        };
        (header, &payload[from * frame_bytes..to * frame_bytes])
    })
}
