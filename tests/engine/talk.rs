//! Who speaks at one server of a room is heard at all of them, once, and not by themselves.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::Signal;

use auralync::wire::{Person as Somebody, Reason, Wish};

use super::Servers;
use crate::support::median::median;
use crate::support::program::Program;
use crate::support::{nats, wait_until};
use crate::talk::person::{Person, RATE, converse, converse_from, microphone};
use crate::talk::tones::{assert_hears_others, level_db, tone};

const TONES_HZ: [f64; 3] = [400.0, 700.0, 1_100.0];

/// How much longer the first frame of somebody's takes: the mix waits that long for all of them, and no stall of a busy
/// machine leaves a gap. More than what a voice may need at most would be too late.
const EASE_US: u64 = 300_000;

/// How long people speak.
const SPOKEN: Duration = Duration::from_secs(5);

/// What they say is looked at from so long after they began, in µs.
const SETTLED_US: u64 = 2_500_000;

/// How loud each tone is. Of one that is heard the middle tenth of a second counts, unless one is louder: where a busy
/// machine lets nobody speak for longer than [`EASE_US`] a piece is missing, and that says nothing of its level.
fn levels_db(samples: &[f32]) -> [f64; 3] {
    TONES_HZ.map(|hz| {
        let tenths = samples.chunks_exact(RATE as usize / 10).map(|tenth| level_db(tenth, hz));
        let loudest = tenths.clone().fold(f64::MIN, f64::max);
        match median(tenths) {
            ..=-40.0 => level_db(samples, hz),
            _ if loudest > 1.0 => loudest,
            middle => middle,
        }
    })
}

/// A room without a film, where people may speak at the origin and at two edges.
struct Conference {
    _node: nats::Node,
    origin: Program,
    edges: [Program; 2],
    /// Where the origin is, and the edges.
    at: [SocketAddr; 3],
}

impl Conference {
    fn begin(flags: &[&str]) -> Self {
        let node = nats::one();
        let servers = Servers::new(&node.url());
        Self::of(&servers, node, flags)
    }

    fn of(servers: &Servers, node: nats::Node, flags: &[&str]) -> Self {
        let mut origin = origin(servers, flags);
        let mut edges = [edge(servers), edge(servers)];
        let at = [origin.address(), edges[0].address(), edges[1].address()];
        Self { _node: node, origin, edges, at }
    }
}

fn origin(servers: &Servers, flags: &[&str]) -> Program {
    let usual = ["--source", "none", "--talk", "--max-clients", "0", "--sample-rate", "48000"];
    let patient = ["--playout-delay-ms", "2000", "--max-queue-size", "1000", "--codecs", "f32"];
    let mut origin = servers.server([&usual[..], &patient, flags].concat());
    origin.wait_for("is there: other servers may send this too");
    origin
}

fn edge(servers: &Servers) -> Program {
    servers.server(["--source", "engine:room", "--talk", "--max-clients", "0"])
}

fn talker(at: SocketAddr, id: &str) -> Person {
    Person::join_in_time(at, id, "f32", microphone("f32"))
}

/// Others than `person` who can talk, as they were told.
fn others(person: &Person) -> Vec<Somebody> {
    let people = person.people.iter().flat_map(|people| people.people.iter());
    people.filter(|one| one.can_talk && one.person != person.person()).cloned().collect()
}

/// Somebody speaks, and hears meanwhile; whom they see speak.
fn speak(person: Person, hz: f64) -> JoinHandle<(Person, Vec<f32>)> {
    speak_for(person, SPOKEN, hz)
}

fn speak_for(mut person: Person, length: Duration, hz: f64) -> JoinHandle<(Person, Vec<f32>)> {
    thread::spawn(move || {
        let start_us = person.server_us() - EASE_US;
        converse_from(&mut person, start_us, length, tone(hz));
        let samples = a_second_of(&mut person, start_us + SETTLED_US);
        (person, samples)
    })
}

fn a_second_of(person: &mut Person, from_us: u64) -> Vec<f32> {
    person.listen_until("a second of sound", |person| {
        person.heard.last().is_some_and(|heard| heard.header.captured_us > from_us + 1_200_000)
    });
    person.heard_from(from_us)[..RATE as usize].to_vec()
}

#[test]
fn who_speaks_at_any_server_of_a_room_is_heard_at_all_of_them_once_and_not_by_themselves() {
    let Conference { at, edges: _edges, _node, origin: _origin } = Conference::begin(&[]);
    let mut listeners = at.map(|at| Person::join(at, "listener", "f32", None));
    let mut talkers: Vec<Person> =
        at.iter().zip(["origin", "first", "second"]).map(|(at, id)| talker(*at, id)).collect();
    for talker in &mut talkers {
        talker.listen_until("all are in the list", |talker| others(talker).len() == 2);
        let names: Vec<String> = others(talker).into_iter().map(|one| one.name).collect();
        assert!(names.iter().all(|name| name.starts_with("person ")), "{names:?}");
    }
    for listener in &mut listeners {
        listener.listen_until("all talkers are in the list", |one| others(one).len() == 3);
    }
    // Each talker is at the server of a listener, and so knows that one's clock.
    let clocks: Vec<u64> = talkers.iter().map(Person::server_us).collect();
    let threads: Vec<_> =
        talkers.into_iter().zip(TONES_HZ).map(|(talker, hz)| speak(talker, hz)).collect();
    let listening: Vec<_> = listeners
        .into_iter()
        .zip(clocks)
        .map(|(mut listener, began_us)| {
            thread::spawn(move || {
                listener.listen_until("all are seen to speak", |listener| {
                    others(listener).iter().filter(|one| one.is_speaking).count() == 3
                });
                a_second_of(&mut listener, began_us + SETTLED_US)
            })
        })
        .collect();
    for (n, thread) in threads.into_iter().enumerate() {
        let (_talker, samples) = thread.join().unwrap();
        assert_hears_others(n, &levels_db(&samples));
    }
    for (n, thread) in listening.into_iter().enumerate() {
        let levels = levels_db(&thread.join().unwrap());
        println!("listener {n} hears {levels:.2?} dB");
        assert!(levels.iter().all(|level| level.abs() <= 0.1), "listener {n}: {levels:?} dB");
    }
}

#[test]
fn a_wish_for_the_volume_of_somebody_elsewhere_is_granted_for_who_wishes_alone() {
    let Conference { at, edges: _edges, _node, origin: _origin } = Conference::begin(&[]);
    let talker = talker(at[1], "talker");
    let [mut wishing, mut other] =
        ["wishing", "other"].map(|id| Person::join(at[2], id, "f32", None));
    for person in [&mut wishing, &mut other] {
        person.listen_until("the talker is in the list, and sound comes", |one| {
            others(one).len() == 1 && !one.heard.is_empty()
        });
    }
    let volumes = BTreeMap::from([(others(&wishing)[0].person, 50)]);
    wishing.wish(&Wish { volumes, ..Wish::default() });
    let speaking = speak(talker, TONES_HZ[0]);
    let hearing = [wishing, other].map(|mut person| {
        // Each server counts its own time: what came last was captured before anybody spoke.
        let began_us = person.heard.last().map_or(0, |heard| heard.header.captured_us);
        thread::spawn(move || a_second_of(&mut person, began_us + SETTLED_US))
    });
    let [half, whole] = hearing.map(|thread| levels_db(&thread.join().unwrap())[0]);
    println!("{half:.2} and {whole:.2} dB");
    assert!((half + 6.02).abs() <= 0.1 && whole.abs() <= 0.1, "{half} and {whole} dB");
    speaking.join().unwrap();
}

#[test]
fn as_many_may_talk_in_the_whole_room_as_the_origin_lets_and_others_are_told_why_not() {
    let Conference { at, edges: _edges, _node, origin: _origin } =
        Conference::begin(&["--max-talkers", "1"]);
    let mut first = talker(at[1], "first");
    let mut there = Person::join(at[0], "there", "f32", None);
    there.listen_until("the first is in the list", |one| others(one).len() == 1);
    let mut second = Person::join(at[2], "second", "f32", Some(microphone("f32")));
    second.listen_until("a refusal", |second| second.notice.is_some());
    let notice = second.notice.clone().unwrap();
    assert_eq!(notice.reason, Reason::MayNotTalk);
    second.listen_until("sound all the same", |second| second.heard.len() > 100);
    first.listen();
    assert!(first.notice.is_none());
    let third = Person::join(at[0], "third", "f32", Some(microphone("f32")));
    assert!(!third.welcome.accepts.contains_key("8"), "{:?}", third.welcome);
}

#[test]
fn people_of_an_edge_that_is_gone_are_gone_and_those_who_only_listen_are_a_number() {
    let Conference { at, edges, _node, origin: _origin } = Conference::begin(&[]);
    let mut there = Person::join(at[0], "there", "f32", None);
    let mut others_there = vec![talker(at[1], "talker")];
    let listeners = [(1, "first"), (1, "second"), (2, "third")];
    others_there.extend(listeners.map(|(n, id)| Person::join(at[n], id, "f32", None)));
    // Whoever takes nothing is sent away.
    let mut all_listen = || others_there.iter_mut().for_each(Person::listen);
    wait_until("the talker by name, and three more", || {
        all_listen();
        there.listen();
        others(&there).len() == 1 && elsewhere(&there) == 3
    });
    let [first, _second] = edges;
    drop(first);
    wait_until("one is left, who only listens", || {
        all_listen();
        there.listen();
        others(&there).is_empty() && elsewhere(&there) == 1
    });
}

#[cfg(feature = "https")]
#[test]
fn an_engine_that_was_configured_here_lets_them_speak_and_hear() {
    let mut servers = Servers::new("");
    let node = super::configured::nodes(&servers, 1).remove(0);
    servers.engine = super::configured::tls(&node);
    let Conference { at, edges: _edges, _node, origin: _origin } =
        Conference::of(&servers, node, &[]);
    let talkers = [(at[1], "first", TONES_HZ[0]), (at[2], "second", TONES_HZ[1])];
    let threads = talkers.map(|(at, id, hz)| speak(talker(at, id), hz));
    let [first, second] = threads.map(|thread| levels_db(&thread.join().unwrap().1));
    assert!(first[0] <= -60.0 && first[1].abs() <= 0.1, "{first:?} dB");
    assert!(second[1] <= -60.0 && second[0].abs() <= 0.1, "{second:?} dB");
}

#[test]
fn whoever_hears_a_mix_of_their_own_at_an_edge_whose_node_dies_misses_nothing() {
    let nodes = nats::cluster(3, &[]);
    let mut servers = Servers::new(&nodes[0].url());
    let mut origin = origin(&servers, &[]);
    servers.engine = nodes[1].url();
    let mut edge = edge(&servers);
    let there = speak_for(talker(origin.address(), "there"), 3 * SPOKEN, TONES_HZ[0]);
    let mut here = talker(edge.address(), "here");
    here.listen_until("two seconds of a mix of one's own", |here| {
        here.people.is_some() && here.heard.len() > 1_500
    });
    let killed_us = here.server_us();
    nodes[1].program.signal(Signal::KILL);
    edge.wait_for("is lost");
    here.listen_until("two seconds after that", |here| {
        here.heard.last().is_some_and(|heard| heard.header.captured_us > killed_us + 2_000_000)
    });
    // There is no gap in what was heard, and it is a tone without a break.
    let heard = here.heard_from(killed_us - 200_000);
    for tenth in heard.chunks_exact(RATE as usize / 10).take(20) {
        let level = levels_db(tenth)[0];
        assert!(level.abs() <= 0.5, "{level} dB");
    }
    there.join().unwrap();
}

#[test]
fn where_another_origin_lets_nobody_speak_an_edge_does_not_either_and_says_so() {
    let node = nats::one();
    let servers = Servers::new(&node.url());
    let mut first = origin(&servers, &[]);
    let mut edge = edge(&servers);
    let at = edge.address();
    assert!(talker(at, "first").welcome.accepts.contains_key("8"));
    assert_eq!(first.stop().code, Some(0));
    let mut another = servers.server(["--source", "none", "--codecs", "f32"]);
    another.wait_for("is there: other servers may send this too");
    edge.wait_for("nobody can speak here");
    let mut second = Person::join(at, "second", "f32", Some(microphone("f32")));
    assert!(!second.welcome.accepts.contains_key("8"), "{:?}", second.welcome);
    second.listen_until("sound, and why", |one| one.heard.len() > 20 && one.notice.is_some());
    assert_eq!(second.notice.unwrap().reason, Reason::MayNotTalk);
}

#[test]
#[ignore = "prints how much later a voice comes by way of an edge; run with --ignored --nocapture on a quiet machine"]
fn a_voice_from_an_edge_stands_little_later_in_the_mix_than_one_at_the_origin() {
    let Conference { at, edges: _edges, _node, mut origin } = Conference::begin(&["-v"]);
    let places = [("the origin", at[0], "person 1 stood"), ("an edge", at[1], "person 10737418")];
    for (place, at, who) in places {
        let mut talker = Person::join_in_time(at, place, "f32", microphone("opus"));
        converse(&mut talker, SPOKEN, tone(TONES_HZ[0]));
        drop(talker);
        let line = origin.wait_for(who);
        println!("at {place}: {line}");
    }
}

/// How many more listen elsewhere, as that person was told.
fn elsewhere(person: &Person) -> u32 {
    person.people.as_ref().map_or(0, |people| people.elsewhere)
}
