//! FLAC: finds the blocks by their checksums, whatever the header says and whatever follows them.

mod frame;

use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::packet::Packet;
use symphonia::core::units::{Duration, Timestamp};

use crate::mixdown::Layout;
use crate::soundless::block::Block;
use crate::soundless::fault::{Fault, believable};
use crate::soundless::input::Input;
use frame::Crc16;
pub(super) use frame::Header;

/// Bytes of the block of metadata that describes the stream.
const STREAM_INFO: usize = 34;

/// Most blocks of metadata. Real files have a handful.
const MAX_METADATA: usize = 1_000;

/// Most bytes of comments that are searched for what the channels are.
const MAX_COMMENTS: usize = 64 * 1024;

/// Most bytes that are searched in vain before the rest of a file is given up: more than the largest
/// picture that a joined file may have in its middle, and less than a tenth of a second's work.
const MAX_SEARCHED: u64 = 20 * 1024 * 1024;

/// Longest hole that becomes silence, in seconds. Beyond it a block's number lies.
const LONGEST_HOLE_S: u64 = 60;

/// What a file's header says, as far as it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct StreamInfo {
    pub(super) sample_rate: u32,
    pub(super) channels: u16,
    pub(super) bits: u32,
    pub(super) frames: u64,
}

impl StreamInfo {
    /// Reads the 34 bytes of the block (RFC 9639, section 8.2). Its sizes of blocks are left
    /// alone: the blocks themselves say theirs.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let about = u64::from_be_bytes(*body.get(10..)?.first_chunk()?);
        Some(Self {
            sample_rate: (about >> 44) as u32,
            channels: (about >> 41 & 7) as u16 + 1,
            bits: (about >> 36 & 31) as u32 + 1,
            frames: about & 0xf_ffff_ffff,
        })
    }

    /// The block as the library wants it, with room for any block of the stream.
    fn to_bytes(self) -> Box<[u8]> {
        let mut bytes = vec![0, 16, 0xff, 0xff];
        bytes.extend([0; 6]);
        let about = u64::from(self.sample_rate) << 44
            | u64::from(self.channels - 1) << 41
            | u64::from(self.bits - 1) << 36;
        bytes.extend(about.to_be_bytes());
        bytes.extend([0; 16]);
        bytes.into()
    }
}

/// Decodes blocks one by one, each as it says of itself.
pub(super) struct Blocks {
    info: StreamInfo,
    /// The mask of a tag, 0 where there is none.
    mask: u32,
    decoder: Option<(StreamInfo, Box<dyn AudioDecoder>)>,
}

impl Blocks {
    pub(super) fn new(info: StreamInfo, mask: u32) -> Self {
        Self { info, mask, decoder: None }
    }

    /// Appends what is in a block to `out`. False if it cannot be decoded.
    pub(super) fn decode(&mut self, header: &Header, bytes: &[u8], out: &mut Block) -> bool {
        let info = StreamInfo {
            sample_rate: header.sample_rate.unwrap_or(self.info.sample_rate),
            channels: header.channels,
            bits: header.bits.unwrap_or(self.info.bits),
            frames: 0,
        };
        if info.sample_rate == 0 || !(4..=32).contains(&info.bits) {
            return false;
        }
        let decoder = match &mut self.decoder {
            Some((current, decoder)) if *current == info => decoder,
            decoder => {
                let mut params = AudioCodecParameters::new();
                params.for_codec(CODEC_ID_FLAC).with_extra_data(info.to_bytes());
                let options = AudioDecoderOptions::default();
                let Ok(new) =
                    symphonia::default::get_codecs().make_audio_decoder(&params, &options)
                else {
                    return false;
                };
                &mut decoder.insert((info, new)).1
            }
        };
        let packet = Packet::new(0, Timestamp::ZERO, Duration::ZERO, bytes);
        let Ok(sound) = decoder.decode(&packet) else { return false };
        if sound.spec().channels().count() != usize::from(info.channels) {
            return false;
        }
        out.sample_rate = info.sample_rate;
        out.layout = Layout::from_mask(self.mask, info.channels);
        let mut samples = Vec::new();
        sound.copy_to_vec_interleaved(&mut samples);
        if samples.len() != usize::from(info.channels) * header.frames as usize {
            return false;
        }
        out.samples.append(&mut samples);
        true
    }
}

/// The sound of a FLAC file.
pub(super) struct Flac {
    input: Input,
    blocks: Blocks,
    /// The frame that is next, by the blocks' own numbers.
    next_frame: Option<u64>,
    /// Frames in every block but the last, where blocks count themselves and not their frames.
    block_frames: u64,
    /// Whether something was lost since the last good block.
    is_torn: bool,
    damaged: u64,
    searched: u64,
}

impl Flac {
    pub(super) fn open(mut input: Input) -> Result<Self, Fault> {
        let (info, mask) = read_metadata(&mut input)?;
        Ok(Self {
            input,
            blocks: Blocks::new(info, mask),
            next_frame: None,
            block_frames: 0,
            is_torn: false,
            damaged: 0,
            searched: 0,
        })
    }

    pub(super) fn into_input(self) -> Input {
        self.input
    }

    /// Frames from start to end, where the file says.
    pub(super) fn frames_total(&self) -> Option<u64> {
        Some(self.blocks.info.frames).filter(|frames| *frames > 0)
    }

    /// Holes between blocks so far.
    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    /// Decodes the next block. False at the end.
    pub(super) fn next(&mut self, block: &mut Block) -> Result<bool, Fault> {
        while self.searched < MAX_SEARCHED {
            let start = self.input.peek(frame::MAX_HEADER)?;
            if start.is_empty() {
                return Ok(false);
            }
            if let Some(header) = Header::parse(start)
                && self.decode(&header, block)?
            {
                return Ok(true);
            }
            // Not a block, or not a whole one: on to what may be the next.
            self.is_torn = true;
            let bytes = self.input.peek(frame::MAX_HEADER)?;
            let next = bytes[1..].iter().position(|byte| *byte == 0xff);
            let step = next.map_or(bytes.len(), |at| at + 1);
            self.input.consume(step);
            self.searched += step as u64;
        }
        Ok(false)
    }

    /// Decodes the block that begins here, if its end is found.
    fn decode(&mut self, header: &Header, block: &mut Block) -> Result<bool, Fault> {
        let most = header.most_bytes(self.blocks.info.bits);
        let bytes = self.input.peek(most + frame::MAX_HEADER)?;
        let mut crc = Crc16::default();
        // Where the checksum fits, though no block follows: behind the last one may stand anything.
        let mut ends = Vec::new();
        let mut end = None;
        for (at, byte) in bytes.iter().enumerate().take(most) {
            crc.push(*byte);
            if at < header.bytes || !crc.is_whole() {
                continue;
            }
            let rest = &bytes[at + 1..];
            if rest.is_empty() || Header::parse(rest).is_some() {
                end = Some(at + 1);
                break;
            }
            ends.push(at + 1);
        }
        let searched = end.unwrap_or_else(|| bytes.len().min(most));
        let start = block.samples.len();
        // A checksum of 16 bits fits by chance too; what it then cuts off cannot be decoded.
        for end in end.into_iter().chain(ends) {
            if self.blocks.decode(header, &bytes[..end], block) {
                self.input.consume(end);
                self.searched = 0;
                self.place(header, start, block);
                return Ok(true);
            }
        }
        self.searched += searched as u64;
        Ok(false)
    }

    /// Puts silence where blocks are missing before this one.
    fn place(&mut self, header: &Header, start: usize, block: &mut Block) {
        let frames = u64::from(header.frames);
        if header.counts_blocks {
            self.block_frames = self.block_frames.max(frames);
        }
        let unit = if header.counts_blocks { self.block_frames } else { 1 };
        let frame = header.number.saturating_mul(unit);
        let hole = self.next_frame.and_then(|next| frame.checked_sub(next)).unwrap_or(0);
        if self.is_torn && hole > 0 && hole <= LONGEST_HOLE_S * u64::from(block.sample_rate) {
            self.damaged += 1;
            let silence = hole as usize * usize::from(header.channels);
            block.samples.splice(start..start, std::iter::repeat_n(0.0, silence));
        }
        self.is_torn = false;
        self.next_frame = Some(frame + frames);
    }
}

/// Reads what stands in front of the sound: the description of the stream, and the mask of a tag.
fn read_metadata(input: &mut Input) -> Result<(StreamInfo, u32), Fault> {
    input.skip(4)?;
    let mut info = None;
    let mut mask = 0;
    for _ in 0..MAX_METADATA {
        let Some(&[kind, a, b, c]) = input.peek(4)?.first_chunk() else { break };
        if kind == 0xff {
            // Blocks have begun where more was announced.
            break;
        }
        input.consume(4);
        let size = u32::from_be_bytes([0, a, b, c]);
        match kind & 0x7f {
            0 => info = input.peek(STREAM_INFO)?.get(..STREAM_INFO).and_then(StreamInfo::parse),
            4 => {
                let want = MAX_COMMENTS.min(size as usize);
                let comments = input.peek(want)?;
                mask = channel_mask(&comments[..comments.len().min(want)]).unwrap_or(mask);
            }
            _ => {}
        }
        input.skip(size.into())?;
        if kind & 0x80 != 0 {
            break;
        }
    }
    let info = info.ok_or_else(|| Fault::Damaged("it ends before its sound begins".into()))?;
    believable(info.sample_rate, info.channels.into())?;
    Ok((info, mask))
}

/// The mask in `WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x…` (RFC 9639, section 8.6.2).
pub(super) fn channel_mask(comments: &[u8]) -> Option<u32> {
    const KEY: &[u8] = b"WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x";
    let at = comments.windows(KEY.len()).position(|text| text.eq_ignore_ascii_case(KEY))?;
    let rest = &comments[at + KEY.len()..];
    let digits = rest.iter().take(8).take_while(|digit| digit.is_ascii_hexdigit()).count();
    u32::from_str_radix(std::str::from_utf8(&rest[..digits]).ok()?, 16).ok()
}

#[cfg(test)]
mod tests;
