//! What goes away, and how long after it is back sound is.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Test;
use crate::cable::{Cable, PC};
use crate::support::flags::{source, wav};
use crate::support::numbers::numbers;
use crate::support::program::Program;
use crate::support::ramp::{self, Recording, Stretch, frames_on_disk};
use crate::support::scratch::Scratch;
use crate::support::waiting::wait_until;
use crate::support::within::within;

pub(crate) const TESTS: &[Test] = &[
    (
        "sound_is_back_within_a_second_and_in_step_when_a_pulled_cable_is_plugged_in_again",
        a_pulled_cable,
    ),
    (
        "sound_is_back_within_a_second_and_in_step_when_a_network_that_lost_everything_is_mended",
        a_network_that_loses_everything,
    ),
    ("sound_is_back_within_a_second_and_in_step_when_a_listener_roams", a_listener_that_roams),
    ("a_listener_that_was_frozen_plays_nothing_stale", a_listener_that_was_frozen),
    ("listeners_wait_for_a_server_that_was_frozen", a_server_that_was_frozen),
    ("listeners_find_a_server_that_was_killed_and_started_again", a_server_that_was_killed),
];

/// What is promised: from the moment that the network or the program is back until sound is.
const BACK_WITHIN: Duration = Duration::from_secs(1);

/// A server that is not there is looked for again after a second and a quarter at most.
const LOOKED_FOR_EVERY: Duration = Duration::from_millis(1250);

const RATE: u32 = 48_000;

/// Sound before the fault, and after it, in frames.
const BEFORE: u64 = 2 * RATE as u64;
const AFTER: u64 = 3 * RATE as u64;

/// Silence shorter than this is a gap within sound: a chunk or two that came too late.
const LONG: u64 = RATE as u64 / 5;

/// Sound that is this much off its place, in frames, is in step: 2 ms.
const IN_STEP: u64 = RATE as u64 / 500;

/// A server on one machine, a listener on the other.
struct House {
    scratch: Scratch,
    cable: Cable,
    server: Program,
    listener: Program,
    recorded: PathBuf,
    stats: PathBuf,
}

/// What the listener heard of a fault.
struct Heard {
    /// The time from the fault's end until the end of the last long silence.
    back: Duration,
    stretches: Vec<Stretch>,
    said: Vec<String>,
}

impl House {
    fn open() -> Self {
        let scratch = Scratch::new();
        let cable = Cable::lay().unwrap();
        let sound = scratch.path("ramp.wav");
        ramp::write(&sound, 0, 60 * RATE as usize, RATE, 2);
        let server = start_server(&cable, &sound);
        let (recorded, stats) = (scratch.path("recorded.wav"), scratch.path("stats"));
        let mut command = cable.at_ear(env!("CARGO_BIN_EXE_auralync-client"));
        command.args([PC, "--codec", "f32", "--output", &wav(&recorded), "--stats"]).arg(&stats);
        let listener = Program::start(command);
        wait_until("sound", || frames_on_disk(&recorded, 2) > BEFORE);
        Self { scratch, cable, server, listener, recorded, stats }
    }

    /// Listens on for a while after the fault, whose end was at `ended`.
    fn hear(self, ended: Instant) -> Heard {
        self.listen_on(ended, |recording| without_made_up(recording, u64::MAX))
    }

    /// Does as [`hear`](Self::hear), of a server that stays: all that is heard is in its place, but for
    /// what is made up for a moment.
    fn hear_in_step(self, ended: Instant) -> Heard {
        let heard = self.listen_on(ended, |recording| without_made_up(recording, IN_STEP));
        heard.assert_in_step();
        heard
    }

    fn listen_on(mut self, ended: Instant, prepare: fn(Recording) -> Recording) -> Heard {
        let heard = frames_on_disk(&self.recorded, 2);
        wait_until("more sound", || frames_on_disk(&self.recorded, 2) > heard + AFTER);
        let delays = numbers(&self.stats, "delay_ms");
        let wanted = numbers(&self.stats, "playout_delay_ms");
        let (delay, wanted) = (delays.last().unwrap(), wanted.last().unwrap());
        assert!((delay - wanted).abs() < 30.0, "{delay} ms in place of {wanted}");
        let listener = self.listener.stop();
        let stopped = Instant::now();
        let recording = prepare(Recording::read_finished(&self.recorded));
        assert_eq!((recording.rate, recording.channels), (RATE, 2));
        let stretches = recording.stretches();
        let tail = stretches
            .iter()
            .rev()
            .take_while(|stretch| !matches!(stretch, Stretch::Silence { frames } if *frames > LONG))
            .map(|stretch| match stretch {
                Stretch::Sound { frames, .. } | Stretch::Silence { frames } => *frames,
            })
            .sum::<u64>();
        // The last frame was written when it was to be heard, at the latest when the program ended.
        let back_at = stopped - Duration::from_secs_f64(tail as f64 / f64::from(RATE));
        let back = back_at.saturating_duration_since(ended);
        Heard { back, stretches, said: listener.stderr }
    }
}

/// What was made up in place of missing sound becomes silence: frames that tell no place, or one that is
/// more than `near` frames from theirs.
fn without_made_up(mut recording: Recording, near: u64) -> Recording {
    let mut frames = recording.samples.chunks_exact_mut(recording.channels).enumerate();
    let Some((start, first)) = frames.find(|(_, frame)| frame[0] != 0.0) else {
        return recording;
    };
    let told = |frame: &[f32]| f64::from(frame[0]) * f64::from(1 << 24) - 1.0;
    let first = told(first) as u64;
    for (at, frame) in frames.filter(|(_, frame)| frame[0] != 0.0) {
        let (told, place) = (told(frame), first + (at - start) as u64);
        if told < 0.0 || told.fract() != 0.0 || (told as u64).abs_diff(place) > near {
            frame.fill(0.0);
        }
    }
    recording
}

fn start_server(cable: &Cable, sound: &Path) -> Program {
    let mut command = cable.on_pc(env!("CARGO_BIN_EXE_auralync-server"));
    command.args(["--preset", "low-latency", "--bind", PC, "--source", &source(sound)]);
    command.args(["--no-discovery", "--no-web"]);
    let mut server = Program::start(command);
    server.wait_for("Ctrl-C stops.");
    server
}

impl Heard {
    fn times_said(&self, part: &str) -> usize {
        self.said.iter().filter(|line| line.contains(part)).count()
    }

    /// Every sound is at the place in time that the first one sets.
    #[track_caller]
    fn assert_in_step(&self) {
        let mut at = 0;
        let mut places = Vec::new();
        for stretch in &self.stretches {
            match stretch {
                Stretch::Sound { first, frames } => {
                    places.push(first.wrapping_sub(at));
                    at += frames;
                }
                Stretch::Silence { frames } => at += frames,
            }
        }
        let first = places.first().unwrap();
        let is_in_step =
            |place: &u64| place.wrapping_sub(*first).min(first.wrapping_sub(*place)) <= IN_STEP;
        assert!(places.iter().all(is_in_step), "{:?}", self.stretches);
    }

    #[track_caller]
    fn assert_said_once(&self, parts: [&str; 2]) {
        for part in parts {
            assert_eq!(self.times_said(part), 1, "“{part}” in {:#?}", self.said);
        }
    }
}

fn a_pulled_cable() {
    within(BACK_WITHIN, "sound after a cable was out for 5 s", || {
        let house = House::open();
        house.cable.pull();
        sleep(Duration::from_secs(5));
        house.cable.plug();
        let heard = house.hear_in_step(Instant::now());
        heard.assert_said_once(["nothing comes from", "again, after"]);
        assert_eq!(heard.times_said("finding the place anew"), 0, "its clock was known");
        heard.back
    });
}

fn a_network_that_loses_everything() {
    within(BACK_WITHIN, "sound after a network lost everything for 5 s", || {
        let house = House::open();
        house.cable.part();
        sleep(Duration::from_secs(5));
        house.cable.join();
        let heard = house.hear_in_step(Instant::now());
        heard.assert_said_once(["nothing comes from", "again, after"]);
        heard.back
    });
}

fn a_listener_that_roams() {
    within(BACK_WITHIN, "sound after an address was replaced", || {
        let house = House::open();
        house.cable.roam();
        let heard = house.hear_in_step(Instant::now());
        heard.back
    });
}

fn a_listener_that_was_frozen() {
    within(BACK_WITHIN, "sound after the listener was frozen for 5 s", || {
        let house = House::open();
        house.listener.signal(Signal::STOP);
        sleep(Duration::from_secs(5));
        house.listener.signal(Signal::CONT);
        let heard = house.hear_in_step(Instant::now());
        heard.back
    });
}

fn a_server_that_was_frozen() {
    within(BACK_WITHIN, "sound after the server was frozen for 3 s", || {
        let house = House::open();
        house.server.signal(Signal::STOP);
        sleep(Duration::from_secs(3));
        house.server.signal(Signal::CONT);
        let heard = house.hear(Instant::now());
        heard.assert_said_once(["nothing comes from", "again, after"]);
        heard.back
    });
}

fn a_server_that_was_killed() {
    within(BACK_WITHIN + LOOKED_FOR_EVERY, "sound after the server was killed", || {
        let mut house = House::open();
        house.server.signal(Signal::KILL);
        let _ = house.server.wait();
        sleep(Duration::from_secs(1));
        house.server = start_server(&house.cable, &house.scratch.path("ramp.wav"));
        let heard = house.hear(Instant::now());
        assert_eq!(heard.times_said("Trying again until it works"), 1, "{:#?}", heard.said);
        heard.back
    });
}
