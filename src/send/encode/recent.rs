//! The newest chunks as they were cut, for listeners who come later.

use std::collections::VecDeque;

use crate::wire::AudioHeader;

/// Chunks that are kept, at most. The longest preset's delay is a sixth of that, and as many go
/// into the network loop's queue at once.
const MOST_CHUNKS: usize = 128;

/// The newest chunks, oldest first: at least one, once there was one.
#[derive(Debug, Default)]
pub(super) struct Recent {
    chunks: VecDeque<(AudioHeader, Vec<f32>)>,
    keep_us: u64,
}

impl Recent {
    /// How far back from the newest chunk is kept, in µs.
    pub(super) fn set_length(&mut self, keep_us: u64) {
        self.keep_us = keep_us;
    }

    /// Adds a chunk; what is too old goes.
    pub(super) fn push(&mut self, header: AudioHeader, samples: &[f32]) {
        let mut room = Vec::new();
        while let Some((oldest, _)) = self.chunks.front()
            && (self.chunks.len() == MOST_CHUNKS
                || oldest.captured_us.saturating_add(self.keep_us) < header.captured_us)
        {
            room = self.chunks.pop_front().map(|(_, samples)| samples).unwrap_or_default();
        }
        room.clear();
        room.extend_from_slice(samples);
        self.chunks.push_back((header, room));
    }

    /// How far back from the newest chunk is kept, in µs.
    pub(super) fn length_us(&self) -> u64 {
        self.keep_us
    }

    /// All that is kept from `position` on.
    pub(super) fn from(&self, position: u64) -> impl Iterator<Item = (AudioHeader, &[f32])> {
        let first = self.chunks.partition_point(|(header, _)| header.position < position);
        self.chunks.range(first..).map(|(header, samples)| (*header, &samples[..]))
    }
}
