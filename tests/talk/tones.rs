//! Tones that people say, and how loud each is in what somebody hears.

use super::person::RATE;
use crate::support::tone::amplitude;

const AMPLITUDE: f64 = 0.1;

/// A voice that says that tone, by the number of each frame.
pub(crate) fn tone(hz: f64) -> impl Fn(u64) -> f32 {
    move |n| (AMPLITUDE * (std::f64::consts::TAU * hz * n as f64 / f64::from(RATE)).sin()) as f32
}

/// How much louder that tone is in what was heard than as it was said, in dB.
pub(crate) fn level_db(samples: &[f32], hz: f64) -> f64 {
    20.0 * (amplitude(samples, hz, RATE) / AMPLITUDE).max(1e-9).log10()
}

/// Talker `own` hears each tone as it was said, and not at all the one of that number, which is theirs.
pub(crate) fn assert_hears_others(own: usize, levels_db: &[f64]) {
    println!("talker {own} hears {levels_db:.2?} dB");
    for (tone, level) in levels_db.iter().enumerate() {
        if tone == own {
            assert!(*level <= -60.0, "talker {own} hears themselves at {level} dB");
        } else {
            assert!(level.abs() <= 0.1, "talker {own} hears talker {tone} at {level} dB");
        }
    }
}
