//! However a program ends, what was recorded stays, and others are told.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::flags::{source, wav};
use crate::support::ramp::{self, Recording, frames_on_disk};
use crate::support::servers::{client, server};
use crate::support::{Scratch, wait_until, within};

/// What is promised of Ctrl-C.
const AT_ONCE: Duration = Duration::from_secs(1);

const RATE: u32 = 48_000;

#[test]
fn ctrl_c_and_sigterm_stop_both_programs_within_a_second_with_code_0() {
    for signal in [Signal::INT, Signal::TERM] {
        let scratch = Scratch::new();
        let mut attempts = 0;
        within(AT_ONCE, &format!("a listener's end by {signal:?}"), || {
            let mut server = server(["--source", "tone"]);
            attempts += 1;
            let path = scratch.path(format!("recorded {attempts}.wav"));
            let mut listener = client(server.address(), ["--output", &wav(&path)]);
            wait_until("sound", || frames_on_disk(&path, 2) > 0);
            let (ended, took) = listener.stop_by(signal);
            assert_eq!(ended.code, Some(0), "{ended:?}");
            assert!(!Recording::read_finished(&path).samples.is_empty());
            took
        });
        within(AT_ONCE, &format!("a server's end by {signal:?}"), || {
            let mut server = server(["--source", "tone"]);
            let mut listener = client(server.address(), ["--once", "--output", "null"]);
            listener.wait_for("connected to");
            let (ended, took) = server.stop_by(signal);
            assert_eq!(ended.code, Some(0), "{ended:?}");
            let listened = listener.wait();
            assert_eq!(listened.code, Some(4), "the listener hears of it and gives up");
            let why = listened.stderr.last().unwrap();
            assert!(why.contains("ended the connection: the server was stopped"), "{why}");
            took
        });
    }
}

#[test]
fn a_program_that_waits_for_nothing_in_particular_stops_as_fast() {
    within(AT_ONCE, "the end of a server without listeners", || {
        let mut server = server(["--source", "none"]);
        server.address();
        let (ended, took) = server.stop_by(Signal::TERM);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        took
    });
    within(AT_ONCE, "the end of a listener without a server", || {
        let nobody = ([127, 0, 0, 1], 9).into();
        let mut listener = client(nobody, ["--output", "null"]);
        listener.wait_for("Trying again");
        let (ended, took) = listener.stop_by(Signal::TERM);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        took
    });
}

#[test]
fn a_listener_that_is_killed_leaves_a_recording_that_can_be_played() {
    let scratch = Scratch::new();
    let path = scratch.path("ramp.wav");
    ramp::write(&path, 0, 60 * RATE as usize, RATE, 2);
    let mut server = server(["--source", &source(&path), "--playout-delay-ms", "1500"]);
    let recorded = scratch.path("recorded.wav");
    let mut listener = client(server.address(), ["--output", &wav(&recorded)]);
    // The header is brought up to date once a second, so that it tells of more than a second now.
    wait_until("three seconds", || frames_on_disk(&recorded, 2) > 3 * u64::from(RATE));
    listener.signal(Signal::KILL);
    assert_eq!(listener.wait().code, None);
    let (_, frames) = Recording::read(&recorded).unbroken();
    assert!(frames > u64::from(RATE), "{frames} frames");
}

#[test]
fn a_listener_that_vanishes_is_told_of_in_the_servers_log() {
    let mut server = server(["--source", "tone", "--playout-delay-ms", "1500"]);
    let mut listener = client(server.address(), ["--output", "null", "--name", "The Kitchen"]);
    server.wait_for("The Kitchen");
    listener.wait_for("connected to");
    // Gone without a word: the system closes the connection, or resets it.
    listener.signal(Signal::KILL);
    let line = server.wait_for(" chunks, ");
    assert!(line.contains("The Kitchen (127.0.0.1:"), "{line}");
    assert!(server.is_running());
}
