//! Who is there, who may talk, who speaks.

use std::collections::BTreeMap;
use std::time::Duration;

use auralync::wire::{MAX_TALK_BYTES, People, Wish};

use super::conference;
use super::person::{Person, converse, microphone};
use crate::support::servers::server;

/// What a list says of one person: can talk, is muted, is deaf, is speaking.
fn state(people: &People, person: u32) -> Option<[bool; 4]> {
    let one = people.people.iter().find(|one| one.person == person)?;
    Some([one.can_talk, one.is_muted, one.is_deaf, one.is_speaking])
}

fn sees(watcher: &Person, person: u32) -> Option<[bool; 4]> {
    state(watcher.people.as_ref()?, person)
}

#[test]
fn everybody_sees_who_is_there_who_speaks_and_who_has_gone() {
    let mut server = conference(&[]);
    let address = server.address();
    let mut watcher = Person::join(address, "watcher", "f32", None);
    let mut talker = Person::join_in_time(address, "talker", "f32", microphone("opus"));
    let who = talker.person();
    watcher
        .listen_until("the talker is there", |w| sees(w, who) == Some([true, false, false, false]));
    let me = watcher.person();
    assert_eq!(watcher.people.as_ref().unwrap().you, me);
    assert_eq!(sees(&watcher, me), Some([false, false, false, false]));

    converse(&mut talker, Duration::from_millis(300), |_| 0.1);
    watcher.listen_until("the talker speaks", |w| sees(w, who).unwrap()[3]);
    watcher.listen_until("the talker is silent again", |w| !sees(w, who).unwrap()[3]);

    let wish =
        Wish { muted: Some(true), deaf: Some(true), name: Some("Ann".into()), ..Wish::default() };
    talker.wish(&wish);
    watcher.listen_until("the talker is muted and deaf", |w| {
        sees(w, who) == Some([true, true, true, false])
    });
    let people = watcher.people.clone().unwrap().people;
    assert_eq!(people[0].name, "Ann", "those who can talk come first");

    drop(talker);
    watcher.listen_until("the talker has gone", |w| sees(w, who).is_none());
}

#[test]
fn who_comes_again_is_the_same_person_with_the_same_wishes() {
    let mut server = conference(&[]);
    let address = server.address();
    let mut first = Person::join(address, "same", "f32", Some(microphone("f32")));
    let who = first.person();
    first.wish(&Wish { muted: Some(true), ..Wish::default() });
    first.listen_until("it is muted", |p| sees(p, who).is_some_and(|state| state[1]));
    let mut again = Person::join(address, "same", "f32", Some(microphone("f32")));
    assert_eq!(again.person(), who);
    first.listen_until("the old connection goes", |p| p.has_ended);
    again.listen_until("it is still muted, and there once", |p| {
        let people = p.people.as_ref().map_or(0, |people| people.people.len());
        sees(p, who) == Some([true, true, false, false]) && people == 1
    });
    again.listen_until("sound", |p| p.heard.len() > 100);
    again.heard_from(0);
}

#[test]
fn a_server_without_talk_lets_nobody_speak_and_numbers_nobody() {
    let mut server = server(["--source", "tone"]);
    let person = Person::join(server.address(), "x", "f32", Some(microphone("opus")));
    assert_eq!((person.welcome.person, person.welcome.longest_talk()), (None, None));
}

#[test]
fn a_microphone_that_cannot_be_taken_only_listens() {
    let mut server = conference(&[]);
    let mut odd = microphone("s16");
    odd.rate = 1_000;
    let mut person = Person::join(server.address(), "x", "f32", Some(odd));
    assert_eq!(person.welcome.longest_talk(), None);
    assert!(person.welcome.person.is_some());
    person.listen_until("sound", |p| !p.heard.is_empty());
    let good = Person::join(server.address(), "y", "f32", Some(microphone("s16")));
    assert_eq!(good.welcome.longest_talk(), Some(MAX_TALK_BYTES));
}

#[test]
fn quick_rounds_of_muting_leave_nothing_behind_and_the_last_one_counts() {
    let mut server = conference(&[]);
    let address = server.address();
    let mut watcher = Person::join(address, "watcher", "f32", None);
    let mut talker = Person::join_in_time(address, "talker", "f32", microphone("opus"));
    let who = talker.person();
    talker.listen_until("sound", |p| p.heard.len() > 200);
    let before = server.resident_kib();
    let came = watcher.people_came;
    // Fifteen a second: as quick as a server takes them for long.
    for n in 0..60 {
        talker.wish(&Wish { muted: Some(n % 2 == 0), ..Wish::default() });
        let next_us = talker.server_us() + 66_000;
        talker.listen_until("the next round", |p| p.server_us() >= next_us);
        watcher.listen();
    }
    talker.wish(&Wish {
        muted: Some(true),
        volumes: BTreeMap::from([(watcher.person(), 50)]),
        ..Wish::default()
    });
    watcher.listen_until("the talker is muted", |w| sees(w, who).is_some_and(|state| state[1]));
    let lists = watcher.people_came - came;
    let grown = server.resident_kib().saturating_sub(before);
    println!("{lists} lists of people, {grown} KiB more");
    assert!(grown < 2_048, "{grown} KiB more");
    assert!(!talker.has_ended && talker.notice.is_none());
    // Everyone is muted: silence flows.
    let heard = watcher.heard.len();
    watcher.listen_until("silence flows", |w| w.heard.len() > heard + 200);
    assert!(watcher.heard[heard..].iter().all(|h| h.samples.iter().all(|s| *s == 0.0)));
}
