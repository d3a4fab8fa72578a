//! Peers that are not AuraLync, or that mean no good: each is closed in bounded time, and a
//! listener beside them loses nothing.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::peer::{DEADLINE, Peer, Room, hello, is_closing, ping, typed};

/// Runs `attack` while a listener hears every frame, and on until it has heard a few more.
pub(super) fn while_somebody_listens(room: &Room, attack: impl FnOnce()) {
    let over = AtomicBool::new(false);
    let mut listener = room.welcomed("witness");
    std::thread::scope(|scope| {
        let (over, listener) = (&over, &mut listener);
        let witness = scope.spawn(move || {
            let mut next = listener.audio().position + 1024;
            let mut to_go = 10;
            while to_go > 0 {
                let sound = listener.audio();
                assert_eq!((sound.flags, sound.position), (0, next), "a frame is missing");
                next += 1024;
                to_go -= u32::from(over.load(Ordering::Relaxed));
            }
        });
        {
            let _over = SetWhenDropped(over);
            attack();
        }
        witness.join().expect("the listener loses nothing");
    });
}

/// Ends the wait of others when an attack is over, or has failed its test.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What a peer says that is closed for it, however much of it the server takes.
fn is_closed_after(room: &Room, first_words: &[u8]) {
    let mut peer = room.connect();
    peer.config();
    match peer.stream.write_all(first_words) {
        Ok(()) => {}
        Err(e) if is_closing(&e) => return,
        Err(e) => panic!("{e}"),
    }
    peer.wait_for_the_end();
}

#[test]
fn what_is_not_ours_is_closed_at_once() {
    let ten_megabytes = vec![b'x'; 10_000_000];
    let json = [b"{\"a\": \"".as_slice(), &ten_megabytes, b"\"}"].concat();
    let announced = 0x8000_0000 | u32::try_from(json.len() + 1).unwrap();
    let in_a_frame = [announced.to_be_bytes().as_slice(), &[1], &json].concat();
    let random: Vec<u8> =
        (0..100_000_u64).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect();
    let cases: [(&str, Vec<u8>); 14] = [
        ("an HTTP request", b"GET / HTTP/1.1\r\nHost: pc\r\n\r\n".to_vec()),
        (
            "a TLS hello",
            [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3], [0x55; 500].as_slice()].concat(),
        ),
        ("an SSH banner", b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        ("zeros", vec![0; 10_000]),
        ("ones", vec![0xff; 10_000]),
        ("random bytes", random),
        ("version 1 the wrong way round", b"\x00\x00\x00\x04\x00\x00\x00\x00".to_vec()),
        ("the longest length", vec![0x7f, 0xff, 0xff, 0xff, 1]),
        ("the longest typed length", vec![0xff, 0xff, 0xff, 0xff, 1]),
        ("an empty typed frame", vec![0x80, 0, 0, 0]),
        ("10 MB of JSON", json),
        ("10 MB of JSON in a frame", in_a_frame),
        ("a hello that is no JSON", typed(1, b"hello")),
        ("a hello of brackets", typed(1, &[b'['; 4000])),
    ];
    let room = Room::open("");
    while_somebody_listens(&room, || {
        for (what, words) in &cases {
            eprintln!("{what}");
            is_closed_after(&room, words);
        }
    });
}

#[test]
fn hellos_that_say_nothing_useful_are_closed() {
    let room = Room::open("");
    while_somebody_listens(&room, || {
        for json in [
            "{}",
            r#"{"version": 2}"#,
            r#"{"version": 1, "id": "x"}"#,
            r#"{"version": -2, "id": "x"}"#,
            r#"{"version": 2, "id": ""}"#,
            r#"{"version": 2, "id": 7}"#,
            r#"{"version": 2, "id": "x", "codecs": "f32"}"#,
        ] {
            eprintln!("{json}");
            is_closed_after(&room, &typed(1, json.as_bytes()));
        }
    });
}

#[test]
fn half_a_hello_is_closed_but_not_before_five_seconds() {
    let room = Room::open("");
    while_somebody_listens(&room, || {
        let whole = hello("slow");
        let mut peer = room.connect();
        peer.config();
        let start = Instant::now();
        peer.say(&whole[..whole.len() / 2]);
        peer.wait_for_the_end();
        assert!(start.elapsed() > Duration::from_secs(5), "{:?}", start.elapsed());
    });
}

#[test]
fn a_hello_that_comes_byte_by_byte_is_a_hello() {
    let room = Room::open("");
    let mut peer = room.connect();
    peer.config();
    for byte in hello("slow") {
        peer.say(&[byte]);
    }
    assert_eq!(peer.welcome()["version"], 2);
}

/// Says something to a server that has welcomed it, and expects to be told why it is closed.
fn is_told_of_a_violation(mut peer: Peer, words: &[u8]) {
    peer.say(words);
    let mut last_word = None;
    while let Some((kind, body)) = peer.control() {
        last_word = Some((kind, body));
    }
    let (kind, body) = last_word.expect("a last word");
    assert_eq!(kind, 7);
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["reason"], "violation");
}

#[test]
fn listeners_that_break_the_rules_are_told_so_and_closed() {
    let many_pings: Vec<u8> = (0..60).flat_map(ping).collect();
    let cases: [(&str, Vec<u8>); 6] = [
        // Three times twenty: at least one second holds more than twenty, wherever it begins.
        ("more than 20 pings a second", many_pings),
        ("a second hello", hello("again")),
        ("a plain frame", vec![0, 0, 0, 1, 0]),
        ("a frame too long", vec![0x80, 0, 0x10, 1]),
        ("a ping too short", typed(4, &[1, 2, 3])),
        ("a report that is none", typed(6, b"[]")),
    ];
    let room = Room::open("");
    while_somebody_listens(&room, || {
        for (n, (what, words)) in cases.iter().enumerate() {
            eprintln!("{what}");
            is_told_of_a_violation(room.welcomed(&format!("rude {n}")), words);
        }
    });
}

#[test]
fn a_listener_that_sends_more_than_64_kib_a_second_is_closed() {
    let room = Room::open("");
    while_somebody_listens(&room, || {
        let mut peer = room.welcomed("chatty");
        let start = Instant::now();
        let words = typed(200, &[0; 4000]);
        while peer.stream.write_all(&words).is_ok() {
            assert!(start.elapsed() < DEADLINE, "the server goes on reading");
        }
    });
}

#[test]
fn a_flood_that_does_not_end_is_cut_off() {
    let room = Room::open("");
    while_somebody_listens(&room, || {
        let mut peer = room.connect();
        peer.config();
        let start = Instant::now();
        // Several writers, so that the server's socket is never empty.
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let mut stream = peer.stream.try_clone().unwrap();
                scope.spawn(move || {
                    let flood = vec![0xff; 1 << 20];
                    while stream.write_all(&flood).is_ok() {
                        assert!(start.elapsed() < DEADLINE, "the server goes on reading");
                    }
                });
            }
        });
    });
}

#[test]
fn a_crowd_that_only_breaks_the_rules_keeps_no_newcomer_out() {
    let room = Room::open("--max-clients 4");
    while_somebody_listens(&room, || {
        let mut crowd = Vec::new();
        for n in 1..=100 {
            let mut peer = room.connect();
            peer.config();
            let _ = peer.stream.write_all(b"GET / HTTP/1.1\r\n\r\n");
            peer.wait_for_the_end();
            // Left open on our side, so that the server has to wait for it.
            crowd.push(peer);
            if n % 10 == 0 {
                let config = room.connect().config();
                assert_eq!(config.get("error"), None, "after {n}");
            }
        }
    });
}
