//! Speech by espeak-ng, and noises of rooms.

use super::*;
#[cfg(target_os = "linux")]
use crate::espeak::espeak;

const RATE: usize = 48_000;
const BLOCK: usize = RATE * BLOCK_MS / 1000;

/// What is sent of the time before the voice was heard of, in blocks.
const LOOK_BACK: usize = super::super::speak::LOOK_BACK;

/// Words that begin with every kind of sound, with voices of both sexes and three languages.
#[cfg(target_os = "linux")]
const WORDS: [(&str, &str); 26] = [
    ("en", "apple"),
    ("en", "hello"),
    ("en+f3", "seven"),
    ("en+f3", "five"),
    ("en", "thank you"),
    ("en", "shall we"),
    ("en+m3", "mother"),
    ("en+m3", "no"),
    ("en+f2", "listen"),
    ("en+f2", "really"),
    ("en", "water"),
    ("en", "yes"),
    ("en+m7", "table"),
    ("en+m7", "paper"),
    ("en", "coffee"),
    ("en", "dog"),
    ("en+f4", "back"),
    ("en+f4", "good"),
    ("en", "very"),
    ("en", "zero"),
    ("en", "church"),
    ("en", "judge"),
    ("de", "Hallo"),
    ("de", "fünf"),
    ("fr", "bonjour"),
    ("fr", "chaise"),
];

#[cfg(target_os = "linux")] // Where setup.sh can install espeak-ng.
#[test]
fn the_first_50_ms_of_a_word_are_never_cut() {
    let mut latencies = Vec::new();
    for (voice, word) in WORDS {
        let spoken = espeak(voice, word);
        for (level_db, noise_db) in [(-20.0, -75.0), (-20.0, -45.0), (-40.0, -75.0), (-30.0, -50.0)]
        {
            for noise in [white as fn(usize) -> Vec<f32>, fan] {
                // Two seconds of the room, the word, and the room again.
                let mut sound = at_db(&noise(RATE * 2 + spoken.len() + RATE), noise_db);
                let start = RATE * 2 + 123;
                let said = at_db(&spoken, level_db);
                sound[start..].iter_mut().zip(&said).for_each(|(sound, said)| *sound += said);
                let passes = passes(&sound);
                let onset = start + onset(&said);
                let first =
                    (onset / BLOCK..=(onset + RATE / 20) / BLOCK).find(|block| !passes[*block]);
                let opened = opened(&sound, onset / BLOCK).unwrap_or(99);
                latencies.push(opened);
                assert_eq!(
                    first, None,
                    "“{word}” ({voice}) at {level_db} dB in {noise_db} dB: opened after {opened}"
                );
            }
        }
    }
    latencies.sort_unstable();
    println!(
        "opened after {} blocks (median), {} at worst, of {} words",
        latencies[latencies.len() / 2],
        latencies[latencies.len() - 1],
        latencies.len()
    );
}

#[test]
fn at_most_a_fiftieth_of_any_noise_passes() {
    let length = 60 * RATE;
    let noises = [
        ("white", white(length)),
        ("pink", pink(length)),
        ("brown", brown(length)),
        ("hum", hum(length)),
        ("fan", fan(length)),
    ];
    for (name, noise) in noises {
        for db in [-70.0, -50.0, -30.0] {
            let passes = passes(&at_db(&noise, db));
            let share =
                passes.iter().filter(|passes| **passes).count() as f64 / passes.len() as f64;
            println!("{name} noise at {db} dB: {:.2} % passes", share * 100.0);
            assert!(share <= 0.02, "{:.2} % of {name} noise at {db} dB passes", share * 100.0);
        }
    }
}

#[cfg(target_os = "linux")] // Where setup.sh can install espeak-ng.
#[test]
fn a_sentence_passes_as_one_and_the_silence_after_it_does_not() {
    let said = at_db(&espeak("en", "Did you see that? I think he was there before."), -20.0);
    let mut sound = at_db(&pink(RATE + said.len() + 2 * RATE), -60.0);
    sound[RATE..].iter_mut().zip(&said).for_each(|(sound, said)| *sound += said);
    let passes = passes(&sound);
    let edges = passes.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(edges, 2, "it opens once and closes once");
    let end = (RATE + said.len()) / BLOCK;
    assert!(!passes[end + LONGEST_HANGOVER as usize + 5..].contains(&true));
}

#[test]
fn a_noise_that_begins_is_the_rooms_own_after_three_seconds() {
    let mut sound = at_db(&white(10 * RATE), -70.0);
    let fan = at_db(&fan(10 * RATE), -35.0);
    sound[3 * RATE..].iter_mut().zip(&fan).for_each(|(sound, fan)| *sound += fan);
    let passes = passes(&sound);
    let last = passes.iter().rposition(|passes| *passes).unwrap();
    assert!(last < 6 * RATE / BLOCK, "block {last}");
}

#[test]
fn silence_and_nonsense_are_no_voice() {
    let mut voice = VoiceActivity::new(48_000);
    assert!(!voice.hear(&[0.0; BLOCK]));
    assert!(!voice.hear(&[f32::NAN; BLOCK]) && !voice.hear(&[]));
    let mut slow = VoiceActivity::new(8_000);
    assert!((0..1000).all(|_| !slow.hear(&[1e-5; 80])), "its upper band does not swing up");
}

/// A room of `tests/vectors/voice`, where the page's rules are held to the same decisions.
#[derive(serde::Deserialize)]
struct Heard {
    name: String,
    rate: u32,
    /// For so many blocks: how loud the noise, a buzz of 120 Hz and a hum of 50 Hz are.
    parts: Vec<(usize, f64, f64, f64)>,
    /// From which block to before which it is open.
    opens: Vec<[usize; 2]>,
}

impl Heard {
    /// Its sound by whole numbers and products alone, which are the same in every language.
    fn sound(&self) -> Vec<f32> {
        let mut state = 1_u64;
        let block = (f64::from(self.rate) / 100.0).round() as usize;
        let saw = |frame: usize, hz: usize| {
            (frame * hz % self.rate as usize) as f64 / f64::from(self.rate) * 2.0 - 1.0
        };
        let mut sound = Vec::new();
        for (blocks, hiss, buzz, hum) in &self.parts {
            for _ in 0..blocks * block {
                state = state * 48_271 % 2_147_483_647;
                let noise = state as f64 / 2_147_483_647.0 * 2.0 - 1.0;
                let at = sound.len();
                sound.push((noise * hiss + saw(at, 120) * buzz + saw(at, 50) * hum) as f32);
            }
        }
        sound
    }
}

#[test]
fn rooms_open_as_their_vectors_say() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/voice/rooms.json");
    let rooms: Vec<Heard> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    for room in &rooms {
        let mut voice = VoiceActivity::new(room.rate);
        let sound = room.sound();
        let blocks = sound.chunks((f64::from(room.rate) / 100.0).round() as usize);
        let mut opens: Vec<[usize; 2]> = Vec::new();
        for (at, block) in blocks.enumerate() {
            match (voice.hear(block), opens.last_mut()) {
                (true, Some(last)) if last[1] == at => last[1] += 1,
                (true, _) => opens.push([at, at + 1]),
                (false, _) => {}
            }
        }
        // A new room: write it without them, and take over what this prints.
        assert_eq!(opens, room.opens, "{}", room.name);
    }
}

/// Which blocks are sent: those that are open, and some before each opening.
fn passes(sound: &[f32]) -> Vec<bool> {
    let mut voice = VoiceActivity::new(RATE as u32);
    let open: Vec<bool> = sound.chunks_exact(BLOCK).map(|block| voice.hear(block)).collect();
    (0..open.len()).map(|at| open[at..].iter().take(LOOK_BACK + 1).any(|open| *open)).collect()
}

/// How many blocks after `from` it first opens.
#[cfg(target_os = "linux")]
fn opened(sound: &[f32], from: usize) -> Option<usize> {
    let mut voice = VoiceActivity::new(RATE as u32);
    let open: Vec<bool> = sound.chunks_exact(BLOCK).map(|block| voice.hear(block)).collect();
    open[from..].iter().position(|open| *open)
}

/// Where a word begins: the first 5 ms within 35 dB of its loudest.
#[cfg(target_os = "linux")]
fn onset(word: &[f32]) -> usize {
    let power = |piece: &[f32]| piece.iter().map(|sample| sample * sample).sum::<f32>();
    let pieces: Vec<f32> = word.chunks(RATE / 200).map(power).collect();
    let loudest = pieces.iter().copied().fold(0.0, f32::max);
    let first = pieces.iter().position(|piece| *piece > loudest * 10_f32.powf(-3.5));
    first.unwrap() * RATE / 200
}

/// That sound with a mean square of so many dB below full scale.
fn at_db(sound: &[f32], db: f32) -> Vec<f32> {
    let power = sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len() as f32;
    let gain = 10_f32.powf(db / 20.0) / power.sqrt();
    sound.iter().map(|sample| sample * gain).collect()
}

fn white(frames: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut next = || {
        // Knuth's multiplier; the upper bits are the random ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..frames).map(|_| next()).collect()
}

/// White noise through one-pole filters an octave and a half apart, which add up to −3 dB an octave.
fn pink(frames: usize) -> Vec<f32> {
    let mut poles =
        [(0.0, 20.0), (0.0, 60.0), (0.0, 180.0), (0.0, 540.0), (0.0, 1_620.0), (0.0, 4_860.0)];
    let mut pass = |sample: f32| {
        poles
            .iter_mut()
            .map(|(state, hz)| {
                let share = 1.0 - (-std::f32::consts::TAU * *hz / RATE as f32).exp();
                *state += share * (sample - *state);
                *state / share.sqrt()
            })
            .sum()
    };
    white(frames).into_iter().map(&mut pass).collect()
}

fn brown(frames: usize) -> Vec<f32> {
    let mut state = 0.0;
    let mut pass = |sample: f32| {
        state = state * 0.999 + sample;
        state
    };
    white(frames).into_iter().map(&mut pass).collect()
}

/// Mains hum with its harmonics, and a little hiss.
fn hum(frames: usize) -> Vec<f32> {
    let hiss = white(frames);
    let at = |frame: usize| {
        let turns = frame as f32 / RATE as f32 * 50.0;
        let tone = |n: usize| (turns * n as f32).fract() * std::f32::consts::TAU;
        (1..=20).map(|n| tone(n).sin() / n as f32).sum::<f32>() + hiss[frame] * 0.05
    };
    (0..frames).map(at).collect()
}

/// A rush that its blades make stronger and weaker by 3 dB, seven times a second, and their tone.
fn fan(frames: usize) -> Vec<f32> {
    let rush = pink(frames);
    let power = (rush.iter().map(|sample| sample * sample).sum::<f32>() / frames as f32).sqrt();
    let at = |frame: usize| {
        let seconds = frame as f32 / RATE as f32;
        let turn = |hz: f32| ((seconds * hz).fract() * std::f32::consts::TAU).sin();
        rush[frame] / power * (1.0 + 0.17 * turn(7.0)) + 0.3 * turn(120.0)
    };
    (0..frames).map(at).collect()
}
