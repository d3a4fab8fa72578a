//! The jitter buffer: decoded sound in position order, until its time comes.
//!
//! Frames live in a ring indexed by position, so that what comes twice, late, early or never needs
//! no bookkeeping beyond which stretches are there. What is missing reads as silence.

use std::collections::VecDeque;

use crate::format::Format;

/// Frames behind the reader that stay readable, so that a small jump back finds them, in ms.
const HISTORY_MS: f64 = 50.0;

/// The buffer holds at least this many chunks, whatever the delay.
const MIN_CHUNKS: usize = 100;

/// Stretches that may lie apart. Each gap is a frame that the server dropped for us, so more than
/// these mean a peer that plays games: the oldest are given up.
const MAX_STRETCHES: usize = 256;

/// A buffer of frames by position.
#[derive(Debug)]
pub struct Jitter {
    channels: usize,
    capacity: u64,
    history: u64,
    samples: Vec<f32>,
    /// Stretches of positions that are there, in order, never touching: start and end.
    stretches: VecDeque<(u64, u64)>,
    /// The next position to be read; earlier frames come too late.
    reader: u64,
}

impl Jitter {
    /// A buffer for `delay_ms` of sound that comes in chunks of `chunk` frames: it holds twice
    /// that, and at least a hundred chunks.
    #[must_use]
    pub fn new(format: Format, chunk: usize, delay_ms: u32) -> Self {
        let history = format.frames_in_ms(HISTORY_MS);
        let capacity = capacity(format, chunk, delay_ms);
        Self {
            channels: usize::from(format.channels),
            capacity: capacity as u64,
            history: history as u64,
            samples: vec![0.0; format.samples(capacity)],
            stretches: VecDeque::new(),
            reader: 0,
        }
    }

    /// Whether this buffer would do as well as a [`new`](Self::new) one with these arguments.
    #[must_use]
    pub fn suits(&self, format: Format, chunk: usize, delay_ms: u32) -> bool {
        self.channels == usize::from(format.channels)
            && self.history == format.frames_in_ms(HISTORY_MS) as u64
            && self.capacity >= capacity(format, chunk, delay_ms) as u64
    }

    /// Makes room for a longer delay; what is there stays.
    pub fn grow(&mut self, format: Format, delay_ms: u32) {
        let capacity = twice(format, delay_ms) as u64 + self.history;
        if capacity <= self.capacity {
            return;
        }
        let samples = vec![0.0; format.samples(capacity as usize)];
        let old = Self {
            samples: std::mem::replace(&mut self.samples, samples),
            stretches: std::mem::take(&mut self.stretches),
            ..*self
        };
        self.capacity = capacity;
        for &(start, end) in &old.stretches {
            let length = (end - start) as usize * self.channels;
            let (at, before) = (old.index(start), old.until_wrap(start, length));
            let wrap = start + (before / self.channels) as u64;
            self.put(start, &old.samples[at..at + before]);
            self.put(wrap, &old.samples[..length - before]);
        }
        self.stretches = old.stretches;
    }

    /// Copies samples to where the frame at `position` and those behind it lie.
    fn put(&mut self, position: u64, samples: &[f32]) {
        let (before, after) = samples.split_at(self.until_wrap(position, samples.len()));
        let at = self.index(position);
        self.samples[at..at + before.len()].copy_from_slice(before);
        self.samples[..after.len()].copy_from_slice(after);
    }

    /// Puts interleaved frames in at `position`. They replace what is there, and push out what lies
    /// too far before them: that is missing when it is read. Returns how many came after their time.
    pub fn insert(&mut self, position: u64, samples: &[f32]) -> u64 {
        let frames = (samples.len() / self.channels) as u64;
        let readable = self.reader.saturating_sub(self.history);
        let late = self.reader.saturating_sub(position).min(frames);
        let start = position.max(readable);
        let end = position + frames;
        // Only the newest fit: older ones would lie where newer ones are.
        let newest = self.end().map_or(end, |newest| newest.max(end));
        let start = start.max(newest.saturating_sub(self.capacity));
        if start >= end {
            return late;
        }
        self.forget_before(end.saturating_sub(self.capacity));
        let offset = (start - position) as usize * self.channels;
        self.put(start, &samples[offset..frames as usize * self.channels]);
        self.note(start, end);
        late
    }

    /// The next frame to be read is at `position`; what is there stays.
    pub fn set_reader(&mut self, position: u64) {
        self.reader = position;
    }

    /// Forgets all that is there, and where it was being read.
    pub fn clear(&mut self) {
        self.stretches.clear();
        self.reader = 0;
    }

    /// Copies frames from `position` on into `out` and moves the reader behind them. What is not
    /// there is silence. Returns how many frames were missing.
    pub fn read(&mut self, position: u64, out: &mut [f32]) -> usize {
        let frames = out.len() / self.channels;
        let end = position + frames as u64;
        out.fill(0.0);
        let mut found = 0;
        let first = self.stretches.partition_point(|&(_, to)| to <= position);
        for &(from, to) in self.stretches.range(first..) {
            let (from, to) = (from.max(position), to.min(end));
            if from >= to {
                break;
            }
            let into = (from - position) as usize * self.channels;
            let count = (to - from) as usize;
            let into = &mut out[into..into + count * self.channels];
            let at = self.index(from);
            let (before, after) = into.split_at_mut(self.until_wrap(from, into.len()));
            before.copy_from_slice(&self.samples[at..at + before.len()]);
            after.copy_from_slice(&self.samples[..after.len()]);
            found += count;
        }
        self.reader = end;
        let readable = self.reader.saturating_sub(self.history);
        self.forget_before(readable);
        frames - found
    }

    /// Whether every frame of `from..to` is there.
    #[must_use]
    pub fn holds(&self, from: u64, to: u64) -> bool {
        // Of the stretches that begin by then only the last can reach so far.
        let after = self.stretches.partition_point(|&(start, _)| start <= from);
        let stretch = after.checked_sub(1).and_then(|last| self.stretches.get(last));
        stretch.is_some_and(|&(_, end)| to <= end)
    }

    /// Whether the frame at `position` is there.
    #[must_use]
    pub fn has(&self, position: u64) -> bool {
        self.holds(position, position + 1)
    }

    /// The position behind the newest frame; `None` of an empty buffer.
    #[must_use]
    pub fn end(&self) -> Option<u64> {
        self.stretches.back().map(|&(_, end)| end)
    }

    /// The oldest position that is there; `None` of an empty buffer.
    #[must_use]
    pub fn start(&self) -> Option<u64> {
        self.stretches.front().map(|&(start, _)| start)
    }

    /// Frames between the reader and the newest.
    #[must_use]
    pub fn ahead(&self) -> u64 {
        self.end().map_or(0, |end| end.saturating_sub(self.reader))
    }

    fn index(&self, position: u64) -> usize {
        (position % self.capacity) as usize * self.channels
    }

    /// How many of `samples` from `position` on lie before the ring begins again.
    fn until_wrap(&self, position: u64, samples: usize) -> usize {
        samples.min(self.samples.len() - self.index(position))
    }

    fn forget_before(&mut self, position: u64) {
        while let Some(first) = self.stretches.front_mut() {
            if first.1 <= position {
                self.stretches.pop_front();
            } else {
                first.0 = first.0.max(position);
                return;
            }
        }
    }

    /// Notes that `start..end` is there, joining what it touches.
    fn note(&mut self, start: u64, end: u64) {
        let (mut start, mut end) = (start, end);
        let at = self.stretches.partition_point(|&(_, to)| to < start);
        while let Some(&(from, to)) = self.stretches.get(at)
            && from <= end
        {
            start = start.min(from);
            end = end.max(to);
            self.stretches.remove(at);
        }
        self.stretches.insert(at, (start, end));
        if self.stretches.len() > MAX_STRETCHES {
            self.stretches.pop_front();
        }
    }
}

/// Frames that a buffer holds.
fn capacity(format: Format, chunk: usize, delay_ms: u32) -> usize {
    twice(format, delay_ms).max(chunk * MIN_CHUNKS) + format.frames_in_ms(HISTORY_MS)
}

/// Frames that twice the delay lasts.
fn twice(format: Format, delay_ms: u32) -> usize {
    format.frames_in_ms(f64::from(delay_ms) * 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MONO: Format = Format { sample_rate: 1000, channels: 1 };

    /// Holds 2 × 500 frames plus 50 of history.
    fn jitter() -> Jitter {
        Jitter::new(MONO, 10, 500)
    }

    fn ramp(from: u64, frames: u64) -> Vec<f32> {
        (from..from + frames).map(|n| n as f32 + 1.0).collect()
    }

    #[test]
    fn frames_come_out_at_their_position_whatever_the_order_they_came_in() {
        let mut jitter = jitter();
        for position in [30, 10, 20, 0] {
            assert_eq!(jitter.insert(position, &ramp(position, 10)), 0);
        }
        let mut out = [0.0; 40];
        assert_eq!(jitter.read(0, &mut out), 0);
        assert_eq!(out.to_vec(), ramp(0, 40));
    }

    #[test]
    fn a_gap_is_silence_of_its_length() {
        let mut jitter = jitter();
        jitter.insert(0, &ramp(0, 10));
        jitter.insert(15, &ramp(15, 10));
        let mut out = [9.0; 25];
        assert_eq!(jitter.read(0, &mut out), 5);
        assert_eq!(out[9..16], [10.0, 0.0, 0.0, 0.0, 0.0, 0.0, 16.0]);
    }

    #[test]
    fn what_comes_after_its_time_is_counted() {
        let mut jitter = jitter();
        jitter.set_reader(100);
        assert_eq!(jitter.insert(95, &ramp(95, 10)), 5);
        assert_eq!(jitter.insert(0, &ramp(0, 10)), 10);
        assert!(jitter.holds(95, 105) && !jitter.has(9));
    }

    #[test]
    fn a_buffer_too_full_loses_its_oldest_frames() {
        let mut jitter = jitter();
        for n in 0..300 {
            assert_eq!(jitter.insert(n * 10, &ramp(n * 10, 10)), 0);
        }
        assert_eq!(jitter.ahead(), 3000);
        assert_eq!(jitter.start(), Some(1950));
    }

    #[test]
    fn a_leap_in_position_empties_it_without_filling_the_gap() {
        let mut jitter = jitter();
        jitter.insert(0, &ramp(0, 10));
        jitter.insert(1 << 61, &ramp(0, 10));
        assert_eq!(jitter.start(), Some(1 << 61));
        assert_eq!(jitter.samples.len(), 1050);
    }

    #[test]
    fn a_longer_delay_finds_room_and_loses_nothing() {
        let mut jitter = jitter();
        for position in (5_000..6_000).step_by(10) {
            jitter.insert(position, &ramp(position, 10));
        }
        jitter.grow(MONO, 800);
        for position in (6_000..6_600).step_by(10) {
            jitter.insert(position, &ramp(position, 10));
        }
        let mut out = [0.0; 1600];
        assert_eq!(jitter.read(5_000, &mut out), 0);
        assert_eq!(out.to_vec(), ramp(5_000, 1600));
    }

    #[test]
    fn a_buffer_that_was_cleared_takes_any_position_and_holds_nothing_else() {
        let mut jitter = jitter();
        jitter.insert(1 << 40, &ramp(0, 100));
        jitter.set_reader((1 << 40) + 50);
        jitter.clear();
        assert_eq!((jitter.end(), jitter.ahead()), (None, 0));
        assert_eq!(jitter.insert(7, &ramp(7, 10)), 0);
        let mut out = [9.0; 12];
        assert_eq!(jitter.read(6, &mut out), 2);
        assert_eq!(out.to_vec(), [vec![0.0], ramp(7, 10), vec![0.0]].concat());
    }

    #[test]
    fn a_little_of_what_was_read_can_be_read_again() {
        let mut jitter = jitter();
        jitter.insert(0, &ramp(0, 200));
        let mut out = [0.0; 100];
        jitter.read(0, &mut out);
        assert_eq!(jitter.read(60, &mut out), 0);
        assert_eq!(jitter.read(0, &mut out), 100);
    }

    proptest! {
        #[test]
        fn no_sequence_of_frames_and_reads_gives_a_wrong_sample(
            steps in prop::collection::vec((0..4000_u64, 1..60_u64, any::<bool>()), 1..200),
        ) {
            let mut jitter = jitter();
            let mut out = [0.0; 32];
            for (position, frames, is_read) in steps {
                if is_read {
                    let missing = jitter.read(position, &mut out);
                    let silent = out.iter().filter(|s| **s == 0.0).count();
                    prop_assert_eq!(missing, silent);
                    for (n, sample) in out.iter().enumerate() {
                        let exact = (position + n as u64) as f32 + 1.0;
                        prop_assert!(*sample == 0.0 || *sample == exact);
                    }
                } else {
                    jitter.insert(position, &ramp(position, frames));
                }
                prop_assert!(jitter.stretches.len() <= MAX_STRETCHES);
                prop_assert!(jitter.stretches.iter().all(|s| s.0 < s.1));
            }
        }
    }
}
