//! The mix for one listener: without himself, and with his own wishes for others.

use super::duck::Duck;
use super::input::{Input, RAMP_S};
use super::{Id, MAX_INPUTS, Role};
use crate::format::Format;
use crate::limiter::MAX_VOLUME;
use crate::limiter::true_peak::TruePeak;
use crate::ramp::Ramp;

/// One listener's mix. [`Combine::listener`](super::Combine::listener) makes it.
#[derive(Debug)]
pub struct Personal {
    channels: usize,
    own: Option<Id>,
    /// Who is to be louder or quieter than in the common mix.
    volumes: Vec<(Id, Ramp)>,
    ramp_frames: u32,
    duck: Duck,
    limiter: TruePeak,
    out: Vec<f32>,
}

impl Personal {
    pub(super) fn new(format: Format, own: Option<Id>, duck: Duck, limiter: TruePeak) -> Self {
        let ramp_frames = u32::try_from(format.frames_in_ms(RAMP_S * 1e3)).unwrap_or(u32::MAX);
        Self {
            channels: usize::from(format.channels),
            own,
            volumes: Vec::new(),
            ramp_frames,
            duck,
            limiter,
            out: Vec::new(),
        }
    }

    /// The input that he never hears: himself.
    #[must_use]
    pub fn own(&self) -> Option<Id> {
        self.own
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

    /// Whether this mix differs from the common one in nothing but the listener himself.
    #[must_use]
    pub fn has_volumes(&self) -> bool {
        !self.volumes.is_empty()
    }

    pub(super) fn mix(
        &mut self,
        inputs: &[Input],
        films: &mut [f64],
        voices: &[f64],
        duck_db: f32,
    ) {
        let own = self.own;
        let is_heard = |input: &&Input| Some(input.id) != own;
        self.adjust(inputs, films, Role::Film);
        let volumes = &self.volumes;
        let is_off =
            |input: &Input| volumes.iter().any(|(id, ramp)| *id == input.id && ramp.value() == 0.0);
        let is_speaking =
            inputs.iter().filter(is_heard).any(|input| input.is_speaking() && !is_off(input));
        if self.duck.db() != duck_db {
            self.duck.set_db(duck_db);
        }
        self.duck.apply(films, self.channels, is_speaking);
        let mix = films;
        for (sum, voice) in mix.iter_mut().zip(voices) {
            *sum += voice;
        }
        self.adjust(inputs, mix, Role::Voice);
        let himself = inputs.iter().find(|input| Some(input.id) == own && input.is_heard());
        if let Some(input) = himself.filter(|input| input.role == Role::Voice) {
            for (sum, sample) in mix.iter_mut().zip(input.mixed()) {
                *sum -= f64::from(*sample);
            }
        }
        // Who is as loud as in the common mix again needs no more looking after.
        self.volumes.retain_mut(|(_, ramp)| ramp.at_rest() != Some(1.0));
        self.out.clear();
        self.out.extend(mix.iter().map(|sum| *sum as f32));
        self.limiter.process(&mut self.out);
    }

    /// Adds to the sum of all inputs of a role what this listener wants them to be louder by.
    fn adjust(&mut self, inputs: &[Input], sum: &mut [f64], role: Role) {
        let frames = sum.len() / self.channels;
        for (id, ramp) in &mut self.volumes {
            if Some(*id) == self.own {
                continue;
            }
            let Some(input) = inputs.iter().find(|input| input.id == *id) else {
                if role == Role::Voice {
                    ramp.skip(frames);
                }
                continue;
            };
            if input.role != role {
                continue;
            }
            if !input.is_heard() {
                ramp.skip(frames);
                continue;
            }
            let mixed = input.mixed().chunks_exact(self.channels);
            for (sum, frame) in sum.chunks_exact_mut(self.channels).zip(mixed) {
                let more = f64::from(ramp.next()) - 1.0;
                sum.iter_mut().zip(frame).for_each(|(s, own)| *s += more * f64::from(*own));
            }
        }
    }

    pub(super) fn out(&self) -> &[f32] {
        &self.out
    }
}
