//! Files that lie or are cut, beside a source that nobody may hear disturbed.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use crate::support::flags::{source, wav};
use crate::support::program::Program;
use crate::support::ramp::{self, Recording, frames_on_disk};
use crate::support::servers::{client, server};
use crate::support::{Scratch, wait_until};

const RATE: u32 = 48_000;
const UNHURRIED: [&str; 4] = ["--playout-delay-ms", "1500", "--max-queue-size", "200"];

/// What the second source plays, on the right alone.
const LEVEL: f32 = 0.125;

fn mono(path: &Path, rate: u32, seconds: f64) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, spec).unwrap();
    for _ in 0..(seconds * f64::from(rate)) as u32 {
        file.write_sample((LEVEL * 32_768.0) as i16).unwrap();
    }
    file.finalize().unwrap();
    std::fs::read(path).unwrap()
}

/// A server whose first source is the ramp, and whose others stand on the right.
fn serve(scratch: &Scratch, others: &[PathBuf]) -> Program {
    let path = scratch.path("ramp.wav");
    ramp::write(&path, 0, 40 * RATE as usize, RATE, 2);
    let mut flags = vec!["--source".to_owned(), source(&path)];
    for other in others {
        flags.extend(["--source".to_owned(), format!("{},pan=1", source(other))]);
    }
    server(flags.iter().map(String::as_str).chain(UNHURRIED))
}

/// Checks that the ramp's left came bit for bit from its first frame on, and returns what stood
/// beside it on the right, from there on.
#[track_caller]
fn beside_the_ramp(recorded: &Path) -> Vec<f32> {
    let Recording { samples, .. } = Recording::read_finished(recorded);
    let frames: Vec<_> = samples.chunks_exact(2).collect();
    let begins = frames.iter().position(|frame| frame[0] != 0.0).expect("nothing was heard");
    let first = (0..).find(|at| ramp::sample(*at, 0) == frames[begins][0]).unwrap();
    let beside = frames[begins..].iter().zip(first..).map(|(frame, at)| {
        assert_eq!(frame[0], ramp::sample(at, 0), "the first source is not what it was, at {at}");
        frame[1] - ramp::sample(at, 1)
    });
    beside.collect()
}

#[test]
fn a_second_file_whose_header_cannot_be_is_refused_at_the_start_in_one_line() {
    let scratch = Scratch::new();
    let good = mono(&scratch.path("good.wav"), RATE, 0.1);
    for (name, at, lie, why) in [
        ("no channels", 22, &[0, 0][..], "its header claims 0 channels"),
        ("no rate", 24, &[0; 4], "its header claims 0 samples a second"),
        (
            "every rate",
            24,
            &4_000_000_000_u32.to_le_bytes(),
            "its header claims 4000000000 samples a second",
        ),
        ("no sound", 40, &[0, 0, 0, 0], ""),
    ] {
        let mut bytes = good.clone();
        bytes[at..at + lie.len()].copy_from_slice(lie);
        if why.is_empty() {
            bytes.truncate(44);
        }
        let path = scratch.file(&format!("{}.wav", name.replace(' ', "-")), bytes);
        let mut server = serve(&scratch, std::slice::from_ref(&path));
        let ended = server.wait();
        assert_eq!(ended.code, Some(7), "{name}: {ended:?}");
        let [line] = &ended.stderr[..] else { panic!("{name}: {ended:?}") };
        let said = format!("{}: it is damaged: {why}", path.display());
        assert!(line.contains(&said), "{name}: {line}");
    }
}

#[test]
fn files_that_end_before_their_header_says_are_said_once_and_leave_the_first_source_as_it_is() {
    let scratch = Scratch::new();
    let paths = ["promises.wav", "half.wav", "cut.wav"].map(|name| scratch.path(name));
    let [promises, half, cut] = &paths;
    // Four GiB, of which there are two seconds.
    let mut bytes = mono(promises, RATE, 2.0);
    bytes[4..8].copy_from_slice(&(u32::MAX - 100).to_le_bytes());
    bytes[40..44].copy_from_slice(&(u32::MAX - 200).to_le_bytes());
    std::fs::write(promises, bytes).unwrap();
    // Half of its last sample is missing, at a rate that has to be changed.
    let bytes = mono(half, 44_100, 3.0);
    std::fs::write(half, &bytes[..bytes.len() / 2 + 1]).unwrap();
    mono(cut, RATE, 30.0);

    let mut server = serve(&scratch, &paths);
    let recorded = scratch.path("recorded.wav");
    let mut listener = client(server.address(), ["--output", &wav(&recorded)]);
    for path in [promises, half] {
        server.wait_for(&format!("“{}” has ended", source(path)));
    }
    let file = OpenOptions::new().write(true).open(cut).unwrap();
    file.set_len(4_001).unwrap();
    server.wait_for(&format!("“{}” has ended", source(cut)));
    // The playout delay, what was read ahead, and a second and more.
    let enough = frames_on_disk(&recorded, 2) + 7 * u64::from(RATE) / 2;
    wait_until("what comes after the end", || frames_on_disk(&recorded, 2) > enough);
    listener.stop();
    let beside = beside_the_ramp(&recorded);
    // Three at first, and in the end none: never anything else but the fades between.
    let (least, most) = (-0.1 * LEVEL, 3.1 * LEVEL);
    for (at, sample) in beside.iter().enumerate() {
        assert!((least..most).contains(sample), "{sample} at {at}");
    }
    let of_three = beside.iter().filter(|sample| **sample > 2.9 * LEVEL).count();
    assert!(of_three > RATE as usize / 4, "{of_three} frames of all three");
    assert!(beside[beside.len() - RATE as usize..].iter().all(|sample| *sample == 0.0));
    // A change of rate rings for a moment where a constant begins.
    let step = beside[100..].windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
    assert!(step < LEVEL / 50.0, "a click of {step}");
    for path in &paths {
        assert_eq!(server.times_said(&source(path)), 1, "{}", path.display());
    }
    assert!(server.is_running());
}
