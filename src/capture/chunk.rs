//! Cuts what the card delivers into chunks of exact size, each with its position and capture time,
//! and keeps silence flowing at the right pace when the card delivers nothing.
//!
//! Pure: time is an argument. A chunk's time comes from a model of the card's clock, not from when
//! a thread woke. Positions count stream frames and go on through everything: a card that pauses,
//! loses frames, dies or comes back at another rate leaves silence of the right length behind.

use std::collections::VecDeque;

use crate::clock::CaptureClock;
use crate::error::Result;
use crate::format::Format;
use crate::sound::mixdown::{Layout, Mixdown};
use crate::sound::rate::RateConverter;
use crate::wire::{AudioHeader, FLAG_BROKEN};

/// Shortest and longest sleep of a thread that cuts chunks, in µs: how late one may be noticed, and
/// how often a quiet program wakes.
pub(crate) const SHORTEST_SLEEP_US: u64 = 500;
pub(crate) const LONGEST_SLEEP_US: u64 = 5_000;

/// Silence by the clock fills no gap longer than this: a PC that was suspended must not send hours
/// of it in a burst. Positions jump instead.
const LONGEST_FILL_US: f64 = 500_000.0;

/// A step shorter than this is within what stamps get wrong: listeners steer after it, which nobody
/// hears, where a hole of silence would be a click.
const FILL_ABOVE_US: f64 = 2_000.0;

/// Frames that come this much later than their number says were not only delayed: the card had
/// paused. Less than that the clock finds out by itself.
const PAUSED_US: f64 = 500_000.0;

/// Frames whose place is not known yet wait, but no longer than this.
const LONGEST_WAIT_MS: f64 = 250.0;

/// A card that hands sound over this late is waited for; one that takes longer has paused.
const LONGEST_HELD_US: f64 = 100_000.0;

/// The largest piece that a card has handed over counts for less by this share with every new one.
const PIECE_FADES: f64 = 0.01;

/// Frames that the rate converter makes at a time: what it has not enough for waits for the card's
/// next piece.
const BLOCK: usize = 32;

/// Chunks that end with the card's pieces end so much before, as a share of a chunk: pieces that move
/// by a few frames later must not end just before a chunk does.
const BEFORE_THE_PIECE: usize = 40;

/// Cuts a stream into chunks.
#[derive(Debug)]
pub struct Chunker {
    format: Format,
    chunk: usize,
    patience_us: f64,
    /// Where the timeline jumps, it does so by a multiple of so many frames.
    step: usize,
    /// Whether chunks end where the card's pieces do.
    ends_with_pieces: bool,
    /// Position of the first frame in `pending`.
    position: u64,
    pending: VecDeque<f32>,
    out: Vec<f32>,
    broken: bool,
    timeline: Timeline,
    input: Option<Input>,
    silence: u64,
}

/// Where time stood when last looked: extrapolated while no card tells better.
#[derive(Debug, Clone, Copy)]
struct Timeline {
    position: f64,
    at_us: f64,
    us_per_frame: f64,
}

/// The card in use.
#[derive(Debug)]
struct Input {
    card: Format,
    mixdown: Mixdown,
    converter: Option<RateConverter>,
    clock: CaptureClock,
    /// Stream frames per card frame.
    ratio: f64,
    /// Number of the next card frame to come.
    next_frame: u64,
    /// The frame stamped last, and how many lie between two stamps, the most of late.
    stamped: u64,
    piece: f64,
    /// Card frames lost before the ring, as far as known.
    lost: u64,
    /// Position of card frame 0, once the card's frames have found their place.
    origin: Option<f64>,
    /// Card frames in the stream's channels, up to `next_frame`, on their way to the converter or
    /// waiting for their place.
    mixed: Vec<f32>,
    /// Stream frames to leave out, because the card's clock stepped back.
    excess: usize,
    /// Silence had to be put in: the next frames find their place by their time.
    stalled: bool,
}

/// One chunk.
#[derive(Debug, PartialEq)]
pub struct Chunk<'a> {
    /// Position, time, flags.
    pub header: AudioHeader,
    /// `chunk_size × channels` interleaved samples.
    pub samples: &'a [f32],
}

impl Chunker {
    /// A chunker whose position 0 is at `now_us`. Silence takes the place of what has not come
    /// `patience_us` after it should have.
    #[must_use]
    pub fn new(format: Format, chunk_size: u32, patience_us: u64, now_us: u64) -> Self {
        let chunk = chunk_size as usize;
        Self {
            format,
            chunk,
            patience_us: patience_us as f64,
            step: 1,
            ends_with_pieces: false,
            position: 0,
            pending: VecDeque::with_capacity(format.samples(chunk * 4)),
            out: vec![0.0; format.samples(chunk)],
            broken: false,
            timeline: Timeline {
                position: 0.0,
                at_us: now_us as f64,
                us_per_frame: format.micros(1),
            },
            input: None,
            silence: 0,
        }
    }

    /// Makes the timeline jump by whole multiples of `frames`, so that chunks lie where longer ones can
    /// be put together from them.
    #[must_use]
    pub fn jumping_by(self, frames: u32) -> Self {
        Self { step: (frames as usize).max(1), ..self }
    }

    /// Puts a card's sound where chunks end just before what the card hands over at a time, so that
    /// none waits for its last frames. Positions are up to a chunk later for it.
    pub fn end_with_pieces(&mut self) {
        self.ends_with_pieces = true;
    }

    /// From now on frames come from a card that delivers `card`, its channels as `layout` says;
    /// `pick` names the two channels to take, counted from one. Its first frames wait until its
    /// clock is known.
    ///
    /// # Errors
    /// If the channels do not exist or the rates cannot be converted.
    pub fn plug(&mut self, card: Format, layout: &Layout, pick: Option<(u16, u16)>) -> Result<()> {
        let mixdown = Mixdown::new(layout, self.format.channels, pick)?;
        let rate = self.format.sample_rate;
        let converter = (card.sample_rate != rate)
            .then(|| RateConverter::new(card.sample_rate, rate, self.format.channels, BLOCK))
            .transpose()?;
        self.input = Some(Input {
            card,
            mixdown,
            converter,
            clock: CaptureClock::new(card.sample_rate),
            ratio: f64::from(rate) / f64::from(card.sample_rate),
            next_frame: 0,
            stamped: 0,
            piece: 0.0,
            lost: 0,
            origin: None,
            mixed: Vec::new(),
            excess: 0,
            stalled: false,
        });
        Ok(())
    }

    /// Plugs in a source in the stream's own format, whose frame 0 is exactly at `now_us`: nothing is
    /// left out.
    ///
    /// # Errors
    /// As [`plug`](Self::plug).
    pub fn plug_exact(&mut self, now_us: u64) -> Result<()> {
        self.plug(self.format, &Layout::usual(self.format.channels), None)?;
        if let Some(input) = &mut self.input {
            input.clock.anchor(0, now_us);
        }
        Ok(())
    }

    /// Sets how long after it should have come sound is waited for, before silence takes its place.
    pub fn set_patience(&mut self, patience_us: u64) {
        self.patience_us = patience_us as f64;
    }

    /// The card is gone: silence from here on.
    pub fn unplug(&mut self) {
        self.input = None;
    }

    /// Frames of silence put in so far.
    #[must_use]
    pub fn silence(&self) -> u64 {
        self.silence
    }

    /// How much faster than nominal the card runs, in millionths, and how well that is known, in
    /// µs; `None` without a card.
    #[must_use]
    pub fn card_clock(&self) -> Option<(f64, f64)> {
        let clock = &self.input.as_ref()?.clock;
        Some((clock.ppm(), clock.uncertainty_us()))
    }

    /// Card frame `frame` was captured at `at_us`, says a callback that came at `came_us`, and
    /// `lost` frames before it never came.
    pub fn stamp(&mut self, frame: u64, lost: u64, at_us: u64, came_us: u64) {
        let Some(input) = &mut self.input else {
            return;
        };
        input.next_frame = frame;
        input.piece =
            (input.piece * (1.0 - PIECE_FADES)).max(frame.saturating_sub(input.stamped) as f64);
        input.stamped = frame;
        let owed = |lost: u64| (lost as f64 * input.ratio) as u64;
        let missing = owed(lost).saturating_sub(owed(input.lost));
        input.lost = lost;
        if missing > 0 && input.origin.is_none() {
            // What waits for its place must be without a gap.
            input.mixed.clear();
        }
        if input.stalled {
            input.stalled = false;
            input.origin = None;
            input.excess = 0;
            let due = input.clock.due_us(frame);
            if due.is_none_or(|due| (came_us as f64 - due).abs() > PAUSED_US) {
                input.clock.anchor(frame, came_us);
            }
        } else if missing > 0 && input.origin.is_some() {
            // Counted and timed alike: the clock has not stepped, the frames are just not there.
            self.skip_or_fill(missing as f64);
        }
        let Some(input) = &mut self.input else {
            return;
        };
        if let Some(step_us) = input.clock.callback(frame, at_us, came_us)
            && input.origin.is_some()
            && step_us.abs() >= FILL_ABOVE_US
        {
            self.step(step_us);
        }
        self.place();
    }

    /// Finds the place of the card's frames in the stream, once its clock is known.
    fn place(&mut self) {
        let position = self.position as f64 + self.pending_frames() as f64;
        let Some(input) = &mut self.input else {
            return;
        };
        if input.origin.is_some() {
            return;
        }
        let waiting = self.format.frames(input.mixed.len());
        if !input.clock.is_settled() && waiting < input.card.frames_in_ms(LONGEST_WAIT_MS) {
            return;
        }
        let first = input.next_frame as f64 - waiting as f64;
        // What the converter gives out first is what went in that much earlier.
        let delay = input.converter.as_ref().map_or(0.0, RateConverter::delay);
        let Some(at_us) = input.clock.time_of(first - delay / input.ratio) else {
            return;
        };
        let belongs =
            self.timeline.position + (at_us - self.timeline.at_us) / self.timeline.us_per_frame;
        let gap = (belongs - position).round();
        input.origin = Some(position + gap - first * input.ratio + delay);
        if gap >= 0.0 {
            self.skip_or_fill(gap);
        } else {
            input.excess = (-gap) as usize;
        }
        self.convert();
        self.end_chunks_here();
    }

    /// A piece ends with what is pending now, all of which has just found its place: moves it to where a
    /// chunk ends, if it is to.
    fn end_chunks_here(&mut self) {
        let Some(input) = self.input.as_mut().filter(|_| self.ends_with_pieces) else {
            return;
        };
        let before = self.chunk / BEFORE_THE_PIECE;
        // What is left out of the pieces to come ends none later.
        let ends = self.format.frames(self.pending.len()) + self.chunk - input.excess % self.chunk;
        let over = ends % self.chunk;
        if over <= 2 * before {
            return;
        }
        let later = self.chunk + before - over;
        input.origin = input.origin.map(|origin| origin + later as f64);
        for _ in 0..self.format.samples(later) {
            self.pending.push_front(0.0);
        }
        self.silence += later as u64;
        self.broken = true;
    }

    /// The card's clock moved against its frames.
    fn step(&mut self, step_us: f64) {
        let frames = (step_us / self.format.micros(1)).round();
        if let Some(input) = &mut self.input {
            input.origin = input.origin.map(|origin| origin + frames);
            if frames < 0.0 {
                input.excess += (-frames) as usize;
                return;
            }
        }
        self.skip_or_fill(frames);
    }

    /// Puts `frames` of silence in, or jumps over them where they are too many.
    fn skip_or_fill(&mut self, frames: f64) {
        let mut frames = frames as usize;
        if self.format.micros(frames as u64) > LONGEST_FILL_US {
            frames -= self.jump(frames);
        }
        self.fill(frames);
    }

    /// Moves the timeline on by up to `frames`; by how many.
    fn jump(&mut self, frames: usize) -> usize {
        let frames = frames / self.step * self.step;
        self.position += frames as u64;
        self.broken |= frames > 0;
        frames
    }

    fn fill(&mut self, frames: usize) {
        self.pending.extend(std::iter::repeat_n(0.0, self.format.samples(frames)));
        self.silence += frames as u64;
    }

    /// Takes interleaved samples of whole card frames, right after the last ones.
    pub fn samples(&mut self, samples: &[f32]) {
        let Some(input) = &mut self.input else {
            return;
        };
        input.next_frame += input.card.frames(samples.len()) as u64;
        input.mixdown.apply(samples, &mut input.mixed);
        if input.origin.is_some() {
            self.convert();
            return;
        }
        let longest = self.format.samples(input.card.frames_in_ms(LONGEST_WAIT_MS));
        let over = input.mixed.len().saturating_sub(longest);
        input.mixed.drain(..over);
    }

    /// Takes what the card has given, at the stream's rate.
    fn convert(&mut self) {
        let Some(input) = &mut self.input else {
            return;
        };
        let channels = usize::from(self.format.channels);
        let mut add = |frames: &[f32], excess: &mut usize| {
            let left_out = (*excess).min(frames.len() / channels);
            *excess -= left_out;
            self.pending.extend(&frames[left_out * channels..]);
        };
        let Some(converter) = &mut input.converter else {
            add(&input.mixed, &mut input.excess);
            input.mixed.clear();
            return;
        };
        let mut read = 0;
        while input.mixed.len() - read >= converter.needed() * channels {
            let until = read + converter.needed() * channels;
            add(converter.block(&input.mixed[read..until]), &mut input.excess);
            read = until;
        }
        input.mixed.drain(..read);
    }

    /// The next chunk that is due at `now_us`.
    pub fn next_chunk(&mut self, now_us: u64) -> Option<Chunk<'_>> {
        if self.pending_frames() < self.chunk {
            let end_us = self.time_of(self.position as f64 + self.chunk as f64);
            let late_us = now_us as f64 - end_us;
            let patience_us = self.patience_us();
            if late_us < patience_us {
                return None;
            }
            self.stall();
            if late_us > patience_us + LONGEST_FILL_US {
                let frames = (late_us - patience_us) / self.timeline.us_per_frame;
                if self.jump(frames as usize) > 0 {
                    return None;
                }
            }
            self.fill(self.chunk - self.pending_frames());
        }
        let captured_us = self.time_of(self.position as f64);
        self.timeline = Timeline {
            position: self.position as f64,
            at_us: captured_us,
            us_per_frame: self.us_per_frame(),
        };
        let flags = if std::mem::take(&mut self.broken) { FLAG_BROKEN } else { 0 };
        for (to, from) in
            self.out.iter_mut().zip(self.pending.drain(..self.format.samples(self.chunk)))
        {
            *to = from;
        }
        let header = AudioHeader {
            flags,
            frames: self.chunk as u32,
            position: self.position,
            captured_us: captured_us.max(0.0) as u64,
        };
        self.position += self.chunk as u64;
        Some(Chunk { header, samples: &self.out })
    }

    /// How long until the next chunk should be complete, in µs; 0 if it should be already.
    #[must_use]
    pub fn due_in_us(&self, now_us: u64) -> u64 {
        let end_us = self.time_of(self.position as f64 + self.chunk as f64);
        let delivers = |input: &Input| input.origin.is_some() && !input.stalled;
        let silent = !self.input.as_ref().is_some_and(delivers);
        let due_us = if silent { end_us + self.patience_us() } else { end_us };
        (due_us - now_us as f64).max(0.0) as u64
    }

    /// How long after it was captured a frame may come: a card that hands over long pieces, or
    /// holds them back, is not silent while it does.
    fn patience_us(&self) -> f64 {
        let held_us = self.input.as_ref().map_or(0.0, |input| {
            let piece_us = input.piece * input.clock.us_per_frame();
            (piece_us + input.clock.held_back_us()).min(LONGEST_HELD_US)
        });
        self.patience_us + held_us
    }

    /// The card has not delivered in time. What it had begun stays; its next frames will be placed
    /// by their time.
    fn stall(&mut self) {
        if let Some(input) = &mut self.input
            && input.origin.is_some()
        {
            input.stalled = true;
        }
    }

    fn pending_frames(&self) -> usize {
        self.format.frames(self.pending.len())
    }

    fn us_per_frame(&self) -> f64 {
        self.input
            .as_ref()
            .filter(|input| input.origin.is_some() && !input.stalled)
            .map_or(self.timeline.us_per_frame, |input| input.clock.us_per_frame() / input.ratio)
    }

    /// When the frame at `position` was or will be captured, in µs.
    fn time_of(&self, position: f64) -> f64 {
        let timed = self.input.as_ref().filter(|input| !input.stalled).and_then(|input| {
            let origin = input.origin?;
            input.clock.time_of((position - origin) / input.ratio)
        });
        let Timeline { position: known, at_us, us_per_frame } = self.timeline;
        timed.unwrap_or(at_us + (position - known) * us_per_frame)
    }
}

#[cfg(test)]
mod tests;
