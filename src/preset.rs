//! Presets: a few numbers that make AuraLync smooth, quick or sturdy.
//!
//! A value comes from the command line, else from the preset's file, else from the built-in
//! `smooth`. A missing flag never replaces what a file says.

mod file;
mod limits;
mod lookup;
mod nearest;
mod watch;

use std::net::IpAddr;

pub(crate) use lookup::config_directory;
pub use lookup::{DEFAULT, Origin, load, print, read};
pub use watch::Watch;

use crate::error::{Error, Result};
use crate::source::RoomName;
use limits::{
    CHANNELS, CHUNK_SIZE, LISTEN_BACKLOG, MAX_CLIENTS, MAX_QUEUE_SIZE, MAX_TALKERS, Number,
    PER_ADDRESS, PLAYOUT_DELAY_MS, PORT, SAMPLE_RATE,
};

/// The port that listeners try when none is given.
pub const DEFAULT_PORT: u16 = crate::wire::PORT;

/// The stream's rate in Hz as long as nobody knows the sound card's.
const ASSUMED_RATE: u32 = 48_000;

/// What a server runs with. Every value is within its range, and they fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    /// Frames in one piece of sound, 16 to 8192.
    pub chunk_size: u32,
    /// Chunks that wait for one listener at most, 1 to 1000.
    pub max_queue_size: u32,
    /// Listeners at the same time, up to 10,000; 0 is 1,000.
    pub max_clients: u32,
    /// Listeners who may talk at the same time, where any may, 1 to 200.
    pub max_talkers: u32,
    /// Connections that the system holds for us until we accept them, 1 to 65,535.
    pub listen_backlog: u32,
    /// Listeners at the same time from one address, 1 to 10,000; `None` is a quarter of all, and at
    /// least four.
    pub per_address: Option<u32>,
    /// From capture to every listener's ear, in milliseconds, 5 to 10,000; at least two chunks.
    pub playout_delay_ms: u32,
    /// Whether that is where the delay begins, and it becomes the shortest that all listeners can hold.
    pub auto_delay: bool,
    /// Frames per second, 8,000 to 192,000; `None` takes the sound card's, at most 48,000.
    pub sample_rate: Option<u32>,
    /// 1 or 2.
    pub channels: u16,
    /// The TCP port to listen on; 0 is one that the system picks.
    pub port: u16,
    /// The one address to listen on; `None` is every address of this PC.
    pub bind: Option<IpAddr>,
    /// What to send, as `source::Source` reads it; `None` is what this PC plays.
    pub source: Option<Vec<String>>,
    /// What listeners see; `None` is this PC's name.
    pub name: Option<String>,
    /// Whether only those are let in who have the room's link or a code.
    pub private: bool,
    /// What [`Offers`](crate::codec::Offers) reads: codecs that listeners may choose from, and who
    /// gets which.
    pub codecs: Option<Vec<String>>,
    /// Icecast servers that get what is sent, as [`Target`](crate::icecast::target::Target) reads them.
    pub icecast: Option<Vec<String>>,
    /// Addresses of an engine by which sound goes to other servers or comes from one.
    pub engine: Option<Vec<String>>,
    /// What the room that is sent is called between servers.
    pub engine_room: Option<RoomName>,
}

/// Listeners at the same time where no limit is wanted: more than a PC's network carries, and few
/// enough for its memory.
const UNLIMITED_CLIENTS: u32 = 1_000;

/// Listeners from one address where nothing is said of it: a household behind one router.
const LEAST_PER_ADDRESS: u32 = 4;

/// What stays as it was at the start for a server's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed {
    /// Frames of sound per second.
    pub sample_rate: u32,
    /// Frames in one piece of sound.
    pub chunk_size: u32,
    /// Who listens and does not say what delay they can hold, where there are any.
    pub unreporting: Option<Unreporting>,
}

/// Who listens and does not say what delay they can hold: it cannot be found for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreporting {
    /// Programs of Snapcast.
    Snapclients,
    /// Listeners of other servers of an engine.
    Elsewhere,
}

impl Unreporting {
    /// Who of them there are, with or without an engine and snapclients.
    #[must_use]
    pub fn among(has_engine: bool, has_snapclients: bool) -> Option<Self> {
        let elsewhere = has_engine.then_some(Self::Elsewhere);
        has_snapclients.then_some(Self::Snapclients).or(elsewhere)
    }
}

/// What a file or a command line says: a key it is silent about is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Replaces [`Preset::chunk_size`].
    pub chunk_size: Option<u32>,
    /// Replaces [`Preset::max_queue_size`].
    pub max_queue_size: Option<u32>,
    /// Replaces [`Preset::max_clients`].
    pub max_clients: Option<u32>,
    /// Replaces [`Preset::max_talkers`].
    pub max_talkers: Option<u32>,
    /// Replaces [`Preset::listen_backlog`].
    pub listen_backlog: Option<u32>,
    /// Replaces [`Preset::per_address`].
    pub per_address: Option<u32>,
    /// Replaces [`Preset::playout_delay_ms`].
    pub playout_delay_ms: Option<u32>,
    /// Replaces [`Preset::auto_delay`]; a delay without it means that it is not.
    pub auto_delay: Option<bool>,
    /// Replaces [`Preset::sample_rate`].
    pub sample_rate: Option<u32>,
    /// Replaces [`Preset::channels`].
    pub channels: Option<u16>,
    /// Replaces [`Preset::port`].
    pub port: Option<u16>,
    /// Replaces [`Preset::bind`].
    pub bind: Option<IpAddr>,
    /// Replaces [`Preset::source`].
    pub source: Option<Vec<String>>,
    /// Replaces [`Preset::name`].
    pub name: Option<String>,
    /// Replaces [`Preset::private`].
    pub private: Option<bool>,
    /// Replaces [`Preset::codecs`].
    pub codecs: Option<Vec<String>>,
    /// Replaces [`Preset::icecast`].
    pub icecast: Option<Vec<String>>,
    /// Replaces [`Preset::engine`].
    pub engine: Option<Vec<String>>,
    /// Replaces [`Preset::engine_room`].
    pub engine_room: Option<RoomName>,
}

impl Preset {
    /// This preset with what the command line says on top.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`], naming the flag, for a value out of its range, for a codec that does not
    /// exist, and for a delay of less than two chunks.
    pub fn with(&self, flags: Overrides) -> Result<Self> {
        flags.check().map_err(|wrong| {
            Error::usage(format!("--{} {}", wrong.key.replace('_', "-"), wrong.why), wrong.fix)
        })?;
        let merged = self.clone().replaced_by(flags.clone());
        merged.check_delay().map_err(|wrong| {
            let given = [
                (flags.playout_delay_ms.is_some(), "--playout-delay-ms"),
                (flags.chunk_size.is_some(), "--chunk-size"),
                (flags.sample_rate.is_some(), "--sample-rate"),
            ];
            let given: Vec<_> =
                given.into_iter().filter_map(|(given, flag)| given.then_some(flag)).collect();
            Error::usage(
                format!("{} cannot be: {}", given.join(" with "), wrong.why),
                format!(
                    "Use --playout-delay-ms {} or more, or --chunk-size {} or less",
                    wrong.shortest_ms, wrong.largest_chunk
                ),
            )
        })?;
        Ok(merged)
    }

    /// Refuses a delay that is to be found where somebody says nothing of what they can hold.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a delay of `auto` then.
    pub fn check_auto(&self, unreporting: Option<Unreporting>) -> Result<()> {
        let Some(unreporting) = unreporting.filter(|_| self.auto_delay) else { return Ok(()) };
        let who = match unreporting {
            Unreporting::Snapclients => "snapclients",
            Unreporting::Elsewhere => "listeners of other servers",
        };
        Err(Error::usage(
            format!(
                "a delay of auto is what all who listen say that they can hold, and {who} say nothing of that"
            ),
            "Give --playout-delay-ms, or playout_delay_ms in the preset, a number",
        ))
    }

    /// This preset with the rate and the chunks that a server has turned out to have.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a delay of less than two such chunks, and as [`Preset::check_auto`].
    pub fn held_to(self, fixed: Fixed) -> Result<Self> {
        let Fixed { sample_rate, chunk_size, unreporting } = fixed;
        self.check_auto(unreporting)?;
        let held = Self { sample_rate: Some(sample_rate), chunk_size, ..self };
        held.check_delay().map_err(|wrong| {
            Error::usage(
                wrong.why,
                format!("Choose a playout delay of {} ms or more", wrong.shortest_ms),
            )
        })?;
        Ok(held)
    }

    fn replaced_by(self, over: Overrides) -> Self {
        Self {
            chunk_size: over.chunk_size.unwrap_or(self.chunk_size),
            max_queue_size: over.max_queue_size.unwrap_or(self.max_queue_size),
            max_clients: over.max_clients.unwrap_or(self.max_clients),
            max_talkers: over.max_talkers.unwrap_or(self.max_talkers),
            listen_backlog: over.listen_backlog.unwrap_or(self.listen_backlog),
            per_address: over.per_address.or(self.per_address),
            playout_delay_ms: over.playout_delay_ms.unwrap_or(self.playout_delay_ms),
            auto_delay: (over.auto_delay)
                .unwrap_or(self.auto_delay && over.playout_delay_ms.is_none()),
            sample_rate: over.sample_rate.or(self.sample_rate),
            channels: over.channels.unwrap_or(self.channels),
            port: over.port.unwrap_or(self.port),
            bind: over.bind.or(self.bind),
            source: over.source.or(self.source),
            name: over.name.or(self.name),
            private: over.private.unwrap_or(self.private),
            codecs: over.codecs.or(self.codecs),
            icecast: over.icecast.or(self.icecast),
            engine: over.engine.or(self.engine),
            engine_room: over.engine_room.or(self.engine_room),
        }
    }

    /// Most listeners at the same time.
    #[must_use]
    pub fn listeners(&self) -> u32 {
        if self.max_clients == 0 { UNLIMITED_CLIENTS } else { self.max_clients }
    }

    /// Most listeners at the same time from one address elsewhere.
    #[must_use]
    pub fn listeners_per_address(&self) -> u32 {
        self.per_address.unwrap_or_else(|| (self.listeners() / 4).max(LEAST_PER_ADDRESS))
    }

    /// While one chunk plays, the next must already be on its way.
    fn check_delay(&self) -> std::result::Result<(), TooShort> {
        let rate = self.sample_rate.unwrap_or(ASSUMED_RATE);
        let two_chunks_ms = f64::from(self.chunk_size) * 2e3 / f64::from(rate);
        if f64::from(self.playout_delay_ms) >= two_chunks_ms {
            return Ok(());
        }
        Err(TooShort {
            why: format!(
                "a playout delay of {} ms is shorter than two chunks, and two chunks of {} frames \
                 last {two_chunks_ms:.1} ms at {rate} frames per second",
                self.playout_delay_ms, self.chunk_size
            ),
            shortest_ms: two_chunks_ms.ceil() as u32,
            largest_chunk: (u64::from(self.playout_delay_ms) * u64::from(rate) / 2000) as u32,
        })
    }
}

/// A delay of less than two chunks.
struct TooShort {
    why: String,
    shortest_ms: u32,
    largest_chunk: u32,
}

/// A value that cannot be, apart from where it was written.
struct Wrong {
    key: &'static str,
    why: String,
    fix: String,
}

impl Overrides {
    /// Each value by itself.
    fn check(&self) -> std::result::Result<(), Wrong> {
        let numbers: [(&Number, Option<u32>); 10] = [
            (&CHUNK_SIZE, self.chunk_size),
            (&MAX_QUEUE_SIZE, self.max_queue_size),
            (&MAX_CLIENTS, self.max_clients),
            (&MAX_TALKERS, self.max_talkers),
            (&LISTEN_BACKLOG, self.listen_backlog),
            (&PER_ADDRESS, self.per_address),
            (&PLAYOUT_DELAY_MS, self.playout_delay_ms),
            (&SAMPLE_RATE, self.sample_rate),
            (&CHANNELS, self.channels.map(u32::from)),
            (&PORT, self.port.map(u32::from)),
        ];
        for (number, value) in numbers {
            if let Some(value) = value {
                number.check(i64::from(value))?;
            }
        }
        limits::check_name(self.name.as_deref())?;
        limits::check_codecs(self.codecs.as_deref())
    }
}

/// Holds a playout delay that comes without a preset to the range it has in one.
///
/// # Errors
///
/// [`Error::Usage`] for less than 5 ms or more than 10,000.
pub fn check_playout_delay(milliseconds: u32) -> Result<()> {
    PLAYOUT_DELAY_MS
        .check(i64::from(milliseconds))
        .map(drop)
        .map_err(|wrong| Error::usage(format!("--playout-delay-ms {}", wrong.why), wrong.fix))
}

/// Holds a name that comes without a preset to what it may be in one.
///
/// # Errors
///
/// [`Error::Usage`] for a name that is empty, longer than 64 characters, or cannot be shown.
pub fn check_name(name: &str) -> Result<()> {
    limits::check_name(Some(name))
        .map_err(|wrong| Error::usage(format!("--name {}", wrong.why), wrong.fix))
}

#[cfg(test)]
mod tests;
