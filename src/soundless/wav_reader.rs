//! Reads WAV: 8 to 32-bit integers and floats, RIFF and RF64, cut off or not.
//!
//! Done here and not by symphonia because a recording of our own that has passed 4 GiB is RF64,
//! which it does not read, and because every field of the header is checked before it is used.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};

use byteorder::{ByteOrder, LittleEndian};

use crate::format::Format;
use crate::soundless::sound_file::{Fault, believable};

/// How much of a file [`is_wav`] wants to see.
pub(crate) const SIGNATURE_BYTES: usize = 12;

/// Most chunks before the sound. Real files have a handful; each costs a seek.
const MAX_CHUNKS: usize = 1_000;

/// Bytes converted at a time.
const BLOCK_BYTES: usize = 16 * 1024;

/// A 32-bit size that is not known, or stands in the `ds64` chunk.
const SIZE_IS_ELSEWHERE: u32 = u32::MAX;

/// Whether these first bytes are those of a WAV file.
pub(crate) fn is_wav(start: &[u8]) -> bool {
    start.len() >= SIGNATURE_BYTES
        && matches!(&start[..4], b"RIFF" | b"RF64" | b"BW64")
        && &start[8..12] == b"WAVE"
}

/// The sound of a WAV file.
#[derive(Debug)]
pub(crate) struct WavReader {
    file: BufReader<File>,
    layout: Layout,
    /// Where the sound starts in the file, in bytes.
    start: u64,
    frames_total: u64,
    frames_left: u64,
    block: Vec<u8>,
}

impl WavReader {
    pub(crate) fn open(file: File) -> Result<Self, Fault> {
        let length = file.metadata()?.len();
        let mut file = BufReader::with_capacity(BLOCK_BYTES, file);
        let (layout, start, end) = find_sound(&mut file, length)?;
        let frames_total = (end - start) / layout.frame_bytes() as u64;
        if frames_total == 0 {
            return Err(Fault::Damaged("it ends before its first sample".into()));
        }
        let block = vec![0; BLOCK_BYTES];
        Ok(Self { file, layout, start, frames_total, frames_left: frames_total, block })
    }

    pub(crate) fn format(&self) -> Format {
        self.layout.format
    }

    /// Frames that are really in the file, whatever its header says.
    pub(crate) fn frames_total(&self) -> u64 {
        self.frames_total
    }

    /// Fills whole interleaved frames; returns how many samples, 0 at the end.
    pub(crate) fn read(&mut self, out: &mut [f32]) -> Result<usize, Fault> {
        let frame_bytes = self.layout.frame_bytes();
        let frames_fit = self.layout.format.frames(out.len()).min(self.block.len() / frame_bytes);
        let frames = usize::try_from(self.frames_left).unwrap_or(usize::MAX).min(frames_fit);
        let bytes = &mut self.block[..frames * frame_bytes];
        match self.file.read_exact(bytes) {
            Ok(()) => {}
            // Somebody has shortened the file since it was opened.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.frames_left = 0;
                return Ok(0);
            }
            Err(error) => return Err(error.into()),
        }
        self.frames_left -= frames as u64;
        self.layout.encoding.decode(bytes, out);
        Ok(self.layout.format.samples(frames))
    }

    /// Goes back to the first frame.
    pub(crate) fn restart(&mut self) -> Result<(), Fault> {
        self.file.seek(SeekFrom::Start(self.start))?;
        self.frames_left = self.frames_total;
        Ok(())
    }
}

/// How the bytes of the sound become frames.
#[derive(Debug, Clone, Copy)]
struct Layout {
    format: Format,
    encoding: Encoding,
}

impl Layout {
    /// Most bytes of a format chunk that mean something here.
    const BYTES: u64 = 40;

    /// Reads the body of a format chunk.
    fn parse(body: &[u8]) -> Result<Self, Fault> {
        if body.len() < 16 {
            return Err(Fault::Damaged("its format is cut off".into()));
        }
        let channels = LittleEndian::read_u16(&body[2..]);
        let format = believable(LittleEndian::read_u32(&body[4..]), usize::from(channels))?;
        let frame_bytes = LittleEndian::read_u16(&body[12..]);
        let bits = LittleEndian::read_u16(&body[14..]);
        let tag = match LittleEndian::read_u16(body) {
            // "Extensible": the tag proper follows, and the bits are those of the container.
            0xfffe if body.len() >= 26 => LittleEndian::read_u16(&body[24..]),
            tag => tag,
        };
        let sample_bytes = frame_bytes / channels;
        if frame_bytes % channels != 0 || bits == 0 || bits.div_ceil(8) != sample_bytes {
            return Err(Fault::Damaged(format!(
                "its header claims {bits} bits a sample, and {frame_bytes} bytes for {channels} of them"
            )));
        }
        let encoding = match (tag, sample_bytes) {
            (1, 1) => Encoding::Unsigned8,
            (1, 2) => Encoding::Signed16,
            (1, 3) => Encoding::Signed24,
            (1, 4) => Encoding::Signed32,
            (3, 4) => Encoding::Float32,
            (3, 8) => Encoding::Float64,
            _ => {
                return Err(Fault::Unknown(format!(
                    "it is a WAV file, but with sound of kind {tag} in {bits} bits, which is not \
                     known here"
                )));
            }
        };
        Ok(Self { format, encoding })
    }

    /// Bytes of a frame, never 0.
    fn frame_bytes(self) -> usize {
        usize::from(self.format.channels) * self.encoding.bytes()
    }
}

#[derive(Debug, Clone, Copy)]
enum Encoding {
    Unsigned8,
    Signed16,
    Signed24,
    Signed32,
    Float32,
    Float64,
}

impl Encoding {
    /// Bytes of a sample.
    fn bytes(self) -> usize {
        match self {
            Self::Unsigned8 => 1,
            Self::Signed16 => 2,
            Self::Signed24 => 3,
            Self::Signed32 | Self::Float32 => 4,
            Self::Float64 => 8,
        }
    }

    /// Turns bytes into samples: an integer of n bits is divided by 2^(n − 1), which is exact up
    /// to 24 bits.
    fn decode(self, bytes: &[u8], out: &mut [f32]) {
        let samples = bytes.chunks_exact(self.bytes()).zip(out);
        match self {
            Self::Unsigned8 => samples.for_each(|(b, s)| *s = (f32::from(b[0]) - 128.0) / 128.0),
            Self::Signed16 => samples.for_each(|(b, s)| {
                *s = f32::from(LittleEndian::read_i16(b)) / 32_768.0;
            }),
            Self::Signed24 => samples.for_each(|(b, s)| {
                *s = LittleEndian::read_i24(b) as f32 / 8_388_608.0;
            }),
            Self::Signed32 => samples.for_each(|(b, s)| {
                *s = LittleEndian::read_i32(b) as f32 / 2_147_483_648.0;
            }),
            Self::Float32 => samples.for_each(|(b, s)| *s = LittleEndian::read_f32(b)),
            Self::Float64 => samples.for_each(|(b, s)| *s = LittleEndian::read_f64(b) as f32),
        }
    }
}

/// Walks the chunks up to the sound and leaves the file there. Returns how it is laid out and
/// where it starts and ends, in bytes; the end is within the file.
fn find_sound(file: &mut BufReader<File>, length: u64) -> Result<(Layout, u64, u64), Fault> {
    let mut signature = [0; SIGNATURE_BYTES];
    file.read_exact(&mut signature)?;
    let riff_end = u64::from(LittleEndian::read_u32(&signature[4..])) + 8;
    let mut position = SIGNATURE_BYTES as u64;
    let mut layout = None;
    let mut long_size = None;
    for _ in 0..MAX_CHUNKS {
        if length.saturating_sub(position) < 8 {
            return Err(Fault::Damaged("it ends before its sound begins".into()));
        }
        file.seek(SeekFrom::Start(position))?;
        let mut head = [0; 8];
        file.read_exact(&mut head)?;
        let size = LittleEndian::read_u32(&head[4..]);
        position += 8;
        let left = length.saturating_sub(position);
        if head.starts_with(b"data") {
            let layout: Layout =
                layout.ok_or_else(|| Fault::Damaged("its sound comes before its format".into()))?;
            // A recorder that was stopped hard leaves sizes that end with the header.
            let unfinished = size == 0 && riff_end <= position;
            let size = match size {
                SIZE_IS_ELSEWHERE => long_size.unwrap_or(left),
                _ if unfinished => left,
                _ => u64::from(size),
            };
            return Ok((layout, position, position + size.min(left)));
        }
        let size = u64::from(size);
        if size > left {
            return Err(Fault::Damaged("a part of it is larger than the whole".into()));
        }
        if head.starts_with(b"fmt ") {
            layout = Some(Layout::parse(&read_body(file, size)?)?);
        } else if head.starts_with(b"ds64") {
            long_size = read_body(file, size)?.get(8..16).map(LittleEndian::read_u64);
        }
        position += size + size % 2;
    }
    Err(Fault::Damaged("it has too many parts and no sound among the first of them".into()))
}

/// The first bytes of a chunk's body of `size` bytes.
fn read_body(file: &mut BufReader<File>, size: u64) -> Result<Vec<u8>, Fault> {
    let mut body = vec![0; size.min(Layout::BYTES) as usize];
    file.read_exact(&mut body)?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::soundless::scratch::Scratch;

    fn opened(bytes: &[u8]) -> Result<WavReader, Fault> {
        let scratch = Scratch::new();
        let path = scratch.path("a.wav");
        std::fs::write(&path, bytes).unwrap();
        WavReader::open(File::open(path).unwrap())
    }

    fn all(reader: &mut WavReader) -> Vec<f32> {
        let mut samples = Vec::new();
        let mut part = vec![0.0; reader.format().samples(700)];
        loop {
            match reader.read(&mut part).unwrap() {
                0 => return samples,
                got => samples.extend(&part[..got]),
            }
        }
    }

    fn played(bytes: &[u8]) -> Vec<f32> {
        all(&mut opened(bytes).unwrap())
    }

    fn refusal(bytes: &[u8]) -> String {
        match opened(bytes).unwrap_err() {
            Fault::Damaged(why) | Fault::Unknown(why) => why,
            Fault::Io(error) => panic!("{error}"),
        }
    }

    fn made_by_hound(bits: u16, samples: &[i32]) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 44_100,
            bits_per_sample: bits,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for sample in samples {
            writer.write_sample(*sample).unwrap();
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    /// A 16-bit stereo file with one frame for each of `frames`, its header 44 bytes.
    fn plain(frames: i16) -> Vec<u8> {
        let mut bytes = b"RIFF....WAVEfmt \x10\0\0\0\x01\0\x02\0".to_vec();
        bytes.extend(48_000_u32.to_le_bytes());
        bytes.extend(192_000_u32.to_le_bytes());
        bytes.extend([4, 0, 16, 0]);
        bytes.extend(b"data");
        bytes.extend((u32::try_from(frames).unwrap() * 4).to_le_bytes());
        for n in 0..frames {
            bytes.extend([n.to_le_bytes(), (-n).to_le_bytes()].concat());
        }
        let riff = (bytes.len() as u32 - 8).to_le_bytes();
        bytes[4..8].copy_from_slice(&riff);
        bytes
    }

    fn with(mut bytes: Vec<u8>, at: usize, patch: &[u8]) -> Vec<u8> {
        bytes[at..at + patch.len()].copy_from_slice(patch);
        bytes
    }

    #[test]
    fn integers_of_every_width_come_out_exactly() {
        for bits in [8_u16, 16, 24, 32] {
            let full = 1_i64 << (bits - 1);
            let samples: Vec<i32> = [-full, -full + 1, -1, 0, 1, full / 3, full - 2, full - 1]
                .map(|sample| i32::try_from(sample).unwrap())
                .to_vec();
            let expected: Vec<f32> = samples.iter().map(|s| (*s as f32) / full as f32).collect();
            let mut reader = opened(&made_by_hound(bits, &samples)).unwrap();
            assert_eq!(reader.format(), Format { sample_rate: 44_100, channels: 2 });
            assert_eq!(reader.frames_total(), 4);
            assert_eq!(all(&mut reader), expected, "{bits} bits");
        }
    }

    #[test]
    fn doubles_are_played_too() {
        let mut bytes = with(plain(8), 20, &[3, 0]);
        bytes[32..36].copy_from_slice(&[16, 0, 64, 0]);
        bytes.truncate(44);
        for sample in [0.25_f64, -0.75] {
            bytes.extend(sample.to_le_bytes());
        }
        assert_eq!(played(&bytes), [0.25, -0.75]);
    }

    #[test]
    fn twelve_bits_in_sixteen_are_read_as_sixteen() {
        assert_eq!(played(&with(plain(9), 34, &[12])), played(&plain(9)));
    }

    #[test]
    fn a_file_that_is_cut_off_plays_what_is_there() {
        let whole = played(&plain(1_000));
        assert_eq!(whole.len(), 2_000);
        let bytes = plain(1_000);
        for kept in [48, 49, 50, 51, 52, 1_000, 2_047, 4_043] {
            let frames = (kept - 44) / 4;
            assert_eq!(played(&bytes[..kept]), whole[..2 * frames], "{kept} bytes");
        }
    }

    #[test]
    fn what_a_recorder_left_unfinished_plays_to_the_end_of_the_file() {
        let whole = played(&plain(100));
        let sizes = |riff: u32, data: u32| {
            with(with(plain(100), 4, &riff.to_le_bytes()), 40, &data.to_le_bytes())
        };
        assert_eq!(played(&sizes(0, 0)), whole);
        assert_eq!(played(&sizes(36, 0)), whole);
        assert_eq!(played(&sizes(u32::MAX, u32::MAX)), whole);
        assert_eq!(played(&sizes(0, 400)), whole);
    }

    #[test]
    fn other_chunks_are_stepped_over() {
        let bytes = plain(10);
        let mut with_more = bytes[..12].to_vec();
        with_more.extend(b"LIST\x03\0\0\0abc\0");
        with_more.extend(&bytes[12..36]);
        with_more.extend(b"fact\x04\0\0\0\xff\xff\xff\xff");
        with_more.extend(&bytes[36..]);
        with_more.extend(b"LIST\x04\0\0\0tail");
        assert_eq!(played(&with_more), played(&bytes));
    }

    #[test]
    fn a_header_that_lies_is_refused_with_what_it_claims() {
        for (at, patch, why) in [
            (24, &[0; 4][..], "its header claims 0 samples a second"),
            (24, &[255; 4], "its header claims 4294967295 samples a second"),
            (22, &[0; 2], "its header claims 0 channels"),
            (22, &[255; 2], "its header claims 65535 channels"),
            (32, &[0; 2], "its header claims 16 bits a sample, and 0 bytes for 2 of them"),
            (34, &[0; 2], "its header claims 0 bits a sample, and 4 bytes for 2 of them"),
            (34, &[255; 2], "its header claims 65535 bits a sample, and 4 bytes for 2 of them"),
            (16, &[2], "its format is cut off"),
            (12, b"junk", "its sound comes before its format"),
            (16, &[0, 0, 0, 255], "a part of it is larger than the whole"),
            (36, b"junk", "it ends before its sound begins"),
            (20, &[0x55, 0], "with sound of kind 85 in 16 bits"),
        ] {
            let refusal = refusal(&with(plain(10), at, patch));
            assert!(refusal.contains(why), "{refusal}");
        }
        for kept in [12, 20, 40, 44, 47] {
            refusal(&plain(10)[..kept]);
        }
    }

    #[test]
    fn endless_chunks_are_given_up() {
        let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
        bytes.extend(b"junk\0\0\0\0".repeat(MAX_CHUNKS + 1));
        assert!(refusal(&bytes).starts_with("it has too many parts"));
    }

    proptest! {
        #[test]
        fn no_header_makes_more_of_a_file_than_there_is(
            damage in proptest::collection::vec((12..60_usize, any::<u8>()), 1..6),
        ) {
            let mut bytes = plain(20);
            for (at, value) in damage {
                bytes[at] = value;
            }
            if let Ok(mut reader) = opened(&bytes) {
                prop_assert!(all(&mut reader).len() <= bytes.len());
            }
        }
    }
}
