//! The first generation of AuraLync is out there: both of its programs against both of ours.

use std::time::Duration;

use crate::support::flags::{source, wav};
use crate::support::old::{CHUNK, OldClient, OldServer, Pause, RATE};
use crate::support::ramp::{self, Recording, Stretch, frames_on_disk};
use crate::support::servers::{client, server};
use crate::support::{self, Scratch, assert_follows, socket, wait_until};

/// Long enough to ride out every stall of a busy machine.
const DELAY_MS: f64 = 800.0;
const STABLE: [&str; 2] = ["--preset", "stable"];

#[test]
fn our_client_plays_every_sample_of_an_old_server_at_the_presets_delay() {
    let scratch = Scratch::new();
    let (recorded, stats) = (scratch.path("recorded.wav"), scratch.path("stats"));
    let old = OldServer::playing(None);
    let output = ["--output", &wav(&recorded), "--stats", stats.to_str().unwrap()];
    let mut listener = client(old.address, STABLE.iter().copied().chain(output));
    wait_until("four seconds", || frames_on_disk(&recorded, 2) > 4 * u64::from(RATE));
    let ended = listener.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.iter().any(|line| line.contains("first generation")), "{ended:?}");

    let recording = Recording::read_finished(&recorded);
    assert_eq!((recording.rate, recording.channels), (RATE, 2));
    recording.unbroken();
    let delays = support::numbers(&stats, "delay_ms");
    let last = *delays.last().unwrap();
    // The moment that a line is written at lies some milliseconds beside the one it speaks of.
    assert!((last - DELAY_MS).abs() < 50.0, "{delays:?}");
    // The very last line comes when the connection is gone.
    assert!(support::numbers(&stats, "version").contains(&1.0));
}

#[test]
fn an_old_server_that_pauses_goes_on_without_a_sample_lost() {
    const PAUSE: Duration = Duration::from_secs(3);
    let scratch = Scratch::new();
    let recorded = scratch.path("recorded.wav");
    let old = OldServer::playing(Some(Pause { before: 100, lasts: PAUSE }));
    let mut listener =
        client(old.address, STABLE.iter().copied().chain(["--output", &wav(&recorded)]));
    wait_until("eight seconds", || frames_on_disk(&recorded, 2) > 8 * u64::from(RATE));
    let ended = listener.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");

    let stretches = Recording::read_finished(&recorded).stretches();
    let [
        Stretch::Sound { first, frames },
        Stretch::Silence { frames: silence },
        Stretch::Sound { first: again, .. },
    ] = stretches[..]
    else {
        panic!("not sound, silence, sound: {stretches:?}");
    };
    assert_eq!(first + frames, 100 * CHUNK as u64, "everything before the pause");
    assert_eq!(again, 100 * CHUNK as u64, "everything after it");
    let silence = silence as f64 / f64::from(RATE);
    assert!((silence - PAUSE.as_secs_f64()).abs() < 0.3, "{silence} s of silence");
}

#[test]
fn an_old_server_that_is_full_is_told_of_with_exit_code_6() {
    let old = OldServer::full();
    let ended = client(old.address, ["--once", "--output", "null"]).wait();
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert_eq!(ended.stderr.len(), 1, "{ended:?}");
    assert!(ended.stderr[0].contains("is full"), "{ended:?}");

    let mut patient = client(old.address, ["--output", "null"]);
    patient.wait_for("Trying again every 10 s");
    patient.stop();
}

#[test]
fn our_server_serves_an_old_listener_byte_for_byte() {
    let scratch = Scratch::new();
    let path = scratch.path("ramp.wav");
    ramp::write(&path, 0, 60 * RATE as usize, RATE, 2);
    let mut server = server(["--source", &source(&path), "--playout-delay-ms", "2000"]);
    let mut old = OldClient::connect(server.address());

    let config = old.receive();
    let begins = br#"{"sample_rate": 44100, "channels": 2, "chunk_size": 1024"#;
    assert!(config.starts_with(begins), "{}", String::from_utf8_lossy(&config));
    assert_eq!((4 + config.len()) % 4, 0, "headers stay whole behind a config of whole words");
    let known: serde_json::Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(known["sample_rate"], 44_100);

    let mut next = None;
    for _ in 0..200 {
        let frame = old.receive();
        assert_eq!(frame.len(), CHUNK * 2 * 4, "exactly a chunk");
        assert_follows(&socket::samples(&frame), 2, &mut next);
    }
    let ended = server.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.iter().any(|line| line.contains("chunks")), "its line: {ended:?}");
}

#[test]
fn our_full_server_refuses_an_old_listener_in_the_words_it_knows() {
    let mut server = server(["--source", "tone", "--max-clients", "1"]);
    let address = server.address();
    let mut seated = OldClient::connect(address);
    assert!(seated.receive().starts_with(b"{\"sample_rate\""));
    let mut refused = OldClient::connect(address);
    assert_eq!(refused.receive(), br#"{"error": "Server full"}"#);
    assert!(refused.is_closed());
    assert!(!seated.receive().is_empty(), "the other one plays on");
}
