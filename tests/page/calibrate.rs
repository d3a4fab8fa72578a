//! An output that is late, measured by the page with its microphone.

use std::path::Path;

use crate::browser::{Browser, in_chromium};
use crate::support::free_port::free_port;
use crate::support::hidden_delay::{hold_back, truth_ms};
use crate::support::microphones::MIC1;
use crate::support::room::{EAR1, Room};
use crate::support::waiting::wait_until;
use crate::{folder, server_of};

/// How far from the truth the page may be, in ms: a browser does not say how late its microphone is, and says only
/// roughly how late its output is.
const UNKNOWN_MS: f64 = 30.0;

/// How far apart two outputs may seem, beside what they are, in ms.
const APART_MS: f64 = 12.0;

/// How often somebody tries who is told that the device has too much to do.
const TRIES: usize = 2;

/// What the page says once it has measured: by how much the output is late, in ms; `None` where it cannot tell.
fn measured(browser: &mut Browser) -> Option<f64> {
    browser.ask("tap #calibrate");
    let mut said = String::new();
    let mut measures = |browser: &mut Browser| {
        said = browser.ask("text #status").as_str().unwrap_or_default().to_owned();
        said.contains("be quiet")
    };
    wait_until("the page measures", || measures(browser));
    wait_until("the page has measured", || !measures(browser));
    println!("{said}");
    let Some(late) = said.strip_prefix("This output is ") else {
        assert!(said.to_lowercase().contains("try again"), "{said}");
        return None;
    };
    assert!(late.contains(" ms late, give or take "), "{said}");
    Some(late.split(' ').next().unwrap().parse().unwrap())
}

/// Measures outputs that are so late and tries each so often, by the usual way out or by the other. Returns by how much
/// the page was wrong wherever it could tell, in ms.
fn measure(delays_ms: &[u64], tries: usize, is_other_way: bool) -> Vec<f64> {
    let mut room = Room::open_alone();
    room.plug_microphone(MIC1);
    room.make_default(EAR1);
    room.make_default_input(MIC1);
    let (port, web) = (free_port(), free_port());
    let _server = server_of(&room, "smooth", "none", port, web, &[]);
    let recorder = room.record();
    let system = Some(Path::new("system"));
    let mut browser = Browser::start_hearing("chromium", &room, &folder(), web, system);
    browser.ask(&format!("open http://127.0.0.1:{web}/"));
    if is_other_way {
        browser.ask("tap #element");
    }
    let timing = |browser: &mut Browser| browser.ask("text #trim-value").to_string();
    let mut off = Vec::new();
    for held_ms in delays_ms {
        let way = hold_back(&room, *held_ms);
        for _ in 0..tries {
            let (from, before) = (recorder.seconds(), timing(&mut browser));
            let late_ms = measured(&mut browser);
            let after = timing(&mut browser);
            let Some(late_ms) = late_ms else {
                assert_eq!(after, before, "nothing is set that cannot be told");
                continue;
            };
            assert_eq!(after, format!("\"−{late_ms} ms\""));
            let true_ms = truth_ms(&recorder, from);
            println!("{late_ms} ms late of {true_ms:.1}");
            off.push(late_ms - true_ms);
            break;
        }
        room.pactl(&["unload-module", &way]);
    }
    assert!(off.iter().all(|ms| ms.abs() <= UNKNOWN_MS), "{off:?}");
    off
}

#[test]
fn the_page_sets_an_outputs_timing_right_or_says_that_it_cannot_tell_and_sets_nothing() {
    in_chromium(|| {
        measure(&[180], 1, false);
    });
}

#[test]
#[ignore = "measures: it needs a machine that has nothing else to do"]
fn the_page_measures_how_late_an_output_is_by_either_way_out() {
    in_chromium(|| {
        for is_other_way in [false, true] {
            let off = measure(&[60, 240], TRIES, is_other_way);
            assert_eq!(off.len(), 2, "each was measured in {TRIES} tries");
            assert!((off[0] - off[1]).abs() <= APART_MS, "{off:?}");
        }
    });
}
