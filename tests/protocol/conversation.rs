//! Whole conversations with a real server, byte by byte.

use std::time::Instant;

use super::peer::{DEADLINE, Peer, Raw, Room, hello, ping, samples, typed};
use serde_json::Value;

const SERVER_FULL: &[u8] = b"\x00\x00\x00\x18{\"error\": \"Server full\"}";

/// The tone is −12 dBFS of 440 Hz at 44,100 Hz, the same on both channels. Each sample of a sine
/// follows from the two before it, across the frames' borders too.
fn assert_is_one_unbroken_tone(samples: &[f32]) {
    let turn = 2.0 * (std::f64::consts::TAU * 440.0 / 44_100.0).cos();
    let left = samples.chunks_exact(2).map(|pair| f64::from(pair[0]));
    // The first listener of all hears the moment of silence before the tone's first frame.
    let left: Vec<f64> = left.skip_while(|sample| *sample == 0.0).collect();
    assert!(samples.chunks_exact(2).all(|pair| pair[0] == pair[1]));
    for (n, three) in left.windows(3).enumerate() {
        assert!((turn * three[1] - three[0] - three[2]).abs() < 1e-6, "frame {n}: {three:?}");
    }
    let loudest = left.iter().fold(0.0_f64, |peak, sample| peak.max(sample.abs()));
    assert!((loudest - 0.2512).abs() < 0.001, "{loudest}");
}

#[test]
fn a_first_generation_listener_gets_config_and_then_frames_of_exactly_one_chunk() {
    let room = Room::open("");
    let mut old = room.connect();
    let config =
        b"\x00\x00\x00\x58{\"sample_rate\": 44100, \"channels\": 2, \"chunk_size\": 1024, \
                   \"auralync\": {\"version\": 3}}";
    assert_eq!(old.bytes(config.len()), config);
    assert_eq!(old.bytes(3), b"   ");
    let mut heard = Vec::new();
    for _ in 0..20 {
        assert_eq!(old.bytes(4), [0, 0, 0x20, 0]);
        heard.extend(samples(&old.bytes(0x2000)));
    }
    assert_is_one_unbroken_tone(&heard);
}

#[test]
fn a_listener_that_never_says_a_byte_stays_version_1() {
    let room = Room::open("--chunk-size 64");
    let mut old = room.connect();
    old.config();
    for _ in 0..200 {
        let Raw::Plain(payload) = old.frame() else { panic!("a typed frame without a hello") };
        assert_eq!(payload.len(), 64 * 2 * 4);
    }
}

#[test]
fn a_hello_is_answered_by_welcome_and_timed_sound() {
    let room = Room::open("--channels 1");
    let mut new = room.connect();
    let config = new.config();
    assert_eq!(config["auralync"], serde_json::json!({"version": 3}));
    new.say(&hello("a1"));
    let welcome = new.welcome();
    let session = welcome["session"].as_str().unwrap().to_owned();
    assert_eq!(session.len(), 16, "{session}");
    let expected = serde_json::json!({
        "version": 2, "session": session, "name": "room",
        "format": {"sample_rate": 44100, "channels": 1}, "codec": "f32", "chunk_size": 1024,
        "position_rate": 44100, "algorithmic_delay": 0, "playout_delay_ms": 2000, "ping_ms": 250,
        "accepts": {},
    });
    assert_eq!(welcome, expected);

    let first = new.audio();
    let mut next = first.position + 1024;
    let mut heard: Vec<f32> = first.samples.iter().flat_map(|s| [*s, *s]).collect();
    for n in 1..=20_u64 {
        let sound = new.audio();
        assert_eq!((sound.flags, sound.frames, sound.position), (0, 1024, next));
        let since_us = (sound.captured_us - first.captured_us) as f64;
        let expected_us = (n * 1024) as f64 * 1e6 / 44_100.0;
        assert!((since_us - expected_us).abs() < 100.0, "{since_us} instead of {expected_us}");
        heard.extend(sound.samples.iter().flat_map(|s| [*s, *s]));
        next += 1024;
    }
    assert_is_one_unbroken_tone(&heard);
}

#[test]
fn a_ping_is_answered_with_both_times_and_unknown_frames_are_skipped() {
    let room = Room::open("");
    let mut new = room.welcomed("a1");
    let captured_us = new.audio().captured_us;
    // A report, a kind of the future, and a ping that is longer than ours.
    new.say(&typed(6, br#"{"buffered_ms": 12.5, "mood": "good"}"#));
    new.say(&typed(200, &[1, 2, 3]));
    new.say(&typed(4, &[0xff; 11]));
    let (kind, body) = new.control().unwrap();
    assert_eq!((kind, body.len()), (5, 24));
    assert_eq!(body[..8], [0xff; 8]);
    let received_us = u64::from_be_bytes(body[8..16].try_into().unwrap());
    let sent_us = u64::from_be_bytes(body[16..].try_into().unwrap());
    assert!(captured_us < received_us && received_us <= sent_us);
}

#[test]
fn in_a_big_room_everybody_is_asked_to_ping_less_often() {
    let room = Room::open("--max-clients 0");
    let mut crowd: Vec<Peer> = (0..260).map(|_| room.connect()).collect();
    for peer in &mut crowd {
        peer.config();
    }
    let mut last = room.connect();
    last.config();
    last.say(&hello("last"));
    assert_eq!(last.welcome()["ping_ms"], 261);
}

#[test]
fn of_pings_that_come_at_once_the_newest_is_answered() {
    let room = Room::open("");
    let mut new = room.welcomed("a1");
    let together: Vec<u8> = (1..=5).flat_map(ping).collect();
    new.say(&together);
    let mut answered = Vec::new();
    while answered.last() != Some(&5) {
        let (kind, body) = new.control().unwrap();
        assert_eq!(kind, 5);
        answered.push(u64::from_be_bytes(body[..8].try_into().unwrap()));
    }
    assert!(answered.is_sorted(), "{answered:?}");
}

#[test]
fn a_server_that_stops_says_so_to_version_2_and_closes_for_everybody() {
    let room = Room::open("");
    let mut new = room.welcomed("a1");
    let mut old = room.connect();
    old.config();
    room.stop();
    let (kind, body) = new.control().unwrap();
    assert_eq!(kind, 7);
    let notice: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(notice["reason"], "stopping");
    assert_eq!(new.control(), None, "nothing follows the last word");
    // Whole frames until the end: half a frame would be noise.
    while let Some(frame) = old.frame_or_end() {
        assert!(matches!(frame, Raw::Plain(payload) if payload.len() == 0x2000));
    }
}

#[test]
fn a_full_server_says_so_in_version_1s_own_bytes_and_closes() {
    let room = Room::open("--max-clients 1");
    let mut first = room.connect();
    first.config();
    let mut second = room.connect();
    assert_eq!(second.bytes(SERVER_FULL.len()), SERVER_FULL);
    second.wait_for_the_end();
    assert!(matches!(first.frame(), Raw::Plain(_)), "the one that sits goes on");
}

/// Connects until there is a seat: a seat that was left becomes free a moment later.
fn connect_until_seated(room: &Room) -> Peer {
    let until = Instant::now() + DEADLINE;
    while Instant::now() < until {
        let mut peer = room.connect();
        if peer.config().get("error").is_none() {
            return peer;
        }
        peer.wait_for_the_end();
    }
    panic!("no seat became free");
}

#[test]
fn a_seat_that_was_left_is_free_again() {
    let room = Room::open("--max-clients 1");
    for _ in 0..3 {
        connect_until_seated(&room);
    }
}

#[test]
fn a_known_listener_gets_its_seat_back_from_a_full_server() {
    let room = Room::open("--max-clients 1");
    let mut ghost = room.welcomed("mine");
    let mut back = room.connect();
    assert_eq!(back.bytes(SERVER_FULL.len()), SERVER_FULL);
    back.say(&hello("mine"));
    assert_eq!(back.welcome()["playout_delay_ms"], 2000);
    let (kind, body) = ghost.control().unwrap();
    assert_eq!(kind, 7);
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["reason"], "replaced");
    assert_eq!(ghost.control(), None);
    assert_eq!(back.audio().frames, 1024);
}

#[test]
fn a_full_server_has_no_seat_for_a_hello_that_nobody_knows() {
    let room = Room::open("--max-clients 1");
    let mut first = room.welcomed("mine");
    let mut other = room.connect();
    assert_eq!(other.bytes(SERVER_FULL.len()), SERVER_FULL);
    other.say(&hello("other"));
    other.wait_for_the_end();
    first.audio();
}

#[test]
fn one_seat_is_given_back_once_however_many_ask_for_it() {
    let room = Room::open("--max-clients 1");
    let _ghost = room.welcomed("mine");
    let mut asking: Vec<Peer> = (0..8).map(|_| room.connect()).collect();
    for peer in &mut asking {
        assert_eq!(peer.bytes(SERVER_FULL.len()), SERVER_FULL);
    }
    for peer in &mut asking {
        peer.say(&hello("mine"));
    }
    let threads: Vec<_> =
        asking.into_iter().map(|mut peer| std::thread::spawn(move || goes_on(&mut peer))).collect();
    let listening = threads.into_iter().map(|thread| thread.join().unwrap());
    assert_eq!(listening.filter(|goes_on| *goes_on).count(), 1);
}

/// Whether a connection goes on for a hundred frames of sound, rather than being closed.
fn goes_on(peer: &mut Peer) -> bool {
    (0..100).all(|_| peer.frame_or_end().is_some())
}
