//! What the page's ear is held to, too (tests/page/ear.test.js).

use serde::{Deserialize, Serialize};

use super::*;

const VECTOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/ear/heard.json");

/// Which frames of what is heard stand in the file: one in so many.
const APART: usize = 4_999;

/// How far two programs may differ, of full scale: −100 dB.
const WITHIN: f32 = 1e-5;

#[derive(Serialize, Deserialize)]
struct Case {
    rate: u32,
    hearing: Wanted,
    /// Left and right, of one frame in [`APART`].
    heard: Vec<[f32; 2]>,
}

/// A hearing, as the page calls its parts.
#[derive(Serialize, Deserialize, Clone, Copy)]
struct Wanted {
    dialogue: i8,
    night: bool,
    mono: bool,
    balance: i8,
    bass: i8,
    treble: i8,
}

impl Wanted {
    fn hearing(self) -> Hearing {
        let Self { dialogue, night, mono, balance, bass, treble } = self;
        Hearing { dialogue_db: dialogue, night, mono, balance, bass_db: bass, treble_db: treble }
    }
}

/// Two seconds of a saw in the middle, soft and then loud, and other noise on each side.
fn sound(rate: u32) -> Vec<f32> {
    let mut state = 1_u64;
    let mut noise = || {
        state = state * 48_271 % 2_147_483_647;
        state as f64 / 2_147_483_647.0 * 2.0 - 1.0
    };
    let rate = u64::from(rate);
    (0..rate * 2)
        .flat_map(|at| {
            let saw = (at * 150 % rate) as f64 / rate as f64 * 2.0 - 1.0;
            let loud = if at < rate { 0.02 } else { 0.3 };
            [noise(), noise()].map(|noise| ((saw + noise / 4.0) * loud) as f32)
        })
        .collect()
}

fn heard(rate: u32, hearing: Hearing) -> Vec<[f32; 2]> {
    let mut ear = Ear::new(Format { sample_rate: rate, channels: 2 });
    // It has begun: what is set from here on glides.
    ear.process(&mut []);
    ear.set(hearing);
    let mut sound = sound(rate);
    sound.chunks_mut(2 * 512).for_each(|piece| ear.process(piece));
    sound.chunks_exact(2).step_by(APART).map(|frame| [frame[0], frame[1]]).collect()
}

#[test]
fn what_is_heard_is_what_the_page_makes_of_it_too() {
    let cases: Vec<Case> = serde_json::from_str(&std::fs::read_to_string(VECTOR).unwrap()).unwrap();
    assert!(cases.len() > 6);
    for Case { rate, hearing, heard: expected } in cases {
        let heard = heard(rate, hearing.hearing());
        assert_eq!(heard.len(), expected.len());
        for (heard, expected) in heard.iter().flatten().zip(expected.iter().flatten()) {
            let words = hearing.hearing().words();
            assert!((heard - expected).abs() < WITHIN, "{rate} Hz, {words}: {heard}, {expected}");
        }
    }
}

#[test]
#[ignore = "writes the file that it is compared with; run it where the ear is to sound otherwise"]
fn the_vector_is_written_anew() {
    let none = Wanted { dialogue: 0, night: false, mono: false, balance: 0, bass: 0, treble: 0 };
    let hearings = [
        (48_000, Wanted { dialogue: 6, ..none }),
        (48_000, Wanted { night: true, ..none }),
        (48_000, Wanted { mono: true, ..none }),
        (48_000, Wanted { balance: -40, ..none }),
        (48_000, Wanted { bass: 9, ..none }),
        (48_000, Wanted { treble: -12, ..none }),
        (44_100, Wanted { dialogue: 12, night: true, balance: 100, bass: -3, treble: 3, ..none }),
        (96_000, Wanted { dialogue: 3, night: true, mono: true, balance: 20, bass: 3, treble: 3 }),
    ];
    let cases = hearings.map(|(rate, hearing)| {
        let heard = heard(rate, hearing.hearing());
        serde_json::to_string(&Case { rate, hearing, heard }).unwrap()
    });
    std::fs::write(VECTOR, format!("[\n{}\n]\n", cases.join(",\n"))).unwrap();
}
