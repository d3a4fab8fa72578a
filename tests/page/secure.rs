//! The encrypted page, as a phone comes to it: by a link on the page that is not, behind the browser's warning.

use serde_json::{Value, json};

use crate::browser::in_chromium;
use crate::support::free_port::free_port;
use crate::support::room::{EAR1, EAR2, Room};
use crate::support::waiting::wait_until;
use crate::talk::{Conference, PAGE, wait_for_state};

/// How much of what the page plays is looked at, in s.
const HEARD_S: f64 = 2.0;

/// The longest time from a mouth to an ear, in ms: 80 of the preset's delay, what Chromium takes to record, clean
/// and play (its echo canceller among it), and a busy machine.
const MOUTH_TO_EAR_MS: f64 = 400.0;

/// By which way the server says that it reaches the page.
fn via(conference: &Conference) -> Value {
    let status = conference.status();
    let listeners = status["listeners"].as_array().unwrap();
    let page = listeners.iter().find(|listener| listener["name"] == PAGE);
    page.map_or(Value::Null, |page| page["via"].clone())
}

#[test]
fn a_phone_talks_on_the_encrypted_page_behind_its_warning_and_where_no_websocket_opens() {
    in_chromium(|| {
        let port = free_port().to_string();
        let conference = Conference::begin_in(Room::open(), &["--https", &port]);
        let mut browser = conference.page("open");
        wait_until("the page says how to talk", || {
            browser.ask("show")["talkSays"] == "Here you can only listen."
        });
        browser.ask("tap #talk-securely>summary");
        let opened = browser.ask("tapPastWarning #talk-securely>a");
        for what in ["secure", "worklet", "decodes", "encodes", "awake"] {
            assert_eq!(opened[what], true, "{what}: {opened}");
        }
        wait_until("what the server says of its certificate is what the browser shows", || {
            let print = &conference.status()["certificate"];
            print.is_string() && browser.ask("fingerprint") == *print
        });
        let you = format!("{PAGE} (you)");
        conference.join(&mut browser);
        wait_until("the server says how", || via(&conference) == "websocket");
        wait_until("the screen stays on", || browser.ask("show")["isAwake"] == true);
        conference.hear_nothing("nobody speaks");
        browser.ask("tap #talk");
        conference.hear("the phone is heard");
        wait_for_state(&mut browser, &you, "speaking");
        browser.ask("tap #talk");
        conference.hear_nothing("it is silent again");
        assert_eq!(browser.ask("show")["errors"], json!([]));

        browser.ask("tap #listen");
        wait_until("the screen may go out", || browser.ask("show")["isAwake"] == false);

        // As on an iPhone, which lets nobody past a warning for a WebSocket.
        browser.ask(&format!("open https://{}:{port}/", crate::browser::HOST));
        browser.ask("failWebSockets");
        conference.join(&mut browser);
        wait_until("the server says so", || via(&conference) == "fetch");
        browser.ask("tap #talk");
        conference.hear("the phone is heard by requests");
        wait_for_state(&mut browser, &you, "speaking");
        browser.ask("tap #mute");
        wait_for_state(&mut browser, &you, "muted");
        conference.hear_nothing("what it says of itself comes too");
        browser.ask("tap #mute");
        let _words = conference.say_words();
        wait_until("it hears the others", || {
            let now = conference.recorder.seconds();
            conference.recorder.heard(EAR1, now - HEARD_S, now).is_some()
        });
        let shown = browser.ask("show");
        println!("{shown}");
        assert_eq!((&shown["state"], &shown["errors"]), (&json!("playing"), &json!([])), "{shown}");
    });
}

#[test]
fn what_is_said_on_the_encrypted_page_and_to_it_is_soon_at_the_other_ear() {
    in_chromium(|| {
        let port = free_port().to_string();
        let conference = Conference::begin_in(Room::open_alone(), &["--https", &port]);
        let mut browser = conference.browser_in_the_room();
        conference.enter(&mut browser, "open");
        browser.ask("tap #talk-securely>summary");
        assert_eq!(browser.ask("tapPastWarning #talk-securely>a")["secure"], true);
        conference.join(&mut browser);
        browser.ask("tap #talk");
        let _words = conference.say_words();
        let from_page_ms = conference.mouth_to_ear_ms(EAR2);
        let to_page_ms = conference.mouth_to_ear_ms(EAR1);
        println!("{from_page_ms:.0} ms from the page, {to_page_ms:.0} ms to it");
        for took_ms in [from_page_ms, to_page_ms] {
            assert!((0.0..MOUTH_TO_EAR_MS).contains(&took_ms), "{from_page_ms} {to_page_ms}");
        }
    });
}
