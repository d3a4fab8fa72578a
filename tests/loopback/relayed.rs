//! What one server sends as a source of another, by the real programs.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use auralync::{Format, Listener, ListenerOptions};
use rustix::process::Signal;

use crate::support::caller::Caller;
use crate::support::flags::{source, wav};
use crate::support::free_port::free_port;
use crate::support::program::Program;
use crate::support::ramp::{Recording, frames_on_disk};
use crate::support::servers::{client, client_command, server, server_command};
use crate::support::tone::amplitude;
use crate::support::wav::write_wav;
use crate::support::{PATIENCE, Scratch, wait_until};

const RATE: u32 = 48_000;

const STEREO: Format = Format { sample_rate: RATE, channels: 2 };

/// Delays that ride out the stalls of a busy machine, of the other server and of the one that takes its sound.
const THERE_MS: u32 = 700;
const HERE_MS: u32 = 900;

fn there(more: &[&str]) -> Program {
    let delay = THERE_MS.to_string();
    let flags = ["--playout-delay-ms", &delay, "--max-queue-size", "200", "--codecs", "f32"];
    server(flags.iter().chain(more))
}

/// Ears learn for so long where their servers' clocks are, in s.
const SETTLED_S: usize = 7;

/// Frames by which two ears may be apart on a machine that has a lot to do: a quarter of a millisecond.
const MOST_APART: f64 = 12.0;

/// A server that takes what the one at `port` sends, beside what `more` says.
fn here(other: u16, more: &[&str]) -> Program {
    let delay = HERE_MS.to_string();
    let other = format!("auralync:127.0.0.1:{other}");
    let flags = ["--playout-delay-ms", &delay, "--max-queue-size", "200", "--source", &other];
    server(flags.iter().chain(more))
}

/// A server at that port.
fn at(port: u16, more: &[&str]) -> Program {
    let mut command = server_command();
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--no-discovery"]);
    command.args(["--no-web", "--codecs", "f32", "--preset", "low-latency"]).args(more);
    Program::start(command)
}

/// Where the slope of a file passes through zero, in s: there the least that converters of rates change of a level is
/// no change of its place.
const MIDDLE_S: usize = 11;

/// A file that rises from frame to frame by the same step.
fn slope(scratch: &Scratch) -> String {
    let path = scratch.path("slope.wav");
    let level = |n: usize| (n as f64 - (MIDDLE_S * RATE as usize) as f64) / STEPS;
    let frames = (0..90 * RATE as usize).flat_map(|n| [level(n) as f32; 2]);
    write_wav(&path, RATE, 2, frames);
    source(&path)
}

/// Steps of the slope to full scale.
const STEPS: f64 = (1_u32 << 24) as f64;

/// Where of the slope a sample lies, between its frames too.
fn place(sample: f32) -> f64 {
    f64::from(sample) * STEPS
}

/// An ear at a server: what is heard there on the left, each frame so long after `since`.
fn ear(since: Instant, address: SocketAddr, seconds: u32) -> thread::JoinHandle<Vec<f32>> {
    thread::spawn(move || {
        let options = ListenerOptions::default();
        let listener = Listener::pull(&address.to_string(), STEREO, &options);
        let (_listener, mut sound) = listener.unwrap();
        let mut left = Vec::new();
        let mut out = [0.0; 960];
        for period in 0..seconds * 100 {
            let due = since + period * Duration::from_millis(10);
            thread::sleep(due.saturating_duration_since(Instant::now()));
            sound.fill(&mut out, due + Duration::from_millis(20));
            left.extend(out.chunks_exact(2).map(|frame| frame[0]));
        }
        left
    })
}

/// By how many frames the second ear is behind the first, at each moment from some seconds on at which both hear: the
/// least, the middle, the most.
fn apart(first: &[f32], second: &[f32]) -> [f64; 3] {
    let settled = first.iter().zip(second).skip(SETTLED_S * RATE as usize);
    let both = settled.filter(|(first, second)| **first != 0.0 && **second != 0.0);
    let mut apart: Vec<f64> = both.map(|(first, second)| place(*first) - place(*second)).collect();
    assert!(apart.len() > 4 * RATE as usize, "{} frames compared", apart.len());
    apart.sort_by(f64::total_cmp);
    [apart[0], apart[apart.len() / 2], apart[apart.len() - 1]]
}

#[test]
fn what_another_server_sends_is_heard_once_whole_and_at_a_constant_distance() {
    let scratch = Scratch::new();
    let mut other = there(&["--source", "none", "--source", &slope(&scratch)]);
    let other_address = other.address();
    let mut own = here(other_address.port(), &[]);
    let own_address = own.address();
    let recorded = scratch.path("recorded.wav");
    let mut listener = client(own_address, ["--codec", "f32", "--output", &wav(&recorded)]);
    own.wait_for(&format!("sends stands {THERE_MS} ms behind"));
    let since = Instant::now();
    let ears = [other_address, other_address, own_address].map(|at| ear(since, at, 14));
    let [there, beside, here] = ears.map(|ear| ear.join().unwrap());
    wait_until("ten seconds", || frames_on_disk(&recorded, 2) > 14 * u64::from(RATE));
    listener.stop();

    // Whoever listens here hears what is heard there, later by this server's own delay and no more.
    let delay = f64::from(HERE_MS) * f64::from(RATE) / 1e3;
    let [least, middle, most] = apart(&there, &here).map(|apart| apart - delay);
    println!("here {middle:.2} frames off, from {least:.2} to {most:.2}");
    println!("two ears there {:.2?} frames apart", apart(&there, &beside));
    assert!(most.abs().max(least.abs()) < MOST_APART, "from {least} to {most} frames off");

    // All of it is there, once and in order: each frame lies one behind the last, but for what steering does.
    let samples = Recording::read_finished(&recorded).samples;
    let left: Vec<f32> = samples.chunks_exact(2).map(|frame| frame[0]).collect();
    let begins = left.iter().position(|sample| *sample != 0.0).unwrap() + RATE as usize / 2;
    let sound = &left[begins..];
    let steps = sound.windows(2).map(|pair| place(pair[1]) - place(pair[0]) - 1.0);
    let worst = steps.fold(0.0_f64, |worst, step| worst.max(step.abs()));
    let (first, last) = (place(sound[0]), place(sound[sound.len() - 1]));
    let drift = last - first - (sound.len() - 1) as f64;
    println!("{} frames: the worst step is {worst:.3} frames off, all {drift:.3}", sound.len());
    assert!(sound.len() > 10 * RATE as usize && worst < 0.5 && drift.abs() < 24.0);
}

#[test]
fn a_server_that_is_killed_and_started_again_is_silent_meanwhile_and_nothing_else_is() {
    let scratch = Scratch::new();
    let mut other = at(0, &["--source", "tone:440"]);
    let port = other.address().port();
    let mut own = here(port, &["--source", "tone:1000,level=-6dB"]);
    let recorded = scratch.path("recorded.wav");
    let mut listener = client(own.address(), ["--codec", "f32", "--output", &wav(&recorded)]);
    own.wait_for("ms behind its capture there");
    let more = |seconds: u64| {
        let enough = frames_on_disk(&recorded, 2) + seconds * u64::from(RATE);
        wait_until("more sound", || frames_on_disk(&recorded, 2) > enough);
    };
    more(3);
    other.signal(Signal::KILL);
    other.wait();
    own.wait_for("was lost");
    more(2);
    let mut again = at(port, &["--source", "tone:440"]);
    again.address();
    wait_until("the other server again", || own.times_said("connected to") == 2);
    more(4);
    listener.stop();
    assert_eq!(own.times_said("Trying again until it works"), 1, "{}", own.said());

    let samples = Recording::read_finished(&recorded).samples;
    let left: Vec<f32> = samples.chunks_exact(2).map(|frame| frame[0]).collect();
    let begins = left.iter().position(|sample| *sample != 0.0).unwrap() + RATE as usize / 10;
    let windows: Vec<(f64, f64)> = left[begins..]
        .chunks_exact(RATE as usize / 10)
        .map(|window| (amplitude(window, 1_000.0, RATE), amplitude(window, 440.0, RATE)))
        .collect();
    let (carrier, _) = windows[0];
    for (n, (own, _)) in windows.iter().enumerate() {
        assert!((own / carrier - 1.0).abs() < 0.02, "{own} in window {n} of {windows:?}");
    }
    let mut states: Vec<bool> = windows.iter().map(|(_, other)| *other > 0.05).collect();
    states.dedup();
    let without_start = states.strip_prefix(&[false]).unwrap_or(&states);
    assert_eq!(without_start, [true, false, true], "{windows:?}");
}

#[test]
fn a_server_that_is_not_there_yet_keeps_nobody_waiting() {
    let scratch = Scratch::new();
    let port = free_port();
    let begun = Instant::now();
    let mut own = here(port, &["--source", "none"]);
    let address = own.address();
    assert!(begun.elapsed() < PATIENCE / 3, "{:?}", begun.elapsed());
    own.wait_for("Trying again until it works");
    let mut other = at(port, &["--source", "tone:440"]);
    other.address();
    own.wait_for("ms behind its capture there");
    let recorded = scratch.path("recorded.wav");
    let mut listener = client(address, ["--codec", "f32", "--output", &wav(&recorded)]);
    wait_until("sound", || frames_on_disk(&recorded, 2) > 3 * u64::from(RATE));
    listener.stop();
    let samples = Recording::read_finished(&recorded).samples;
    let left: Vec<f32> = samples.chunks_exact(2).map(|frame| frame[0]).collect();
    let last = &left[left.len() - RATE as usize / 2..];
    assert!(amplitude(last, 440.0, RATE) > 0.05);
}

/// Part of what is said of a ring.
const ROUND: &str = "comes from this server and would go round and round";

#[test]
fn a_server_takes_nothing_from_itself_by_whatever_name() {
    let port = free_port();
    let mut refused = at(port, &["--source", &format!("auralync:localhost:{port}")]);
    let ended = refused.wait();
    assert_eq!(ended.code, Some(2), "{ended}");
    assert!(ended.stderr.join("\n").contains("is this server itself"), "{ended}");
    // What resolves to it, but is no address of its own.
    let mut own = at(port, &["--source", "tone", "--source", &format!("auralync:127.1:{port}")]);
    own.wait_for(ROUND);
    assert!(own.is_running());
}

#[test]
fn two_servers_that_take_each_others_sound_do_not_howl() {
    let ports = [(); 2].map(|()| free_port());
    let take = |port: u16| format!("auralync:127.0.0.1:{port}");
    let mut first = at(ports[0], &["--source", "tone:440", "--source", &take(ports[1])]);
    first.wait_for("Trying again until it works");
    let mut second = at(ports[1], &["--source", "tone:1000", "--source", &take(ports[0])]);
    second.address();
    let said = |program: &Program| program.times_said(ROUND);
    wait_until("one that lets go", || said(&first) + said(&second) > 0);
    // Each has its own tone, and one of them the other's too: none of it comes twice.
    let heard = |server: &mut Program| {
        let scratch = Scratch::new();
        let recorded = scratch.path("recorded.wav");
        let words = ["--codec", "f32", "--output", &wav(&recorded)];
        let mut listener = client(server.address(), words);
        wait_until("sound", || frames_on_disk(&recorded, 2) > 2 * u64::from(RATE));
        listener.stop();
        let samples = Recording::read_finished(&recorded).samples;
        let left: Vec<f32> = samples.chunks_exact(2).map(|frame| frame[0]).collect();
        let last = &left[left.len() - RATE as usize / 2..];
        [440.0, 1_000.0].map(|hz| amplitude(last, hz, RATE))
    };
    let mut levels = Vec::new();
    wait_until("one that hears the other", || {
        levels = vec![heard(&mut first), heard(&mut second)];
        levels.iter().filter(|[low, high]| *low > 0.05 && *high > 0.05).count() == 1
    });
    assert!(levels.iter().flatten().all(|level| *level < 0.3), "{levels:?}");
    assert!(said(&first) <= 1 && said(&second) <= 1, "{} {}", said(&first), said(&second));
}

#[test]
fn a_longer_ring_is_found_by_whoever_closes_it() {
    let ports = [(); 3].map(|()| free_port());
    let take = |port: u16| format!("auralync:127.0.0.1:{port}");
    let mut first = at(ports[0], &["--source", "tone", "--source", &take(ports[2])]);
    first.wait_for("Trying again until it works");
    let mut second = at(ports[1], &["--source", &take(ports[0])]);
    second.wait_for("ms behind its capture there");
    let mut third = at(ports[2], &["--source", &take(ports[1])]);
    third.address();
    let all = [&first, &second, &third];
    wait_until("one that lets go", || all.iter().any(|server| server.times_said(ROUND) > 0));
}

#[test]
fn a_ring_that_is_closed_by_what_is_taken_in_later_is_found_and_its_end_too() {
    let scratch = Scratch::new();
    let ports = [(); 3].map(|()| free_port());
    let take = |n: usize| format!("auralync:127.0.0.1:{}", ports[n]);
    let open = |n: usize, more: &[&str]| {
        let mut command = server_command();
        command.env("XDG_RUNTIME_DIR", scratch.path("run"));
        command.args(["--bind", "127.0.0.1", "--port", &ports[n].to_string(), "--web", "0"]);
        command.args(["--no-discovery", "--preset", "low-latency"]).args(more);
        let mut server = Program::start(command);
        let line = server.wait_for(" open http://");
        let (_, page) = line.split_once("http://127.0.0.1:").unwrap();
        (server, page.split('/').next().unwrap().to_owned())
    };
    let ctl = |page: &str, words: &[&str]| {
        let mut command = client_command();
        command.env("XDG_RUNTIME_DIR", scratch.path("run")).arg("ctl").args(words);
        let out = command.args(["--server", &format!("localhost:{page}")]).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    };
    let (mut last, last_page) = open(2, &["--source", "none", "--offer", &take(1)]);
    let (mut middle, middle_page) = open(1, &["--source", "none", "--offer", &take(0)]);
    let (mut first, _) = open(0, &["--source", "tone", "--source", &take(2)]);
    first.wait_for("ms behind its capture there");
    let first_address = first.address();
    let via = || Caller::join(first_address, "looks", "f32", None).welcome.via.len();
    assert_eq!(via(), 1);
    let listed = ctl(&last_page, &["add", &take(1)]);
    assert!(listed.contains(&take(1)), "{listed}");
    last.wait_for("ms behind its capture there");
    wait_until("what is behind the last one", || via() == 2);
    ctl(&middle_page, &["add", &take(0)]);
    middle.wait_for(ROUND);
    ctl(&last_page, &["remove", &take(1)]);
    middle.wait_for("ms behind its capture there");
    assert_eq!(middle.times_said(ROUND), 1, "{}", middle.said());
    wait_until("nobody behind the last one", || via() == 1);
}
