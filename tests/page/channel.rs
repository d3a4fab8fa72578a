//! Sound by datagram in a browser: over a data channel, and over the WebSocket where there is none.

use super::{EARLY_TOLERANCE_MS, Evening, PLAYOUT_DELAY_MS, folder, server_with};
use crate::browser::{Browser, in_chromium};
use crate::support::compare::compare;
use crate::support::recorder::Recorder;
use crate::support::room::{EAR1, PC, RATE};
use crate::support::waiting::wait_until;
use crate::{DAMAGED_ONE_IN, SEARCHED_BEYOND_MS, wait_until_heard};

/// More patience than a test takes: nothing plays later or sooner for that.
const PATIENCE_MS: u32 = 600_000;

/// Sound that is looked at before and behind a change of the way, in s.
const AROUND_S: f64 = 3.0;

pub(crate) fn is_by_datagram(browser: &mut Browser) -> bool {
    browser.ask("way")["isOn"] == true
}

/// A delay that a busy machine takes no sound from: what is missing was lost at a change of the way.
const LONG_DELAY_MS: f64 = 600.0;

/// Asserts that what was heard from `from` on is what the PC played, without a hole.
fn assert_no_gap(recorder: &Recorder, from: f64, delay_ms: f64) {
    wait_until("enough is recorded", || recorder.seconds() > from + 2.0 * AROUND_S);
    let searched_ms = delay_ms + SEARCHED_BEYOND_MS;
    let played = recorder.played(PC, from);
    let heard = compare(&played, &recorder.played(EAR1, from), RATE, searched_ms as u32);
    let damaged = heard.iter().filter(|window| window.likeness <= 0.9).count();
    println!("{damaged} of {} damaged", heard.len());
    assert!(damaged * DAMAGED_ONE_IN <= heard.len(), "{damaged} of {} are damaged", heard.len());
}

// Firefox makes no channel to this machine's own address 127.0.0.1, whatever it is told.
#[test]
fn chromium_hears_by_datagram_and_by_websocket_when_the_channel_is_cut() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin_alone();
        let delay = ["--playout-delay-ms", &LONG_DELAY_MS.to_string()];
        let _server = server_with(&room, "smooth", port, web, &delay);
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        assert_eq!(browser.ask("open")["secure"], false, "plain http does");
        browser.ask(&format!("join {PATIENCE_MS}"));
        wait_until("it is heard", || recorder.hears(EAR1));
        let from = recorder.seconds();
        wait_until("sound comes by datagram", || is_by_datagram(&mut browser));
        println!("by datagram after {:.2} s", recorder.seconds() - from);
        assert_no_gap(&recorder, from, LONG_DELAY_MS);
        wait_until_heard(&recorder, EARLY_TOLERANCE_MS, 0.0, || LONG_DELAY_MS);
        let (way, figures) = (browser.ask("way"), browser.ask("figures"));
        assert_eq!(figures["lost"], 0, "{way} {figures}");

        let from = recorder.seconds();
        assert_eq!(browser.ask("cutChannels"), 1);
        wait_until("sound comes by WebSocket again", || !is_by_datagram(&mut browser));
        wait_until("the channel is tried again", || is_by_datagram(&mut browser));
        assert_no_gap(&recorder, from, LONG_DELAY_MS);
        let figures = browser.ask("figures");
        assert_eq!(figures["lost"], 0, "nothing is missing at a change of the way: {figures}");
        assert_eq!(browser.ask("show")["errors"], serde_json::json!([]));
    });
}

#[test]
fn without_udp_a_page_hears_by_websocket_and_asks_for_nothing_else() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin();
        let _server = server_with(&room, "smooth", port, web, &["--no-udp"]);
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        browser.ask("open");
        browser.ask("tap #listen");
        wait_until("it is heard", || recorder.hears(EAR1));
        wait_until_heard(&recorder, EARLY_TOLERANCE_MS, 0.0, || PLAYOUT_DELAY_MS);
        let shown = browser.ask("show");
        assert_eq!((&shown["way"], &shown["errors"]), (&"TCP".into(), &serde_json::json!([])));
        assert_eq!(browser.ask("cutChannels"), 0, "no channel was made");
    });
}

#[test]
fn where_no_channel_opens_a_page_goes_on_by_websocket_without_a_gap() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin_alone();
        let delay = ["--playout-delay-ms", &LONG_DELAY_MS.to_string()];
        let _server = server_with(&room, "smooth", port, web, &delay);
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        browser.ask("open");
        browser.ask("blockChannels");
        browser.ask(&format!("join {PATIENCE_MS}"));
        wait_until("it is heard", || recorder.hears(EAR1));
        let from = recorder.seconds();
        wait_until("it has tried twice", || browser.ask("cutChannels").as_u64() >= Some(2));
        assert!(!is_by_datagram(&mut browser));
        assert_no_gap(&recorder, from, LONG_DELAY_MS);
        assert_eq!(browser.ask("show")["errors"], serde_json::json!([]));
    });
}
