use super::*;

const RATE: u32 = 48_000;
const START_US: u64 = 1_000_000_000;

/// A card with callbacks of 10 ms, each captured 3 ms before it comes.
struct Card {
    clock: CaptureClock,
    ppm: f64,
    seed: u64,
    next: u64,
    /// Added to when callbacks come, and to what their stamps say.
    came_late_us: f64,
    stamped_late_us: f64,
    steps: Vec<f64>,
}

const PERIOD: u64 = 480;
const AHEAD_US: f64 = -3_000.0;

impl Card {
    fn new(ppm: f64) -> Self {
        Self {
            clock: CaptureClock::new(RATE),
            ppm,
            seed: 5,
            next: 0,
            came_late_us: 0.0,
            stamped_late_us: 0.0,
            steps: Vec::new(),
        }
    }

    fn uniform(&mut self) -> f64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.seed >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn captured_us(&self, frame: u64) -> f64 {
        let us = frame as f64 / f64::from(RATE) * 1e6 / (1.0 + self.ppm * 1e-6);
        START_US as f64 + us + self.stamped_late_us
    }

    /// One callback, `delayed_us` late, whose stamp is `wrong_us` off.
    fn call(&mut self, delayed_us: f64, wrong_us: f64) {
        let at = self.captured_us(self.next);
        let came = at - self.stamped_late_us - AHEAD_US + self.came_late_us + delayed_us;
        let step = self.clock.callback(self.next, (at + wrong_us) as u64, came as u64);
        self.steps.extend(step);
        self.next += PERIOD;
    }

    /// Callbacks for `seconds`, with the ordinary noise: most a little late, some much, and stamps
    /// that err both ways.
    fn run(&mut self, seconds: f64) {
        for _ in 0..(seconds * 100.0) as u64 {
            let spike = if self.uniform() < 0.1 { 8_000.0 * self.uniform() } else { 0.0 };
            let delayed = 60.0 * self.uniform() + spike;
            let wrong = if self.uniform() < 0.2 { -5_000.0 * self.uniform() } else { 0.0 };
            let noise = 120.0 * self.uniform();
            self.call(delayed, wrong + noise);
        }
    }

    fn error_us(&self) -> f64 {
        self.clock.time_of(self.next as f64).unwrap() - self.captured_us(self.next)
    }
}

#[test]
fn noise_late_callbacks_and_wrong_stamps_leave_the_line_where_it_is() {
    for ppm in [-200.0, 0.0, 87.0] {
        let mut card = Card::new(ppm);
        card.run(10.0);
        assert!(card.error_us().abs() < 80.0, "{ppm} ppm: {} µs", card.error_us());
        assert!((card.clock.ppm() - ppm).abs() < 10.0, "{} for {ppm} ppm", card.clock.ppm());
        assert!(card.clock.uncertainty_us() < 10.0, "{} µs", card.clock.uncertainty_us());
        assert!(card.steps.is_empty(), "{:?}", card.steps);
    }
}

#[test]
fn a_card_far_off_its_nominal_rate_is_followed_from_the_start_and_steps_nowhere() {
    for ppm in [-2_000.0, -700.0, 2_000.0] {
        let mut card = Card::new(ppm);
        for _ in 0..600 {
            card.call(20.0, 0.0);
        }
        assert!(card.steps.is_empty(), "{ppm} ppm: {:?}", card.steps);
        assert!((card.clock.ppm() - ppm).abs() < 20.0, "{} for {ppm} ppm", card.clock.ppm());
        assert!(card.error_us().abs() < 100.0, "{ppm} ppm: {} µs", card.error_us());
    }
}

#[test]
fn lost_frames_are_a_step_within_a_tenth_of_a_second() {
    for lost_us in [900.0, 15_000.0, 128_000.0, -9_000.0] {
        let mut card = Card::new(0.0);
        card.run(5.0);
        card.came_late_us = lost_us;
        card.stamped_late_us = lost_us;
        for _ in 0..10 {
            card.call(20.0, 0.0);
        }
        let [step] = card.steps[..] else { panic!("{lost_us}: {:?}", card.steps) };
        assert!((step - lost_us).abs() < 100.0, "{step} for {lost_us}");
        assert!(card.error_us().abs() < 100.0, "{}", card.error_us());
    }
}

#[test]
fn lost_frames_are_a_step_on_a_busy_machine_too() {
    let mut card = Card::new(0.0);
    card.run(5.0);
    card.came_late_us = 34_000.0;
    card.stamped_late_us = 34_000.0;
    for _ in 0..120 {
        let delayed = 2_500.0 * card.uniform();
        card.call(delayed, -delayed);
    }
    let total: f64 = card.steps.iter().sum();
    assert!((total - 34_000.0).abs() < 2_000.0, "{:?}", card.steps);
    for _ in 0..100 {
        card.call(20.0, 0.0);
    }
    assert!(card.clock.is_settled());
    assert!(card.error_us().abs() < 100.0, "{}", card.error_us());
}

#[test]
fn a_stall_that_loses_nothing_is_no_step() {
    let mut card = Card::new(0.0);
    card.run(5.0);
    for n in 0..20 {
        card.call(200_000.0 - f64::from(n) * 10_000.0, -150_000.0);
    }
    assert!(!card.clock.is_settled());
    card.run(1.0);
    assert!(card.clock.is_settled());
    assert!(card.steps.is_empty(), "{:?}", card.steps);
    assert!(card.error_us().abs() < 80.0, "{}", card.error_us());
}

#[test]
fn sound_that_is_handed_over_sooner_or_later_was_still_captured_when_stamps_say() {
    let mut card = Card::new(0.0);
    card.run(5.0);
    for shift_us in [9_500.0, 0.0] {
        card.came_late_us = shift_us;
        for _ in 0..10 {
            card.call(20.0, 0.0);
        }
        card.run(5.0);
        assert!(card.error_us().abs() < 100.0, "{shift_us}: {}", card.error_us());
    }
    assert!(card.steps.is_empty(), "{:?}", card.steps);
}

#[test]
fn wrong_stamps_that_agree_are_not_believed() {
    let mut card = Card::new(0.0);
    card.run(5.0);
    for _ in 0..30 {
        card.call(20.0, 20_000.0);
    }
    assert!(card.steps.is_empty(), "{:?}", card.steps);
    assert!(card.error_us().abs() < 80.0, "{}", card.error_us());
}

#[test]
fn a_line_begun_by_delayed_callbacks_is_put_right() {
    let mut card = Card::new(0.0);
    for _ in 0..9 {
        card.call(25_000.0, 0.0);
    }
    card.run(5.0);
    assert!(card.error_us().abs() < 100.0, "{}", card.error_us());
}

#[test]
fn nonsense_is_survived() {
    let mut card = Card::new(0.0);
    card.run(3.0);
    for (at_us, came_us) in [(0, 0), (u64::MAX, u64::MAX), (0, u64::MAX), (u64::MAX, 0)] {
        let _ = card.clock.callback(card.next, at_us, came_us);
        let _ = card.clock.callback(0, at_us, came_us);
        card.next += PERIOD;
    }
    card.run(5.0);
    assert!(card.error_us().abs() < 100.0, "{}", card.error_us());
}

#[test]
fn a_card_whose_stamps_are_always_nonsense_is_timed_by_its_callbacks() {
    for wrong_us in [-900_000_000.0, 5_000_000.0] {
        let mut card = Card::new(0.0);
        for _ in 0..500 {
            card.call(20.0, wrong_us);
        }
        assert!(card.clock.is_settled());
        let error = card.error_us() + AHEAD_US;
        assert!(error.abs() < 100.0, "{error}");
        assert!(card.steps.is_empty(), "{:?}", card.steps);
    }
}

#[test]
fn before_any_callback_nothing_is_known_but_the_nominal_rate() {
    let clock = CaptureClock::new(50_000);
    assert_eq!((clock.time_of(0.0), clock.us_per_frame()), (None, 20.0));
    assert!(!clock.is_settled());
}

/// Recorded: callbacks bunched up by a stall, stamps in sawteeth, and a hole.
#[test]
fn a_recorded_stall_is_one_step_of_what_it_lost() {
    let mut clock = CaptureClock::new(40_000);
    let (mut frame, mut came_us, mut steps, mut worst_us) = (0, START_US, Vec::new(), 0_f64);
    let mut reference = None;
    for line in include_str!("stall.txt").lines().filter(|line| !line.starts_with('#')) {
        let [frames, after, ahead] =
            line.split(' ').map(|word| word.parse::<i64>().unwrap()).collect::<Vec<_>>()[..]
        else {
            panic!("{line}");
        };
        frame += frames as u64;
        came_us = came_us.saturating_add_signed(after);
        if let Some(step) = clock.callback(frame, came_us.saturating_add_signed(ahead), came_us) {
            steps.push(step);
            reference = None;
        }
        if let Some(at_us) = clock.time_of(frame as f64) {
            let late = at_us - frame as f64 * 25.0;
            worst_us = worst_us.max((late - *reference.get_or_insert(late)).abs());
        }
    }
    let [step] = steps[..] else { panic!("{steps:?}") };
    assert!((step - 128_000.0).abs() < 100.0, "{step}");
    assert!(worst_us < 150.0, "{worst_us}");
}
