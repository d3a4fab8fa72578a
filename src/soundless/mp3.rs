//! MP3 and MP2: finds the packets, and leaves out what the encoder has added.
//!
//! Packets are found here and not by a library, because a tag must not be believed over what
//! follows it, and because what cannot be decoded must still take its time.

mod header;

use nanomp3_core::{Decoder, MAX_SAMPLES_PER_FRAME};

use crate::mixdown::Layout;
use crate::soundless::block::Block;
use crate::soundless::fault::Fault;
use crate::soundless::input::Input;
use crate::soundless::tag::tag_bytes;
use header::{Header, Tag};

/// Packets that must follow each other before a few bits count as the start of sound, in a file
/// that does not begin with one.
const PACKETS_IN_A_ROW: usize = 4;

/// As [`PACKETS_IN_A_ROW`], where a file begins with one, or goes on after something else.
const PACKETS_AT_THE_START: usize = 2;

/// Longest packet, in bytes: layer II at 384 kbit/s and 32 kHz.
const MAX_PACKET: usize = 1_729;

/// What is stepped over between two packets before the file counts as ended, in bytes: more than
/// any tag without a size of its own.
const MAX_JUNK: u64 = 1024 * 1024;

/// Damaged bytes become as much silence as packets would have stood there, up to this many.
const MAX_LOST_PACKETS: usize = 256;

/// Whether MPEG audio begins in `bytes`: as many packets follow each other as `wanted`, or all
/// there are, of which only one behind the first may be cut off.
fn begins(bytes: &[u8], wanted: usize) -> Option<Header> {
    let first = Header::parse(bytes)?;
    let (mut at, mut last) = (first.bytes, first);
    for _ in 1..wanted {
        if last.bytes == 0 {
            return None;
        }
        match bytes.get(at..).filter(|rest| rest.len() >= 4) {
            None if last == first && at > bytes.len() => return None,
            None => break,
            Some(rest) => match Header::parse(rest) {
                Some(next) if last.is_followed_by(&next) => (at, last) = (at + next.bytes, next),
                // A tag may stand behind a single packet.
                _ if rest.starts_with(b"TAG") || rest.starts_with(b"APETAGEX") => break,
                _ => return None,
            },
        }
    }
    Some(first)
}

/// Whether a file that goes on with these bytes is MPEG audio from its first byte on.
pub(super) fn is_mpeg_audio(bytes: &[u8]) -> bool {
    begins(bytes, PACKETS_AT_THE_START).is_some()
}

/// Whether MPEG audio begins here, behind bytes that are none.
pub(super) fn is_mpeg_audio_behind_junk(bytes: &[u8]) -> bool {
    let first = Header::parse(bytes).map_or(0, |first| first.bytes);
    bytes.len() > PACKETS_IN_A_ROW * first.max(24) && begins(bytes, PACKETS_IN_A_ROW).is_some()
}

/// Whether these bytes are MPEG audio in the free format, in which no packet says how long it is.
pub(super) fn is_free_format(bytes: &[u8]) -> bool {
    let Some(first) = Header::parse(bytes).filter(|header| header.bytes == 0) else {
        return false;
    };
    let next = |at: usize| Header::parse(bytes.get(at..)?).filter(|n| first.is_followed_by(n));
    let longest = bytes.len().min(3 * MAX_PACKET);
    (24..longest)
        .any(|at| next(at).is_some() && (next(2 * at).is_some() || next(2 * at + 1).is_some()))
}

/// The bytes that are needed to see whether MPEG audio begins.
pub(super) const LOOK: usize = (PACKETS_IN_A_ROW + 1) * MAX_PACKET;

/// The sound of an MP3 or MP2 file.
pub(super) struct Mp3 {
    input: Input,
    decoder: Box<Decoder>,
    /// What the last packet said.
    last: Option<Header>,
    tag: Tag,
    /// Packets behind the tag.
    packets: u64,
    /// Frames that are still to be left out at the start.
    to_skip: usize,
    /// The end of what was decoded, kept back until it is known not to be what the encoder added.
    kept: Vec<f32>,
    damaged: u64,
}

impl Mp3 {
    pub(super) fn open(input: Input) -> Self {
        Self {
            input,
            decoder: Box::default(),
            last: None,
            tag: Tag::default(),
            packets: 0,
            to_skip: 0,
            kept: Vec::new(),
            damaged: 0,
        }
    }

    pub(super) fn into_input(self) -> Input {
        self.input
    }

    /// Frames from start to end, where a tag says.
    pub(super) fn frames_total(&self) -> Option<u64> {
        let frames = self.last?.frames as u64;
        let (before, behind) = self.tag.added.unwrap_or_default();
        (self.tag.packets? * frames).checked_sub((before + behind) as u64)
    }

    /// Packets that could not be decoded so far.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Decodes the next packet that has sound in it. False at the end.
    pub(super) fn next(&mut self, block: &mut Block) -> Result<bool, Fault> {
        loop {
            let Some((header, lost)) = self.find_packet()? else {
                return Ok(self.end(block));
            };
            let packet = self.input.peek(header.bytes)?;
            let packet = &packet[..header.bytes.min(packet.len())];
            if let Some(tag) = Tag::find(&header, packet) {
                self.input.consume(header.bytes);
                // Files were joined: what stands before this one ends here.
                let has_sound = self.end(block);
                self.begin(header, tag);
                if has_sound {
                    return Ok(true);
                }
                continue;
            }
            let has_changed = self.last.is_some_and(|last| {
                (last.sample_rate, last.channels) != (header.sample_rate, header.channels)
            });
            if has_changed {
                let has_sound = self.end(block);
                self.last = None;
                if has_sound {
                    return Ok(true);
                }
            }
            self.decode(header, lost, block)?;
            if !block.samples.is_empty() {
                return Ok(true);
            }
        }
    }

    /// A tag stands before what follows.
    fn begin(&mut self, header: Header, tag: Tag) {
        *self.decoder = Decoder::default();
        self.last = Some(header);
        self.tag = tag;
        self.packets = 0;
        self.to_skip = tag.added.map_or(0, |(before, _)| before);
    }

    fn decode(&mut self, header: Header, lost: usize, block: &mut Block) -> Result<(), Fault> {
        block.sample_rate = header.sample_rate;
        block.layout = Layout::usual(header.channels);
        let channels = usize::from(header.channels);
        if lost > 0 {
            // Packets share their bits: what was lost must not be taken from older ones.
            *self.decoder = Decoder::default();
        }
        let mut decoded = [0.0; MAX_SAMPLES_PER_FRAME];
        let packet = &self.input.peek(header.bytes)?[..header.bytes];
        let (_, result) = self.decoder.decode(packet, &mut decoded);
        let samples = header.frames * channels;
        let is_sound = result.is_ok_and(|info| {
            info.samples_produced == header.frames
                && u16::from(info.channels.num()) == header.channels
        });
        if !is_sound {
            decoded.fill(0.0);
            // Of the first packets a part may stand in others that are not there.
            self.damaged += u64::from(self.packets > 0);
        }
        self.input.consume(header.bytes);
        self.damaged += lost as u64;
        self.kept.resize(self.kept.len() + lost * samples, 0.0);
        self.kept.extend_from_slice(&decoded[..samples]);
        self.packets += 1 + lost as u64;
        self.last = Some(header);
        let skipped = self.to_skip.min(self.kept.len() / channels);
        self.to_skip -= skipped;
        self.kept.drain(..skipped * channels);
        let behind = self.tag.added.map_or(0, |(_, behind)| behind) * channels;
        block.samples.extend(self.kept.drain(..self.kept.len().saturating_sub(behind)));
        Ok(())
    }

    /// What is kept back is sound after all, unless all that the tag told of has come. False if
    /// there is none.
    fn end(&mut self, block: &mut Block) -> bool {
        if self.tag.packets.is_some_and(|packets| self.packets >= packets) {
            self.kept.clear();
        }
        if let (Some(last), false) = (self.last, self.kept.is_empty()) {
            block.sample_rate = last.sample_rate;
            block.layout = Layout::usual(last.channels);
            block.samples.append(&mut self.kept);
        }
        self.tag = Tag::default();
        self.packets = 0;
        self.to_skip = 0;
        !block.samples.is_empty()
    }

    /// Goes to the next whole packet. Returns it, and how many were lost on the way to it.
    fn find_packet(&mut self) -> Result<Option<(Header, usize)>, Fault> {
        let mut junk = 0;
        loop {
            let tag = tag_bytes(&mut self.input)?;
            if tag > 0 {
                self.input.skip(tag)?;
                junk = 0;
                continue;
            }
            let bytes = self.input.peek(LOOK)?;
            if bytes.len() < 4 || junk > MAX_JUNK {
                return Ok(None);
            }
            // Right behind the last packet its like is enough.
            let expected = Header::parse(bytes).filter(|header| {
                junk == 0
                    && header.bytes > 0
                    && self.last.is_some_and(|last| last.is_followed_by(header))
            });
            let found = expected.or_else(|| begins(bytes, PACKETS_AT_THE_START));
            if let Some(header) = found.filter(|header| header.bytes > 0) {
                if bytes.len() < header.bytes {
                    // The file was cut off.
                    return Ok(None);
                }
                return Ok(Some((header, self.lost(junk))));
            }
            let next =
                bytes[1..].iter().position(|byte| *byte == 0xff || byte.is_ascii_uppercase());
            let step = next.map_or(bytes.len(), |at| at + 1);
            if bytes.starts_with(b"TAG") && bytes.len() >= 128 {
                self.input.consume(128);
                junk = 0;
                continue;
            }
            self.input.consume(step);
            junk += step as u64;
        }
    }

    /// How many packets have stood in so many bytes that are none.
    fn lost(&self, junk: u64) -> usize {
        let Some(last) = self.last.filter(|last| last.bytes > 0) else { return 0 };
        let packets = (junk as usize + last.bytes / 2) / last.bytes;
        if packets > MAX_LOST_PACKETS { 0 } else { packets }
    }
}

#[cfg(test)]
mod tests;
