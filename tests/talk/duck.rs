//! The film steps back while somebody speaks.

use std::time::Duration;

use super::person::{Person, RATE, converse_at_ease, microphone};
use crate::support::Scratch;
use crate::support::flags::source;
use crate::support::servers::server;
use crate::support::wav::write_wav;

/// The frequency of the film, which stands on the left alone: where no voice is, the right is
/// silent.
const FILM_HZ: f64 = 1_000.0;
const FILM: f64 = 0.125;
const VOICE_HZ: f64 = 300.0;
const VOICE: f64 = 0.1;

/// The film's level is taken over this many frames: whole periods of it.
const WINDOW: usize = RATE as usize / 100;

fn sine(hz: f64, amplitude: f64, n: u64) -> f32 {
    (amplitude * (std::f64::consts::TAU * hz * n as f64 / f64::from(RATE)).sin()) as f32
}

/// How much softer than it is the film plays in the window that begins at frame `at`, in dB.
fn film_db(film: &[f32], at: usize) -> f64 {
    let squares = film[at..at + WINDOW].iter().map(|sample| f64::from(*sample).powi(2));
    let rms = (squares.sum::<f64>() / WINDOW as f64).sqrt();
    20.0 * (rms / (FILM / 2_f64.sqrt())).max(1e-9).log10()
}

#[test]
fn the_film_steps_back_by_what_duck_says_for_as_long_as_somebody_speaks() {
    let scratch = Scratch::new();
    let path = scratch.path("film.wav");
    let film = (0..40 * u64::from(RATE)).flat_map(|n| [sine(FILM_HZ, FILM, n), 0.0]);
    write_wav(&path, RATE, 2, film);
    let film = source(&path);
    let chunk = 480;
    let mut server = server([
        "--source",
        &film,
        "--talk",
        "--duck",
        "12",
        "--codecs",
        "f32",
        "--chunk-size",
        "480",
        "--playout-delay-ms",
        "2000",
        "--max-queue-size",
        "1000",
    ]);
    let address = server.address();
    let mut listener = Person::join(address, "listener", "f32", None);
    let mut talker = Person::join_in_time(address, "talker", "f32", microphone("f32"));
    let since_us = talker.server_us();
    // Who speaks at ease begins before now.
    listener.listen_until("a second of the film", |person| {
        person.heard.last().is_some_and(|heard| heard.header.captured_us > since_us + 1_000_000)
    });
    let speaking = std::thread::spawn(move || {
        let spoken = Duration::from_millis(1_500);
        let begun_us = converse_at_ease(&mut talker, spoken, |n| sine(VOICE_HZ, VOICE, n));
        (talker, begun_us)
    });
    listener.listen_until("all was said", |_| speaking.is_finished());
    let (_talker, begun_us) = speaking.join().unwrap();
    listener.listen_until("what comes after it", |person| {
        person.heard.last().is_some_and(|heard| heard.header.captured_us > begun_us + 4_500_000)
    });

    let from_us = begun_us - 300_000;
    let left = listener.heard_from(from_us);
    let late = listener.heard.iter().filter(|heard| heard.header.captured_us >= from_us);
    let right: Vec<f32> =
        late.flat_map(|heard| heard.samples.iter().skip(1).step_by(2).copied()).collect();
    let film: Vec<f32> = left.iter().zip(&right).map(|(left, right)| left - right).collect();
    let is_voice = |sample: &f32| sample.abs() > 1e-4;
    let begins = right.iter().position(is_voice).expect("nobody was heard");
    let ends = right.iter().rposition(is_voice).unwrap();
    let spoken_s = (ends - begins) as f64 / f64::from(RATE);
    assert!((spoken_s - 1.5).abs() < 0.1, "{spoken_s} s of voice");

    let ms = |count: usize| count * RATE as usize / 1_000;
    assert!(film_db(&film, begins - chunk - WINDOW).abs() < 0.1, "it steps back too early");
    let down = begins + ms(100) + chunk;
    for at in (down..ends - WINDOW).step_by(WINDOW) {
        let db = film_db(&film, at);
        assert!((db + 12.0).abs() < 1.0, "{db:.2} dB, {} frames after the voice", at - begins);
    }
    let back = (ends..film.len() - WINDOW).step_by(WINDOW / 4);
    let back = back.into_iter().find(|at| film_db(&film, *at).abs() < 1.0).expect("never back");
    let back_s = (back - ends) as f64 / f64::from(RATE);
    println!("{:.2} dB while somebody speaks, back {back_s:.3} s after", film_db(&film, down));
    assert!((0.5..1.0).contains(&back_s), "back after {back_s} s");
    for at in (ends + ms(1_000)..film.len() - WINDOW).step_by(WINDOW) {
        assert!(film_db(&film, at).abs() < 0.1, "it is not back for good");
    }
}
