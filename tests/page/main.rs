//! The page in a real browser: Chromium on plain http, a tap, and what it plays recorded and compared
//! with what the PC played. And the page's own modules, by node's test runner.
#![cfg(all(feature = "device", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod browser;
#[path = "../support"]
mod support {
    pub(crate) mod sound_compare;
    #[allow(dead_code, reason = "the tests of real sound use more of it")]
    pub(crate) mod sound_program;
    #[allow(dead_code, reason = "the tests of real sound use more of it")]
    pub(crate) mod sound_room;
}

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use browser::Browser;
use support::sound_compare::{Window, compare, median};
use support::sound_program::{Guarded, Program, wait_until};
use support::sound_room::{EAR1, PC, RATE, Recorder, Room, Sink};

/// What `--preset smooth` promises.
const PLAYOUT_DELAY_MS: f64 = 300.0;

/// How far from it a browser may be, left alone: it says only roughly when its sound is heard …
const DELAY_TOLERANCE_MS: f64 = 15.0;

/// … and more roughly in its first seconds, on a machine that is busy with tests.
const EARLY_TOLERANCE_MS: f64 = 20.0;

/// How much later than it was played a sound is looked for.
const SEARCHED_MS: u32 = 450;

/// Longer than the test takes.
const MUSIC_S: usize = 180;

/// How long the long test listens, after a moment to settle.
const LONG_S: f64 = 120.0;
const SETTLE_S: f64 = 5.0;

/// How long the sound is that gets compared at a time.
const COMPARED_S: f64 = 5.0;

/// Of so many windows one may be damaged: PulseAudio itself loses frames on a busy machine.
const DAMAGED_ONE_IN: usize = 10;

/// How far the page's timing is moved, in ms, and in how many presses of its button.
const MOVED_MS: f64 = 40.0;
const PRESSES: usize = 8;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page")
}

/// A port that nobody uses: the page must find the server again where it was.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A room where the PC plays noise and is recorded, and ports for a server.
struct Evening {
    // Dropped first to last: what plays and records goes before its room.
    _player: Guarded,
    recorder: Recorder,
    room: Room,
    port: u16,
    web: u16,
}

impl Evening {
    fn begin() -> Self {
        let mut room = Room::open();
        // Browsers play on the default output; the server captures the one that it is told.
        room.make_default(EAR1);
        let music = room.noise(MUSIC_S);
        let recorder = room.record();
        let player = room.play(&music, PC);
        wait_until("the PC plays", || recorder.hears(PC));
        Self { _player: player, recorder, room, port: free_port(), web: free_port() }
    }
}

fn server(room: &Room, preset: &str, port: u16, web: u16) -> Program {
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-server"));
    command.args(["--preset", preset, "--source", "loopback:pc", "--name", "Living room"]);
    command.args(["--bind", "127.0.0.1", "--no-discovery", "--port", &port.to_string()]);
    command.args(["--web", &web.to_string(), "--no-qr"]);
    let mut server = Program::start(command, room.path("server.log"));
    server.wait_for("Ctrl-C stops.");
    server
}

/// Waits until what the browser plays is what the PC plays, `delay_ms` later and `gain_db` louder.
fn wait_until_right(recorder: &Recorder, ear: Sink, delay_ms: f64, gain_db: f64) -> Vec<Window> {
    let mut heard = Vec::new();
    wait_until("the right sound is heard at the right time", || {
        let from = recorder.seconds();
        wait_until("enough is recorded", || recorder.seconds() > from + COMPARED_S);
        let played = recorder.played(PC, from);
        heard = compare(&played, &recorder.played(ear, from), RATE, SEARCHED_MS);
        let whole: Vec<&Window> = heard.iter().filter(|w| w.likeness > 0.9).collect();
        let delay = median(whole.iter().map(|w| w.delay_ms));
        let gain = median(whole.iter().map(|w| w.gain_db));
        println!("{} of {} whole, {delay:.2} ms, {gain:.2} dB", whole.len(), heard.len());
        (heard.len() - whole.len()) * DAMAGED_ONE_IN <= heard.len()
            && (delay - delay_ms).abs() < EARLY_TOLERANCE_MS
            && (gain - gain_db).abs() < 1.0
    });
    heard
}

#[test]
fn the_pages_modules_pass_their_own_tests() {
    let out = Command::new("node").arg("--test").current_dir(folder()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn a_tap_on_a_page_from_plain_http_plays_in_step_and_comes_back_by_itself() {
    let Evening { room, port, web, recorder, _player } = Evening::begin();
    let running = server(&room, "smooth", port, web);

    let mut browser = Browser::start(&room, &folder(), web);
    let opened = browser.ask("open");
    assert_eq!(opened["secure"], false, "an address in a home network is not secure");
    assert_eq!(opened["worklet"], false);

    let tapped = recorder.seconds();
    browser.ask("tap #listen");
    wait_until("the browser is heard", || recorder.hears(EAR1));
    let (first, _) = recorder.heard(EAR1, tapped, recorder.seconds()).unwrap();
    let shown = browser.ask("show");
    println!("sound {:.2} s after the tap, {} bytes", first - tapped, shown["bytes"]);
    assert!(shown["bytes"].as_u64().unwrap() <= 60_000, "{shown}");
    assert_eq!(shown["server"], "Living room");
    wait_until_right(&recorder, EAR1, PLAYOUT_DELAY_MS, 0.0);
    let shown = browser.ask("show");
    assert_eq!(shown["state"], "playing", "{shown}");
    assert_eq!(shown["status"], "You are in step with everybody else.");

    browser.ask("set #volume 50");
    for _ in 0..PRESSES {
        browser.ask("tap #later");
    }
    wait_until_right(&recorder, EAR1, PLAYOUT_DELAY_MS + MOVED_MS, -6.02);
    browser.ask("reload");
    let shown = browser.ask("show");
    assert_eq!(shown["trim"], "+40 ms", "timing is remembered: {shown}");
    assert_eq!(shown["volume"], "50 %");
    browser.ask("set #volume 100");
    for _ in 0..PRESSES {
        browser.ask("tap #earlier");
    }

    browser.ask("focusAndPress #listen Enter");
    wait_until("it is heard again", || recorder.hears(EAR1));
    drop(running);
    wait_until("it is silent without a server", || recorder.hears_nothing(EAR1));
    assert_eq!(browser.ask("show")["state"], "lost");
    let _running = server(&room, "smooth", port, web);
    wait_until("sound is back by itself", || recorder.hears(EAR1));
    wait_until_right(&recorder, EAR1, PLAYOUT_DELAY_MS, 0.0);

    browser.ask("tap #listen");
    wait_until("it is silent after leaving", || recorder.hears_nothing(EAR1));
    assert_eq!(browser.ask("show")["state"], "idle");

    // Browsers trust this machine itself, and play through the audio thread there.
    let opened = browser.ask(&format!("open http://127.0.0.1:{web}/"));
    assert_eq!((&opened["secure"], &opened["worklet"]), (&true.into(), &true.into()));
    browser.ask("tap #listen");
    wait_until("a secure page is heard", || recorder.hears(EAR1));
    wait_until_right(&recorder, EAR1, PLAYOUT_DELAY_MS, 0.0);
    assert_eq!(browser.ask("show")["errors"], serde_json::json!([]));
}

#[test]
#[ignore = "takes two minutes; run with --ignored --nocapture for the figures"]
fn two_minutes_in_a_browser_are_whole_and_at_the_playout_delay() {
    let Evening { room, port, web, recorder, _player } = Evening::begin();
    let _server = server(&room, "smooth", port, web);
    let mut browser = Browser::start(&room, &folder(), web);
    browser.ask("open");
    browser.ask("tap #listen");
    wait_until("the browser is heard", || recorder.hears(EAR1));
    let mut from = recorder.seconds();
    let (settled, end) = (from + SETTLE_S, from + SETTLE_S + LONG_S);
    let mut damaged = 0;
    while from < end {
        wait_until("enough is recorded", || recorder.seconds() > from + COMPARED_S);
        let played = recorder.played(PC, from);
        let heard = compare(&played, &recorder.played(EAR1, from), RATE, SEARCHED_MS);
        let delays = || heard.iter().map(|window| window.delay_ms);
        let least = delays().fold(f64::INFINITY, f64::min);
        let most = delays().fold(0.0, f64::max);
        let bad = heard.iter().filter(|window| !window.is_right()).count();
        let likeness = heard.iter().map(|window| window.likeness).fold(1.0, f64::min);
        println!(
            "{:3.0} s: {least:.2} to {most:.2} ms, {bad} of {} damaged, likeness {likeness:.4}, shown {}",
            from,
            heard.len(),
            browser.ask("show")["delay"]
        );
        if from >= settled {
            damaged += bad;
            assert!(least > PLAYOUT_DELAY_MS - DELAY_TOLERANCE_MS);
            assert!(most < PLAYOUT_DELAY_MS + DELAY_TOLERANCE_MS);
        }
        from += heard.len() as f64 / 10.0;
    }
    assert_eq!(damaged, 0);
}
