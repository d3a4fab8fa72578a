//! The page as a phone has it: on plain http, and over a bad network.

use serde_json::Value;

use super::{COMPARED_S, DAMAGED_ONE_IN, folder};
use crate::browser::{Browser, in_firefox};
use crate::channel::is_by_datagram;
use crate::support::air::{Air, PC, house};
use crate::support::heard::{self, Heard};
use crate::support::program::Program;
use crate::support::recorder::Recorder;
use crate::support::room::{EAR1, RATE, Room};
use crate::support::waiting::wait_until;

/// The page's port, in a network of its own.
const WEB: &str = "8080";

/// More patience than a test takes: nothing plays sooner for that.
const PATIENCE_MS: u32 = 600_000;

/// How long the page finds out how late sound reaches it, and how quick the output's clock is, in s: on two busy cores
/// that is off by hundreds of ppm after half of this.
const SETTLE_S: f64 = 5.0;

/// How long the page is listened to, in s: in a check, and for figures.
const SECONDS: f64 = 6.0;
const LONG_S: f64 = 60.0;

/// Networks, in the words of `tests/support/air/bend.rs`.
const NETWORKS: [&str; 4] =
    ["delay=2", "delay=2 loss=0.05", "delay=2 loss=0.11", "delay=2 gems=3000,60,1"];

/// How often a promise is tried: while compilers had both cores, about every other time was spoiled by the output's
/// clock, with nothing lost on the way.
const TRIES: usize = 6;

/// A room whose browsers are behind a bad network.
struct Away {
    // Dropped first to last: what records goes before its room.
    recorder: Recorder,
    room: Room,
    air: Air,
}

/// A server, and a page that hears it.
struct Page {
    browser: Browser,
    from: f64,
    _server: Program,
}

/// What became of it.
#[derive(Debug)]
struct Outcome {
    heard: Heard,
    way: Value,
    figures: Value,
}

impl Away {
    /// `None` where this system has no such networks, which is said.
    fn make(network: &str, open: fn() -> Room) -> Option<Self> {
        let air = match Air::make(&network.parse().unwrap()) {
            Ok(air) => air,
            Err(why) => {
                eprintln!("NOT TESTED: the page over a bad network, because {why}.");
                return None;
            }
        };
        let room = open();
        Some(Self { recorder: room.record(), room, air })
    }

    /// Starts a server and a browser, and taps.
    fn open(&self, kind: &str, preset: &str, more: &[&str]) -> Page {
        let sound = self.room.path("sent.wav");
        house::sent().write(&sound);
        let mut command = self.air.on_pc(env!("CARGO_BIN_EXE_auralync-server"));
        command.args(["--preset", preset, "--bind", PC, "--no-discovery", "--no-qr"]);
        command.args(["--source", &format!("file:{},loop", sound.display())]);
        command.args(["--web", WEB]).args(more);
        let mut server = Program::start(command);
        server.wait_for("Ctrl-C stops.");
        self.room.make_default(EAR1);
        let mut command = self.room.command("ip");
        command.args(["netns", "exec", &self.air.machines.ear, "node"]);
        let mut browser = Browser::start_by(command, &[kind, PC, WEB], &folder(), None);
        assert_eq!(browser.ask("open")["secure"], false, "as a phone has it");
        browser.ask(&format!("join {PATIENCE_MS}"));
        wait_until("the page is heard", || self.recorder.hears(EAR1));
        Page { browser, from: 0.0, _server: server }
    }

    fn wait(&self, seconds: f64) {
        let until = self.recorder.seconds() + seconds;
        wait_until("enough is recorded", || self.recorder.seconds() > until);
    }

    /// What is heard from here on is judged.
    fn begin(&self, page: &mut Page) {
        page.from = self.recorder.seconds();
    }

    fn judge(&self, page: &mut Page) -> Outcome {
        let played = self.recorder.played(EAR1, page.from);
        let heard = house::judge(&at_rate_of_judge(&played.left));
        let (way, figures) = (page.browser.ask("way"), page.browser.ask("figures"));
        assert_eq!(page.browser.ask("show")["errors"], serde_json::json!([]));
        Outcome { heard, way, figures }
    }
}

/// A room's sound at the rate at which it is judged.
fn at_rate_of_judge(samples: &[f32]) -> Vec<f32> {
    let step = f64::from(RATE) / f64::from(heard::RATE);
    let frames = (samples.len().saturating_sub(1) as f64 / step) as usize;
    (0..frames)
        .map(|frame| {
            let at = frame as f64 * step;
            let (before, share) = (at as usize, at.fract() as f32);
            samples[before] + (samples[before + 1] - samples[before]) * share
        })
        .collect()
}

#[test]
fn what_a_bad_network_loses_and_its_holes_are_not_heard_at_a_phone() {
    let mut outcomes = Vec::new();
    while outcomes.len() < TRIES {
        let network = "delay=2 loss=0.05 gems=3000,60,1";
        let Some(away) = Away::make(network, Room::open_alone) else { return };
        let mut page = away.open("chromium", "smooth", &[]);
        wait_until("sound comes by datagram", || is_by_datagram(&mut page.browser));
        away.wait(SETTLE_S);
        away.begin(&mut page);
        away.wait(SECONDS);
        let outcome = away.judge(&mut page);
        println!("{outcome:?}");
        if outcome.heard.damaged * DAMAGED_ONE_IN <= outcome.heard.windows {
            assert!(outcome.way["repaired"].as_u64() > Some(0), "{outcome:?}");
            return;
        }
        outcomes.push(outcome);
    }
    panic!("{outcomes:#?}");
}

#[test]
fn firefox_hears_by_datagram_at_another_address() {
    in_firefox(firefox_hears_by_datagram);
}

fn firefox_hears_by_datagram() {
    let Some(away) = Away::make("delay=2 loss=0.05", Room::open_alone) else { return };
    let mut page = away.open("firefox", "smooth", &[]);
    wait_until("sound comes by datagram", || is_by_datagram(&mut page.browser));
    away.begin(&mut page);
    away.wait(SETTLE_S);
    let outcome = away.judge(&mut page);
    assert!(outcome.way["datagrams"].as_u64() > Some(0), "{outcome:?}");
}

#[test]
#[ignore = "takes some minutes; run with --ignored --nocapture for the figures"]
fn figures_of_the_page_over_bad_networks_by_datagram_and_by_websocket() {
    for network in NETWORKS {
        for more in [&[][..], &["--no-udp"]] {
            let Some(away) = Away::make(network, Room::open) else { return };
            let mut page = away.open("chromium", "low-latency", more);
            away.wait(SETTLE_S);
            away.begin(&mut page);
            let end = page.from + LONG_S;
            while away.recorder.seconds() < end {
                away.wait(COMPARED_S);
            }
            let Outcome { heard, way, figures } = away.judge(&mut page);
            println!(
                "{network} {more:?}: {} of {} damaged, longest {} ms, {} jumps; {} ms; {} frames; {way}",
                heard.damaged,
                heard.windows,
                heard.longest_ms(),
                heard.jumps,
                figures["heardAfterMs"],
                figures["lost"],
            );
        }
    }
}
