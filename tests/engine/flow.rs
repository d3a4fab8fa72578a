//! What a listener of an edge hears is what the origin sends.

use std::time::Duration;

use auralync::clock::Clock;
use auralync::engine::line::Line;
use auralync::engine::nats::{Addresses, Event, Url, Who};

use super::Servers;
use crate::support::free_port::free_port;
use crate::support::program::Program;
use crate::support::ramp::{self, Stretch};
use crate::support::servers::server_command;
use crate::support::{Scratch, nats, wait_until};

/// Sound that is listened to, in s.
const LISTENED: u64 = 3;

/// Checks that a listener of that edge hears the ramp, all of it, by each way.
fn is_heard_whole(servers: &Servers, edge: &mut Program) {
    for way in [&["--transport", "udp"], &["--transport", "tcp"]] {
        let heard = servers.listen(edge, LISTENED, way);
        let [Stretch::Sound { first, frames }] = heard.stretches()[..] else {
            panic!("{way:?}: {:?}", heard.stretches());
        };
        let is_enough = first > 0 && frames > LISTENED * u64::from(super::RATE);
        assert!(is_enough, "{way:?}: {frames} from {first} on");
    }
}

#[test]
fn every_sample_of_an_origin_is_heard_at_an_edge_by_each_way() {
    let node = nats::one();
    let servers = Servers::new(&node.url());
    let _origin = servers.origin();
    is_heard_whole(&servers, &mut servers.edge());
}

#[test]
fn debians_engine_does_as_well() {
    let node = nats::one_of("nats-server-debian");
    let servers = Servers::new(&node.url());
    let _origin = servers.origin();
    is_heard_whole(&servers, &mut servers.edge());
}

#[test]
fn an_edge_that_waits_for_its_room_serves_it_when_it_is_there_and_again_when_it_begins_anew() {
    let node = nats::one();
    let servers = Servers::new(&node.url());
    servers.server(["--source", "none"]).address();
    let mut edge = servers.edge();
    edge.wait_for("nothing is sent to the room “room” so far");
    let mut origin = servers.origin();
    edge.wait_for("Listeners hear 1500 ms after the picture");
    let path = servers.scratch.path("heard.wav");
    let mut listener = servers.listener(&mut edge, &path, &[]);
    listener.wait_for("heard 1500 ms after");
    assert_eq!(origin.stop().code, Some(0));
    let _another = servers.origin_with(&["--playout-delay-ms", "1200"]);
    edge.wait_for("begins anew");
    listener.wait_for("heard 1200 ms after");
}

/// Whether two frames of the ramp lie open anywhere in these bytes.
fn holds_ramp(bytes: &[u8]) -> bool {
    let sample = |at: &[u8]| f32::from_le_bytes(at[..4].try_into().unwrap());
    bytes.windows(16).any(|part| {
        let [left, right, next, beside] = [0, 4, 8, 12].map(|at| sample(&part[at..]));
        left > 0.0 && left < 0.5 && right == -left && next > left && beside == -next
    })
}

#[test]
fn the_engine_hears_nothing_of_what_is_sent() {
    let node = nats::one();
    let servers = Servers::new(&node.url());
    let _origin = servers.origin();
    let mut edge = servers.edge();
    let path = servers.scratch.path("heard.wav");
    let _listener = servers.listener(&mut edge, &path, &["--codec", "f32"]);
    // Whoever runs the engine hears everything that is published there.
    let url = Url::read(&node.url(), false).unwrap();
    let who = Who { name: "eavesdropper".to_owned(), nkey: None, longest: 100 };
    let mut line = Line::new(Addresses::new(vec![url], 1), who, None, Clock::start()).unwrap();
    let (mut messages, mut sound) = (0, 0);
    wait_until("a second of sound", || {
        line.turn(Duration::from_millis(10), |writer, event| match event {
            Event::Ready => {
                writer.subscribe("al.>", 1);
                writer.subscribe("_INBOX.>", 2);
            }
            Event::Message { subject, payload, .. } => {
                messages += 1;
                sound += usize::from(subject.contains(".audio."));
                assert!(!holds_ramp(payload), "{subject}");
                let words = ["Cinema", "session", "f32", "codecs"];
                let said = String::from_utf8_lossy(payload);
                assert!(!words.iter().any(|word| said.contains(word)), "{subject}: {said}");
            }
            _ => {}
        })
        .unwrap();
        sound > 50
    });
    assert!(messages > sound, "words were heard too, sealed");
    let open: Vec<u8> = ramp::frames(500, 10, 2).iter().flat_map(|s| s.to_le_bytes()).collect();
    assert!(holds_ramp(&open), "it would have been found");
}

#[test]
fn sound_that_went_through_an_edge_is_not_taken_back_where_it_comes_from() {
    let node = nats::one();
    let servers = Servers::new(&node.url());
    let port = free_port();
    let beside = format!("auralync:127.0.0.1:{port}");
    let mut origin = servers.server(["--source", "tone", "--source", &beside]);
    origin.wait_for("is there: other servers may send this too");
    let mut edge = servers.edge();
    let there = format!("auralync:{}", edge.address());
    let mut command = server_command();
    command.args(["--bind", "127.0.0.1", "--no-discovery", "--no-web", "--source", "none"]);
    command.args(["--port", &port.to_string(), "--source", &there]);
    let other = Program::start(command);
    wait_until("one of both says that it is a ring", || {
        [&origin, &other].iter().any(|one| one.said().contains("would go round and round"))
    });
}

#[test]
fn an_edge_with_another_key_hears_nothing_and_says_so() {
    let node = nats::one();
    let servers = Servers::new(&node.url());
    let _origin = servers.origin();
    let other = Scratch::new();
    let strangers = other.path("settings");
    servers.server_of(&strangers, ["--source", "none"]).address();
    let mut edge = servers.server_of(&strangers, ["--source", "engine:room"]);
    edge.wait_for("Where a server sends to it, that has another key");
    let right = servers.edge();
    wait_until("the room is there", || right.said().contains("auralync-client 127.0.0.1"));
}
