//! An output that is late, measured by the page with its microphone.

use crate::browser::{Browser, in_chromium};
use crate::support::free_port::free_port;
use crate::support::hidden_delay::{hold_back, truth_ms};
use crate::support::microphones::MIC1;
use crate::support::room::{EAR1, Room};
use crate::support::waiting::wait_until;
use crate::{folder, server_of};
use std::path::Path;

/// How far from the truth the page may be, in ms: a browser does not say how late its microphone is, and says only
/// roughly how late its output is.
const UNKNOWN_MS: f64 = 30.0;

/// How far apart two outputs may seem, beside what they are, in ms.
const APART_MS: f64 = 12.0;

/// How often somebody tries who is told that the device has too much to do.
const TRIES: usize = 4;

/// What the page says once it has measured: by how much the output is late, in ms.
fn measured(browser: &mut Browser) -> f64 {
    for _ in 0..TRIES {
        browser.ask("tap #calibrate");
        let mut said = String::new();
        wait_until("the page has measured", || {
            said = browser.ask("text #status").as_str().unwrap_or_default().to_owned();
            !said.contains("be quiet")
        });
        println!("{said}");
        if let Some(late) = said.strip_prefix("This output is ") {
            assert!(late.contains(" ms late, give or take "), "{said}");
            return late.split(' ').next().unwrap().parse().unwrap();
        }
        assert!(said.contains("try again"), "{said}");
    }
    panic!("the page did not measure anything in {TRIES} tries");
}

#[test]
fn the_page_measures_how_late_an_output_is_and_sets_its_timing_on_either_way_out() {
    in_chromium(|| {
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
        let mut off = Vec::new();
        for (held_ms, is_other_way) in [(60, false), (240, false), (150, true)] {
            let way = hold_back(&room, held_ms);
            if is_other_way {
                browser.ask("tap #element");
            }
            let from = recorder.seconds();
            let late_ms = measured(&mut browser);
            let true_ms = truth_ms(&recorder, from);
            room.pactl(&["unload-module", &way]);
            println!("{late_ms} ms late of {true_ms:.1}: {}", browser.ask("text #trim-value"));
            let timing = browser.ask("text #trim-value").to_string();
            assert!(timing.contains(&format!("{late_ms}")), "{timing} for {late_ms} ms");
            off.push(late_ms - true_ms);
        }
        assert!(off.iter().all(|ms| ms.abs() <= UNKNOWN_MS), "{off:?}");
        assert!((off[0] - off[1]).abs() <= APART_MS, "{off:?}");
    });
}
