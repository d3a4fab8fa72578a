//! How samples are packed: what each codec is called, how it is chosen, and its bytes.
//!
//! Pure: no I/O and no clock. A server encodes once for each codec in use, so there is a fixed set
//! of them: Opus comes at a few bitrates, and a wish for another gets the nearest.

mod fault;
mod offer;
pub mod opus;
pub mod pcm;

pub use fault::Fault;
pub use offer::Offers;

use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Serialize, Serializer};

/// Bitrates that Opus is encoded at, in kbit/s. Each in use costs an encoder.
pub const BITRATES: [u16; 5] = [64, 96, 128, 192, 256];

/// Opus at this many kbit/s, unless somebody says otherwise.
pub const DEFAULT_KBPS: u16 = 128;

/// Codecs of a hello that are looked at, the best first.
pub const MAX_CODECS: usize = 16;

/// Opus at this many kbit/s for one voice, unless somebody says otherwise: it is transparent.
const VOICE_KBPS: u16 = 64;

/// The first word of a hello's list with which a listener leaves the choice to the server.
pub const AUTO: &str = "auto";

/// One way to pack sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Interleaved little-endian float32, as captured.
    Float32,
    /// Interleaved little-endian 24-bit integers, three bytes each.
    Int24,
    /// Interleaved little-endian 16-bit integers, dithered.
    Int16,
    /// Opus at one of [`BITRATES`], by its index.
    Opus(Bitrate),
}

/// One of [`BITRATES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bitrate(usize);

impl Bitrate {
    /// The one nearest to `kbps`.
    #[must_use]
    pub fn nearest(kbps: u16) -> Self {
        let apart = |index: &usize| BITRATES[*index].abs_diff(kbps);
        Self((0..BITRATES.len()).min_by_key(apart).unwrap_or(0))
    }

    /// The bitrate in kbit/s.
    #[must_use]
    pub fn kbps(self) -> u16 {
        BITRATES[self.0]
    }
}

impl Default for Bitrate {
    fn default() -> Self {
        Self::nearest(DEFAULT_KBPS)
    }
}

/// What stands for a codec in a list: `f32`, `s24`, `s16`, `opus`, or `opus:KBPS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Word {
    codec: Codec,
    /// Whether the bitrate was named.
    is_exact: bool,
}

impl Word {
    /// `None` for a codec that does not exist, or at a bitrate that cannot be.
    fn parse(text: &str) -> Option<Self> {
        let plain = |codec| Some(Self { codec, is_exact: false });
        match text {
            "f32" => plain(Codec::Float32),
            "s24" => plain(Codec::Int24),
            "s16" => plain(Codec::Int16),
            "opus" => plain(Codec::Opus(Bitrate::default())),
            _ => {
                let digits = text.strip_prefix("opus:")?;
                let kbps: u16 = digits.parse().ok().filter(|_| !digits.starts_with('+'))?;
                let (lowest, highest) = (BITRATES[0], BITRATES[BITRATES.len() - 1]);
                (lowest..=highest)
                    .contains(&kbps)
                    .then(|| Self { codec: Codec::Opus(Bitrate::nearest(kbps)), is_exact: true })
            }
        }
    }
}

impl Codec {
    /// How many there are: each has its own log of frames.
    pub const COUNT: usize = 3 + BITRATES.len();

    /// All of them, by [`index`](Self::index).
    #[must_use]
    pub fn all() -> [Self; Self::COUNT] {
        std::array::from_fn(|index| match index {
            0 => Self::Float32,
            1 => Self::Int24,
            2 => Self::Int16,
            index => Self::Opus(Bitrate(index - 3)),
        })
    }

    /// Its number, below [`COUNT`](Self::COUNT).
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Float32 => 0,
            Self::Int24 => 1,
            Self::Int16 => 2,
            Self::Opus(bitrate) => 3 + bitrate.0,
        }
    }

    /// Its name in a welcome.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "f32",
            Self::Int24 => "s24",
            Self::Int16 => "s16",
            Self::Opus(_) => "opus",
        }
    }

    /// The codec that `text` names, as in a hello: Opus with or without its bitrate.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Word::parse(text).map(|word| word.codec)
    }

    /// The codec that `text` names for one voice, as in `--talk-codec`: `opus` alone takes fewer bits
    /// than for music.
    #[must_use]
    pub fn parse_for_voice(text: &str) -> Option<Self> {
        match text {
            "opus" => Some(Self::Opus(Bitrate::nearest(VOICE_KBPS))),
            text => Self::parse(text),
        }
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Opus(bitrate) => f.pad(&format!("opus:{}", bitrate.kbps())),
            codec => f.pad(codec.name()),
        }
    }
}

impl Serialize for Codec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What a listener of ours says in its hello: `first` (a codec, or [`AUTO`]), then all else that it
/// plays, so that a server that does not allow the first has something to choose from.
#[must_use]
pub fn wishes(first: &str) -> Vec<String> {
    let name = Codec::parse(first).map(Codec::name);
    let others = ["f32", "s24", "s16", "opus"].into_iter().filter(|other| Some(*other) != name);
    std::iter::once(first).chain(others).map(str::to_owned).collect()
}

/// The codecs that somebody uses at the moment, in whole frames or in pieces: the network loop says,
/// the encoders look.
#[derive(Debug, Default)]
pub struct InUse {
    frames: AtomicU32,
    pieces: AtomicU32,
    /// Those that others than listeners use.
    tapped: AtomicU32,
}

impl InUse {
    /// Notes that one more listener uses `codec`.
    pub fn add(&self, codec: Codec) {
        self.frames.fetch_or(1 << codec.index(), Ordering::Relaxed);
    }

    /// Notes that one more listener uses pieces of `codec`.
    pub fn add_pieces(&self, codec: Codec) {
        self.pieces.fetch_or(1 << codec.index(), Ordering::Relaxed);
    }

    /// Exactly these are used.
    pub fn set(&self, codecs: impl Iterator<Item = Codec>) {
        self.frames.store(mask(codecs), Ordering::Relaxed);
    }

    /// Pieces of exactly these are used.
    pub fn set_pieces(&self, codecs: impl Iterator<Item = Codec>) {
        self.pieces.store(mask(codecs), Ordering::Relaxed);
    }

    /// Others than listeners use exactly these, a bit for each.
    pub(crate) fn set_tapped(&self, codecs: u32) {
        self.tapped.store(codecs, Ordering::Relaxed);
    }

    /// Whether anybody uses it.
    #[must_use]
    pub fn contains(&self, codec: Codec) -> bool {
        let used = self.frames.load(Ordering::Relaxed) | self.tapped.load(Ordering::Relaxed);
        used & (1 << codec.index()) != 0
    }

    /// Whether anybody uses pieces of it.
    #[must_use]
    pub fn contains_pieces(&self, codec: Codec) -> bool {
        self.pieces.load(Ordering::Relaxed) & (1 << codec.index()) != 0
    }

    /// Whether anybody uses it, whole or in pieces: a packet of Opus is both.
    #[must_use]
    pub fn contains_either(&self, codec: Codec) -> bool {
        self.contains(codec) || self.contains_pieces(codec)
    }
}

/// A bit for each of these codecs.
pub(crate) fn mask(codecs: impl Iterator<Item = Codec>) -> u32 {
    codecs.fold(0, |mask, codec| mask | 1 << codec.index())
}

/// Whether a payload can hold `frames` frames, as far as that can be told without decoding it.
///
/// # Errors
/// The [`Fault`] if it cannot.
pub fn check_payload(
    codec: Codec,
    payload: &[u8],
    frames: u32,
    channels: u16,
) -> Result<(), Fault> {
    match codec {
        Codec::Float32 => pcm::check_length(payload, frames, channels, 4),
        Codec::Int24 => pcm::check_length(payload, frames, channels, 3),
        Codec::Int16 => pcm::check_length(payload, frames, channels, 2),
        Codec::Opus(_) => opus::check_packet(payload, frames),
    }
}

/// Turns payloads of one codec into samples.
#[derive(Debug)]
pub enum Decoder {
    /// See [`Codec::Float32`].
    Float32,
    /// See [`Codec::Int24`].
    Int24,
    /// See [`Codec::Int16`].
    Int16,
    /// See [`Codec::Opus`].
    Opus(Box<opus::Decoder>),
}

impl Decoder {
    /// A decoder for the codec that a welcome names; `None` for one that does not exist.
    #[must_use]
    pub fn new(name: &str, channels: u16) -> Option<Self> {
        match name {
            "f32" => Some(Self::Float32),
            "s24" => Some(Self::Int24),
            "s16" => Some(Self::Int16),
            "opus" => opus::Decoder::new(channels).map(|decoder| Self::Opus(Box::new(decoder))),
            _ => None,
        }
    }

    /// Reads a payload of `frames` frames into `out` (cleared first). Every sample comes out safe
    /// to compute with.
    ///
    /// # Errors
    /// A [`Fault`] for a payload that cannot hold as many frames. An Opus packet that
    /// cannot be decoded is concealed instead.
    pub fn decode(
        &mut self,
        payload: &[u8],
        frames: u32,
        channels: u16,
        out: &mut Vec<f32>,
    ) -> Result<(), Fault> {
        match self {
            Self::Float32 => pcm::read_float32(payload, frames, channels, out),
            Self::Int24 => pcm::read_int24(payload, frames, channels, out),
            Self::Int16 => pcm::read_int16(payload, frames, channels, out),
            Self::Opus(decoder) => decoder.decode(payload, frames, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_codec_has_a_number_of_its_own_and_is_known_by_its_name() {
        for (index, codec) in Codec::all().into_iter().enumerate() {
            assert_eq!(codec.index(), index);
            assert_eq!(Codec::parse(&codec.to_string()), Some(codec));
            assert!(Decoder::new(codec.name(), 2).is_some());
        }
    }

    #[test]
    fn opus_comes_at_the_nearest_bitrate_there_is() {
        for (wish, gets) in [("opus", 128), ("opus:64", 64), ("opus:100", 96), ("opus:256", 256)] {
            assert_eq!(Codec::parse(wish).unwrap().to_string(), format!("opus:{gets}"));
        }
        for wrong in ["opus:63", "opus:257", "opus:", "opus:+96", "opus:1e2", "mp3", "F32", "auto"]
        {
            assert_eq!(Codec::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn opus_for_one_voice_takes_fewer_bits_than_for_music() {
        assert_eq!(Codec::parse_for_voice("opus"), Codec::parse("opus:64"));
        assert_eq!(Codec::parse_for_voice("opus:96"), Codec::parse("opus:96"));
        assert_eq!(Codec::parse_for_voice("s16"), Some(Codec::Int16));
        for wrong in ["auto", "mp3"] {
            assert_eq!(Codec::parse_for_voice(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_listener_of_ours_names_its_wish_first_and_then_all_it_plays() {
        assert_eq!(wishes("auto"), ["auto", "f32", "s24", "s16", "opus"]);
        assert_eq!(wishes("opus:96"), ["opus:96", "f32", "s24", "s16"]);
    }

    #[test]
    fn nothing_is_in_use_until_somebody_uses_it() {
        let in_use = InUse::default();
        assert!(Codec::all().into_iter().all(|codec| !in_use.contains(codec)));
        in_use.add(Codec::Int16);
        assert!(in_use.contains(Codec::Int16) && !in_use.contains(Codec::Float32));
        in_use.set([Codec::Float32].into_iter());
        assert!(in_use.contains(Codec::Float32) && !in_use.contains(Codec::Int16));
        in_use.add_pieces(Codec::Int16);
        assert!(!in_use.contains(Codec::Int16) && in_use.contains_either(Codec::Int16));
        in_use.set_pieces(std::iter::empty());
        assert!(!in_use.contains_either(Codec::Int16) && in_use.contains(Codec::Float32));
    }
}
