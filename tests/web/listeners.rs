//! Listeners that come by WebSocket, beside the others.

use auralync::wire::{AudioHeader, Notice, Ping, Pong, Reason, SERVER_FULL, kind};

use super::browser::{Message, WebSocket, hello};
use super::serve;
use crate::support::flags;
#[cfg(unix)]
use crate::support::servers::server;
use crate::support::websocket::masked;
use crate::support::{Scratch, assert_follows, ramp, socket};

#[test]
fn a_browser_and_a_native_listener_get_the_same_sound_at_the_same_positions() {
    let scratch = Scratch::new();
    let path = scratch.path("ramp.wav");
    ramp::write(&path, 0, 60 * 48_000, 48_000, 2);
    let source = flags::source(&path);
    let flags = ["--source", &source, "--playout-delay-ms", "2000", "--max-queue-size", "100"];
    let (_server, address, page) = serve(&flags);
    let mut native = socket::connect(address);
    socket::plain(&mut native);
    let to_native = socket::greet(&mut native, "native");
    let (mut browser, to_browser) = WebSocket::listen(page, "browser");
    let to_native: serde_json::Value = serde_json::from_slice(&to_native).unwrap();
    assert_eq!(to_native, to_browser, "the same welcome");

    let (mut at_browser, mut at_native, mut next) = (Vec::new(), Vec::new(), None);
    while at_browser.len() < 100 {
        let body = browser.sound();
        let (_, payload) = AudioHeader::split(&body).unwrap();
        assert_follows(&socket::samples(payload), 2, &mut next);
        at_browser.push(body);
    }
    while at_native.last() != at_browser.last() {
        at_native.push(socket::typed(&mut native).1);
    }
    let from = at_native.iter().position(|body| *body == at_browser[0]).unwrap();
    assert_eq!(at_native[from..], at_browser, "header for header and sample for sample");
}

#[test]
fn a_browser_is_answered_its_pings_of_both_kinds_and_its_close() {
    let (_server, _, page) = serve(&["--source", "tone"]);
    let (mut browser, welcome) = WebSocket::listen(page, "browser");
    assert_eq!(welcome["version"], 2);
    browser.send(&Ping { client_us: 77 }.frame());
    let Message::Frame(kind::PONG, pong) = browser.next_word() else { panic!("no pong") };
    let pong = Pong::read(&pong).unwrap();
    assert!(pong.client_us == 77 && pong.received_us <= pong.sent_us, "{pong:?}");
    std::io::Write::write_all(&mut browser.0, &masked(0x89, b"there?")).unwrap();
    assert_eq!(browser.next_word(), Message::Pong(b"there?".to_vec()));
    // A report in two fragments.
    let report = auralync::wire::typed(kind::REPORT, b"{\"underruns\":3}");
    let halves = [masked(0x02, &report[..7]), masked(0x80, &report[7..])].concat();
    std::io::Write::write_all(&mut browser.0, &halves).unwrap();
    std::io::Write::write_all(&mut browser.0, &masked(0x88, b"\x03\xe8bye")).unwrap();
    assert_eq!(browser.next_word(), Message::Close(1000, String::new()));
    assert_eq!(browser.next(), Message::End);
}

#[test]
fn a_full_room_is_full_for_both_and_a_browser_that_comes_back_takes_its_own_seat() {
    let (mut server, address, page) = serve(&["--source", "tone", "--max-clients", "1"]);
    let (mut seated, _) = WebSocket::listen(page, "the same run");
    let mut native = socket::connect(address);
    assert_eq!(socket::plain(&mut native), SERVER_FULL[4..]);
    let mut other = WebSocket::open(page);
    other.send(&hello("another run"));
    assert_eq!(other.next(), Message::Close(1013, "the server is full".to_owned()));
    assert_eq!(other.next(), Message::End);

    let (mut back, _) = WebSocket::listen(page, "the same run");
    back.sound();
    let Message::Frame(kind::NOTICE, notice) = seated.next_word() else { panic!("no notice") };
    assert_eq!(Notice::read(&notice).unwrap().reason, Reason::Replaced);
    assert!(matches!(seated.next_word(), Message::Close(1001, _)));
    assert!(server.is_running());
}

#[cfg(unix)]
#[test]
fn a_server_that_stops_says_so_and_its_successor_is_found_at_the_same_port() {
    let (mut first, _, page) = serve(&["--source", "tone"]);
    let (mut browser, before) = WebSocket::listen(page, "a run");
    browser.sound();
    let ended = first.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let Message::Frame(kind::NOTICE, notice) = browser.next_word() else { panic!("no notice") };
    assert_eq!(Notice::read(&notice).unwrap().reason, Reason::Stopping);
    assert!(matches!(browser.next_word(), Message::Close(1001, _)));
    assert_eq!(browser.next(), Message::End);

    let mut second = server(["--source", "tone", "--web", &page.port().to_string()]);
    second.wait_for(&format!("http://{page}/"));
    let (mut browser, after) = WebSocket::listen(page, "a run");
    browser.sound();
    assert_ne!(before["session"], after["session"]);
}
