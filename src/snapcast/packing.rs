//! How sound is packed for snapclients: chunk by chunk, from chunks of 16 bits.

use std::borrow::Cow;

use byteorder::{ByteOrder, LittleEndian};

use super::message;
use crate::format::Format;
use crate::recording::{flac_frame, flac_header};

/// Bytes of a sample that comes: an integer of 16 bits.
const SAMPLE: usize = 2;

/// Which of Snapcast's codecs is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum SnapCodec {
    /// Samples as they are.
    #[default]
    Pcm,
    /// Samples in about half the bytes, none of them changed.
    Flac,
}

/// What all snapclients of a server get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    codec: SnapCodec,
    /// Of what comes.
    format: Format,
    /// Frames of a chunk.
    chunk: u32,
}

impl Packing {
    /// A packing for chunks of so many frames.
    #[must_use]
    pub fn new(codec: SnapCodec, format: Format, chunk: u32) -> Self {
        Self { codec, format, chunk }
    }

    /// The format of what comes.
    #[must_use]
    pub fn given(&self) -> Format {
        self.format
    }

    /// Whether so many frames can be a chunk: no more than were told of.
    #[must_use]
    pub fn takes(&self, frames: u32) -> bool {
        (1..=self.chunk).contains(&frames)
    }

    /// The format that snapclients are told. One channel becomes two: small players know nothing else.
    #[must_use]
    pub fn told(&self) -> Format {
        Format { channels: self.format.channels.max(2), ..self.format }
    }

    /// What a client is told before any sound.
    #[must_use]
    pub fn header(&self, now_us: u64) -> Vec<u8> {
        match self.codec {
            SnapCodec::Pcm => {
                message::codec_header("pcm", &message::wave_header(self.told()), now_us)
            }
            SnapCodec::Flac => {
                let header = flac_header(self.told(), self.chunk as usize, 0, 16);
                message::codec_header("flac", &header, now_us)
            }
        }
    }

    /// A chunk that begins at that position and was captured then.
    #[must_use]
    pub fn chunk(&self, payload: &[u8], position: u64, captured_us: u64, now_us: u64) -> Vec<u8> {
        let sound: Cow<'_, [u8]> = match self.codec {
            SnapCodec::Pcm if self.format.channels > 1 => payload.into(),
            SnapCodec::Pcm => {
                payload.chunks_exact(SAMPLE).flat_map(|one| [one, one].concat()).collect()
            }
            SnapCodec::Flac => {
                let number = position / u64::from(self.chunk.max(1));
                flac_frame(number, &self.channels(payload), 16).into()
            }
        };
        message::chunk(&sound, captured_us, now_us)
    }

    fn channels(&self, payload: &[u8]) -> Vec<Vec<i32>> {
        let there = usize::from(self.format.channels.max(1));
        let samples = payload.chunks_exact(SAMPLE).map(LittleEndian::read_i16).map(i32::from);
        (0..usize::from(self.told().channels))
            .map(|channel| samples.clone().skip(channel % there).step_by(there).collect())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use crate::snapcast::message::HEADER;
    use crate::soundless::Generator;
    use crate::source::Kind;

    const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };
    const MONO: Format = Format { channels: 1, ..STEREO };
    const CHUNK: u32 = 480;

    /// Samples of which each is another, and both channels too.
    fn samples(format: Format, chunks: usize) -> Vec<i16> {
        let count = CHUNK as usize * chunks * usize::from(format.channels);
        (0..count).map(|at| (at as i16).wrapping_mul(73)).collect()
    }

    fn bytes(samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
    }

    #[test]
    fn samples_go_as_they_are_and_one_channel_goes_as_two() {
        let pcm = |format| Packing::new(SnapCodec::Pcm, format, CHUNK);
        assert_eq!((pcm(MONO).told(), pcm(STEREO).told()), (STEREO, STEREO));
        assert_eq!(pcm(STEREO).chunk(&[1, 2, 3, 4], 0, 0, 0)[34..], [4, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!(
            pcm(MONO).chunk(&[1, 2, 3, 4], 0, 0, 0)[34..],
            [8, 0, 0, 0, 1, 2, 1, 2, 3, 4, 3, 4]
        );
    }

    #[test]
    fn flac_holds_the_very_samples_wherever_a_client_joins() {
        for (format, first) in [(STEREO, 0), (STEREO, 100_000), (MONO, 7)] {
            let packing = Packing::new(SnapCodec::Flac, format, CHUNK);
            let given = samples(format, 20);
            let mut file = packing.header(0)[HEADER + 12..].to_vec();
            let length = CHUNK as usize * usize::from(format.channels);
            for (number, chunk) in given.chunks(length).enumerate() {
                let position = (first + number as u64) * u64::from(CHUNK);
                file.extend_from_slice(
                    &packing.chunk(&bytes(chunk), position, 0, 0)[HEADER + 12..],
                );
            }
            let scratch = Scratch::new();
            let path = scratch.path("heard.flac");
            std::fs::write(&path, file).unwrap();
            let mut sound = Generator::open(&Kind::File(path), false, STEREO).unwrap();
            let (mut heard, mut part) = (Vec::new(), vec![0.0; 960]);
            while let frames @ 1.. = sound.read(&mut part).unwrap() {
                heard.extend(part[..frames * 2].iter().map(|sample| (sample * 32_768.0) as i16));
            }
            let wanted: Vec<i16> = match format {
                MONO => given.iter().flat_map(|sample| [*sample; 2]).collect(),
                _ => given,
            };
            assert_eq!(heard, wanted, "{first}");
        }
    }
}
