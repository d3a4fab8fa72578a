//! What compares sound, tried with sound of which everything is known.

use crate::support::compare::compare;
use crate::support::stereo::{Stereo, noise};

fn later(samples: &[f32], frames: usize, gain: f32) -> Vec<f32> {
    let delayed = std::iter::repeat_n(0.0, frames).chain(samples.iter().map(|s| s * gain));
    delayed.take(samples.len()).collect()
}

#[test]
fn a_known_delay_and_loudness_are_found() {
    let played = noise(40_000, 40_000);
    let heard =
        Stereo { left: later(&played.left, 3_210, 0.5), right: later(&played.right, 3_210, 0.5) };
    let windows = compare(&played, &heard, 40_000, 200);
    assert_eq!(windows.len(), 7);
    for window in windows {
        assert!((window.delay_ms - 80.25).abs() < 1e-3, "{window:?}");
        assert!((window.gain_db + 6.02).abs() < 0.01 && window.likeness > 0.999, "{window:?}");
        assert!(!window.is_right(), "too quiet");
    }
}

#[test]
fn swapped_channels_and_other_sounds_are_not_taken_for_the_right_one() {
    let played = noise(40_000, 40_000);
    let swapped = Stereo { left: played.right.clone(), right: played.left.clone() };
    let silent = Stereo { left: vec![0.0; 40_000], right: vec![0.0; 40_000] };
    for heard in [swapped, silent] {
        assert!(compare(&played, &heard, 40_000, 200).iter().all(|w| !w.is_right()));
    }
}
