//! What one person wants to hear, on the page: a control is moved, taken, heard and remembered.

use serde_json::{Value, json};

use crate::browser::{Browser, in_chromium};
use crate::support::recorder::Recorder;
use crate::support::room::EAR1;
use crate::support::waiting::wait_until;
use crate::{Evening, folder, server};

/// How much of what the page plays is looked at, in s.
const LOOKED_S: f64 = 0.5;

/// How loud the page plays on the left and the right from now on.
fn loudness(recorder: &Recorder) -> [f32; 2] {
    let from = recorder.seconds();
    wait_until("enough is recorded", || recorder.seconds() > from + LOOKED_S);
    let played = recorder.played(EAR1, from);
    [played.left, played.right]
        .map(|side| side.iter().fold(0.0_f32, |most, sample| most.max(sample.abs())))
}

fn wait_for_sides(recorder: &Recorder, what: &str, wanted: impl Fn([f32; 2]) -> bool) {
    wait_until(what, || {
        let sides = loudness(recorder);
        println!("{what}: {sides:?}");
        wanted(sides)
    });
}

/// What the page shows of the balance.
fn balance(browser: &mut Browser) -> Value {
    browser.ask("text #ear-balance+output")
}

#[test]
fn a_control_for_ones_ears_is_heard_at_once_on_either_way_out_and_remembered() {
    in_chromium(|| {
        let Evening { room, port, web, recorder, _player } = Evening::begin();
        let _server = server(&room, "smooth", port, web);
        let mut browser = Browser::start("chromium", &room, &folder(), web);
        // Blocks go out one by one where a page is not secure, and through the audio thread where it is.
        for page in [String::new(), format!(" http://127.0.0.1:{web}/")] {
            browser.ask(&format!("open{page}"));
            browser.ask("tap #listen");
            wait_for_sides(&recorder, "both sides are heard", |[l, r]| l > 0.01 && r > 0.01);
            browser.ask("tap #ears>summary");
            wait_until("the controls are there", || balance(&mut browser) == "even");
            let names = browser.ask("names");
            let controls = ["Dialogue", "Night", "One ear", "Balance", "Bass", "Treble"];
            let at = controls.map(|control| {
                let names = names.as_array().unwrap();
                names.iter().position(|name| name.as_str().unwrap().contains(control)).unwrap()
            });
            assert!(at.is_sorted(), "{names}");
            browser.ask("set #ear-balance -100");
            assert_eq!(balance(&mut browser), "100 % left");
            wait_for_sides(&recorder, "the left alone is heard", |[l, r]| l > 0.01 && r < 0.001);
            browser.ask("reload");
            wait_until("it is remembered", || balance(&mut browser) == "100 % left");
            browser.ask("tap #listen");
            wait_for_sides(&recorder, "it is so again", |[l, r]| l > 0.01 && r < 0.001);
            browser.ask("tap #ears>summary");
            browser.ask("tap #ear-off");
            wait_for_sides(&recorder, "sound is as it comes", |[l, r]| l > 0.01 && r > 0.01);
            browser.ask("tap #listen");
        }
        assert_eq!(browser.ask("show")["errors"], json!([]));
    });
}
