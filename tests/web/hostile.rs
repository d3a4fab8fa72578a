//! Peers of the page's port that break the rules are answered or closed in bounded time and cost
//! the listeners nothing.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use auralync::wire::{AudioHeader, kind, typed};

use super::browser::{Message, WebSocket, exchange, hello, read_all, request};
use super::serve;
use crate::support::websocket::{masked, opening};
use crate::support::{Scratch, assert_follows, flags, ramp, socket};

/// Anything that has no time of its own may take this long on a busy machine.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn whoever_breaks_the_rules_of_http_is_answered_and_no_listener_notices() {
    let scratch = Scratch::new();
    let path = scratch.path("ramp.wav");
    ramp::write(&path, 0, 60 * 48_000, 48_000, 2);
    let source = flags::source(&path);
    let flags = ["--source", &source, "--playout-delay-ms", "2000"];
    let (mut server, address, page) = serve(&flags);
    let good = opening(page);
    let without = |part: &str| good.replace(part, "").into_bytes();
    let cases: [(&str, Vec<u8>, &str); 12] = [
        ("a header of 1 MB", [b"GET / HTTP/1.1\r\nX: ", &[b'x'; 1 << 20][..]].concat(), "431"),
        ("a path of 1 MB", [b"GET /", &[b'x'; 1 << 20][..]].concat(), "431"),
        (
            "a thousand headers",
            [&b"GET / HTTP/1.1\r\n"[..], &b"A: b\r\n".repeat(1000)[..], b"\r\n"].concat(),
            "431",
        ),
        ("AuraLync's own hello", hello("x"), "400"),
        ("words", b"Hello, who is there?\r\n\r\n".to_vec(), "400"),
        ("no host", b"GET / HTTP/1.1\r\n\r\n".to_vec(), "400"),
        (
            "a body",
            b"POST / HTTP/1.1\r\nHost: pc\r\nContent-Length: 9999999\r\n\r\n".to_vec(),
            "405",
        ),
        (
            "an opening without a key",
            without("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
            "400",
        ),
        ("an opening without its version", without("Sec-WebSocket-Version: 13\r\n"), "426"),
        ("an opening without an upgrade", without("Upgrade: websocket\r\n"), "426"),
        (
            "another page's opening",
            good.replace("Origin: http://", "Origin: http://evil.").into_bytes(),
            "403",
        ),
        ("an opening from nowhere", without(&format!("Origin: http://{page}\r\n")), "403"),
    ];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut unharmed, _) = WebSocket::listen(page, "unharmed");
            follow_ramp(|| unharmed.sound());
        });
        scope.spawn(|| {
            let mut unharmed = socket::connect(address);
            socket::plain(&mut unharmed);
            socket::greet(&mut unharmed, "unharmed too");
            follow_ramp(|| socket::typed(&mut unharmed).1);
        });
        for (name, bytes, status) in &cases {
            scope.spawn(move || {
                let began = Instant::now();
                let mut socket = socket::connect(page);
                // The server may have said no before it has all.
                let _ = socket.write_all(bytes);
                let answer = read_all(socket);
                assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
                assert!(began.elapsed() < SOON, "{name}");
            });
        }
    });
    assert!(server.is_running());
    assert_eq!(server.times_said("panicked"), 0);
}

/// Three seconds of sound without a gap.
fn follow_ramp(mut next_body: impl FnMut() -> Vec<u8>) {
    let (mut next, mut position) = (None, None);
    for _ in 0..140 {
        let body = next_body();
        let (header, payload) = AudioHeader::split(&body).unwrap();
        assert_eq!(header.position, *position.get_or_insert(header.position));
        position = Some(header.position + u64::from(header.frames));
        assert_follows(&socket::samples(payload), 2, &mut next);
    }
}

#[test]
fn requests_that_never_end_are_told_so_and_do_not_keep_others_out() {
    let (mut server, _, page) = serve(&["--source", "none"]);
    let began = Instant::now();
    // As many as there is room for, of which most say nothing at all.
    let mut never_end: Vec<_> = (0..64).map(|_| socket::connect(page)).collect();
    for socket in &mut never_end[32..36] {
        socket.write_all(b"GET / HTTP/1.1\r\nHost: pc\r\nX-Slow: ").unwrap();
    }
    assert!(request(page, "GET", "/").0.starts_with("HTTP/1.1 200 "), "the oldest makes room");
    never_end[32].set_nonblocking(true).unwrap();
    let waits = never_end[32].read(&mut [0]).unwrap_err();
    assert_eq!(waits.kind(), ErrorKind::WouldBlock, "nobody else had to");
    never_end[32].set_nonblocking(false).unwrap();
    for (n, socket) in never_end.into_iter().enumerate() {
        let answer = read_all(socket);
        let status = answer.get(..13).unwrap_or_default();
        let is_told = (32..36).contains(&n);
        assert_eq!(status, if is_told { "HTTP/1.1 408 " } else { "" }, "{n}: {answer}");
    }
    let took = began.elapsed();
    assert!((Duration::from_millis(4500)..SOON).contains(&took), "{took:?}");
    assert!(server.is_running());
}

/// Reads to the end; the close that came before it.
fn closed_with(mut socket: WebSocket) -> Option<u16> {
    let began = Instant::now();
    let mut code = None;
    loop {
        assert!(began.elapsed() < SOON, "it was not closed");
        match socket.next_word() {
            Message::Close(closed_with, _) => code = Some(closed_with),
            Message::End => return code,
            _ => {}
        }
    }
}

fn closes_with(page: SocketAddr, greets: bool, bytes: &[u8]) -> Option<u16> {
    let mut socket =
        if greets { WebSocket::listen(page, "wrong").0 } else { WebSocket::open(page) };
    let _ = socket.0.write_all(bytes);
    closed_with(socket)
}

#[test]
fn whoever_breaks_the_rules_of_websocket_is_closed_with_the_reason() {
    let (mut server, _, page) = serve(&["--source", "tone"]);
    let unmasked = [&[0x82, 5], &typed(kind::REPORT, b"{}")[..5]].concat();
    let report = typed(kind::REPORT, b"{}");
    let flood: Vec<u8> = (0..50).flat_map(|_| masked(0x89, b"ping")).collect();
    let own_flood: Vec<u8> =
        (0..50).flat_map(|_| masked(0x82, &typed(kind::PING, &[0; 8]))).collect();
    let cases: [(&str, bool, Vec<u8>, u16); 12] = [
        ("no mask", true, unmasked, 1002),
        ("a fragment of nothing", true, masked(0x80, &report), 1002),
        ("an unknown opcode", true, masked(0x83, &report), 1002),
        ("text", true, masked(0x81, b"hello"), 1003),
        ("a message of 5 KiB", true, masked(0x82, &[0; 5000]), 1009),
        ("a message of 2 GiB", true, b"\x82\xff\0\0\0\0\x80\0\0\0".to_vec(), 1009),
        (
            "fragments of 5 KiB",
            true,
            [masked(0x02, &[0; 4000]), masked(0x80, &[0; 1000])].concat(),
            1009,
        ),
        ("two frames in a message", true, masked(0x82, &[&report[..], &report].concat()), 1008),
        ("no frame", false, masked(0x82, b"hello"), 1008),
        ("a second hello", true, masked(0x82, &hello("wrong")), 1008),
        ("a flood of pings", true, flood, 1008),
        ("a flood of AuraLync's pings", true, own_flood, 1008),
    ];
    for (name, greets, bytes, code) in cases {
        assert_eq!(closes_with(page, greets, &bytes), Some(code), "{name}");
    }
    assert!(server.is_running());
    assert_eq!(server.times_said("panicked"), 0);
}

#[test]
fn a_browser_that_never_says_hello_is_closed_after_five_seconds() {
    let (_server, _, page) = serve(&["--source", "tone"]);
    let began = Instant::now();
    assert_eq!(closed_with(WebSocket::open(page)), Some(1008));
    assert!(began.elapsed() > Duration::from_millis(4500), "it had five seconds");
}

#[test]
fn a_browser_that_sleeps_loses_its_seat_after_ten_seconds() {
    let flags = ["--source", "tone", "--max-clients", "1"];
    let (mut server, address, page) = serve(&flags);
    let mut asleep = WebSocket::open_on(socket::connect_with_little_room(page), page);
    asleep.send(&hello("asleep"));
    server.wait_for("a phone (127.0.0.1");
    let began = Instant::now();
    let farewell = server.wait_for(" chunks, ");
    // The system may notice at the same moment that nothing is taken any more.
    let reasons = ["took nothing for 10 s", "has not answered for too long"];
    assert!(reasons.iter().any(|reason| farewell.contains(reason)), "{farewell}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let mut next = socket::connect(address);
    assert!(!socket::greet(&mut next, "awake").is_empty());
}

#[test]
fn what_is_sent_before_the_opening_is_answered_is_not_lost() {
    let (_server, _, page) = serve(&["--source", "tone"]);
    let eager = [opening(page).into_bytes(), masked(0x82, &hello("eager"))].concat();
    let mut socket = socket::connect(page);
    socket.write_all(&eager).unwrap();
    let mut heard = Vec::<u8>::new();
    while !heard.windows(9).any(|part| part == b"\"session\"") {
        let mut piece = [0; 64];
        let count = socket.read(&mut piece).unwrap();
        assert!(count > 0 && heard.len() < 4096, "no welcome");
        heard.extend(&piece[..count]);
    }
    assert!(exchange(page, b"GET / HTTP/1.0\r\n\r\n").starts_with("HTTP/1.1 200 "));
}
