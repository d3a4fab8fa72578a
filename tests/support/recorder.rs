//! All that plays in a room, recorded at once.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use super::program::Guarded;
use super::room::{CHANNEL_MAP, CHANNELS, RATE, Room, Sink, spawn};
use super::stereo::Stereo;

const FRAME_BYTES: usize = 4 * CHANNELS;

impl Room {
    /// Starts to record everything that plays in the room.
    pub(crate) fn record(&self) -> Recorder {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let path = self.path(&format!("room-{number}.raw"));
        let mut command = self.command("parec");
        command
            .args(["-d", "room.monitor", "--raw", "--format=float32le", "--no-remix"])
            .args([&format!("--channels={CHANNELS}"), &format!("--rate={RATE}")])
            .args([&format!("--channel-map={CHANNEL_MAP}"), "--latency-msec=50"])
            .stdout(File::create(&path).unwrap())
            .stderr(Stdio::null());
        Recorder { path, _program: Guarded(spawn(&mut command)) }
    }
}

/// A recording that is being made.
pub(crate) struct Recorder {
    path: PathBuf,
    _program: Guarded,
}

impl Recorder {
    /// Seconds recorded so far.
    pub(crate) fn seconds(&self) -> f64 {
        let bytes = fs::metadata(&self.path).map_or(0, |file| file.len());
        bytes as f64 / FRAME_BYTES as f64 / f64::from(RATE)
    }

    /// What `sink` has played since second `from` of the recording.
    pub(crate) fn played(&self, sink: Sink, from: f64) -> Stereo {
        let mut file = File::open(&self.path).unwrap();
        let start = (from.max(0.0) * f64::from(RATE)) as u64 * FRAME_BYTES as u64;
        file.seek(SeekFrom::Start(start)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        let first = CHANNEL_MAP.split(sink.channels).next().unwrap().matches(',').count();
        let channel = |channel: usize| {
            let at = 4 * (first + channel);
            bytes
                .chunks_exact(FRAME_BYTES)
                .map(|frame| f32::from_le_bytes([0, 1, 2, 3].map(|byte| frame[at + byte])))
                .collect()
        };
        Stereo { left: channel(0), right: channel(1) }
    }
}
