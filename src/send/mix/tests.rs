mod mouth_to_ear;

use std::cell::Cell;

use super::*;
use crate::capture;
use crate::codec::Codec;
use crate::sound::mixdown::Layout;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

/// Frames of a chunk: 10 ms.
const CHUNK: u32 = 480;

/// When the mix was made, in µs.
const START_US: u64 = 1_000_000_000;

/// A mix that only its own thread would look after.
struct Bench {
    mix: Mix,
    in_use: InUse,
    counters: Arc<stats::Capture>,
    made: Vec<AudioHeader>,
    /// Processor time that one look at it adds, in µs.
    step_us: u64,
    has_room: bool,
}

impl Bench {
    fn new() -> Self {
        let counters: Arc<stats::Capture> = Arc::default();
        let (layout, carrier) = (opus::Layout::for_delay(80), ("card", Settings::default()));
        let counted = Arc::clone(&counters);
        let mix = Mix::new(STEREO, CHUNK, layout, carrier, counted, START_US);
        let in_use = InUse::default();
        in_use.add(Codec::Float32);
        Self { mix, in_use, counters, made: Vec::new(), step_us: 0, has_room: true }
    }

    /// A turn at so many ms after the start; how many frames were made, and who is to talk no more.
    fn turn(&mut self, ms: u64) -> (usize, Option<u32>) {
        let before = self.made.len();
        let (spent_us, made) = (Cell::new(0), &mut self.made);
        let spend = || {
            spent_us.set(spent_us.get() + self.step_us);
            spent_us.get()
        };
        let silenced = self.mix.turn(START_US + ms * 1_000, 80, &self.in_use, spend, |frame| {
            made.push(*frame.header());
            self.has_room
        });
        (self.made.len() - before, silenced)
    }
}

#[test]
fn without_any_sound_there_is_silence_by_the_clock_chunk_after_chunk() {
    let mut bench = Bench::new();
    assert_eq!(bench.turn(0), (0, None), "nothing is due yet");
    let made: usize = (1..=100).map(|n| bench.turn(n * 10).0).sum();
    assert!((90..=100).contains(&made), "{made} chunks in a second");
    for pair in bench.made.windows(2) {
        assert_eq!(pair[1].position, pair[0].position + u64::from(CHUNK));
        assert_eq!(pair[1].captured_us, pair[0].captured_us + 10_000);
    }
    let begun = bench.mix.silent_frames() - made as u64 * u64::from(CHUNK);
    assert!(begun < u64::from(CHUNK), "{begun} frames of the chunk in hand");
}

#[test]
fn a_turn_ends_after_20_ms_of_processor_time_and_the_next_goes_on() {
    let mut bench = Bench::new();
    bench.step_us = 15_000;
    // Half a second is due at once.
    let made: Vec<usize> = (0..5).map(|_| bench.turn(500).0).collect();
    assert_eq!(made, [1; 5], "each makes two pieces before its time is over");
    bench.step_us = 0;
    assert!(bench.turn(500).0 > 10, "the rest");
}

#[test]
fn where_nobody_talks_nobody_is_silenced_however_long_there_is_too_much_to_do() {
    let mut bench = Bench::new();
    bench.step_us = 30_000;
    for ms in (1_000..5_000).step_by(20) {
        assert_eq!(bench.turn(ms).1, None);
    }
}

#[test]
fn what_the_network_has_no_room_for_is_counted() {
    let mut bench = Bench::new();
    bench.turn(0);
    bench.has_room = false;
    let (made, _) = bench.turn(300);
    assert!(made > 0);
    assert_eq!(bench.counters.chunks_dropped.get(), made as u64);
}

#[test]
fn what_nobody_listens_in_is_not_encoded() {
    let mut bench = Bench::new();
    bench.in_use.set(std::iter::empty());
    assert_eq!(bench.turn(1_000).0, 0);
}

#[test]
fn capture_times_are_those_of_the_sound_that_leaves_behind_the_limiter() {
    let mut bench = Bench::new();
    let (mut callback, captured) = capture::ring(STEREO, Arc::default());
    let layout = Layout::usual(2);
    let card = Card::Plugged { captured, format: STEREO, layout, period_ms: 10.0 };
    bench.mix.cards(None).try_send(card).unwrap();
    bench.turn(0);
    // A click at 250 ms: later than the start of its chunk by none of its frames.
    for n in 0..50_u64 {
        let mut samples = vec![0.0; STEREO.samples(CHUNK as usize)];
        if n == 25 {
            samples[0] = 0.5;
            samples[1] = 0.5;
        }
        let at_us = START_US + n * 10_000;
        callback.on_input(&samples, at_us, at_us + 10_000);
    }
    let mut heard_us = None;
    let in_use = &bench.in_use;
    let _ = bench.mix.turn(
        START_US + 510_000,
        80,
        in_use,
        || 0,
        |frame| {
            let header = *frame.header();
            let mut samples = Vec::new();
            let (_, payload) = frame.plain();
            crate::codec::pcm::read_float32(payload, header.frames, 2, &mut samples).unwrap();
            if let Some(at) = samples.iter().position(|sample| *sample > 0.4) {
                heard_us = Some(header.captured_us as f64 + STEREO.micros(at as u64 / 2));
            }
            true
        },
    );
    let off_us = heard_us.unwrap() - (START_US + 250_000) as f64;
    assert!(off_us.abs() < 100.0, "{off_us} µs");
}
