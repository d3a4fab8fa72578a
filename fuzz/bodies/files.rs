//! Sound files: WAV, FLAC, MP3, M4A, Ogg Vorbis, and what is none.

use std::fs;
use std::path::{Path, PathBuf};

use auralync::format::{Format, MAX_SAMPLE};
use auralync::sound::{MAX_CHANNELS, MAX_SAMPLE_RATE};
use auralync::soundless::Generator;
use auralync::source::Kind;

use super::input::Input;
use super::watch::Body;

/// A decoder's tables, and a packet of the longest kind: FLAC's 65,535 frames of 8 channels, as they
/// are decoded and as floats.
pub const BODY: Body = Body { name: "files", run, most_bytes: 16 << 20, tries: 400 };

/// Frames that are asked for at a time, and how often.
const FRAMES: usize = 1_024;
const MOST_READS: usize = 24;

/// A file of one frame in a loop begins anew for each.
const MOST_READS_IN_A_LOOP: usize = 2;

fn run(data: &[u8]) {
    let mut input = Input(data);
    let Some(mode) = input.byte() else { return };
    let path = place();
    fs::write(&path, input.0).expect("room for a small file");
    let is_looped = mode & 1 != 0;
    let fallback = Format { sample_rate: 48_000, channels: 2 };
    match Generator::open(&Kind::File(path.clone()), is_looped, fallback) {
        Ok(file) => play(file, is_looped),
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains(char::is_control) && text.len() < 1_000, "{text}");
        }
    }
    fs::remove_file(&path).expect("nobody else has taken it");
}

fn play(mut file: Generator, is_looped: bool) {
    let format = file.format();
    assert!((1_000..=MAX_SAMPLE_RATE).contains(&format.sample_rate));
    assert!((1..=MAX_CHANNELS).contains(&format.channels));
    assert!(!is_looped || file.frames_total().is_none());
    let mut out = vec![0.0; format.samples(FRAMES)];
    let mut has_ended = false;
    let mut damaged = file.damaged();
    for _ in 0..if is_looped { MOST_READS_IN_A_LOOP } else { MOST_READS } {
        let Ok(frames) = file.read(&mut out) else { return };
        assert!(
            frames <= FRAMES && (!has_ended || frames == 0 || is_looped),
            "sound after the end"
        );
        assert!(out[..format.samples(frames)].iter().all(|sample| sample.abs() <= MAX_SAMPLE));
        assert!(file.damaged() >= damaged);
        damaged = file.damaged();
        has_ended = frames < FRAMES;
        if frames == 0 {
            return;
        }
    }
}

/// A file of this thread's own, in memory where the system has such a place.
fn place() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    folder.join(format!("auralync-fuzz-{}", std::process::id()))
}
