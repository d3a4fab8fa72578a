//! What is said when listeners speak: that one wants to, its sound, its wishes, who is there.
//!
//! A talk frame's body is an audio frame's, so [`AudioHeader`](super::AudioHeader) reads it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::json::{json, json_frame, json_within};
use super::{
    AUDIO_HEADER, AudioHeader, MAX_ALGORITHMIC_DELAY, MAX_CLIENT_FRAME, MAX_NAME, MAX_NAME_BYTES,
    PLAIN_HEADER, Violation, header_bytes, kind, typed,
};
use crate::codec::{Codec, opus};
use crate::format::{Format, MAX_STREAM_CHANNELS, printable, printable_name};

/// Longest talk frame (kind and body) that a server takes, in bytes: no longer than a client's
/// other frames, so that who talks makes the server hold no more than who listens.
pub const MAX_TALK_BYTES: usize = MAX_CLIENT_FRAME;

/// Lowest rate of a microphone's sound, in Hz: a telephone's.
pub const LOWEST_TALK_RATE: u32 = 8_000;

/// How loud people are unless a listener wishes otherwise, in percent.
pub const USUAL_PERCENT: u16 = 100;

/// Highest rate of a microphone's sound, in Hz: nothing that is said goes beyond it.
pub const HIGHEST_TALK_RATE: u32 = 48_000;

/// What a listener may turn another person up to, in percent.
pub const MAX_VOLUME_PERCENT: u16 = 200;

/// Most people in a list of who is there; those who can talk come first.
pub const MAX_PEOPLE: usize = 128;

/// Longest list of people (kind and body) that a client takes, in bytes: `MAX_PEOPLE` of the longest
/// names fit.
pub const MAX_PEOPLE_BYTES: usize = 65_536;

/// Flag bit 1 of a talk frame: the last one before a silence.
pub const FLAG_LAST: u8 = 2;

/// Flag bit 2 of a talk frame: it was captured before the talker was known to speak, and held until
/// then. How late it comes says nothing of the way.
pub const FLAG_HELD: u8 = 4;

/// In a hello: this client wants to speak, and how its sound is packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Microphone {
    /// `opus`, `s16`, `s24` or `f32`.
    pub codec: String,
    /// Frames per second; Opus counts at 48,000.
    pub rate: u32,
    /// Samples per frame: 1 or 2.
    pub channels: u16,
    /// Frames at `rate` by which decoded sound lags its positions.
    #[serde(default)]
    pub algorithmic_delay: u32,
}

impl Microphone {
    /// Rate and channels, where a server can take such sound; `None` where it cannot.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        let codec = Codec::parse(&self.codec).filter(|codec| codec.name() == self.codec)?;
        let rate_fits = match codec {
            Codec::Opus(_) => self.rate == opus::RATE,
            _ => (LOWEST_TALK_RATE..=HIGHEST_TALK_RATE).contains(&self.rate),
        };
        let fits = rate_fits
            && (1..=MAX_STREAM_CHANNELS).contains(&self.channels)
            && self.algorithmic_delay <= MAX_ALGORITHMIC_DELAY;
        fits.then_some(Format { sample_rate: self.rate, channels: self.channels })
    }
}

/// A whole talk frame. `None` for a payload that makes it longer than [`MAX_TALK_BYTES`].
#[must_use]
pub fn talk_frame(header: AudioHeader, payload: &[u8]) -> Option<Vec<u8>> {
    let length = AUDIO_HEADER - PLAIN_HEADER + payload.len();
    (length <= MAX_TALK_BYTES).then(|| {
        let mut bytes = vec![0; AUDIO_HEADER];
        header_bytes(&mut bytes, kind::TALK, header, payload.len());
        bytes.extend_from_slice(payload);
        bytes
    })
}

/// Client → server: what a listener changes about itself. What is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Wish {
    /// What the person wants to be called from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether nobody hears its microphone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub muted: Option<bool>,
    /// Whether it has turned its own sound off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deaf: Option<bool>,
    /// How loud it wants to hear other people, by their numbers, in percent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<u32, u16>,
}

impl Wish {
    /// Reads a wish's body. The name comes out fit to print and of bounded length, an empty one as
    /// none; volumes within 0…200, for [`MAX_PEOPLE`] people at most.
    ///
    /// # Errors
    /// [`Violation::Unreadable`] if it is no wish.
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        let mut wish: Self = json("wish", body)?;
        let name = wish.name.map(|name| printable_name(&name, MAX_NAME, MAX_NAME_BYTES));
        wish.name = name.filter(|name| !name.is_empty());
        let volumes = wish.volumes.into_iter().take(MAX_PEOPLE);
        wish.volumes = volumes.map(|(who, to)| (who, to.min(MAX_VOLUME_PERCENT))).collect();
        Ok(wish)
    }

    /// The whole typed frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        json_frame(kind::WISH, self)
    }
}

/// Server → client: who is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct People {
    /// The number of the person that this is told.
    pub you: u32,
    /// Everybody, those who can talk first.
    pub people: Vec<Person>,
    /// How many more listen by way of other servers, without a name here.
    #[serde(default, skip_serializing_if = "is_nobody")]
    pub elsewhere: u32,
}

fn is_nobody(count: &u32) -> bool {
    *count == 0
}

/// One person in [`People`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// A number that is theirs for this run of the server, reconnections included.
    pub person: u32,
    /// What they want to be called.
    #[serde(default)]
    pub name: String,
    /// Whether they have a microphone that the server lets speak.
    #[serde(default)]
    pub can_talk: bool,
    /// Whether nobody hears that microphone.
    #[serde(default)]
    pub is_muted: bool,
    /// Whether they have turned their own sound off.
    #[serde(default)]
    pub is_deaf: bool,
    /// Whether they speak now.
    #[serde(default)]
    pub is_speaking: bool,
}

impl Person {
    /// What to call them, who need not have a name.
    #[must_use]
    pub fn label(&self) -> String {
        if self.name.is_empty() { format!("listener {}", self.person) } else { self.name.clone() }
    }
}

impl People {
    /// Reads a list's body. Names come out fit to print and of bounded length, and no more than
    /// [`MAX_PEOPLE`] of them.
    ///
    /// # Errors
    /// [`Violation::Unreadable`] if it is no list of people.
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        let mut people: Self = json_within(MAX_PEOPLE_BYTES, "list of people", body)?;
        people.people.truncate(MAX_PEOPLE);
        for person in &mut people.people {
            person.name = printable(&person.name, MAX_NAME);
        }
        Ok(people)
    }

    /// The whole typed frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        Self::frame_around(self.you, &Self::list(&self.people), self.elsewhere)
    }

    /// The list alone, for many [frames](Self::frame_around) that differ in who reads them.
    #[must_use]
    pub fn list(people: &[Person]) -> String {
        // Our own structs of numbers and texts always serialise.
        serde_json::to_string(people).unwrap_or_default()
    }

    /// The whole typed frame for person number `you` around a [list](Self::list), where so many more listen
    /// `elsewhere`.
    #[must_use]
    pub fn frame_around(you: u32, list: &str, elsewhere: u32) -> Vec<u8> {
        let elsewhere =
            if elsewhere > 0 { format!(",\"elsewhere\":{elsewhere}") } else { String::new() };
        typed(kind::PEOPLE, format!("{{\"you\":{you},\"people\":{list}{elsewhere}}}").as_bytes())
    }
}

/// Server → client: what has changed since the last list of people, or since the last of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Those who have come, or of whom something is different.
    #[serde(default)]
    pub people: Vec<Person>,
    /// Those who have left, by number.
    #[serde(default)]
    pub left: Vec<u32>,
}

impl Changes {
    /// Reads the body of what has changed. Names come out fit to print and of bounded length, and no
    /// more than [`MAX_PEOPLE`] of them.
    ///
    /// # Errors
    /// [`Violation::Unreadable`] if it is nothing of the kind.
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        let mut changes: Self = json_within(MAX_PEOPLE_BYTES, "change of people", body)?;
        changes.people.truncate(MAX_PEOPLE);
        changes.left.truncate(MAX_PEOPLE);
        for person in &mut changes.people {
            person.name = printable(&person.name, MAX_NAME);
        }
        Ok(changes)
    }

    /// The whole typed frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        json_frame(kind::CHANGES, self)
    }

    /// Whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.people.is_empty() && self.left.is_empty()
    }
}

impl People {
    /// Makes `changes` to this list, which stays within [`MAX_PEOPLE`].
    pub fn change(&mut self, changes: Changes) {
        let is_new = |who: u32| changes.people.iter().any(|person| person.person == who);
        self.people.retain(|old| !changes.left.contains(&old.person) && !is_new(old.person));
        self.people.extend(changes.people);
        self.sort();
    }

    /// Puts those first who can talk, then who came first, and keeps as many as a list has.
    pub fn sort(&mut self) {
        self.people.sort_by_key(|person| (!person.can_talk, person.person));
        self.people.truncate(MAX_PEOPLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn microphone(codec: &str, rate: u32, channels: u16) -> Microphone {
        Microphone { codec: codec.into(), rate, channels, algorithmic_delay: 120 }
    }

    #[test]
    fn a_microphone_is_taken_only_with_sound_that_can_be_decoded_and_mixed() {
        for (codec, rate, channels) in
            [("opus", 48_000, 1), ("s16", 8_000, 2), ("s24", 44_100, 1), ("f32", 48_000, 2)]
        {
            let format = microphone(codec, rate, channels).format();
            assert_eq!(format, Some(Format { sample_rate: rate, channels }));
        }
        for (codec, rate, channels) in [
            ("opus", 44_100, 1),
            ("opus:64", 48_000, 1),
            ("mp3", 48_000, 1),
            ("", 48_000, 1),
            ("s16", 7_999, 1),
            ("s16", 48_001, 1),
            ("s16", 0, 1),
            ("s16", 48_000, 0),
            ("s16", 48_000, 3),
        ] {
            assert_eq!(microphone(codec, rate, channels).format(), None, "{codec} {rate}");
        }
        let late = Microphone { algorithmic_delay: u32::MAX, ..microphone("s16", 48_000, 1) };
        assert_eq!(late.format(), None);
    }

    #[test]
    fn a_talk_frame_is_never_longer_than_a_server_takes() {
        let header = AudioHeader { flags: FLAG_LAST, frames: 480, position: 7, captured_us: 9 };
        let most = MAX_TALK_BYTES + PLAIN_HEADER - AUDIO_HEADER;
        let frame = talk_frame(header, &vec![1; most]).unwrap();
        assert_eq!(frame.len(), PLAIN_HEADER + MAX_TALK_BYTES);
        assert_eq!(AudioHeader::split(&frame[5..]).unwrap().0, header);
        assert_eq!(talk_frame(header, &vec![1; most + 1]), None);
    }

    #[test]
    fn a_wish_for_a_name_of_ten_kilobytes_or_with_escapes_becomes_harmless() {
        let wish = Wish { name: Some(format!("\u{1b}[2J{}", "x".repeat(3000))), ..Wish::default() };
        let name = Wish::read(&wish.frame()[5..]).unwrap().name.unwrap();
        assert!(name.starts_with("[2Jx") && name.chars().count() == MAX_NAME);
        for nothing in ["", "\u{1b}", "\u{202e}\r\n"] {
            let wish = Wish { name: Some(nothing.into()), ..Wish::default() };
            assert_eq!(Wish::read(&wish.frame()[5..]), Ok(Wish::default()), "{nothing:?}");
        }
    }

    #[test]
    fn volumes_stay_in_their_range_and_have_a_bound() {
        let all = (0..400).map(|who| format!("\"{who}\":65535")).collect::<Vec<_>>().join(",");
        let wish = Wish::read(format!("{{\"volumes\":{{{all}}}}}").as_bytes()).unwrap();
        assert_eq!(wish.volumes.len(), MAX_PEOPLE);
        assert!(wish.volumes.values().all(|percent| *percent == MAX_VOLUME_PERCENT));
        for wrong in [r#"{"1":-1}"#, r#"{"1":65536}"#, r#"{"me":50}"#, r#"{"-1":50}"#, "[]"] {
            assert!(Wish::read(format!("{{\"volumes\":{wrong}}}").as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_longest_list_of_people_fits_its_limit() {
        let person = Person {
            person: u32::MAX,
            name: "\u{1f600}".repeat(MAX_NAME),
            can_talk: false,
            is_muted: false,
            is_deaf: false,
            is_speaking: false,
        };
        let people = vec![person.clone(); MAX_PEOPLE];
        let people = People { you: u32::MAX, people, elsewhere: u32::MAX };
        assert!(people.frame().len() <= PLAIN_HEADER + MAX_PEOPLE_BYTES);
        assert_eq!(People::read(&people.frame()[5..]), Ok(people));
        let short = Person { name: String::new(), ..person };
        let more = People { you: 1, people: vec![short; MAX_PEOPLE + 1], elsewhere: 0 };
        assert_eq!(People::read(&more.frame()[5..]).map(|read| read.people.len()), Ok(MAX_PEOPLE));
    }
}
