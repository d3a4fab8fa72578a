//! Chunks of sound → the bytes that listeners get: each codec once, and only while it is used.

mod opus_feed;

use log::warn;

use crate::codec::opus::Layout;
use crate::codec::pcm::{Dither, write_int16, write_int24};
use crate::codec::{Codec, InUse};
use crate::error::Result;
use crate::format::Format;
use crate::wire::{AudioFrame, AudioHeader};
use opus_feed::OpusFeed;

/// Encodes interleaved samples as one frame of a codec that has a fixed size per sample; Opus cuts
/// its own, and gets none here.
#[must_use]
pub fn encode_pcm(
    codec: Codec,
    header: AudioHeader,
    samples: &[f32],
    dither: &mut Dither,
) -> Option<AudioFrame> {
    let frame = match codec {
        Codec::Float32 => AudioFrame::float32(header, samples),
        Codec::Int24 => AudioFrame::new(codec, header, samples.len() * 3, |payload| {
            write_int24(samples, payload);
        }),
        Codec::Int16 => {
            // Silence stays what it is.
            let is_silent = samples.iter().all(|sample| *sample == 0.0);
            AudioFrame::new(codec, header, samples.len() * 2, |payload| {
                write_int16(samples, || if is_silent { 0.0 } else { dither.step() }, payload);
            })
        }
        Codec::Opus(_) => return None,
    };
    Some(frame)
}

/// All encoders of one stream.
#[derive(Debug)]
pub struct Encoders {
    dither: Dither,
    opus: OpusFeed,
    is_opus_broken: bool,
}

impl Encoders {
    /// Encoders for a stream whose Opus is cut as `layout` says.
    #[must_use]
    pub fn new(format: Format, layout: Layout) -> Self {
        Self {
            dither: Dither::default(),
            opus: OpusFeed::new(format, layout),
            is_opus_broken: false,
        }
    }

    /// Encodes a chunk for everybody and hands each frame that is complete to `send`.
    pub fn encode(
        &mut self,
        header: AudioHeader,
        samples: &[f32],
        in_use: &InUse,
        mut send: impl FnMut(AudioFrame),
    ) {
        for codec in [Codec::Float32, Codec::Int24, Codec::Int16] {
            if in_use.contains(codec)
                && let Some(frame) = encode_pcm(codec, header, samples, &mut self.dither)
            {
                send(frame);
            }
        }
        if let Err(e) = self.opus(header, samples, in_use, &mut send)
            && !std::mem::replace(&mut self.is_opus_broken, true)
        {
            warn!("listeners with Opus hear nothing: {e}");
        }
    }

    fn opus(
        &mut self,
        header: AudioHeader,
        samples: &[f32],
        in_use: &InUse,
        send: impl FnMut(AudioFrame),
    ) -> Result<()> {
        self.opus.use_only(in_use)?;
        self.opus.take(header, samples, send)
    }
}

#[cfg(test)]
mod tests;
