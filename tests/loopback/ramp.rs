//! Every listener gets every sample, whatever the others do.

use rustix::process::Signal;

use crate::support::flags::{source, wav};
use crate::support::holes::holes;
use crate::support::program::Program;
use crate::support::ramp::{self, Recording, Stretch, frames_on_disk};
use crate::support::servers::{self, client, server};
use crate::support::{PATIENCE, Scratch, socket, wait_until};

const RATE: u32 = 48_000;

/// A delay that rides out every stall of a busy machine; what is tested does not depend on it.
const UNHURRIED: [&str; 4] = ["--playout-delay-ms", "1500", "--max-queue-size", "200"];

/// The length of the ramp, in s: more sound than any test listens to.
const SECONDS: usize = 60;

fn serve_ramp(scratch: &Scratch, channels: u16, more: &[&str]) -> Program {
    let path = scratch.path(format!("ramp{channels}.wav"));
    ramp::write(&path, 0, SECONDS * RATE as usize, RATE, channels);
    server(["--source", &source(&path)].iter().chain(&UNHURRIED).chain(more))
}

#[test]
fn every_listener_hears_every_sample_while_one_is_frozen_and_one_never_reads() {
    let scratch = Scratch::new();
    let mut server = serve_ramp(&scratch, 2, &[]);
    let address = server.address();
    let _never_reads = socket::connect_with_little_room(address);
    let paths: Vec<_> = (0..4).map(|n| scratch.path(format!("{n}.wav"))).collect();
    let listeners: Vec<_> =
        paths.iter().map(|path| client(address, ["--output", &wav(path)])).collect();
    let heard = |n: usize, seconds: u64| frames_on_disk(&paths[n], 2) > seconds * u64::from(RATE);

    wait_until("sound in every recording", || (0..4).all(|n| heard(n, 1)));
    listeners[3].signal(Signal::STOP);
    wait_until("three more seconds", || (0..3).all(|n| heard(n, 4)));
    listeners[3].signal(Signal::CONT);
    wait_until("the frozen one's going on", || heard(3, 4));

    for (path, mut listener) in paths.iter().zip(listeners) {
        let ended = listener.stop();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let recording = Recording::read_finished(path);
        assert_eq!((recording.rate, recording.channels), (RATE, 2));
        if path != &paths[3] {
            let (_, frames) = recording.unbroken();
            assert!(frames > 4 * u64::from(RATE));
            continue;
        }
        // What the frozen one has missed is silence of its length: all else lies where it belongs.
        assert_in_place(&recording);
    }
    assert!(server.is_running());
}

/// Every sample lies where its position puts it, counted from the first.
fn assert_in_place(recording: &Recording) {
    let stretches = recording.stretches();
    assert!(holes(&stretches).is_in_place(), "{stretches:?}");
}

#[test]
fn mono_and_other_rates_pass_unchanged() {
    let scratch = Scratch::new();
    let path = scratch.path("ramp.wav");
    ramp::write(&path, 0, 20 * 22_050, 22_050, 1);
    let source = source(&path);
    let flags = ["--source", source.as_str(), "--channels", "1", "--chunk-size", "333"];
    let mut server = server(flags.iter().chain(&UNHURRIED));
    let recorded = scratch.path("recorded.wav");
    let mut listener = client(server.address(), ["--output", &wav(&recorded)]);
    wait_until("two seconds", || frames_on_disk(&recorded, 1) > 2 * 22_050);
    listener.stop();
    let recording = Recording::read_finished(&recorded);
    assert_eq!((recording.rate, recording.channels), (22_050, 1));
    recording.unbroken();
}

#[test]
fn a_server_that_is_killed_and_started_again_leaves_silence_of_the_right_length() {
    let scratch = Scratch::new();
    let files = ["first.wav", "second.wav"].map(|name| scratch.path(name));
    // Of the second server's sound every sample differs from every one of the first's.
    let begins = [0, 4_000_000];
    for (path, first) in files.iter().zip(begins) {
        ramp::write(path, first, SECONDS * RATE as usize, RATE, 1);
    }
    let recorded = scratch.path("recorded.wav");
    let common = ["--channels", "1"];
    let mut first =
        server(["--source", &source(&files[0])].iter().chain(&common).chain(&UNHURRIED));
    let address = first.address();
    first.wait_for("Ctrl-C stops");
    let first_began = std::time::Instant::now();
    let mut listener = client(address, ["--output", &wav(&recorded)]);
    wait_until("sound", || frames_on_disk(&recorded, 1) > u64::from(RATE));

    first.signal(Signal::KILL);
    first.wait();
    listener.wait_for("was lost");
    let mut command = servers::server_command();
    command
        .args([
            "--no-discovery",
            "--no-web",
            "--bind",
            "127.0.0.1",
            "--port",
            &address.port().to_string(),
        ])
        .args(["--source", &source(&files[1])])
        .args(common)
        .args(UNHURRIED);
    let mut second = Program::start(command);
    second.wait_for("Ctrl-C stops");
    let between = first_began.elapsed();
    let second_sound = || {
        let so_far = Recording::read(&recorded).stretches();
        matches!(so_far.last(), Some(Stretch::Sound { first, frames })
            if *first >= begins[1] && *frames > u64::from(RATE))
    };
    wait_until("the second server's sound", second_sound);
    let ended = listener.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");

    let stretches = Recording::read_finished(&recorded).stretches();
    let [
        Stretch::Sound { first: a, frames: before },
        Stretch::Silence { frames: silence },
        Stretch::Sound { first: b, .. },
    ] = stretches[..]
    else {
        panic!("not sound, silence, sound: {stretches:?}");
    };
    // Where each server's first sample lies, or would lie, in the recording.
    let (first, second) = (-(a as f64), (before + silence) as f64 - (b - begins[1]) as f64);
    let apart = (second - first) / f64::from(RATE);
    let expected = between.as_secs_f64();
    println!("{apart:.3} s apart in the recording, {expected:.3} s on the clock");
    // The lines that tell of a start come a moment before it.
    assert!((apart - expected).abs() < 0.5, "{apart} s, not {expected} s; {stretches:?}");
    assert!(expected < PATIENCE.as_secs_f64());
}
