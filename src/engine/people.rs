//! Who is at the servers of a room, as these tell each other where people speak.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::codec::Codec;
use crate::format::printable_name;
use crate::wire::{MAX_NAME, MAX_NAME_BYTES, MAX_PEOPLE, MAX_VOLUME_PERCENT, Microphone, Person};

/// Longest of what is told of people at a time, in bytes: engines take 65,536 with what is around it.
pub const MOST_BYTES: usize = 48 * 1024;

/// Most people of an edge of whom an origin is told: those who can talk, and those who hear a mix of their own. With
/// the longest names and [`MOST_VOLUMES`] each they fit in a message.
pub const MOST_FAR: usize = 32;

/// Most volumes that are told of each of them.
pub const MOST_VOLUMES: usize = 32;

/// Numbers of people at an origin are below this: an edge's own and its numbers for people elsewhere lie above.
const END_OF_NUMBERS: u32 = 1 << 31;

/// Longest name of a program's run, in bytes.
const MOST_ID_BYTES: usize = 64;

/// One who is at an edge, as that tells the origin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarPerson {
    /// Their number at the edge.
    pub person: u32,
    /// A number for their connection there: another one means that sound begins anew.
    pub connection: u64,
    /// What their program calls itself.
    pub id: String,
    /// What they want to be called.
    pub name: String,
    /// How the mix for them is packed.
    pub codec: String,
    /// How what they say is packed, if they may speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub microphone: Option<Microphone>,
    /// Whether nobody shall hear them.
    #[serde(default)]
    pub is_muted: bool,
    /// Whether they have turned their own sound off.
    #[serde(default)]
    pub is_deaf: bool,
    /// How loud they want to hear others, by the origin's numbers, in percent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<u32, u16>,
}

/// Those at an edge who speak, or wish to hear others softer or louder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FarPeople {
    /// At most [`MOST_FAR`], each with at most [`MOST_VOLUMES`].
    pub people: Vec<FarPerson>,
}

impl FarPeople {
    /// Reads what an edge says. Names come out fit to print and of bounded length, volumes in their range. `None`
    /// where it is no such thing.
    #[must_use]
    pub fn read(json: &[u8]) -> Option<Self> {
        let mut said: Self = read(json)?;
        said.people.truncate(MOST_FAR);
        for one in &mut said.people {
            one.name = printable_name(&one.name, MAX_NAME, MAX_NAME_BYTES);
            one.id = printable_name(&one.id, MOST_ID_BYTES, MOST_ID_BYTES);
            let volumes = std::mem::take(&mut one.volumes).into_iter().take(MOST_VOLUMES);
            one.volumes = volumes.map(|(who, to)| (who, to.min(MAX_VOLUME_PERCENT))).collect();
        }
        Some(said)
    }

    /// What is said of them, without the last ones where it would be longer than [`MOST_BYTES`].
    #[must_use]
    pub fn json(mut self) -> Vec<u8> {
        self.people.truncate(MOST_FAR);
        said(&mut self, |said| said.people.pop().is_some())
    }
}

impl FarPerson {
    /// How the mix for them is packed, where that is a codec that there is.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        Codec::parse(&self.codec)
    }
}

/// One who is anywhere in the room, as the origin tells its edges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// They, by their number at the origin.
    #[serde(flatten)]
    pub who: Person,
    /// Where they are; `None` of those at the origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
}

/// At which edge somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// The edge's run.
    pub run: u64,
    /// Their number there.
    pub person: u32,
    /// The number of their connection there.
    pub connection: u64,
}

/// Everybody in the room: those who can talk by their names, the rest as a number.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Everybody {
    /// Those who can talk, and those at edges who would.
    pub people: Vec<Known>,
    /// How many listen at the origin and at all edges.
    pub listening: u64,
    /// Most people who may talk at a time, in the whole room.
    pub most_talkers: u32,
}

impl Everybody {
    /// Reads what an origin says. Names come out fit to print and of bounded length. `None` where it is no such
    /// thing.
    #[must_use]
    pub fn read(json: &[u8]) -> Option<Self> {
        let mut said: Self = read(json)?;
        said.people.retain(|one| one.who.person < END_OF_NUMBERS);
        said.people.truncate(MAX_PEOPLE);
        for Known { who, .. } in &mut said.people {
            who.name = printable_name(&who.name, MAX_NAME, MAX_NAME_BYTES);
        }
        Some(said)
    }

    /// What is said of them, those who can talk first, and without the last ones where it would be longer than
    /// [`MOST_BYTES`].
    #[must_use]
    pub fn json(mut self) -> Vec<u8> {
        self.people.sort_by_key(|one| !one.who.can_talk);
        self.people.truncate(MAX_PEOPLE);
        said(&mut self, |said| said.people.pop().is_some())
    }
}

fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    if json.len() > MOST_BYTES { None } else { serde_json::from_slice(json).ok() }
}

/// JSON of `what`, made shorter by `shorten` until it is no longer than may be, or cannot be any shorter.
fn said<T: Serialize>(what: &mut T, shorten: impl Fn(&mut T) -> bool) -> Vec<u8> {
    loop {
        // Structs of texts and numbers cannot fail to be JSON.
        let json = serde_json::to_vec(what).unwrap_or_default();
        if json.len() <= MOST_BYTES || !shorten(what) {
            return json;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn far(person: u32, name: &str) -> FarPerson {
        FarPerson {
            person,
            connection: 1,
            id: "0123456789abcdef".to_owned(),
            name: name.to_owned(),
            codec: "opus:128".to_owned(),
            microphone: None,
            is_muted: false,
            is_deaf: true,
            volumes: BTreeMap::from([(7, 50)]),
        }
    }

    fn known(person: u32, name: &str) -> Known {
        let who = Person {
            person,
            name: name.to_owned(),
            can_talk: true,
            is_muted: false,
            is_deaf: false,
            is_speaking: true,
        };
        Known { who, at: Some(At { run: u64::MAX, person: 3, connection: 1 }) }
    }

    #[test]
    fn what_servers_say_of_people_is_read_as_it_was_said() {
        let people = FarPeople { people: vec![far(1, "Ann"), far(2, "Bob")] };
        assert_eq!(FarPeople::read(&people.clone().json()), Some(people));
        let everybody = Everybody {
            people: vec![known(1, "Ann")],
            listening: 3_000_000_000_000,
            most_talkers: 16,
        };
        assert_eq!(Everybody::read(&everybody.clone().json()), Some(everybody));
    }

    #[test]
    fn more_people_than_a_message_holds_are_told_as_far_as_it_goes() {
        let name = "\u{1f600}".repeat(MAX_NAME_BYTES / 4);
        let people = vec![known(1, &name); 5_000];
        let everybody = Everybody { people, listening: 5_000, most_talkers: 16 };
        let json = everybody.json();
        assert!(json.len() <= MOST_BYTES);
        let read = Everybody::read(&json).unwrap();
        assert!((60..=MAX_PEOPLE).contains(&read.people.len()), "{}", read.people.len());
        assert_eq!(read.listening, 5_000);
        let mut one = far(u32::MAX, &"\"".repeat(MAX_NAME_BYTES));
        one.volumes = (0..MOST_VOLUMES as u32).map(|who| (u32::MAX - who, 199)).collect();
        let json = FarPeople { people: vec![one; 500] }.json();
        assert!(json.len() <= MOST_BYTES);
        assert_eq!(FarPeople::read(&json).unwrap().people.len(), MOST_FAR, "all fit");
    }

    #[test]
    fn what_no_server_says_of_people_is_no_list_or_harmless() {
        for wrong in [&b"[]"[..], b"{}", b"{\"people\":[{}]}", b"{\"people\":7}", b"\xff"] {
            assert_eq!(FarPeople::read(wrong), None);
        }
        let long = format!("{{\"people\":[],\"x\":\"{}\"}}", "y".repeat(MOST_BYTES));
        assert_eq!(FarPeople::read(long.as_bytes()), None);
        let mut one = far(1, "\u{1b}[2J");
        one.volumes = (0..1_000).map(|who| (who, u16::MAX)).collect();
        let read = FarPeople::read(&FarPeople { people: vec![one] }.json()).unwrap();
        assert_eq!(read.people[0].name, "[2J");
        assert_eq!(read.people[0].volumes.len(), MOST_VOLUMES);
        assert!(read.people[0].volumes.values().all(|percent| *percent == MAX_VOLUME_PERCENT));
    }
}
