//! Whoever lies at the snapclients' door is closed, and nobody else notices.

use std::time::Duration;

use serde_json::json;

use super::player::{
    CLIENT_INFO, ERROR, HELLO, Player, SERVER_SETTINGS, TIME, WIRE_CHUNK, hello, message, text,
};
use super::tone;

/// What a client says that is no snapclient's, whether it has said hello before or not.
fn lies() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for kind in [HELLO, CLIENT_INFO, TIME, 6, 9, 65_535] {
        for size in [65_537, 1 << 31, u32::MAX] {
            let mut long = message(kind, 1, 0, &[]);
            long[22..26].copy_from_slice(&size.to_le_bytes());
            all.push(long);
        }
    }
    for kind in [1, WIRE_CHUNK, SERVER_SETTINGS, ERROR] {
        all.push(message(kind, 1, 0, &[0; 16]));
    }
    for length in [0, 1, 5_000, u32::MAX] {
        let mut wrong = text(HELLO, 1, &hello("liar"));
        wrong[26..30].copy_from_slice(&length.to_le_bytes());
        all.push(wrong);
    }
    all.push(message(HELLO, 1, 0, &[]));
    all.push(message(TIME, 1, 0, &[0; 7]));
    all.push(message(CLIENT_INFO, 1, 0, &[0, 0, 0, 0]));
    all.push(text(CLIENT_INFO, 1, &json!({"volume": -3})));
    all.push(text(HELLO, 1, &json!([1, 2])));
    all.push(text(HELLO, 1, &json!({"ID": {"deep": []}, "SnapStreamProtocolVersion": 2})));
    all.push(b"GET / HTTP/1.1\r\nHost: speaker.local\r\n\r\n".repeat(4));
    all.push(vec![0xff; 4_096]);
    all
}

#[test]
fn lies_are_closed_and_others_go_on() {
    let (mut server, port) = tone(&[]);
    let (mut honest, _) = Player::join(port, "honest");
    let mut last = honest.next_of(WIRE_CHUNK).chunk().captured_us;
    for lie in lies() {
        for has_joined in [false, true] {
            let mut liar = Player::connect(port);
            if has_joined {
                liar = Player::join(port, "liar").0;
            }
            liar.say(&lie);
            liar.until_closed();
        }
        let chunk = honest.next_of(WIRE_CHUNK).chunk().captured_us;
        assert!(chunk > last);
        last = chunk;
    }
    assert!(server.is_running());
    assert_eq!(server.times_said("“room honest”"), 1, "{}", server.said());
    server.stop();
}

#[test]
fn another_version_is_told_why_and_closed() {
    let (mut server, port) = tone(&[]);
    let mut player = Player::connect(port);
    let mut old = hello("old");
    old["SnapStreamProtocolVersion"] = json!(1);
    player.say(&text(HELLO, 3, &old));
    let said = player.until_closed();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0].kind, ERROR);
    let words = String::from_utf8_lossy(&said[0].body[8..]).into_owned();
    assert!(words.contains("version 1") && words.contains("version 2"), "{words}");
    server.stop();
}

#[test]
fn whoever_says_nothing_floods_or_asks_too_early_until_closed() {
    let (mut server, port) = tone(&[]);
    let silent = Player::connect(port);
    let mut early = Player::connect(port);
    early.say(&message(TIME, 1, 0, &[0; 8]));
    early.until_closed();
    let (mut flood, _) = Player::join(port, "flood");
    // What it says beyond the bound meets a closed door.
    flood.socket.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let asks = message(TIME, 1, 0, &[0; 8]).repeat(1_000);
    let _ = std::io::Write::write_all(&mut flood.socket, &asks);
    flood.until_closed();
    let mut twice = Player::join(port, "twice").0;
    twice.say(&text(HELLO, 2, &hello("twice")));
    twice.until_closed();
    silent.until_closed();
    // What is not known is passed over.
    let (mut odd, _) = Player::join(port, "odd");
    odd.say(&message(99, 0, 0, &[7; 60_000]));
    odd.say(&message(TIME, 5, 0, &[0; 8]));
    assert_eq!(odd.next_of(TIME).answers, 5);
    server.stop();
}
