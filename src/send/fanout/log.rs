//! The shared log of encoded frames.

use std::collections::VecDeque;

use crate::secure::keyring::{Kind, StreamSeal};
use crate::wire::AudioFrame;

/// The newest encoded frames, oldest first, each with a number that never repeats.
#[derive(Debug)]
pub struct Log {
    frames: VecDeque<AudioFrame>,
    /// Number of `frames[0]`.
    pub(super) first: u64,
    /// How many frames a listener's queue may hold: the preset's `max_queue_size`.
    bound: usize,
    /// What seals each frame, in a private room.
    seal: Option<StreamSeal>,
}

impl Log {
    /// An empty log whose listeners may lag `bound` frames (at least one).
    #[must_use]
    pub fn new(bound: usize) -> Self {
        let bound = bound.max(1);
        Self { frames: VecDeque::with_capacity(bound + 1), first: 0, bound, seal: None }
    }

    /// How many frames it holds at most.
    #[must_use]
    pub fn bound(&self) -> usize {
        self.bound
    }

    /// What is pushed from now on is sealed so.
    pub fn seal_with(&mut self, seal: StreamSeal) {
        self.seal = Some(seal);
    }

    /// Adds a frame; the oldest goes if the bound is reached. In a private room a frame that cannot be
    /// sealed, because sound of its place was sealed already, goes nowhere.
    pub fn push(&mut self, frame: AudioFrame) {
        let frame = match &mut self.seal {
            None => frame,
            Some(seal) => {
                let which = (seal.stream, seal.epoch);
                let sealed = frame.sealed(which, |counter, open, body| {
                    seal.seal(Kind::Frame, counter, open, body)
                });
                let Some(sealed) = sealed else { return };
                sealed
            }
        };
        if self.frames.len() == self.bound {
            self.frames.pop_front();
            self.first += 1;
        }
        self.frames.push_back(frame);
    }

    /// The number that the next pushed frame gets.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// The number of the first frame captured at `from_us` or later.
    pub(super) fn since(&self, from_us: u64) -> u64 {
        let older =
            self.frames.iter().rev().skip_while(|frame| frame.header().captured_us >= from_us);
        self.first + older.count() as u64
    }

    /// The number of the first frame that holds `position`, or lies behind it.
    pub(super) fn covering(&self, position: u64) -> u64 {
        let before = self.frames.partition_point(|frame| {
            let header = frame.header();
            header.position + u64::from(header.frames) <= position
        });
        self.first + before as u64
    }

    /// Whether the frame that holds `position` is there.
    pub(super) fn holds(&self, position: u64) -> bool {
        self.get(self.covering(position)).is_some_and(|frame| frame.header().position <= position)
    }

    /// The position behind the newest frame; 0 where there is none.
    pub(super) fn end_position(&self) -> u64 {
        let header = self.frames.back().map(|frame| *frame.header());
        header.map_or(0, |header| header.position + u64::from(header.frames))
    }

    /// How many frames of sound the newest one holds; 1 where there is none.
    pub(super) fn frames(&self) -> u64 {
        self.frames.back().map_or(1, |frame| u64::from(frame.header().frames).max(1))
    }

    pub(super) fn get(&self, number: u64) -> Option<&AudioFrame> {
        let index = number.checked_sub(self.first)?;
        self.frames.get(usize::try_from(index).ok()?)
    }
}
