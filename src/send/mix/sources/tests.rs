use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use super::super::combine::Settings;
use super::super::prepare::Fitting;
use super::*;
use crate::clock::Clock;
use crate::listener::relay::Relays;
use crate::scratch::Scratch;
use crate::send::captured::CapturedOutputs;
use crate::shutdown::Shutdown;
use crate::source::Source;
use crate::wire::AudioHeader;

const MIX: Format = Format { sample_rate: 48_000, channels: 2 };

/// Far more than a few frames of a file take.
const PATIENCE: Duration = Duration::from_secs(30);

fn fitting() -> Fitting {
    Fitting {
        mix: MIX,
        delay_ms: Arc::new(AtomicU32::new(100)),
        clock: Clock::start(),
        captured: CapturedOutputs::default(),
        relays: Relays::default(),
        stop: Shutdown::default(),
    }
}

/// A file of a few frames.
fn jingle(scratch: &Scratch) -> Source {
    let path = scratch.path("jingle.wav");
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: MIX.sample_rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(&path, spec).unwrap();
    (0..960).for_each(|n| wav.write_sample((n % 7) as i16).unwrap());
    wav.finalize().unwrap();
    format!("file:{}", path.display()).parse().unwrap()
}

struct Desk {
    sources: Sources,
    combine: Combine,
    taps: Taps,
    position: u64,
}

impl Desk {
    fn new() -> Self {
        let mut combine = Combine::new(MIX);
        combine.add(CARRIER, Role::Film, Settings::default());
        let (sources, taps) = (Sources::new(MIX, "none"), Taps::default());
        Self { sources, combine, taps, position: 0 }
    }

    fn obey(&mut self, order: Order) -> Vec<SourceStats> {
        self.sources.obey(order, &mut self.combine, &mut self.taps).unwrap()
    }

    /// Plays until the list satisfies.
    fn play_until(&mut self, is_reached: impl Fn(&[SourceStats]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        let silence = vec![0.0; MIX.samples(480)];
        while !is_reached(&self.obey(Order::List)) {
            assert!(Instant::now() < deadline, "{:?}", self.obey(Order::List));
            let header =
                AudioHeader { flags: 0, frames: 480, position: self.position, captured_us: 0 };
            self.position += 480;
            self.combine.begin(480);
            self.combine.input(CARRIER, &silence, false);
            self.sources.give(&header, &mut self.combine, &mut self.taps);
            let _ = self.combine.common();
            std::thread::yield_now();
        }
    }
}

#[test]
fn a_source_that_was_added_and_has_ended_leaves_so_that_it_can_be_added_for_ever() {
    let scratch = Scratch::new();
    let (source, fitting) = (jingle(&scratch), fitting());
    let mut desk = Desk::new();
    for _ in 0..MAX_SOURCES + 2 {
        let prepared = Prepared::open(&source, &fitting).unwrap();
        assert_eq!(desk.obey(Order::Add(Box::new(prepared))).len(), 2);
        desk.play_until(|sources| sources.len() == 1);
    }
}

#[test]
fn a_source_of_the_start_that_has_ended_stays_in_the_list_until_it_is_added_again() {
    let scratch = Scratch::new();
    let (source, fitting) = (jingle(&scratch), fitting());
    let mut desk = Desk::new();
    let first = Prepared::open(&source, &fitting).unwrap();
    desk.sources.add(first, &mut desk.combine).unwrap();
    desk.play_until(|sources| sources.len() == 2 && sources[1].state == SourceState::Ended);
    let again = Prepared::open(&source, &fitting).unwrap();
    let sources = desk.obey(Order::Add(Box::new(again)));
    assert_eq!((sources.len(), sources[1].id), (2, 2), "{sources:?}");
    desk.play_until(|sources| sources.len() == 1);
}
