//! A microphone that hears the loudspeakers: an output of the room is looped into it.

use std::path::{Path, PathBuf};

use crate::speech::{resampled, speech};
use crate::support::compare::{find, likeness};
use crate::support::median::median;
use crate::support::microphones::MOUTH;
use crate::support::program::Program;
use crate::support::room::{EAR1, PC, RATE, Room};
use crate::support::stereo::noise;
use crate::support::waiting::wait_until;
use crate::support::wav::write_wav;

/// What of the film may come back is looked at from then on, in seconds of what goes out.
const LEARNT: usize = 3;
const LOOKED_AT: usize = 12;

/// What the server's recordings have.
const RECORDED: usize = 48_000;

/// Pieces of a sentence's first second that are compared, and how far each may lie from where it should, in frames.
const PIECES: usize = 5;
const MOVED: usize = RECORDED / 100;

/// What of it must be missing, in dB.
const LESS_DB: f64 = 30.0;

/// People who talk in the middle, and wind at the sides.
fn film(room: &Room) -> PathBuf {
    const TEXT: &str = "Long ago in a town by the sea there lived an old captain who had lost his ship \
        and his crew in a storm that nobody remembered any more. He told the story to whoever would \
        listen, in the tavern, at the market, on the steps of the church.";
    let (said, rate, _) = samples_of(&speech(room, "captain.wav", TEXT));
    let said = resampled(&said, rate, RATE);
    let path = room.path("film.wav");
    let wind = noise(30 * RATE as usize, RATE);
    let frames = wind.left.iter().zip(&wind.right).enumerate();
    let frames = frames.flat_map(|(at, (left, right))| {
        let said = said[at % said.len()] * 0.4;
        [said + left * 0.03, said + right * 0.03]
    });
    write_wav(&path, RATE, 2, frames);
    path
}

/// A microphone that hears the person and, as loud, what the first ear plays.
fn plug_open_microphone(room: &mut Room) {
    room.plug(MOUTH);
    let index = room.pactl(&[
        "load-module",
        "module-remap-source",
        "source_name=open",
        "master=room.monitor",
        &format!("rate={RATE}"),
        "channels=2",
        "channel_map=front-left,front-right",
        "master_channel_map=side-left,rear-left",
        "remix=no",
        "source_properties=device.description=open",
    ]);
    room.modules.insert("open", index);
}

/// Plays the film to somebody with loudspeakers and an open microphone, cleaned as `clean` says: what
/// of the microphone went out, once a sentence was said into it after [`LEARNT`] and [`LOOKED_AT`].
fn goes_out(clean: &str) -> (Vec<f32>, Vec<f32>) {
    let mut room = Room::open_alone();
    plug_open_microphone(&mut room);
    let tracks = room.path(&format!("tracks {clean}"));
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-server"));
    command
        .args(["--source", "loopback:pc", "--sample-rate", "48000", "--talk"])
        .arg("--record-tracks")
        .arg(&tracks);
    command.args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"]);
    let mut server = Program::start(command);
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
    command.args([&server.address().to_string(), "--device", EAR1.name, "--talk", "--mic", "open"]);
    command.args(["--name", "open", "--clean", clean, "--talk-codec", "s16"]);
    let mut talker = Program::start(command);
    talker.wait_for("you can be heard");
    let recorder = room.record();
    let sentence = speech(&room, "said.wav", "The train leaves at half past nine in the morning.");
    let _film = room.play(&film(&room), PC);
    wait_until("the film is heard", || recorder.hears(EAR1));
    let from = recorder.seconds();
    // Tracks begin a little before the recording does.
    let looked_at = from + (LEARNT + LOOKED_AT + 3) as f64;
    wait_until("enough is recorded", || recorder.seconds() > looked_at);
    let _said = room.play(&sentence, MOUTH);
    wait_until("the sentence is over", || recorder.seconds() > looked_at + 5.0);
    talker.stop();
    server.stop();
    let said = recorder.played(MOUTH, from).left;
    (track_of(&tracks, "open"), resampled(&said, RATE, RECORDED as u32))
}

/// The left channel of the track of that name; nothing where nobody of that name said a word.
fn track_of(folder: &Path, name: &str) -> Vec<f32> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let track = files.into_iter().find(|path| path.to_string_lossy().contains(name));
    let (samples, _, channels) = track.map_or_else(Default::default, |path| samples_of(&path));
    samples.chunks_exact(channels.max(1)).map(|frame| frame[0]).collect()
}

/// What a WAV file holds, interleaved, its rate and channels.
pub(crate) fn samples_of(path: &Path) -> (Vec<f32>, u32, usize) {
    let mut file = hound::WavReader::open(path).unwrap();
    let spec = file.spec();
    let samples = match spec.sample_format {
        hound::SampleFormat::Float => file.samples::<f32>().map(Result::unwrap).collect(),
        hound::SampleFormat::Int => {
            file.samples::<i16>().map(|sample| f32::from(sample.unwrap()) / 32_768.0).collect()
        }
    };
    (samples, spec.sample_rate, usize::from(spec.channels))
}

fn energy(samples: &[f32]) -> f64 {
    samples.iter().map(|sample| f64::from(*sample).powi(2)).sum()
}

#[test]
fn a_film_that_loudspeakers_play_does_not_come_back_and_whoever_speaks_is_heard() {
    let (before, _) = goes_out("off");
    let (after, said) = goes_out("auto");
    let second = |track: &[f32], at: usize| {
        let (from, to) = (at * RECORDED, (at + 1) * RECORDED);
        energy(&track[from.min(track.len())..to.min(track.len())])
    };
    let less_db = |at: usize| {
        let before = second(&before, at);
        10.0 * (before / second(&after, at).max(before * 1e-9)).log10()
    };
    let less: Vec<f64> = (LEARNT..LEARNT + LOOKED_AT).map(less_db).collect();
    println!("{less:.0?} dB less of the film goes out than without, second by second");
    // On a busy machine PulseAudio itself loses sound now and then, and the room's echo jumps.
    let enough = less.iter().filter(|less_db| **less_db >= LESS_DB).count();
    assert!(enough >= LOOKED_AT * 3 / 4, "{less:.0?} dB");

    // The sentence is found again in what went out.
    let start = said.iter().position(|sample| sample.abs() > 0.02).expect("it was said");
    let after = &after[(LEARNT + LOOKED_AT - 1) * RECORDED..];
    let lag = find(&said[start..start + RECORDED], after);
    let alike = (0..PIECES).map(|at| {
        let from = at * RECORDED / PIECES;
        let piece = &said[start + from..start + from + RECORDED / PIECES];
        // So much may a busy machine have moved it.
        let around = lag + from - (lag + from).min(MOVED)..lag + from + piece.len() + MOVED;
        let around = &after[around.start..around.end.min(after.len())];
        likeness(piece, &around[find(piece, around)..], 1).0
    });
    let alike = median(alike);
    println!("a sentence during the film comes through alike by {alike:.3}");
    assert!(alike >= 0.8, "{alike:.3}");
}
