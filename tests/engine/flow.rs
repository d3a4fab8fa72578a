//! What a listener of an edge hears is what the origin sends.

use super::{Servers, nodes};
use crate::support::program::Program;
use crate::support::ramp::Stretch;
use crate::support::{Scratch, wait_until};

/// Sound that is listened to, in s.
const LISTENED: u64 = 3;

/// Checks that a listener of that edge hears the ramp, all of it, by each way.
fn is_heard_whole(servers: &Servers, edge: &mut Program) {
    for way in [&["--transport", "udp"], &["--transport", "tcp"]] {
        let heard = servers.listen(edge, LISTENED, way);
        let [Stretch::Sound { first, frames }] = heard.stretches()[..] else {
            panic!("{way:?}: {:?}", heard.stretches());
        };
        assert!(first > 0 && frames > LISTENED * u64::from(super::RATE), "{way:?}");
    }
}

#[test]
fn every_sample_of_an_origin_is_heard_at_an_edge_by_each_way() {
    let node = nodes::one();
    let servers = Servers::new(&node.url());
    let _origin = servers.origin();
    is_heard_whole(&servers, &mut servers.edge());
}

#[test]
fn debians_engine_does_as_well() {
    let path = nodes::program("nats-server-debian");
    let node = nodes::start(&path, nodes::free_port(), &[]);
    let servers = Servers::new(&node.url());
    let _origin = servers.origin();
    is_heard_whole(&servers, &mut servers.edge());
}

#[test]
fn an_edge_that_waits_for_its_room_serves_it_when_it_is_there_and_again_when_it_begins_anew() {
    let node = nodes::one();
    let servers = Servers::new(&node.url());
    servers.server(["--source", "none"]).address();
    let mut edge = servers.edge();
    edge.wait_for("nothing is sent to the room “room” so far");
    let mut origin = servers.origin();
    let path = servers.scratch.path("heard.wav");
    let mut listener = servers.listener(&mut edge, &path, &[]);
    listener.wait_for("heard 1500 ms after");
    assert_eq!(origin.stop().code, Some(0));
    let _another = servers.origin_with(&["--playout-delay-ms", "1200"]);
    edge.wait_for("begins anew");
    listener.wait_for("heard 1200 ms after");
}

#[test]
fn the_engine_hears_nothing_and_an_edge_with_another_key_neither() {
    let node = nodes::one();
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
