//! What a card gives, on its way into stamped chunks. [`Capture`] runs on the audio thread: no
//! allocation, free, lock, log or syscall.
//!
//! The card's callback pushes what it got into a ring and bumps counters; [`Captured`] is the
//! other end, on the chunking thread, where [`cards`] and [`chunk`] are.

pub mod cards;
pub mod chunk;
pub mod piece;
#[cfg(feature = "device")]
pub(crate) mod plug;

use std::sync::Arc;

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::format::Format;
use crate::stats;

/// The ring holds this long a time: more than the longest stall seen of an ordinary thread.
const RING_MS: f64 = 500.0;

/// Stamps waiting for the chunking thread: one comes per callback, at most 2,000 a second.
const STAMPS: usize = 1024;

/// When a frame was captured, and where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The frame's number, counting all that the card delivered.
    pub frame: u64,
    /// Frames pushed into the ring before it: fewer than `frame` where the ring overran.
    pub pushed: u64,
    /// When it was captured, in µs of our clock.
    pub at_us: u64,
    /// When the callback came that brought it, less what its frames last: an undelayed callback
    /// comes when its last frame is captured.
    pub came_us: u64,
}

/// The callback's end of the ring.
pub struct Capture {
    samples: HeapProd<f32>,
    stamps: HeapProd<Stamp>,
    counters: Arc<stats::Capture>,
    channels: usize,
    frame_us: f64,
    frames: u64,
    pushed: u64,
}

/// What the other end finds, in order.
#[derive(Debug, PartialEq)]
pub enum Piece<'a> {
    /// The next frame's number and time.
    Stamp(Stamp),
    /// Interleaved samples of whole frames.
    Samples(&'a [f32]),
}

/// The chunking thread's end of the ring.
pub struct Captured {
    samples: HeapCons<f32>,
    stamps: HeapCons<Stamp>,
    scratch: Vec<f32>,
    channels: usize,
    popped: u64,
}

/// A ring for a card that delivers `format`.
#[must_use]
pub fn ring(format: Format, counters: Arc<stats::Capture>) -> (Capture, Captured) {
    let capacity = format.samples(format.frames_in_ms(RING_MS).max(1024));
    let (samples, samples_out) = HeapRb::new(capacity).split();
    let (stamps, stamps_out) = HeapRb::new(STAMPS).split();
    let channels = usize::from(format.channels).max(1);
    let scratch = vec![0.0; format.samples(1024)];
    let frame_us = format.micros(1);
    let capture = Capture { samples, stamps, counters, channels, frame_us, frames: 0, pushed: 0 };
    (capture, Captured { samples: samples_out, stamps: stamps_out, scratch, channels, popped: 0 })
}

impl Capture {
    /// The callback, which came at `now_us`: takes interleaved samples of whole frames, the first
    /// captured at `at_us`. Returns how many frames found room; the rest is counted as overrun.
    pub fn on_input(&mut self, samples: &[f32], at_us: u64, now_us: u64) -> usize {
        let frames = samples.len() / self.channels;
        let came_us = now_us.saturating_sub((frames as f64 * self.frame_us) as u64);
        // A lost stamp only coarsens the clock; each one says where it belongs.
        let _ =
            self.stamps.try_push(Stamp { frame: self.frames, pushed: self.pushed, at_us, came_us });
        let room = self.samples.vacant_len() / self.channels;
        let taken = frames.min(room);
        self.samples.push_slice(&samples[..taken * self.channels]);
        self.frames += frames as u64;
        self.pushed += taken as u64;
        self.counters.frames.add(frames as u64);
        self.counters.overruns.add((frames - taken) as u64);
        self.counters.peak.note(&samples[..taken * self.channels]);
        taken
    }
}

impl Captured {
    /// Hands over everything that waits, stamps before the frames that they speak of.
    pub fn drain(&mut self, mut take: impl FnMut(Piece<'_>)) {
        loop {
            // Asked first: the stamps of all that waits now are there, of what comes meanwhile not.
            let waiting = self.samples.occupied_len() / self.channels;
            let stamp = self.stamps.try_peek().copied();
            let until = stamp.map_or(u64::MAX, |stamp| stamp.pushed);
            if let Some(stamp) = stamp.filter(|stamp| stamp.pushed <= self.popped) {
                let _ = self.stamps.try_pop();
                take(Piece::Stamp(stamp));
                continue;
            }
            let wanted = usize::try_from(until - self.popped).unwrap_or(usize::MAX);
            let frames = wanted.min(self.scratch.len() / self.channels);
            let count = frames.min(waiting) * self.channels;
            if count == 0 {
                return;
            }
            self.samples.pop_slice(&mut self.scratch[..count]);
            self.popped += (count / self.channels) as u64;
            take(Piece::Samples(&self.scratch[..count]));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

    fn collect(captured: &mut Captured) -> (Vec<f32>, Vec<Stamp>) {
        let (mut samples, mut stamps) = (Vec::new(), Vec::new());
        captured.drain(|piece| match piece {
            Piece::Stamp(stamp) => stamps.push(stamp),
            Piece::Samples(more) => samples.extend_from_slice(more),
        });
        (samples, stamps)
    }

    #[test]
    fn what_goes_in_comes_out_in_order_with_its_stamps() {
        let (mut capture, mut captured) = ring(STEREO, Arc::default());
        let ramp: Vec<f32> = (0..9600).map(|n| n as f32).collect();
        for (n, piece) in ramp.chunks(48).enumerate() {
            assert_eq!(capture.on_input(piece, n as u64 * 500, n as u64 * 500 + 700), 24);
        }
        let (samples, stamps) = collect(&mut captured);
        assert_eq!(samples, ramp);
        assert_eq!(stamps.len(), 200);
        assert_eq!(stamps[3], Stamp { frame: 72, pushed: 72, at_us: 1500, came_us: 1700 });
    }

    #[test]
    fn no_sample_comes_before_its_stamp_while_the_card_goes_on_delivering() {
        const FRAMES: u64 = 24;
        let (mut capture, mut captured) = ring(STEREO, Arc::default());
        let taken = Arc::new(AtomicU64::new(0));
        let card = {
            let taken = Arc::clone(&taken);
            std::thread::spawn(move || {
                let mut given = 0;
                while given < 20_000 * FRAMES {
                    if given - taken.load(Ordering::Relaxed) < 100 * FRAMES {
                        capture.on_input(&[0.5; 2 * FRAMES as usize], given, given);
                        given += FRAMES;
                    }
                }
            })
        };
        let (mut stamped, mut popped) = (0, 0);
        while popped < 20_000 * FRAMES {
            captured.drain(|piece| match piece {
                Piece::Stamp(stamp) => stamped = stamp.pushed + FRAMES,
                Piece::Samples(samples) => {
                    popped += samples.len() as u64 / 2;
                    assert!(
                        popped <= stamped,
                        "{popped} without a stamp, the last until {stamped}"
                    );
                }
            });
            taken.store(popped, Ordering::Relaxed);
        }
        card.join().unwrap();
    }

    #[test]
    fn an_overrun_loses_whole_frames_is_counted_and_shows_in_the_next_stamp() {
        let counters: Arc<stats::Capture> = Arc::default();
        let (mut capture, mut captured) = ring(STEREO, Arc::clone(&counters));
        let long = vec![0.5; STEREO.samples(20_000)];
        assert_eq!(capture.on_input(&long, 0, 0), 20_000);
        assert_eq!(capture.on_input(&long, 1, 1), 4_000);
        assert_eq!(counters.overruns.get(), 16_000);
        assert_eq!(collect(&mut captured).0.len(), STEREO.samples(24_000));
        capture.on_input(&[0.0; 2], 2, 2);
        let (_, stamps) = collect(&mut captured);
        assert_eq!(stamps, [Stamp { frame: 40_000, pushed: 24_000, at_us: 2, came_us: 0 }]);
    }
}
