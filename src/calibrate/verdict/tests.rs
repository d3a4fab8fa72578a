//! Rooms that are computed: how late, how they echo, how loud they are.

use super::super::chirp::{Chirp, LEVEL};
use super::super::find::{Recording, find};
use super::*;

/// What plays the chirp.
const PLAYED_HZ: u32 = 48_000;

/// How many steps there are between two samples.
const FINE: usize = 16;

/// The first sweep is due here, in µs of a clock that began long before.
const FIRST_DUE_US: f64 = 1_002_000_000.0;

/// A room with a microphone in it.
#[derive(Debug, Clone, Copy)]
struct Simulated {
    lag_ms: f64,
    /// How loud the direct sound is.
    gain: f64,
    /// Echoes of so much of the direct sound, falling over 200 ms.
    echo: f64,
    /// The room's own noise is so much quieter than the chirp, in dB.
    below_db: f64,
    /// How much faster than it says the microphone's clock runs, in millionths.
    ppm: f64,
    rate_hz: u32,
    seed: u64,
}

const QUIET: Simulated = Simulated {
    lag_ms: 180.0,
    gain: 0.3,
    echo: 0.0,
    below_db: 60.0,
    ppm: 0.0,
    rate_hz: 48_000,
    seed: 1,
};

/// Numbers between −1 and 1 that are the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

impl Simulated {
    /// What its microphone hears, and what of that was due when.
    fn hear(self) -> (Recording, Chirp, Vec<f64>) {
        let mut dice = Dice(self.seed);
        let chirp = Chirp::between(PLAYED_HZ, self.rate_hz);
        let true_hz = f64::from(self.rate_hz) * (1.0 + self.ppm * 1e-6);
        let first_us = FIRST_DUE_US - 1e6;
        let frames = (true_hz * (1.0 + Chirp::length_ms() / 1e3 + 1.6)) as usize;
        let mut samples = vec![0.0_f64; frames];
        let due: Vec<f64> = Chirp::starts_ms().map(|ms| FIRST_DUE_US + ms * 1e3).collect();
        let echoes: Vec<(f64, f64)> = (0..40)
            .map(|_| {
                let after_ms = 4.0 + 196.0 * (0.5 + 0.5 * dice.roll());
                (after_ms, self.echo * dice.roll() * (-after_ms / 60.0).exp())
            })
            .collect();
        // Sixteen times as fine, of which every sixteenth sample is taken.
        let fine = chirp.sweep(true_hz * FINE as f64);
        for (lag_ms, gain) in [(0.0, 1.0)].into_iter().chain(echoes) {
            for due_us in &due {
                let at = (due_us - first_us + (self.lag_ms + lag_ms) * 1e3) * true_hz / 1e6;
                add(&mut samples, at, &fine, gain * self.gain * LEVEL);
            }
        }
        // The power of a sweep is half its level squared; that of these numbers a third.
        let noise = self.gain * LEVEL * (1.5_f64).sqrt() * 10_f64.powf(-self.below_db / 20.0);
        let samples = samples.iter().map(|s| (s + noise * dice.roll()) as f32).collect();
        let rate_hz = self.rate_hz;
        (Recording { samples, rate_hz, first_us, us_per_frame: 1e6 / true_hz }, chirp, due)
    }

    fn judged(self) -> Result<Verdict, Refusal> {
        let (recording, chirp, due) = self.hear();
        judge(&find(&recording, chirp, &due))
    }
}

/// Puts a sweep where it begins between two samples.
fn add(samples: &mut [f64], at: f64, fine: &[f32], gain: f64) {
    let first = at.ceil();
    let skipped = ((first - at) * FINE as f64).round() as usize;
    for (to, from) in samples[first as usize..].iter_mut().zip(fine[skipped..].iter().step_by(FINE))
    {
        *to += f64::from(*from) * gain;
    }
}

#[track_caller]
fn assert_right(room: Simulated) {
    let verdict = room.judged().unwrap_or_else(|no| panic!("{room:?}: {no:?}"));
    assert!((verdict.lag_ms - room.lag_ms).abs() < 0.2, "{room:?}: {verdict:?}");
    assert!(verdict.sure_ms < 1.5 && verdict.agreed >= 6, "{room:?}: {verdict:?}");
}

#[test]
fn a_delay_is_found_whatever_it_is() {
    for lag_ms in [-20.0, 0.0, 3.37, 40.0, 180.0, 250.0, 310.0, 430.0, 590.0] {
        assert_right(Simulated { lag_ms, ..QUIET });
    }
}

#[test]
fn the_direct_sound_counts_and_not_its_echoes() {
    for (seed, echo) in [(3, 0.5), (4, 1.0), (5, 1.5), (6, 1.5)] {
        assert_right(Simulated { seed, echo, below_db: 30.0, ..QUIET });
    }
}

#[test]
fn a_room_that_is_not_quiet_does_as_long_as_the_chirp_stands_out() {
    for (seed, below_db) in [(7, 30.0), (8, 20.0), (9, 14.0), (10, 10.0)] {
        assert_right(Simulated { seed, below_db, echo: 0.5, ..QUIET });
    }
}

#[test]
fn as_much_noise_as_chirp_is_refused_every_time() {
    for seed in 0..20 {
        let rate_hz = [48_000, 44_100, 16_000, 40_000][seed as usize % 4];
        let echo = f64::from((seed % 3) as u32) * 0.5;
        let loud = Simulated { seed, below_db: 0.0, rate_hz, echo, ..QUIET };
        assert!(matches!(loud.judged(), Err(Refusal::TooLoud(_))), "{:?}", loud.judged());
        let louder = Simulated { below_db: -15.0, ..loud };
        assert!(louder.judged().is_err(), "{:?}", louder.judged());
    }
}

#[test]
fn microphones_whose_clocks_differ_and_that_have_few_samples_do() {
    for (ppm, rate_hz) in [(100.0, 48_000), (-100.0, 44_100), (30.0, 16_000), (-100.0, 8_000)] {
        assert_right(Simulated { ppm, rate_hz, below_db: 20.0, ..QUIET });
    }
}

#[test]
fn what_was_not_heard_is_said_as_it_is() {
    let (silent, chirp, due) = Simulated { gain: 0.0, ..QUIET }.hear();
    assert_eq!(judge(&find(&silent, chirp, &due)), Err(Refusal::Deaf));
    let (mut recording, chirp, due) = QUIET.hear();
    let mut dice = Dice(9);
    recording.samples.iter_mut().for_each(|sample| *sample = 0.01 * dice.roll() as f32);
    assert_eq!(judge(&find(&recording, chirp, &due)), Err(Refusal::Unheard));
    let (mut recording, chirp, due) = QUIET.hear();
    recording.samples.iter_mut().for_each(|sample| *sample = (*sample * 60.0).clamp(-1.0, 1.0));
    assert_eq!(judge(&find(&recording, chirp, &due)), Err(Refusal::Clipped));
}

#[test]
fn a_refusal_speaks_of_what_was_looked_for() {
    let said = Refusal::Unheard.why(Sought::CHIRP);
    assert!(said.contains("did not hear the chirp within 600 ms"), "{said}");
    assert!(Refusal::Unsteady(3).why(Sought::CHIRP).contains("only 3 of 8 chirps"));
    let pieces = crate::calibrate::programme::sought(5);
    let said = Refusal::Unheard.why(pieces);
    assert!(said.contains("did not hear what the server sends within 1000 ms"), "{said}");
    assert!(Refusal::Unsteady(3).why(pieces).contains("only 3 of 5 pieces"));
    for refusal in [Refusal::TooLoud(2.0), Refusal::TooLoud(f64::NEG_INFINITY)] {
        assert!(!refusal.why(pieces).contains("chirp"), "{}", refusal.why(pieces));
    }
}

#[test]
fn sweeps_that_come_at_different_times_are_not_believed() {
    let heard = Heard {
        lags_ms: vec![10.0, 14.0, 10.2, 19.0, 10.1, 25.0, 31.0, 10.0],
        above_room_db: 30.0,
        above_band_db: 30.0,
        peak: 0.1,
        clipped: false,
    };
    assert_eq!(judge(&heard), Err(Refusal::Unsteady(4)));
    let agreeing = Heard { lags_ms: vec![10.0, 10.2, 10.1, 10.1, 10.0, 44.0, 61.0], ..heard };
    let verdict = judge(&agreeing).unwrap();
    assert_eq!((verdict.lag_ms, verdict.agreed), (10.1, 5));
    // It was another delay when the chirp began.
    let changed = Heard { lags_ms: [[162.5; 2].as_slice(), &[173.9; 6]].concat(), ..agreeing };
    assert_eq!(judge(&changed), Err(Refusal::Unsteady(6)));
}

#[test]
fn a_delay_that_changes_meanwhile_is_not_believed_and_a_headset_that_wakes_up_late_is() {
    let (recording, chirp, mut due) = Simulated { below_db: 30.0, ..QUIET }.hear();
    let frame = |at_us: f64| ((at_us - recording.first_us) / recording.us_per_frame) as usize;
    let mut woken = recording.clone();
    woken.samples[..frame(due[1] + 100e3)].fill(0.0);
    let verdict = judge(&find(&woken, chirp, &due)).unwrap();
    assert!((verdict.lag_ms - 180.0).abs() < 0.2 && verdict.agreed >= 6, "{verdict:?}");
    // The first two came sooner after they were due than the others.
    due[0] += 11e3;
    due[1] += 11e3;
    let verdict = judge(&find(&recording, chirp, &due));
    assert_eq!(verdict, Err(Refusal::Unsteady(6)));
}

#[test]
fn a_recording_that_is_too_short_or_has_no_times_says_nothing_and_breaks_nothing() {
    let (recording, chirp, due) = QUIET.hear();
    for cut in [0, 1, 40_000, 60_000] {
        let short = Recording { samples: recording.samples[..cut].to_vec(), ..recording.clone() };
        assert!(judge(&find(&short, chirp, &due)).is_err());
    }
    for us_per_frame in [0.0, f64::NAN, f64::INFINITY, -1.0] {
        let timeless = Recording { us_per_frame, ..recording.clone() };
        assert!(judge(&find(&timeless, chirp, &due)).is_err());
    }
    assert!(judge(&find(&recording, chirp, &[])).is_err());
    assert!(judge(&find(&recording, chirp, &[f64::NAN, -1e18, 1e18])).is_err());
}
