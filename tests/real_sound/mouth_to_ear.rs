//! Two people who talk during a film, through the real server, into a room's one recording.

use std::path::PathBuf;

use crate::echo::samples_of;
use crate::room::MIC2;
use crate::speech::{resampled, speech};
use crate::support::compare::{find, likeness};
use crate::support::median::median;
use crate::support::microphones::{MIC1, MOUTH, Microphone};
use crate::support::program::Program;
use crate::support::recorder::Recorder;
use crate::support::room::{EAR1, EAR2, PC, RATE, Room, Sink};
use crate::support::stereo::noise;
use crate::support::waiting::wait_until;
use crate::support::wav::write_wav;

/// What `live` may take from one mouth to another's ear, Opus of 10 ms on the way; and where the voice is
/// cleaned, too.
const MOUTH_TO_EAR_MS: f64 = 50.0;
const CLEANED_MS: f64 = 55.0;

/// Words last a second, and so do the pauses between them; the two people take turns.
const WORD: usize = RATE as usize;

/// What is compared at a time, and how much later it is looked for, in frames.
const PIECE: usize = RATE as usize / 5;
const SEARCHED: usize = RATE as usize / 5;

/// Words that are compared, and how many pieces of the three that are whole in each word of one person
/// must have been heard: PulseAudio itself loses some on a busy machine.
const WORDS: usize = 6;
const ENOUGH: usize = WORDS / 2 * 2;

/// A film that never pauses, softer than those who talk over it.
fn film(room: &Room) -> PathBuf {
    let path = room.path("film.wav");
    let noise = noise(120 * WORD, RATE);
    let frames = noise.left.iter().zip(&noise.right).rev();
    write_wav(&path, RATE, 2, frames.flat_map(|(l, r)| [l * 0.25, r * 0.25]));
    path
}

/// Both people: one speaks in the even seconds, the other in the odd ones.
fn talk(room: &Room) -> PathBuf {
    let path = room.path("talk.wav");
    let noise = noise(60 * WORD, RATE);
    let spoken = noise.left.iter().zip(&noise.right).enumerate();
    let is_even = |at: usize| (at / WORD).is_multiple_of(2);
    let frames = spoken.flat_map(|(at, (l, r))| if is_even(at) { [*l, 0.0] } else { [0.0, *r] });
    write_wav(&path, RATE, 2, frames);
    path
}

/// Two people who take turns in real words: where noise is taken out something is left of these.
fn talk_in_words(room: &Room) -> PathBuf {
    const TEXT: &str = "We should have seen this film years ago, and my sister thinks so too.";
    let (said, rate, _) = samples_of(&speech(room, "words.wav", TEXT));
    let said = resampled(&said, rate, RATE);
    let path = room.path("talk.wav");
    let word = |at: usize| said.get(at % WORD + WORD / 4).copied().unwrap_or_default();
    let is_even = |at: usize| (at / WORD).is_multiple_of(2);
    let frames =
        (0..60 * WORD).flat_map(|at| if is_even(at) { [word(at), 0.0] } else { [0.0, word(at)] });
    write_wav(&path, RATE, 2, frames);
    path
}

fn talker(room: &Room, address: &str, ear: Sink, microphone: Microphone, clean: &str) -> Program {
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-client"));
    command.args([address, "--device", ear.name, "--mic", microphone.name, "--talk"]);
    command.args(["--clean", clean]);
    command.args(["--name", ear.name]);
    Program::start(command)
}

/// How much later than they were said pieces of words were heard, in ms, and how loud; from second
/// `from` of the recording on.
fn heard(recorder: &Recorder, from: f64, is_left: bool, ear: Sink) -> Vec<(f64, f64)> {
    let mouths = recorder.played(MOUTH, from);
    let said = if is_left { mouths.left } else { mouths.right };
    let ear = recorder.played(ear, from).left;
    let mut found = Vec::new();
    let mut at = 0;
    while at + PIECE + SEARCHED < said.len().min(ear.len()) {
        let piece = &said[at..at + PIECE];
        if piece.iter().filter(|sample| sample.abs() > 1e-4).count() > PIECE * 9 / 10 {
            let lag = find(piece, &ear[at..at + PIECE + SEARCHED]);
            let (like, gain) = likeness(piece, &ear[at + lag..at + lag + PIECE], 1);
            if like > 0.6 {
                found.push((lag as f64 * 1e3 / f64::from(RATE), gain));
            }
        }
        at += PIECE;
    }
    found
}

/// Lets two people talk in turn, their voices cleaned as `clean` says, over a film until both have heard each other and `is_enough` says of
/// the medians of how much later, in ms, that they are.
fn talk_over_a_film(clean: &str, is_enough: impl Fn([f64; 2]) -> bool) {
    let mut room = Room::open_alone();
    room.plug_microphone(MIC1);
    room.plug_microphone(MIC2);
    let mut command = room.command(env!("CARGO_BIN_EXE_auralync-server"));
    command.args(["--preset", "live", "--source", "loopback:pc", "--talk"]);
    command.args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"]);
    let mut server = Program::start(command);
    let address = server.address().to_string();
    let talker = |ear, microphone| talker(&room, &address, ear, microphone, clean);
    let mut talkers = [talker(EAR1, MIC1), talker(EAR2, MIC2)];
    talkers.iter_mut().for_each(|talker| _ = talker.wait_for("you can be heard"));
    let recorder = room.record();
    let _film = room.play(&film(&room), PC);
    // Of words that are noise nothing would be left.
    let words = if clean == "off" { talk(&room) } else { talk_in_words(&room) };
    let _talk = room.play(&words, MOUTH);
    wait_until("the film is heard", || recorder.hears(EAR1) && recorder.hears(EAR2));

    // A busy machine may spoil some words; then the next ones count.
    wait_until("both have heard each other", || {
        let from = recorder.seconds();
        wait_until("enough is recorded", || recorder.seconds() > from + WORDS as f64);
        let others = [(true, EAR2), (false, EAR1)]
            .map(|(is_left, ear)| heard(&recorder, from, is_left, ear));
        let own = [(true, EAR1), (false, EAR2)]
            .map(|(is_left, ear)| heard(&recorder, from, is_left, ear));
        let lags = others.each_ref().map(|heard| median(heard.iter().map(|one| one.0)));
        println!(
            "{} and {} pieces, {lags:.1?} ms after they were said",
            others[0].len(),
            others[1].len()
        );
        assert!(own.iter().all(Vec::is_empty), "nobody hears themselves: {own:?}");
        others.iter().all(|heard| heard.len() >= ENOUGH) && is_enough(lags)
    });
    talkers.iter_mut().for_each(|talker| _ = talker.stop());
    server.stop();
}

#[test]
fn two_people_hear_each_other_over_a_film_and_never_themselves() {
    talk_over_a_film("off", |_| true);
}

#[test]
fn two_people_whose_voices_are_cleaned_hear_each_other_over_a_film() {
    talk_over_a_film("auto", |_| true);
}

#[test]
#[ignore = "measures: it needs a machine that has nothing else to do, and --release"]
fn from_mouth_to_ear_it_takes_no_longer_than_50_ms() {
    talk_over_a_film("off", |lags| lags.iter().all(|lag| *lag <= MOUTH_TO_EAR_MS));
}

#[test]
#[ignore = "measures: it needs a machine that has nothing else to do, and --release"]
fn from_mouth_to_ear_a_cleaned_voice_takes_no_longer_than_55_ms() {
    talk_over_a_film("auto", |lags| lags.iter().all(|lag| *lag <= CLEANED_MS));
}
