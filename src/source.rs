//! What a server sends: the `--source` spec,
//! `KIND[:NAME][,level=-6dB][,muted][,pan=-0.5][,loudness=-23][,loop][,ch=1+2]`.
//!
//! Only the trailing words are taken off the end, so a NAME may hold commas, colons and `@`. A
//! name that itself ends in one of the words cannot be written.

mod order;
mod room_name;

pub use order::SourceOrder;
pub use room_name::RoomName;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::{Error, Result, home};

/// Level changes that a source takes, in dB: below it nothing is heard, above it everything clips.
pub const LEVEL_DB: std::ops::RangeInclusive<f32> = -96.0..=24.0;

/// Sides that a source can stand on: left, right, and between.
pub const PAN: std::ops::RangeInclusive<f32> = -1.0..=1.0;

/// Loudness that a source can be brought to, in LUFS: from a whisper to louder than any record.
pub const LOUDNESS_LUFS: std::ops::RangeInclusive<f32> = -50.0..=-5.0;

/// How far a source steps back for voices at most, in dB: then it is not heard.
pub const MOST_DUCK_DB: u8 = 60;

/// Most sources of a server. Each costs a thread.
pub const MAX_SOURCES: usize = 128;

/// Frequencies that `tone` plays, in Hz: what people hear.
pub const TONE_HZ: std::ops::RangeInclusive<f64> = 20.0..=20_000.0;

/// The frequency of `tone` without a number, in Hz: concert pitch.
pub const DEFAULT_TONE_HZ: f64 = 440.0;

/// The name of a file that stands for what is piped into this program.
pub(crate) const PIPE: &str = "-";

/// Where a file's name is not UTF-8, each byte that is none stands in a spec as the character that
/// is so far behind this one: the last of Unicode, which have no meaning.
const BYTE_BASE: u32 = 0x10_ff00;

const SPEC: &str = "Write KIND[:NAME][,level=-6dB][,muted][,pan=-0.5][,loudness=-23][,loop]\
                    [,ch=1+2], where KIND is \
                    loopback (what this PC plays), loopback:OUTPUT, device:INPUT, file:PATH, \
                    file:- (what is piped in), \
                    auralync:HOST (what another server sends), \
                    engine:ROOM (the same by way of an engine), \
                    tone, tone:HZ or none. --list-devices shows what can stand for OUTPUT and INPUT";

/// One thing to send, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Where the sound comes from.
    pub kind: Kind,
    /// Change of level in dB, within [`LEVEL_DB`]; 0 leaves the sound as it is.
    pub level_db: f32,
    /// Whether it starts silent.
    pub muted: bool,
    /// Where it stands between left (−1) and right (1), within [`PAN`].
    pub pan: f32,
    /// The loudness that it is brought to before its level, in LUFS, within [`LOUDNESS_LUFS`].
    pub loudness_lufs: Option<f32>,
    /// Whether a file starts again at its end.
    pub looped: bool,
    /// The two input channels to take as left and right, counted from 1; `None` mixes all down.
    pub channels: Option<(u16, u16)>,
}

/// Where sound comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// What this PC plays: on the output of that name or id, or on the default one.
    Loopback(Option<String>),
    /// An input of that name or id.
    Device(String),
    /// A sound file; `-` is what is piped into this program.
    File(PathBuf),
    /// A sine.
    Tone {
        /// Frequency in Hz, within [`TONE_HZ`].
        hz: f64,
    },
    /// Nothing: silence.
    None,
    /// What another server sends to the room of that name, by way of an engine.
    Engine(RoomName),
    /// What another server sends: a host, with a port or without, or the name of a server on the network.
    Auralync(String),
    /// What a program pushes that has this library in it; nobody can type it.
    Pushed,
}

impl From<Kind> for Source {
    /// The source of that kind, with all of its channels, at its own level.
    fn from(kind: Kind) -> Self {
        Self {
            kind,
            level_db: 0.0,
            muted: false,
            pan: 0.0,
            loudness_lufs: None,
            looped: false,
            channels: None,
        }
    }
}

impl Default for Source {
    /// What this PC plays.
    fn default() -> Self {
        Kind::Loopback(None).into()
    }
}

impl FromStr for Source {
    type Err = Error;

    /// Reads a `--source` spec.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for an unknown kind, a missing name, a level, frequency or channel pair
    /// that is none, a word given twice, and words that the kind cannot take.
    fn from_str(spec: &str) -> Result<Self> {
        let (kind, words) = split_words(spec);
        let mut source = Self::from(kind.parse::<Kind>().map_err(|why| wrong(spec, &why))?);
        let mut seen = Vec::new();
        for word in words {
            let key = word.split('=').next().unwrap_or(word).to_ascii_lowercase();
            if seen.contains(&key) {
                return Err(wrong(spec, &format!("“{key}” stands there twice")));
            }
            source.apply(word).map_err(|why| wrong(spec, &why))?;
            seen.push(key);
        }
        Ok(source)
    }
}

impl Source {
    fn apply(&mut self, word: &str) -> std::result::Result<(), String> {
        match (word.to_ascii_lowercase().as_str(), &self.kind) {
            (_, Kind::Engine(_)) => {
                return Err("a room's sound comes from an engine as it is".to_owned());
            }
            ("muted", _) => self.muted = true,
            ("loop", Kind::File(path)) if path.as_os_str() == PIPE => {
                return Err("what is piped in can be heard once only".to_owned());
            }
            ("loop", Kind::File(_)) => self.looped = true,
            ("loop", _) => return Err("only a file can be played in a loop".to_owned()),
            (word, kind) => match word.split_once('=') {
                Some(("level", level)) => self.level_db = parse_level(level)?,
                Some(("pan", pan)) => self.pan = parse_pan(pan)?,
                Some(("loudness", lufs)) => self.loudness_lufs = Some(parse_loudness(lufs)?),
                Some(("ch", _)) if matches!(kind, Kind::Tone { .. } | Kind::None) => {
                    return Err("it has no channels to choose from".to_owned());
                }
                Some(("ch", _)) if matches!(kind, Kind::Auralync(_)) => {
                    return Err("the other server has chosen among its channels".to_owned());
                }
                Some(("ch", pair)) => self.channels = Some(parse_channels(pair)?),
                _ => return Err(format!("“{word}” is unknown")),
            },
        }
        Ok(())
    }
}

impl fmt::Display for Source {
    /// The spec that reads back as this source.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        if self.level_db != 0.0 {
            write!(f, ",level={}dB", self.level_db)?;
        }
        if self.muted {
            f.write_str(",muted")?;
        }
        if self.pan != 0.0 {
            write!(f, ",pan={}", self.pan)?;
        }
        if let Some(lufs) = self.loudness_lufs {
            write!(f, ",loudness={lufs}")?;
        }
        if self.looped {
            f.write_str(",loop")?;
        }
        if let Some((left, right)) = self.channels {
            write!(f, ",ch={left}+{right}")?;
        }
        Ok(())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(spec: &str) -> std::result::Result<Self, String> {
        let (kind, name) = match spec.split_once(':') {
            Some((kind, name)) => (kind, Some(name)),
            None => (spec, None),
        };
        if name.is_some_and(|name| name.trim().is_empty()) {
            return Err(format!("nothing follows “{kind}:”"));
        }
        match (kind.to_ascii_lowercase().as_str(), name) {
            ("loopback", name) => Ok(Self::Loopback(name.map(str::to_owned))),
            ("device", Some(name)) => Ok(Self::Device(name.to_owned())),
            ("file", Some(path)) => Ok(Self::File(home::in_home(path, typed_path))),
            ("device" | "file", None) => Err(format!("“{kind}” needs a name: {kind}:NAME")),
            ("tone", hz) => Ok(Self::Tone { hz: hz.map_or(Ok(DEFAULT_TONE_HZ), parse_hz)? }),
            ("engine", Some(room)) => room.parse().map(Self::Engine),
            ("engine", None) => Err("“engine” needs a room: engine:ROOM".to_owned()),
            ("auralync", Some(host)) => Ok(Self::Auralync(host.trim().to_owned())),
            ("auralync", None) => Err("“auralync” needs a host: auralync:HOST".to_owned()),
            ("none", None) => Ok(Self::None),
            ("none", Some(_)) => Err("“none” takes no name".to_owned()),
            _ => Err(format!("there is no kind of source “{kind}”")),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loopback(None) => f.write_str("loopback"),
            Self::Loopback(Some(name)) => write!(f, "loopback:{name}"),
            Self::Device(name) => write!(f, "device:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Tone { hz } => write!(f, "tone:{hz}"),
            Self::None => f.write_str("none"),
            Self::Engine(room) => write!(f, "engine:{room}"),
            Self::Auralync(host) => write!(f, "auralync:{host}"),
            Self::Pushed => f.write_str("pushed"),
        }
    }
}

/// A `--source` spec as it was typed: a file's name need not be UTF-8.
#[must_use]
pub fn spec_from_os(spec: OsString) -> String {
    spec.into_string().unwrap_or_else(|spec| {
        let mut text = String::new();
        for chunk in spec.as_encoded_bytes().utf8_chunks() {
            text.push_str(chunk.valid());
            let byte = |byte: &u8| char::from_u32(BYTE_BASE + u32::from(*byte));
            text.extend(chunk.invalid().iter().filter_map(byte));
        }
        text
    })
}

/// A path, with the bytes that [`spec_from_os`] has kept.
fn typed_path(path: &str) -> PathBuf {
    let byte =
        |c: char| u32::from(c).checked_sub(BYTE_BASE).and_then(|byte| u8::try_from(byte).ok());
    #[cfg(unix)]
    if path.chars().any(|c| byte(c).is_some()) {
        use std::os::unix::ffi::OsStringExt;

        let mut bytes = Vec::new();
        for c in path.chars() {
            match byte(c) {
                Some(byte) => bytes.push(byte),
                None => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        return OsString::from_vec(bytes).into();
    }
    let _ = byte;
    path.into()
}

/// Takes words off the end until something is none; returns what is left and the words, in order.
fn split_words(spec: &str) -> (&str, Vec<&str>) {
    let mut rest = spec;
    let mut words = Vec::new();
    while let Some((before, last)) = rest.rsplit_once(',') {
        let last = last.trim();
        if !is_word(last) {
            break;
        }
        words.push(last);
        rest = before;
    }
    words.reverse();
    (rest, words)
}

/// A mistyped `level=` or `ch=` counts: as part of a name it would surprise more than an error.
fn is_word(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    matches!(text.as_str(), "muted" | "loop")
        || ["level=", "pan=", "loudness=", "ch="].iter().any(|word| text.starts_with(word))
}

/// A level as it is written, in lower case: `-6` or `-6db`.
pub(crate) fn parse_level(text: &str) -> std::result::Result<f32, String> {
    let number = text.strip_suffix("db").unwrap_or(text).trim();
    number.parse().ok().filter(|level| LEVEL_DB.contains(level)).ok_or_else(|| {
        format!(
            "“{text}” is not a level between {} and {} dB, such as -6dB",
            LEVEL_DB.start(),
            LEVEL_DB.end()
        )
    })
}

/// A place between left and right as it is written.
pub(crate) fn parse_pan(text: &str) -> std::result::Result<f32, String> {
    text.trim().parse().ok().filter(|pan| PAN.contains(pan)).ok_or_else(|| {
        format!("“{text}” is not a place between -1 (left) and 1 (right), such as pan=0.5")
    })
}

fn parse_loudness(text: &str) -> std::result::Result<f32, String> {
    let number = text.strip_suffix("lufs").unwrap_or(text).trim();
    number.parse().ok().filter(|lufs| LOUDNESS_LUFS.contains(lufs)).ok_or_else(|| {
        format!(
            "“{text}” is not a loudness between {} and {} LUFS, such as loudness=-23",
            LOUDNESS_LUFS.start(),
            LOUDNESS_LUFS.end()
        )
    })
}

fn parse_hz(text: &str) -> std::result::Result<f64, String> {
    let lower = text.to_ascii_lowercase();
    let number = lower.strip_suffix("hz").unwrap_or(&lower).trim();
    number.parse().ok().filter(|hz| TONE_HZ.contains(hz)).ok_or_else(|| {
        format!(
            "“{text}” is not a frequency between {} and {} Hz, such as tone:440",
            TONE_HZ.start(),
            TONE_HZ.end()
        )
    })
}

fn parse_channels(text: &str) -> std::result::Result<(u16, u16), String> {
    let number = |part: &str| part.trim().parse().ok().filter(|&channel| channel >= 1);
    text.split_once('+')
        .and_then(|(left, right)| Some((number(left)?, number(right)?)))
        .ok_or_else(|| format!("“{text}” is not two channels counted from 1, such as ch=1+2"))
}

fn wrong(spec: &str, why: &str) -> Error {
    let clean = |text| crate::format::printable(text, 200);
    Error::usage(format!("source “{}”: {}", clean(spec), clean(why)), SPEC)
}

#[cfg(test)]
mod tests;
