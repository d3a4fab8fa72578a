//! What another program pipes in is a source, at its own pace.

use std::io::Write;

use crate::support::flags::wav;
use crate::support::ramp::{self, Recording, Stretch, frames_on_disk};
use crate::support::servers::{client, server_with};
use crate::support::{Scratch, wait_until};

const RATE: u64 = 48_000;

/// A WAV file of two seconds of the ramp, as it is written into a pipe: without sizes.
fn without_sizes(scratch: &Scratch) -> Vec<u8> {
    let path = scratch.path("ramp.wav");
    ramp::write(&path, 0, 2 * RATE as usize, RATE as u32, 2);
    let mut bytes = std::fs::read(path).unwrap();
    let data = bytes.windows(4).position(|four| four == b"data").unwrap();
    for at in [4, data + 4] {
        bytes[at..at + 4].fill(0xff);
    }
    bytes
}

#[test]
fn a_pipe_that_stalls_is_silence_for_as_long_and_nothing_of_it_is_lost() {
    let scratch = Scratch::new();
    let bytes = without_sizes(&scratch);
    let (first, second) = bytes.split_at(bytes.len() / 2);
    let (reader, mut writer) = std::io::pipe().unwrap();
    let mut server = server_with(reader, ["--source", "file:-"]);
    writer.write_all(&first[..64 * 1024]).unwrap();
    let recorded = scratch.path("recorded.wav");
    let mut listener = client(server.address(), ["--output", &wav(&recorded)]);
    wait_until("the listener's first sound", || frames_on_disk(&recorded, 2) > 0);
    writer.write_all(&first[64 * 1024..]).unwrap();
    // Who waited for the pipe would send nothing meanwhile.
    let enough = frames_on_disk(&recorded, 2) + 2 * RATE;
    wait_until("silence while it stalls", || frames_on_disk(&recorded, 2) > enough);
    writer.write_all(second).unwrap();
    drop(writer);
    server.wait_for("“file:-” has ended");
    let enough = frames_on_disk(&recorded, 2) + 2 * RATE;
    wait_until("what comes after the end", || frames_on_disk(&recorded, 2) > enough);
    listener.stop();
    let stretches = Recording::read(&recorded).stretches();
    let mut next = None;
    for stretch in &stretches {
        if let Stretch::Sound { first, frames } = stretch {
            assert_eq!(*first, next.unwrap_or(*first), "{stretches:?}");
            next = Some(first + frames);
        }
    }
    assert_eq!(next, Some(2 * RATE), "{stretches:?}");
    assert!(stretches.len() < 10, "shreds: {stretches:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_server_that_waits_for_a_pipe_stops_when_it_is_told_to() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mut server = server_with(reader, ["--source", "file:-"]);
    // The program's own, the one that hears signals, and the one that waits.
    wait_until("the thread that waits", || server.threads_and_files().0 >= 3);
    let ended = server.stop();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    drop(writer);
}
