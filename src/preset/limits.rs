//! What each key may be, apart from where it was written.

use super::Wrong;
use crate::codec::Offers;

/// A key with a whole number.
pub(super) struct Number {
    pub(super) key: &'static str,
    lowest: u32,
    highest: u32,
    unit: &'static str,
}

// Below 16 frames a card's period and a packet's headers weigh more than the sound; above 8192 a
// chunk alone is a sixth of a second late.
pub(super) const CHUNK_SIZE: Number = number("chunk_size", 16, 8192, "frames");
pub(super) const MAX_QUEUE_SIZE: Number = number("max_queue_size", 1, 1000, "chunks");
pub(super) const MAX_CLIENTS: Number = number("max_clients", 0, 10_000, "listeners (0 means 1000)");
pub(super) const PER_ADDRESS: Number = number("per_address", 1, 10_000, "listeners");
pub(super) const LISTEN_BACKLOG: Number = number("listen_backlog", 1, 65_535, "connections");
pub(super) const PLAYOUT_DELAY_MS: Number = number("playout_delay_ms", 5, 10_000, "milliseconds");
pub(super) const SAMPLE_RATE: Number = number("sample_rate", 8000, 192_000, "frames per second");
pub(super) const CHANNELS: Number = number("channels", 1, 2, "(1 is mono, 2 is stereo)");
pub(super) const PORT: Number = number("port", 0, 65_535, "(0 takes a free one)");

/// Longest name, in characters: one line of a listener's screen.
const LONGEST_NAME: usize = 64;

const fn number(key: &'static str, lowest: u32, highest: u32, unit: &'static str) -> Number {
    Number { key, lowest, highest, unit }
}

impl Number {
    /// The value, if it is within the range.
    pub(super) fn check(&self, value: i64) -> Result<u32, Wrong> {
        match u32::try_from(value) {
            Ok(value) if (self.lowest..=self.highest).contains(&value) => Ok(value),
            _ => {
                Err(Wrong { key: self.key, why: format!("cannot be {value}"), fix: self.allowed() })
            }
        }
    }

    /// What may be written, as a sentence without its full stop.
    pub(super) fn allowed(&self) -> String {
        format!("It can be {} to {} {}", self.lowest, self.highest, self.unit)
    }
}

/// A name is one line of plain text.
pub(super) fn check_name(name: Option<&str>) -> Result<(), Wrong> {
    let Some(name) = name else { return Ok(()) };
    let why = if name.trim().is_empty() {
        "is empty"
    } else if name.chars().count() > LONGEST_NAME {
        "is too long"
    } else if name.chars().any(char::is_control) {
        "holds characters that cannot be shown"
    } else {
        return Ok(());
    };
    Err(Wrong {
        key: "name",
        why: why.to_owned(),
        fix: format!("Write 1 to {LONGEST_NAME} letters, digits and spaces on one line"),
    })
}

/// Codecs are ones that exist, and at least one.
pub(super) fn check_codecs(codecs: Option<&[String]>) -> Result<(), Wrong> {
    let Some(codecs) = codecs else { return Ok(()) };
    Offers::parse(codecs).map(drop).map_err(|why| Wrong {
        key: "codecs",
        why,
        fix: "There is f32, s24, s16, opus, and opus:KBPS with 64 to 256; behind each may stand \
              “up to” and a number of listeners"
            .to_owned(),
    })
}
