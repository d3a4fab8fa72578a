//! Audio frames of the wire → decoded sound with its place in time. No socket, no clock.

use crate::codec::Decoder;
use crate::codec::opus::LONGEST_CONCEALED;
use crate::format::Format;
use crate::wire::{AudioHeader, FLAG_BROKEN, Violation};

/// Decoded sound.
#[derive(Debug, PartialEq)]
pub struct Sound<'a> {
    /// Position of the first frame.
    pub position: u64,
    /// When it was captured, in µs of the server's clock; generation one does not say.
    pub captured_us: Option<u64>,
    /// The timeline was broken before it.
    pub broken: bool,
    /// How many frames.
    pub frames: u32,
    /// How many of them are made up, because the sender dropped what was there.
    pub concealed: u32,
    /// Interleaved samples, safe to compute with.
    pub samples: &'a [f32],
}

/// Decodes what a server or a talker sends, frame after frame.
#[derive(Debug)]
pub struct FrameDecoder {
    format: Format,
    /// Frames by which decoded sound lags its positions.
    delay: u64,
    decoder: Decoder,
    /// The position behind the last frame, once there was one.
    next: Option<u64>,
}

impl FrameDecoder {
    /// A decoder of the codec that is called `codec`, whose sound lags its positions by `delay`
    /// frames; `None` for a codec that does not exist.
    #[must_use]
    pub fn new(codec: &str, format: Format, delay: u64) -> Option<Self> {
        let decoder = Decoder::new(codec, format.channels)?;
        Some(Self { format, delay, decoder, next: None })
    }

    /// Notes a pause: nothing is missing before the next frame, wherever it is.
    pub fn pause(&mut self) {
        self.next = None;
    }

    /// Whether something is to be made up for before a frame of that header, or the decoder has to
    /// forget what came before: either costs more than to decode the frame.
    #[must_use]
    pub fn has_to_mend(&self, header: &AudioHeader) -> bool {
        let is_gap = self.next.is_some_and(|next| header.position > next);
        matches!(self.decoder, Decoder::Opus(_)) && (is_gap || header.flags & FLAG_BROKEN != 0)
    }

    /// Decodes a frame into `samples`, and what is missing before it where the decoder can tell.
    ///
    /// # Errors
    /// The [`Violation`] of a payload that cannot be as many frames.
    pub fn decode<'a>(
        &mut self,
        header: AudioHeader,
        payload: &[u8],
        samples: &'a mut Vec<f32>,
    ) -> Result<Sound<'a>, Violation> {
        let broken = header.flags & FLAG_BROKEN != 0;
        let gap = self.next.filter(|_| !broken).map_or(0, |next| {
            // What was there before is not missing.
            header.position.saturating_sub(next)
        });
        let mut made_up = Vec::new();
        let mut concealed = 0;
        if let Decoder::Opus(decoder) = &mut self.decoder {
            if broken || gap > LONGEST_CONCEALED {
                decoder.reset();
            } else if gap > 0 {
                concealed = decoder.conceal(gap, &mut made_up);
            }
        }
        self.decoder.decode(payload, header.frames, self.format.channels, samples)?;
        samples.splice(..0, made_up);
        self.next = Some(header.position + u64::from(header.frames));

        // The decoder's sound belongs before the position that it came with.
        let from = header.position.saturating_sub(concealed);
        let position = from.saturating_sub(self.delay);
        let before_the_first = self.delay.saturating_sub(from) as usize;
        samples.drain(..self.format.samples(before_the_first).min(samples.len()));
        let earlier_us = self.format.micros(header.position - position).round() as u64;
        Ok(Sound {
            position,
            captured_us: Some(header.captured_us.saturating_sub(earlier_us)),
            broken,
            frames: self.format.frames(samples.len()) as u32,
            concealed: concealed as u32,
            samples,
        })
    }
}
