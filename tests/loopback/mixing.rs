//! Several sources in one stream, by the real programs.

use crate::support::flags::{source, wav};
use crate::support::ramp::{self, Recording, frames_on_disk};
use crate::support::servers::{client, server};
use crate::support::{Scratch, wait_until};

const RATE: u32 = 48_000;

const UNHURRIED: [&str; 4] = ["--playout-delay-ms", "1500", "--max-queue-size", "200"];

fn write_tone(path: &std::path::Path, hz: f64, seconds: f64, rate: u32, bits: u16) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: rate,
        bits_per_sample: bits,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, spec).unwrap();
    let most = f64::from(1_u32 << (bits - 1)) * 0.25;
    for n in 0..(seconds * f64::from(rate)) as u32 {
        let phase = f64::from(n) / f64::from(rate) * hz * std::f64::consts::TAU;
        file.write_sample((most * phase.sin()).round() as i32).unwrap();
    }
    file.finalize().unwrap();
}

/// The amplitude of `hz` on the left.
fn amplitude(stereo: &[f32], hz: f64) -> f64 {
    let step = std::f64::consts::TAU * hz / f64::from(RATE);
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (n, frame) in stereo.chunks(2).enumerate() {
        sine += f64::from(frame[0]) * (step * n as f64).sin();
        cosine += f64::from(frame[0]) * (step * n as f64).cos();
    }
    2.0 * f64::hypot(sine, cosine) / (stereo.len() / 2) as f64
}

#[test]
fn a_file_beside_the_carrier_comes_whole_and_bit_for_bit() {
    let scratch = Scratch::new();
    let path = scratch.path("ramp.wav");
    ramp::write(&path, 0, 30 * RATE as usize, RATE, 2);
    let file = source(&path);
    let mut server = server(["--source", "none", "--source", &file].iter().chain(&UNHURRIED));
    let recorded = scratch.path("recorded.wav");
    let mut listener = client(server.address(), ["--output", &wav(&recorded)]);
    wait_until("four seconds", || frames_on_disk(&recorded, 2) > 4 * u64::from(RATE));
    listener.stop();
    let (_, frames) = Recording::read_finished(&recorded).unbroken();
    assert!(frames > 2 * u64::from(RATE));
    assert!(server.is_running());
}

#[test]
fn files_of_every_kind_are_heard_at_their_levels_and_one_that_ends_leaves_the_others_alone() {
    let scratch = Scratch::new();
    let files = [(8, 8_000, 400.0, 60.0), (24, 96_000, 1_000.0, 60.0), (16, 44_100, 700.0, 4.0)];
    let mut flags = vec!["--source".to_owned(), "none".to_owned()];
    for (n, (bits, rate, hz, seconds)) in files.into_iter().enumerate() {
        let path = scratch.path(format!("{n}.wav"));
        write_tone(&path, hz, seconds, rate, bits);
        let level = if n == 1 { ",level=-6dB" } else { "" };
        flags.extend(["--source".to_owned(), format!("{}{level}", source(&path))]);
    }
    let mut server = server(flags.iter().map(String::as_str).chain(UNHURRIED));
    let recorded = scratch.path("recorded.wav");
    let mut listener = client(server.address(), ["--output", &wav(&recorded)]);
    server.wait_for("has ended");
    let so_far = frames_on_disk(&recorded, 2);
    let enough = so_far + 4 * u64::from(RATE);
    wait_until("what comes after the end", || frames_on_disk(&recorded, 2) > enough);
    listener.stop();
    let samples = Recording::read_finished(&recorded).samples;
    let last = &samples[samples.len() - 2 * RATE as usize..];
    let level = |hz| 20.0 * (amplitude(last, hz) / 0.25).log10();
    assert!(level(400.0).abs() < 0.2, "{}", level(400.0));
    assert!((level(1_000.0) + 6.0).abs() < 0.1, "{}", level(1_000.0));
    assert!(level(700.0) < -50.0);
    // Nowhere did anything click: no step beyond what the tones have themselves.
    let tones = [(400.0, 0.25), (1_000.0, 0.126), (700.0, 0.25)];
    let most: f64 =
        tones.iter().map(|(hz, a)| a * std::f64::consts::TAU * hz / f64::from(RATE)).sum();
    let begins = samples.iter().position(|s| s.abs() > 0.05).unwrap() / 2 * 2;
    let steps = samples[begins..].windows(3).step_by(2);
    let largest = steps.map(|w| f64::from((w[2] - w[0]).abs())).fold(0.0, f64::max);
    assert!(largest < most * 1.2, "a step of {largest}, not {most}");
    assert!(server.is_running());
}
