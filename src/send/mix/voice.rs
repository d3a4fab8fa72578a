//! One talker's sound, brought to the timeline of the mix.
//!
//! Pure: time is an argument. What was captured at `t − lag` stands in the mix where the film that
//! was captured at `t` stands. The mix plays the part of a listener's card: frames wait in its
//! jitter buffer and are bent to its clock, so a microphone's own clock never leaves a gap. The
//! [`Lag`] is as short as the talker's frames come in time for, which the mix's [`Slack`] gives them
//! more of.
//!
//! What a talker sends decides how much work it makes, so whatever costs more than to decode and play
//! a frame has an `Allowance`.

mod audible;
mod lag;
mod players;
mod slack;

use crate::allowance::Allowance;
use crate::clock::{CardClock, Offset, Timeline};
use crate::error::Result;
use crate::format::Format;
use crate::playout::blocks::Blocks;
use crate::playout::frames::{FrameDecoder, Sound};
use crate::playout::{BLOCK, Playout};
use crate::send::presence::Spoken;
use crate::sound::limiter::ceiling::Ceiling;
use crate::sound::mixdown::{Layout, Mixdown};
use crate::wire::{FLAG_BROKEN, FLAG_HELD, FLAG_LAST, Microphone};
use audible::Audible;
pub use lag::Lag;
pub use players::Players;
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

/// A talker who is silent for this long, in ms, has ended: it is longer than a frame is held up.
const ENDED_MS: f64 = 100.0;

/// A talker may begin anew so many times a second, and as many gaps are made up for: a microphone that
/// is opened again does the one, a network that stalls the other, and neither so often.
const ANEW_PER_SECOND: u64 = 4;

/// No voice is louder in the mix than this: −6 dBFS.
pub const CEILING: f64 = 0.501_187_233_627_272_2;

/// One talker's sound.
#[derive(Debug)]
pub struct Voice {
    talk: Format,
    mix: Format,
    decoder: FrameDecoder,
    samples: Vec<f32>,
    playout: Option<Playout>,
    mixdown: Mixdown,
    ceiling: Ceiling,
    audible: Audible,
    lag: Lag,
    /// The least and the most that frames needed, in µs, once one came.
    needed_us: Option<(f64, f64)>,
    anew: Allowance,
    mended: Allowance,
    /// Position and capture time of the newest frame, as it came.
    newest: Option<(u64, u64)>,
    /// Nothing has come since a silence but what was held.
    has_just_begun: bool,
    blocks: Blocks,
    out: Vec<f32>,
    /// Frames of the mix since there was anything to play.
    dry: usize,
    /// When the newest frame of speech came, in µs.
    speech_us: Option<u64>,
    counts: Counts,
}

/// What became of a talker's frames that nobody heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames that could not be decoded.
    pub wrong: u64,
    /// Frames that made the talker begin anew more often than it may.
    pub restless: u64,
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
        let Some(decoder) = FrameDecoder::new(&microphone.codec, talk, delay) else {
            return Ok(None);
        };
        Ok(Some(Self {
            talk,
            mix,
            decoder,
            samples: Vec::new(),
            playout: None,
            mixdown: Mixdown::new(&Layout::usual(talk.channels), mix.channels, None)?,
            ceiling: Ceiling::new(mix, CEILING),
            audible: Audible::new(talk),
            lag: Lag::default(),
            needed_us: None,
            anew: Allowance::per_second(ANEW_PER_SECOND),
            mended: Allowance::per_second(ANEW_PER_SECOND),
            newest: None,
            has_just_begun: false,
            blocks: Blocks::new(mix.channels),
            out: Vec::new(),
            dry: 0,
            speech_us: None,
            counts: Counts::default(),
        }))
    }

    /// How much later than the film this talker stands in the mix, in µs.
    #[must_use]
    pub fn lag_us(&self) -> f64 {
        self.lag.us()
    }

    /// What lag this talker's frames would have needed in a mix that is made at once, the quickest of them
    /// and the slowest, in µs; `None` before any.
    #[must_use]
    pub fn needed_us(&self) -> Option<(f64, f64)> {
        self.needed_us
    }

    /// What became of frames that nobody heard.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// When the newest frame of speech came, in µs; `None` before any. Silence is none.
    #[must_use]
    pub fn speech_us(&self) -> Option<u64> {
        self.speech_us
    }

    /// The talker has gone: what it was played with may serve another.
    pub fn leave(self, players: &mut Players) {
        if let Some(playout) = self.playout {
            players.keep(self.talk, playout);
        }
    }

    /// Takes a talk frame; one of `players` plays it. The mix's blocks are made `slack_us` after their
    /// first frame was captured, or later.
    ///
    /// # Errors
    /// If the sound's rate cannot be brought to the mix's.
    pub fn take(&mut self, spoken: &Spoken, slack_us: f64, players: &mut Players) -> Result<()> {
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
        let is_anew = header.flags & FLAG_BROKEN != 0;
        if is_anew && !self.anew.takes(spoken.came_us) {
            self.counts.restless += 1;
            return Ok(());
        }
        if !is_anew && self.decoder.has_to_mend(&header) && !self.mended.takes(spoken.came_us) {
            self.decoder.pause();
        }
        let pause = self.talk.frames_in_ms(ENDED_MS) as u64 + u64::from(header.frames);
        let begins = begins
            || self
                .newest
                .is_some_and(|(position, _)| header.position.saturating_sub(position) > pause);
        if begins {
            self.has_just_begun = true;
            self.audible.begin();
        }
        let is_backwards = self.newest.is_some_and(|(position, _)| header.position < position);
        self.newest = Some((header.position, header.captured_us));
        let decoded = self.decoder.decode(header, &spoken.payload, &mut self.samples);
        let Ok(Sound { position, captured_us, broken, .. }) = decoded else {
            self.counts.wrong += 1;
            return Ok(());
        };
        self.samples.iter_mut().for_each(|sample| *sample = sample.clamp(-1.0, 1.0));
        self.audible.hear(&self.samples);
        if self.audible.is_speech() {
            self.speech_us = Some(spoken.came_us);
        }
        let captured_us = captured_us.unwrap_or(header.captured_us);
        let timeline =
            || Timeline::new(self.talk.sample_rate, position, captured_us, Offset::NONE, 0.0);
        let playout = match &mut self.playout {
            Some(playout) => {
                if broken && is_backwards {
                    // Nothing of what lies ahead of it will ever be heard.
                    playout.begin_anew(timeline());
                    playout.timeline().set_delay_us(self.lag.us());
                }
                playout
            }
            none => {
                let Some(playout) = players.take(self.talk, timeline(), spoken.came_us)? else {
                    self.counts.restless += 1;
                    return Ok(());
                };
                none.insert(playout)
            }
        };
        let took_us = spoken.came_us as f64 - captured_us as f64;
        let least_us = self.talk.micros(u64::from(header.frames));
        let needed_us = took_us.max(least_us) + playout.ahead_us();
        if header.flags & FLAG_HELD == 0 {
            let (least_us, most_us) = self.needed_us.unwrap_or((needed_us, needed_us));
            self.needed_us = Some((least_us.min(needed_us), most_us.max(needed_us)));
            let has_just_begun = std::mem::take(&mut self.has_just_begun);
            if self.lag.note(spoken.came_us, needed_us, slack_us, has_just_begun) {
                playout.timeline().set_delay_us(self.lag.us());
            }
        }
        playout.insert(position, captured_us, broken, &self.samples);
        if header.flags & FLAG_LAST != 0 {
            self.decoder.pause();
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
        self.blocks.go_to(position);
        let mut is_heard = !self.blocks.is_empty();
        let (dry, mixdown) = (&mut self.dry, &mut self.mixdown);
        let samples = self.blocks.take(frames, |position, ready| {
            if playout.buffered() > 0 {
                *dry = 0;
            } else {
                *dry = dry.saturating_add(BLOCK);
                if *dry > self.mix.frames_in_ms(ENDED_MS) {
                    playout.pause();
                }
            }
            if let Some(block) = playout.block(position as f64, clock) {
                is_heard = true;
                mixdown.apply(block, ready);
            } else {
                ready.resize(ready.len() + self.mix.samples(BLOCK), 0.0);
            }
        });
        if is_heard {
            self.out.extend(samples);
            self.ceiling.process_single(&mut self.out);
        } else {
            drop(samples);
            self.blocks.begin_at(position + frames as u64);
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
        !self.out.is_empty() && self.dry == 0 && self.audible.is_speech()
    }
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
