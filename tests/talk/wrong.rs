//! Talkers that mean no good: each is told in one clear line, and nobody else hears any of it.

use std::time::{Duration, Instant};

use auralync::wire::{AudioHeader, Ping, Reason, Report, Wish, kind, talk_frame, typed};

use super::conference;
use super::person::{Person, converse, microphone};
use crate::support::program::Program;

/// Runs `attack` by a talker while somebody listens, who hears nothing but silence, without a gap.
/// Returns the talker and the server.
fn nobody_hears(codec: &str, attack: impl FnOnce(&mut Person) + Send) -> (Person, Program) {
    let mut server = conference(&[]);
    let address = server.address();
    let mut witness = Person::join(address, "witness", "f32", None);
    let mut talker = Person::join_in_time(address, "talker", "f32", microphone(codec));
    witness.listen_until("sound", |witness| !witness.heard.is_empty());
    std::thread::scope(|scope| {
        let attacking = scope.spawn(|| attack(&mut talker));
        while !attacking.is_finished() {
            witness.listen();
        }
        attacking.join().unwrap();
    });
    let heard = witness.heard.len();
    witness.listen_until("sound goes on", |witness| witness.heard.len() > heard + 300);
    assert!(witness.heard_from(0).iter().all(|sample| *sample == 0.0), "it was heard");
    (talker, server)
}

/// What a talker says.
type Attack<'a> = &'a (dyn Fn(&Person) -> Vec<u8> + Sync);

fn frame(frames: u32, position: u64, captured_us: u64, payload: &[u8]) -> Vec<u8> {
    talk_frame(AudioHeader { flags: 0, frames, position, captured_us }, payload).unwrap()
}

fn is_told_of_a_violation(talker: &mut Person) -> String {
    talker.listen_until("the end", |talker| talker.has_ended);
    let notice = talker.notice.clone().expect("a last word");
    assert_eq!(notice.reason, Reason::Violation);
    notice.text
}

#[test]
fn a_talker_who_sends_a_hundred_times_real_time_is_closed_with_one_clear_line() {
    let (mut talker, server) = nobody_hears("f32", |talker| {
        let start = Instant::now();
        while talker.notice.is_none()
            && !talker.has_ended
            && start.elapsed() < Duration::from_secs(20)
        {
            // Silence, so that even the sound that is taken cannot be heard.
            let now_us = talker.server_us();
            for _ in 0..100 {
                talker.talk(&[0.0; 480], now_us, 0);
            }
            talker.listen();
        }
    });
    let text = is_told_of_a_violation(&mut talker);
    assert_eq!(text, "the microphone sent far more sound than there is time for");
    assert_eq!(server.times_said("far more of its microphone's sound"), 1);
}

#[test]
fn frames_of_a_wrong_size_position_or_kind_end_the_conversation() {
    let loud = 0.9_f32.to_le_bytes().repeat(480);
    let attacks: [(&str, Attack<'_>); 6] = [
        ("too short for its frames", &|t| frame(480, 0, t.server_us(), &loud[..1_916])),
        ("too long for its frames", &|t| frame(479, 0, t.server_us(), &loud)),
        ("no frames", &|t| frame(0, 0, t.server_us(), &[])),
        ("a position beyond every clock", &|t| frame(480, 1 << 62, t.server_us(), &loud)),
        ("half a header", &|_| typed(kind::TALK, &[0; 10])),
        ("longer than is taken", &|_| typed(kind::TALK, &[0; 4_096])),
    ];
    for (what, bytes) in attacks {
        eprintln!("{what}");
        let (mut talker, _server) = nobody_hears("f32", |talker| {
            let bytes = bytes(talker);
            talker.say(&bytes);
        });
        is_told_of_a_violation(&mut talker);
    }
}

#[test]
fn an_opus_packet_of_another_length_than_it_says_ends_the_conversation() {
    let (mut talker, _server) = nobody_hears("opus", |talker| {
        // 20 ms that say they are 10.
        let bytes = frame(480, 0, talker.server_us(), &[31 << 3, 1, 2, 3]);
        talker.say(&bytes);
    });
    is_told_of_a_violation(&mut talker);
}

#[test]
fn sound_of_another_time_is_dropped_and_the_talker_stays() {
    let loud = 0.9_f32.to_le_bytes().repeat(480);
    let (mut talker, _server) = nobody_hears("f32", |talker| {
        for n in 0..200_u64 {
            let now_us = talker.server_us();
            let captured_us = [0, now_us - 5_000_000, now_us + 5_000_000, u64::MAX >> 2];
            let bytes = frame(480, n * 480, captured_us[n as usize % 4], &loud);
            talker.say(&bytes);
            talker.listen();
        }
    });
    let heard = talker.heard.len();
    talker.listen_until("it is not closed", |talker| talker.heard.len() > heard + 100);
    assert!(talker.notice.is_none() && !talker.has_ended);
}

#[test]
fn a_talker_whose_positions_go_backwards_costs_nobody_a_frame_and_stays() {
    let (mut talker, _server) = nobody_hears("s16", |talker| {
        for n in 0..1_500_u64 {
            let header = AudioHeader {
                flags: 1,
                frames: 1,
                position: (1 << 40) - n * 99_999,
                captured_us: talker.server_us(),
            };
            talker.say(&talk_frame(header, &[0; 2]).unwrap());
            if n % 2 == 0 {
                // Takes 2 ms where nothing comes.
                talker.listen();
            }
        }
    });
    let heard = talker.heard.len();
    talker.listen_until("it is not closed", |talker| talker.heard.len() > heard + 100);
    assert!(talker.notice.is_none() && !talker.has_ended);
}

#[test]
fn who_is_muted_or_was_not_let_is_not_heard_whatever_they_send() {
    let (talker, _server) = nobody_hears("f32", |talker| {
        talker.wish(&Wish { muted: Some(true), ..Wish::default() });
        converse(talker, Duration::from_millis(500), |_| 0.9);
    });
    assert!(talker.notice.is_none());
    let mut server = conference(&[]);
    let mut silent = Person::join(server.address(), "x", "f32", None);
    silent.talk(&[0.9; 480], 0, 0);
    silent.listen_until("sound", |person| person.heard.len() > 500);
    assert!(silent.notice.is_none() && silent.heard_from(0).iter().all(|sample| *sample == 0.0));
}

#[test]
fn a_name_of_ten_kilobytes_or_with_escapes_is_harmless() {
    let mut server = conference(&[]);
    let address = server.address();
    let mut witness = Person::join(address, "witness", "f32", None);
    let mut long = Person::join(address, "long", "f32", None);
    let long_name = format!("{{\"name\":\"{}\"}}", "x".repeat(10_000));
    long.say(&typed(kind::WISH, long_name.as_bytes()));
    is_told_of_a_violation(&mut long);
    let mut rude = Person::join(address, "rude", "f32", None);
    rude.wish(&Wish {
        name: Some(format!("\u{1b}[2J\u{202e}{}", "y".repeat(900))),
        ..Wish::default()
    });
    let who = rude.person();
    witness.listen_until("the name", |witness| {
        let people = witness.people.as_ref().map(|people| people.people.clone());
        let name = people.and_then(|p| p.into_iter().find(|p| p.person == who)).map(|p| p.name);
        name.is_some_and(|name| name == format!("[2J{}", "y".repeat(61)))
    });
}

#[test]
fn who_says_anything_without_end_is_closed_and_costs_nobody_a_frame() {
    let volumes = (9_000..9_128).map(|who| (who, 50)).collect();
    let full = Wish { volumes, ..Wish::default() }.frame();
    let floods: [(&str, Vec<u8>); 6] = [
        ("empty wishes", Wish::default().frame()),
        ("wishes about people who are not there", full),
        ("pings", Ping { client_us: 1 }.frame()),
        ("reports", Report::default().frame()),
        ("frames of unknown kinds", typed(200, &[])),
        ("frames of kind 0", typed(0, &[])),
    ];
    for (what, frame) in floods {
        eprintln!("{what}");
        let (mut talker, _server) = nobody_hears("f32", |talker| {
            let many = frame.repeat(2_500);
            let start = Instant::now();
            while talker.notice.is_none()
                && !talker.has_ended
                && start.elapsed() < Duration::from_secs(20)
            {
                talker.say(&many);
                talker.listen();
            }
        });
        // Who goes on without listening may be gone before its last word is.
        talker.listen_until("the end", |talker| talker.has_ended);
        assert!(talker.notice.is_none_or(|notice| notice.reason == Reason::Violation));
    }
}
