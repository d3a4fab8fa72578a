//! The header of a WAV file: RIFF, RIFX, RF64 and BW64, cut off or not. Every field is checked
//! before it is used.

use crate::format::Format;
use crate::mixdown::Layout;
use crate::soundless::fault::{Fault, believable};
use crate::soundless::input::Input;
use crate::soundless::pcm::{Encoding, Order, Stored};

/// Most chunks before the sound. Real files have a handful; each costs a seek.
const MAX_CHUNKS: usize = 1_000;

/// Most bytes of a chunk's body that mean something here.
const BODY_BYTES: usize = 40;

/// A 32-bit size that is not known, or stands in the `ds64` chunk.
const SIZE_IS_ELSEWHERE: u32 = u32::MAX;

/// Chunks that stand in WAV files: what begins so is no sound.
const KNOWN_CHUNKS: [&[u8; 4]; 16] = [
    b"fmt ", b"data", b"LIST", b"fact", b"cue ", b"smpl", b"inst", b"bext", b"iXML", b"id3 ",
    b"ID3 ", b"JUNK", b"junk", b"PEAK", b"axml", b"_PMX",
];

/// The least size that programs write into a pipe where they know none: of 2 GiB, less a header.
const UNKNOWN_IN_A_PIPE: u32 = 0x7fff_0000;

/// Reads the header of a WAV file, which begins at `input`'s place.
pub(crate) fn read_header(input: &mut Input) -> Result<Stored, Fault> {
    let head: [u8; 12] = input.take()?.ok_or_else(cut_off)?;
    let order = if head.starts_with(b"RIFX") { Order::BigEndian } else { Order::LittleEndian };
    let mut described = None;
    let mut long_size = None;
    for _ in 0..MAX_CHUNKS {
        let head: [u8; 8] = input.take()?.ok_or_else(cut_off)?;
        let (size, left) = (order.u32(&head[4..]), input.left()?);
        if head.starts_with(b"data") {
            let size = match size {
                SIZE_IS_ELSEWHERE => long_size.filter(|size| *size > 0).unwrap_or(left),
                // Who writes into a pipe does not know yet, and says the most that it can.
                UNKNOWN_IN_A_PIPE.. if input.is_pipe() => left,
                // A recorder that was stopped hard, or wrote into a pipe, leaves no size.
                0 if left > 0 && !is_chunk(input.peek(8)?) => left,
                size => u64::from(size),
            };
            if size > 0 {
                let (format, layout, encoding) = described
                    .ok_or_else(|| Fault::Damaged("its sound comes before its format".into()))?;
                let start = input.position();
                return Ok(Stored { format, layout, encoding, start, bytes: size.min(left) });
            }
        }
        if u64::from(size) > left {
            return Err(Fault::Damaged("a part of it is larger than the whole".into()));
        }
        let body = input.peek(BODY_BYTES.min(size as usize))?;
        let body = &body[..body.len().min(BODY_BYTES).min(size as usize)];
        if head.starts_with(b"fmt ") {
            described = Some(parse_format(body, order)?);
        } else if head.starts_with(b"ds64") {
            long_size = body.get(8..16).map(|size| order.u64(size));
        }
        input.skip(size.into())?;
        // An odd chunk is padded, but not by every program.
        if !size.is_multiple_of(2) && !is_chunk(input.peek(8)?) {
            input.skip(1)?;
        }
    }
    Err(Fault::Damaged("it has too many parts and no sound among the first of them".into()))
}

fn cut_off() -> Fault {
    Fault::Damaged("it ends before its sound begins".into())
}

fn is_chunk(bytes: &[u8]) -> bool {
    KNOWN_CHUNKS.iter().any(|id| bytes.starts_with(*id))
}

/// Reads the body of a format chunk.
pub(crate) fn parse_format(body: &[u8], order: Order) -> Result<(Format, Layout, Encoding), Fault> {
    if body.len() < 16 {
        return Err(Fault::Damaged("its format is cut off".into()));
    }
    let channels = order.u16(&body[2..]);
    let frame_bytes = order.u16(&body[12..]);
    let bits = order.u16(&body[14..]);
    let (tag, mask) = match order.u16(body) {
        // "Extensible": the tag proper follows, and the bits are those of the container.
        0xfffe if body.len() >= 26 => (order.u16(&body[24..]), order.u32(&body[20..])),
        tag => (tag, 0),
    };
    // First what it is, and then how it is laid out: other kinds have layouts of their own.
    if let Some(name) = foreign_name(tag) {
        return Err(Fault::not_known(&format!("a WAV file with {name} in it")));
    }
    if !matches!(tag, 1 | 3 | 6 | 7) {
        return Err(Fault::not_known(&format!("a WAV file with sound of kind {tag:#06x} in it")));
    }
    let format = believable(order.u32(&body[4..]), usize::from(channels))?;
    let own = bits.div_ceil(8);
    // The container may be larger than the bits. Where it fits nothing, the bits say it.
    let container = match frame_bytes / channels {
        bytes if own == 0 && frame_bytes.is_multiple_of(channels) => bytes,
        bytes @ 2..=4 if tag == 1 && own >= 2 && frame_bytes.is_multiple_of(channels) => {
            bytes.max(own)
        }
        _ => own,
    };
    let encoding = match (tag, container) {
        (1, 1) => Encoding::Unsigned8,
        (1, 2..=4) => Encoding::Signed(container.into(), order),
        (3, 4) => Encoding::Float32(order),
        (3, 8) => Encoding::Float64(order),
        (6, 1) => Encoding::ALaw,
        (7, 1) => Encoding::MuLaw,
        _ => {
            return Err(Fault::Damaged(format!(
                "its header claims {bits} bits a sample, and {frame_bytes} bytes for {channels} of them"
            )));
        }
    };
    Ok((format, Layout::from_mask(mask, channels), encoding))
}

/// What sound of other kinds is called (Microsoft's `mmreg.h`).
fn foreign_name(tag: u16) -> Option<&'static str> {
    Some(match tag {
        0x0002 => "Microsoft's ADPCM",
        0x0011 => "IMA ADPCM",
        0x0010
        | 0x0012..=0x0014
        | 0x0017
        | 0x0020
        | 0x0033
        | 0x0036
        | 0x0040
        | 0x0045
        | 0x0064
        | 0x0065
        | 0x0085
        | 0x0200 => "ADPCM",
        0x0008 | 0x0092 | 0x2001 => "DTS or AC-3",
        0x0022 => "TrueSpeech",
        0x0031 => "GSM 6.10",
        0x0042 => "G.723",
        0x0050 => "MP2",
        0x0055 => "MP3",
        0x00ff | 0x1600..=0x1602 | 0x706d | 0xa106 => "AAC",
        0x0160..=0x0163 => "Windows Media Audio",
        0x2000 => "AC-3",
        0x674f..=0x6751 | 0x676f..=0x6771 | 0x566f => "Vorbis",
        0x704f => "Opus",
        0xa109 => "Speex",
        0xf1ac => "FLAC",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
