use super::*;
use crate::chance::Chance;

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const STEREO: f64 = 96_000.0;

/// A line with a queue in front, then air that loses at random.
#[derive(Clone, Copy)]
struct Path {
    bits_per_second: f64,
    queue_us: f64,
    loss: f64,
    /// Nothing goes for so long, so often, in µs.
    stall_us: (u64, u64),
    /// All is lost for so long, so often, in µs.
    burst_us: (u64, u64),
    base_round_trip_us: u64,
    by_tcp: bool,
}

const GOOD: Path = Path {
    bits_per_second: 100e6,
    queue_us: 200_000.0,
    loss: 0.0,
    stall_us: (0, u64::MAX),
    burst_us: (0, u64::MAX),
    base_round_trip_us: 4_000,
    by_tcp: false,
};

/// A listener on a path.
struct World {
    fit: Fit,
    path: Path,
    now_us: u64,
    queue_us: f64,
    chance: Chance,
    steps: Vec<(u64, Codec)>,
    /// Seconds in which more was lost on the way than repair carries.
    bad_seconds: Vec<u64>,
}

impl World {
    fn new(first: Codec, path: Path) -> Self {
        let mut fit = Fit::new(first, STEREO, 80_000, true);
        // Asked before there was sound.
        fit.look(1, Half { round_trip_us: Some(path.base_round_trip_us), ..Half::default() });
        Self {
            fit,
            path,
            now_us: 1,
            queue_us: 0.0,
            chance: Chance::new(5),
            steps: Vec::new(),
            bad_seconds: Vec::new(),
        }
    }

    fn run(&mut self, for_us: u64) -> &mut Self {
        for _ in 0..for_us / LOOK_US {
            let half = self.half();
            if half.lost.is_some_and(|lost| lost > 0.2) {
                self.bad_seconds.push(self.now_us / SECOND);
            }
            if let Some(step) = self.fit.look(self.now_us, half) {
                assert_eq!(step.to, self.fit.codec());
                self.steps.push((self.now_us, step.to));
            }
        }
        self
    }

    /// Half a second in pieces of 5 ms.
    fn half(&mut self) -> Half {
        let Path { bits_per_second, queue_us, loss, stall_us, burst_us, .. } = self.path;
        let bits = super::bits_per_second(self.fit.codec(), STEREO) * 0.005;
        let (mut sent, mut came, mut trips, mut late) = (0, 0, Vec::new(), Vec::new());
        for _ in 0..LOOK_US / 5_000 {
            self.now_us += 5_000;
            let stalls = self.now_us % stall_us.1 < stall_us.0;
            self.queue_us += if stalls { 5_000.0 } else { 0.0 };
            self.queue_us = (self.queue_us - 5_000.0).max(0.0);
            sent += 1;
            let is_full = self.queue_us > queue_us && !self.path.by_tcp;
            // TCP's server drops what cannot be heard in time any more.
            let is_old = self.path.by_tcp && self.queue_us > 75_000.0;
            if !is_full && !is_old {
                self.queue_us += bits / bits_per_second * 1e6;
                let is_lost = self.chance.uniform() < loss || self.now_us % burst_us.1 < burst_us.0;
                if !is_lost || self.path.by_tcp {
                    came += 1;
                    late.push(self.queue_us as u64);
                }
            }
            let jitter_us = (self.chance.uniform() * 3_000.0) as u64;
            trips.push(self.path.base_round_trip_us + jitter_us + self.queue_us as u64);
        }
        let median = |mut all: Vec<u64>| {
            all.sort_unstable();
            all.get(all.len() / 2).copied()
        };
        let share = 1.0 - f64::from(came) / f64::from(sent);
        Half {
            lost: (came > 0 && !self.path.by_tcp).then_some(share),
            quickest_us: trips.iter().min().copied(),
            round_trip_us: median(trips),
            late_us: median(late).filter(|_| self.path.by_tcp),
            carried: f64::from(came) * bits / 0.5,
        }
    }
}

fn opus(kbps: u16) -> Codec {
    Codec::Opus(Bitrate::nearest(kbps))
}

#[test]
fn float32_on_a_line_of_one_megabit_is_opus_within_three_seconds() {
    for by_tcp in [false, true] {
        let mut world = World::new(Codec::Float32, Path { bits_per_second: 1e6, by_tcp, ..GOOD });
        world.run(100 * SECOND);
        let [(at_us, codec)] = world.steps[..] else { panic!("{:?}", world.steps) };
        assert!(at_us <= 2 * SECOND, "{at_us}");
        assert_eq!(codec, opus(128), "without a stop at what does not fit");
        assert!(world.bad_seconds.iter().all(|second| *second <= 3), "{:?}", world.bad_seconds);
    }
}

#[test]
fn a_queue_that_fills_within_the_first_half_second_is_seen_by_the_quickest_round_trip() {
    let mut fit = Fit::new(Codec::Int16, STEREO, 80_000, true);
    let half = |quickest_us| Half {
        lost: Some(0.4),
        round_trip_us: Some(190_000),
        quickest_us: Some(quickest_us),
        carried: 1e6,
        ..Half::default()
    };
    assert_eq!(fit.look(LOOK_US, half(5_000)), None);
    assert_eq!(fit.look(2 * LOOK_US, half(180_000)).map(|step| step.to), Some(opus(128)));
}

#[test]
fn a_line_that_carries_sixteen_bits_gets_them() {
    let mut world = World::new(Codec::Float32, Path { bits_per_second: 2.2e6, ..GOOD });
    world.run(100 * SECOND);
    assert_eq!(world.steps.iter().map(|(_, codec)| *codec).collect::<Vec<_>>(), [Codec::Int16]);
}

#[test]
fn the_last_step_is_sixty_four_kilobits_and_below_it_there_is_none() {
    let mut world = World::new(opus(128), Path { bits_per_second: 0.1e6, ..GOOD });
    world.run(100 * SECOND);
    assert_eq!(world.steps.iter().map(|(_, codec)| *codec).collect::<Vec<_>>(), [opus(64)]);
}

#[test]
fn what_less_sound_does_not_mend_moves_nothing() {
    for path in [
        GOOD,
        Path { loss: 0.05, ..GOOD },
        Path { loss: 0.11, ..GOOD },
        Path { burst_us: (60_000, 3 * SECOND), ..GOOD },
        Path { stall_us: (120_000, 5 * SECOND), ..GOOD },
        Path { stall_us: (500_000, 30 * SECOND), ..GOOD },
        Path { stall_us: (500_000, 30 * SECOND), by_tcp: true, ..GOOD },
        Path { base_round_trip_us: 60_000, ..GOOD },
        Path { bits_per_second: 4e6, loss: 0.11, ..GOOD },
    ] {
        let mut world = World::new(Codec::Float32, path);
        world.run(60 * MINUTE);
        assert_eq!(world.steps, [], "loss {} stall {:?}", path.loss, path.stall_us);
    }
}

#[test]
fn loss_that_stays_where_less_is_sent_takes_the_step_back_and_is_believed_ever_less() {
    let mut world = World::new(Codec::Float32, Path { loss: 0.4, ..GOOD });
    world.run(60 * MINUTE);
    let steps: Vec<_> = world.steps.iter().map(|(_, codec)| *codec).collect();
    assert!(steps.len() <= 12 && steps.len() % 2 == 0, "{:?}", world.steps);
    assert!(
        steps.chunks(2).all(|pair| pair[0] != pair[1] && pair[1] == Codec::Float32),
        "{steps:?}"
    );
}

#[test]
fn it_comes_back_one_step_at_a_time_when_the_network_has_been_good_for_minutes() {
    let mut world = World::new(Codec::Float32, Path { bits_per_second: 1e6, ..GOOD });
    world.run(10 * SECOND);
    world.path = GOOD;
    world.run(5 * MINUTE);
    let [(_, down), (first_us, first), (last_us, last)] = world.steps[..] else {
        panic!("{:?}", world.steps)
    };
    assert_eq!([down, first, last], [opus(128), Codec::Int16, Codec::Float32]);
    assert!(first_us >= BACK_US && last_us - first_us >= BACK_US, "{:?}", world.steps);
}

#[test]
fn it_tries_ever_more_rarely_where_that_fails() {
    let mut world = World::new(Codec::Float32, Path { bits_per_second: 1e6, ..GOOD });
    world.run(120 * MINUTE);
    let tried: Vec<u64> =
        world.steps.iter().filter(|(_, codec)| *codec == Codec::Int16).map(|(us, _)| *us).collect();
    assert!((4..=6).contains(&tried.len()), "{:?}", world.steps);
    for waits in tried.windows(3) {
        assert!(waits[2] - waits[1] > (waits[1] - waits[0]) * 18 / 10, "{tried:?}");
    }
    assert_eq!(world.fit.codec(), opus(128));
    // Each try costs a moment.
    assert!(world.bad_seconds.len() < 30, "{:?}", world.bad_seconds);
}

#[test]
fn without_opus_there_are_steps_of_samples_alone() {
    let mut fit = Fit::new(Codec::Float32, STEREO, 80_000, false);
    let full =
        Half { lost: Some(0.6), round_trip_us: Some(200_000), carried: 1e6, ..Half::default() };
    fit.look(1, Half { round_trip_us: Some(4_000), ..Half::default() });
    let steps: Vec<_> =
        (1..40).filter_map(|n| fit.look(n * LOOK_US, full)).map(|step| step.to).collect();
    assert_eq!(steps, [Codec::Int16]);
}

#[test]
fn the_first_step_down_and_the_last_one_back_are_news() {
    let mut world = World::new(Codec::Float32, Path { bits_per_second: 1e6, ..GOOD });
    let mut news = Vec::new();
    for n in 0..1_000 {
        if n == 20 {
            world.path = GOOD;
        }
        let half = world.half();
        let step = world.fit.look(world.now_us, half);
        news.extend(step.filter(|step| step.is_news).map(|step| step.to_string()));
    }
    assert_eq!(news.len(), 2, "{news:?}");
    assert!(news[0].contains("f32 is too much for the network: opus:128"), "{}", news[0]);
    assert!(news[1].contains("it comes as f32 instead of s16"), "{}", news[1]);
}
