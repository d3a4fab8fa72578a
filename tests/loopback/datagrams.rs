//! Sound by datagram, from a real server to a listener of bare sockets.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use auralync::wire::datagram::{ANSWER, ASK_HEADER, FromServer, MAX_DATAGRAM};

use crate::support::datagrams::{Peer, udp};
use crate::support::program::Program;
use crate::support::servers::server;
use crate::support::{Scratch, assert_follows, flags, ramp, socket, wait_until};

const RATE: u64 = 48_000;

/// A server that sends the ramp, with a delay that rides out every stall of a busy machine.
fn serve_ramp(scratch: &Scratch, more: &[&str]) -> Program {
    let path = scratch.path("ramp.wav");
    ramp::write(&path, 0, 120 * RATE as usize, RATE as u32, 2);
    let source = flags::source(&path);
    let usual = ["--source", &source, "--playout-delay-ms", "3000", "--max-queue-size", "500"];
    server(usual.iter().chain(more))
}

/// Checks that all that has come is the ramp, without a gap and with nothing twice.
fn assert_is_the_ramp(peer: &Peer) {
    let mut next = None;
    let mut position = None;
    for sound in peer.all() {
        assert_eq!(sound.position, position.unwrap_or(sound.position), "by the server's count");
        position = Some(sound.position + u64::from(sound.frames));
        assert_follows(&socket::samples(&sound.payload), 2, &mut next);
    }
}

#[test]
fn whoever_proves_its_address_hears_every_sample_by_datagram_and_by_tcp_again_when_it_says_so() {
    let scratch = Scratch::new();
    let mut server = serve_ramp(&scratch, &[]);
    let mut peer = Peer::join(server.address(), "ann", "f32");
    assert_eq!(peer.welcome.version, 3);
    assert!(peer.welcome.accepts.contains_key("12"));
    peer.hear_until("sound by TCP", |peer| peer.read.len() > 3);
    assert!(peer.heard.is_empty(), "nothing goes to an address that has not proven itself");
    peer.prove();
    peer.hear_until("a second of sound by datagram", |peer| {
        peer.heard.len() as u64 > RATE / 128 && peer.unbroken() > RATE
    });
    let first = *peer.heard.keys().next().unwrap();
    let last_by_tcp = peer.read.values().next_back().unwrap();
    assert_eq!(last_by_tcp.position + u64::from(last_by_tcp.frames), first, "at a border");

    let lacks = *peer.read.keys().next().unwrap() + peer.unbroken();
    let by_tcp = peer.read.len();
    peer.go_back_to_tcp(lacks);
    let end = lacks + RATE;
    peer.hear_until("another second, by TCP", |peer| {
        peer.read.len() > by_tcp && peer.read.keys().next_back() > Some(&end)
    });
    // What came both ways came twice only between what it said and what the server heard.
    peer.heard.retain(|position, _| *position < lacks);
    assert_is_the_ramp(&peer);
    assert!(server.is_running());
}

#[test]
fn what_is_lost_comes_again_as_it_was_and_the_server_counts_it() {
    let scratch = Scratch::new();
    let stats = scratch.path("stats");
    let mut server = serve_ramp(&scratch, &["--stats", stats.to_str().unwrap()]);
    let mut peer = Peer::join(server.address(), "ann", "s16");
    peer.prove();
    peer.hear_until("sound by datagram", |peer| peer.heard.len() > 20);
    // As if the last ten had never come.
    let lost: Vec<u64> = peer.heard.keys().rev().take(10).copied().collect();
    let before = peer.heard.clone();
    peer.heard.retain(|position, _| !lost.contains(position));
    let end = peer.next_number();
    let numbers: Vec<u32> = (1..=10).rev().map(|behind| end - behind).collect();
    peer.send(&peer.ask_for(&numbers).datagram());
    peer.hear_until("what was lost", |peer| lost.iter().all(|at| peer.heard.contains_key(at)));
    assert!(lost.iter().all(|at| peer.heard[at] == before[at]));
    // Of the future, of long ago, of another stream.
    for missing in [vec![end + 100_000], vec![end.wrapping_sub(1 << 30)], vec![u32::MAX]] {
        peer.send(&peer.ask_for(&missing).datagram());
    }
    wait_until("the server's word of it", || {
        let listener = last_listener(&stats);
        listener["via"] == "udp" && listener["resent"].as_u64() >= Some(10)
    });
    let listener = last_listener(&stats);
    assert!(listener["datagrams"].as_u64() > Some(20), "{listener}");
    assert_eq!(listener["resent_refused"], 0);
    assert!(server.is_running());
}

/// What the last whole line of `--stats` says of the only listener.
fn last_listener(stats: &Path) -> serde_json::Value {
    let lines = std::fs::read_to_string(stats).unwrap_or_default();
    let last = lines.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    last.map_or(serde_json::Value::Null, |line: serde_json::Value| line["listeners"][0].clone())
}

#[test]
fn a_listener_whose_address_changes_is_followed_and_loses_nothing() {
    let scratch = Scratch::new();
    let mut server = serve_ramp(&scratch, &[]);
    let mut peer = Peer::join(server.address(), "ann", "f32");
    peer.prove();
    peer.hear_until("sound by datagram", |peer| peer.heard.len() > 50);
    let there = udp();
    let old = std::mem::replace(&mut peer.udp, there);
    let (answer, length) = peer.answer_to(&peer.udp, &peer.ask_for(&[]));
    assert!(!answer.is_proven && answer.cookie != peer.cookie);
    assert_eq!(length, ASK_HEADER, "no byte more than it sent");
    peer.cookie = answer.cookie;
    // Between two asks, what is left of the way to the old address is lost, and asked for again.
    let before = peer.heard.len();
    peer.send(&peer.ask_for(&[]).datagram());
    peer.hear_until("sound at the new address", |peer| {
        peer.heard.len() > before + 400 && peer.unbroken() > RATE / 2
    });
    let missing = peer.unbroken();
    peer.hear_until("what was lost between", |peer| peer.unbroken() > missing);
    drop(old);
    assert!(server.is_running());
}

#[test]
fn forged_datagrams_of_every_length_are_answered_with_nothing_or_with_no_byte_more_than_they_had() {
    let scratch = Scratch::new();
    let mut server = serve_ramp(&scratch, &[]);
    let mut peer = Peer::join(server.address(), "ann", "f32");
    peer.prove();
    let stranger = udp();
    let to = (server.address().ip(), peer.welcome.datagrams.as_ref().unwrap().port);
    let known = peer.ask_for(&[1, 2, 3]).datagram();
    for length in 0..MAX_DATAGRAM + 200 {
        let mut bytes = vec![(length * 7) as u8; length];
        stranger.send_to(&bytes, to).unwrap();
        // The right kind, and a token that nobody has.
        if let Some(first) = bytes.first_mut() {
            *first = known[0];
            stranger.send_to(&bytes, to).unwrap();
        }
        // The right token, and a cookie that is another address's.
        let _ = stranger.send_to(&known[..length.min(ASK_HEADER - 1)], to);
    }
    // What was forged came before this, and only this is answered.
    let mut ask = peer.ask_for(&[1, 2, 3]);
    ask.client_us = 77;
    stranger.send_to(&ask.datagram(), to).unwrap();
    let mut buffer = [0; 2 * MAX_DATAGRAM];
    let answered = (0..200).find_map(|_| {
        let length = stranger.recv(&mut buffer).ok();
        if length.is_none() {
            stranger.send_to(&ask.datagram(), to).unwrap();
        }
        length
    });
    let length = answered.expect("an answer");
    let Some(FromServer::Answer(answer)) = FromServer::read(&buffer[..length]) else {
        panic!("{:?} was sent to a stranger", &buffer[..length]);
    };
    assert_eq!((answer.client_us, answer.is_proven), (77, false));
    assert!((ANSWER..=ask.datagram().len()).contains(&length));
    peer.hear_until("sound after all that", |peer| peer.unbroken() > RATE / 4);
    assert!(server.is_running());
    assert_eq!(server.times_said("panicked"), 0);
}

/// Says that something is over, where a test fails too: it would wait for it for ever.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_listener_that_floods_the_server_with_asks_costs_the_others_nothing() {
    let scratch = Scratch::new();
    let mut server = serve_ramp(&scratch, &[]);
    let address = server.address();
    let mut flooder = Peer::join(address, "bob", "f32");
    flooder.prove();
    flooder.hear_until("sound by datagram", |peer| peer.heard.len() > 50);
    let mut ann = Peer::join(address, "ann", "s16");
    ann.prove();
    let mut old = socket::connect(address);
    socket::plain(&mut old);
    let is_over = AtomicBool::new(false);
    let next = flooder.next_number();
    let everything: Vec<u32> = (1..=500).rev().map(|behind| next.wrapping_sub(behind)).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let flooder = flooder;
            let ask = flooder.ask_for(&everything).datagram();
            while !is_over.load(Ordering::Relaxed) {
                (0..100).for_each(|_| flooder.send(&ask));
                std::thread::yield_now();
            }
        });
        // It ends with the others, whatever becomes of them.
        let _is_over = Over(&is_over);
        ann.hear_until("two seconds of sound", |peer| peer.longest_unbroken() > 2 * RATE);
        let mut next = None;
        for _ in 0..50 {
            assert_follows(&socket::samples(&socket::plain(&mut old)), 2, &mut next);
        }
    });
    assert!(server.is_running());
}

#[test]
fn a_server_that_is_told_so_or_whose_port_is_taken_sends_by_tcp_alone() {
    let scratch = Scratch::new();
    let mut without = serve_ramp(&scratch, &["--no-udp"]);
    let address = without.address();
    let taken = std::net::UdpSocket::bind(address).expect("the port is free for others");
    let mut tcp = socket::connect(address);
    let hello = auralync::wire::Hello {
        version: 3,
        id: "ann".into(),
        name: "ann".into(),
        codecs: vec!["f32".into()],
        talk: None,
        datagrams: true,
    };
    std::io::Write::write_all(&mut tcp, &hello.frame()).unwrap();
    let welcome = auralync::wire::Welcome::read(&socket::skip_to_welcome(&mut tcp)).unwrap();
    assert_eq!((welcome.version, welcome.datagrams), (3, None));
    assert_eq!(without.times_said("datagram"), 0, "it was asked for");
    without.stop();
    let mut command = crate::support::servers::server_command();
    command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--no-discovery"]);
    command.args(["--no-web", "--source", "tone"]);
    let mut server = Program::start(command);
    server.wait_for("sound cannot go by datagram");
    let mut tcp = socket::connect(server.address());
    std::io::Write::write_all(&mut tcp, &hello.frame()).unwrap();
    let welcome = auralync::wire::Welcome::read(&socket::skip_to_welcome(&mut tcp)).unwrap();
    assert_eq!(welcome.datagrams, None);
    drop(taken);
}
