use super::*;

/// A small generator of repeatable noise, roughly normal.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

const PERIOD: u64 = 480;

/// When frame `n * PERIOD` meets a card that runs `ppm` fast.
fn exact(n: u64, ppm: f64) -> f64 {
    1e6 + (n * PERIOD) as f64 / 48_000.0 * 1e6 / (1.0 + ppm * 1e-6)
}

/// Stamps that are up to `late` µs late, a few by milliseconds.
fn run(clock: &mut CardClock, from: u64, count: u64, ppm: f64, late: f64, noise: &mut Noise) {
    for n in from..from + count {
        let spike = if noise.uniform() < 0.03 { noise.uniform() * 4000.0 } else { 0.0 };
        let at = exact(n, ppm);
        let stamp = (at + late * noise.uniform() + spike) as u64;
        let _ = clock.stamp(n * PERIOD, stamp, at as u64 + 400);
    }
}

#[test]
fn noise_and_late_spikes_leave_the_line_within_a_few_microseconds() {
    for ppm in [-200.0, 0.0, 87.0] {
        let mut clock = CardClock::new(48_000);
        let mut noise = Noise(7);
        run(&mut clock, 0, 1500, ppm, 150.0, &mut noise);
        let error = clock.time_of(1510.0 * PERIOD as f64).unwrap() - exact(1510, ppm);
        assert!((0.0..15.0).contains(&error), "{ppm} ppm: off by {error} µs");
        assert!((clock.ppm() - ppm).abs() < 5.0, "{} for {ppm}", clock.ppm());
        assert!(clock.uncertainty_us() < 5.0);
    }
}

#[test]
fn a_machine_that_gets_busy_does_not_move_the_line() {
    let mut clock = CardClock::new(48_000);
    let mut noise = Noise(11);
    run(&mut clock, 0, 1000, 20.0, 100.0, &mut noise);
    for busy in [400.0, 100.0, 300.0] {
        for _ in 0..50 {
            let n = clock.stamps.back().unwrap().0 as u64 / PERIOD + 1;
            run(&mut clock, n, 20, 20.0, busy, &mut noise);
            let error = clock.time_of(((n + 20) * PERIOD) as f64).unwrap() - exact(n + 20, 20.0);
            assert!(error.abs() < 40.0, "up to {busy} µs late: off by {error} µs");
        }
    }
}

#[test]
fn three_stamps_that_agree_are_a_step_and_one_is_not() {
    let mut clock = CardClock::new(48_000);
    let mut noise = Noise(3);
    run(&mut clock, 0, 300, 0.0, 40.0, &mut noise);
    let at = |n: u64| 1_000_000 + n * 10_000;
    let mut stamp = |n: u64, late: u64| clock.stamp(n * PERIOD, at(n) + late, at(n) + late + 400);
    assert_eq!(stamp(300, 9_000), None);
    assert_eq!(stamp(301, 0), None);
    assert_eq!(stamp(302, 9_000), None);
    assert_eq!(stamp(303, 9_010), None);
    let step = stamp(304, 9_020).unwrap();
    assert!((step - 9_010.0).abs() < 30.0, "{step}");
    let after = clock.time_of(305.0 * PERIOD as f64).unwrap() - at(305) as f64;
    assert!((after - 9_010.0).abs() < 30.0, "{after}");
}

#[test]
fn stamps_that_agree_but_whose_callbacks_did_not_move_are_no_step() {
    let mut clock = CardClock::new(48_000);
    let mut noise = Noise(3);
    run(&mut clock, 0, 300, 0.0, 40.0, &mut noise);
    let at = |n: u64| 1_000_000 + n * 10_000;
    for n in 300..310 {
        assert_eq!(clock.stamp(n * PERIOD, at(n) + 20_000, at(n) + 400), None);
    }
    for n in 310..320 {
        assert_eq!(clock.stamp(n * PERIOD, at(n) - 20_000, at(n) + 400), None);
    }
    let error = clock.time_of(320.0 * PERIOD as f64).unwrap() - at(320) as f64;
    assert!(error.abs() < 20.0, "{error}");
}

#[test]
fn a_wrong_start_is_put_right_and_is_no_step() {
    let mut clock = CardClock::new(48_000);
    let at = |n: u64| 1_000_000 + n * 10_000;
    for n in 0..40 {
        assert_eq!(clock.stamp(n * PERIOD, at(n) - 6_200, at(n) + 400), None);
    }
    for n in 40..200 {
        assert_eq!(clock.stamp(n * PERIOD, at(n), at(n) + 400), None);
    }
    let error = clock.time_of(200.0 * PERIOD as f64).unwrap() - at(200) as f64;
    assert!(error.abs() < 20.0, "{error}");
}

#[test]
fn a_wrong_stamp_among_the_first_does_not_decide() {
    let mut clock = CardClock::new(48_000);
    for n in 0..30_u64 {
        let wrong = if n % 4 == 2 { 6_000 } else { 0 };
        let at = 1_000_000 + n * 10_000;
        assert_eq!(clock.stamp(n * PERIOD, at - wrong, at + 400), None);
    }
    let error = clock.time_of(30.0 * PERIOD as f64).unwrap() - 1_300_000.0;
    assert!(error.abs() < 20.0, "{error}");
}

#[test]
fn nonsense_stamps_are_survived() {
    let mut clock = CardClock::new(48_000);
    let mut noise = Noise(3);
    run(&mut clock, 0, 300, 0.0, 40.0, &mut noise);
    for nonsense in [0, u64::MAX / 2, 5] {
        let _ = clock.stamp(310 * PERIOD, nonsense, nonsense);
    }
    let _ = clock.stamp(0, 4_000_000, 4_000_000);
    run(&mut clock, 311, 300, 0.0, 40.0, &mut noise);
    let error = clock.time_of(611.0 * PERIOD as f64).unwrap() - 7_110_000.0;
    assert!(error.abs() < 20.0, "{error}");
}

#[test]
fn before_any_stamp_nothing_is_known_but_the_nominal_rate() {
    let clock = CardClock::new(50_000);
    assert_eq!(clock.time_of(0.0), None);
    assert_eq!(clock.us_per_frame(), 20.0);
    assert_eq!(clock.ppm(), 0.0);
}

/// The line's error in µs, 0.1 s at a time from the 20th second on, of a card that has moved by
/// `shift` µs then.
fn errors_after_shift(period: u64, shift: f64, seconds: u64) -> Vec<f64> {
    let mut clock = CardClock::new(48_000);
    let mut noise = Noise(5);
    let mut errors = Vec::new();
    for n in 0..(20 + seconds) * 48_000 / period {
        let frame = n * period;
        let shift = if frame < 20 * 48_000 { 0.0 } else { shift };
        let at = exact(0, 0.0) + frame as f64 / 48_000.0 * 1e6 + shift;
        let _ = clock.stamp(frame, (at + 100.0 * noise.uniform()) as u64, at as u64 + 400);
        if frame >= 20 * 48_000 && frame.is_multiple_of(4_800) {
            errors.push(clock.time_of(frame as f64).unwrap() - at);
        }
    }
    errors
}

#[test]
fn a_shift_too_small_for_a_step_is_followed_within_a_second() {
    for period in [PERIOD, 2 * PERIOD] {
        for shift in [-900.0, -150.0, 150.0, 400.0, 900.0] {
            let errors = errors_after_shift(period, shift, 30);
            let late = errors[10..].iter().copied().fold(0.0, f64::max);
            let early = errors[10..].iter().copied().fold(0.0, f64::min);
            assert!(
                early > -25.0 && late < 60.0,
                "{shift} µs, periods of {period} frames: {early} … {late}"
            );
        }
    }
}

#[test]
fn a_shift_says_nothing_of_the_pace() {
    let mut clock = CardClock::new(48_000);
    let mut noise = Noise(5);
    for n in 0..3_000 {
        let shift = if n < 2_000 { 0.0 } else { 500.0 };
        let at = exact(n, 30.0) + shift;
        let _ = clock.stamp(n * PERIOD, (at + 100.0 * noise.uniform()) as u64, at as u64 + 400);
        if n > 1_000 {
            assert!((clock.ppm() - 30.0).abs() < 6.0, "{} ppm after {n} periods", clock.ppm());
        }
    }
}

#[test]
fn a_card_that_changes_its_pace_is_followed() {
    let mut clock = CardClock::new(48_000);
    let mut noise = Noise(9);
    let (mut at, mut furthest) = (1e6, 0.0_f64);
    for n in 0..6000_u64 {
        // Like a virtual card of PulseAudio: a thousandth slow, now and then, for seconds.
        let us_per_frame = if (n / 700) % 2 == 0 { 1e6 / 48_000.0 } else { 1.001e6 / 48_000.0 };
        at += PERIOD as f64 * us_per_frame;
        let _ = clock.stamp(n * PERIOD, (at + 100.0 * noise.uniform()) as u64, at as u64 + 400);
        if n > 200 {
            furthest = furthest.max((clock.time_of((n * PERIOD) as f64).unwrap() - at).abs());
        }
    }
    // Beyond a millisecond it would be a step.
    assert!(furthest < 1_200.0, "{furthest}");
}
