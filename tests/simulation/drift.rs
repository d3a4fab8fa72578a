//! Cards that drift against each other, for hours, over networks good and bad.

use crate::simulated::{HOUR, Listener, MINUTE, Path, Pc, SECOND, Seen, Setting, World};

/// How long a night is in every test run, and how long it really is.
const SHORT_NIGHT: f64 = 1.0 * HOUR;
const NIGHT: f64 = 12.0 * HOUR;

/// What is promised of a night, in `smooth`.
const WORST_ERROR_US: f64 = 500.0;
const WORST_PPM: f64 = 500.0;

/// How far a sample may tell another number than the one whose turn it is: the filter's own noise.
const WORST_SAMPLE: f64 = 0.25;

/// What a stall of 300 ms may cost with a delay of 300 ms: the network cannot have it sooner, and
/// the card's latency and the ring before it are wanted in advance.
const LOST_PER_STALL: u64 = 48 * 150;

/// When a listener must be in step: at once over a good network. Over a bad one the quick round
/// trips that tell the clocks apart have to come first.
const LOCKED_AFTER: f64 = 3.0 * SECOND;
const BAD_JITTER_MS: f64 = 10.0;
const LOCKED_AFTER_BAD: f64 = 30.0 * SECOND;

/// A listener whose card is that much faster than nominal.
fn listener(
    name: &'static str,
    card_ppm: f64,
    jitter_ms: f64,
    stall_ms: f64,
    seed: u64,
) -> Setting {
    let path = Path::new(jitter_ms * 1e3, stall_ms * 1e3, seed + 50);
    let host_ppm = 4.0 * seed as f64;
    let locked_after = if jitter_ms > BAD_JITTER_MS { LOCKED_AFTER_BAD } else { LOCKED_AFTER };
    Setting { name, card_ppm, host_ppm, path, filtered: false, old: false, locked_after, seed }
}

/// A card and three listeners; the first listener's card is `ppm` faster than the captured one, the
/// second's slower by half as much.
fn night(ppm: f64, long: f64) -> World {
    let captured = -ppm / 2.0;
    let settings = [
        listener("cable", captured + ppm, 1.0, 0.0, 1),
        listener("Wi-Fi", captured - ppm / 2.0, 40.0, 120.0, 2),
        listener("Wi-Fi with long stalls", captured + ppm * 0.8, 40.0, 300.0, 3),
    ];
    let mut world = World::new(Pc::new(captured, 9), settings.map(Listener::new).into());
    world.run(long);
    println!("{}", world.table(&format!("{ppm} ppm")));
    world
}

#[track_caller]
fn assert_kept(seen: &Seen) {
    assert_eq!((seen.underruns, seen.jumps), (0, 0), "{seen}");
    assert!(seen.worst_us.abs() <= WORST_ERROR_US, "{seen}");
    assert!(seen.least_ppm >= -WORST_PPM && seen.most_ppm <= WORST_PPM, "{seen}");
}

#[track_caller]
fn assert_good_night(world: &World) {
    let [cable, wifi, stalls] = [0, 1, 2].map(|number| world.listeners[number].seen());
    for seen in [&cable, &wifi, &stalls] {
        assert_kept(seen);
    }
    assert_eq!((cable.lost, wifi.lost), (0, 0), "\n{cable}\n{wifi}");
    let most = (world.now / MINUTE).ceil() as u64 * LOST_PER_STALL;
    assert!(stalls.lost <= most && stalls.lost == stalls.late, "{stalls}");
}

#[test]
fn clocks_that_drift_for_hours_cost_no_sample_and_no_half_a_millisecond() {
    assert_good_night(&night(100.0, SHORT_NIGHT));
}

#[test]
#[ignore = "a night of every drift takes minutes: make soak-simulated"]
fn a_night_of_every_drift() {
    // All of them first, so that one that is missed hides no other.
    let nights = [100.0, 30.0, 0.0, -30.0, -100.0, 200.0, -200.0].map(|ppm| night(ppm, NIGHT));
    nights.iter().for_each(assert_good_night);
}

#[test]
fn with_the_real_filter_every_sample_is_the_one_whose_time_it_is() {
    let setting = Setting { filtered: true, ..listener("cable", 120.0, 40.0, 0.0, 1) };
    let mut world = World::new(Pc::new(-60.0, 9), vec![Listener::new(setting)]);
    world.run(10.0 * MINUTE);
    println!("{}", world.table("the real filter"));
    let listener = &world.listeners[0];
    assert_kept(&listener.seen());
    assert_eq!(listener.seen().lost, 0);
    assert!(listener.worst_sample < WORST_SAMPLE, "{} frames off", listener.worst_sample);
}

#[test]
fn counting_in_place_of_filtering_changes_nothing_but_the_sound() {
    let run = |filtered| {
        let setting = Setting { filtered, ..listener("cable", 120.0, 5.0, 0.0, 1) };
        let mut world = World::new(Pc::new(-60.0, 9), vec![Listener::new(setting)]);
        world.run(MINUTE);
        world.listeners[0].seen()
    };
    let (real, counted) = (run(true), run(false));
    assert_eq!((real.lost, real.late, real.jumps), (counted.lost, counted.late, counted.jumps));
    for (real, counted) in [
        (real.worst_us, counted.worst_us),
        (real.latest_us, counted.latest_us),
        (real.least_ppm, counted.least_ppm),
        (real.most_ppm, counted.most_ppm),
    ] {
        assert!((real - counted).abs() < 0.01, "{real} and {counted}");
    }
}

#[test]
fn a_card_that_steps_is_steered_back_with_hardly_an_overshoot() {
    for step_us in [-1_000.0, 1_000.0] {
        let quiet = listener("cable", 0.0, 0.2, 0.0, 1);
        let mut world = World::new(Pc::new(0.0, 9), vec![Listener::new(quiet)]);
        world.run(20.0 * SECOND);
        // 48,000 frames a second, from the twenty-first on.
        world.listeners[0].card.step(21.0 * 48_000.0, step_us);
        let (mut most, mut least) = (0.0_f64, 0.0_f64);
        for _ in 0..400 {
            world.run(0.1 * SECOND);
            let error = world.listeners[0].error_us().unwrap() / step_us;
            (most, least) = (most.max(error), least.min(error));
        }
        let seen = world.listeners[0].seen();
        println!("step of {step_us} µs: up to {most:.3} of it, overshoot {:.3}; {seen}", -least);
        assert!(most > 0.9 && least > -0.2, "{most} {least}");
        assert!(seen.latest_us.abs() < 50.0, "{seen}");
        assert_eq!((seen.jumps, seen.lost), (0, 0), "{seen}");
    }
}
