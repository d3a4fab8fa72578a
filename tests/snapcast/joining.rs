//! What a snapclient gets.

use std::time::Instant;

use auralync::wire::{AudioHeader, kind};

use super::player::{Chunk, Player, SERVER_SETTINGS, WIRE_CHUNK};
use super::{port, tone};
use crate::support::caller::Caller;
use crate::support::flags::source;
use crate::support::program::Program;
use crate::support::servers::{server, server_command};
use crate::support::{PATIENCE, Scratch, ramp, socket, wait_until};

const RATE: i64 = 48_000;

/// Asserts that each chunk begins where the one before it ends.
#[track_caller]
fn assert_follows(chunks: &[Chunk]) {
    for pair in chunks.windows(2) {
        let frames = i64::try_from(pair[0].sound.len() / 4).unwrap();
        let apart_us = pair[1].captured_us - pair[0].captured_us;
        assert!((apart_us - frames * 1_000_000 / RATE).abs() <= 1, "{apart_us} for {frames}");
    }
}

fn chunks(player: &mut Player, count: usize) -> Vec<Chunk> {
    (0..count).map(|_| player.next_of(WIRE_CHUNK).chunk()).collect()
}

#[test]
fn a_snapclient_gets_its_settings_the_header_and_sound_without_a_gap() {
    let (mut server, port) = tone(&["--playout-delay-ms", "470"]);
    let (mut player, settings) = Player::join(port, "kitchen");
    assert_eq!(settings.to_string(), r#"{"bufferMs":470,"latency":0,"muted":false,"volume":100}"#);
    let chunks = chunks(&mut player, 50);
    assert_follows(&chunks);
    assert!(chunks.iter().any(|chunk| chunk.sound.iter().any(|byte| *byte != 0)));
    drop(player);
    server.wait_for("“room kitchen” at 127.0.0.1");
    server.wait_for("has gone");
    server.stop();
}

#[test]
fn a_snapclient_gets_the_very_samples_of_our_listeners_at_the_very_times() {
    let scratch = Scratch::new();
    let path = scratch.path("ramp.wav");
    ramp::write(&path, 0, 60 * RATE as usize, RATE as u32, 2);
    let mut server = server(["--source", &source(&path), "--snapcast", "0", "--codecs", "s16"]);
    let (port, address) = (port(&mut server), server.address());
    let mut listener = Caller::join(address, "ours", "s16", None);
    let (mut player, _) = Player::join(port, "theirs");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let deadline = Instant::now() + PATIENCE;
    let mut same = 0;
    while same < 40 {
        assert!(Instant::now() < deadline, "{same} of {} and {}", ours.len(), theirs.len());
        listener.listen(|kind, body| {
            if kind == kind::AUDIO {
                let (header, payload) = AudioHeader::split(body).unwrap();
                let captured_us = i64::try_from(header.captured_us).unwrap();
                ours.push(Chunk { captured_us, sound: payload.to_vec() });
            }
        });
        theirs.extend(chunks(&mut player, 1));
        same = theirs.iter().filter(|chunk| ours.contains(chunk)).count();
    }
    assert_follows(&theirs);
    let late = theirs.iter().filter(|chunk| !ours.contains(chunk)).count();
    println!("{same} of {} are the same, {late} are not there yet", theirs.len());
    let last = ours.last().unwrap().captured_us;
    let first = ours.first().unwrap().captured_us;
    let both = theirs.iter().filter(|one| (first..=last).contains(&one.captured_us));
    assert!(both.clone().count() >= 40 && both.clone().all(|chunk| ours.contains(chunk)));
    server.stop();
}

#[test]
fn flac_is_announced_and_sent_frame_by_frame() {
    let (mut server, port) = tone(&["--snapcast-codec", "flac", "--chunk-size", "480"]);
    let mut player = Player::connect(port);
    player.say(&super::player::text(super::player::HELLO, 7, &super::player::hello("kitchen")));
    assert_eq!(player.next().kind, SERVER_SETTINGS);
    let header = player.next();
    assert_eq!(header.body[..8], [4, 0, 0, 0, b'f', b'l', b'a', b'c']);
    assert_eq!(header.body[12..16], *b"fLaC");
    for chunk in chunks(&mut player, 20) {
        assert_eq!(chunk.sound[..2], [0xff, 0xf8]);
        assert!(chunk.sound.len() < 480 * 4, "{} bytes", chunk.sound.len());
    }
    server.stop();
}

#[test]
fn a_question_for_the_time_is_answered_under_its_id_by_the_clock_of_the_sound() {
    let (mut server, port) = tone(&[]);
    let (mut player, _) = Player::join(port, "kitchen");
    let began = Instant::now();
    let (ahead_us, round_us) = player.ask_the_time(began);
    println!("{ahead_us} µs ahead, {round_us} µs there and back");
    let chunk = player.next_of(WIRE_CHUNK).chunk();
    let now_us = began.elapsed().as_micros() as i64 - 3_000_000 + ahead_us;
    let age_us = now_us - chunk.captured_us;
    assert!((0..PATIENCE.as_micros() as i64).contains(&age_us), "{age_us}");
    server.stop();
}

#[test]
fn fifty_snapclients_get_every_chunk_while_five_never_read() {
    let (mut server, port) =
        tone(&["--playout-delay-ms", "9000", "--max-clients", "100", "--per-address", "100"]);
    let never_read: Vec<_> = (0..5)
        .map(|number| {
            let mut player = Player { socket: socket::connect_with_little_room(port) };
            let hello = super::player::hello(&format!("deaf {number}"));
            player.say(&super::player::text(super::player::HELLO, 1, &hello));
            player
        })
        .collect();
    std::thread::scope(|scope| {
        for number in 0..50 {
            scope.spawn(move || {
                let (mut player, _) = Player::join(port, &number.to_string());
                assert_follows(&chunks(&mut player, 120));
            });
        }
    });
    drop(never_read);
    assert!(server.is_running());
    server.stop();
}

#[test]
fn snapclients_have_as_many_places_as_listeners() {
    let (mut server, port) = tone(&["--max-clients", "2"]);
    let (mut first, _) = Player::join(port, "first");
    let _second = Player::join(port, "second");
    assert!(Player::connect(port).until_closed().is_empty());
    drop(_second);
    // The place is free again as soon as the server has seen that.
    server.wait_for("“room second” at 127.0.0.1");
    server.wait_for("has gone");
    let _third = Player::join(port, "third");
    assert_follows(&chunks(&mut first, 5));
    server.stop();
}

#[test]
fn a_delay_that_changes_is_told() {
    let scratch = Scratch::new();
    let preset =
        |delay_ms: u32| scratch.file("room.toml", format!("playout_delay_ms = {delay_ms}\n"));
    let (file, stats) = (preset(300), scratch.path("stats.json"));
    let mut server = server([
        "--preset".as_ref(),
        file.as_os_str(),
        "--source".as_ref(),
        "tone".as_ref(),
        "--snapcast=0".as_ref(),
        "--stats".as_ref(),
        stats.as_os_str(),
    ]);
    let port = port(&mut server);
    // The file is looked at from before the first line on.
    wait_until("statistics", || std::fs::metadata(&stats).is_ok_and(|file| file.len() > 0));
    let (mut player, settings) = Player::join(port, "kitchen");
    assert_eq!(settings["bufferMs"], 300);
    preset(500);
    assert_eq!(player.next_of(SERVER_SETTINGS).json()["bufferMs"], 500);
    preset(100);
    server.wait_for(
        "snapclients play 50 ms later than everybody else: a delay of 100 ms is too short",
    );
    assert_eq!(player.next_of(SERVER_SETTINGS).json()["bufferMs"], 150);
    server.stop();
}

#[test]
fn a_private_room_refuses_to_be_heard_by_snapclients() {
    for (flags, why) in [
        (&["--private", "--snapcast"][..], "this room is private"),
        (&["--snapcast", "8080"], "8080 is the port of the page"),
        (&["--snapcast", "6000", "--port", "6000"], "the port that listeners connect to"),
    ] {
        let mut command = server_command();
        command.args(["--source", "tone", "--bind", "127.0.0.1", "--no-discovery"]).args(flags);
        let mut server = Program::start(command);
        let ended = server.wait();
        assert_eq!(ended.code, Some(2), "{ended}");
        assert!(ended.stderr.len() == 1 && ended.stderr[0].contains(why), "{ended}");
    }
}

#[test]
fn a_port_that_is_taken_is_said_in_a_sentence_and_everybody_else_listens() {
    let (_first, port) = tone(&[]);
    let taken = port.port().to_string();
    let mut server = server(["--source", "tone", "--snapcast", &taken]);
    let address = server.address();
    let said = server.wait_for("snapclients cannot join");
    assert!(said.contains("another program already uses that port") && said.contains("--snapcast"));
    let mut listener = Caller::join(address, "a", "f32", None);
    let (mut heard, deadline) = (0, Instant::now() + PATIENCE);
    while heard < 3 && Instant::now() < deadline {
        listener.listen(|kind, _| heard += u32::from(kind == kind::AUDIO));
    }
    assert!(heard >= 3);
    server.stop();
}

/// What a server costs that serves no snapclients, as its threads tell.
#[cfg(target_os = "linux")]
#[test]
fn a_server_without_snapclients_has_no_thread_for_them() {
    let threads = |server: &Program| -> Vec<String> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
        tasks
            .map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).unwrap())
            .collect()
    };
    let mut without = server(["--source", "tone"]);
    let address = without.address();
    let mut listener = Caller::join(address, "a", "f32", None);
    let deadline = Instant::now() + PATIENCE;
    let mut heard = 0;
    while heard < 1 && Instant::now() < deadline {
        listener.listen(|kind, _| heard += u32::from(kind == kind::AUDIO));
    }
    assert!(!threads(&without).iter().any(|name| name.starts_with("snap")));
    let (with, _) = tone(&[]);
    wait_until("the thread", || threads(&with).iter().any(|name| name.starts_with("snapclients")));
}
