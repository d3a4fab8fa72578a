//! What the servers of one room say to each other, before it is sealed.

use serde::{Deserialize, Serialize};

use super::people;
use super::sealed::Backbone;
use crate::codec::opus::Layout;
use crate::codec::{Codec, MAX_CODECS};
use crate::format::{Format, MAX_STREAM_CHANNELS, MAX_STREAM_RATE, hex, printable_name};
use crate::wire::{
    AUDIO_HEADER, MAX_ALGORITHMIC_DELAY, MAX_AUDIO_PAYLOAD, MAX_NAME, MAX_NAME_BYTES, Pong,
    sessions,
};

/// The newest version of what is said here. Servers of another one hear that from each other, and no more.
pub const VERSION: u32 = 1;

/// Longest playout delay, in ms: what presets allow.
const LONGEST_DELAY_MS: u32 = 10_000;

/// The longest of what is said in words, in bytes: a stream with the longest name and the most codecs.
pub const MOST_TEXT: u64 = 4_096;

/// Bytes before a frame of sound that is for one person: their number at the edge, and the index of its codec.
pub const OWN_HEADER: usize = 5;

/// What is said of, as the engine knows it.
#[derive(Debug)]
pub struct Subjects {
    /// What the origin sends, once a second and whenever it changes.
    pub stream: String,
    /// What an edge wants to have, as long as it says so.
    pub want: String,
    /// The origin's clock is asked for.
    pub time: String,
    /// Sound that an edge has missed is asked for.
    pub past: String,
    /// Who is at an edge where people may speak.
    pub people: String,
    /// What somebody at an edge says.
    pub voice: String,
    /// Who is anywhere in the room.
    pub everybody: String,
    /// A codec's sound, by [`Codec::index`].
    pub audio: [String; Codec::COUNT],
    own: String,
}

impl Subjects {
    /// Those of a room.
    #[must_use]
    pub fn new(backbone: &Backbone) -> Self {
        // A colon is for an address, and a dot for what lies below.
        let audio = |codec: Codec| format!("audio.{}", codec.to_string().replace(':', "-"));
        Self {
            stream: backbone.subject("stream"),
            want: backbone.subject("want"),
            time: backbone.subject("time"),
            past: backbone.subject("past"),
            people: backbone.subject("people"),
            voice: backbone.subject("voice"),
            everybody: backbone.subject("everybody"),
            own: backbone.subject("own"),
            audio: Codec::all().map(|codec| backbone.subject(&audio(codec))),
        }
    }

    /// Sound for single people at the edge with that run.
    #[must_use]
    pub fn own(&self, run: u64) -> String {
        format!("{}.{}", self.own, hex(&run.to_be_bytes()))
    }
}

/// What an origin sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// The version that it speaks.
    pub version: u32,
    /// Its run: another one is another stream, with other positions and another clock.
    pub session: String,
    /// What people call it.
    pub name: String,
    /// Frames per second.
    pub sample_rate: u32,
    /// Samples per frame.
    pub channels: u16,
    /// Frames in a chunk of everything but Opus.
    pub chunk_size: u32,
    /// How long after its capture a sample is heard, in ms, and the capture time from which that holds, in µs.
    pub playout_delay_ms: u32,
    /// See above.
    pub delay_from_us: u64,
    /// Frames of 48 kHz in a packet of Opus, and by how many decoded sound lags.
    pub opus_frames: u32,
    /// See above.
    pub opus_delay: u32,
    /// Codecs that an edge may want, the best first.
    pub codecs: Vec<String>,
    /// Whether people may speak, at edges too.
    #[serde(default)]
    pub talk: bool,
    /// The sessions of servers that the sound comes through before it is the origin's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
}

impl Stream {
    /// Reads what an origin says.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let mut stream: Self = serde_json::from_slice(json).map_err(|e| e.to_string())?;
        if stream.version != VERSION {
            return Err(format!(
                "it speaks version {} of the way between servers, and this one {VERSION}: both must be the \
                 same version of AuraLync",
                stream.version
            ));
        }
        stream.name = printable_name(&stream.name, MAX_NAME, MAX_NAME_BYTES);
        stream.codecs.truncate(MAX_CODECS);
        stream.via = sessions(stream.via);
        let bytes = u64::from(stream.chunk_size) * u64::from(stream.channels) * 4;
        let is_session = |c: char| c.is_ascii_hexdigit();
        let is_right = (1..=MAX_STREAM_RATE).contains(&stream.sample_rate)
            && (1..=MAX_STREAM_CHANNELS).contains(&stream.channels)
            && (1..=MAX_AUDIO_PAYLOAD as u64).contains(&bytes)
            && (1..=LONGEST_DELAY_MS).contains(&stream.playout_delay_ms)
            && [120, 240, 480, 960, 1920, 2880].contains(&stream.opus_frames)
            && stream.opus_delay <= MAX_ALGORITHMIC_DELAY
            && stream.session.len() == 16
            && stream.session.chars().all(is_session);
        if is_right { Ok(stream) } else { Err("it says of its stream what cannot be".to_owned()) }
    }

    /// An ordinary one, for tests and what fuzzes.
    #[doc(hidden)]
    #[must_use]
    pub fn example() -> Self {
        Self {
            version: VERSION,
            session: "0123456789abcdef".to_owned(),
            name: "Cinema".to_owned(),
            sample_rate: 48_000,
            channels: 2,
            chunk_size: 480,
            playout_delay_ms: 300,
            delay_from_us: 0,
            opus_frames: 960,
            opus_delay: 312,
            codecs: vec![Codec::Int16.to_string()],
            talk: true,
            via: Vec::new(),
        }
    }

    /// The longest message of it, in bytes, before it is sealed.
    #[must_use]
    pub fn longest(&self) -> u64 {
        let chunk = u64::from(self.chunk_size) * u64::from(self.channels) * 4;
        let text = if self.talk { people::MOST_BYTES as u64 } else { MOST_TEXT };
        (OWN_HEADER + AUDIO_HEADER) as u64 + chunk.max(text)
    }

    /// Rate and channels.
    #[must_use]
    pub fn format(&self) -> Format {
        Format { sample_rate: self.sample_rate, channels: self.channels }
    }

    /// How its Opus is cut.
    #[must_use]
    pub fn opus(&self) -> Layout {
        Layout { frames: self.opus_frames, delay: self.opus_delay, is_constant: false }
    }
}

/// What an edge wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// Codecs whose sound it needs.
    pub codecs: Vec<String>,
    /// What people call it.
    pub name: String,
    /// How many listen there.
    pub listeners: u32,
}

impl Want {
    /// Reads what an edge says. `None` where it is no such thing.
    #[must_use]
    pub fn read(json: &[u8]) -> Option<Self> {
        let mut want: Self = serde_json::from_slice(json).ok()?;
        want.codecs.truncate(MAX_CODECS);
        want.name = printable_name(&want.name, MAX_NAME, MAX_NAME_BYTES);
        Some(want)
    }

    /// The codecs that there are among those that it names.
    pub fn known(&self) -> impl Iterator<Item = Codec> {
        self.codecs.iter().filter_map(|name| Codec::parse(name))
    }
}

/// What an edge has missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past {
    /// In which codec.
    pub codec: String,
    /// What was captured from then on, in µs of the origin's clock.
    pub from_us: u64,
    /// What was for this person alone, by their number at the edge; `None` for what everybody gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<u32>,
}

impl Past {
    /// Reads what an edge says. `None` where it is no such thing.
    #[must_use]
    pub fn read(json: &[u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }
}

/// A question for the origin's clock: a number, and when it was asked, in µs of who asks; 8 bytes each, big-endian.
#[must_use]
pub fn question(number: u64, client_us: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    bytes[8..].copy_from_slice(&client_us.to_be_bytes());
    bytes
}

/// The origin's answer: the question, when it was read, and when this was said, in µs of the origin. `None` where
/// that is no question.
#[must_use]
pub fn answer(question: &[u8], received_us: u64, sent_us: u64) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    bytes[..16].copy_from_slice(question.first_chunk::<16>().filter(|_| question.len() == 16)?);
    bytes[16..24].copy_from_slice(&received_us.to_be_bytes());
    bytes[24..].copy_from_slice(&sent_us.to_be_bytes());
    Some(bytes)
}

/// What an answer says, with the number of its question. `None` where it is none.
#[must_use]
pub fn read_answer(bytes: &[u8]) -> Option<(u64, Pong)> {
    let bytes: &[u8; 32] = bytes.try_into().ok()?;
    let number = |at: usize| bytes[at..].first_chunk().map(|eight| u64::from_be_bytes(*eight));
    let pong = Pong { client_us: number(8)?, received_us: number(16)?, sent_us: number(24)? };
    Some((number(0)?, pong))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure::Key;

    fn read(stream: &Stream) -> Result<Stream, String> {
        Stream::read(&serde_json::to_vec(stream).unwrap())
    }

    #[test]
    fn what_an_origin_says_is_read_as_it_was_said() {
        assert_eq!(read(&Stream::example()), Ok(Stream::example()));
        let many = Stream { codecs: vec!["f32".to_owned(); 1_000], ..Stream::example() };
        assert_eq!(read(&many).unwrap().codecs.len(), MAX_CODECS);
        let long = Stream { name: "x".repeat(10_000), ..Stream::example() };
        assert!(read(&long).unwrap().name.len() <= MAX_NAME_BYTES);
    }

    #[test]
    fn a_stream_that_cannot_be_is_refused() {
        for wrong in [
            Stream { sample_rate: 0, ..Stream::example() },
            Stream { channels: 0, ..Stream::example() },
            Stream { channels: u16::MAX, ..Stream::example() },
            Stream { chunk_size: u32::MAX, ..Stream::example() },
            Stream { playout_delay_ms: 0, ..Stream::example() },
            Stream { playout_delay_ms: u32::MAX, ..Stream::example() },
            Stream { opus_frames: 7, ..Stream::example() },
            Stream { opus_delay: u32::MAX, ..Stream::example() },
            Stream { session: "../../etc/passwd".to_owned(), ..Stream::example() },
            Stream { session: "é".repeat(8), ..Stream::example() },
        ] {
            assert_eq!(read(&wrong), Err("it says of its stream what cannot be".to_owned()));
        }
        let other = read(&Stream { version: 2, ..Stream::example() }).unwrap_err();
        assert!(other.contains("version 2") && other.contains("this one 1"), "{other}");
        assert!(Stream::read(b"[]").is_err());
    }

    #[test]
    fn a_clocks_answer_holds_its_question() {
        let asked = question(7, 1_000);
        let said = answer(&asked, 2_000, 3_000).unwrap();
        let pong = Pong { client_us: 1_000, received_us: 2_000, sent_us: 3_000 };
        assert_eq!(read_answer(&said), Some((7, pong)));
        assert_eq!(answer(&asked[..15], 0, 0), None);
        assert_eq!(answer(&said, 0, 0), None);
        assert_eq!(read_answer(&asked), None);
    }

    #[test]
    fn every_codec_has_a_subject_of_its_own_without_dots_that_others_mean() {
        let backbone = Backbone::new(&Key::new([7; 32]));
        let above = backbone.subject("");
        let mut subjects = Subjects::new(&backbone).audio.to_vec();
        subjects.sort();
        subjects.dedup();
        assert_eq!(subjects.len(), Codec::COUNT);
        let mut below = subjects.iter().map(|subject| subject.strip_prefix(&above).unwrap());
        assert!(below.all(|subject| subject.matches('.').count() == 1));
    }
}
