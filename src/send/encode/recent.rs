//! The newest sound as it was cut, for listeners who come later.

use std::collections::VecDeque;

use crate::wire::AudioHeader;

/// Chunks that are kept, at most. The longest preset's delay is a sixth of that, and as many go
/// into the network loop's queue at once.
const MOST_CHUNKS: usize = 128;

/// The newest pieces, oldest first: at least those of the chunk in hand. Chunks begin at whole
/// multiples of their length.
#[derive(Debug)]
pub(super) struct Recent {
    pieces: VecDeque<(AudioHeader, Vec<f32>)>,
    keep_us: u64,
    /// Frames in a chunk.
    chunk: u32,
    /// When the beginning of the chunk in hand was captured, in µs.
    begun_us: u64,
}

impl Recent {
    /// Keeps sound that is sent in chunks of `chunk` frames (at least one).
    pub(super) fn new(chunk: u32) -> Self {
        Self { pieces: VecDeque::new(), keep_us: 0, chunk: chunk.max(1), begun_us: 0 }
    }

    /// How far back from the chunk in hand is kept, in µs.
    pub(super) fn set_length(&mut self, keep_us: u64) {
        self.keep_us = keep_us;
    }

    /// Adds a piece; what is too old goes.
    pub(super) fn push(&mut self, header: AudioHeader, samples: &[f32]) {
        if self.begins_chunk(&header) || self.pieces.is_empty() {
            self.begun_us = header.captured_us;
        }
        // All pieces of a stream are as long.
        let most = MOST_CHUNKS * (self.chunk / header.frames.max(1)).max(1) as usize;
        let mut room = Vec::new();
        while let Some((oldest, _)) = self.pieces.front()
            && (self.pieces.len() >= most
                || oldest.captured_us.saturating_add(self.keep_us) < self.begun_us)
        {
            room = self.pieces.pop_front().map(|(_, samples)| samples).unwrap_or_default();
        }
        room.clear();
        room.extend_from_slice(samples);
        self.pieces.push_back((header, room));
    }

    fn begins_chunk(&self, header: &AudioHeader) -> bool {
        header.position.is_multiple_of(u64::from(self.chunk))
    }

    /// How far back from the chunk in hand is kept, in µs.
    pub(super) fn length_us(&self) -> u64 {
        self.keep_us
    }

    /// All pieces that are kept from `position` on.
    pub(super) fn from(&self, position: u64) -> impl Iterator<Item = (AudioHeader, &[f32])> {
        let first = self.pieces.partition_point(|(header, _)| header.position < position);
        self.pieces.range(first..).map(|(header, samples)| (*header, &samples[..]))
    }

    /// Puts the first whole chunk from `position` on together in `samples`; `None` where there is none
    /// yet.
    pub(super) fn chunk_from(&self, position: u64, samples: &mut Vec<f32>) -> Option<AudioHeader> {
        let mut chunk: Option<AudioHeader> = None;
        for (header, piece) in self.from(position) {
            let goes_on =
                |chunk: &AudioHeader| chunk.position + u64::from(chunk.frames) == header.position;
            if self.begins_chunk(&header) {
                samples.clear();
                chunk = Some(header);
            } else if let Some(chunk) = chunk.as_mut().filter(|chunk| goes_on(chunk)) {
                chunk.frames += header.frames;
            } else {
                // Of that chunk something is not there.
                chunk = None;
                continue;
            }
            samples.extend_from_slice(piece);
            if chunk.is_some_and(|chunk| chunk.frames >= self.chunk) {
                return chunk;
            }
        }
        None
    }
}
