//! Why a file cannot be played, and what no header can mean.

use std::io;

use crate::format::Format;
use crate::sound::{MAX_CHANNELS, MAX_SAMPLE_RATE};

/// Lowest sample rate of a sound file, in Hz. Below it a header lies.
const MIN_SAMPLE_RATE: u32 = 1_000;

/// Why a file's contents cannot be played.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The system would not read it.
    Io(io::Error),
    /// It is not sound, or not of a kind that is known here.
    Unknown(String),
    /// It is sound, but its header cannot be right.
    Damaged(String),
    /// Standard input gives none: why, and what to do.
    NoPipe(&'static str, &'static str),
}

impl Fault {
    /// The file is sound, or something else, of a kind that is not played here.
    pub(crate) fn not_known(name: &str) -> Self {
        Self::Unknown(format!("it is {name}, which is not known here"))
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The format that a header claims, unless it lies.
pub(crate) fn believable(sample_rate: u32, channels: usize) -> Result<Format, Fault> {
    if !(MIN_SAMPLE_RATE..=MAX_SAMPLE_RATE).contains(&sample_rate) {
        return Err(Fault::Damaged(format!("its header claims {sample_rate} samples a second")));
    }
    match u16::try_from(channels) {
        Ok(channels) if (1..=MAX_CHANNELS).contains(&channels) => {
            Ok(Format { sample_rate, channels })
        }
        _ => Err(Fault::Damaged(format!("its header claims {channels} channels"))),
    }
}
