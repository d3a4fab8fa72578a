//! Sound for a room.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::program::Guarded;
use super::room::{RATE, Room, Sink, spawn};
use super::stereo::{Stereo, noise};
use super::wav::write_wav;

impl Room {
    /// A WAV file of so many seconds of noise, each run the same.
    pub(crate) fn noise(&self, seconds: usize) -> PathBuf {
        let path = self.path("music.wav");
        let Stereo { left, right } = noise(seconds * RATE as usize, RATE);
        write_wav(&path, RATE, 2, left.into_iter().zip(right).flat_map(|(l, r)| [l, r]));
        path
    }

    /// Plays a WAV file on `sink` until what is returned is dropped.
    pub(crate) fn play(&self, wav: &Path, sink: Sink) -> Guarded {
        let mut command = self.command("paplay");
        command.arg(format!("--device={}", sink.name)).arg(wav);
        Guarded(spawn(command.stdout(Stdio::null()).stderr(Stdio::null())))
    }
}
