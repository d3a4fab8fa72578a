//! The headers of AIFF, AIFF-C, W64, AU and CAF files. Every field is checked before it is used.

use crate::mixdown::Layout;
use crate::soundless::fault::{Fault, believable};
use crate::soundless::input::Input;
use crate::soundless::pcm::{Encoding, Order, Stored};
use crate::soundless::riff;

/// Most chunks before the sound. Real files have a handful; each costs a seek.
const MAX_CHUNKS: usize = 1_000;

/// Most bytes of a chunk's body that mean something here.
const BODY_BYTES: usize = 40;

/// The rest of the identifiers that begin with `riff` and with the names of the chunks of WAV in
/// a W64 file (Sony's "Wave64").
const W64_RIFF: &[u8; 12] = b"\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00";
const W64_CHUNK: &[u8; 12] = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a";

/// Whether these first bytes are those of a W64 file.
pub(crate) fn is_w64(start: &[u8]) -> bool {
    start.strip_prefix(b"riff").is_some_and(|rest| rest.starts_with(W64_RIFF))
        && start.get(24..28) == Some(b"wave")
}

/// Reads the header of a W64 file.
pub(crate) fn read_w64(input: &mut Input) -> Result<Stored, Fault> {
    const LE: Order = Order::LittleEndian;
    input.skip(40)?;
    let mut described = None;
    for _ in 0..MAX_CHUNKS {
        let head: [u8; 24] = input.take()?.ok_or_else(cut_off)?;
        let left = input.left()?;
        // Sizes count their own head.
        let size = LE.u64(&head[16..]).saturating_sub(24);
        let is_known = &head[4..16] == W64_CHUNK;
        if is_known && head.starts_with(b"data") {
            let (format, layout, encoding) = described.ok_or_else(no_format)?;
            let bytes = if size == 0 { left } else { size.min(left) };
            return Ok(Stored { format, layout, encoding, start: input.position(), bytes });
        }
        if size > left {
            return Err(too_large());
        }
        if is_known && head.starts_with(b"fmt ") {
            described = Some(riff::parse_format(body(input, size)?, LE)?);
        }
        input.skip(size.next_multiple_of(8))?;
    }
    Err(no_sound())
}

/// Reads the header of an AIFF or AIFF-C file.
pub(crate) fn read_aiff(input: &mut Input) -> Result<Stored, Fault> {
    const BE: Order = Order::BigEndian;
    input.skip(12)?;
    let mut described = None;
    let mut sound = None;
    for _ in 0..MAX_CHUNKS {
        let Some(head) = input.take::<8>()? else { break };
        let (size, left) = (u64::from(BE.u32(&head[4..])), input.left()?);
        if head.starts_with(b"COMM") {
            described = Some(parse_common(body(input, size)?)?);
        } else if head.starts_with(b"SSND") {
            let about = input.peek(8)?.first_chunk::<8>().copied().ok_or_else(cut_off)?;
            let offset = u64::from(BE.u32(&about)) + 8;
            let size = if size <= 8 { left } else { size.min(left) };
            sound = Some((input.position() + offset, size.saturating_sub(offset)));
        }
        if let (Some((format, layout, encoding)), Some((start, bytes))) = (&described, sound) {
            let (format, layout, encoding) = (*format, Layout::clone(layout), *encoding);
            return Ok(Stored { format, layout, encoding, start, bytes });
        }
        if size > left {
            break;
        }
        input.skip(size + size % 2)?;
    }
    Err(if sound.is_some() { no_format() } else { cut_off() })
}

/// Reads the body of AIFF's `COMM` chunk.
fn parse_common(body: &[u8]) -> Result<(crate::Format, Layout, Encoding), Fault> {
    const BE: Order = Order::BigEndian;
    if body.len() < 18 {
        return Err(Fault::Damaged("its format is cut off".into()));
    }
    let (channels, bits) = (BE.u16(body), BE.u16(&body[6..]));
    let width = usize::from(bits.div_ceil(8));
    let encoding = match body.get(18..22) {
        None | Some(b"NONE" | b"twos") => Encoding::Signed(width, BE),
        Some(b"sowt") => Encoding::Signed(width, Order::LittleEndian),
        Some(b"raw ") => Encoding::Unsigned8,
        Some(b"in24") => Encoding::Signed(3, BE),
        Some(b"in32") => Encoding::Signed(4, BE),
        Some(b"fl32" | b"FL32") => Encoding::Float32(BE),
        Some(b"fl64" | b"FL64") => Encoding::Float64(BE),
        Some(b"alaw" | b"ALAW") => Encoding::ALaw,
        Some(b"ulaw" | b"ULAW") => Encoding::MuLaw,
        Some(other) => return Err(Fault::not_known(&format!("an AIFF file with {}", kind(other)))),
    };
    if let Encoding::Signed(bytes, _) = encoding
        && !(1..=4).contains(&bytes)
    {
        return Err(Fault::Damaged(format!("its header claims {bits} bits a sample")));
    }
    let format = believable(extended(&body[8..18]), usize::from(channels))?;
    Ok((format, Layout::usual(channels), encoding))
}

/// A rate as an 80-bit float of the 68881: sign and exponent in 16 bits, 64 bits of mantissa.
fn extended(bytes: &[u8]) -> u32 {
    let exponent = i32::from(Order::BigEndian.u16(bytes) & 0x7fff) - 16_383 - 63;
    let mantissa = Order::BigEndian.u64(&bytes[2..]) as f64;
    (mantissa * f64::from(exponent).exp2()).round() as u32
}

/// Reads the header of an AU file (Sun, NeXT).
pub(crate) fn read_au(input: &mut Input) -> Result<Stored, Fault> {
    const BE: Order = Order::BigEndian;
    let begin = input.position();
    let head: [u8; 24] = input.take()?.ok_or_else(cut_off)?;
    let encoding = match BE.u32(&head[12..]) {
        1 => Encoding::MuLaw,
        width @ 2..=5 => Encoding::Signed(width as usize - 1, BE),
        6 => Encoding::Float32(BE),
        7 => Encoding::Float64(BE),
        27 => Encoding::ALaw,
        23..=26 => return Err(Fault::not_known("an AU file with ADPCM in it")),
        other => return Err(Fault::not_known(&format!("an AU file with sound of kind {other}"))),
    };
    let channels = BE.u32(&head[20..]);
    let format = believable(BE.u32(&head[16..]), usize::try_from(channels).unwrap_or(usize::MAX))?;
    let start = begin + u64::from(BE.u32(&head[4..])).max(24);
    let bytes = match BE.u32(&head[8..]) {
        0 | u32::MAX => u64::MAX,
        bytes => bytes.into(),
    };
    Ok(Stored { format, layout: Layout::usual(format.channels), encoding, start, bytes })
}

/// Reads the header of a CAF file (Apple).
pub(crate) fn read_caf(input: &mut Input) -> Result<Stored, Fault> {
    const BE: Order = Order::BigEndian;
    input.skip(8)?;
    let mut described: Option<(crate::Format, Encoding)> = None;
    let mut named = None;
    for _ in 0..MAX_CHUNKS {
        let head: [u8; 12] = input.take()?.ok_or_else(cut_off)?;
        let (size, left) = (BE.u64(&head[4..]), input.left()?);
        if head.starts_with(b"data") {
            let (format, encoding) = described.ok_or_else(no_format)?;
            // Behind a count of its edits. A size of −1 is one that is not known.
            let bytes = size.min(left).saturating_sub(4);
            let layout = named.unwrap_or_else(|| Layout::usual(format.channels));
            return Ok(Stored { format, layout, encoding, start: input.position() + 4, bytes });
        }
        if size > left {
            return Err(too_large());
        }
        let body = body(input, size)?;
        if head.starts_with(b"desc") {
            described = Some(parse_description(body)?);
        } else if head.starts_with(b"chan")
            && let Some(mask) = body.strip_prefix(&[0, 1, 0, 0]).filter(|mask| mask.len() >= 4)
            && let Some((format, _)) = described
        {
            named = Some(Layout::from_mask(BE.u32(mask), format.channels));
        }
        input.skip(size)?;
    }
    Err(no_sound())
}

/// Reads the body of CAF's `desc` chunk.
fn parse_description(body: &[u8]) -> Result<(crate::Format, Encoding), Fault> {
    const BE: Order = Order::BigEndian;
    if body.len() < 32 {
        return Err(Fault::Damaged("its format is cut off".into()));
    }
    let flags = BE.u32(&body[12..]);
    let order = if flags & 2 == 0 { BE } else { Order::LittleEndian };
    let (packet, channels) = (BE.u32(&body[16..]), BE.u32(&body[24..]));
    let rate = f64::from_bits(BE.u64(body)).round() as u32;
    let width = packet.checked_div(channels).unwrap_or(0);
    let encoding = match (&body[8..12], width) {
        (b"lpcm", 4) if flags & 1 == 1 => Encoding::Float32(order),
        (b"lpcm", 8) if flags & 1 == 1 => Encoding::Float64(order),
        (b"lpcm", 1..=4) if flags & 1 == 0 => Encoding::Signed(width as usize, order),
        (b"alaw", _) => Encoding::ALaw,
        (b"ulaw", _) => Encoding::MuLaw,
        (b"lpcm", _) => {
            return Err(Fault::Damaged(format!("its header claims {packet} bytes a frame")));
        }
        (other, _) => return Err(Fault::not_known(&format!("a CAF file with {}", kind(other)))),
    };
    let format = believable(rate, usize::try_from(channels).unwrap_or(usize::MAX))?;
    Ok((format, encoding))
}

/// A kind of sound by its four letters.
fn kind(letters: &[u8]) -> String {
    let name = match letters {
        b"alac" => "Apple Lossless",
        b"aac " => "AAC",
        b"ima4" => "IMA ADPCM",
        b"opus" => "Opus",
        b"flac" => "FLAC",
        b".mp3" | b".mp2" | b".mp1" => "MP3",
        other => return format!("sound of kind “{}”", other.escape_ascii()),
    };
    format!("{name} in it")
}

/// The first bytes of a chunk's body of `size` bytes.
fn body(input: &mut Input, size: u64) -> Result<&[u8], Fault> {
    let want = usize::try_from(size).unwrap_or(usize::MAX).min(BODY_BYTES);
    let there = input.peek(want)?;
    Ok(&there[..there.len().min(want)])
}

fn cut_off() -> Fault {
    Fault::Damaged("it ends before its sound begins".into())
}

fn no_format() -> Fault {
    Fault::Damaged("its sound comes before its format".into())
}

fn too_large() -> Fault {
    Fault::Damaged("a part of it is larger than the whole".into())
}

fn no_sound() -> Fault {
    Fault::Damaged("it has too many parts and no sound among the first of them".into())
}

#[cfg(test)]
mod tests;
