//! Peers that break the protocol are closed in bounded time and cost the others nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use auralync::wire::{Notice, Ping, Reason, kind, typed};

use crate::support::flags;
use crate::support::servers::server;
use crate::support::{Scratch, assert_follows, ramp, socket};

fn hello() -> Vec<u8> {
    auralync::recv::decode::hello("a run".into(), "a test").frame()
}

/// Closing a peer takes at most this: half a hello has five seconds, and a last word one.
const CLOSED_WITHIN: Duration = Duration::from_secs(20);

/// Reads until the server closes; the sound that comes before that is not kept.
#[track_caller]
fn read_to_the_end(mut socket: TcpStream, name: &str) {
    let began = Instant::now();
    let mut buffer = [0; 16 * 1024];
    // A close with unread bytes of ours resets the connection, which is as good an end.
    while matches!(socket.read(&mut buffer), Ok(1..)) {
        assert!(began.elapsed() < CLOSED_WITHIN, "{name} was not closed");
    }
}

#[test]
fn whoever_breaks_the_protocol_is_closed_and_nobody_else_notices() {
    let scratch = Scratch::new();
    let path = scratch.path("ramp.wav");
    ramp::write(&path, 0, 60 * 48_000, 48_000, 2);
    let source = flags::source(&path);
    let mut server = server(["--source", &source, "--playout-delay-ms", "2000"]);
    let address = server.address();

    let second_hello = [hello(), hello()].concat();
    let later_second_hello = [hello(), typed(kind::REPORT, b"{}"), hello()].concat();
    let cases: [(&str, Vec<u8>); 12] = [
        ("a browser", b"GET / HTTP/1.1\r\nHost: pc:5555\r\n\r\n".to_vec()),
        ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec()),
        ("a plain frame", b"\x00\x00\x00\x04abcd".to_vec()),
        ("one byte below 0x80", vec![0x7f]),
        ("a typed frame of 2 GiB", vec![0xff, 0xff, 0xff, 0xff]),
        ("a typed frame of one byte too many", vec![0x80, 0x00, 0x10, 0x01]),
        ("a typed frame without a kind", vec![0x80, 0, 0, 0]),
        ("a hello that is not JSON", typed(kind::HELLO, b"hello")),
        ("a hello of an old version", typed(kind::HELLO, br#"{"version": 1, "id": "x"}"#)),
        ("a hello without an id", typed(kind::HELLO, br#"{"version": 2, "id": ""}"#)),
        ("two hellos at once", second_hello),
        ("two hellos apart", later_second_hello),
    ];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut unharmed = socket::connect(address);
            socket::plain(&mut unharmed);
            let mut next = None;
            for _ in 0..100 {
                let samples = socket::samples(&socket::plain(&mut unharmed));
                assert_follows(&samples, 2, &mut next);
            }
        });
        for (name, bytes) in &cases {
            scope.spawn(move || {
                let mut socket = socket::connect(address);
                socket.write_all(bytes).unwrap();
                read_to_the_end(socket, name);
            });
        }
    });
    assert!(server.is_running());
    assert_eq!(server.times_said("panicked"), 0);
}

#[test]
fn half_a_hello_is_closed_after_five_seconds_with_the_reason() {
    let mut server = server(["--source", "tone"]);
    let mut socket = socket::connect(server.address());
    let began = Instant::now();
    socket.write_all(&hello()[..7]).unwrap();
    read_to_the_end(socket, "half a hello");
    assert!(began.elapsed().as_secs_f64() > 4.5, "it had five seconds");
    assert!(server.is_running());
}

#[test]
fn a_listener_that_floods_the_server_with_pings_is_told_why_it_is_closed() {
    let mut server = server(["--source", "tone"]);
    let mut socket = socket::connect(server.address());
    socket::plain(&mut socket);
    socket::greet(&mut socket, "a run");
    // More than 20 within a second.
    let pings: Vec<u8> = (0..50).flat_map(|n| Ping { client_us: n }.frame()).collect();
    socket.write_all(&pings).unwrap();
    let notice = loop {
        let (kind, body) = socket::typed(&mut socket);
        if kind == kind::NOTICE {
            break Notice::read(&body).unwrap();
        }
    };
    assert_eq!(notice.reason, Reason::Violation);
    assert_eq!(socket.read(&mut [0]).unwrap_or(0), 0, "nothing comes after the last word");
}

#[test]
fn a_peer_that_sends_nothing_may_stay() {
    // Longer than any limit that begins with a first byte.
    let mut server = server(["--source", "tone", "--chunk-size", "4800"]);
    let mut socket = socket::connect(server.address());
    socket::plain(&mut socket);
    for _ in 0..60 {
        socket::plain(&mut socket);
    }
    assert!(server.is_running());
}
