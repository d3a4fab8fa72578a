//! Connections without a network, in time that is an argument.

use super::*;
use crate::codec::{Bitrate, Codec};
use crate::format::Format;
use crate::icecast::pages::About;
use crate::wire::AudioHeader;

const S: u64 = 1_000_000;

fn session() -> Session {
    let about = About { format: Format { sample_rate: 48_000, channels: 2 }, name: "n".into() };
    Session::new(Zeroizing::new(b"PUT /x\r\n\r\n".to_vec()), Pages::new(about, 1), 0)
}

fn frame(number: u64) -> AudioFrame {
    let header = AudioHeader { position: number * 960, captured_us: 0, flags: 0, frames: 960 };
    AudioFrame::new(Codec::Opus(Bitrate::default()), header, 300, |bytes| bytes.fill(0x0c))
}

fn consented() -> Session {
    let mut session = session();
    session.wrote(session.waiting().len());
    session.read(b"HTTP/1.1 100 Continue\r\n\r\n", 0).unwrap();
    session
}

#[test]
fn sound_goes_out_behind_the_request_once_the_server_consents() {
    let mut session = session();
    session.sound(&frame(0), 0);
    assert_eq!(session.waiting(), b"PUT /x\r\n\r\n");
    session.wrote(3);
    assert_eq!(session.waiting(), b" /x\r\n\r\n");
    session.read(b"HTTP/1.1 100 Con", 0).unwrap();
    assert_eq!(session.sends_for_us(S), None);
    session.read(b"tinue\r\n\r\n", S).unwrap();
    assert_eq!(session.sends_for_us(3 * S), Some(2 * S));
    session.sound(&frame(1), S);
    assert_eq!(session.waiting(), b" /x\r\n\r\n");
    session.wrote(7);
    assert!(session.waiting().starts_with(b"OggS"));
    // The second answer of Icecast's says nothing new.
    session.read(b"HTTP/1.0 200 OK\r\n\r\n", 2 * S).unwrap();
    assert_eq!(session.sends_for_us(3 * S), Some(2 * S));
    session.wrote(session.waiting().len());
    assert!(session.waiting().is_empty());
    session.end(2 * S);
    assert!(session.waiting().starts_with(b"OggS"));
}

#[test]
fn a_server_that_says_nothing_is_given_up_after_five_seconds() {
    let mut session = session();
    assert!(session.mind(5 * S - 1).is_ok());
    session.read(b"HTTP/1.1 102 Processing\r\n\r\n", 4 * S).unwrap();
    assert!(matches!(session.mind(5 * S), Err(Fault::Silent)));
    assert!(matches!(session.hung_up(), Fault::HungUp));
}

#[test]
fn a_refusal_waits_a_moment_for_its_words_and_no_longer() {
    let refusal = b"HTTP/1.0 403 Forbidden\r\n\r\n";
    let mut silent = session();
    silent.read(refusal, 0).unwrap();
    silent.sound(&frame(0), 0);
    assert!(silent.mind(299_999).is_ok() && silent.sends_for_us(S).is_none());
    assert!(matches!(silent.mind(300_000), Err(Fault::Taken(words)) if words.is_empty()));

    let mut wordy = session();
    wordy.read(refusal, 0).unwrap();
    wordy.read(b"Mountpoint ", 1).unwrap();
    wordy.read(b"in use", 2).unwrap();
    assert!(matches!(wordy.hung_up(), Fault::Taken(words) if words == "Mountpoint in use"));

    let mut flood = session();
    flood.read(refusal, 0).unwrap();
    let words = vec![b'x'; 64 << 20];
    assert!(matches!(flood.read(&words, 1), Err(Fault::Taken(words)) if words.len() == 100));
}

#[test]
fn consent_can_be_taken_back_and_rubbish_ends_all() {
    let mut session = consented();
    session.read(b"HTTP/1.0 500 Internal\r\n\r\n", S).unwrap();
    assert!(matches!(session.hung_up(), Fault::Answered { status: 500, .. }));
    assert!(matches!(consented().hung_up(), Fault::Ended));
    assert!(matches!(consented().read(b"ICY 200 OK\r\n\r\n", S), Err(Fault::Rubbish)));
}

#[test]
fn a_network_that_takes_nothing_or_too_little_is_given_up_and_holds_little_until_then() {
    for takes in [0, 100] {
        let mut session = consented();
        let mut most = 0;
        let ended = (0..60 * 50).find_map(|number| {
            let now_us = number * 20_000;
            session.sound(&frame(number), now_us);
            most = most.max(session.out.len());
            session.wrote(takes.min(session.waiting().len()));
            session.mind(now_us).err().map(|fault| (now_us, fault))
        });
        let Some((after_us, Fault::Slow)) = ended else { panic!("{ended:?}") };
        assert!((5 * S..9 * S).contains(&after_us), "{after_us}");
        assert!(most < 200_000, "{most}");
        assert!(session.made.len() <= 51);
    }
}

#[test]
fn a_network_that_keeps_up_is_never_given_up() {
    let mut session = consented();
    for number in 0..60 * 50 {
        session.sound(&frame(number), number * 20_000);
        if number % 200 == 199 {
            session.wrote(session.waiting().len());
        }
        session.mind(number * 20_000).unwrap();
    }
    assert!(session.out.capacity() < 1 << 20);
}
