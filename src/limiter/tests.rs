use proptest::prelude::*;

use super::*;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };
const MONO: Format = Format { sample_rate: 48_000, channels: 1 };

fn sine(amplitude: f32, hz: f32, frames: usize) -> Vec<f32> {
    let step = std::f32::consts::TAU * hz / 48_000.0;
    (0..frames).map(|n| amplitude * (step * n as f32).sin()).collect()
}

fn processed(limiter: &mut Limiter, mut samples: Vec<f32>) -> Vec<f32> {
    limiter.process(&mut samples);
    samples
}

fn largest_step(samples: &[f32]) -> f32 {
    samples.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
}

proptest! {
    #[test]
    fn what_stays_below_the_knee_passes_bit_for_bit(
        samples in proptest::collection::vec(-KNEE..=KNEE, 0..500),
    ) {
        prop_assert_eq!(processed(&mut Limiter::new(STEREO), samples.clone()), samples);
    }

    #[test]
    fn nothing_leaves_above_full_scale_whatever_comes_in(
        bits in proptest::collection::vec(any::<u32>(), 0..500),
        percent in any::<u16>(),
        later in any::<u16>(),
        channels in 0..4_u16,
    ) {
        let mut limiter = Limiter::new(Format { sample_rate: 44_100, channels });
        limiter.set_volume(percent);
        let samples: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
        for sample in processed(&mut limiter, samples.clone()) {
            prop_assert!(sample.abs() <= 1.0);
        }
        limiter.set_volume(later);
        for sample in processed(&mut limiter, samples) {
            prop_assert!(sample.abs() <= 1.0);
        }
    }

    #[test]
    fn a_larger_sample_never_leaves_smaller(a in -40.0_f32..40.0, b in -40.0_f32..40.0) {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        prop_assert!(bend(low) <= bend(high));
        prop_assert_eq!(bend(-a), -bend(a));
    }
}

#[test]
fn the_curve_has_neither_step_nor_corner_at_the_knee() {
    let h = 1e-3;
    let below = (bend(KNEE) - bend(KNEE - h)) / h;
    let above = (bend(KNEE + h) - bend(KNEE)) / h;
    assert!((below - 1.0).abs() < 1e-3);
    assert!((above - 1.0).abs() < 0.02, "slope {above} above the knee");
    assert_eq!(bend(KNEE), KNEE);
}

#[test]
fn a_lasting_over_is_turned_down_and_stays_a_sine() {
    for hz in [25.0, 440.0, 5_000.0] {
        let mut limiter = Limiter::new(MONO);
        let loud = sine(2.0, hz, 48_000);
        let out = processed(&mut limiter, loud.clone());
        let scale = KNEE / 2.0;
        let worst = (9_600..48_000).map(|n| (out[n] - loud[n] * scale).abs()).fold(0.0, f32::max);
        assert!(worst < 2e-3, "{hz} Hz is bent by {worst}");
    }
}

#[test]
fn an_over_that_begins_does_not_click() {
    let mut signal = sine(0.5, 440.0, 4_800);
    signal.extend(sine(2.0, 440.0, 4_800));
    let out = processed(&mut Limiter::new(MONO), signal.clone());
    assert!(largest_step(&out) <= largest_step(&signal));
}

#[test]
fn after_an_over_the_identity_comes_back() {
    let mut limiter = Limiter::new(MONO);
    processed(&mut limiter, sine(16.0, 440.0, 4_800));
    processed(&mut limiter, sine(0.5, 440.0, 48_000));
    let quiet = sine(0.8, 440.0, 4_800);
    assert!(processed(&mut limiter, quiet.clone()) == quiet);
}

#[test]
fn samples_that_are_not_sound_are_silent_and_leave_no_trace() {
    let mut limiter = Limiter::new(MONO);
    let hostile = vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN];
    assert_eq!(processed(&mut limiter, hostile), [0.0; 4]);
    let quiet = sine(0.8, 440.0, 480);
    assert_eq!(processed(&mut limiter, quiet.clone()), quiet);
}

#[test]
fn channels_share_one_gain() {
    let mut limiter = Limiter::new(STEREO);
    let frames: Vec<f32> = sine(2.0, 440.0, 24_000).iter().flat_map(|s| [*s, s / 8.0]).collect();
    let out = processed(&mut limiter, frames);
    for frame in out[24_000..].chunks(2) {
        assert!((frame[0] / 8.0 - frame[1]).abs() < 1e-3);
    }
}

#[test]
fn volume_scales_the_amplitude_and_stops_at_200_percent() {
    for (percent, expected) in [(0, 0.0), (50, 0.1), (100, 0.2), (200, 0.4), (u16::MAX, 0.4)] {
        let mut limiter = Limiter::new(MONO);
        limiter.set_volume(percent);
        assert_eq!(processed(&mut limiter, vec![0.2; 3]), [expected; 3]);
    }
}

#[test]
fn a_change_of_volume_takes_20_ms_in_even_steps_and_arrives_exactly() {
    let mut limiter = Limiter::new(MONO);
    limiter.set_volume(0);
    processed(&mut limiter, vec![0.5; 100]);
    limiter.set_volume(100);
    let out = processed(&mut limiter, vec![0.5; 1_000]);
    assert!(largest_step(&out) < 0.5 / 960.0 * 1.01);
    assert!(out[958] < 0.5);
    assert_eq!(out[959..], [0.5; 41]);
}

#[test]
fn a_change_of_volume_during_another_goes_on_from_where_it_is() {
    let mut limiter = Limiter::new(MONO);
    let mut out = processed(&mut limiter, vec![0.5; 10]);
    limiter.set_volume(0);
    out.extend(processed(&mut limiter, vec![0.5; 480]));
    limiter.set_volume(100);
    out.extend(processed(&mut limiter, vec![0.5; 1_000]));
    assert!(largest_step(&out) < 0.5 / 960.0 * 1.01);
    assert_eq!(out.last(), Some(&0.5));
}
