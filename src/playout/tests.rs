use super::*;
use crate::clock::Offset;

const RATE: u32 = 48_000;
const MONO: Format = Format { sample_rate: RATE, channels: 1 };
const CHUNK: u64 = 480;
const DELAY_MS: u32 = 100;
const OFFSET_US: f64 = 7_000_000.0;
/// Server's clock at position 0.
const START_US: f64 = 50_000_000.0;

/// A server whose sample at position n is `signal(n)`, and a card, on one simulated clock.
struct Room {
    playout: Playout,
    clock: CardClock,
    signal: fn(u64) -> f32,
    card_rate: f64,
    card_period: u64,
    sent: u64,
    played: u64,
    /// Chunks for which this is true never come.
    lost: fn(u64) -> bool,
    heard: Vec<f32>,
}

fn ramp(position: u64) -> f32 {
    position as f32
}

fn sine(position: u64) -> f32 {
    (position as f64 / f64::from(RATE) * 440.0 * std::f64::consts::TAU).sin() as f32 * 0.5
}

impl Room {
    fn new(signal: fn(u64) -> f32, card: u32, ppm: f64) -> Self {
        let offset = Offset { offset_us: OFFSET_US, ..Offset::NONE };
        let timeline = Timeline::new(RATE, 0, START_US as u64, offset, f64::from(DELAY_MS) * 1e3);
        let card_format = Format { sample_rate: card, channels: 1 };
        let playout = Playout::new(MONO, card_format, CHUNK as usize, DELAY_MS, timeline).unwrap();
        let mut clock = CardClock::new(card);
        clock.anchor(0, (START_US - OFFSET_US) as u64);
        Self {
            playout,
            clock,
            signal,
            card_rate: f64::from(card) * (1.0 + ppm * 1e-6),
            card_period: 480,
            sent: 0,
            played: 0,
            lost: |_| false,
            heard: Vec::new(),
        }
    }

    /// Our clock when the card plays frame `frame`.
    fn time_of(&self, frame: u64) -> f64 {
        START_US - OFFSET_US + frame as f64 / self.card_rate * 1e6
    }

    /// The position that belongs to the card's frame `frame`.
    fn exact(&self, frame: u64) -> f64 {
        let server = self.time_of(frame) + OFFSET_US - START_US;
        (server - self.playout.timeline.delay_us()) * f64::from(RATE) / 1e6
    }

    /// Lets `ms` pass: chunks come 5 ms after their last frame was captured, the card plays.
    fn run(&mut self, ms: u64) {
        let until = self.played + ms * self.card_rate as u64 / 1000;
        while self.played < until {
            let now = self.time_of(self.played) + OFFSET_US;
            while START_US + (self.sent + CHUNK) as f64 / f64::from(RATE) * 1e6 + 5e3 <= now {
                if !(self.lost)(self.sent / CHUNK) {
                    let samples: Vec<f32> =
                        (self.sent..self.sent + CHUNK).map(self.signal).collect();
                    let at = START_US + self.sent as f64 / f64::from(RATE) * 1e6;
                    self.playout.insert(self.sent, at as u64, false, &samples);
                }
                self.sent += CHUNK;
            }
            if self.played.is_multiple_of(self.card_period) {
                let at_us = self.time_of(self.played) as u64;
                let _ = self.clock.stamp(self.played, at_us, at_us);
            }
            let before = self.heard.len();
            match self.playout.block(self.played as f64, &self.clock) {
                Some(block) => self.heard.extend_from_slice(block),
                None => self.heard.extend_from_slice(&[0.0; BLOCK]),
            }
            assert_eq!(self.heard.len(), before + BLOCK);
            self.played += BLOCK as u64;
        }
    }

    fn largest_step(&self) -> f32 {
        self.heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }
}

/// The largest step of the sine itself.
fn own_step() -> f32 {
    0.5 * (440.0 * std::f32::consts::TAU / RATE as f32)
}

#[test]
fn every_sample_is_heard_at_its_capture_time_plus_the_delay() {
    for (card, ppm) in [(48_000, 0.0), (48_000, 150.0), (44_100, -200.0), (96_000, 30.0)] {
        let mut room = Room::new(ramp, card, ppm);
        room.run(8_000);
        let counts = room.playout.counts();
        assert_eq!((counts.lost, counts.jumps), (0, 0), "{card} Hz {ppm} ppm");
        for frame in (room.heard.len() - 20_000)..room.heard.len() {
            let error = f64::from(room.heard[frame]) - room.exact(frame as u64);
            assert!(error.abs() < 1.5, "{card} Hz {ppm} ppm: {error} frames off at {frame}");
        }
        let error = room.playout.delay_us() - 1e5;
        assert!(error.abs() < 20.0, "{card} Hz {ppm} ppm: {error} µs");
    }
}

#[test]
fn nothing_plays_before_its_time_and_then_it_fades_in() {
    let mut room = Room::new(sine, RATE, 0.0);
    room.run(90);
    assert!(!room.playout.is_playing());
    room.run(400);
    assert!(room.playout.is_playing());
    assert!(room.largest_step() < own_step() * 1.2, "{}", room.largest_step() / own_step());
}

#[test]
fn a_lost_chunk_is_silence_without_a_click_and_moves_nothing() {
    let mut room = Room::new(sine, RATE, 0.0);
    room.lost = |chunk| chunk % 50 == 49;
    room.run(3_000);
    let counts = room.playout.counts();
    assert_eq!(counts.jumps, 0);
    assert!(counts.lost >= 4 * CHUNK && counts.lost.is_multiple_of(CHUNK), "{}", counts.lost);
    assert!(room.largest_step() < own_step() * 1.2, "{}", room.largest_step() / own_step());
}

#[test]
fn an_error_too_large_to_steer_is_jumped_over_without_a_click() {
    for by_us in [-30_000.0, 8_000.0, 40_000.0] {
        let mut room = Room::new(sine, RATE, 0.0);
        room.run(1_000);
        room.playout.timeline().set_delay_us(1e5 + by_us);
        room.run(1_000);
        assert_eq!(room.playout.counts().jumps, 1, "{by_us}");
        assert!((room.playout.delay_us() - 1e5 - by_us).abs() < 20.0, "{by_us}");
        assert!(
            room.largest_step() < own_step() * 1.2,
            "{by_us}: {}",
            room.largest_step() / own_step()
        );
    }
}

#[test]
fn a_small_error_is_steered_away_without_overshoot() {
    // What makes somebody out of step is made up for soon; what does not, so that nobody could hear it.
    for (by_us, most_ppm, within_ms) in [(1_000.0, 1_001.0, 3_000), (100.0, 201.0, 12_000)] {
        let mut room = Room::new(ramp, RATE, 0.0);
        room.run(11_000);
        room.playout.timeline().set_delay_us(1e5 + by_us);
        let mut lowest = f64::INFINITY;
        for _ in 0..within_ms / 100 {
            room.run(100);
            lowest = lowest.min(room.playout.timeline.delay_us() - room.playout.delay_us());
            assert!(room.playout.stretch_ppm().abs() <= most_ppm);
        }
        assert_eq!(room.playout.counts().jumps, 0);
        let error = room.playout.delay_us() - 1e5 - by_us;
        assert!(error.abs() < 30.0, "{by_us} µs: {error} µs left");
        room.run(10_000);
        let error = room.playout.delay_us() - 1e5 - by_us;
        assert!(error.abs() < 10.0, "{by_us} µs: {error} µs left");
        assert!(lowest > -by_us / 5.0, "{by_us} µs: overshoot of {lowest} µs");
    }
}

#[test]
fn when_the_sound_ends_it_fades_and_comes_back_the_same_way() {
    let mut room = Room::new(sine, RATE, 0.0);
    room.lost = |chunk| (100..200).contains(&chunk);
    room.run(4_000);
    assert_eq!(room.playout.counts().jumps, 0);
    assert!(room.largest_step() < own_step() * 1.2);
    assert!(room.heard[72_000..80_000].iter().all(|s| *s == 0.0));
    assert!(room.heard[120_000..].iter().any(|s| s.abs() > 0.4));
}
