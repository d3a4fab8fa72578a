//! Cards whose channels stand in every order: what counts is what a channel is.

use std::path::{Path, PathBuf};

use crate::server_of;
use crate::support::program::Program;
use crate::support::room::{RATE, Room};
use crate::support::tone::amplitude;
use crate::support::waiting::wait_until;

/// Orders of channels that cards have, and the input to each channel is a tone of its own.
const MAPS: [(&str, &str); 6] = [
    ("alsa51", "front-left,front-right,rear-left,rear-right,front-center,lfe"),
    ("wavex51", "front-left,front-right,front-center,lfe,rear-left,rear-right"),
    ("alsa71", "front-left,front-right,rear-left,rear-right,front-center,lfe,side-left,side-right"),
    ("alsa40", "front-left,front-right,rear-left,rear-right"),
    ("swapped", "front-right,front-left"),
    ("backwards", "lfe,front-center,side-right,side-left,front-right,front-left"),
];

/// How loud each tone is, and the first one's frequency and the step to the next: each makes whole
/// turns in the piece that is looked at.
const TONE: f64 = 0.1;
const LOWEST_HZ: f64 = 400.0;
const STEP_HZ: f64 = 200.0;
const PIECE: usize = RATE as usize / 5;

/// Softer than this, of what was played, is nothing; and the softest that is heard is louder.
const NOTHING: f64 = 0.003;
const AUDIBLE: f64 = 0.1;

fn hz(channel: usize) -> f64 {
    LOWEST_HZ + STEP_HZ * channel as f64
}

/// A minute of a tone on each of so many channels, raw.
fn tones(room: &Room, name: &str, channels: usize) -> PathBuf {
    let mut bytes = Vec::new();
    for n in 0..60 * RATE as usize {
        for channel in 0..channels {
            let phase = std::f64::consts::TAU * hz(channel) * n as f64 / f64::from(RATE);
            bytes.extend(((TONE * phase.sin()) as f32).to_le_bytes());
        }
    }
    let path = room.path(&format!("{name}-tones.raw"));
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The latest piece of a stereo recording of floats that begins after `header` bytes.
fn latest(path: &Path, header: usize) -> Option<[Vec<f32>; 2]> {
    let bytes = std::fs::read(path).ok()?;
    let frames: Vec<_> = bytes.get(header..)?.chunks_exact(8).collect();
    let piece = frames.len().checked_sub(PIECE).map(|from| &frames[from..])?;
    let channel = |at: usize| {
        let sample = |frame: &&[u8]| f32::from_le_bytes([0, 1, 2, 3].map(|byte| frame[at + byte]));
        piece.iter().map(sample).collect()
    };
    Some([channel(0), channel(4)])
}

/// How much of the tone of that frequency is in the sound, of what was played.
fn share(sound: &[f32], hz: f64) -> f64 {
    amplitude(sound, hz, RATE) / TONE
}

/// Whether each channel of `map` is heard on the sides that its name says and on no other.
fn is_where_it_belongs(map: &str, [left, right]: &[Vec<f32>; 2]) -> Result<(), String> {
    for (channel, name) in map.split(',').enumerate() {
        let sides = [share(left, hz(channel)), share(right, hz(channel))];
        let heard = sides.map(|side| side > AUDIBLE);
        let silent = sides.map(|side| side < NOTHING);
        let is_right = match name {
            "lfe" => silent == [true, true],
            "front-center" => heard == [true, true] && (sides[0] / sides[1] - 1.0).abs() < 0.02,
            name if name.ends_with("left") => heard[0] && silent[1],
            _ => silent[0] && heard[1],
        };
        if !is_right {
            return Err(format!(
                "{name}: {:.4} on the left, {:.4} on the right",
                sides[0], sides[1]
            ));
        }
    }
    Ok(())
}

fn wait_until_it_belongs(what: &str, map: &str, path: &Path, header: usize) {
    let mut last = Err("nothing was recorded".to_owned());
    let is_right = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait_until(what, || {
            if let Some(sound) = latest(path, header) {
                last = is_where_it_belongs(map, &sound);
            }
            last.is_ok()
        });
    }));
    assert!(is_right.is_ok(), "{what}: {last:?}");
}

#[test]
fn each_channel_that_is_captured_is_heard_on_the_side_that_its_name_says() {
    let room = Room::open();
    for (name, map) in MAPS {
        room.plug_arranged(name, map);
        let tones = tones(&room, name, map.split(',').count());
        let kept = room.path(&format!("{name}.wav"));
        let record = ["--record", kept.to_str().unwrap()];
        let (_server, _) = server_of(&room, &[&format!("loopback:{name}")], &record);
        let _player = room.play_arranged(&tones, name, map);
        let header = || {
            let bytes = std::fs::read(&kept).unwrap_or_default();
            bytes.windows(4).take(512).position(|four| four == b"data").map(|at| at + 8)
        };
        wait_until("the recording has begun", || header().is_some());
        wait_until_it_belongs(name, map, &kept, header().unwrap());
    }
}

#[test]
fn what_is_played_on_a_card_whose_sides_are_swapped_is_heard_on_its_own_side() {
    const STEREO: &str = "front-left,front-right";
    let room = Room::open();
    let tones = tones(&room, "pc", 2);
    let (_server, address) = server_of(&room, &["loopback:pc"], &[]);
    let _player = room.play_arranged(&tones, "pc", STEREO);
    for (name, map) in MAPS.iter().filter(|(name, _)| ["swapped", "backwards"].contains(name)) {
        room.plug_arranged(name, map);
        let (recording, _recorder) = room.record_arranged(name, STEREO);
        let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
        command.args([&address, "--device", name]);
        let _listener = Program::start(command);
        wait_until_it_belongs(name, STEREO, &recording, 0);
    }
}
