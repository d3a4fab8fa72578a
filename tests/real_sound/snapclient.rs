//! A real snapclient beside a listener of ours, in one room.

use std::path::{Path, PathBuf};

use crate::support::compare::{Window, compare};
use crate::support::median::median;
use crate::support::program::Program;
use crate::support::recorder::Recorder;
use crate::support::room::{EAR1, EAR2, PC, RATE, Room};
use crate::support::waiting::wait_until;

/// How far apart the two may be, in ms: in the middle, and at worst.
const APART_MS: f64 = 1.0;
const WORST_MS: f64 = 2.0;

/// How much earlier or later than our listener the snapclient is looked for.
const SEARCHED_MS: u32 = 100;

/// A snapclient finds its place within so many seconds: of ten milliseconds it makes up half a one in a second.
const SETTLES_S: f64 = 60.0;

/// On a busy machine it loses its place now and then, as its own words say: so often a stretch is heard at most.
const TRIES: usize = 3;

/// It is there when it moves by no more than this in a second, in ms.
const STAYS_MS: f64 = 0.15;

/// Where `scripts/setup.sh engine` unpacks it.
fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/engine/snapclient/bin/snapclient")
}

/// A snapclient in this room, which plays on the second ear.
fn snapclient(room: &Room, port: u16) -> Program {
    let path = program();
    assert!(path.is_file(), "there is no snapclient: run scripts/setup.sh engine");
    let mut command = room.command(&path.display().to_string());
    command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--hostID", "second-ear"]);
    command.args(["--player", "pulse", "--soundcard", EAR2.name, "--logsink", "stderr"]);
    Program::start(command)
}

/// What the server prints of the port.
fn snapcast_port(server: &mut Program) -> u16 {
    server.find("Snapclients join at port", |line| {
        line.strip_prefix("Snapclients join at port ")?.trim().parse().ok()
    })
}

/// By how many ms the snapclient is later than our listener, a tenth of a second at a time.
fn apart(recorder: &Recorder, from: f64) -> (Vec<f64>, usize) {
    let ours = recorder.played(EAR1, from);
    let theirs = recorder.played(EAR2, from - f64::from(SEARCHED_MS) / 1e3);
    let windows = compare(&ours, &theirs, RATE, 2 * SEARCHED_MS);
    let right = windows.iter().filter(|window| window.is_right());
    let apart = right.map(|window| window.delay_ms - f64::from(SEARCHED_MS));
    (apart.collect(), windows.len())
}

struct Heard {
    apart: Vec<f64>,
    windows: usize,
    ours: Vec<Window>,
}

/// Waits until the snapclient is where it wants to be. Returns the second from which on it is.
fn settled(recorder: &Recorder) -> f64 {
    let (began, mut middle) = (recorder.seconds(), f64::NAN);
    loop {
        let from = recorder.seconds();
        wait_until("a second is recorded", || recorder.seconds() > from + 1.2);
        let (apart, windows) = apart(recorder, from);
        let before = std::mem::replace(&mut middle, median(apart.iter().copied()));
        let took = recorder.seconds() - began;
        println!("after {took:.0} s: {} of {windows} right, {middle:.3} ms apart", apart.len());
        // It goes to its place by half a millisecond in a second, and stays there.
        if (middle - before).abs() < STAYS_MS && middle.abs() < APART_MS {
            return recorder.seconds();
        }
        if took > SETTLES_S {
            println!("it does not settle");
            return recorder.seconds();
        }
    }
}

/// Hears a stretch of so many seconds, and another where it was disturbed.
fn hear(seconds: f64, delay_ms: u32, codec: &str) -> Heard {
    let room = Room::open_alone();
    let music = room.noise((seconds + SETTLES_S + 10.0) as usize * TRIES);
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-server"));
    command.args(["--source", "loopback:pc", "--bind", "127.0.0.1", "--port", "0"]);
    command.args(["--no-discovery", "--no-web", "--snapcast", "0"]);
    command.args(["--playout-delay-ms", &delay_ms.to_string(), "--snapcast-codec", codec]);
    let mut server = Program::start(command);
    let (port, address) = (snapcast_port(&mut server), server.address().to_string());
    let mut listener = crate::listener(&room, &address, EAR1);
    let recorder = room.record();
    let _player = room.play(&music, PC);
    wait_until("our listener hears", || recorder.hears(EAR1));
    let snapclient = snapclient(&room, port);
    wait_until("both are heard", || recorder.hears(EAR1) && recorder.hears(EAR2));
    let mut heard = listen(&recorder, seconds, delay_ms);
    for _ in 1..TRIES {
        if !heard.is_in_step() {
            heard = listen(&recorder, seconds, delay_ms);
        }
    }
    println!("{}", snapclient.said());
    // Asked to end it crashes now and then.
    drop(snapclient);
    listener.stop();
    server.stop();
    heard
}

fn listen(recorder: &Recorder, seconds: f64, delay_ms: u32) -> Heard {
    let from = settled(recorder);
    let mut until = from;
    while until < from + seconds {
        until += 5.0;
        wait_until("enough is recorded", || recorder.seconds() > until);
    }
    let (apart, windows) = apart(recorder, from);
    let (pc, ear) = (recorder.played(PC, from), recorder.played(EAR1, from));
    let ours = compare(&pc, &ear, RATE, delay_ms + 100);
    let heard = Heard { apart, windows, ours };
    println!(
        "{delay_ms} ms: {} of {windows} right, {:.3} ms apart in the middle, {:.3} ms at worst; ours {:.2} ms",
        heard.apart.len(),
        heard.middle(),
        heard.worst(),
        crate::delay_ms(&heard.ours)
    );
    heard
}

impl Heard {
    fn middle(&self) -> f64 {
        median(self.apart.iter().copied())
    }

    fn worst(&self) -> f64 {
        self.apart.iter().fold(0.0, |worst: f64, ms| worst.max(ms.abs()))
    }

    /// Whether both are where they should be. PulseAudio loses frames on a busy machine, of ours too.
    fn is_in_step(&self) -> bool {
        let Self { apart, windows, ours } = self;
        let is_near = self.middle().abs() <= APART_MS && self.worst() <= WORST_MS;
        let are_heard = apart.len() * 4 >= windows * 3;
        is_near && are_heard && crate::right(ours).count() * 4 >= ours.len() * 3
    }
}

#[track_caller]
fn assert_in_step(heard: &Heard) {
    assert!(heard.is_in_step(), "{:?} {:?}", heard.apart, heard.ours);
}

/// The delay of the preset that is taken where none is named.
const USUAL_MS: u32 = 300;

#[test]
fn a_snapclient_plays_in_step_with_our_listener() {
    assert_in_step(&hear(10.0, USUAL_MS, "pcm"));
}

#[test]
fn a_snapclient_that_gets_flac_does_too() {
    assert_in_step(&hear(10.0, USUAL_MS, "flac"));
}

#[test]
#[ignore = "takes a minute and a half: for its figures"]
fn a_snapclient_plays_in_step_with_our_listener_for_a_minute() {
    assert_in_step(&hear(60.0, USUAL_MS, "pcm"));
}

#[test]
#[ignore = "takes two minutes: for its figures"]
fn what_a_snapclient_makes_of_short_and_long_delays() {
    for delay_ms in [80, 150, 200, 500] {
        hear(10.0, delay_ms, "pcm");
    }
}
