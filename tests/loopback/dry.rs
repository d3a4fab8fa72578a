//! A network that stands still for a moment again and again, and what a listener makes of it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::servers::{client, server};
use crate::support::{Scratch, numbers, wait_until};

/// The network stands still this long out of every second: longer than [`DELAY`] allows.
const STALL: Duration = Duration::from_millis(60);
const EVERY: Duration = Duration::from_secs(1);

const DELAY: [&str; 2] = ["--playout-delay-ms", "45"];

/// Seconds without a loss that mean that the delay is enough.
const WHOLE: usize = 5;

/// A way to `server` that stalls; it ends with the test.
fn stalling_way_to(server: SocketAddr) -> SocketAddr {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = door.local_addr().unwrap();
    thread::spawn(move || {
        let (listener, _) = door.accept().unwrap();
        let server = TcpStream::connect(server).unwrap();
        for end in [&listener, &server] {
            end.set_nodelay(true).unwrap();
        }
        let (from, to) = (listener.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || pass_on(from, to, Duration::ZERO));
        pass_on(server, listener, STALL);
    });
    address
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, stall: Duration) {
    let mut bytes = [0; 16 * 1024];
    let mut stalled = Instant::now();
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if stalled.elapsed() > EVERY {
            stalled = Instant::now();
            thread::sleep(stall);
        }
        if to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}

/// Datagrams would go past the way that stalls.
const BY_TCP: [&str; 4] = ["--output", "null", "--transport", "tcp"];

#[test]
fn a_listener_that_keeps_running_dry_is_told_once_that_it_is_the_network() {
    let mut server = server(["--source", "tone", "--chunk-size", "480"].into_iter().chain(DELAY));
    let way = stalling_way_to(server.address());
    let mut listener = client(way, BY_TCP);
    let line = listener.wait_for("sound keeps running dry");
    assert!(line.contains("it came too late over the network"), "{line}");
    assert!(line.contains("A cable") && line.contains("--adaptive"), "{line}");
    let said = Instant::now();
    wait_until("some more dry seconds", || said.elapsed() > 6 * EVERY);
    assert_eq!(listener.times_said("sound keeps running dry"), 1);
    assert_eq!(listener.times_said("after the others"), 0, "nobody has asked for that");
}

#[test]
fn an_adaptive_listener_plays_later_until_it_runs_dry_no_more() {
    let scratch = Scratch::new();
    let stats = scratch.path("stats.json");
    let mut server = server(["--source", "tone", "--chunk-size", "480"].into_iter().chain(DELAY));
    let way = stalling_way_to(server.address());
    let mut listener =
        client(way, [&BY_TCP[..], &["--adaptive", "--stats", stats.to_str().unwrap()]].concat());
    let line = listener.wait_for("sound keeps running dry");
    assert!(line.contains("it came too late over the network. Playing 20 ms after"), "{line}");
    wait_until("a whole stretch", || {
        let lost = numbers(&stats, "lost_frames");
        lost.len() > WHOLE && lost[lost.len() - WHOLE] == lost[lost.len() - 1]
    });
    let delay = *numbers(&stats, "playout_delay_ms").last().unwrap();
    assert!(delay >= 65.0, "{delay}");
}
