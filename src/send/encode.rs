//! Pieces of sound → the bytes that listeners get: each codec once, and only while it is used.
//!
//! By TCP go whole chunks, put together from pieces; by datagram goes each piece. A packet of Opus
//! goes either way as it is.

mod opus_feed;
mod recent;

use log::warn;

use crate::codec::opus::Layout;
use crate::codec::pcm::Dither;
use crate::codec::{Codec, InUse};
use crate::format::Format;
use crate::wire::{AudioFrame, AudioHeader, FLAG_BROKEN};
use opus_feed::OpusFeed;
use recent::Recent;

/// Chunks that one of the other codecs is given at once, while it is behind the newest: a listener who
/// comes gets its past within a few chunks, and nobody makes the chunking thread late.
const MOST_PCM_CHUNKS: usize = 16;

/// Pieces that one of them is given at once, while it is behind.
const MOST_PCM_PIECES: usize = 16;

/// The codecs that have a fixed size per sample.
const PCM: [Codec; 3] = [Codec::Float32, Codec::Int24, Codec::Int16];

/// All encoders of one stream. They remember what came last, so that a codec that somebody begins
/// to use is encoded from before that moment on: a listener's playout delay is full at once.
#[derive(Debug)]
pub struct Encoders {
    dither: Dither,
    opus: OpusFeed,
    is_opus_broken: bool,
    recent: Recent,
    /// The position behind the last frame of each codec, by [`Codec::index`].
    encoded: [u64; Codec::COUNT],
    /// The position behind the last piece of each.
    cut: [u64; Codec::COUNT],
    whole: Whole,
    samples: Vec<f32>,
}

/// How far the chunk in hand has come.
#[derive(Debug)]
struct Whole {
    /// Frames in a chunk.
    chunk: u32,
    /// Frames of the chunk in hand that have come from its beginning on.
    filled: u32,
    /// The position of the next piece.
    next: u64,
    /// Chunks of which only the beginning came.
    halved: u64,
}

impl Whole {
    /// Takes note of a piece; whether a chunk is complete with it.
    fn completes(&mut self, header: &AudioHeader) -> bool {
        let goes_on = header.flags & FLAG_BROKEN == 0 && header.position == self.next;
        if self.filled > 0 && !goes_on {
            self.filled = 0;
            self.halved += 1;
        }
        self.next = header.position + u64::from(header.frames);
        if self.filled > 0 || header.position.is_multiple_of(u64::from(self.chunk)) {
            self.filled += header.frames;
        }
        let is_whole = self.filled >= self.chunk;
        if is_whole {
            self.filled = 0;
        }
        is_whole
    }
}

impl Encoders {
    /// Encoders for a stream that is sent in chunks of `chunk` frames, each from a whole multiple of
    /// that on. Its Opus is cut as `layout` says.
    #[must_use]
    pub fn new(format: Format, chunk: u32, layout: Layout) -> Self {
        Self {
            dither: Dither::default(),
            opus: OpusFeed::new(format, layout),
            is_opus_broken: false,
            recent: Recent::new(chunk),
            encoded: [0; Codec::COUNT],
            cut: [0; Codec::COUNT],
            whole: Whole { chunk: chunk.max(1), filled: 0, next: 0, halved: 0 },
            samples: Vec::new(),
        }
    }

    /// How long sound is remembered for listeners who come later, in µs: no longer than the
    /// playout delay, since what is older is heard by nobody.
    pub fn remember(&mut self, keep_us: u64) {
        self.recent.set_length(keep_us);
    }

    /// How many chunks have never become whole, because the timeline broke within them. Counting
    /// begins anew.
    pub fn take_halved(&mut self) -> u64 {
        std::mem::take(&mut self.whole.halved)
    }

    /// Encodes a piece for everybody and hands each frame that is complete to `send`; before it,
    /// what is remembered, for those who begin with it. Chunks end where pieces end.
    pub fn encode(
        &mut self,
        header: AudioHeader,
        samples: &[f32],
        in_use: &InUse,
        mut send: impl FnMut(AudioFrame),
    ) {
        let encoded = &mut self.encoded;
        // What a codec has had when it was in use before is not encoded again.
        let mut send_new = |frame: AudioFrame| {
            let AudioHeader { position, frames, .. } = *frame.header();
            let until = &mut encoded[frame.codec().index()];
            if position >= *until {
                *until = position + u64::from(frames);
                send(frame);
            }
        };
        let share = f64::from(header.frames) / f64::from(self.whole.chunk);
        let opus = self.opus.use_only(in_use, &header, share, &self.recent, &mut send_new);
        if let Err(e) = opus.and_then(|()| self.opus.take(header, samples, &mut send_new))
            && !std::mem::replace(&mut self.is_opus_broken, true)
        {
            warn!("listeners with Opus hear nothing: {e}");
        }
        let is_whole = self.whole.completes(&header);
        self.recent.push(header, samples);
        for codec in PCM {
            if in_use.contains_pieces(codec) {
                self.encode_pieces(codec, &mut send);
            }
            if is_whole && in_use.contains(codec) {
                self.encode_chunks(codec, &mut send);
            }
        }
    }

    fn encode_pieces(&mut self, codec: Codec, send: &mut impl FnMut(AudioFrame)) {
        let until = self.cut[codec.index()];
        for (header, samples) in self.recent.from(until).take(MOST_PCM_PIECES) {
            if let Some(frame) = AudioFrame::pcm(codec, header, samples, &mut self.dither) {
                send(frame.into_piece());
            }
            self.cut[codec.index()] = header.position + u64::from(header.frames);
        }
    }

    fn encode_chunks(&mut self, codec: Codec, send: &mut impl FnMut(AudioFrame)) {
        for _ in 0..MOST_PCM_CHUNKS {
            let until = self.encoded[codec.index()];
            let Some(header) = self.recent.chunk_from(until, &mut self.samples) else {
                return;
            };
            if let Some(frame) = AudioFrame::pcm(codec, header, &self.samples, &mut self.dither) {
                send(frame);
            }
            self.encoded[codec.index()] = header.position + u64::from(header.frames);
        }
    }
}

#[cfg(test)]
mod tests;
