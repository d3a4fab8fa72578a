//! The pages of an Ogg file (RFC 3533), found by their checksums.

use std::io;

use crate::soundless::input::Input;

/// Longest page, in bytes: its head, 255 sizes and as many pieces of 255 bytes.
const MAX_PAGE: usize = 27 + 255 + 255 * 255;

/// Most bytes that are searched in vain before the rest of a file is given up: less than a
/// tenth of a second's work.
const MAX_SEARCHED: usize = 16 * 1024 * 1024;

/// One page.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) serial: u32,
    pub(super) sequence: u32,
    /// Where the last packet that ends on this page ends; `None` if none does.
    pub(super) granule: Option<i64>,
    /// Whether its first packet began on a page before.
    pub(super) is_continued: bool,
    pub(super) is_first: bool,
    pub(super) is_last: bool,
    /// The pieces of packets, and whether each is the end of one.
    pub(super) pieces: Vec<(Vec<u8>, bool)>,
}

/// Takes the next whole page. `None` at the end. Where bytes had to be left out on the way to it,
/// `is_torn` becomes true.
pub(super) fn next_page(input: &mut Input, is_torn: &mut bool) -> io::Result<Option<Page>> {
    let mut searched = 0;
    while searched < MAX_SEARCHED {
        let bytes = input.peek(MAX_PAGE)?;
        if bytes.len() < 27 {
            return Ok(None);
        }
        if bytes.starts_with(b"OggS\0") {
            if let Some((page, length)) = parse(bytes) {
                input.consume(length);
                return Ok(Some(page));
            }
            // As much as the sum was made of.
            searched += bytes.len().min(MAX_PAGE);
        }
        let next = bytes[1..].iter().position(|byte| *byte == b'O');
        let step = next.map_or(bytes.len(), |at| at + 1);
        input.consume(step);
        searched += step;
        *is_torn = true;
    }
    Ok(None)
}

/// Reads a page with its checksum, and how long it is.
fn parse(bytes: &[u8]) -> Option<(Page, usize)> {
    let number = |at: usize| bytes[at..].first_chunk().map_or(0, |four| u32::from_le_bytes(*four));
    let sizes = bytes.get(27..27 + usize::from(bytes[26]))?;
    let start = 27 + sizes.len();
    let length = start + sizes.iter().map(|size| usize::from(*size)).sum::<usize>();
    let body = bytes.get(start..length)?;
    let sum = bytes[..22].iter().chain(&[0; 4]).chain(&bytes[26..length]).fold(0, checksum);
    if sum != number(22) {
        return None;
    }
    let mut pieces: Vec<(Vec<u8>, bool)> = Vec::new();
    let (mut from, mut at) = (0, 0);
    for (n, size) in sizes.iter().enumerate() {
        at += usize::from(*size);
        let ends = *size < 255;
        if ends || n + 1 == sizes.len() {
            pieces.push((body[from..at].to_vec(), ends));
            from = at;
        }
    }
    let granule = bytes[6..].first_chunk().map_or(-1, |eight| i64::from_le_bytes(*eight));
    let page = Page {
        serial: number(14),
        sequence: number(18),
        granule: Some(granule).filter(|granule| *granule != -1),
        is_continued: bytes[5] & 1 != 0,
        is_first: bytes[5] & 2 != 0,
        is_last: bytes[5] & 4 != 0,
        pieces,
    };
    Some((page, length))
}

/// What a byte does to a page's checksum: the polynomial of Ethernet, from the top bit on.
const STEPS: [u32; 256] = {
    let mut steps = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc >> 31 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 };
            bit += 1;
        }
        steps[byte] = crc;
        byte += 1;
    }
    steps
};

pub(super) fn checksum(crc: u32, byte: &u8) -> u32 {
    crc << 8 ^ STEPS[(crc >> 24) as usize ^ usize::from(*byte)]
}
