//! What an edge's listeners hear when something between it and the origin fails.

use std::time::Duration;

use rustix::process::Signal;

use super::Servers;
use crate::support::holes::holes;
use crate::support::ramp::{Recording, frames_on_disk};
use crate::support::{nats, wait_until};

/// How long an edge stands still, of which the delay leaves a second.
const STOOD_STILL: Duration = Duration::from_millis(500);

#[test]
fn the_death_of_an_edges_node_is_not_heard() {
    let nodes = nats::cluster(3, &[]);
    let urls: Vec<String> = nodes.iter().map(nats::Node::url).collect();
    let mut servers = Servers::new(&urls[0]);
    let _origin = servers.origin();
    // The edge begins at another node, and knows the rest of them from the cluster.
    servers.engine.clone_from(&urls[1]);
    let mut edge = servers.edge();
    let path = servers.scratch.path("heard.wav");
    let mut listener = servers.listener(&mut edge, &path, &[]);
    wait_until("sound", || frames_on_disk(&path, 2) > 2 * u64::from(super::RATE));
    nodes[1].program.signal(Signal::KILL);
    edge.wait_for("is lost");
    let had = frames_on_disk(&path, 2);
    wait_until("more", || frames_on_disk(&path, 2) > had + 4 * u64::from(super::RATE));
    assert_eq!(listener.stop().code, Some(0));
    Recording::read_finished(&path).unbroken();
}

#[test]
fn an_engine_that_was_gone_for_longer_than_the_delay_leaves_a_gap_of_its_length_and_no_more() {
    let mut node = nats::one();
    let servers = Servers::new(&node.url());
    let mut origin = servers.origin();
    let mut edge = servers.edge();
    let path = servers.scratch.path("heard.wav");
    let mut listener = servers.listener(&mut edge, &path, &[]);
    let here = servers.scratch.path("here.wav");
    let mut local = servers.listener(&mut origin, &here, &[]);
    wait_until("sound", || frames_on_disk(&path, 2) > 2 * u64::from(super::RATE));
    node.program.signal(Signal::KILL);
    edge.wait_for("is lost");
    let had = frames_on_disk(&here, 2);
    wait_until("three seconds", || frames_on_disk(&here, 2) > had + 3 * u64::from(super::RATE));
    node.again();
    let had = frames_on_disk(&here, 2);
    wait_until("more", || frames_on_disk(&here, 2) > had + 5 * u64::from(super::RATE));
    assert_eq!((listener.stop().code, local.stop().code), (Some(0), Some(0)));
    Recording::read_finished(&here).unbroken();
    let heard = Recording::read_finished(&path).whole_stretches();
    let holes = holes(&heard);
    assert!(holes.is_in_place(), "{heard:?}");
    let silent = holes.frames;
    assert!(silent > 0 && silent < 8 * u64::from(super::RATE), "{heard:?}");
}

/// What comes while an edge stands still is many chunks of the stream's, and more than its own preset lets wait.
#[test]
fn an_edge_that_stood_still_for_less_than_the_delay_hands_on_all_that_came_meanwhile() {
    let node = nats::one();
    let servers = Servers::new(&node.url());
    let short = ["--chunk-size", "64", "--playout-delay-ms", "1500", "--max-queue-size", "1000"];
    let _origin = servers.origin_with(&short);
    let mut edge = servers.edge();
    let path = servers.scratch.path("heard.wav");
    let mut listener = servers.listener(&mut edge, &path, &["--transport", "tcp"]);
    wait_until("sound", || frames_on_disk(&path, 2) > u64::from(super::RATE));
    edge.signal(Signal::STOP);
    std::thread::sleep(STOOD_STILL);
    edge.signal(Signal::CONT);
    let had = frames_on_disk(&path, 2);
    wait_until("more", || frames_on_disk(&path, 2) > had + 3 * u64::from(super::RATE));
    assert_eq!(listener.stop().code, Some(0));
    Recording::read_finished(&path).unbroken();
}
