//! What this client's output has played, and when each sample of it is heard.
//!
//! The output's callback puts there what it hands to the card. Whoever wants to know what was heard at
//! a time reads it at the pace of another clock: the microphone's card may be another one. Pure: the
//! time is an argument.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::echo::MARGIN;
use super::spectrum::CHUNK;
use crate::capture::{Captured, Piece};
use crate::clock::CardClock;
use crate::format::Format;

/// An output is opened at most every quarter of a second, and taken at once.
const OUTPUTS: usize = 4;

/// How much of what was played is kept, in ms: as far back as an echo is looked for, and what a card
/// takes in advance.
const KEPT_MS: f64 = 1_500.0;

/// Where the next chunk is read moves by so much of what it is off, so that no noise of a clock's is
/// heard as a rate that wavers.
const FOLLOWS: f64 = 0.01;

/// Off by more than this, in µs, a clock has stepped: it is read from there at once.
const STEP_US: f64 = 3_000.0;

/// Taps on either side of a place between two samples.
const TAPS: i64 = 8;

/// Places between two samples for which taps are kept.
const PLACES: usize = 128;

/// An output that was opened, or lost.
pub enum Output {
    /// An output plays.
    Plugged {
        /// Where what it plays comes out.
        played: Captured,
        /// Its rate and channels.
        format: Format,
    },
    /// It plays no more.
    #[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card is lost"))]
    Lost,
}

/// What was played.
pub struct FarEnd {
    outputs: Receiver<Output>,
    output: Option<Played>,
    taps: Vec<[f32; 2 * TAPS as usize]>,
}

/// The output in use.
struct Played {
    from: Captured,
    format: Format,
    clock: CardClock,
    /// The newest frames, left and right.
    frames: VecDeque<[f32; 2]>,
    /// The number of the first among them, counting all that the card was given.
    first: u64,
    /// The number of the frame that comes next.
    next: u64,
    /// Where the next chunk is read without an echo's delay, as a frame's number.
    reads: Option<f64>,
}

impl FarEnd {
    /// Outputs are announced through what this returns.
    #[must_use]
    pub fn new() -> (Self, SyncSender<Output>) {
        let (sender, outputs) = sync_channel(OUTPUTS);
        (Self { outputs, output: None, taps: taps() }, sender)
    }

    /// Takes what was played since last time.
    pub fn take(&mut self) {
        while let Ok(output) = self.outputs.try_recv() {
            self.output = match output {
                Output::Plugged { played, format } => Some(Played::new(played, format)),
                Output::Lost => None,
            };
        }
        if let Some(output) = &mut self.output {
            output.take();
        }
    }

    /// Goes on to the chunk of 10 ms whose first frame is heard at `at_us`, in µs of this computer's
    /// clock. Whether anything was played then.
    pub fn go_to(&mut self, at_us: u64) -> bool {
        self.output.as_mut().is_some_and(|output| output.go_to(at_us as f64))
    }

    /// Reads what was played `before` frames at 48,000 Hz before that chunk, and [`MARGIN`] after that:
    /// two channels of [`CHUNK`] samples. `false` where not all of it is known.
    pub fn read(&self, before: usize, out: &mut [Vec<f32>]) -> bool {
        self.output.as_ref().is_some_and(|output| output.read(before, out, &self.taps))
    }
}

impl Played {
    fn new(from: Captured, format: Format) -> Self {
        let clock = CardClock::new(format.sample_rate);
        let frames = VecDeque::with_capacity(format.frames_in_ms(KEPT_MS));
        Self { from, format, clock, frames, first: 0, next: 0, reads: None }
    }

    fn take(&mut self) {
        let channels = usize::from(self.format.channels.max(1));
        let kept = self.format.frames_in_ms(KEPT_MS);
        let Self { from, clock, frames, next, .. } = self;
        from.drain(|piece| match piece {
            Piece::Stamp(stamp) => {
                // What the ring had no room for is silence, of the right length.
                let lost = stamp.frame.saturating_sub(*next).min(kept as u64);
                frames.extend((0..lost).map(|_| [0.0; 2]));
                *next = stamp.frame.max(*next);
                let _ = clock.stamp(stamp.frame, stamp.at_us, stamp.came_us);
            }
            Piece::Samples(samples) => {
                for frame in samples.chunks_exact(channels) {
                    let left = frame.first().copied().unwrap_or_default();
                    frames.push_back([left, frame.get(1).copied().unwrap_or(left)]);
                    *next += 1;
                }
            }
        });
        while self.frames.len() > kept {
            self.frames.pop_front();
        }
        self.first = self.next.saturating_sub(self.frames.len() as u64);
    }

    /// Card frames per frame at 48,000 Hz, as the card itself counts time.
    fn pace(&self) -> f64 {
        1e6 / 48_000.0 / self.clock.us_per_frame()
    }

    fn go_to(&mut self, at_us: f64) -> bool {
        let Some(wanted) = self.clock.frame_at(at_us) else {
            return false;
        };
        let due = self.reads.map(|reads| reads + CHUNK as f64 * self.pace());
        let step = STEP_US / self.clock.us_per_frame();
        self.reads = Some(match due.filter(|due| (due - wanted).abs() < step) {
            Some(due) => due + (wanted - due) * FOLLOWS,
            None => wanted,
        });
        true
    }

    fn read(&self, before: usize, out: &mut [Vec<f32>], taps: &[[f32; 2 * TAPS as usize]]) -> bool {
        let Some(reads) = self.reads else {
            return false;
        };
        let pace = self.pace();
        let from = reads + (MARGIN as f64 - before as f64) * pace - self.first as f64;
        let last = from + CHUNK as f64 * pace;
        if from < TAPS as f64 || last + TAPS as f64 + 1.0 >= self.frames.len() as f64 {
            return false;
        }
        for at in 0..CHUNK {
            let place = from + at as f64 * pace;
            let whole = place.floor();
            let between = ((place - whole) * PLACES as f64) as usize;
            let taps = &taps[between.min(PLACES - 1)];
            let start = whole as usize + 1 - TAPS as usize;
            let mut sums = [0.0; 2];
            for (tap, frame) in taps.iter().zip(self.frames.range(start..)) {
                sums[0] += tap * frame[0];
                sums[1] += tap * frame[1];
            }
            for (channel, sum) in out.iter_mut().zip(sums) {
                channel[at] = sum;
            }
        }
        true
    }
}

/// Windowed sinc, for each place between two samples.
fn taps() -> Vec<[f32; 2 * TAPS as usize]> {
    let tap = |place: usize, at: i64| {
        let away = (at - (TAPS - 1)) as f64 - (place as f64 + 0.5) / PLACES as f64;
        let turn = std::f64::consts::PI * away;
        let window = 0.5 + 0.5 * (turn / (TAPS as f64 + 0.5)).cos();
        let sinc = if away.abs() < 1e-9 { 1.0 } else { turn.sin() / turn };
        (sinc * window) as f32
    };
    let taps_of = |place: usize| -> [f32; 2 * TAPS as usize] {
        let taps: [f32; 2 * TAPS as usize] = std::array::from_fn(|at| tap(place, at as i64));
        // What does not change is read as it is, at every place.
        let sum: f32 = taps.iter().sum();
        taps.map(|tap| tap / sum)
    };
    (0..PLACES).map(taps_of).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::capture::{Capture, ring};

    /// How long after its callback an output is heard, in µs.
    const LATENCY_US: u64 = 30_000;

    /// A ramp that says when it is heard: a sample is its time in seconds.
    struct Card {
        format: Format,
        tap: Capture,
        frames: u64,
    }

    impl Card {
        fn plug(outputs: &SyncSender<Output>, sample_rate: u32, channels: u16) -> Self {
            let format = Format { sample_rate, channels };
            let (tap, played) = ring(format, Arc::default());
            outputs.send(Output::Plugged { played, format }).unwrap();
            Self { format, tap, frames: 0 }
        }

        /// Callbacks of 256 frames until `until_us`.
        fn play(&mut self, until_us: u64) {
            loop {
                let came_us = self.format.micros(self.frames) as u64 + 1_000_000;
                if came_us > until_us {
                    return;
                }
                let heard_us = came_us + LATENCY_US;
                let channels = usize::from(self.format.channels);
                let samples: Vec<f32> = (0..256 * channels as u64)
                    .map(|at| {
                        let after_us = self.format.micros(self.frames + at / channels as u64);
                        ((after_us + LATENCY_US as f64) / 1e6) as f32
                    })
                    .collect();
                self.tap.on_input(&samples, heard_us, came_us);
                self.frames += 256;
            }
        }
    }

    fn chunk() -> Vec<Vec<f32>> {
        vec![vec![0.0; CHUNK]; 2]
    }

    #[test]
    fn what_was_heard_at_a_time_is_read_whatever_the_cards_rate_and_channels() {
        for (rate, channels) in [(44_100, 2), (48_000, 1), (96_000, 6)] {
            let (mut far, outputs) = FarEnd::new();
            let mut card = Card::plug(&outputs, rate, channels);
            let mut out = chunk();
            for chunk in 0..100_u64 {
                let at_us = 1_300_000 + chunk * 10_000;
                card.play(at_us + 15_000);
                far.take();
                assert!(far.go_to(at_us) && far.read(0, &mut out), "{rate} Hz, chunk {chunk}");
                let margin = MARGIN as f64 / 48_000.0;
                let expected = (at_us - 1_000_000) as f64 / 1e6 + margin;
                for (at, (left, right)) in out[0].iter().zip(&out[1]).enumerate() {
                    let off = f64::from(*left) - expected - at as f64 / 48_000.0;
                    assert!(off.abs() < 1e-4, "{rate} Hz, {at}: off by {off} s");
                    assert!((left - right).abs() < 1e-6);
                }
                assert!(far.read(48, &mut out));
                assert!((f64::from(out[0][0]) - expected + 1e-3).abs() < 1e-4, "1 ms before");
            }
        }
    }

    #[test]
    fn without_an_output_or_before_its_clock_is_known_nothing_is_read() {
        let (mut far, outputs) = FarEnd::new();
        far.take();
        assert!(!far.go_to(5_000_000) && !far.read(0, &mut chunk()));
        let mut card = Card::plug(&outputs, 48_000, 2);
        card.play(1_020_000);
        far.take();
        assert!(!far.go_to(1_010_000));
        card.play(2_000_000);
        far.take();
        assert!(far.go_to(1_990_000) && far.read(0, &mut chunk()));
        assert!(!far.read(48_000 * 3, &mut chunk()), "longer ago than is kept");
        assert!(far.go_to(9_000_000) && !far.read(0, &mut chunk()), "not played yet");
        outputs.send(Output::Lost).unwrap();
        far.take();
        assert!(!far.go_to(1_990_000));
    }

    #[test]
    fn what_a_full_ring_lost_leaves_silence_of_its_length() {
        let (mut far, outputs) = FarEnd::new();
        let mut card = Card::plug(&outputs, 48_000, 2);
        card.play(1_300_000);
        far.take();
        // Two seconds in which nobody looked: the ring holds half a second.
        card.play(3_300_000);
        far.take();
        card.play(3_400_000);
        far.take();
        let mut out = chunk();
        assert!(far.go_to(3_390_000) && far.read(0, &mut out));
        assert!((f64::from(out[0][0]) - 2.393).abs() < 1e-4, "{}", out[0][0]);
    }
}
