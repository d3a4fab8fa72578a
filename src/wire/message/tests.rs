use proptest::prelude::*;

use super::*;
use crate::wire::{Deframer, Frame, Limits, MAX_JSON, People, Ping, Pong, Wish};

fn config() -> Config {
    Config { sample_rate: 44_100, channels: 2, chunk_size: 1024, auralync: None }
}

#[test]
fn a_generation_one_config_is_its_bytes_exactly() {
    let json = r#"{"sample_rate": 44100, "channels": 2, "chunk_size": 1024}"#;
    let frame = config().frame();
    assert_eq!(frame[..4], [0, 0, 0, 0x39]);
    assert_eq!(&frame[4..], json.as_bytes());
    assert_eq!(ServerFirst::read(json.as_bytes()), Ok(ServerFirst::Config(config())));
}

#[test]
fn our_config_keeps_the_bytes_after_it_aligned() {
    for chunk_size in [64, 128, 1024, 8192] {
        let key = AuralyncKey { version: 2, hold: chunk_size == 64, room: None };
        let ours = Config { chunk_size, auralync: Some(key), ..config() };
        let frame = ours.frame();
        assert_eq!(frame.len() % 4, 0);
        assert!(frame[4..].starts_with(b"{\"sample_rate\": 44100, \"channels\": 2, "));
        assert_eq!(ServerFirst::read(&frame[4..]), Ok(ServerFirst::Config(ours)));
    }
}

#[test]
fn a_full_server_is_recognised_in_any_spacing() {
    for text in [r#"{"error": "Server full"}"#, r#"{"error":"server full", "more": 1}"#] {
        assert_eq!(ServerFirst::read(text.as_bytes()), Ok(ServerFirst::Full(Full::Server)));
    }
    for full in [Full::Server, Full::Address] {
        let frame = full.frame();
        assert_eq!(frame[..4], u32::try_from(frame.len() - 4).unwrap().to_be_bytes());
        assert_eq!(ServerFirst::read(&frame[4..]), Ok(ServerFirst::Full(full)));
    }
    assert!(ServerFirst::read(br#"{"error": "no"}"#).is_err());
}

#[test]
fn a_config_that_cannot_be_played_is_refused() {
    for json in [
        "",
        "[]",
        "{}",
        r#"{"sample_rate": 0, "channels": 2, "chunk_size": 1024}"#,
        r#"{"sample_rate": 44100, "channels": 0, "chunk_size": 1024}"#,
        r#"{"sample_rate": 44100, "channels": 2, "chunk_size": 0}"#,
        r#"{"sample_rate": 44100, "channels": 2, "chunk_size": 4294967295}"#,
        r#"{"sample_rate": 44100, "channels": 65535, "chunk_size": 1024}"#,
        r#"{"sample_rate": -1, "channels": 2, "chunk_size": 1024}"#,
    ] {
        assert!(ServerFirst::read(json.as_bytes()).is_err(), "{json}");
    }
}

#[test]
fn a_hello_with_escapes_or_a_huge_name_is_tamed() {
    let name = format!("\u{1b}[31m{}", "x".repeat(1000));
    let hello =
        Hello { version: 2, id: "a".into(), name, codecs: vec![], talk: None, datagrams: false };
    let read = Hello::read(&hello.frame()[5..]).unwrap();
    assert_eq!(read.name.chars().count(), MAX_NAME);
    assert!(read.name.starts_with("[31mx"));
}

#[test]
fn a_notice_of_the_future_is_read_as_unknown() {
    let notice = Notice::read(br#"{"reason": "teapot", "more": [1]}"#).unwrap();
    assert_eq!(notice.reason, Reason::Unknown);
}

#[test]
fn of_the_servers_that_sound_comes_through_only_sessions_are_read_and_no_more_than_anybody_has() {
    let own = "0123456789abcdef";
    let notice = |via: &[&str]| {
        let body = serde_json::json!({"reason": "via", "via": via}).to_string();
        Notice::read(body.as_bytes()).unwrap()
    };
    let told = notice(&[own, "", "\u{1b}[2J", "0123456789abcde", "0123456789abcdeg", "éééééééé"]);
    assert_eq!((told.reason, &told.via[..]), (Reason::Via, &[own.to_owned()][..]));
    assert_eq!(notice(&[own; 1_000 / 2]).via.len(), MAX_VIA);
    assert!(Notice::read(br#"{"reason": "via"}"#).unwrap().via.is_empty());
    assert!(Notice::read(br#"{"reason": "via", "via": [5]}"#).is_err());
    let silent = Notice::because(Reason::Stopping, "bye").frame();
    assert!(!String::from_utf8_lossy(&silent).contains("via"));
}

#[test]
fn a_list_is_no_message_and_neither_is_more_json_than_a_client_takes() {
    assert!(Report::read(b"[]").is_err());
    assert!(Hello::read(br#"[2, "x", "", []]"#).is_err());
    assert!(ServerFirst::read(b"[44100, 2, 1024]").is_err());
    let most = format!("{{\"reason\": \"stopping\"}}{}", " ".repeat(MAX_JSON - 22));
    assert_eq!(most.len(), MAX_JSON);
    assert!(Notice::read(most.as_bytes()).is_ok());
    assert!(Notice::read(format!("{most} ").as_bytes()).is_err());
}

#[test]
fn deep_json_is_an_error_and_not_a_crash() {
    let body = "[".repeat(100_000);
    assert!(Hello::read(body.as_bytes()).is_err());
}

#[test]
fn what_cannot_be_read_is_quoted_briefly_and_cannot_move_the_cursor() {
    let body = format!(r#"{{"ping_ms":"\u001b[2J\u202e{}"}}"#, "B".repeat(9000));
    let Err(Violation::Unreadable { why, .. }) = Welcome::read(body.as_bytes()) else {
        panic!("that is no welcome");
    };
    assert!(why.chars().count() <= LONGEST_TEXT, "{}", why.len());
    assert_eq!(why, printable(&why, LONGEST_TEXT));
}

proptest! {
    #[test]
    fn clock_messages_survive_the_wire(a in any::<u64>(), b in any::<u64>(), c in any::<u64>()) {
        let ping = Ping { client_us: a };
        prop_assert_eq!(Ping::read(&ping.frame()[5..]), Ok(ping));
        let pong = Pong { client_us: a, received_us: b, sent_us: c };
        prop_assert_eq!(Pong::read(&pong.frame()[5..]), Ok(pong));
    }

    #[test]
    fn any_hello_survives_the_wire(id in "[a-z0-9]{1,64}", name in "\\PC{0,40}") {
        // What breaks lines, turns them round or is not seen counts as printable there, and goes
        // here.
        let name = printable_name(&name, MAX_NAME, MAX_NAME_BYTES);
        let hello = Hello { version: 2, id, name, codecs: vec!["f32".into()], talk: None, datagrams: false };
        let mut deframer = Deframer::new(Limits { plain: 0, typed: 4096 });
        deframer.push(&hello.frame());
        let Ok(Some(Frame::Typed { kind: kind::HELLO, body })) = deframer.next_frame() else {
            return Err(TestCaseError::fail("no frame"));
        };
        prop_assert_eq!(Hello::read(body), Ok(hello));
    }

    #[test]
    fn no_body_makes_a_reader_panic(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (Hello::read(&body), Welcome::read(&body), Report::read(&body));
        let _ = (Notice::read(&body), Ping::read(&body), Pong::read(&body));
        let _ = (Wish::read(&body), People::read(&body));
        let _ = (ServerFirst::read(&body), crate::wire::AudioHeader::split(&body));
    }
}
