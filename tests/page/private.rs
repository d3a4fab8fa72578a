//! A private room in a browser on plain http: with the link it is heard, without it nothing is, and nobody else ever
//! learns what the link says.

use std::net::{Ipv4Addr, SocketAddr};

use auralync::secure::room::Link;
use serde_json::json;

use crate::browser::{Browser, HOST, in_chromium, in_firefox};
use crate::channel::is_by_datagram;
use crate::support::eavesdropper::Eavesdropper;
use crate::support::free_port::free_port;
use crate::support::program::Program;
use crate::support::room::{EAR1, EAR2, Room};
use crate::support::waiting::wait_until;
use crate::{
    EARLY_TOLERANCE_MS, Evening, IN_STEP, PLAYOUT_DELAY_MS, folder, server, server_of, server_with,
    wait_until_heard, wait_until_right,
};

/// More patience than a test takes.
const PATIENCE_MS: u32 = 600_000;

/// So long after a kick all sound that is heard is of the new epoch, in s.
const NEW_EPOCH_S: f64 = 3.0;

/// Who listens; nobody else is called so.
const NAME: &str = "Wilhelmine";

/// Connections of a browser to the page's port: one for each file, and it comes a few times.
const CONNECTIONS: usize = 1_000;

/// Somebody between browsers and the page at that port.
pub(crate) fn before(web: u16) -> Eavesdropper {
    Eavesdropper::before(SocketAddr::from((Ipv4Addr::LOCALHOST, web)), CONNECTIONS)
}

/// A native listener with a link, whose settings are its own.
fn native(room: &Room, (name, port): (&str, u16), link: &str, more: &[&str]) -> Program {
    let file = room.path(&format!("{name}.link"));
    std::fs::write(&file, link).unwrap();
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
    command.args([&format!("127.0.0.1:{port}"), "--name", name]).args(more);
    command.arg("--link").arg(&file).env("XDG_CONFIG_HOME", room.path(name));
    let mut listener = Program::start(command);
    listener.wait_for("connected");
    listener
}

/// What stands behind the `#` of the room's link.
pub(crate) fn fragment(room: &Room) -> String {
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-server"));
    command.args(["--bind", "127.0.0.1", "--no-web", "--show-link"]);
    let shown = command.output().unwrap();
    assert!(shown.status.success(), "{shown:?}");
    let link = String::from_utf8(shown.stdout).unwrap();
    link.trim().split_once('#').unwrap().1.to_owned()
}

pub(crate) fn private_server(room: &Room, port: u16, web: u16, more: &[&str]) -> Program {
    server_with(room, "smooth", port, web, &[&["--private"], more].concat())
}

pub(crate) fn wait_until_it_says(browser: &mut Browser, words: &str) {
    let mut said = String::new();
    wait_until(words, || {
        let shown = browser.ask("show");
        said = shown.to_string();
        shown["status"].as_str().unwrap().contains(words)
    });
    println!("{said}");
}

#[test]
fn a_page_with_the_link_hears_and_nobody_between_learns_what_it_says() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin();
        let _server = private_server(&room, port, web, &["--no-udp"]);
        let fragment = fragment(&room);
        let between = before(web);
        let page = format!("http://{HOST}:{}/?port={port}", between.address.port());
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        assert_eq!(browser.ask(&format!("open {page}#{fragment}"))["secure"], false);
        let kept = browser.ask("kept");
        assert_eq!(
            kept,
            json!({"address": page, "referrer": "", "link": fragment, "remembered": false})
        );
        browser.ask(&format!("set #name {NAME}"));
        let tapped = recorder.seconds();
        browser.ask("tap #listen");
        wait_until("the browser is heard", || recorder.hears(EAR1));
        let (first, _) = recorder.heard(EAR1, tapped, recorder.seconds()).unwrap();
        println!("sound {:.2} s after the tap, {}", first - tapped, browser.ask("show")["bytes"]);
        wait_until_right(&recorder, PLAYOUT_DELAY_MS, 0.0);
        let shown = browser.ask("show");
        assert_eq!(
            (&shown["state"], &shown["status"]),
            (&"playing".into(), &IN_STEP.into()),
            "{shown}"
        );
        assert_eq!(shown["server"], "Living room");
        let words = browser.ask("privately");
        let words = words.as_str().unwrap();
        assert!(words.contains("nobody who listens in on the network hears it"), "{words}");
        assert!(words.contains("could change the page itself"), "{words}");

        browser.ask("tap #less");
        wait_until("it is Opus", || browser.ask("show")["codec"] == "opus, 48 kHz");
        wait_until_right(&recorder, PLAYOUT_DELAY_MS, 0.0);
        // The code holds the link, and is the page's own.
        browser.ask("tap #bring summary");
        wait_until("the code is drawn", || browser.ask("code").as_u64() > Some(200));
        assert_eq!(browser.ask("text #copied"), "");
        browser.ask("tap #copy");
        assert_eq!(browser.ask("text #copied"), "Copied.");

        // The tab comes in again after it was loaded anew, without a link in its address.
        browser.ask("reload");
        assert_eq!(browser.ask("kept")["address"], page);
        browser.ask("focusAndPress #listen Enter");
        wait_until("the browser is heard again", || recorder.hears(EAR1));
        assert_eq!(browser.ask("show")["errors"], json!([]));

        let link = Link::read(&fragment).unwrap();
        assert!(between.has_heard(b"GET /secure.wasm"));
        for secret in [fragment.as_bytes(), link.secret.bytes(), &link.server, NAME.as_bytes()] {
            assert!(!between.has_heard(secret), "{}", String::from_utf8_lossy(secret));
        }
        assert!(!between.has_heard(b"Living room"));
    });
}

#[test]
fn a_page_hears_sealed_datagrams_and_goes_on_after_somebody_was_asked_to_leave() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin_alone();
        let _server = private_server(&room, port, web, &[]);
        let fragment = fragment(&room);
        let page = format!("http://{HOST}:{web}/");
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        browser.ask(&format!("open {page}#{fragment}"));
        browser.ask(&format!("join {PATIENCE_MS}"));
        wait_until("it is heard", || recorder.hears(EAR1));
        wait_until("sound comes by datagram", || is_by_datagram(&mut browser));
        wait_until_heard(&recorder, EARLY_TOLERANCE_MS, 0.0, || PLAYOUT_DELAY_MS);
        let way = browser.ask("way");
        assert!(way["datagrams"].as_u64() > Some(100), "{way}");

        // On another connection, with other keys; what is on its way belongs to the one before.
        let before = browser.ask("way")["datagrams"].as_u64();
        browser.ask("rename Other");
        wait_until("datagrams come on the new connection", || {
            is_by_datagram(&mut browser) && browser.ask("way")["datagrams"].as_u64() < before
        });

        let _goes = native(&room, ("Goes", port), &fragment, &["--output", "null"]);
        let mut kick = room.command(env!("CARGO_BIN_EXE_auralync-client"));
        kick.args(["ctl", "kick", "Goes", "--server", &format!("127.0.0.1:{web}")]);
        let kicked = kick.output().unwrap();
        assert!(kicked.status.success(), "{kicked:?}");
        let mut kept = fragment.clone();
        wait_until("the page learns the new link", || {
            kept = browser.ask("kept")["link"].as_str().unwrap().to_owned();
            kept != fragment
        });
        assert_eq!(kept, crate::private::fragment(&room));
        // The new epoch begins half a second later: each datagram of it is opened.
        let from = recorder.seconds();
        wait_until("seconds of it are there", || recorder.seconds() > from + NEW_EPOCH_S);
        assert!(recorder.hears(EAR1));
        let before = browser.ask("way")["datagrams"].as_u64();
        wait_until("datagrams come on", || browser.ask("way")["datagrams"].as_u64() > before);
        let (way, shown) = (browser.ask("way"), browser.ask("show"));
        assert_eq!((&way["refused"], &shown["errors"]), (&0.into(), &json!([])), "{way}");
        assert_eq!(browser.ask("sockets"), 2, "no other connection was needed");
    });
}

#[test]
fn without_the_right_link_a_page_hears_nothing_and_says_what_it_lacks() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin();
        let running = private_server(&room, port, web, &[]);
        let right = fragment(&room);
        let page = format!("http://{HOST}:{web}/");
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        browser.ask(&format!("open {page}"));
        browser.ask("tap #listen");
        wait_until_it_says(&mut browser, "This room is private: ask");
        assert_eq!(browser.ask("show")["state"], "shut");

        browser.ask(&format!("follow {}", &right[1..]));
        wait_until_it_says(&mut browser, "only a part of a link");
        assert_eq!(browser.ask("kept")["address"], page);

        // Half of a link, another room's, and another server's.
        let paste = |browser: &mut Browser, link: &str| {
            browser.ask(&format!("set #link {link}"));
            browser.ask("tap #enter");
        };
        paste(&mut browser, &right[1..]);
        wait_until_it_says(&mut browser, "only a part of a link");
        let link = Link::read(&right).unwrap();
        let other = auralync::secure::room::Secret::new([7; 16]);
        paste(&mut browser, &Link { secret: other, ..link.clone() }.fragment());
        wait_until_it_says(&mut browser, "has another key than this link");
        paste(&mut browser, &Link { server: [7; 16], ..link }.fragment());
        wait_until_it_says(&mut browser, "Another server answers here");
        assert!(recorder.hears_nothing(EAR1));
        assert_eq!(browser.ask("sockets"), 3, "each is tried once");

        browser.ask("reload");
        browser.ask("lose /secure.wasm");
        browser.ask(&format!("follow {right}"));
        browser.ask("tap #listen");
        wait_until_it_says(&mut browser, "What opens private rooms did not come");
        browser.ask("find /secure.wasm");
        wait_until("the browser is heard once it came", || recorder.hears(EAR1));
        browser.ask("tap #forget");
        wait_until_it_says(&mut browser, "This room is private: ask");

        paste(&mut browser, &format!("{page}?port={port}#{right}"));
        wait_until("the browser is heard", || recorder.hears(EAR1));
        assert_eq!(browser.ask("kept")["address"], format!("{page}?port={port}"));
        browser.ask("tap #remember");
        assert_eq!(browser.ask("kept")["remembered"], true);
        browser.ask("tap #listen");
        wait_until("it is silent after leaving", || recorder.hears_nothing(EAR1));

        // With a link the page enters no open room.
        drop(running);
        let _open = server(&room, "smooth", port, web);
        browser.ask("tap #listen");
        wait_until_it_says(&mut browser, "anybody on the network could listen to this one");
        assert!(recorder.hears_nothing(EAR1));
        browser.ask("tap #forget");
        wait_until("the open room is heard", || recorder.hears(EAR1));
        assert_eq!(browser.ask("kept")["link"], "");
        assert_eq!(browser.ask("show")["errors"], json!([]));
    });
}

#[test]
fn firefox_hears_a_private_room() {
    in_firefox(firefox_hears_what_is_private);
}

fn firefox_hears_what_is_private() {
    let Evening { room, port, web, recorder, _player } = Evening::begin_alone();
    let _server = private_server(&room, port, web, &[]);
    let mut browser = Browser::start("firefox", &room, &folder(), web);
    let address = format!("http://{HOST}:{web}/");
    browser.ask(&format!("open {address}#{}", fragment(&room)));
    assert_eq!(browser.ask("kept")["address"], address);
    browser.ask("tap #listen");
    wait_until("Firefox is heard", || recorder.hears(EAR1));
    let shown = browser.ask("show");
    assert_eq!((&shown["state"], &shown["errors"]), (&"playing".into(), &json!([])), "{shown}");
}

#[test]
fn what_is_said_into_a_page_is_heard_in_the_room_and_by_nobody_between() {
    in_chromium(|| {
        let room = Room::open();
        room.make_default(EAR1);
        let (port, web) = (free_port(), free_port());
        let _server = server_of(&room, "low-latency", "none", port, web, &["--private", "--talk"]);
        let fragment = fragment(&room);
        let _native = native(&room, ("Window seat", port), &fragment, &["--device", EAR2.name]);
        let recorder = room.record();
        let between = before(web);
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        let page = format!("http://127.0.0.1:{}/", between.address.port());
        assert_eq!(browser.ask(&format!("open {page}#{fragment}"))["secure"], true);
        browser.ask(&format!("set #name {NAME}"));
        browser.ask("tap #listen");
        wait_until("the page shows both people", || {
            let room = browser.ask("show")["room"].to_string();
            room.contains("Window seat") && room.contains(NAME)
        });
        wait_until("nobody is heard", || recorder.hears_nothing(EAR2));
        browser.ask("tap #talk");
        // The browser's own microphone beeps.
        let from = recorder.seconds();
        wait_until("the page is heard", || {
            recorder.heard(EAR2, from, recorder.seconds()).is_some()
        });
        assert_eq!(browser.ask("show")["talkSays"], "You are heard.");
        assert_eq!(browser.ask("talked"), json!([]), "no word goes openly");
        assert_eq!(browser.ask("show")["errors"], json!([]));
        assert!(!between.has_heard(b"Window seat") && !between.has_heard(NAME.as_bytes()));
    });
}
