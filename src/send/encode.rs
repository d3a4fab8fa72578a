//! Chunks of sound → the bytes that listeners get: each codec once, and only while it is used.

mod opus_feed;
mod recent;

use log::warn;

use crate::codec::opus::Layout;
use crate::codec::pcm::Dither;
use crate::codec::{Codec, InUse};
use crate::format::Format;
use crate::wire::{AudioFrame, AudioHeader};
use opus_feed::OpusFeed;
use recent::Recent;

/// Chunks that one of the other codecs is given at once, while it is behind the newest: a listener who
/// comes gets its past within a few chunks, and nobody makes the chunking thread late.
const MOST_PCM_CHUNKS: usize = 16;

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
}

impl Encoders {
    /// Encoders for a stream whose Opus is cut as `layout` says.
    #[must_use]
    pub fn new(format: Format, layout: Layout) -> Self {
        Self {
            dither: Dither::default(),
            opus: OpusFeed::new(format, layout),
            is_opus_broken: false,
            recent: Recent::default(),
            encoded: [0; Codec::COUNT],
        }
    }

    /// How long sound is remembered for listeners who come later, in µs: no longer than the
    /// playout delay, since what is older is heard by nobody.
    pub fn remember(&mut self, keep_us: u64) {
        self.recent.set_length(keep_us);
    }

    /// Encodes a chunk for everybody and hands each frame that is complete to `send`; before it,
    /// what is remembered, for those who begin with it.
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
        let opus = self.opus.use_only(in_use, &header, &self.recent, &mut send_new);
        if let Err(e) = opus.and_then(|()| self.opus.take(header, samples, &mut send_new))
            && !std::mem::replace(&mut self.is_opus_broken, true)
        {
            warn!("listeners with Opus hear nothing: {e}");
        }
        self.recent.push(header, samples);
        for codec in [Codec::Float32, Codec::Int24, Codec::Int16] {
            if !in_use.contains(codec) {
                continue;
            }
            let until = self.encoded[codec.index()];
            for (header, samples) in self.recent.from(until).take(MOST_PCM_CHUNKS) {
                if let Some(frame) = AudioFrame::pcm(codec, header, samples, &mut self.dither) {
                    send(frame);
                }
                self.encoded[codec.index()] = header.position + u64::from(header.frames);
            }
        }
    }
}

#[cfg(test)]
mod tests;
