//! A source without a card that is the first one: makes what is due by the clock.

use log::{error, info};

use crate::capture::chunk::Chunker;
use crate::soundless::Generator;
use crate::stats;

/// A generator never makes up for more than this at once: after a stall its sound goes on where it
/// was, later.
const LONGEST_CATCH_UP_US: u64 = 500_000;

pub(super) struct Generating {
    generator: Generator,
    start_us: u64,
    made: u64,
    scratch: Vec<f32>,
    /// Behind the end, frames of silence that are still to come: they push out what the conversion
    /// of its rate keeps back.
    tail: Option<u64>,
}

impl Generating {
    /// Sound from `generator`, the first sample of which belongs to `start_us`.
    pub(super) fn new(generator: Generator, start_us: u64) -> Self {
        Self { generator, start_us, made: 0, scratch: Vec::new(), tail: None }
    }

    /// Makes what is due at `now_us`. `false` when the sound has ended.
    pub(super) fn feed(
        &mut self,
        chunker: &mut Chunker,
        now_us: u64,
        counters: &stats::Capture,
    ) -> bool {
        let format = self.generator.format();
        let elapsed = now_us.saturating_sub(self.start_us) as f64;
        let due = (elapsed * f64::from(format.sample_rate) / 1e6) as u64;
        let most = format.frames_in_ms(LONGEST_CATCH_UP_US as f64 / 1e3) as u64;
        let mut missing = due.saturating_sub(self.made);
        if missing > most {
            self.start_us += format.micros(missing - most) as u64;
            missing = most;
        }
        if missing == 0 {
            return true;
        }
        self.scratch.resize(format.samples(missing as usize), 0.0);
        let frames = match self.generator.read(&mut self.scratch) {
            Ok(0) => {
                let left = self.tail.get_or_insert_with(|| chunker.held_back());
                if *left == 0 {
                    info!("the file has ended: silence from here on");
                    return false;
                }
                let frames = missing.min(*left);
                *left -= frames;
                self.scratch.fill(0.0);
                frames as usize
            }
            Ok(frames) => frames,
            Err(e) => {
                error!("{e}");
                return false;
            }
        };
        let samples = &self.scratch[..format.samples(frames)];
        let at_us = self.start_us + format.micros(self.made) as u64;
        chunker.stamp(self.made, 0, at_us, at_us);
        chunker.samples(samples);
        counters.peak.note(samples);
        counters.frames.add(frames as u64);
        self.made += frames as u64;
        true
    }
}
