//! Which way sound comes, and how it is packed, while it comes.

use serde::{Deserialize, Serialize};

use super::json::{json, json_frame};
use super::{MAX_ALGORITHMIC_DELAY, Violation, kind};

/// Client → server: which way sound is to come from now on, and how it is packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path {
    /// `false`: by TCP again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datagrams: Option<bool>,
    /// The position from which it is wanted by TCP: what lies before has come, or would come too late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The codec that it is to be in, as a hello names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec: Option<String>,
}

impl Path {
    /// Reads a path's body.
    ///
    /// # Errors
    /// [`Violation::Unreadable`] if it is none.
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        json("path", body)
    }

    /// The whole typed frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        json_frame(kind::PATH, self)
    }
}

/// Server → client: sound is packed another way from a place in time on. Sound of that codec begins a
/// little before, so that a decoder is warm there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// The codec, as a hello names it: Opus with its bitrate.
    pub codec: String,
    /// The first position that is to be heard of it.
    pub from: u64,
    /// Positions per second: those before it.
    pub position_rate: u32,
    /// Frames by which decoded sound lags its position.
    pub algorithmic_delay: u32,
    /// Frames in each audio frame; advisory.
    pub chunk_size: u32,
}

impl Switch {
    /// Reads a switch's body.
    ///
    /// # Errors
    /// [`Violation::Unreadable`] if it is none, or one that nobody can follow.
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        let switch: Self = json("switch", body)?;
        if switch.algorithmic_delay > MAX_ALGORITHMIC_DELAY {
            let why = "a codec that lags by more than any does".to_owned();
            return Err(Violation::Unreadable { what: "switch", why });
        }
        Ok(switch)
    }

    /// The whole typed frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        json_frame(kind::SWITCH, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_reads_back_and_one_that_lags_too_far_is_refused() {
        let switch = Switch {
            codec: "opus:64".to_owned(),
            from: 480_000,
            position_rate: 48_000,
            algorithmic_delay: 312,
            chunk_size: 480,
        };
        assert_eq!(Switch::read(&switch.frame()[5..]).unwrap(), switch);
        let far = Switch { algorithmic_delay: MAX_ALGORITHMIC_DELAY + 1, ..switch };
        assert!(Switch::read(&far.frame()[5..]).is_err());
        assert!(Switch::read(b"{\"codec\": \"opus\"}").is_err());
    }
}
