//! Films made here: espeak-ng speaks in the middle, and what has nothing to do with each other is on both sides.

use super::*;
use crate::espeak::{RATE, espeak};

const LINES: &str = "Did you see that? The man with the hat was there before, and nobody noticed. \
    I think that we should leave this house tonight, before somebody else comes.";

/// A film in its parts: what is said in the middle, and what is beside it on the left and the right.
struct Film {
    said: Vec<f32>,
    beside: [Vec<f32>; 2],
}

/// What is beside speech.
#[derive(Debug, Clone, Copy)]
enum Beside {
    /// Noise that has as much in each octave, as rain and streets have.
    Noise,
    /// Chords that change, other ones on each side.
    Music,
}

impl Film {
    /// One in which what is said in that voice is so many dB louder than what is beside it.
    fn new(voice: &str, beside: Beside, over_db: f64) -> Self {
        let mut said = espeak(voice, LINES);
        scale(&mut said, 0.05);
        let frames = said.len();
        let beside = [1, 2].map(|side| {
            let mut sound = match beside {
                Beside::Noise => pink(frames, side),
                Beside::Music => chords(frames, side),
            };
            scale(&mut sound, 0.05 * 10_f64.powf(-over_db / 20.0));
            sound
        });
        Self { said, beside }
    }

    /// What a listener hears of it, with what is said as it is or the other way up.
    fn heard(&self, ear: &mut Ear, way: f32) -> Vec<f32> {
        let [left, right] = &self.beside;
        let frames = self.said.iter().zip(left).zip(right);
        let mut film: Vec<f32> = frames
            .flat_map(|((said, left), right)| [way * said + left, way * said + right])
            .collect();
        film.chunks_mut(2 * 500).for_each(|piece| ear.process(piece));
        film
    }

    /// By how many dB an ear makes what is said louder; what is beside it, all of it; and the difference of both sides.
    /// What is said and what is not are told apart by hearing it once the other way up (B. Hagerman and
    /// Å. Olofsson, “A method to measure the effect of noise reduction algorithms”, 2004).
    fn rises(&self, hearing: Hearing) -> [f64; 3] {
        let [up, down] = [1.0, -1.0].map(|way| {
            let mut ear = Ear::new(STEREO);
            ear.set(hearing);
            self.heard(&mut ear, way)
        });
        let halves = |sign: f32| -> Vec<f32> {
            up.iter().zip(&down).map(|(up, down)| (up + sign * down) / 2.0).collect()
        };
        let (said, beside) = (halves(-1.0), halves(1.0));
        let [left, right] = &self.beside;
        let before: Vec<f32> = left.iter().zip(right).flat_map(|(l, r)| [*l, *r]).collect();
        let difference = |both: &[f32]| -> Vec<f32> {
            both.chunks(2).map(|frame| frame[0] - frame[1]).collect()
        };
        [
            db(power(&said) / power(&self.said)),
            db(power(&beside) / power(&before)),
            db(power(&difference(&beside)) / power(&difference(&before))),
        ]
    }
}

fn power(sound: &[f32]) -> f64 {
    sound.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / sound.len() as f64
}

fn db(ratio: f64) -> f64 {
    10.0 * ratio.log10()
}

/// Makes the root of its mean square `to`.
fn scale(sound: &mut [f32], to: f64) {
    let gain = (to / power(sound).sqrt()) as f32;
    sound.iter_mut().for_each(|sample| *sample *= gain);
}

/// White noise through one-pole filters an octave and a half apart, which add up to −3 dB an octave.
fn pink(frames: usize, seed: u64) -> Vec<f32> {
    let mut next = white(seed);
    let mut lows = [0.0_f32; 7];
    let follow: Vec<f32> = (0..7).map(|n| (0.5 / 2.83_f32.powi(n)).min(0.9)).collect();
    (0..frames)
        .map(|_| {
            let sample = next();
            for (low, follow) in lows.iter_mut().zip(&follow) {
                *low += (sample - *low) * follow;
            }
            lows.iter().zip(0..).map(|(low, n)| low * 1.68_f32.powi(n)).sum()
        })
        .collect()
}

/// Chords of seven tones that last for half a second.
fn chords(frames: usize, seed: u64) -> Vec<f32> {
    let mut next = white(seed);
    let mut out = Vec::with_capacity(frames);
    while out.len() < frames {
        let tones: Vec<f32> = (0..7).map(|_| 110.0 * 2_f32.powf((next() + 1.0) * 2.5)).collect();
        let turns: Vec<f32> = tones.iter().map(|_| next() * 3.0).collect();
        for n in 0..RATE / 2 {
            let t = n as f32 / RATE as f32;
            let sum: f32 = tones
                .iter()
                .zip(&turns)
                .map(|(hz, turn)| {
                    (std::f32::consts::TAU * hz * t + turn).sin() * 200.0 / (200.0 + hz)
                })
                .sum();
            out.push(sum * (1.0 - t) * (n as f32 / 500.0).min(1.0));
        }
    }
    out.truncate(frames);
    out
}

fn dialogue(dialogue_db: i8) -> Hearing {
    Hearing { dialogue_db, ..Hearing::default() }
}

#[test]
fn dialogue_of_6_db_raises_speech_by_6_db_against_the_sides() {
    for voice in ["en", "en+f3", "de"] {
        for beside in [Beside::Noise, Beside::Music] {
            for over_db in [0.0, 6.0, 12.0] {
                let [said, all, sides] = Film::new(voice, beside, over_db).rises(dialogue(6));
                println!(
                    "{voice}, {over_db} dB over {beside:?}: speech {said:+.2} dB, sides {sides:+.2} \
                     dB, all that is beside speech {all:+.2} dB"
                );
                assert!((5.0..=7.0).contains(&(said - sides)), "{said:.2} dB, {sides:.2} dB");
                assert!(sides.abs() < 0.1 && all < said - 2.0, "{said:.2} dB, {all:.2} dB");
            }
        }
    }
}

#[test]
fn dialogue_follows_what_is_asked_for() {
    let film = Film::new("en", Beside::Noise, 6.0);
    for asked_db in [3, 9, 12] {
        let [said, _, sides] = film.rises(dialogue(asked_db));
        println!("{asked_db} dB: speech {said:+.2} dB, sides {sides:+.2} dB");
        assert!((said - sides - f64::from(asked_db)).abs() < 1.0, "{said:.2} dB");
    }
}

#[test]
fn where_nobody_speaks_dialogue_changes_next_to_nothing() {
    for beside in [Beside::Noise, Beside::Music] {
        let mut film = Film::new("en", beside, 0.0);
        film.said.fill(0.0);
        let mut ear = Ear::new(STEREO);
        ear.set(dialogue(6));
        let before = film.heard(&mut Ear::new(STEREO), 1.0);
        let after = film.heard(&mut ear, 1.0);
        let rise = db(power(&after) / power(&before));
        println!("{beside:?} alone: {rise:+.2} dB");
        assert!(rise.abs() < 0.8, "{beside:?}: {rise:.2} dB");
    }
}

#[test]
fn a_stream_of_one_channel_has_its_band_of_speech_raised_and_a_centre_channel_is_raised_alone() {
    let said = espeak("en", LINES);
    let mut ear = Ear::new(Format { channels: 1, ..STEREO });
    ear.set(dialogue(6));
    let mut alone = said.clone();
    ear.process(&mut alone);
    let rise = db(power(&alone) / power(&said));
    assert!((rise - 6.0).abs() < 0.5, "{rise:.2} dB");

    let mut ear = Ear::new(Format { channels: 6, ..STEREO });
    ear.set(dialogue(6));
    let mut frame = [0.1_f32; 6];
    ear.process(&mut frame);
    for (channel, sample) in frame.into_iter().enumerate() {
        let expected = if channel == 2 { 0.1 * 10_f32.powf(0.3) } else { 0.1 };
        assert!((sample - expected).abs() < 1e-6, "channel {channel}: {sample}");
    }
}
