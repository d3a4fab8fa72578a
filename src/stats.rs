//! What `--stats` says: counters that the stages bump, and one JSON object a second.

mod engine;
mod icecast;
mod lines;
mod listeners;
mod players;
mod snapclients;

pub use engine::{EdgeStats, EngineFigures, EngineStats, MOST_EDGES, TOLD_EVERY_US};
pub use icecast::{Icecast, IcecastState, IcecastStats};
pub use lines::{Lines, StatsTarget};
pub use listeners::{ListenerStats, PersonStats, Via};
pub use players::{PlayerState, PlayerStats};
pub use snapclients::SnapclientStats;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use serde::Serialize;

use crate::format::dbfs;

/// A counter that a real-time thread may bump. `Relaxed` everywhere: each counter stands alone,
/// and nobody infers one from another.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Replaces the sum, where one thread keeps it elsewhere.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The sum so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A figure that one thread measures and others read.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Replaces the figure.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// The figure now; 0 before the first.
    #[must_use]
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// The highest sample magnitude since it was last asked for.
#[derive(Debug, Default)]
pub struct Peak {
    /// Bits of the highest magnitude since it was last asked for.
    recent: AtomicU32,
    /// Bits of the highest magnitude since the start.
    ever: AtomicU32,
}

impl Peak {
    /// Notes a run of samples. Magnitudes are never negative, so their bits order as they do.
    pub fn note(&self, samples: &[f32]) {
        let peak = samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        self.recent.fetch_max(peak.to_bits(), Ordering::Relaxed);
        self.ever.fetch_max(peak.to_bits(), Ordering::Relaxed);
    }

    /// Whether anything but exact silence has been noted since the start.
    #[must_use]
    pub fn was_heard(&self) -> bool {
        self.ever.load(Ordering::Relaxed) != 0
    }

    /// The peak in dBFS since the last call.
    #[must_use]
    pub fn take_dbfs(&self) -> f32 {
        dbfs(f32::from_bits(self.recent.swap(0, Ordering::Relaxed)))
    }
}

/// The loudest level of a span of time, from the levels of shorter ones.
#[derive(Debug)]
pub struct Loudest {
    span_us: u64,
    since_us: u64,
    level_dbfs: f32,
}

impl Loudest {
    /// Makes a peak for spans of this length, the first of which begins at `now_us`.
    #[must_use]
    pub fn every(span: std::time::Duration, now_us: u64) -> Self {
        let span_us = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self { span_us, since_us: now_us, level_dbfs: f32::NEG_INFINITY }
    }

    /// Takes the level since the last call; the loudest in dBFS when the span is over.
    pub fn over(&mut self, now_us: u64, level_dbfs: f32) -> Option<f32> {
        let over = now_us.saturating_sub(self.since_us) >= self.span_us;
        let loudest = self.so_far(level_dbfs);
        over.then(|| {
            (self.since_us, self.level_dbfs) = (now_us, f32::NEG_INFINITY);
            loudest
        })
    }

    /// Takes the level since the last call; the loudest of the span so far, in dBFS.
    pub fn so_far(&mut self, level_dbfs: f32) -> f32 {
        self.level_dbfs = self.level_dbfs.max(level_dbfs);
        self.level_dbfs
    }
}

/// Counters of the capturing side.
#[derive(Debug, Default)]
pub struct Capture {
    /// Frames that the card delivered.
    pub frames: Counter,
    /// Frames that the capture ring had no room for.
    pub overruns: Counter,
    /// Frames of silence put in because the card delivered none in time.
    pub silence: Counter,
    /// Chunks that the network loop was too busy to take, or within which the timeline broke.
    pub chunks_dropped: Counter,
    /// Talk frames that waited for the mix for too long.
    pub talk_stale: Counter,
    /// Talk frames that made their talker begin anew more often than it may.
    pub talk_restless: Counter,
    /// How much faster than nominal the card runs, in millionths.
    pub ppm: Gauge,
    /// How well its clock is known, in µs.
    pub uncertainty_us: Gauge,
    /// Highest captured sample.
    pub peak: Peak,
}

/// Counters of the playing side.
#[derive(Debug, Default)]
pub struct Playback {
    /// Frames handed to the card, silence included.
    pub frames: Counter,
    /// Of these, frames of silence put in because there was nothing to play.
    pub silence: Counter,
    /// Times that the ring ran dry in the middle of playing.
    pub underruns: Counter,
    /// Chunks that were not taken, because they would have begun the stream anew too often.
    pub refused: Counter,
    /// Highest played sample.
    pub peak: Peak,
}

/// Counters of what a listener says.
#[derive(Debug, Default)]
pub struct Talk {
    /// What its microphone delivers.
    pub microphone: std::sync::Arc<Capture>,
    /// Frames of sound handed to the connection.
    pub sent: Counter,
    /// Frames of sound that fell out because the connection did not take them in time.
    pub dropped: Counter,
}

/// Counters of a recorder.
#[derive(Debug, Default)]
pub struct Recording {
    /// Files that are being written.
    pub files: Counter,
    /// Frames of sound written, all files together.
    pub frames: Counter,
    /// Frames that the disk was too slow for: silence in the files.
    pub lost: Counter,
}

/// One line of the server's `--stats`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ServerStats {
    /// Seconds since the server started.
    pub uptime_s: f64,
    /// Peak level of the captured sound in the last second, dBFS.
    pub level_dbfs: f32,
    /// Frames that found no room in the capture ring, since the start.
    pub capture_overruns: u64,
    /// Frames of silence put in by the clock, since the start.
    pub silence_frames: u64,
    /// Chunks that the network loop was too busy to take, or within which the timeline broke. since the start.
    pub chunks_dropped: u64,
    /// How much faster than nominal the captured card runs, in millionths.
    pub card_ppm: f64,
    /// How well that card's clock is known, in µs.
    pub card_uncertainty_us: f64,
    /// CPU time of the network loop, in ms, since the start (0 where the system does not say).
    pub loop_cpu_ms: f64,
    /// Files that are being recorded.
    pub recordings: u64,
    /// Frames recorded, all files together, since the start.
    pub recorded_frames: u64,
    /// Frames that the disk was too slow for, since the start.
    pub record_lost_frames: u64,
    /// What is mixed, the one that gives the others their time first.
    pub sources: Vec<SourceStats>,
    /// Talk frames that the mix was too busy to take, since the start.
    pub talk_refused: u64,
    /// Talk frames that waited for the mix for more than 200 ms and were thrown away, since the start.
    pub talk_stale: u64,
    /// Talk frames that were dropped because their talker began anew more often than it may, since the
    /// start.
    pub talk_restless: u64,
    /// Whether the room is private.
    pub private: bool,
    /// How many keys have entered the private room since the start; 0 in an open one.
    pub members: usize,
    /// Who waits to be let into it.
    pub waiting: Vec<WaitingStats>,
    /// The SHA-256 fingerprint of the encrypted page's certificate, as browsers show it; `null` where there is no
    /// such page.
    pub certificate: Option<String>,
    /// The way between servers; left out where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineStats>,
    /// The Icecast servers that get what is sent.
    pub icecast: Vec<IcecastStats>,
    /// Players here whose picture follows the delay; left out where none is to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub players: Option<Vec<PlayerStats>>,
    /// How long after its capture a sample is heard, in ms.
    pub playout_delay_ms: u32,
    /// How many are listening.
    pub listening: usize,
    /// Audio frames that fell out of any listener's queue, since the start.
    pub dropped_frames: u64,
    /// Each listener.
    pub listeners: Vec<ListenerStats>,
    /// Each snapclient, where they may join.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapclients: Option<Vec<SnapclientStats>>,
}

/// Somebody who waits to be let in, in [`ServerStats`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WaitingStats {
    /// Where they are.
    pub address: SocketAddr,
    /// What they call themselves.
    pub name: String,
    /// The beginning of their key, in hex.
    pub id: String,
    /// For how many seconds they have waited.
    pub waited_s: f64,
}

/// One source in [`ServerStats`].
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SourceStats {
    /// Its number, for as long as the server runs.
    pub id: u64,
    /// What it is: its kind and name.
    pub name: String,
    /// Its level in the mix, in dB.
    pub level_db: f32,
    /// Whether it is muted.
    pub is_muted: bool,
    /// Where it stands between left (−1) and right (1).
    pub pan: f32,
    /// Its highest sample in the last second, before level, mute and pan, in dBFS.
    pub level_dbfs: f32,
    /// How long after its capture there the sound of another server stands in the mix, in ms, once that is known;
    /// left out for all other sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behind_ms: Option<u32>,
    /// What it does at the moment.
    pub state: SourceState,
}

/// What a source does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// It delivers sound.
    Playing,
    /// It delivers nothing at the moment.
    #[default]
    Waiting,
    /// It delivers nothing any more.
    Ended,
}

/// One line of the client's `--stats`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ClientStats {
    /// Seconds since the client started.
    pub uptime_s: f64,
    /// Whether a server is connected.
    pub connected: bool,
    /// Protocol version spoken (0: not connected).
    pub version: u32,
    /// Frames received.
    pub frames_received: u64,
    /// Frames that were not there when their time came.
    pub lost_frames: u64,
    /// Frames that came, but after their time.
    pub late_frames: u64,
    /// Chunks that the playing thread was too busy to take, or that would have begun the stream
    /// anew more than ten times in a second.
    pub chunks_refused: u64,
    /// Which way sound comes.
    pub via: Via,
    /// Datagrams of sound received.
    pub datagrams: u64,
    /// Datagrams that never came by themselves.
    pub lost_datagrams: u64,
    /// Datagrams among them that came because they were asked for, or by parity.
    pub repaired: u64,
    /// Sound that was made up because it was missing, in ms.
    pub concealed_ms: f64,
    /// How long asking and being answered takes, in ms (0: not known).
    pub round_trip_ms: f64,
    /// Sound waiting, in ms.
    pub buffered_ms: f64,
    /// How long after its capture the sound is heard, in ms.
    pub delay_ms: f64,
    /// How long after its capture it should be heard, in ms.
    pub playout_delay_ms: f64,
    /// Times that the card found too little.
    pub underruns: u64,
    /// Frames of silence put in.
    pub silence_frames: u64,
    /// Times that playing jumped to get back to its delay.
    pub jumps: u64,
    /// The card's clock against the server's, parts per million.
    pub ppm: f64,
    /// Uncertainty of the server clock's estimate, in µs (half the quickest round trip).
    pub clock_uncertainty_us: f64,
    /// How well the sound card's clock is known, in µs.
    pub card_uncertainty_us: f64,
    /// What the card says lies between callback and ear, in ms.
    pub output_latency_ms: f64,
    /// Connections made so far.
    pub connections: u64,
    /// What the network does to the sound, in words; `None` where nothing is known to be wrong.
    pub air: Option<String>,
    /// Files that are being recorded.
    pub recordings: u64,
    /// Frames recorded.
    pub recorded_frames: u64,
    /// Frames that the disk was too slow for.
    pub record_lost_frames: u64,
    /// Peak level played in the last second, dBFS.
    pub level_dbfs: f32,
    /// Whether sound of the own microphone goes out.
    pub talking: bool,
    /// Whether nobody is to hear it.
    pub muted: bool,
    /// Peak level of the microphone in the last second, dBFS.
    pub mic_level_dbfs: f32,
    /// Frames of 10 ms of it that were sent.
    pub talk_frames_sent: u64,
    /// Frames of 10 ms of it that fell out because the connection did not take them in time.
    pub talk_frames_dropped: u64,
    /// Frames of it that were lost because this PC was too busy.
    pub mic_overruns: u64,
}

#[cfg(test)]
mod tests;
