//! One talker's sound, brought to the timeline of the mix.
//!
//! Pure: time is an argument. What was captured at `t − lag` stands in the mix where the film that
//! was captured at `t` stands. The mix plays the part of a listener's card: frames wait in its
//! jitter buffer and are bent to its clock, so a microphone's own clock never leaves a gap. The
//! [`Lag`] is as short as the talker's frames come in time for, which the mix's [`Slack`] gives them
//! more of.

mod lag;
mod slack;

use crate::clock::{CardClock, Offset, Timeline};
use crate::error::Result;
use crate::format::Format;
use crate::mixdown::{Layout, Mixdown};
use crate::recv::decode::{Event, Stream};
use crate::recv::resample::{BLOCK, Playout};
use crate::send::talk::Spoken;
use crate::wire::{FLAG_BROKEN, FLAG_HELD, FLAG_LAST, Microphone};
pub use lag::Lag;
pub use slack::Slack;

/// Positions and capture times further apart than this do not belong together, in µs: no clock of a
/// client's errs as much, and no frame is as long.
const INCONSISTENT_US: f64 = 50_000.0;

/// After a silence this long the place of the sound is found anew, in µs: by then what was learnt of
/// the microphone's clock may be off by as much as one can hear.
const FORGOTTEN_US: u64 = 2_000_000;

/// Sound that may wait for its time, in ms: the longest lag, and what comes before its turn.
const HOLDS_MS: u32 = lag::LONGEST_MS + 200;

/// The lag for which the fades around what is missing are made: they must not need more time.
const USUAL_LAG_MS: u32 = 20;

/// Who is silent for this long has ended, in ms: longer than a frame that was held up.
const ENDED_MS: f64 = 100.0;

/// One talker's sound.
#[derive(Debug)]
pub struct Voice {
    talk: Format,
    mix: Format,
    stream: Stream,
    samples: Vec<f32>,
    playout: Option<Playout>,
    mixdown: Mixdown,
    lag: Lag,
    /// Position and capture time of the newest frame, as it came.
    newest: Option<(u64, u64)>,
    /// Nothing has come since a silence but what was held.
    has_just_begun: bool,
    /// The mix's frame that comes next out of the playout, and what has come out and is not mixed.
    made: u64,
    ready: Vec<f32>,
    out: Vec<f32>,
    /// Frames of the mix since there was anything to play.
    dry: usize,
    /// Frames that were not worth hearing.
    wrong: u64,
}

impl Voice {
    /// A talker whose sound comes as `microphone` says, for a mix in `mix` format.
    /// `None` for sound that cannot be taken.
    ///
    /// # Errors
    /// If the channels cannot be brought to the mix's.
    pub fn new(microphone: &Microphone, mix: Format) -> Result<Option<Self>> {
        let Some(talk) = microphone.format() else {
            return Ok(None);
        };
        let delay = u64::from(microphone.algorithmic_delay);
        let Some(stream) = Stream::of(&microphone.codec, talk, delay) else {
            return Ok(None);
        };
        Ok(Some(Self {
            talk,
            mix,
            stream,
            samples: Vec::new(),
            playout: None,
            mixdown: Mixdown::new(&Layout::usual(talk.channels), mix.channels, None)?,
            lag: Lag::default(),
            newest: None,
            has_just_begun: false,
            made: 0,
            ready: Vec::new(),
            out: Vec::new(),
            dry: 0,
            wrong: 0,
        }))
    }

    /// How much later than the film this talker stands in the mix, in µs.
    #[must_use]
    pub fn lag_us(&self) -> f64 {
        self.lag.us()
    }

    /// Frames that could not be decoded.
    #[must_use]
    pub fn wrong(&self) -> u64 {
        self.wrong
    }

    /// Takes a talk frame. The mix's blocks are made `slack_us` after their first frame was captured,
    /// or later.
    ///
    /// # Errors
    /// If the sound's rate cannot be brought to the mix's.
    pub fn take(&mut self, spoken: &Spoken, slack_us: f64) -> Result<()> {
        let mut header = spoken.header;
        let begins = self.newest.is_none_or(|(position, captured_us)| {
            let moved = header.position as f64 - position as f64;
            let moved_us = moved * 1e6 / f64::from(self.talk.sample_rate);
            let passed_us = header.captured_us as f64 - captured_us as f64;
            let is_old = header.captured_us.saturating_sub(captured_us) > FORGOTTEN_US;
            is_old || (moved_us - passed_us).abs() > INCONSISTENT_US
        });
        if begins {
            header.flags |= FLAG_BROKEN;
        }
        let pause = self.talk.frames_in_ms(ENDED_MS) as u64 + u64::from(header.frames);
        self.has_just_begun |= begins
            || self
                .newest
                .is_some_and(|(position, _)| header.position.saturating_sub(position) > pause);
        let is_backwards = self.newest.is_some_and(|(position, _)| header.position < position);
        self.newest = Some((header.position, header.captured_us));
        let decoded = self.stream.audio(header, &spoken.payload, &mut self.samples);
        let Ok(Event::Audio { position, captured_us, broken, samples, .. }) = decoded else {
            self.wrong += 1;
            return Ok(());
        };
        if broken && is_backwards {
            // Nothing of what lies ahead of it will ever be heard.
            self.playout = None;
        }
        let captured_us = captured_us.unwrap_or(header.captured_us);
        let playout = match &mut self.playout {
            Some(playout) => playout,
            none => none.insert(player(self.talk, self.mix, position, captured_us)?),
        };
        let took_us = spoken.came_us as f64 - captured_us as f64;
        let least_us = self.talk.micros(u64::from(header.frames));
        let needed_us = took_us.max(least_us) + playout.ahead_us();
        if header.flags & FLAG_HELD == 0 {
            let has_just_begun = std::mem::take(&mut self.has_just_begun);
            if self.lag.note(spoken.came_us, needed_us, slack_us, has_just_begun) {
                playout.timeline().set_delay_us(self.lag.us());
            }
        }
        playout.insert(position, captured_us, broken, samples);
        if header.flags & FLAG_LAST != 0 {
            self.stream.pause();
        }
        Ok(())
    }

    /// What the talker says during the `frames` frames of the mix that begin at `position`. `clock`
    /// says when the mix's frames were captured.
    pub fn speak(&mut self, position: u64, frames: usize, clock: &CardClock) {
        self.out.clear();
        let Some(playout) = &mut self.playout else {
            return;
        };
        let waiting = self.mix.frames(self.ready.len()) as u64;
        if self.made.checked_sub(waiting) != Some(position) {
            self.ready.clear();
            self.made = position;
        }
        let end = position + frames as u64;
        let mut is_heard = !self.ready.is_empty();
        while self.made < end {
            if playout.buffered() > 0 {
                self.dry = 0;
            } else {
                self.dry = self.dry.saturating_add(BLOCK);
                if self.dry > self.mix.frames_in_ms(ENDED_MS) {
                    playout.pause();
                }
            }
            if let Some(block) = playout.block(self.made as f64, clock) {
                is_heard = true;
                self.mixdown.apply(block, &mut self.ready);
            } else {
                self.ready.resize(self.ready.len() + self.mix.samples(BLOCK), 0.0);
            }
            self.made += BLOCK as u64;
        }
        let samples = self.mix.samples(frames).min(self.ready.len());
        if is_heard {
            self.out.extend(self.ready.drain(..samples));
        } else {
            self.ready.clear();
            self.made = end;
        }
    }

    /// The talker's share of the chunk that was asked for last, interleaved, in the mix's format;
    /// empty while nobody speaks.
    #[must_use]
    pub fn spoken(&self) -> &[f32] {
        &self.out
    }

    /// Whether films should step back for this talker.
    #[must_use]
    pub fn is_speaking(&self) -> bool {
        !self.out.is_empty() && self.dry == 0
    }
}

/// A player whose card is the mix. Both clocks are the server's.
fn player(talk: Format, mix: Format, position: u64, captured_us: u64) -> Result<Playout> {
    let timeline = Timeline::new(talk.sample_rate, position, captured_us, Offset::NONE, 0.0);
    let mut playout = Playout::new(talk, mix, 1, USUAL_LAG_MS, timeline)?;
    playout.make_room_for(HOLDS_MS);
    Ok(playout)
}

#[cfg(test)]
mod tests;
