//! The judge itself: damage that is known is found.

use crate::Test;
use crate::support::air::house::{judge, sent};
use crate::support::heard::RATE;
use crate::support::scratch::Scratch;

pub(crate) const TESTS: &[Test] = &[
    ("what_is_whole_is_judged_whole_from_wherever_it_begins", whole),
    ("holes_are_counted_with_their_lengths_and_what_goes_on_behind_them_is_in_its_place", holes),
    ("what_goes_on_elsewhere_has_jumped", jumps),
    ("a_rate_that_is_steered_is_no_damage", steered),
    ("what_is_hardly_there_is_all_damage", silence),
];

/// So much of the sound as it is sent, from there on, over its seam where need be.
fn played(from: usize, seconds: usize) -> Vec<f32> {
    let scratch = Scratch::new();
    let path = scratch.path("sent.wav");
    sent().write(&path);
    let once = crate::support::heard::read(&path);
    once.iter().cycle().skip(from).take(seconds * RATE as usize).copied().collect()
}

/// 20 ms.
const WINDOW: usize = RATE as usize / 50;

fn whole() {
    for from in [0, 1, 123_457, 29 * RATE as usize + 17] {
        let heard = judge(&played(from, 5));
        assert!((245..=250).contains(&heard.windows), "{heard:?}");
        assert_eq!((heard.damaged, heard.jumps), (0, 0), "from {from}: {heard:?}");
    }
}

fn holes() {
    let mut heard = played(77_777, 10);
    for (at, length) in [(2, 3), (5, 30)] {
        let start = at * RATE as usize;
        heard[start..start + length * WINDOW].fill(0.0);
    }
    // A second at the end.
    heard.resize(11 * RATE as usize, 0.0);
    let heard = judge(&heard);
    assert_eq!((heard.bursts, heard.jumps), (3, 0), "{heard:?}");
    assert!((80..=86).contains(&heard.damaged), "{heard:?}");
    assert!((980..=1_020).contains(&heard.longest_ms()), "{heard:?}");
}

fn jumps() {
    let mut heard = played(0, 4);
    heard.extend(played(20 * RATE as usize, 4));
    let heard = judge(&heard);
    assert_eq!((heard.bursts, heard.jumps), (1, 1), "{heard:?}");
    assert!((10..=12).contains(&heard.damaged), "{heard:?}");
}

fn steered() {
    let sound = played(5 * RATE as usize, 10);
    // 100 ppm, more than cards are apart: a frame in ten thousand is left out.
    let (_, kept): (Vec<_>, Vec<_>) = (0..sound.len()).partition(|at| at % 10_000 == 9_999);
    let fast: Vec<f32> = kept.into_iter().map(|at| sound[at]).collect();
    assert_eq!(judge(&fast).damaged, 0);
}

fn silence() {
    assert_eq!(judge(&[]).windows, 0);
    let second = RATE as usize;
    let nothing = judge(&vec![0.0; 10 * second]);
    assert_eq!((nothing.windows, nothing.damaged, nothing.longest_ms()), (500, 500, 10_000));
    assert_eq!(judge(&played(0, 1)[..second / 2]).damaged, 25);
}
