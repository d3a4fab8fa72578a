//! The Windows programs as they run, under Wine, with sound through a private PulseAudio.
//!
//! They are built by other means than tests are, so `make test-windows` builds them and says where
//! they are; without that every test counts as ignored, and the reason is said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it stands"
)]

#[cfg(target_os = "linux")]
mod ending;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod service;
#[cfg(target_os = "linux")]
mod sound;
#[cfg(target_os = "linux")]
mod steady;
#[cfg(target_os = "linux")]
mod wine;
#[cfg(target_os = "linux")]
mod words;
#[cfg(target_os = "linux")]
#[path = "../support"]
mod support {
    mod address;
    pub(crate) mod compare;
    mod likeness;
    pub(crate) mod median;
    mod music;
    pub(crate) mod program;
    pub(crate) mod recorder;
    #[allow(dead_code, reason = "no room is beside one here")]
    pub(crate) mod room;
    mod scratch;
    mod signals;
    mod stereo;
    pub(crate) mod waiting;
    mod wav;
}

#[path = "../support/harness.rs"]
mod harness;

use std::process::ExitCode;

use harness::{Test, Tests};

#[cfg(target_os = "linux")]
fn tests() -> (Vec<Test>, Result<(), String>) {
    (
        [words::TESTS, sound::TESTS, files::TESTS, ending::TESTS, service::TESTS].concat(),
        wine::is_there(),
    )
}

#[cfg(not(target_os = "linux"))]
fn tests() -> (Vec<Test>, Result<(), String>) {
    (vec![("the_windows_programs", || {})], Err("this is done under Wine on Linux".to_owned()))
}

fn main() -> ExitCode {
    let (tests, possible) = tests();
    if possible.is_ok() {
        println!(
            "NOT TESTED: capturing what an output plays by WASAPI's loopback, which Wine 8 lacks: what \
             is chosen from a list of devices, and what is said of errors, is tested beside the code."
        );
    }
    // A room takes one test at a time anyway.
    Tests { tests, possible, at_once: 1, about: "the Windows programs" }.run()
}
