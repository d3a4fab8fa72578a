//! Brings sound with a clock of its own (another card, somebody who speaks) to the carrier's
//! timeline.
//!
//! What was captured at `t − delay` stands where the carrier's frame captured at `t` stands. The
//! carrier plays the part that a listener's card plays elsewhere, so what bends the sound to it is the
//! listener's own `Playout`: a jitter buffer by position, steering that nobody hears, and silence behind
//! a fade for what does not come in time.
//!
//! Pure: time is an argument, and in µs of the server's clock throughout.

use crate::clock::{CardClock, Offset, Timeline};
use crate::error::Result;
use crate::format::Format;
use crate::playout::blocks::Blocks;
use crate::playout::{BLOCK, Counts, Playout};
use crate::rate::RateConverter;

/// After a pause this long the sound's clock is read anew: nobody hears it jump.
const PAUSE_MS: f64 = 500.0;

/// The last position that a track can have: at 192 kHz it takes a million years.
const LAST_POSITION: u64 = 1 << 62;

/// One source on its way into the mix.
#[derive(Debug)]
pub struct Track {
    /// The source's rate, the mix's channels.
    source: Format,
    mix: Format,
    chunk: usize,
    delay_ms: u32,
    /// Makes the converters of simulations.
    counts_only: bool,
    playout: Option<Playout>,
    /// The position behind the newest frame of the source.
    end: u64,
    carrier: CardClock,
    blocks: Blocks,
}

impl Track {
    /// Makes a track for a source of `source_rate` Hz whose frames, already in the channels of
    /// `mix`, come `chunk` at a time, and are to be heard `delay_ms` after the carrier's of the
    /// same moment.
    ///
    /// # Errors
    /// If the rates cannot be converted.
    pub fn new(source_rate: u32, mix: Format, chunk: usize, delay_ms: u32) -> Result<Self> {
        // Tried here, so that it cannot fail where sound runs.
        RateConverter::new(source_rate, mix.sample_rate, mix.channels, BLOCK)?;
        Ok(Self {
            source: Format { sample_rate: source_rate, ..mix },
            mix,
            chunk,
            delay_ms,
            counts_only: false,
            playout: None,
            end: 0,
            carrier: CardClock::told(mix.sample_rate),
            blocks: Blocks::new(mix.channels),
        })
    }

    /// A track as [`new`](Self::new) makes it, without its samples: for simulations of hours.
    #[cfg(test)]
    fn counting(source_rate: u32, mix: Format, chunk: usize, delay_ms: u32) -> Result<Self> {
        Ok(Self { counts_only: true, ..Self::new(source_rate, mix, chunk, delay_ms)? })
    }

    /// Changes how long after the carrier's frames of the same moment the source's are heard.
    pub fn set_delay_ms(&mut self, delay_ms: u32) {
        if std::mem::replace(&mut self.delay_ms, delay_ms) == delay_ms {
            return;
        }
        if let Some(playout) = &mut self.playout {
            playout.make_room_for(delay_ms);
            playout.timeline().set_delay_us(f64::from(delay_ms) * 1e3);
        }
    }

    /// Takes interleaved frames from `position` on, the first of them captured at `captured_us`;
    /// `is_broken` says that positions and times have nothing to do with those before. Positions
    /// beyond 2⁶² are none, and left out.
    ///
    /// # Errors
    /// As [`new`](Self::new), which has tried it.
    pub fn insert(
        &mut self,
        position: u64,
        captured_us: u64,
        is_broken: bool,
        samples: &[f32],
    ) -> Result<()> {
        if position > LAST_POSITION {
            return Ok(());
        }
        let frames = self.source.frames(samples.len()) as u64;
        let pause = self.source.frames_in_ms(PAUSE_MS) as u64;
        let is_anew = is_broken || position.abs_diff(self.end) > pause;
        self.end = position + frames;
        let playout = match &mut self.playout {
            Some(playout) => playout,
            none => none.insert({
                let rate = self.source.sample_rate;
                let delay_us = f64::from(self.delay_ms) * 1e3;
                let timeline = Timeline::new(rate, position, captured_us, Offset::NONE, delay_us);
                let (source, mix) = (self.source, self.mix);
                if self.counts_only {
                    let counter =
                        RateConverter::counting(rate, mix.sample_rate, mix.channels, BLOCK);
                    let (chunk, delay_ms) = (self.chunk, self.delay_ms);
                    Playout::with_converter(source, mix, chunk, delay_ms, timeline, counter)
                } else {
                    Playout::new(source, mix, self.chunk, self.delay_ms, timeline)?
                }
            }),
        };
        playout.insert(position, captured_us, is_anew, samples);
        Ok(())
    }

    /// Fills `out` with what stands beside the carrier's frames from `position` on, the first of
    /// which was captured at `captured_us`. Returns whether any of it came from the source.
    pub fn read(&mut self, position: u64, captured_us: u64, out: &mut [f32]) -> bool {
        out.fill(0.0);
        let Some(playout) = &mut self.playout else {
            return false;
        };
        if self.blocks.go_to(position) {
            self.carrier.anchor(position, captured_us);
        }
        let _ = self.carrier.stamp(position, captured_us, captured_us);
        let waiting = playout.buffered();
        let samples = self.blocks.take(self.mix.frames(out.len()), |position, ready| match playout
            .block(position as f64, &self.carrier)
        {
            Some(block) => ready.extend_from_slice(block),
            None => ready.resize(ready.len() + self.mix.samples(BLOCK), 0.0),
        });
        out.iter_mut().zip(samples).for_each(|(out, sample)| *out = sample);
        waiting > 0 && playout.is_playing()
    }

    /// What was lost, came late, and was jumped over.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.playout.as_ref().map(Playout::counts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
