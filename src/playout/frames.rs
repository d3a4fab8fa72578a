//! Audio frames of the wire → decoded sound with its place in time. No socket, no clock.

use super::conceal::Concealer;
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
    /// The position behind the last frame, once there was one, and when that will be captured.
    next: Option<(u64, u64)>,
    /// Makes up samples that no codec makes up, and leaves out what comes twice.
    mends: Option<Concealer>,
}

/// Samples are made up for no longer than this, in ms: they have faded away by then.
pub const LONGEST_MADE_UP_MS: f64 = 100.0;

/// Sound that lies further from where it is expected than this, in seconds, belongs to a timeline that
/// began anew.
pub const FAR_S: u64 = 10;

impl FrameDecoder {
    /// A decoder of the codec that is called `codec`, whose sound lags its positions by `delay`
    /// frames; `None` for a codec that does not exist.
    #[must_use]
    pub fn new(codec: &str, format: Format, delay: u64) -> Option<Self> {
        let decoder = Decoder::new(codec, format.channels)?;
        Some(Self { format, delay, decoder, next: None, mends: None })
    }

    /// Leaves out what overlaps from now on, and makes up what is missing of sound that no codec makes
    /// up, too: for a listener, who gets every frame.
    #[must_use]
    pub fn mending(self) -> Self {
        Self { mends: Some(Concealer::new(self.format)), ..self }
    }

    /// Notes a pause: nothing is missing before the next frame, wherever it is.
    pub fn pause(&mut self) {
        self.next = None;
    }

    /// Whether something is to be made up for before a frame of that header, or the decoder has to
    /// forget what came before: either costs more than to decode the frame.
    #[must_use]
    pub fn has_to_mend(&self, header: &AudioHeader) -> bool {
        let is_gap = self.next.is_some_and(|(next, _)| header.position > next);
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
        let next = self.next.filter(|_| !broken).map(|(next, _)| next);
        // What was there before is not missing.
        let gap = next.map_or(0, |next| header.position.saturating_sub(next));
        let overlap = next.filter(|_| self.mends.is_some()).map_or(0, |next| {
            let overlap = next.saturating_sub(header.position);
            if overlap < FAR_S * u64::from(self.format.sample_rate) { overlap } else { 0 }
        });
        if overlap >= u64::from(header.frames) {
            samples.clear();
            return Ok(self.placed(header, 0, samples));
        }
        let longest_made_up = self.format.frames_in_ms(LONGEST_MADE_UP_MS) as u64;
        let mut made_up = Vec::new();
        let mut concealed = 0;
        match (&mut self.decoder, &mut self.mends) {
            (Decoder::Opus(decoder), _) if broken || gap > LONGEST_CONCEALED => decoder.reset(),
            (Decoder::Opus(decoder), _) if gap > 0 => {
                concealed = decoder.conceal(gap, &mut made_up);
            }
            (Decoder::Opus(_), _) => {}
            (_, Some(mends)) if broken || gap > longest_made_up => mends.forget(),
            (_, Some(mends)) if gap > 0 => {
                mends.conceal(gap as usize, &mut made_up);
                concealed = gap;
            }
            _ => {}
        }
        self.decoder.decode(payload, header.frames, self.format.channels, samples)?;
        samples.drain(..self.format.samples(overlap as usize).min(samples.len()));
        if let Some(mends) = self.mends.as_mut().filter(|_| !is_opus(&self.decoder)) {
            mends.hear(samples);
        }
        samples.splice(..0, made_up);
        let end_us = self.format.micros(u64::from(header.frames)).round() as u64;
        let end = header.position + u64::from(header.frames);
        self.next = Some((end, header.captured_us.saturating_add(end_us)));
        let position = header.position + overlap;
        let later_us = self.format.micros(overlap).round() as u64;
        let captured_us = header.captured_us.saturating_add(later_us);
        Ok(self.placed(AudioHeader { position, captured_us, ..header }, concealed, samples))
    }

    /// Makes up `frames` frames behind the last one into `samples`, because what should be there does not come.
    /// `None` where nothing came yet.
    pub fn conceal<'a>(&mut self, frames: u32, samples: &'a mut Vec<f32>) -> Option<Sound<'a>> {
        let (next, captured_us) = self.next?;
        samples.clear();
        let made_up = match (&mut self.decoder, &mut self.mends) {
            (Decoder::Opus(decoder), _) => decoder.conceal(frames.into(), samples),
            (_, Some(mends)) => {
                mends.conceal(frames as usize, samples);
                frames.into()
            }
            _ => return None,
        };
        let later_us = self.format.micros(made_up).round() as u64;
        let (end, end_us) = (next.saturating_add(made_up), captured_us.saturating_add(later_us));
        self.next = Some((end, end_us));
        let header = AudioHeader { flags: 0, frames: 0, position: end, captured_us: end_us };
        Some(self.placed(header, made_up, samples))
    }

    /// Samples of a frame of that header, with `concealed` frames before it, where they belong.
    fn placed<'a>(
        &self,
        header: AudioHeader,
        concealed: u64,
        samples: &'a mut Vec<f32>,
    ) -> Sound<'a> {
        // The decoder's sound belongs before the position that it came with.
        let from = header.position.saturating_sub(concealed);
        let position = from.saturating_sub(self.delay);
        let before_the_first = self.delay.saturating_sub(from) as usize;
        samples.drain(..self.format.samples(before_the_first).min(samples.len()));
        let earlier_us = self.format.micros(header.position - position).round() as u64;
        Sound {
            position,
            captured_us: Some(header.captured_us.saturating_sub(earlier_us)),
            broken: header.flags & FLAG_BROKEN != 0,
            frames: self.format.frames(samples.len()) as u32,
            concealed: concealed as u32,
            samples,
        }
    }
}

fn is_opus(decoder: &Decoder) -> bool {
    matches!(decoder, Decoder::Opus(_))
}
