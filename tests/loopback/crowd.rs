//! Many listeners at once, some of which misbehave, as bare sockets.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use auralync::wire::{AudioHeader, Notice, Reason, SERVER_FULL, kind};
use mio::{Events, Interest, Poll, Token};

use crate::support::flags::source;
use crate::support::servers::{client, server};
use crate::support::{PATIENCE, Scratch, assert_follows, ramp, socket, within};

const RATE: u32 = 48_000;
const CHUNK: usize = 1024;

#[test]
fn fifty_that_read_get_every_frame_while_five_never_read() {
    const CHUNKS: u64 = 150;
    let scratch = Scratch::new();
    let path = scratch.path("ramp.wav");
    ramp::write(&path, 0, 60 * RATE as usize, RATE, 2);
    let mut server = server([
        "--source",
        &source(&path),
        "--max-clients",
        "100",
        // The readers are threads of one busy program: what comes late must not fall out.
        "--playout-delay-ms",
        "9000",
        "--max-queue-size",
        "450",
    ]);
    let address = server.address();
    let never_read: Vec<_> = (0..5).map(|_| socket::connect_with_little_room(address)).collect();
    let before_kib = server.resident_kib();
    std::thread::scope(|scope| {
        for n in 0..50 {
            // Half of them are of the first generation.
            scope.spawn(move || {
                let mut socket = socket::connect(address);
                socket::plain(&mut socket);
                if n % 2 == 0 { read_plain(socket, CHUNKS) } else { read_typed(socket, n, CHUNKS) }
            });
        }
    });
    let after_kib = server.resident_kib();
    println!("memory of the server: {before_kib} KiB, with 55 listeners {after_kib} KiB");
    // 450 chunks of 8 KiB wait once for all, not once for each, and some KiB for each.
    assert!(after_kib < before_kib + 8 * 1024, "{before_kib} KiB grew to {after_kib} KiB");
    drop(never_read);
    assert!(server.is_running());
}

fn read_plain(mut socket: TcpStream, chunks: u64) {
    let mut next = None;
    for _ in 0..chunks {
        let samples = socket::samples(&socket::plain(&mut socket));
        assert_eq!(samples.len(), CHUNK * 2);
        assert_follows(&samples, 2, &mut next);
    }
}

fn read_typed(mut socket: TcpStream, n: usize, chunks: u64) {
    socket::greet(&mut socket, &format!("listener {n}"));
    let (mut next, mut position, mut read) = (None, None, 0);
    while read < chunks {
        let (kind, body) = socket::typed(&mut socket);
        assert_eq!(kind, kind::AUDIO);
        let (header, payload) = AudioHeader::split(&body).unwrap();
        assert_eq!(header.frames as usize, CHUNK);
        assert_eq!(header.position, *position.get_or_insert(header.position));
        position = Some(header.position + CHUNK as u64);
        assert_follows(&socket::samples(payload), 2, &mut next);
        read += 1;
    }
}

#[test]
fn two_thousand_that_come_at_the_same_instant_are_greeted_within_a_second() {
    let count = open_files_for(2_000);
    // All of them fit the system's queue, so that it turns none away while the server is not
    // running: who is turned away comes back after a second at the earliest.
    let flags = ["--source", "none", "--max-clients", "10000", "--listen-backlog", "4096"];
    let mut server = server(flags);
    let address = server.address();
    within(Duration::from_secs(1), &format!("greeting {count}"), || greet_all(address, count));
    assert!(server.is_running());
}

#[test]
fn none_of_two_thousand_is_left_hanging_by_a_queue_for_half_of_them() {
    let count = open_files_for(2_000);
    let mut server = server(["--source", "none", "--max-clients", "10000"]);
    let slowest = greet_all(server.address(), count);
    println!("greeting {count} with the preset's backlog: {slowest:?}");
}

/// A listener that comes and waits for the config.
struct Comer {
    socket: mio::net::TcpStream,
    connected: Option<Instant>,
    heard: Vec<u8>,
}

/// Connects `count` sockets at once and waits until each has the whole config. How long the
/// slowest waited for it, once the system had connected it.
fn greet_all(server: SocketAddr, count: usize) -> Duration {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(1024);
    let began = Instant::now();
    let mut comers: Vec<_> = (0..count)
        .map(|n| {
            let mut socket = mio::net::TcpStream::connect(server).unwrap();
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut socket, Token(n), interest).unwrap();
            Comer { socket, connected: None, heard: Vec::new() }
        })
        .collect();
    let mut greeted = 0;
    let mut slowest = Duration::ZERO;
    while greeted < count {
        assert!(began.elapsed() < PATIENCE, "{} of {count} were left hanging", count - greeted);
        poll.poll(&mut events, Some(Duration::from_millis(100))).unwrap();
        for event in &events {
            let comer = &mut comers[event.token().0];
            let connected = *comer.connected.get_or_insert_with(Instant::now);
            let was_greeted = is_config(&comer.heard);
            comer.read();
            if !was_greeted && is_config(&comer.heard) {
                greeted += 1;
                slowest = slowest.max(connected.elapsed());
            }
        }
    }
    println!("all {count} connected and greeted after {:?}", began.elapsed());
    slowest
}

impl Comer {
    /// Reads all that is there and keeps its beginning: what follows the config is sound.
    fn read(&mut self) {
        let mut buffer = [0; 4096];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => panic!("closed before the config"),
                Ok(count) if self.heard.len() < 4096 => {
                    self.heard.extend_from_slice(&buffer[..count]);
                }
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) => panic!("{e}"),
            }
        }
    }
}

fn is_config(heard: &[u8]) -> bool {
    let Some((length, rest)) = heard.split_first_chunk::<4>() else {
        return false;
    };
    rest.len() >= u32::from_be_bytes(*length) as usize
}

/// Lets this process open `sockets` and a few files more; fewer where the system forbids it.
#[cfg(unix)]
fn open_files_for(sockets: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const OTHER_FILES: u64 = 100;
    let limit = getrlimit(Resource::Nofile);
    let wanted = sockets as u64 + OTHER_FILES;
    let allowed = limit.maximum.map_or(wanted, |most| most.min(wanted));
    if limit.current.is_some_and(|now| now < allowed) {
        let raised = Rlimit { current: Some(allowed), maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).unwrap();
    }
    if allowed < wanted {
        let fewer = allowed.saturating_sub(OTHER_FILES) as usize;
        println!("this system allows {allowed} open files: {fewer} listeners, not {sockets}");
        return fewer;
    }
    sockets
}

#[cfg(not(unix))]
fn open_files_for(sockets: usize) -> usize {
    sockets
}

#[test]
fn one_too_many_hears_that_the_server_is_full_and_its_client_says_so() {
    let mut server = server(["--source", "tone", "--max-clients", "1"]);
    let address = server.address();
    let mut seated = socket::connect(address);
    assert!(socket::plain(&mut seated).starts_with(b"{\"sample_rate\": 48000"));
    socket::plain(&mut seated);

    let mut refused = socket::connect(address);
    let mut all = Vec::new();
    refused.read_to_end(&mut all).unwrap();
    assert_eq!(all, SERVER_FULL, "version 1's refusal, then a clean close");

    let ended = client(address, ["--once", "--output", "null"]).wait();
    assert_eq!(ended.code, Some(6), "{ended:?}");
    assert_eq!(ended.stderr.len(), 1, "{ended:?}");
    assert!(ended.stderr[0].contains("is full"), "{ended:?}");

    drop(seated);
    server.wait_for(" chunks, ");
    let mut next = client(address, ["--output", "null"]);
    next.wait_for("connected to");
}

#[test]
fn a_listener_that_comes_back_takes_its_own_seat_in_a_full_room() {
    let mut server = server(["--source", "tone", "--max-clients", "1"]);
    let address = server.address();
    let mut ghost = socket::connect(address);
    socket::greet(&mut ghost, "the same run");

    let mut back = socket::connect(address);
    assert_eq!(socket::plain(&mut back), SERVER_FULL[4..], "before it says who it is");
    let welcome = socket::greet(&mut back, "the same run");
    assert!(!welcome.is_empty());
    let (kind, _) = socket::typed(&mut back);
    assert_eq!(kind, kind::AUDIO);
    let notice = loop {
        let (kind, body) = socket::typed(&mut ghost);
        if kind == kind::NOTICE {
            break Notice::read(&body).unwrap();
        }
    };
    assert_eq!(notice.reason, Reason::Replaced);
    assert_eq!(ghost.read(&mut [0]).unwrap(), 0, "then it is closed");

    // Somebody else gets nowhere: no welcome, only the close.
    let mut other = socket::connect(address);
    assert_eq!(socket::plain(&mut other), SERVER_FULL[4..]);
    let hello = auralync::recv::decode::hello("another run".into(), "");
    io::Write::write_all(&mut other, &hello.frame()).unwrap();
    assert_eq!(other.read(&mut [0]).unwrap_or(0), 0);
}
