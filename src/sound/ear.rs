//! How one person hears it, right before the limiter: dialogue up, night, bass and treble, one ear, balance, in this
//! order.
//!
//! Off, every sample passes bit for bit, and it does so again once something that was on has faded. Nothing is delayed,
//! whatever is on: who has it on stays in step with who has not. Nobody else hears anything of it, and no recording.
//!
//! May run on the audio thread: no allocation, lock, log or syscall after [`Ear::new`].

mod dialogue;
mod hearing;
mod night;
mod sides;
mod tone;

use crate::format::{Format, sanitise};
use crate::sound::mixdown::Layout;
use dialogue::Dialogue;
pub use hearing::{Control, Hearing, MOST_BALANCE, MOST_DIALOGUE_DB, MOST_TONE_DB};
use night::Night;
use sides::{Balance, Mono};
use tone::Shelf;

/// How long a change takes, in s: long enough not to click, too short to be waited for.
const GLIDE_S: f64 = 0.030;

/// How often what follows the sound is looked at.
const STEPS_PER_S: f64 = 1_000.0;

/// Makes interleaved sound as one person wants to hear it.
#[derive(Debug, Clone)]
pub struct Ear {
    dialogue: Dialogue,
    night: Night,
    bass: Shelf,
    treble: Shelf,
    mono: Mono,
    balance: Balance,
}

impl Ear {
    /// An ear for interleaved samples of `format`, whose channels are in their [usual](Layout::usual) order. It is off.
    #[must_use]
    pub fn new(format: Format) -> Self {
        let rate = f64::from(format.sample_rate.max(1));
        let layout = Layout::usual(format.channels.max(1));
        let channels = usize::from(layout.channels());
        Self {
            dialogue: Dialogue::new(&layout, rate),
            night: Night::new(&layout, rate),
            bass: Shelf::bass(channels, rate),
            treble: Shelf::treble(channels, rate),
            mono: Mono::new(&layout, rate),
            balance: Balance::new(&layout, rate),
        }
    }

    /// From here on it is to sound like this; what is out of its range counts as its end. Whatever changes does so
    /// within 30 ms, and before the first sound at once.
    pub fn set(&mut self, hearing: Hearing) {
        let hearing = hearing.within();
        self.dialogue.aim(hearing.dialogue_db);
        self.night.aim(hearing.night);
        self.bass.aim(hearing.bass_db);
        self.treble.aim(hearing.treble_db);
        self.mono.aim(hearing.mono);
        self.balance.aim(hearing.balance);
    }

    /// Processes whole frames in place. Where nothing is on, nothing is changed; else NaN and infinities become silence.
    pub fn process(&mut self, samples: &mut [f32]) {
        let Self { dialogue, night, bass, treble, mono, balance } = self;
        // All of them, each time: that is what tells each that sound has begun.
        let [no_dialogue, no_night, no_bass] = [dialogue.rests(), night.rests(), bass.rests()];
        let [no_treble, no_mono, no_balance] = [treble.rests(), mono.rests(), balance.rests()];
        if no_dialogue && no_night && no_bass && no_treble && no_mono && no_balance {
            return;
        }
        sanitise(samples);
        if !no_dialogue {
            dialogue.process(samples);
        }
        if !no_night {
            night.process(samples);
        }
        if !no_bass {
            bass.process(samples);
        }
        if !no_treble {
            treble.process(samples);
        }
        if !no_mono {
            mono.process(samples);
        }
        if !no_balance {
            balance.process(samples);
        }
    }
}

/// Frames of a step.
fn step_frames(rate: f64) -> usize {
    (rate / STEPS_PER_S).round().max(1.0) as usize
}

/// Frames of a glide.
fn glide(s: f64, rate: f64) -> u32 {
    (s * rate).round().max(1.0) as u32
}

#[cfg(test)]
mod tests;
