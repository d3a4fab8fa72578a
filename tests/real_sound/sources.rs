//! Several cards in one stream.

use std::path::PathBuf;

use crate::support::compare::{compare, find, likeness};
use crate::support::median::median;
use crate::support::microphones::{MIC1, MOUTH};
use crate::support::program::Program;
use crate::support::recorder::Recorder;
use crate::support::room::{EAR1, PC, RATE, Room, Sink};
use crate::support::tone::amplitude;
use crate::support::waiting::wait_until;
use crate::support::wav::write_wav;
use crate::{BACK_WITHIN_S, MUSIC_S, listener, right, server_of, wait_until_right};

/// What the microphone hears: above all that is in the noise, and so soft beside it that the noise
/// is still known for what it is.
const TONE_HZ: f64 = 12_000.0;
const TONE: f32 = 0.06;

/// How much softer the microphone is to be heard than it is.
const LEVEL_DB: f64 = -6.0;

/// A delay that a busy machine seldom exceeds, and how much later the first source is looked for.
const UNHURRIED_MS: &str = "300";
const SEARCHED_MS: u32 = 400;

/// The tone's level is taken over this long; so is what the first source must be, piece by piece.
const PIECE: usize = RATE as usize / 50;

/// How often the microphone may be unplugged until the first source was not disturbed: a busy
/// machine may spoil one time, a server that stumbles spoils all.
const ATTEMPTS: usize = 4;

fn tone(room: &Room) -> PathBuf {
    let path = room.path("tone.wav");
    let step = std::f64::consts::TAU * TONE_HZ / f64::from(RATE);
    let tone = |n: usize| TONE * (step * n as f64).sin() as f32;
    write_wav(&path, RATE, 2, (0..MUSIC_S * RATE as usize).flat_map(|n| [tone(n), 0.0]));
    path
}

/// The tone's amplitude in each piece.
fn tones(sound: &[f32]) -> Vec<f64> {
    sound.chunks_exact(PIECE).map(|piece| amplitude(piece, TONE_HZ, RATE)).collect()
}

/// The tone's level in the latest half second, in dB of what was played.
fn tone_db(recorder: &Recorder, sink: Sink) -> f64 {
    let latest = recorder.played(sink, recorder.seconds() - 0.5);
    20.0 * (median(tones(&latest.left)) / f64::from(TONE)).log10()
}

/// Which pieces of what the PC played between two seconds are not heard as they were, how many ms
/// after the first.
fn disturbed(recorder: &Recorder, from: f64, to: f64) -> Vec<usize> {
    let played = recorder.played(PC, from);
    let heard = recorder.played(EAR1, from);
    let windows = compare(&played, &heard, RATE, SEARCHED_MS);
    let delay_ms = median(right(&windows).map(|window| window.delay_ms));
    let delay = (delay_ms * f64::from(RATE) / 1e3) as usize;
    let last = (((to - from) * f64::from(RATE)) as usize).min(heard.left.len() - delay - 2 * PIECE);
    let slack = RATE as usize / 1_000;
    let is_disturbed = |at: &usize| {
        let piece = &played.left[*at..*at + PIECE];
        let near = at + delay - slack;
        let best = near + find(piece, &heard.left[near..near + PIECE + 2 * slack]);
        let (like, gain) = likeness(piece, &heard.left[best..best + PIECE], 1);
        like < 0.9 || (gain - 1.0).abs() > 0.2
    };
    let pieces = (0..last.saturating_sub(PIECE)).step_by(PIECE / 2);
    pieces.filter(is_disturbed).map(|at| at * 1_000 / RATE as usize).collect()
}

#[test]
fn a_second_card_is_heard_at_its_level_and_goes_and_comes_back_without_disturbing_the_first() {
    let mut room = Room::open();
    room.plug_microphone(MIC1);
    // Or PulseAudio would move the first one to the second.
    room.make_default_source("ear2.monitor");
    let music = room.noise(MUSIC_S);
    let microphone = format!("device:{},level={LEVEL_DB}dB", MIC1.name);
    let unhurried = ["--playout-delay-ms", UNHURRIED_MS, "--max-queue-size", "100"];
    let (mut server, address) = server_of(&room, &["loopback:pc", &microphone], &unhurried);
    let mut listener = listener(&room, &address, EAR1);
    let recorder = room.record();
    let _music = room.play(&music, PC);
    let _tone = room.play(&tone(&room), MOUTH);
    wait_until("the tone is played", || tone_db(&recorder, MOUTH).abs() < 0.1);
    wait_until("the microphone is heard at its level", || {
        (tone_db(&recorder, EAR1) - LEVEL_DB).abs() < 0.5
    });

    let mut spoiled = Vec::new();
    for attempt in 1..=ATTEMPTS {
        let unplugged = recorder.seconds();
        room.unplug_microphone(MIC1);
        wait_until("the microphone's end is said", || {
            server.times_said("“mic1” delivers no more") == attempt
        });
        wait_until("it is heard no more", || tone_db(&recorder, EAR1) < -26.0);
        let gone = recorder.seconds();
        room.plug_microphone(MIC1);
        let plugged = recorder.seconds();
        let is_back = || {
            let later = tones(&recorder.played(EAR1, plugged).left);
            later.iter().position(|level| *level > f64::from(TONE) / 4.0)
        };
        wait_until("it is heard again", || is_back().is_some());
        let back_s = is_back().unwrap() as f64 * PIECE as f64 / f64::from(RATE);
        wait_until("it is at its level again", || {
            (tone_db(&recorder, EAR1) - LEVEL_DB).abs() < 0.5
        });
        let disturbed = disturbed(&recorder, unplugged - 0.3, recorder.seconds());
        let count = disturbed.len();
        println!("gone in {:.2} s, back after {back_s:.2} s, {count} spoiled", gone - unplugged);
        assert!(back_s < BACK_WITHIN_S, "only after {back_s} s");
        if disturbed.is_empty() {
            spoiled.clear();
            break;
        }
        spoiled.push(count);
    }
    assert!(spoiled.is_empty(), "pieces of the first source that were disturbed: {spoiled:?}");
    assert_eq!(server.times_said("hear silence"), 0, "{}", server.said());
    listener.stop();
    server.stop();
}

#[test]
fn a_microphone_that_becomes_the_default_input_does_not_take_the_place_of_what_the_pc_plays() {
    let mut room = Room::open();
    let music = room.noise(MUSIC_S);
    room.plug(MOUTH);
    room.make_default_source("pc.monitor");
    let (mut server, address) = server_of(&room, &["loopback:pc"], &[]);
    let mut listener = listener(&room, &address, EAR1);
    let recorder = room.record();
    let _music = room.play(&music, PC);
    let _tone = room.play(&tone(&room), MOUTH);
    wait_until("the music is heard", || recorder.hears(EAR1));
    room.plug_microphone(MIC1);
    room.make_default_source(MIC1.name);
    server.wait_for("the default input has changed: staying with “Monitor of pc”");
    wait_until_right(&recorder, PC, [EAR1]);
    listener.stop();
    server.stop();
}

#[test]
fn a_second_card_that_comes_back_after_the_playout_delay_has_grown_is_heard_without_a_gap() {
    let mut room = Room::open();
    room.plug_microphone(MIC1);
    room.make_default_source("ear2.monitor");
    let preset = room.path("room.toml");
    let delay = |ms: u32| {
        let text = format!("chunk_size = 480\nmax_queue_size = 100\nplayout_delay_ms = {ms}\n");
        std::fs::write(&preset, text).unwrap();
    };
    delay(40);
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-server"));
    command.arg("--preset").arg(&preset).args(["--sample-rate", &RATE.to_string()]);
    command.args(["--source", "none", "--source", "device:mic1"]);
    command.args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"]);
    let mut server = Program::start(command);
    let address = server.address().to_string();
    // Nothing else plays or records in short blocks, which would make those of the microphone short.
    let recorded = room.path("heard.wav");
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
    command.arg(address).args(["--codec", "f32", "--output"]);
    command.arg(format!("wav:{}", recorded.display()));
    let mut listener = Program::start(command);
    let _tone = room.play(&tone(&room), MOUTH);
    // Its header is brought up to date once a second.
    let latest = || {
        let Ok(heard) = hound::WavReader::open(&recorded) else { return Vec::new() };
        let samples = heard.into_samples::<f32>().step_by(2).map_while(Result::ok);
        let pieces = tones(&samples.collect::<Vec<_>>());
        pieces[pieces.len().saturating_sub(50)..].to_vec()
    };
    let is_whole = |pieces: &[f64]| pieces.iter().all(|level| *level > f64::from(TONE) * 0.9);
    let is_heard = || latest().len() == 50 && is_whole(&latest());
    wait_until("the tone is heard", is_heard);
    delay(600);
    listener.wait_for("the server's delay is 600 ms from here on");
    room.unplug_microphone(MIC1);
    server.wait_for("“mic1” delivers no more");
    wait_until("it is heard no more", || latest().iter().all(|level| *level < 1e-4));
    room.plug_microphone(MIC1);
    server.wait_for("sound is captured again");
    // A busy machine may leave a hole in one second; periods too long for the delay do in each.
    wait_until("a second of the tone without a hole", is_heard);
    listener.stop();
    server.stop();
}

#[test]
fn a_device_that_is_given_twice_is_refused_in_one_line() {
    let mut room = Room::open();
    room.plug_microphone(MIC1);
    let twice: [&[&str]; 5] = [
        &["loopback:pc", "loopback:pc"],
        &["loopback", "loopback:pc,level=-6dB"],
        &["tone", "device:mic1", "device:mic1"],
        &["loopback:pc", "device:pc.monitor"],
        &["none", "tone:440", "tone:440"],
    ];
    for sources in twice {
        let mut command = room.command(env!("CARGO_BIN_EXE_auralync-server"));
        sources.iter().for_each(|source| _ = command.args(["--source", source]));
        command.args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"]);
        let mut server = Program::start(command);
        assert_eq!(server.wait().code, Some(2), "{sources:?}: {}", server.said());
        let said = server.said();
        assert_eq!(said.lines().count(), 1, "{sources:?}: {said}");
        assert!(said.contains("Give each once"), "{sources:?}: {said}");
    }
}
