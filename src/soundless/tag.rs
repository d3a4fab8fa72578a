//! Tags in front of the sound: titles and pictures.

use std::io;

use crate::soundless::input::Input;

/// Bytes of the tag that begins here: ID3v2 or APE. It may hold pictures of any size, which nobody
/// here wants in memory.
pub(crate) fn tag_bytes(input: &mut Input) -> io::Result<u64> {
    let start = input.peek(32)?;
    if start.len() >= 10 && start.starts_with(b"ID3") && start[6..10].iter().all(|b| *b < 0x80) {
        let has_footer = start[5] & 0x10 != 0;
        let size = start[6..10].iter().fold(0, |size, byte| size << 7 | u64::from(*byte));
        return Ok(size + if has_footer { 20 } else { 10 });
    }
    if start.len() >= 32 && start.starts_with(b"APETAGEX") {
        // The size leaves the head out, and counts the foot.
        let number =
            |at: usize| start[at..].first_chunk().map_or(0, |four| u32::from_le_bytes(*four));
        let is_head = number(20) & 0x2000_0000 != 0;
        return Ok(if is_head { u64::from(number(12)) + 32 } else { 32 });
    }
    Ok(0)
}
