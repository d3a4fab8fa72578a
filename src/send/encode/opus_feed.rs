//! The stream cut anew for Opus: at 48 kHz, in packets, once for all bitrates.

use super::recent::Recent;
use crate::codec::opus::{Encoder, Layout, RATE};
use crate::codec::{Codec, InUse};
use crate::error::Result;
use crate::format::Format;
use crate::rate::RateConverter;
use crate::wire::{AudioFrame, AudioHeader, FLAG_BROKEN};

/// Frames that the rate converter makes at a time.
const BLOCK: usize = 64;

/// Where the stream goes into packets.
#[derive(Debug)]
pub(super) struct OpusFeed {
    format: Format,
    layout: Layout,
    /// By bitrate, as they are used.
    encoders: Vec<(Codec, Encoder)>,
    run: Option<Run>,
}

/// A stretch of the stream without a break.
#[derive(Debug)]
struct Run {
    /// The stream's next position.
    next: u64,
    /// A position and when it was captured, in µs: of the newest chunk.
    anchor: (u64, u64),
    converter: Option<RateConverter>,
    /// Waits for the converter, at the stream's rate.
    unconverted: Vec<f32>,
    /// Frames at 48 kHz that lie before the first packet.
    to_skip: usize,
    /// Waits for a whole packet, at 48 kHz.
    pending: Vec<f32>,
    /// Where the first frame of `pending` lies, in frames at 48 kHz.
    at: f64,
    is_broken: bool,
}

impl OpusFeed {
    pub(super) fn new(format: Format, layout: Layout) -> Self {
        Self { format, layout, encoders: Vec::new(), run: None }
    }

    /// Keeps encoders for the bitrates that are used, and no others. A new one begins with the
    /// chunks of `recent`, which lead up to the next one taken.
    pub(super) fn use_only(
        &mut self,
        in_use: &InUse,
        recent: &Recent,
        mut send: impl FnMut(AudioFrame),
    ) -> Result<()> {
        self.encoders.retain(|(codec, _)| in_use.contains(*codec));
        if self.encoders.is_empty() {
            self.run = None;
        }
        for codec in Codec::all() {
            if let Codec::Opus(bitrate) = codec
                && in_use.contains(codec)
                && self.encoders.iter().all(|(running, _)| *running != codec)
            {
                let encoder = Encoder::new(self.layout, self.format.channels, bitrate)?;
                let mut newcomer = Self::new(self.format, self.layout);
                newcomer.encoders.push((codec, encoder));
                for (header, samples) in recent.chunks() {
                    newcomer.take(header, samples, &mut send)?;
                }
                self.encoders.append(&mut newcomer.encoders);
                // All runs are cut at the same positions.
                self.run = self.run.take().or(newcomer.run);
            }
        }
        Ok(())
    }

    /// Takes a chunk, if anybody wants Opus; whole packets go to `send`.
    pub(super) fn take(
        &mut self,
        header: AudioHeader,
        samples: &[f32],
        mut send: impl FnMut(AudioFrame),
    ) -> Result<()> {
        if self.encoders.is_empty() {
            return Ok(());
        }
        let is_broken = header.flags & FLAG_BROKEN != 0;
        let goes_on = |run: &Run| run.next == header.position && !is_broken;
        let mut run = match self.run.take().filter(goes_on) {
            Some(run) => run,
            None => Run::new(self.format, self.layout, header.position, is_broken)?,
        };
        run.next = header.position + self.format.frames(samples.len()) as u64;
        run.anchor = (header.position, header.captured_us);
        run.convert(samples, usize::from(self.format.channels));
        let packet =
            Format { sample_rate: RATE, ..self.format }.samples(self.layout.frames as usize);
        let mut done = 0;
        while let Some(piece) = run.pending.get(done..done + packet) {
            let header = AudioHeader {
                flags: if std::mem::take(&mut run.is_broken) { FLAG_BROKEN } else { 0 },
                frames: self.layout.frames,
                position: run.at.round() as u64,
                captured_us: run.captured_us(self.format),
            };
            for (codec, encoder) in &mut self.encoders {
                if let Some(packet) = encoder.encode(piece) {
                    send(AudioFrame::new(*codec, header, packet.len(), |payload| {
                        payload.copy_from_slice(packet);
                    }));
                }
            }
            run.at += f64::from(self.layout.frames);
            done += packet;
        }
        run.pending.drain(..done);
        self.run = Some(run);
        Ok(())
    }
}

impl Run {
    /// The first packet begins at the first whole multiple of its length.
    fn new(format: Format, layout: Layout, position: u64, is_broken: bool) -> Result<Self> {
        let converter = if format.sample_rate == RATE {
            None
        } else {
            Some(RateConverter::new(format.sample_rate, RATE, format.channels, BLOCK)?)
        };
        let delay = converter.as_ref().map_or(0.0, RateConverter::delay);
        let start = position as f64 * f64::from(RATE) / f64::from(format.sample_rate);
        // What the converter makes first lies before the stretch, and is nothing.
        let nothing = delay.ceil();
        let begun = start + nothing - delay;
        let length = u64::from(layout.frames);
        let to_skip =
            nothing + ((begun.round() as u64).next_multiple_of(length) as f64 - begun).round();
        Ok(Self {
            next: position,
            anchor: (position, 0),
            converter,
            unconverted: Vec::new(),
            to_skip: to_skip as usize,
            pending: Vec::new(),
            at: start + to_skip - delay,
            is_broken,
        })
    }

    /// Adds samples to what is pending, at 48 kHz.
    fn convert(&mut self, samples: &[f32], channels: usize) {
        let (to_skip, pending) = (&mut self.to_skip, &mut self.pending);
        let mut keep = |block: &[f32]| {
            let skipped = (*to_skip).min(block.len() / channels);
            *to_skip -= skipped;
            pending.extend_from_slice(&block[skipped * channels..]);
        };
        let Some(converter) = &mut self.converter else {
            return keep(samples);
        };
        self.unconverted.extend_from_slice(samples);
        let mut read = 0;
        while let Some(input) = self.unconverted.get(read..read + converter.needed() * channels) {
            read += input.len();
            keep(converter.block(input));
        }
        self.unconverted.drain(..read);
    }

    /// When the first pending frame was captured.
    fn captured_us(&self, format: Format) -> u64 {
        let (position, captured_us) = self.anchor;
        let start = position as f64 / f64::from(format.sample_rate);
        let apart_us = (self.at / f64::from(RATE) - start) * 1e6;
        (captured_us as f64 + apart_us).max(0.0).round() as u64
    }
}
