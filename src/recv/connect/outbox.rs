//! What was said and waits for the connection.
//!
//! The talk thread puts in, the network thread takes out, and neither waits for the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mio::Waker;

use crate::clock::Offset;
use crate::stats;
use crate::wire::{AUDIO_HEADER, AudioHeader, FLAG_BROKEN, PLAIN_HEADER};

/// Frames of 10 ms that wait, so 200 ms: a short stall of the network. What waits longer would come
/// too late to be heard, so the oldest whole frame falls out.
const MOST_WAITING: usize = 20;

/// What was captured longer ago than this, in µs, falls out too: it waited for a connection. While
/// one lasts, [`MOST_WAITING`] frames of 10 ms are the tighter bound.
const OLDEST_US: u64 = 300_000;

/// Frames on their way to the connection.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    counters: Arc<stats::Talk>,
}

#[derive(Debug, Default)]
struct State {
    /// Headers with capture times by our clock, and payloads; oldest first.
    waiting: VecDeque<(AudioHeader, Vec<u8>)>,
    /// Wakes the network thread.
    bell: Option<Waker>,
    /// Something has fallen out since the last frame that was taken.
    has_gap: bool,
}

impl Outbox {
    /// An empty one that counts what it loses.
    #[must_use]
    pub fn new(counters: Arc<stats::Talk>) -> Self {
        Self { state: Mutex::default(), counters }
    }

    /// Puts a frame in, behind the others. Its capture time is by our clock.
    pub fn put(&self, header: AudioHeader, payload: &[u8]) {
        let mut state = self.lock();
        if state.waiting.len() == MOST_WAITING {
            state.waiting.pop_front();
            state.has_gap = true;
            self.counters.dropped.add(1);
        }
        state.waiting.push_back((header, payload.to_vec()));
        if let Some(bell) = &state.bell {
            // A network thread that cannot be woken looks by itself ten times a second.
            let _ = bell.wake();
        }
    }

    /// From now on `bell` rings when there is something.
    pub(super) fn wake_with(&self, bell: Waker) {
        self.lock().bell = Some(bell);
    }

    /// Hands everything that waits to `send`, with the server's time as `offset` says at `now_us`. What is
    /// too old, or as a talk frame longer than `longest` bytes of kind and body, falls out.
    pub(super) fn take(
        &self,
        offset: Offset,
        longest: usize,
        now_us: u64,
        mut send: impl FnMut(AudioHeader, &[u8]),
    ) {
        // Frames are made without the lock: the talk thread runs in real time, and waits for nobody.
        let (waiting, mut has_gap) = {
            let mut state = self.lock();
            (std::mem::take(&mut state.waiting), std::mem::take(&mut state.has_gap))
        };
        for (header, payload) in waiting {
            let is_fresh = now_us.saturating_sub(header.captured_us) <= OLDEST_US;
            let server_us = offset.server_us(header.captured_us as f64).round();
            let flags = header.flags | if has_gap { FLAG_BROKEN } else { 0 };
            let header = AudioHeader { flags, captured_us: server_us.max(0.0) as u64, ..header };
            has_gap = !is_fresh || AUDIO_HEADER - PLAIN_HEADER + payload.len() > longest;
            if has_gap {
                self.counters.dropped.add(1);
            } else {
                self.counters.sent.add(1);
                send(header, &payload);
            }
        }
        if has_gap {
            self.lock().has_gap = true;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1000;

    fn header(number: u64) -> AudioHeader {
        let captured_us = 1_000_000 + number * 10 * MS;
        AudioHeader { flags: 0, frames: 480, position: number * 480, captured_us }
    }

    fn taken(outbox: &Outbox, offset: Offset, now_us: u64) -> Vec<AudioHeader> {
        let mut headers = Vec::new();
        outbox.take(offset, 4096, now_us, |header, _| headers.push(header));
        headers
    }

    #[test]
    fn frames_leave_in_order_stamped_with_the_servers_time() {
        let outbox = Outbox::new(Arc::default());
        outbox.put(header(0), &[1]);
        outbox.put(header(1), &[2]);
        let offset = Offset { offset_us: 5e6, at_us: 1e6, rate: 0.0 };
        let headers = taken(&outbox, offset, 1_020_000);
        let times: Vec<_> = headers.iter().map(|header| header.captured_us).collect();
        assert_eq!(times, [6_000_000, 6_010_000]);
        assert!(headers.iter().all(|header| header.flags == 0));
        assert_eq!(taken(&outbox, offset, 1_030_000), []);
    }

    #[test]
    fn the_oldest_whole_frames_fall_out_and_are_counted() {
        let counters: Arc<stats::Talk> = Arc::default();
        let outbox = Outbox::new(Arc::clone(&counters));
        (0..25).for_each(|number| outbox.put(header(number), &[0; 80]));
        let headers = taken(&outbox, Offset::NONE, header(25).captured_us);
        assert_eq!((headers.len(), headers[0].position), (20, 5 * 480));
        assert_eq!(headers[0].flags, FLAG_BROKEN, "what is missing before it is no silence");
        assert_eq!((headers[1].flags, counters.dropped.get(), counters.sent.get()), (0, 5, 20));
    }

    #[test]
    fn a_voice_is_taken_in_while_frames_go_out() {
        let outbox = Outbox::new(Arc::default());
        outbox.put(header(0), &[1]);
        let mut sent = 0;
        outbox.take(Offset::NONE, 4096, header(1).captured_us, |_, _| {
            // Held while a frame is sent, the lock would never be had here.
            assert!(outbox.state.try_lock().is_ok());
            outbox.put(header(1), &[2]);
            sent += 1;
        });
        assert_eq!((sent, taken(&outbox, Offset::NONE, header(2).captured_us).len()), (1, 1));
    }

    #[test]
    fn what_waited_for_a_connection_is_not_said_when_it_comes() {
        let counters: Arc<stats::Talk> = Arc::default();
        let outbox = Outbox::new(Arc::clone(&counters));
        outbox.put(header(0), &[0; 80]);
        assert_eq!(taken(&outbox, Offset::NONE, header(0).captured_us + 301 * MS), []);
        outbox.put(header(1), &[0; 5000]);
        assert_eq!(taken(&outbox, Offset::NONE, header(2).captured_us), [], "too long to be taken");
        assert_eq!(counters.dropped.get(), 2);
    }
}
