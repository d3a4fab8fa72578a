//! A listener over a simulated network, with a real server.

use std::path::Path;

use crate::support::flags::{source, wav};
use crate::support::ramp::{self, Recording, frames_on_disk};
use crate::support::servers::{client, server};
use crate::support::{Scratch, wait_until};

const RATE: u32 = 48_000;

/// A delay that rides out every stall of a busy machine, and of the simulated networks.
const UNHURRIED: [&str; 6] =
    ["--playout-delay-ms", "2000", "--max-queue-size", "200", "--chunk-size", "1024"];

/// What five seconds of the ramp are over such a network.
fn heard_over(words: &str, transport: &str, scratch: &Scratch) -> Recording {
    let from = scratch.path("ramp.wav");
    ramp::write(&from, 0, 60 * RATE as usize, RATE, 2);
    let mut server = server(["--source", &source(&from)].iter().chain(&UNHURRIED));
    let (to, stats) = (scratch.path("heard.wav"), scratch.path("stats"));
    let (output, stats) = (wav(&to), stats.display().to_string());
    let flags = ["--output", &output, "--overwrite", "--simulate", words, "--stats", &stats];
    // A codec that is named stays, and tells each sample.
    let flags = flags.into_iter().chain(["--codec", "f32", "--transport", transport]);
    let mut listener = client(server.address(), flags);
    let said = listener.wait_for("Listening to");
    let named = format!("over a simulated network ({})", words.replace(',', ", "));
    assert!(said.contains(&named), "{said}");
    wait_until("five seconds", || frames_on_disk(Path::new(&to), 2) > u64::from(5 * RATE));
    listener.stop();
    Recording::read_finished(&to)
}

/// What the listener's statistics said, a line a second.
fn told(scratch: &Scratch) -> Vec<serde_json::Value> {
    let lines = std::fs::read_to_string(scratch.path("stats")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn datagrams_that_are_lost_are_asked_for_and_cost_no_sample() {
    let scratch = Scratch::new();
    let (_, frames) = heard_over("loss=20%,delay=4ms,seed=5", "auto", &scratch).unbroken();
    assert!(frames > u64::from(4 * RATE));
    let told = told(&scratch);
    let last = told.last().unwrap();
    assert_eq!(last["via"], "udp", "{last}");
    let count = |key: &str| last[key].as_u64().unwrap();
    println!("{last}");
    assert!(count("lost_datagrams") * 20 > count("datagrams"), "{last}");
    assert!(count("repaired") + 20 > count("lost_datagrams"), "{last}");
}

#[test]
fn sound_turns_from_datagrams_to_tcp_and_back_without_a_gap_or_a_frame_twice() {
    let scratch = Scratch::new();
    // Held up for longer than datagrams are waited for.
    let (_, frames) = heard_over("stall=600ms/3s,seed=2", "auto", &scratch).unbroken();
    assert!(frames > u64::from(4 * RATE));
    let ways: Vec<_> = told(&scratch).iter().map(|line| line["via"].clone()).collect();
    println!("{ways:?}");
    assert!(ways.contains(&"udp".into()), "{ways:?}");
}

#[test]
fn frames_that_tcp_loses_are_made_up_and_all_else_is_in_its_place() {
    let scratch = Scratch::new();
    let recording = heard_over("loss=20%,seed=5", "tcp", &scratch);
    let frames = recording.samples.chunks_exact(2);
    let told_at = |frame: &[f32]| f64::from(frame[0]) * f64::from(1 << 24) - 1.0;
    let is_ramp =
        |frame: &[f32], at: u64| frame[0] == ramp::sample(at, 0) && frame[1] == ramp::sample(at, 1);
    // Where the ramp begins: the first frame that tells a place, as the next one does.
    let all: Vec<_> = frames.collect();
    let start = all
        .windows(2)
        .position(|two| two[0][0] != 0.0 && told_at(two[1]) == told_at(two[0]) + 1.0)
        .unwrap();
    let first = told_at(all[start]) as u64;
    let made_up = all[start..].iter().zip(first..).filter(|(frame, at)| !is_ramp(frame, *at));
    let share = made_up.count() as f64 / (all.len() - start) as f64;
    println!("{share:.3} of {} frames were made up", all.len() - start);
    assert!((0.08..0.45).contains(&share), "{share}");
    assert!(told(&scratch).iter().all(|line| line["via"] == "tcp"));
}

#[test]
fn what_the_delay_has_room_for_costs_no_sample() {
    let scratch = Scratch::new();
    // Three megabits of sound a second through eight, with pauses of a third of a second.
    let words = "delay=50ms,jitter=100ms,rate=8mbit,stall=300ms/2s,seed=2";
    for transport in ["auto", "tcp"] {
        let (_, frames) = heard_over(words, transport, &scratch).unbroken();
        assert!(frames > u64::from(4 * RATE), "{transport}");
    }
}
