//! How one listener wants to hear: it is in what that one plays, and in nothing else.

use crate::support::flags::source;
use crate::support::ramp::{self, Recording, frames_on_disk};
use crate::support::servers::{client, server};
use crate::support::{Scratch, wait_until};

const RATE: u32 = 48_000;

/// A delay that rides out every stall of a busy machine.
const UNHURRIED: [&str; 4] = ["--playout-delay-ms", "1500", "--max-queue-size", "200"];

/// More sound than the test listens to, in s.
const SECONDS: usize = 60;

#[test]
fn an_ear_is_in_its_own_output_and_neither_in_its_recording_nor_in_what_another_hears() {
    let scratch = Scratch::new();
    let file = scratch.path("ramp.wav");
    ramp::write(&file, 0, SECONDS * RATE as usize, RATE, 2);
    let mut server = server(["--source", &source(&file)].iter().chain(&UNHURRIED));
    let [played, heard, other] =
        ["played.wav", "heard.wav", "other.wav"].map(|name| scratch.path(name));
    let [to_played, to_other] = [&played, &other].map(|path| format!("wav:{}", path.display()));
    let address = server.address();
    let record = heard.to_str().unwrap();
    let flags = ["--output", &to_played, "--record", record, "--balance", "100"];
    let mut ear = client(address, flags);
    let mut usual = client(address, ["--output", &to_other]);
    wait_until("two seconds are on the disk", || {
        [&played, &heard, &other].iter().all(|path| frames_on_disk(path, 2) > u64::from(2 * RATE))
    });
    ear.stop();
    usual.stop();
    server.stop();

    let mut played = Recording::read_finished(&played);
    assert!(played.samples.iter().skip(1).step_by(2).any(|right| *right != 0.0));
    for frame in played.samples.chunks_exact_mut(2) {
        assert_eq!(frame[0], 0.0, "the left is turned down");
        frame[0] = -frame[1];
    }
    played.unbroken();
    Recording::read_finished(&heard).unbroken();
    Recording::read_finished(&other).unbroken();
}
