//! What a recording of the chirp is worth: how late the sound came and how sure that is, or why nothing
//! can be said.

use super::chirp::SWEEPS;
use super::find::{Heard, LATEST_MS};
use super::fourier::median;

/// The sweeps must be louder than all of the room by this, in dB, and than what of it is in their own band:
/// well above 0, where people would have to shout as well.
const ABOVE_ROOM_DB: f64 = 6.0;
const ABOVE_BAND_DB: f64 = 8.0;

/// So many sweeps must have come equally late, give or take this, in ms.
pub(super) const AGREED: usize = 5;
const AGREE_MS: f64 = 1.0;

/// So many others that agree among themselves say that the delay has changed meanwhile, and not that they are wrong.
const ANOTHER_CAMP: usize = 2;

/// A microphone of which no sample is louder than this hears nothing: not even its own noise.
const DEAF: f32 = 1e-5;

/// Nothing is surer than this, in ms: what cards say of their own times is off by as much.
const SUREST_MS: f64 = 0.5;

/// How late the sound came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// Later than the card said, in ms.
    pub lag_ms: f64,
    /// Give or take so many ms.
    pub sure_ms: f64,
    /// How many sweeps say so.
    pub agreed: usize,
    /// How much louder than the room they were, in dB.
    pub above_room_db: f64,
}

/// What was looked for, in the words of a refusal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sought {
    /// All of it: “the chirp”.
    pub what: &'static str,
    /// Its parts, of which each says how late it was: “chirps”.
    pub parts: &'static str,
    /// How many of those there were.
    pub count: usize,
    /// What comes of it where nothing can be said: “nothing was set”.
    pub outcome: &'static str,
    /// How long after it was due it was looked for, in ms.
    pub within_ms: f64,
}

impl Sought {
    /// What is played to be heard.
    pub const CHIRP: Self = Self {
        what: "the chirp",
        parts: "chirps",
        count: SWEEPS,
        outcome: "nothing was set",
        within_ms: LATEST_MS,
    };
}

/// Why nothing can be said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Refusal {
    /// Not even noise came from the microphone.
    Deaf,
    /// It heard something, and not the chirp.
    Unheard,
    /// It was as loud as the microphone can tell.
    Clipped,
    /// The room was too loud: by how much the chirp was louder, in dB.
    TooLoud(f64),
    /// The sweeps came at different times: how many agreed.
    Unsteady(usize),
}

impl Refusal {
    /// What happened, and why that says nothing.
    #[must_use]
    pub fn why(self, sought: Sought) -> String {
        let Sought { what, parts, count, within_ms, .. } = sought;
        match self {
            Self::Deaf => "the microphone hears nothing at all, not even noise".to_owned(),
            Self::Unheard => format!(
                "the microphone did not hear {what} within {within_ms:.0} ms, though it hears something"
            ),
            Self::Clipped => {
                "the sound was louder than the microphone can tell, and is distorted".to_owned()
            }
            Self::TooLoud(db) if db.is_finite() => format!(
                "the room was too loud: {what} stood out by {db:.0} dB, and it takes {ABOVE_ROOM_DB:.0}"
            ),
            Self::TooLoud(_) => format!("the room was louder than {what}"),
            Self::Unsteady(agreed) => format!(
                "only {agreed} of {count} {parts} came equally late, so that none can be believed"
            ),
        }
    }

    /// What to do.
    #[must_use]
    pub fn help(self) -> &'static str {
        match self {
            Self::Deaf => {
                "Is it muted, or switched off? Does the system let this program hear it? Choose another one with --mic"
            }
            Self::Unheard => {
                "Is the output on, turned up, and near the microphone? Hold the microphone to the headphones"
            }
            Self::Clipped => "Turn the output down, or take the microphone farther away",
            Self::TooLoud(_) => {
                "Make the room quieter, turn the output up, or bring the microphone nearer"
            }
            Self::Unsteady(_) => {
                "Bring the microphone nearer, end what plays or works hard on this computer, and try again"
            }
        }
    }
}

/// Judges what was heard.
///
/// # Errors
/// Why it says nothing.
pub fn judge(heard: &Heard) -> Result<Verdict, Refusal> {
    if heard.peak < DEAF {
        return Err(Refusal::Deaf);
    }
    if heard.clipped {
        return Err(Refusal::Clipped);
    }
    if heard.lags_ms.is_empty() {
        return Err(Refusal::Unheard);
    }
    if heard.above_room_db < ABOVE_ROOM_DB || heard.above_band_db < ABOVE_BAND_DB {
        return Err(Refusal::TooLoud(heard.above_room_db.min(heard.above_band_db)));
    }
    let mut agreeing = agreeing(&heard.lags_ms);
    let agreed = agreeing.len();
    if agreed < AGREED {
        return Err(Refusal::Unsteady(agreed));
    }
    let lag_ms = median(&mut agreeing);
    let others: Vec<f64> =
        heard.lags_ms.iter().copied().filter(|ms| (ms - lag_ms).abs() > 2.0 * AGREE_MS).collect();
    if self::agreeing(&others).len() >= ANOTHER_CAMP {
        return Err(Refusal::Unsteady(agreed));
    }
    let mut off: Vec<f64> = agreeing.iter().map(|ms| (ms - lag_ms).abs()).collect();
    // As far as sweeps differ, they may all be wrong together.
    let sure_ms = SUREST_MS + 1.5 * median(&mut off);
    Ok(Verdict { lag_ms, sure_ms, agreed, above_room_db: heard.above_room_db })
}

/// The most of these times, in ms, that agree with one of them.
#[must_use]
pub fn agreeing(lags_ms: &[f64]) -> Vec<f64> {
    let with = |one: &f64| -> Vec<f64> {
        lags_ms.iter().copied().filter(|ms| (ms - one).abs() <= AGREE_MS).collect()
    };
    lags_ms.iter().map(with).max_by_key(Vec::len).unwrap_or_default()
}

#[cfg(test)]
mod tests;
