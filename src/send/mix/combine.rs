//! The mix: the sum of what all inputs give, each at its level, and never an average.
//!
//! Pure: no thread, clock, socket; a chunk at a time. [`Combine::common`] is what everybody hears,
//! [`Personal`] makes the same chunk for one listener, without that listener's own voice, of what
//! [`Combine::shared`] gives it. Both come out behind the look-ahead of a [true-peak
//! limiter](TruePeak), [`Combine::delay_frames`] later than they went in: that much is taken off
//! the capture time.
//!
//! Sums are made in double precision, where taking a voice off again leaves nothing of it. So a
//! personal mix costs the same however many speak.
//!
//! No voice is above −6 dBFS, and neither is their sum: where many speak at once, or one wants to be
//! louder than everything, films step back by what they are ducked, and no further.

mod duck;
mod input;
mod personal;
mod shared;

use crate::format::Format;
use crate::limiter::ceiling::Ceiling;
use crate::limiter::true_peak::TruePeak;
use crate::source::MOST_DUCK_DB;
use duck::Duck;
use input::Input;

pub use personal::Personal;
pub use shared::Shared;

/// All voices together are no louder than this: −6 dBFS. Beside them a film at full scale that has
/// stepped back by 6 dB or more stays below the limiter's ceiling, or nearly.
pub const VOICES_CEILING: f64 = 0.501_187_233_627_272_2;

/// Most inputs of a mix: as many sources as there may be, as many people as may talk, and some who are
/// just fading out.
pub const MAX_INPUTS: usize = 400;

/// An input of the mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub u64);

/// What an input is to the listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Steps back while somebody speaks.
    Film,
    /// Somebody who speaks: films step back for them.
    Voice,
}

/// How an input stands in the mix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Its level in dB, 0 as it is.
    pub level_db: f32,
    /// Whether it is silent.
    pub is_muted: bool,
    /// From −1, left, to 1, right: the other channel is turned down evenly and this one stays as it
    /// is, so 0 leaves a stereo source untouched. A mono stream has no sides.
    pub pan: f32,
    /// The loudness to bring it to before its level, in LUFS.
    pub loudness_lufs: Option<f32>,
}

impl Default for Settings {
    /// The settings of a source that is left as it is.
    fn default() -> Self {
        Self { level_db: 0.0, is_muted: false, pan: 0.0, loudness_lufs: None }
    }
}

/// The mix of all inputs.
#[derive(Debug)]
pub struct Combine {
    format: Format,
    inputs: Vec<Input>,
    /// Whether a chunk has begun yet: what was there before does not fade in.
    has_begun: bool,
    /// Whether the chunk in hand has been summed, and limited for everybody.
    is_summed: bool,
    is_limited: bool,
    /// The chunk's films before they step back, and its voices.
    films: Vec<f64>,
    voices: Vec<f64>,
    /// Films and voices on their way into everybody's mix.
    ducked: Vec<f64>,
    held: Vec<f64>,
    duck: Duck,
    ceiling: Ceiling,
    limiter: TruePeak,
    /// Whether everybody's mix is limited.
    limits: bool,
    out: Vec<f32>,
}

impl Combine {
    /// A mix of interleaved sound of `format`, of one or two channels.
    #[must_use]
    pub fn new(format: Format) -> Self {
        Self {
            format,
            inputs: Vec::new(),
            has_begun: false,
            is_summed: true,
            is_limited: true,
            films: Vec::new(),
            voices: Vec::new(),
            ducked: Vec::new(),
            held: Vec::new(),
            duck: Duck::new(format),
            ceiling: Ceiling::new(format, VOICES_CEILING),
            limiter: TruePeak::new(format),
            limits: true,
            out: Vec::new(),
        }
    }

    /// Leaves the limiter out, which costs more than all else: for simulations of hours.
    pub fn leave_out_limiter(&mut self) {
        self.limits = false;
    }

    /// Rate and channels.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Frames by which every mix leaves later than its inputs came.
    #[must_use]
    pub fn delay_frames(&self) -> usize {
        if self.limits { self.limiter.delay() } else { 0 }
    }

    /// Takes an input in. It fades in, unless no chunk has begun yet. Returns `false`, and does
    /// nothing, where the input is there already or [`MAX_INPUTS`] are.
    pub fn add(&mut self, id: Id, role: Role, settings: Settings) -> bool {
        if self.inputs.len() >= MAX_INPUTS || self.inputs.iter().any(|input| input.id == id) {
            return false;
        }
        let input = Input::new(self.format, id, role, within_range(settings), self.has_begun);
        self.inputs.push(input);
        true
    }

    /// Takes an input out: it fades out for as long as it still gives something, or by itself.
    pub fn remove(&mut self, id: Id) {
        self.change(id, |input| input.is_leaving = true);
    }

    /// Sets the level of an input in dB.
    pub fn set_level(&mut self, id: Id, db: f32) {
        self.change(id, |input| input.settings.level_db = db);
    }

    /// Mutes an input, or lets it be heard again.
    pub fn set_muted(&mut self, id: Id, is_muted: bool) {
        self.change(id, |input| input.settings.is_muted = is_muted);
    }

    /// Moves an input between left, −1, and right, 1.
    pub fn set_pan(&mut self, id: Id, pan: f32) {
        self.change(id, |input| input.settings.pan = pan);
    }

    /// Sets by how many dB films step back while somebody speaks; 0 leaves them alone.
    pub fn set_duck_db(&mut self, db: f32) {
        self.duck.set_db(if db.is_finite() { db.clamp(0.0, MOST_DUCK_DB.into()) } else { 0.0 });
    }

    fn change(&mut self, id: Id, change: impl FnOnce(&mut Input)) {
        if let Some(input) = self.inputs.iter_mut().find(|input| input.id == id) {
            change(input);
            input.settings = within_range(input.settings);
            input.aim();
        }
    }

    /// How an input stands in the mix; `None` for one that is not there, or is leaving.
    #[must_use]
    pub fn settings(&self, id: Id) -> Option<Settings> {
        let input = self.inputs.iter().find(|input| input.id == id)?;
        (!input.is_leaving).then_some(input.settings)
    }

    /// The highest sample of an input since this was last asked, in dBFS, before its level, mute and
    /// pan.
    pub fn take_level_dbfs(&mut self, id: Id) -> Option<f32> {
        self.inputs.iter_mut().find(|input| input.id == id).map(Input::take_level_dbfs)
    }

    /// A chunk of `frames` frames begins.
    pub fn begin(&mut self, frames: usize) {
        if self.has_begun {
            // The limiter must see every chunk.
            self.limit();
        }
        self.inputs.retain(|input| !input.is_gone());
        self.has_begun = true;
        (self.is_summed, self.is_limited) = (false, false);
        let samples = self.format.samples(frames);
        self.inputs.iter_mut().for_each(|input| input.begin(samples));
        for sum in [&mut self.films, &mut self.voices] {
            sum.clear();
            sum.resize(samples, 0.0);
        }
    }

    /// Gives the chunk's next frames of an input, interleaved, in the mix's format: all of them or
    /// fewer; what is missing is silent. `is_speaking` says that films are to step back.
    pub fn input(&mut self, id: Id, samples: &[f32], is_speaking: bool) {
        if let Some(input) = self.inputs.iter_mut().find(|input| input.id == id)
            && !self.is_summed
        {
            input.take(samples, is_speaking);
        }
    }

    /// The chunk as everybody hears it.
    pub fn common(&mut self) -> &[f32] {
        self.limit();
        &self.out
    }

    /// A mix for one listener, which goes on where everybody's is: before the chunk in hand, as long as
    /// that has not been [made](Self::common).
    #[must_use]
    pub fn listener(&self) -> Personal {
        let (duck, ceiling) = (self.duck.clone(), self.ceiling.clone());
        Personal::new(self.format, duck, ceiling, self.limiter.clone())
    }

    /// The chunk as [`Personal`] mixes take it.
    pub fn shared(&mut self) -> Shared {
        self.sum();
        Shared::new(&self.inputs, &self.films, &self.voices, self.duck.db())
    }

    fn limit(&mut self) {
        self.sum();
        if std::mem::replace(&mut self.is_limited, true) {
            return;
        }
        self.ducked.clone_from(&self.films);
        let is_speaking = self.inputs.iter().any(Input::is_speaking);
        self.duck.apply(&mut self.ducked, usize::from(self.format.channels), is_speaking);
        self.held.clone_from(&self.voices);
        self.ceiling.process(&mut self.held);
        self.out.clear();
        let sums = self.ducked.iter().zip(&self.held);
        self.out.extend(sums.map(|(film, voice)| (film + voice) as f32));
        if self.limits {
            self.limiter.process(&mut self.out);
        }
    }

    fn sum(&mut self) {
        if std::mem::replace(&mut self.is_summed, true) {
            return;
        }
        for input in &mut self.inputs {
            input.finish();
            if !input.is_heard() {
                continue;
            }
            let sum = match input.role {
                Role::Film => &mut self.films,
                Role::Voice => &mut self.voices,
            };
            for (sum, sample) in sum.iter_mut().zip(input.mixed()) {
                *sum += f64::from(*sample);
            }
        }
    }
}

/// What a setting that makes no sense is held to.
fn within_range(settings: Settings) -> Settings {
    use crate::source::LEVEL_DB;
    let or_zero = |value: f32| if value.is_finite() { value } else { 0.0 };
    Settings {
        level_db: or_zero(settings.level_db).clamp(*LEVEL_DB.start(), *LEVEL_DB.end()),
        pan: or_zero(settings.pan).clamp(-1.0, 1.0),
        ..settings
    }
}

#[cfg(test)]
mod tests;
