//! The mix for one listener: without their own voice, and with their own wishes for others.

use std::collections::BTreeMap;

use super::duck::Duck;
use super::input::RAMP_S;
use super::shared::Shared;
use super::{Id, MAX_INPUTS, Role};
use crate::format::Format;
use crate::limiter::MAX_VOLUME;
use crate::limiter::ceiling::Ceiling;
use crate::limiter::true_peak::TruePeak;
use crate::ramp::Ramp;

/// One listener's mix.
#[derive(Debug, Clone)]
pub struct Personal {
    channels: usize,
    own: Option<Id>,
    /// Who is to be louder or quieter than in the common mix.
    volumes: Vec<(Id, Ramp)>,
    ramp_frames: u32,
    duck: Duck,
    ceiling: Ceiling,
    limiter: TruePeak,
    films: Vec<f64>,
    voices: Vec<f64>,
    out: Vec<f32>,
}

impl Personal {
    /// The common mix, as long as it takes the same chunks.
    pub(super) fn new(format: Format, duck: Duck, ceiling: Ceiling, limiter: TruePeak) -> Self {
        let ramp_frames = u32::try_from(format.frames_in_ms(RAMP_S * 1e3)).unwrap_or(u32::MAX);
        Self {
            channels: usize::from(format.channels),
            own: None,
            volumes: Vec::new(),
            ramp_frames,
            duck,
            ceiling,
            limiter,
            films: Vec::new(),
            voices: Vec::new(),
            out: Vec::new(),
        }
    }

    /// A mix that goes on where this one is, for a listener who is the input `own`.
    #[must_use]
    pub fn without(&self, own: Option<Id>) -> Self {
        Self { own, ..self.clone() }
    }

    /// The input that this listener never hears: their own voice.
    #[must_use]
    pub fn own(&self) -> Option<Id> {
        self.own
    }

    /// Sets how loud inputs are for this listener, in percent of their level in the common mix, at
    /// most 200; all others are as loud as there.
    pub fn set_volumes(&mut self, percents: &BTreeMap<Id, u16>) {
        for (id, ramp) in &mut self.volumes {
            if !percents.contains_key(id) {
                ramp.aim(1.0);
            }
        }
        percents.iter().for_each(|(id, percent)| self.set_volume(*id, *percent));
    }

    /// Sets how loud one input is for this listener, in percent of its level in the common mix, at
    /// most 200. Wishes for more inputs than there can be are left out.
    pub fn set_volume(&mut self, id: Id, percent: u16) {
        let volume = f32::from(percent.min(MAX_VOLUME)) / 100.0;
        if let Some((_, ramp)) = self.volumes.iter_mut().find(|(of, _)| *of == id) {
            ramp.aim(volume);
        } else if self.volumes.len() < MAX_INPUTS && percent != 100 {
            let mut ramp = Ramp::new(1.0, self.ramp_frames);
            // Moves there from where the common mix has it.
            let _ = ramp.at_rest();
            ramp.aim(volume);
            self.volumes.push((id, ramp));
        }
    }

    /// Whether this mix differs from the common one in nothing but the listener's own voice.
    #[must_use]
    pub fn has_volumes(&self) -> bool {
        !self.volumes.is_empty()
    }

    /// Makes a chunk as this listener hears it. Chunks come in their order.
    pub fn mix(&mut self, chunk: &Shared) -> &[f32] {
        let mut films = std::mem::take(&mut self.films);
        let mut voices = std::mem::take(&mut self.voices);
        films.clone_from(&chunk.films);
        voices.clone_from(&chunk.voices);
        self.adjust(chunk, &mut films, Role::Film);
        let volumes = &self.volumes;
        let is_off = |id: Id| volumes.iter().any(|(of, ramp)| *of == id && ramp.value() == 0.0);
        let is_speaking = chunk
            .parts()
            .iter()
            .any(|part| part.is_speaking && Some(part.id) != self.own && !is_off(part.id));
        if self.duck.db() != chunk.duck_db {
            self.duck.set_db(chunk.duck_db);
        }
        self.duck.apply(&mut films, self.channels, is_speaking);
        self.adjust(chunk, &mut voices, Role::Voice);
        let himself = self.own.and_then(|own| chunk.heard(own));
        if let Some((Role::Voice, samples)) = himself {
            for (sum, sample) in voices.iter_mut().zip(samples) {
                *sum -= f64::from(*sample);
            }
        }
        self.ceiling.process(&mut voices);
        // Who is as loud as in the common mix again needs no more looking after.
        self.volumes.retain_mut(|(_, ramp)| ramp.at_rest() != Some(1.0));
        self.out.clear();
        self.out.extend(films.iter().zip(&voices).map(|(film, voice)| (film + voice) as f32));
        self.limiter.process(&mut self.out);
        (self.films, self.voices) = (films, voices);
        &self.out
    }

    /// Adds to the sum of all inputs of a role what this listener wants them to be louder by.
    fn adjust(&mut self, chunk: &Shared, sum: &mut [f64], role: Role) {
        let frames = sum.len() / self.channels;
        for (id, ramp) in &mut self.volumes {
            if Some(*id) == self.own {
                continue;
            }
            match chunk.heard(*id) {
                None if role == Role::Voice => ramp.skip(frames),
                Some((of, samples)) if of == role => {
                    let frames = samples.chunks_exact(self.channels);
                    for (sum, frame) in sum.chunks_exact_mut(self.channels).zip(frames) {
                        let more = f64::from(ramp.next()) - 1.0;
                        sum.iter_mut().zip(frame).for_each(|(s, own)| *s += more * f64::from(*own));
                    }
                }
                _ => {}
            }
        }
    }
}
