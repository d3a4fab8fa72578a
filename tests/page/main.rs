//! The page in a real browser: Chromium on plain http, a tap, and what it plays recorded and compared
//! with what the PC played. And the page's own modules, by node's test runner.
#![cfg(all(feature = "device", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod air;
mod at_the_door;
mod browser;
mod calibrate;
mod channel;
mod ear;
mod opus;
mod private;
mod proxy;
mod secure;
mod talk;
#[path = "../support"]
mod support {
    mod address;
    #[allow(dead_code, reason = "programs over a bad network are for tests/air")]
    pub(crate) mod air;
    pub(crate) mod compare;
    pub(crate) mod eavesdropper;
    #[allow(dead_code, reason = "what programs are told is for tests/air")]
    mod flags;
    pub(crate) mod free_port;
    #[allow(dead_code, reason = "what programs have heard is for tests/air")]
    pub(crate) mod heard;
    mod hearing;
    pub(crate) mod hidden_delay;
    mod likeness;
    pub(crate) mod median;
    pub(crate) mod microphones;
    mod music;
    mod namespaces;
    pub(crate) mod program;
    #[allow(dead_code, reason = "what programs have heard is for tests/air")]
    mod recorded;
    pub(crate) mod recorder;
    pub(crate) mod room;
    pub(crate) mod scratch;
    pub(crate) mod stereo;
    pub(crate) mod waiting;
    pub(crate) mod wav;
}

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use browser::{Browser, in_chromium, in_firefox};
use support::compare::{Window, compare};
use support::free_port::free_port;
use support::median::median;
use support::program::{Guarded, Program};
use support::recorder::Recorder;
use support::room::{EAR1, PC, RATE, Room};
use support::waiting::wait_until;

/// What `--preset smooth` promises.
const PLAYOUT_DELAY_MS: f64 = 300.0;

/// How far from the playout delay a browser may be, left alone: it says only roughly when its sound
/// is heard.
const DELAY_TOLERANCE_MS: f64 = 15.0;

/// How far from the playout delay a browser may be in its first seconds, on a machine that is busy
/// with tests.
const EARLY_TOLERANCE_MS: f64 = 20.0;

/// How much later than it should be heard a sound is looked for.
const SEARCHED_BEYOND_MS: f64 = 150.0;

/// What reaches the ear within this many bytes and seconds of a tap. It was 23.1 kB before the page had
/// datagrams, which may cost 6 kB, and private rooms, which may cost an open one 1.5 kB: what keeps links out of
/// addresses, and asks whether the room is private before it says a name.
const MOST_BYTES_TO_SOUND: f64 = 30_500.0;
const SOUND_WITHIN_S: f64 = 1.5;

const IN_STEP: &str = "You are in step with everybody else.";

/// The length of the music, in s: longer than the test takes.
const MUSIC_S: usize = 180;

/// How long the long test listens, after a moment to settle.
const LONG_S: f64 = 120.0;
const SETTLE_S: f64 = 5.0;

/// How long the sound is that gets compared at a time.
const COMPARED_S: f64 = 5.0;

/// Of so many windows one may be damaged: PulseAudio itself loses frames on a busy machine.
const DAMAGED_ONE_IN: usize = 10;

/// What `--preset live` promises.
const LIVE_DELAY_MS: f64 = 25.0;

/// A page that is kept busy for so long, so often, and looks for so long whether it still is.
const BLOCKED_MS: u32 = 300;
const BLOCKED_TIMES: usize = 6;
const BLOCKED_COSTS_MS: f64 = 60.0;
const PATIENCE_MS: u32 = 1_000;

/// Longer than the page waits before it first tries to come back.
const COMES_BACK_WITHIN_S: f64 = 2.0;

/// How far the page's timing is moved, in ms, and in how many presses of its button.
const MOVED_MS: f64 = 40.0;
const PRESSES: usize = 8;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/page")
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
        Self::begin_in(Room::open())
    }

    /// One with no other beside it: for what is measured in ms, and for Firefox, which beside another browser plays
    /// broken sound on two cores.
    fn begin_alone() -> Self {
        Self::begin_in(Room::open_alone())
    }

    fn begin_in(room: Room) -> Self {
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
    server_with(room, preset, port, web, &[])
}

fn server_with(room: &Room, preset: &str, port: u16, web: u16, more: &[&str]) -> Program {
    server_of(room, preset, "loopback:pc", port, web, more)
}

fn server_of(
    room: &Room,
    preset: &str,
    source: &str,
    port: u16,
    web: u16,
    more: &[&str],
) -> Program {
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-server"));
    command.args(["--preset", preset, "--source", source, "--name", "Living room"]);
    command.args(["--bind", "127.0.0.1", "--no-discovery", "--port", &port.to_string()]);
    command.args(["--web", &web.to_string(), "--no-qr"]).args(more);
    let mut server = Program::start(command);
    server.address();
    server
}

/// Waits until what the browser plays is what the PC plays, `delay_ms` later and `gain_db` louder.
fn wait_until_right(recorder: &Recorder, delay_ms: f64, gain_db: f64) {
    wait_until_heard(recorder, EARLY_TOLERANCE_MS, gain_db, || delay_ms);
}

/// Waits until what the browser plays is what the PC plays, `gain_db` louder and by a delay later that
/// the page may change meanwhile, give or take `within_ms`: what it was
/// before or after a look is right.
fn wait_until_heard(
    recorder: &Recorder,
    within_ms: f64,
    gain_db: f64,
    mut delay_ms: impl FnMut() -> f64,
) {
    wait_until("the right sound is heard at the right time", || {
        let before_ms = delay_ms();
        let from = recorder.seconds();
        wait_until("enough is recorded", || recorder.seconds() > from + COMPARED_S);
        let played = recorder.played(PC, from);
        let promised_ms = [before_ms, delay_ms()];
        let searched_ms = promised_ms[0].max(promised_ms[1]) + SEARCHED_BEYOND_MS;
        let heard = compare(&played, &recorder.played(EAR1, from), RATE, searched_ms as u32);
        let whole: Vec<&Window> = heard.iter().filter(|w| w.likeness > 0.9).collect();
        let is_ms = median(whole.iter().map(|w| w.delay_ms));
        let gain = median(whole.iter().map(|w| w.gain_db));
        println!("{} of {} whole, {is_ms:.2} ms, {gain:.2} dB", whole.len(), heard.len());
        (heard.len() - whole.len()) * DAMAGED_ONE_IN <= heard.len()
            && promised_ms.iter().any(|promised| (is_ms - promised).abs() < within_ms)
            && (gain - gain_db).abs() < 1.0
    });
}

#[test]
fn the_pages_modules_pass_their_own_tests() {
    let out = Command::new("node").arg("--test").current_dir(folder()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
}

#[test]
fn a_tap_on_a_page_from_plain_http_plays_in_step_and_comes_back_by_itself() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin();
        let running = server(&room, "smooth", port, web);

        let mut browser = Browser::start("chromium", &room, &folder(), web);
        let opened = browser.ask("open");
        assert_eq!(opened["secure"], false, "an address in a home network is not secure");
        assert_eq!(opened["worklet"], false);

        let tapped = recorder.seconds();
        browser.ask("tap #listen");
        wait_until("the browser is heard", || recorder.hears(EAR1));
        let (first, _) = recorder.heard(EAR1, tapped, recorder.seconds()).unwrap();
        let shown = browser.ask("show");
        println!("sound {:.2} s after the tap, {} bytes", first - tapped, shown["bytes"]);
        let bytes = shown["bytes"].as_f64().unwrap();
        assert!((1.0..=MOST_BYTES_TO_SOUND).contains(&bytes), "{shown}");
        assert!(first - tapped < SOUND_WITHIN_S, "{:.2} s", first - tapped);
        assert_eq!(shown["server"], "Living room");
        wait_until_right(&recorder, PLAYOUT_DELAY_MS, 0.0);
        let shown = browser.ask("show");
        assert_eq!(shown["state"], "playing", "{shown}");
        assert_eq!(shown["status"], IN_STEP);
        assert_eq!(shown["lockScreen"], serde_json::json!(["playing", "Living room"]));

        // Less data on an insecure page: the decoder that came after the first sound.
        browser.ask("tap #less");
        wait_until("it is Opus", || browser.ask("show")["codec"] == "opus, 48 kHz");
        wait_until_right(&recorder, PLAYOUT_DELAY_MS, 0.0);
        assert_eq!(browser.ask("show")["status"], IN_STEP);
        browser.ask("tap #less");
        wait_until("it is s16 again", || browser.ask("show")["codec"] == "s16, 40 kHz");

        browser.ask("set #volume 200");
        wait_until_right(&recorder, PLAYOUT_DELAY_MS, 6.02);
        browser.ask("set #volume 50");
        for _ in 0..PRESSES {
            browser.ask("tap #later");
        }
        wait_until_right(&recorder, PLAYOUT_DELAY_MS + MOVED_MS, -6.02);
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
        wait_until_right(&recorder, PLAYOUT_DELAY_MS, 0.0);

        browser.ask("tap #listen");
        wait_until("it is silent after leaving", || recorder.hears_nothing(EAR1));
        assert_eq!(browser.ask("show")["state"], "idle");

        // Browsers trust this machine itself, and play through the audio thread there.
        let opened = browser.ask(&format!("open http://127.0.0.1:{web}/"));
        assert_eq!((&opened["secure"], &opened["worklet"]), (&true.into(), &true.into()));
        assert_eq!(opened["decodes"], true);
        opus::decodes_as_the_programs_do(&room, &mut browser);
        browser.ask("tap #less");
        browser.ask("tap #listen");
        wait_until("a secure page is heard", || recorder.hears(EAR1));
        wait_until_right(&recorder, PLAYOUT_DELAY_MS, 0.0);
        let shown = browser.ask("show");
        assert_eq!((&shown["codec"], &shown["status"]), (&"opus, 48 kHz".into(), &IN_STEP.into()));
        // Through a media element, by a delay that no browser tells.
        browser.ask("tap #element");
        wait_until("it is heard through an element", || recorder.hears(EAR1));
        assert_eq!(browser.ask("show")["errors"], serde_json::json!([]));
    });
}

#[test]
fn firefox_plays_the_page_without_an_error() {
    in_firefox(firefox_plays);
}

fn firefox_plays() {
    let Evening { room, port, web, recorder, _player } = Evening::begin_alone();
    let _server = server(&room, "smooth", port, web);
    let mut browser = Browser::start("firefox", &room, &folder(), web);
    assert_eq!(browser.ask("open")["secure"], false);
    browser.ask("tap #listen");
    wait_until("Firefox is heard", || recorder.hears(EAR1));
    wait_until_heard(&recorder, EARLY_TOLERANCE_MS, 0.0, || PLAYOUT_DELAY_MS);
    browser.ask("tap #less");
    wait_until("it is Opus", || browser.ask("show")["codec"] == "opus, 48 kHz");
    wait_until_heard(&recorder, EARLY_TOLERANCE_MS, 0.0, || PLAYOUT_DELAY_MS);
    let shown = browser.ask("show");
    assert_eq!((&shown["state"], &shown["status"]), (&"playing".into(), &IN_STEP.into()));
    opus::decodes_as_the_programs_do(&room, &mut browser);

    browser.ask(&format!("open http://127.0.0.1:{web}/"));
    opus::decodes_as_the_programs_do(&room, &mut browser);
    browser.ask("tap #listen");
    wait_until("a secure page is heard", || recorder.hears(EAR1));
    assert_eq!(browser.ask("show")["errors"], serde_json::json!([]));
}

#[test]
fn a_delay_that_the_browser_cannot_make_is_exceeded_by_as_much_as_the_page_says() {
    in_chromium(|| {
        for (preset, delay_ms) in [("low-latency", 80.0), ("live", LIVE_DELAY_MS)] {
            let Evening { room, port, web, recorder, _player } = Evening::begin_alone();
            let _server = server(&room, preset, port, web);
            let mut browser = Browser::start("chromium", &room, &folder(), web);
            browser.ask("open");
            browser.ask("tap #listen");
            wait_until("it is heard", || recorder.hears(EAR1));
            let promised_ms = || {
                let extra_ms = extra_ms(&browser.ask("show"));
                println!("{preset}: {extra_ms} ms more");
                delay_ms + extra_ms
            };
            wait_until_heard(&recorder, EARLY_TOLERANCE_MS, 0.0, promised_ms);
            let shown = browser.ask("show");
            println!("{preset}: {shown}");
            assert_eq!(shown["errors"], serde_json::json!([]));
        }
    });
}

#[test]
fn a_delay_that_a_busy_page_needed_is_given_back_when_it_is_not() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin_alone();
        let _server = server(&room, "live", port, web);
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        browser.ask("open");
        browser.ask(&format!("join {PATIENCE_MS}"));
        wait_until("it is heard", || recorder.hears(EAR1));
        let ms = |figures: serde_json::Value| figures["extraMs"].as_f64().unwrap();
        let usual_ms = ms(browser.ask("figures"));
        let mut busy_ms = usual_ms;
        wait_until("a busy page plays later", || {
            browser.ask(&format!("block {BLOCKED_MS} {BLOCKED_TIMES}"));
            busy_ms = ms(browser.ask("figures"));
            busy_ms >= usual_ms + BLOCKED_COSTS_MS
        });
        let started = Instant::now();
        let mut extra_ms = || ms(browser.ask("figures"));
        wait_until("most of it is given back", || extra_ms() <= f64::midpoint(usual_ms, busy_ms));
        println!(
            "{usual_ms} ms, {busy_ms} ms when busy, {} ms {:.1} s later",
            extra_ms(),
            started.elapsed().as_secs_f64()
        );
        // With that little patience it would go on trying for less, and be heard to.
        let mut extra_ms = || ms(browser.ask("endPatience"));
        wait_until_heard(&recorder, EARLY_TOLERANCE_MS, 0.0, || LIVE_DELAY_MS + extra_ms());
    });
}

/// How much later than the others the page says that it plays.
fn extra_ms(shown: &serde_json::Value) -> f64 {
    let said = shown["status"].as_str().unwrap();
    if said == IN_STEP {
        return 0.0;
    }
    let ms = said
        .strip_prefix("Sound comes late to this device: you hear it ")
        .and_then(|rest| rest.strip_suffix(" ms after the others."));
    ms.and_then(|ms| ms.parse().ok()).unwrap_or_else(|| panic!("the page says: {said}"))
}

#[test]
fn a_page_waits_at_a_full_server_and_comes_in_when_somebody_leaves() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin();
        let _server = server_with(&room, "smooth", port, web, &["--max-clients", "1"]);
        let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
        command.args([&format!("127.0.0.1:{port}"), "--output", "null"]);
        let mut first = Program::start(command);
        first.wait_for("connected");
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        browser.ask("open");
        browser.ask("tap #listen");
        wait_until("the page says that the server is full", || {
            browser.ask("show")["status"] == "The server is full. Asking again every 10 seconds."
        });
        assert!(recorder.hears_nothing(EAR1));
        first.stop();
        wait_until("it comes in by itself", || recorder.hears(EAR1));
        let shown = browser.ask("show");
        assert_eq!(
            (&shown["state"], &shown["errors"]),
            (&"playing".into(), &serde_json::json!([]))
        );
    });
}

#[test]
fn a_page_that_was_asked_to_leave_says_so_and_comes_again_only_when_somebody_taps() {
    in_chromium(|| {
        const ASKED_TO_LEAVE: &str = "Whoever runs the server has asked you to leave.";
        let Evening { room, port, web, recorder, _player } = Evening::begin();
        let _server = server(&room, "smooth", port, web);
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        browser.ask("open");
        browser.ask("set #name Kitchen");
        browser.ask("tap #listen");
        wait_until("it is heard", || recorder.hears(EAR1));
        let mut kick = room.command(env!("CARGO_BIN_EXE_auralync-client"));
        kick.args(["ctl", "kick", "Kitchen", "--server", &format!("localhost:{web}")]);
        assert!(kick.output().unwrap().status.success());
        wait_until("it is silent", || recorder.hears_nothing(EAR1));
        let shown = browser.ask("show");
        assert_eq!(
            (&shown["state"], &shown["status"]),
            (&"replaced".into(), &ASKED_TO_LEAVE.into())
        );

        // A page of its own comes under another id: only its name is known again.
        browser.ask("open");
        browser.ask("tap #listen");
        wait_until("it is told again", || browser.ask("show")["status"] == ASKED_TO_LEAVE);
        let sockets = browser.ask("sockets");
        assert_eq!(sockets, 1, "one attempt for one tap");
        let asked = recorder.seconds();
        wait_until("it could have come back", || recorder.seconds() > asked + COMES_BACK_WITHIN_S);
        let shown = browser.ask("show");
        assert_eq!(
            (&shown["status"], &shown["errors"]),
            (&ASKED_TO_LEAVE.into(), &serde_json::json!([]))
        );
        assert_eq!(browser.ask("sockets"), sockets, "it did not try again");
    });
}

#[test]
#[ignore = "takes two minutes; run with --ignored --nocapture for the figures"]
fn two_minutes_in_a_browser_are_whole_and_at_the_playout_delay() {
    let Evening { room, port, web, recorder, _player } = Evening::begin();
    let _server = server(&room, "smooth", port, web);
    let mut browser = Browser::start("chromium", &room, &folder(), web);
    browser.ask("open");
    browser.ask("tap #listen");
    wait_until("the browser is heard", || recorder.hears(EAR1));
    let mut from = recorder.seconds();
    let (settled, end) = (from + SETTLE_S, from + SETTLE_S + LONG_S);
    let searched_ms = PLAYOUT_DELAY_MS + SEARCHED_BEYOND_MS;
    let mut damaged = 0;
    while from < end {
        wait_until("enough is recorded", || recorder.seconds() > from + COMPARED_S);
        let played = recorder.played(PC, from);
        let heard = compare(&played, &recorder.played(EAR1, from), RATE, searched_ms as u32);
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
