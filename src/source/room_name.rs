//! What a room is called between servers.

use std::str::FromStr;

/// Longest name of a room, in characters.
const LONGEST_NAME: usize = 32;

/// What a user calls a room, and its key's file after it: small letters, digits and dashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomName(String);

impl Default for RoomName {
    /// Where there is only one.
    fn default() -> Self {
        Self("room".to_owned())
    }
}

impl FromStr for RoomName {
    type Err = String;

    /// # Errors
    /// What a name is, as a sentence without its end.
    fn from_str(text: &str) -> Result<Self, String> {
        let may_stand = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let is_name = (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(may_stand);
        is_name.then(|| Self(text.to_owned())).ok_or_else(|| {
            format!(
                "a room between servers is called by 1 to {LONGEST_NAME} small letters, digits and dashes"
            )
        })
    }
}

impl std::fmt::Display for RoomName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rooms_name_is_one_that_every_system_takes_for_a_file() {
        for name in ["room", "hall-2", "7", &"a".repeat(32)] {
            assert_eq!(name.parse::<RoomName>().unwrap().to_string(), name);
        }
        for wrong in ["", "Room", "a b", "..", "a/b", "é", &"a".repeat(33)] {
            assert!(wrong.parse::<RoomName>().is_err(), "{wrong}");
        }
    }
}
