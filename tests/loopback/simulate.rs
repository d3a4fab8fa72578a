//! A listener over a simulated network, with a real server.

use std::path::Path;

use crate::support::flags::{source, wav};
use crate::support::ramp::{self, Recording, Stretch, frames_on_disk};
use crate::support::servers::{client, server};
use crate::support::{Scratch, wait_until};

const RATE: u32 = 48_000;

/// A delay that rides out every stall of a busy machine, and of the simulated networks.
const UNHURRIED: [&str; 6] =
    ["--playout-delay-ms", "2000", "--max-queue-size", "200", "--chunk-size", "1024"];

/// What five seconds of the ramp are over such a network.
fn heard_over(words: &str, scratch: &Scratch) -> Recording {
    let from = scratch.path("ramp.wav");
    ramp::write(&from, 0, 60 * RATE as usize, RATE, 2);
    let mut server = server(["--source", &source(&from)].iter().chain(&UNHURRIED));
    let to = scratch.path("heard.wav");
    let flags = ["--output", &wav(&to), "--overwrite", "--simulate", words];
    let mut listener = client(server.address(), flags);
    let said = listener.wait_for("Listening to");
    let named = format!("over a simulated network ({})", words.replace(',', ", "));
    assert!(said.contains(&named), "{said}");
    wait_until("five seconds", || frames_on_disk(Path::new(&to), 2) > u64::from(5 * RATE));
    listener.stop();
    Recording::read_finished(&to)
}

#[test]
fn lost_frames_are_whole_chunks_of_silence_and_all_else_is_in_its_place() {
    let scratch = Scratch::new();
    let recording = heard_over("loss=20%,seed=5", &scratch);
    let (mut at, mut start, mut lost) = (0, None, 0);
    let mut stretches = recording.stretches();
    // It ends in the middle of a chunk.
    stretches.pop();
    for (number, stretch) in stretches.iter().enumerate() {
        match *stretch {
            Stretch::Silence { frames } => {
                assert!(number == 0 || frames.is_multiple_of(1024), "{stretches:?}");
                lost += frames;
                at += frames;
            }
            Stretch::Sound { first, frames } => {
                let start = *start.get_or_insert(first - at);
                assert_eq!(first, start + at, "{stretches:?}");
                at += frames;
            }
        }
    }
    let share = lost as f64 / at as f64;
    println!("{share:.3} of {at} frames were lost");
    assert!((0.08..0.35).contains(&share), "{share}");
}

#[test]
fn what_the_delay_has_room_for_costs_no_sample() {
    let scratch = Scratch::new();
    // Three megabits of sound a second through eight, with pauses of a third of a second.
    let words = "delay=50ms,jitter=100ms,rate=8mbit,stall=300ms/2s,seed=2";
    let (_, frames) = heard_over(words, &scratch).unbroken();
    assert!(frames > u64::from(4 * RATE));
}
