//! The stream cut anew for Opus: at 48 kHz, in packets, once for all bitrates.

use super::recent::Recent;
use crate::codec::opus::{Encoder, Layout, RATE};
use crate::codec::{Codec, InUse};
use crate::error::Result;
use crate::format::Format;
use crate::sound::rate::RateConverter;
use crate::wire::{AudioFrame, AudioHeader, FLAG_BROKEN};

/// Frames that the rate converter makes at a time.
const BLOCK: usize = 64;

/// Packets of the past that are encoded while a chunk goes by, all bitrates together. A packet takes a few
/// hundred µs, on a thread that must never be late; so many are a multiple of what goes by meanwhile.
const PAST_PACKETS: f64 = 20.0;

/// A bitrate that nobody uses any more is encoded on for this long, in µs, and for the playout delay
/// at least: who comes and goes does not have its encoder made each time, nor its past encoded.
const LINGERS_US: u64 = 2_000_000;

/// Where the stream goes into packets.
#[derive(Debug)]
pub(super) struct OpusFeed {
    format: Format,
    layout: Layout,
    /// The encoders that are used, by bitrate.
    encoders: Vec<(Codec, Encoder)>,
    run: Option<Run>,
    /// Those that are still on their way through the past.
    newcomers: Vec<Newcomer>,
    /// When each bitrate was last used, by the stream's capture times, in µs.
    used: Vec<(Codec, u64)>,
}

/// A bitrate that somebody has begun to use.
#[derive(Debug)]
struct Newcomer {
    codec: Codec,
    feed: OpusFeed,
    /// The position of the next piece that it takes.
    next: u64,
}

/// A stretch of the stream without a break.
#[derive(Debug)]
struct Run {
    /// The stream's next position.
    next: u64,
    /// A position and when it was captured, in µs: of the newest piece.
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
        let (encoders, newcomers, used) = (Vec::new(), Vec::new(), Vec::new());
        Self { format, layout, encoders, run: None, newcomers, used }
    }

    /// Keeps encoders for the bitrates that are used, and no others. A new one begins with the
    /// pieces of `recent`, which lead up to the one that begins as `header` says and is that `share` of
    /// a chunk; it takes them a few with each call, and joins the others when it is through.
    pub(super) fn use_only(
        &mut self,
        in_use: &InUse,
        header: &AudioHeader,
        share: f64,
        recent: &Recent,
        mut send: impl FnMut(AudioFrame),
    ) -> Result<()> {
        self.note_use(in_use, header.captured_us, recent.length_us());
        let used = &self.used;
        let is_used = |codec: Codec| used.iter().any(|(used, _)| *used == codec);
        self.encoders.retain(|(codec, _)| is_used(*codec));
        self.newcomers.retain(|newcomer| is_used(newcomer.codec));
        if self.encoders.is_empty() {
            self.run = None;
        }
        self.start_one(in_use)?;
        self.catch_up(header.frames, share, recent, &mut send)?;
        let (run, encoders) = (&mut self.run, &mut self.encoders);
        self.newcomers.retain_mut(|newcomer| {
            if recent.from(newcomer.next).next().is_some() {
                return true;
            }
            encoders.append(&mut newcomer.feed.encoders);
            // All runs are cut at the same positions.
            *run = run.take().or(newcomer.feed.run.take());
            false
        });
        Ok(())
    }

    /// Notes which bitrates are used, and forgets those that have not been for a while.
    fn note_use(&mut self, in_use: &InUse, now_us: u64, keep_us: u64) {
        let lingers_us = LINGERS_US.max(keep_us);
        for codec in Codec::all().into_iter().filter(|codec| matches!(codec, Codec::Opus(_))) {
            let known = self.used.iter_mut().find(|(known, _)| *known == codec);
            match known {
                Some((_, used_us)) if in_use.contains_either(codec) => *used_us = now_us,
                None if in_use.contains_either(codec) => self.used.push((codec, now_us)),
                _ => {}
            }
        }
        self.used.retain(|(_, used_us)| used_us.saturating_add(lingers_us) >= now_us);
    }

    /// Begins with one bitrate that is used and has no encoder: a converter may have to be made for
    /// it, which takes milliseconds. The next has its turn with the next chunk.
    fn start_one(&mut self, in_use: &InUse) -> Result<()> {
        let is_there = |codec: Codec| {
            self.encoders.iter().any(|(running, _)| *running == codec)
                || self.newcomers.iter().any(|newcomer| newcomer.codec == codec)
        };
        let missing = Codec::all().into_iter().find_map(|codec| match codec {
            Codec::Opus(bitrate) if in_use.contains_either(codec) && !is_there(codec) => {
                Some((codec, bitrate))
            }
            _ => None,
        });
        if let Some((codec, bitrate)) = missing {
            let encoder = Encoder::new(self.layout, self.format.channels, bitrate)?;
            let mut feed = Self::new(self.format, self.layout);
            feed.encoders.push((codec, encoder));
            self.newcomers.push(Newcomer { codec, feed, next: 0 });
        }
        Ok(())
    }

    /// Lets newcomers take pieces of the past in turn: two each at least, so that all get there in as
    /// long a time as they have to catch up.
    fn catch_up(
        &mut self,
        frames: u32,
        share: f64,
        recent: &Recent,
        mut send: impl FnMut(AudioFrame),
    ) -> Result<()> {
        let seconds = f64::from(frames) / f64::from(self.format.sample_rate);
        let packets_each = seconds * f64::from(RATE) / f64::from(self.layout.frames);
        let mut left = (share * PAST_PACKETS).max(2.0 * self.newcomers.len() as f64 * packets_each);
        let mut is_behind = true;
        while std::mem::take(&mut is_behind) {
            for newcomer in &mut self.newcomers {
                let Some((header, samples)) = recent.from(newcomer.next).next() else {
                    continue;
                };
                if left < packets_each / 2.0 {
                    return Ok(());
                }
                left -= packets_each;
                newcomer.feed.take(header, samples, &mut send)?;
                newcomer.next = header.position + u64::from(header.frames).max(1);
                is_behind = true;
            }
        }
        Ok(())
    }

    /// Takes a piece, if anybody wants Opus; whole packets go to `send`.
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
