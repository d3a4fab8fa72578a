//! Sound of a microphone that comes, goes and comes back.

use std::path::PathBuf;
use std::process::Command;

use auralync::codec::Decoder;
use auralync::wire::FLAG_LAST;

use crate::support::compare::{find, likeness};
use crate::support::median::median;
use crate::support::microphones::{MIC1, MOUTH};
use crate::support::program::{Guarded, Program};
use crate::support::room;
use crate::support::room::{EAR1, Room};
use crate::support::room_server::{RoomServer, Said};
use crate::support::waiting::wait_until;

const RATE: u32 = 48_000;
const FRAME: u64 = 480;

/// What the client may look back when a voice begins, in µs, and what else may lie between a frame's
/// capture and its coming on a busy machine.
const LOOK_BACK_US: u64 = 50_000;
const LATEST_US: u64 = 200_000;

/// A client that talks into the room's microphone and listens to nothing.
pub(crate) fn talker(room: &Room, server: &RoomServer, flags: &[&str]) -> Program {
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
    command.args([&server.address.to_string(), "--output", "null", "--stats"]);
    command.arg(room.path("stats.json")).args(flags);
    Program::start(command)
}

/// What espeak-ng says of it, as a WAV file.
pub(crate) fn speech(room: &Room, name: &str, text: &str) -> PathBuf {
    let path = room.path(name);
    let done = Command::new("espeak-ng").arg("-w").arg(&path).arg(text).status();
    assert!(done.expect("run scripts/setup.sh sound, which installs espeak-ng").success());
    path
}

/// Says something into the microphone until what is returned is dropped.
fn say(room: &Room, text: &str) -> Guarded {
    room.play(&speech(room, "speech.wav", text), MOUTH)
}

const SENTENCE: &str =
    "Did you see that? The man with the hat was there before, and nobody noticed.";

fn decoded(said: &[Said]) -> Vec<f32> {
    let mut decoder = Decoder::new("opus", 1).unwrap();
    let (mut all, mut samples) = (Vec::new(), Vec::new());
    for one in said {
        decoder.decode(&one.payload, one.header.frames, 1, &mut samples).unwrap();
        all.extend_from_slice(&samples);
    }
    all
}

/// Every frame is one of 10 ms, later than the one before, at the time that its position says, and
/// came soon.
#[track_caller]
fn assert_in_time(said: &[Said]) {
    for pair in said.windows(2) {
        let (one, next) = (&pair[0].header, &pair[1].header);
        assert_eq!(u64::from(one.frames), FRAME);
        let frames = next.position - one.position;
        assert!(frames >= FRAME && frames.is_multiple_of(FRAME), "{one:?} {next:?}");
        let apart_us = next.captured_us as f64 - one.captured_us as f64;
        let off_us = apart_us - frames as f64 * 1e6 / f64::from(RATE);
        assert!(off_us.abs() < 30_000.0, "{off_us} µs off: {one:?} {next:?}");
    }
    for one in said {
        let after_us = one.arrived_us as i64 - one.header.captured_us as i64;
        let latest = (LOOK_BACK_US + LATEST_US) as i64;
        assert!((0..latest).contains(&after_us), "{after_us} µs after its capture");
    }
}

/// Whether nothing more of this was said.
fn is_last(said: &Said) -> bool {
    said.header.flags & FLAG_LAST != 0
}

fn times(said: &[Said], which: impl Fn(&Said) -> bool) -> usize {
    said.iter().filter(|one| which(one)).count()
}

#[test]
fn what_is_said_goes_out_in_time_and_nothing_else_does() {
    let mut room = Room::open();
    room.plug_microphone(MIC1);
    let server = RoomServer::open(true);
    let mut talker = talker(&room, &server, &["--talk", "--mic", MIC1.name]);
    talker.wait_for("you can be heard, through “mic1”");
    let _speech = say(&room, SENTENCE);
    wait_until("something is heard", || server.heard().said.len() > 100);
    wait_until("the sentence has ended", || server.heard().said.last().is_some_and(is_last));
    let said = server.heard().said.clone();
    let hello = server.heard().hellos[0].clone();
    let microphone = hello.talk.unwrap();
    assert_eq!(
        (microphone.codec.as_str(), microphone.rate, microphone.channels),
        ("opus", RATE, 1)
    );
    assert_in_time(&said);

    let after_us = |one: &Said| (one.arrived_us - one.header.captured_us) as f64 / 1e3;
    let latency = median(said[20..].iter().map(after_us));
    println!("{} frames, {latency:.1} ms after their first sample was captured", said.len());
    assert_eq!(times(&said, is_last), 1, "it was one sentence");
    let sound = decoded(&said);
    let peak = sound.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!(peak > 0.05, "{peak}");

    let before = said.len();
    let ended = std::time::Instant::now();
    wait_until("a second of silence is over", || ended.elapsed().as_secs() >= 1);
    assert_eq!(server.heard().said.len(), before, "nothing goes out while nobody speaks");
    let stats = std::fs::read_to_string(room.path("stats.json")).unwrap();
    let last: serde_json::Value = serde_json::from_str(stats.lines().last().unwrap()).unwrap();
    assert_eq!((last["talking"].as_bool(), last["muted"].as_bool()), (Some(false), Some(false)));
    assert_eq!(last["talk_frames_dropped"], 0);
    assert!(last["talk_frames_sent"].as_u64() >= Some(before as u64));
    talker.stop();
}

#[test]
fn a_voice_comes_through_as_it_is_in_every_codec() {
    let mut room = Room::open();
    room.plug_microphone(MIC1);
    for codec in ["s16", "f32", "opus:96"] {
        let server = RoomServer::open(true);
        let flags = ["--talk", "--mic", MIC1.name, "--talk-codec", codec, "--clean", "off"];
        let mut talker = talker(&room, &server, &flags);
        talker.wait_for("you can be heard");
        let recorder = room.record();
        let _speech = say(&room, SENTENCE);
        wait_until("a sentence is heard", || {
            server.heard().said.len() > 150 && server.heard().said.last().is_some_and(is_last)
        });
        let said = server.heard().said.clone();
        let name = codec.split(':').next().unwrap();
        let mut decoder = Decoder::new(name, 1).unwrap();
        let (mut heard, mut samples) = (Vec::new(), Vec::new());
        for one in &said {
            let length = one.payload.len() + 24;
            assert!(length <= 4096, "{length} bytes");
            decoder.decode(&one.payload, one.header.frames, 1, &mut samples).unwrap();
            heard.extend_from_slice(&samples);
        }
        // The room runs at its own rate; what was played there is compared at that.
        let heard = resampled(&heard, RATE, room::RATE);
        let played = recorder.played(MOUTH, 0.0);
        assert_alike(&played.left, &heard, codec);
        talker.stop();
    }
}

/// Most pieces of the second sound are to be found in the first, as they are: a busy machine loses a
/// few.
#[track_caller]
fn assert_alike(played: &[f32], heard: &[f32], what: &str) {
    const PIECE: usize = room::RATE as usize / 10;
    let is_loud = |piece: &&[f32]| piece.iter().any(|sample| sample.abs() > 0.05);
    let found: Vec<(f64, f64)> = heard
        .chunks_exact(PIECE)
        .filter(is_loud)
        .map(|piece| {
            let at = find(piece, played);
            likeness(&played[at..at + PIECE], piece, 1)
        })
        .collect();
    let like = median(found.iter().map(|one| one.0));
    let gain = median(found.iter().map(|one| one.1));
    println!("{what}: {} pieces, likeness {like:.4}, gain {gain:.3}", found.len());
    assert!(found.len() > 5 && like > 0.95 && (0.85..1.15).contains(&gain), "{what}: {found:?}");
}

pub(crate) fn resampled(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    let frames = samples.len() as u64 * u64::from(to) / u64::from(from);
    let at = |frame: u64| {
        let place = frame as f64 * f64::from(from) / f64::from(to);
        let (index, part) = (place as usize, place.fract() as f32);
        let next = samples.get(index + 1).copied().unwrap_or(0.0);
        samples[index] * (1.0 - part) + next * part
    };
    (0..frames).map(at).collect()
}

#[test]
fn a_microphone_that_is_unplugged_while_one_speaks_is_said_once_and_talked_into_when_it_is_back() {
    let mut room = Room::open();
    room.plug_microphone(MIC1);
    let server = RoomServer::open(true);
    let mut talker = talker(&room, &server, &["--talk=open", "--mic", MIC1.name]);
    talker.wait_for("you can be heard");
    let long = [SENTENCE; 6].join(" ");
    let _speech = say(&room, &long);
    wait_until("something is heard", || server.heard().said.len() > 50);

    room.unplug_microphone(MIC1);
    talker.wait_for("“mic1” delivers no more");
    wait_until("the utterance has ended", || server.heard().said.last().is_some_and(is_last));
    let before = server.heard().said.len();
    room.plug_microphone(MIC1);
    talker.wait_for("you can be heard again, through “mic1”");
    let _more = say(&room, &long);
    wait_until("something is heard again", || server.heard().said.len() > before + 50);
    assert_eq!(talker.times_said("delivers no more"), 1, "{}", talker.said());
    assert_eq!(talker.times_said("connected to"), 1, "it listened on: {}", talker.said());
    assert_in_time(&server.heard().said);
    talker.stop();
}

#[test]
fn without_a_microphone_one_listens_and_talks_as_soon_as_there_is_one() {
    let mut room = Room::open();
    let server = RoomServer::open(true);
    let mut talker = talker(&room, &server, &["--talk"]);
    // What the PC plays is PulseAudio's default input then, and is no microphone.
    talker.wait_for("nobody can hear you: this PC has no microphone");
    let last = |key: &str| -> Option<f64> {
        let text = std::fs::read_to_string(room.path("stats.json")).ok()?;
        let line: serde_json::Value = serde_json::from_str(text.lines().last()?).ok()?;
        line[key].as_f64()
    };
    wait_until("it listens", || last("frames_received").is_some_and(|frames| frames > 48_000.0));
    room.plug_microphone(MIC1);
    room.make_default_source(MIC1.name);
    talker.wait_for("you can be heard again, through “mic1”");
    let _speech = say(&room, SENTENCE);
    wait_until("something is heard", || server.heard().said.len() > 50);
    assert_eq!(talker.times_said("nobody can hear you"), 1, "{}", talker.said());
    talker.stop();
}

#[test]
fn a_talker_talks_on_after_its_connection_was_lost() {
    let mut room = Room::open();
    room.plug_microphone(MIC1);
    let server = RoomServer::open(true);
    let mut talker = talker(&room, &server, &["--talk", "--mic", MIC1.name]);
    talker.wait_for("you can be heard");
    let _speech = say(&room, &[SENTENCE; 6].join(" "));
    wait_until("something is heard", || server.heard().said.len() > 50);
    server.hang_up();
    wait_until("it is back", || server.heard().hellos.len() == 2);
    let before = server.heard().said.len();
    wait_until("something is heard again", || server.heard().said.len() > before + 50);
    let heard = server.heard();
    assert_eq!(heard.hellos[0].id, heard.hellos[1].id);
    assert_in_time(&heard.said);
    drop(heard);
    talker.stop();
}

#[test]
fn a_talker_whose_output_vanishes_talks_on() {
    let mut room = Room::open();
    room.plug_microphone(MIC1);
    let server = RoomServer::open(true);
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
    command.args([&server.address.to_string(), "--device", EAR1.name]);
    command.args(["--talk", "--mic", MIC1.name]);
    let mut talker = Program::start(command);
    talker.wait_for("you can be heard");
    let _speech = say(&room, &[SENTENCE; 8].join(" "));
    wait_until("something is heard", || server.heard().said.len() > 50);
    room.unplug(EAR1);
    talker.wait_for("“ear1” plays no more");
    let before = server.heard().said.len();
    wait_until("it talks on", || server.heard().said.len() > before + 100);
    talker.stop();

    let flags = ["--device", "no such output", "--talk", "--mic", MIC1.name];
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
    command.arg(server.address.to_string()).args(flags);
    let mut talker = Program::start(command);
    talker.wait_for("you can be heard");
    talker.wait_for("none is called that");
    let before = server.heard().said.len();
    let _more = say(&room, SENTENCE);
    wait_until("even one that never had an output talks", || {
        server.heard().said.len() > before + 50
    });
    talker.stop();
}
