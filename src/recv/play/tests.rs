use std::sync::mpsc::sync_channel;

use super::*;
use crate::recv::trim::Trim;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

/// A player without a card, which knows the server's clock.
struct Bench {
    play: Play,
    server: SyncSender<Heard>,
    counters: Arc<stats::Playback>,
    _snapshots: Receiver<Snapshot>,
    _delays: Receiver<u32>,
}

impl Bench {
    fn new() -> Self {
        let (server, heard) = sync_channel(4096);
        let (snapshots_in, _snapshots) = sync_channel(1);
        let (delays_in, _delays) = sync_channel(8);
        let counters: Arc<stats::Playback> = Arc::default();
        let controls = Arc::new(Controls::new(100, Trim::new(None), None));
        let choice = Choice { fallback_delay_ms: 300, adaptive: false, controls };
        let play = Play::new(
            Clock::start(),
            heard,
            Output::Cardless,
            choice,
            Arc::clone(&counters),
            snapshots_in,
            delays_in,
        );
        let mut bench = Self { play, server, counters, _snapshots, _delays };
        bench.say(Heard::Stream(Stream {
            format: STEREO,
            chunk: 480,
            playout_delay_ms: Some(10_000),
            session: Some("one".into()),
        }));
        bench
    }

    fn say(&mut self, heard: Heard) {
        self.server.send(heard).unwrap();
    }

    /// One sample at `position`, captured and read at `at_us`.
    fn sound(&mut self, position: u64, at_us: u64, broken: bool) {
        let samples = vec![0.1; 2];
        let captured_us = Some(at_us);
        self.say(Heard::Audio { position, captured_us, arrived_us: at_us, broken, samples });
    }

    /// Turns that it takes until nothing waits.
    fn turns(&mut self) -> usize {
        (1..).find(|_| !self.play.take_messages().unwrap()).unwrap()
    }
}

#[test]
fn the_card_is_looked_at_between_64_messages_however_many_there_are() {
    let mut bench = Bench::new();
    bench.say(Heard::Offset(Offset::NONE));
    let now_us = bench.play.clock.now_us();
    (0..1000).for_each(|n| bench.sound(n * 3, now_us, false));
    assert!(bench.turns() >= 1000 / 64);
}

#[test]
fn what_waited_for_the_servers_clock_is_taken_in_turns_too() {
    let mut bench = Bench::new();
    let now_us = bench.play.clock.now_us();
    (0..1000).for_each(|n| bench.sound(n, now_us + n * 21, false));
    bench.turns();
    bench.say(Heard::Offset(Offset::NONE));
    bench.sound(1000, now_us + 21_000, false);
    assert!(bench.turns() >= 1000 / 64);
    let cardless = bench.play.cardless.as_ref().unwrap();
    assert_eq!(cardless.buffered(), 1001);
}

#[test]
fn a_stream_that_begins_anew_more_than_ten_times_a_second_is_dropped_and_counted() {
    let mut bench = Bench::new();
    bench.say(Heard::Offset(Offset::NONE));
    let now_us = bench.play.clock.now_us();
    (0..2000).for_each(|n| bench.sound(n * 100_000, now_us + n * 1000, true));
    bench.turns();
    assert_eq!(bench.counters.refused.get(), 2000 - 20);
}
