//! Recordings on either side: every sample in its place, whole whatever ends the program.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::flags::source;
use crate::support::program::Program;
use crate::support::ramp::{self, Recording, frames_on_disk};
use crate::support::servers::{client, client_command, server, server_command};
use crate::support::{Scratch, numbers, wait_until};

const RATE: u32 = 48_000;

/// A delay that rides out every stall of a busy machine; what is tested does not depend on it.
const UNHURRIED: [&str; 4] = ["--playout-delay-ms", "1500", "--max-queue-size", "200"];

/// The length of the ramp, in s: more sound than any test listens to.
const SECONDS: usize = 60;

/// How many frames have been recorded, as the program says once a second.
fn recorded(stats: &Path) -> f64 {
    if !stats.exists() {
        return 0.0;
    }
    numbers(stats, "recorded_frames").last().copied().unwrap_or(0.0)
}

fn seconds(seconds: u32) -> f64 {
    f64::from(seconds * RATE)
}

fn bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A ramp's file, as a source.
fn ramp_source(scratch: &Scratch) -> String {
    let path = scratch.path("ramp.wav");
    ramp::write(&path, 0, SECONDS * RATE as usize, RATE, 2);
    source(&path)
}

/// What an independent program makes of a FLAC or Opus file, in samples.
fn decoded(path: &Path) -> Vec<f32> {
    let to = path.with_extension("decoded.wav");
    let mut command = if path.extension().is_some_and(|end| end == "flac") {
        let mut flac = Command::new("flac");
        flac.args(["--decode", "--silent", "--force", "-o", text(&to), text(path)]);
        flac
    } else {
        let mut opusdec = Command::new("opusdec");
        opusdec.args(["--quiet", "--float", "--rate", "48000", text(path), text(&to)]);
        opusdec
    };
    let output = command.output().expect("scripts/setup.sh files installs flac and opus-tools");
    assert!(output.status.success(), "{output:?}");
    let wav = hound::WavReader::open(&to).unwrap();
    match wav.spec().sample_format {
        hound::SampleFormat::Float => wav.into_samples().map(Result::unwrap).collect(),
        hound::SampleFormat::Int => {
            assert_eq!(wav.spec().bits_per_sample, 24);
            let steps = wav.into_samples::<i32>().map(Result::unwrap);
            steps.map(|step| step as f32 / 8_388_608.0).collect()
        }
    }
}

/// 24 bits hold every second value of the ramp: what they make of the rest is its neighbour's.
fn assert_is_ramp_in_24_bits(samples: &[f32], least_frames: usize) {
    let told = |frame: &[f32]| (f64::from(frame[0]) * f64::from(1 << 24)).round() as u64;
    let first = samples.chunks_exact(2).position(|frame| frame[0] != 0.0).unwrap();
    let sound = &samples[2 * first..];
    assert!(sound.len() / 2 > least_frames, "{} frames", sound.len() / 2);
    let start = told(&sound[..2]);
    for (at, frame) in (start..).zip(sound.chunks_exact(2)) {
        assert!(told(frame).abs_diff(at) <= 2, "{} instead of {at}", told(frame));
        assert_eq!(frame[0], -frame[1], "at {at}");
    }
}

#[test]
fn both_sides_record_every_sample_in_every_kind_and_the_own_volume_is_not_in_it() {
    let scratch = Scratch::new();
    let ramp = ramp_source(&scratch);
    let [sent, flac, heard, quiet] =
        ["sent.wav", "sent.flac", "heard.wav", "quiet.wav"].map(|name| scratch.path(name));
    let tracks = scratch.path("tracks");
    let flags = ["--source", &ramp, "--record", text(&sent), "--record-tracks", text(&tracks)];
    let mut server = server(flags.iter().chain(&UNHURRIED));
    let stats = ["wav", "flac"].map(|name| scratch.path(format!("stats {name}")));
    let flags = ["--output", "null", "--volume", "20", "--stats", text(&stats[0]), "--record"];
    let address = server.address();
    let mut to_wav = client(address, flags.into_iter().chain([text(&heard)]));
    let flags = ["--output", "null", "--stats", text(&stats[1]), "--record", text(&flac)];
    let mut to_flac = client(address, flags);
    let output = format!("wav:{}", quiet.display());
    let mut to_output = client(address, ["--output", &output, "--volume", "50"]);
    wait_until("sound", || stats.iter().all(|stats| recorded(stats) > seconds(3)));
    for listener in [&mut to_wav, &mut to_flac, &mut to_output] {
        listener.stop();
    }
    server.stop();

    let heard = Recording::read_finished(&heard);
    let (_, frames) = heard.unbroken();
    assert_eq!(recorded(&stats[0]), (heard.samples.len() / 2) as f64);
    assert_eq!(numbers(&stats[0], "record_lost_frames").last(), Some(&0.0));
    assert_is_ramp_in_24_bits(&decoded(&flac), RATE as usize);
    let (_, sent_frames) = Recording::read_finished(&sent).unbroken();
    assert!(sent_frames > frames);
    let track = std::fs::read_dir(&tracks).unwrap().next().unwrap().unwrap().path();
    let (mix, track) = (Recording::read_finished(&sent), Recording::read_finished(&track));
    // The mix looks ahead, so that the track's last samples are not in it yet.
    assert!(track.samples.starts_with(&mix.samples), "one source is the whole mix");
    // The file that is the output is as loud as its user wants it.
    let mut quiet = Recording::read_finished(&quiet);
    quiet.samples.iter_mut().for_each(|sample| *sample *= 2.0);
    quiet.unbroken();
}

#[test]
fn every_source_of_a_mix_has_a_track_and_together_they_are_the_mix() {
    let scratch = Scratch::new();
    let (mix, tracks) = (scratch.path("mix.wav"), scratch.path("tracks"));
    let ramp = ramp_source(&scratch);
    let flags = ["--source", "tone:440,level=-20dB", "--source", &ramp];
    let recorded = ["--record", text(&mix), "--record-tracks", text(&tracks)];
    let mut server = server(flags.iter().chain(&recorded));
    wait_until("a second of the mix", || frames_on_disk(&mix, 2) > u64::from(RATE));
    server.stop();

    let mut files: Vec<_> =
        std::fs::read_dir(&tracks).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let [tone, ramp] = &files[..] else {
        panic!("{files:?}");
    };
    let [mix, tone, ramp] = [&mix, tone, ramp].map(|path| Recording::read_finished(path).samples);
    assert!(ramp.iter().any(|sample| *sample != 0.0));
    let most = mix.iter().zip(tone.iter().zip(&ramp));
    let most =
        most.map(|(mix, (tone, ramp))| (mix - (0.1 * tone + ramp)).abs()).fold(0.0, f32::max);
    assert!(most < 1e-6, "{most}");
}

#[test]
fn what_a_listener_missed_takes_its_length_in_its_recording() {
    let scratch = Scratch::new();
    let ramp = ramp_source(&scratch);
    let mut server = server(["--source", &ramp].iter().chain(&UNHURRIED));
    let path = scratch.path("heard.wav");
    let mut listener = client(server.address(), ["--output", "null", "--record", text(&path)]);
    wait_until("sound", || bytes(&path) > 500_000);
    listener.signal(Signal::STOP);
    std::thread::sleep(Duration::from_secs(3));
    listener.signal(Signal::CONT);
    wait_until("more sound", || bytes(&path) > 3_200_000);
    listener.stop();
    let recording = Recording::read_finished(&path);
    let frames: Vec<&[f32]> = recording.samples.chunks_exact(2).collect();
    let told = |frame: &[f32]| (f64::from(frame[0]) * f64::from(1 << 24) - 1.0) as u64;
    let start = frames.iter().position(|frame| frame[0] != 0.0).unwrap();
    let first = told(frames[start]);
    let is_wrong = |frame: &[f32], at: u64| frame[0] != ramp::sample(at, 0);
    let places: Vec<bool> =
        frames[start..].iter().zip(first..).map(|(frame, at)| is_wrong(frame, at)).collect();
    // What is missing, if the system could not keep it, is silence or made up for a moment; what lies
    // behind it is in its place.
    let wrong = places.iter().filter(|is_wrong| **is_wrong).count();
    println!("{wrong} of {} frames were missed", places.len());
    assert!(wrong < 48_000 * 4, "{wrong}");
    assert!(!places[places.len() - 48_000..].contains(&true));
}

#[test]
fn all_but_the_last_second_of_a_killed_recording_is_readable_on_both_sides() {
    let scratch = Scratch::new();
    let ramp = ramp_source(&scratch);
    for kind in ["wav", "flac", "opus"] {
        let sides = ["server", "client"].map(|side| {
            (scratch.path(format!("{side}.{kind}")), scratch.path(format!("{side} {kind} stats")))
        });
        let [(sent, sent_stats), (heard, heard_stats)] = &sides;
        let flags = ["--source", &ramp, "--record", text(sent), "--stats", text(sent_stats)];
        let mut server = server(flags.iter().chain(&UNHURRIED));
        let flags = ["--output", "null", "--record", text(heard), "--stats", text(heard_stats)];
        let mut listener = client(server.address(), flags);
        let mut told = [(0.0, Instant::now()); 2];
        wait_until("sound", || {
            for (told, (_, stats)) in told.iter_mut().zip(&sides) {
                if recorded(stats) > told.0 {
                    *told = (recorded(stats), Instant::now());
                }
            }
            told.iter().all(|(frames, _)| *frames > seconds(2))
        });
        // In the middle of a second, when much has come since it was last said how much.
        std::thread::sleep(Duration::from_millis(400));
        listener.signal(Signal::KILL);
        server.signal(Signal::KILL);
        let killed = Instant::now();
        assert_eq!((listener.wait().code, server.wait().code), (None, None));
        for ((path, _), (frames, at)) in sides.iter().zip(told) {
            let given = frames + (killed - at).as_secs_f64() * f64::from(RATE);
            let there = match kind {
                "wav" => Recording::read(path).unbroken().1 as usize,
                "flac" => {
                    let samples = decoded(path);
                    assert_is_ramp_in_24_bits(&samples, RATE as usize);
                    samples.len() / 2
                }
                _ => decoded(path).len() / 2,
            };
            let missing = given - there as f64;
            println!("{}: {there} frames, {missing:.0} missing", path.display());
            assert!(missing < f64::from(RATE), "{}: {missing} frames missing", path.display());
        }
    }
}

#[test]
fn a_file_or_folder_that_exists_is_refused_in_one_line_and_replaced_if_asked() {
    let scratch = Scratch::new();
    let there = scratch.file("there.flac", "precious");
    let folder = scratch.path("");
    let server_refuses = |flags: &[&str]| {
        let mut command = server_command();
        command.args(["--source", "tone", "--bind", "127.0.0.1", "--port", "0", "--no-web"]);
        command.arg("--no-discovery").args(flags);
        let ended = Program::start(command).wait();
        assert_eq!(ended.code, Some(7), "{ended:?}");
        assert_eq!(ended.stderr.len(), 1, "{ended:?}");
        ended.stderr[0].clone()
    };
    assert!(server_refuses(&["--record", text(&there)]).contains("--overwrite"));
    assert!(server_refuses(&["--record-tracks", text(&folder)]).contains("--overwrite"));
    assert!(server_refuses(&["--record", "/nowhere/a.wav"]).contains("folder does not exist"));
    let mut command = client_command();
    command.args(["127.0.0.1", "--output", "null", "--record", text(&there)]);
    let ended = Program::start(command).wait();
    assert_eq!((ended.code, ended.stderr.len()), (Some(7), 1), "{ended:?}");
    assert_eq!(std::fs::read(&there).unwrap(), b"precious");

    let mut server = server(["--source", "tone", "--overwrite", "--record", text(&there)]);
    wait_until("a recording in its place", || bytes(&there) > 20_000);
    server.stop();
    assert!(decoded(&there).iter().any(|sample| *sample != 0.0));
}

#[test]
fn a_full_disk_is_said_once_and_playing_goes_on() {
    let scratch = Scratch::new();
    // The system lets no file grow beyond 512 KiB: as a disk that fills up while it is written to.
    let limited = |program: &Command, blocks: u32| {
        let mut command = Command::new("sh");
        let within = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        command.arg("-c").arg(within).arg(program.get_program());
        command
    };
    let (sent, heard) = (scratch.path("sent.wav"), scratch.path("heard.wav"));
    let stats = [scratch.path("server"), scratch.path("client")];
    let mut command = limited(&server_command(), 1024);
    command.args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"]);
    command.args(["--source", "tone", "--record", text(&sent), "--stats", text(&stats[0])]);
    let mut server = Program::start(command);
    let mut command = limited(&client_command(), 1024);
    command.arg(server.address().to_string()).args(["--output", "null"]);
    command.args(["--record", text(&heard), "--stats", text(&stats[1])]);
    let mut listener = Program::start(command);
    for (program, path) in [(&mut server, &sent), (&mut listener, &heard)] {
        let line = program.wait_for("the recording has ended");
        assert!(line.contains("what was recorded until now can be played"), "{line}");
        assert!(!Recording::read(path).samples.is_empty());
    }
    let so_far = numbers(&stats[1], "frames_received").last().copied().unwrap_or(0.0);
    let is_later = || {
        let all = numbers(&stats[1], "frames_received");
        all.last().is_some_and(|now| *now > so_far + 2.0 * f64::from(RATE))
    };
    wait_until("two more seconds of sound", is_later);
    assert_eq!(numbers(&stats[1], "recordings").last(), Some(&0.0));
    for program in [&mut server, &mut listener] {
        assert_eq!(program.times_said("the recording has ended"), 1);
        program.stop();
    }

    // Full from the start; it shows when the first sound comes.
    let full = scratch.path("full.opus");
    let mut server = crate::support::servers::server(["--source", "tone"]);
    let mut command = limited(&client_command(), 0);
    command.arg(server.address().to_string());
    command.args(["--output", "null", "--record", text(&full)]);
    let mut listener = Program::start(command);
    let line = listener.wait_for("the recording has ended");
    assert!(!line.contains("what was recorded until now can be played"), "{line}");
    assert!(!full.exists(), "an empty file stays");
    assert!(listener.is_running() && server.is_running());
}

#[test]
fn a_recording_that_is_removed_is_missed_and_playing_goes_on() {
    let scratch = Scratch::new();
    let path = scratch.path("sent.flac");
    let mut server = server(["--source", "tone", "--record", text(&path)]);
    let mut listener = client(server.address(), ["--output", "null"]);
    listener.wait_for("connected to");
    wait_until("sound", || bytes(&path) > 10_000);
    std::fs::remove_file(&path).unwrap();
    let line = server.wait_for("the recording has ended");
    assert!(line.contains("somebody has removed this file"), "{line}");
    assert!(listener.is_running());
    server.stop();
    assert!(!path.exists());
}
