//! Decides which sample is heard when, and bends the stream to the card's clock.
//!
//! Pure: time comes from the card's model, never from a clock. A sample plays at capture time plus
//! playout delay. Small errors are steered away by the resampling ratio; an error that would take
//! long is jumped over, behind a crossfade. What is missing is silence, with a fade on both sides.

pub mod blocks;
mod conceal;
pub mod frames;
pub mod jitter;
pub mod reading;

use crate::clock::{CardClock, Timeline};
use crate::error::Result;
use crate::format::Format;
use crate::sound::rate::RateConverter;
use jitter::Jitter;

/// Frames that come out at a time.
pub const BLOCK: usize = 32;

/// An error above this is jumped over: steering it away would take longer than anyone should wait.
const JUMP_ABOVE_US: f64 = 2_000.0;

/// Old sound turns into new sound over this long a time at a jump: a 440 Hz sine's steps stay
/// within 1.08 times their own maximum.
const CROSSFADE_MS: f64 = 10.0;

/// Sound fades over this long a time before and after what is missing, or over this share of the
/// playout delay where that is less: the fade must know its end that much in advance.
const LONGEST_FADE_MS: f64 = 5.0;
const FADE_SHARE: f64 = 1.0 / 64.0;

/// How errors are steered away.
struct Steering {
    /// Time constant, in µs. With the limits below, a step in the clock settles without overshoot.
    settle_us: f64,
    /// Largest correction of the ratio.
    most: f64,
    /// Largest change of the correction per second: no pitch step that anyone hears.
    slew_per_s: f64,
}

/// How errors are steered away at first, where being in step soon matters more: the clocks' rates
/// are not known yet.
const AT_FIRST: Steering = Steering { settle_us: 1e6, most: 1000e-6, slew_per_s: 1000e-6 };

/// How long "at first" lasts, in µs: until then the lines through stamps and pings are short, and
/// what they say changes.
const AT_FIRST_US: f64 = 10e6;

/// How errors are steered away where a card or a clock has moved: being in step soon matters more
/// there, too.
const OUT_OF_STEP: Steering = Steering { settle_us: 0.6e6, most: 1000e-6, slew_per_s: 2000e-6 };

/// Out of step is who is off by more than this, in µs, until the error is down to the second.
const OUT_OF_STEP_US: f64 = 120.0;
const IN_STEP_US: f64 = 20.0;

/// How errors are steered away once a listener is in step: nobody should hear that anything is
/// steered.
const LATER: Steering = Steering { settle_us: 4e6, most: 200e-6, slew_per_s: 100e-6 };

/// Crystals change their rate slowly. What changes faster is a clock being misjudged for a moment,
/// and is followed no faster than this, per second.
const FREQUENCY_SLEW_PER_S: f64 = 20e-6;

/// Two clocks are never further apart than this: crystals stay within a tenth of it, a virtual card
/// of PulseAudio was seen at two thirds.
const MAX_FREQUENCY: f64 = 3000e-6;

/// What has happened so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that were not there when their time came.
    pub lost: u64,
    /// Frames that came, but after their time.
    pub late: u64,
    /// Jumps to get back to the delay.
    pub jumps: u64,
}

/// Turns a stream by position into blocks for a card.
#[derive(Debug)]
pub struct Playout {
    stream: Format,
    card: Format,
    jitter: Jitter,
    timeline: Timeline,
    converter: RateConverter,
    channels: usize,
    fade: u64,
    crossfade: usize,
    state: Option<State>,
    expecting: bool,
    input: Vec<f32>,
    tail: Vec<f32>,
    counts: Counts,
}

/// Where playing stands.
#[derive(Debug, Clone, Copy)]
struct State {
    /// The next position to go into the converter.
    fed: u64,
    /// The position that comes out next: behind `fed` by what the converter holds back.
    out: f64,
    /// The fade around what is missing: 0 silent, 1 open.
    gate: f32,
    /// Frames of `tail` still to be blended out after a jump.
    tail_left: usize,
    frequency: f64,
    correction: f64,
    stretch: f64,
    played_us: f64,
    error_us: f64,
    /// A card or a clock has moved, and the error that it made is not steered away yet.
    is_out_of_step: bool,
}

impl Playout {
    /// A player of a stream in `stream` format on a card that takes `card`'s rate. The channels
    /// stay the stream's. `chunk` frames come at a time.
    ///
    /// # Errors
    /// If the rates cannot be converted.
    pub fn new(
        stream: Format,
        card: Format,
        chunk: usize,
        delay_ms: u32,
        timeline: Timeline,
    ) -> Result<Self> {
        let converter =
            RateConverter::new(stream.sample_rate, card.sample_rate, stream.channels, BLOCK)?;
        Ok(Self::with_converter(stream, card, chunk, delay_ms, timeline, converter))
    }

    /// A player with a converter of one's own, which makes [`BLOCK`] frames at a time.
    #[doc(hidden)]
    #[must_use]
    pub fn with_converter(
        stream: Format,
        card: Format,
        chunk: usize,
        delay_ms: u32,
        timeline: Timeline,
        converter: RateConverter,
    ) -> Self {
        let fade_ms = (f64::from(delay_ms) * FADE_SHARE).min(LONGEST_FADE_MS);
        let crossfade = stream.frames_in_ms(CROSSFADE_MS).max(1);
        Self {
            stream,
            card,
            jitter: Jitter::new(stream, chunk, delay_ms),
            timeline,
            converter,
            channels: usize::from(stream.channels),
            fade: stream.frames_in_ms(fade_ms).max(1) as u64,
            crossfade,
            state: None,
            expecting: true,
            input: Vec::new(),
            tail: vec![0.0; stream.samples(crossfade)],
            counts: Counts::default(),
        }
    }

    /// Another stream begins, in the same format: all that waits is forgotten, and what was learnt of
    /// its clock. What has been counted stays. Costs next to nothing, where a new player's filter
    /// takes a millisecond or two.
    pub fn begin_anew(&mut self, timeline: Timeline) {
        self.jitter.clear();
        self.converter.reset();
        self.timeline = timeline;
        self.state = None;
    }

    /// Takes decoded frames captured at `captured_us` of the server's clock.
    pub fn insert(&mut self, position: u64, captured_us: u64, broken: bool, samples: &[f32]) {
        self.timeline.note(position, captured_us, broken);
        let late = self.jitter.insert(position, samples);
        if self.state.is_some() {
            self.counts.late += late;
        }
    }

    /// The timeline, to change delay or offset.
    pub fn timeline(&mut self) -> &mut Timeline {
        &mut self.timeline
    }

    /// Makes room for a longer delay.
    pub fn make_room_for(&mut self, delay_ms: u32) {
        self.jitter.grow(self.stream, delay_ms);
    }

    /// Whether sound should be coming: what is missing while not is not lost.
    pub fn expect(&mut self, expecting: bool) {
        self.expecting = expecting;
    }

    /// By how much the newest sound falls short of what should be playing at the card's frame
    /// `frame`, in µs; `None` if there is nothing to tell by.
    #[must_use]
    pub fn shortfall_us(&self, frame: f64, clock: &CardClock) -> Option<f64> {
        let wanted = self.timeline.position_at(clock.time_of(frame)?) + self.held_back();
        let short = wanted + self.fade as f64 - self.jitter.end()? as f64;
        Some(short * self.timeline.us_per_frame())
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Sound waiting, in frames of the stream.
    #[must_use]
    pub fn buffered(&self) -> u64 {
        self.jitter.ahead()
    }

    /// How long after its capture the sound is heard, in µs; 0 before it is.
    #[must_use]
    pub fn delay_us(&self) -> f64 {
        self.state.map_or(0.0, |state| self.timeline.delay_us() + state.error_us)
    }

    /// How much faster than nominal frames come out, in parts per million.
    #[must_use]
    pub fn stretch_ppm(&self) -> f64 {
        self.state.map_or(0.0, |state| state.stretch * 1e6)
    }

    /// The position that comes out next, if all goes on as it does; `None` before sound.
    #[must_use]
    pub fn position(&self) -> Option<f64> {
        self.state.map(|state| state.out)
    }

    /// The first position that is not read yet, and what has to be there with it: a fade must know its
    /// end. `None` before sound.
    #[must_use]
    pub fn read_until(&self) -> Option<u64> {
        self.state.map(|state| state.fed.saturating_add(self.fade))
    }

    /// How much sooner than it comes out sound must be there, in µs: what the converter looks ahead,
    /// a fade, and a block.
    #[must_use]
    pub fn ahead_us(&self) -> f64 {
        (self.held_back() + self.fade as f64) * self.stream.micros(1) + self.block_us()
    }

    /// Playing ends here, and begins anew with the next sound that is there in time.
    pub fn pause(&mut self) {
        self.state = None;
    }

    /// Whether sound has begun.
    #[must_use]
    pub fn is_playing(&self) -> bool {
        self.state.is_some()
    }

    /// The next [`BLOCK`] interleaved frames, of which the first will be the card's frame number
    /// `frame`. `None` until there is something to play.
    pub fn block(&mut self, frame: f64, clock: &CardClock) -> Option<&[f32]> {
        let at_us = clock.time_of(frame)?;
        if let Some(state) = self.state {
            self.timeline.reach(state.out);
        }
        let wanted = self.timeline.position_at(at_us);
        let mut state = match self.state {
            Some(state) => state,
            None => self.begin(wanted)?,
        };
        let frame_us = self.timeline.us_per_frame();
        let error_us = (state.out - wanted) * frame_us;
        state.error_us = -error_us;
        if error_us.abs() > JUMP_ABOVE_US {
            self.jump(&mut state, wanted);
        } else {
            steer(&mut state, error_us, self.block_us());
        }
        self.stretch(&mut state, clock);
        self.gather(&mut state);
        self.state = Some(state);
        Some(self.converter.block(&self.input))
    }

    /// How long a block lasts, in µs.
    fn block_us(&self) -> f64 {
        self.card.micros(BLOCK as u64)
    }

    /// Input frames that the converter holds back.
    fn held_back(&self) -> f64 {
        self.converter.delay() / self.converter.ratio()
    }

    /// Begins where the first sample that is there is not yet due.
    fn begin(&mut self, wanted: f64) -> Option<State> {
        let fed = (wanted + self.held_back()).round();
        if fed < 0.0 || !self.jitter.has(fed as u64) {
            return None;
        }
        let fed = fed as u64;
        self.jitter.set_reader(fed);
        Some(State {
            fed,
            out: fed as f64 - self.held_back(),
            gate: 0.0,
            tail_left: 0,
            frequency: 0.0,
            correction: 0.0,
            stretch: 0.0,
            played_us: 0.0,
            error_us: 0.0,
            is_out_of_step: false,
        })
    }

    /// Goes to where playing should be; what would have come next is blended out.
    fn jump(&mut self, state: &mut State, wanted: f64) {
        let by = (wanted - state.out).round();
        let to = (state.fed as f64 + by).max(0.0) as u64;
        self.jitter.read(state.fed, &mut self.tail);
        let gate = state.gate;
        self.tail.iter_mut().for_each(|sample| *sample *= gate);
        state.tail_left = self.crossfade;
        state.gate = if self.jitter.holds(to, to + self.fade) { 1.0 } else { 0.0 };
        state.out += to as f64 - state.fed as f64;
        state.fed = to;
        state.error_us = 0.0;
        self.counts.jumps += 1;
    }

    /// Sets the ratio for the next block: the measured frequency and the steering on top.
    fn stretch(&mut self, state: &mut State, clock: &CardClock) {
        let nominal = 1.0 / self.converter.ratio();
        let server_us = clock.us_per_frame() * (1.0 + self.timeline.rate());
        let measured = server_us / self.timeline.us_per_frame();
        let frequency = (nominal / measured - 1.0).clamp(-MAX_FREQUENCY, MAX_FREQUENCY);
        let slew = if state.played_us < AT_FIRST_US {
            MAX_FREQUENCY
        } else {
            FREQUENCY_SLEW_PER_S * self.block_us() / 1e6
        };
        state.frequency += (frequency - state.frequency).clamp(-slew, slew);
        let before = state.stretch;
        state.stretch = state.frequency - state.correction;
        self.converter.stretch(state.stretch);
        // The converter glides from the old ratio to the new one within the block.
        let step = |stretch: f64| nominal / (1.0 + stretch);
        state.out += BLOCK as f64 * (step(before) + step(state.stretch)) / 2.0;
        state.played_us += self.block_us();
    }

    /// Collects the converter's next input.
    fn gather(&mut self, state: &mut State) {
        let frames = self.converter.needed();
        self.input.resize(frames * self.channels, 0.0);
        let missing = self.jitter.read(state.fed, &mut self.input) as u64;
        if self.expecting {
            self.counts.lost += missing;
        }
        self.fade_around_gaps(state, frames as u64);
        self.blend_out_tail(state);
        state.fed += frames as u64;
    }

    /// Closes a gate before what is missing and opens it again after.
    fn fade_around_gaps(&mut self, state: &mut State, frames: u64) {
        let (from, to) = (state.fed, state.fed + frames);
        if state.gate >= 1.0 && self.jitter.holds(from, to + self.fade) {
            return;
        }
        let step = 1.0 / self.fade as f32;
        for (frame, position) in self.input.chunks_exact_mut(self.channels).zip(from..) {
            let open = self.jitter.holds(position, position + self.fade);
            state.gate = (state.gate + if open { step } else { -step }).clamp(0.0, 1.0);
            frame.iter_mut().for_each(|sample| *sample *= state.gate);
        }
    }

    /// After a jump: the old sound goes as the new one comes.
    fn blend_out_tail(&mut self, state: &mut State) {
        let total = self.crossfade;
        let from = (total - state.tail_left) * self.channels;
        let old = self.tail[from..].chunks_exact(self.channels);
        for (new, old) in self.input.chunks_exact_mut(self.channels).zip(old) {
            let share = state.tail_left as f32 / total as f32;
            for (new, old) in new.iter_mut().zip(old) {
                *new += (old - *new) * share;
            }
            state.tail_left -= 1;
        }
    }
}

/// Turns an error of the playing position into a correction of the ratio, gently.
fn steer(state: &mut State, error_us: f64, block_us: f64) {
    let bound_us = if state.is_out_of_step { IN_STEP_US } else { OUT_OF_STEP_US };
    state.is_out_of_step = error_us.abs() > bound_us;
    let steering = if state.played_us < AT_FIRST_US {
        &AT_FIRST
    } else if state.is_out_of_step {
        &OUT_OF_STEP
    } else {
        &LATER
    };
    let wanted = (-error_us / steering.settle_us).clamp(-steering.most, steering.most);
    let slew = steering.slew_per_s * block_us / 1e6;
    state.correction += (wanted - state.correction).clamp(-slew, slew);
}

#[cfg(test)]
mod tests;
