//! One input of the mix: its gains, and its edges without clicks.

use super::{Id, Role, Settings};
use crate::format::{Format, dbfs, sanitise};
use crate::sound::loudness::Loudness;
use crate::sound::ramp::Ramp;

/// How long a change of level, mute or pan takes: long enough not to click, too short to be waited
/// for.
pub(super) const RAMP_S: f64 = 0.020;

/// How long sound that begins takes to its level, and how long sound that has broken off goes on, as
/// its own mirror image, while it fades.
const EDGE_S: f64 = 0.005;

/// An input of the mix.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) id: Id,
    pub(super) role: Role,
    pub(super) settings: Settings,
    pub(super) is_leaving: bool,
    channels: usize,
    /// The gain of each channel.
    gains: Vec<Ramp>,
    loudness: Option<Loudness>,
    loudness_gain: f32,
    /// Opens where sound begins after none.
    gate: Ramp,
    edge: usize,
    /// The chunk's sound at the input's level, and how many of its samples have been given.
    mixed: Vec<f32>,
    given: usize,
    is_speaking: bool,
    /// The newest frames that went into the mix, before the chunk in hand.
    newest: Vec<f32>,
    is_sounding: bool,
    /// What is left to play of sound that has broken off.
    tail: Vec<f32>,
    tail_at: usize,
    peak: f32,
}

impl Input {
    /// An input that fades in, or one that is there at once because nothing has been heard yet.
    pub(super) fn new(
        format: Format,
        id: Id,
        role: Role,
        settings: Settings,
        fades_in: bool,
    ) -> Self {
        let channels = usize::from(format.channels);
        let steps = |seconds: f64| format.frames_in_ms(seconds * 1e3).max(1);
        let edge = steps(EDGE_S);
        let ramp = |value, length| Ramp::new(value, u32::try_from(length).unwrap_or(u32::MAX));
        let start = if fades_in { 0.0 } else { 1.0 };
        let mut gains = vec![ramp(start, steps(RAMP_S)); channels];
        if fades_in {
            // Moves only what has begun.
            gains.iter_mut().for_each(|gain| _ = gain.at_rest());
        }
        let mut input = Self {
            id,
            role,
            settings,
            is_leaving: false,
            channels,
            gains,
            loudness: settings.loudness_lufs.map(|target| Loudness::new(format, target)),
            loudness_gain: 1.0,
            gate: ramp(start, edge),
            edge,
            mixed: Vec::new(),
            given: 0,
            is_speaking: false,
            newest: vec![0.0; format.samples(edge)],
            is_sounding: false,
            tail: vec![0.0; format.samples(edge)],
            tail_at: format.samples(edge),
            peak: 0.0,
        };
        input.aim();
        input
    }

    /// Moves the gains to where the settings want them.
    pub(super) fn aim(&mut self) {
        let Settings { level_db, is_muted, pan, .. } = self.settings;
        let is_silent = is_muted || self.is_leaving;
        let level = if is_silent { 0.0 } else { 10_f32.powf(level_db / 20.0) };
        match &mut self.gains[..] {
            [left, right] => {
                left.aim(level * (1.0 - pan.max(0.0)));
                right.aim(level * (1.0 + pan.min(0.0)));
            }
            all => all.iter_mut().for_each(|gain| gain.aim(level)),
        }
    }

    /// A chunk of `samples` interleaved samples begins.
    pub(super) fn begin(&mut self, samples: usize) {
        self.mixed.clear();
        self.mixed.resize(samples, 0.0);
        self.given = 0;
        self.is_speaking = false;
    }

    /// Takes the chunk's next samples; what is beyond its end is left out.
    pub(super) fn take(&mut self, samples: &[f32], is_speaking: bool) {
        self.is_speaking |= is_speaking;
        let count = samples.len().min(self.mixed.len() - self.given);
        let count = count - count % self.channels;
        if count == 0 {
            return;
        }
        if !self.is_sounding {
            self.is_sounding = true;
            self.gate.aim(1.0);
        }
        let mixed = &mut self.mixed[self.given..self.given + count];
        mixed.copy_from_slice(&samples[..count]);
        self.given += count;
        sanitise(mixed);
        self.peak = mixed.iter().fold(self.peak, |peak, sample| peak.max(sample.abs()));
        if let Some(loudness) = &mut self.loudness {
            let (from, to) = (self.loudness_gain, loudness.measure(mixed));
            let step = (to - from) * self.channels as f32 / count as f32;
            for (n, frame) in mixed.chunks_exact_mut(self.channels).enumerate() {
                let gain = from + step * n as f32;
                frame.iter_mut().for_each(|sample| *sample *= gain);
            }
            self.loudness_gain = to;
        }
        multiply(mixed, &mut self.gains);
        match self.gate.at_rest() {
            Some(1.0) => {}
            _ => {
                for frame in mixed.chunks_exact_mut(self.channels) {
                    let open = self.gate.next();
                    frame.iter_mut().for_each(|sample| *sample *= open);
                }
            }
        }
    }

    /// The chunk is complete: where the input gave too little, what was heard last fades out.
    pub(super) fn finish(&mut self) {
        let (given, end) = (self.given, self.mixed.len());
        // A tail from the chunk before goes on, whatever has begun meanwhile.
        self.play_tail(0..given);
        if given < end {
            let frames = (end - given) / self.channels;
            self.gains.iter_mut().for_each(|gain| gain.skip(frames));
            if std::mem::take(&mut self.is_sounding) {
                self.break_off();
            }
        }
        self.play_tail(given..end);
        remember(&mut self.newest, &self.mixed);
    }

    /// Prepares the tail of what was heard last, an older tail included: its mirror image begins where it
    /// ended.
    fn break_off(&mut self) {
        let channels = self.channels;
        let before = self.newest.chunks_exact(channels).rev();
        let frames = self.mixed[..self.given].chunks_exact(channels).rev().chain(before);
        for (n, (tail, frame)) in self.tail.chunks_exact_mut(channels).zip(frames).enumerate() {
            let share = 1.0 - (n + 1) as f32 / self.edge as f32;
            tail.iter_mut().zip(frame).for_each(|(tail, sample)| *tail = sample * share);
        }
        self.tail_at = 0;
        self.gate = Ramp::new(0.0, u32::try_from(self.edge).unwrap_or(u32::MAX));
        // What comes next begins from silence.
        let _ = self.gate.at_rest();
    }

    /// Adds what is left of a tail to these samples of the chunk.
    fn play_tail(&mut self, samples: std::ops::Range<usize>) {
        let rest = &self.tail[self.tail_at..];
        let mixed = &mut self.mixed[samples];
        mixed.iter_mut().zip(rest).for_each(|(sample, tail)| *sample += tail);
        self.tail_at += mixed.len().min(rest.len());
    }

    fn is_fading(&self) -> bool {
        self.tail_at < self.tail.len()
    }

    /// The chunk at the input's level.
    pub(super) fn mixed(&self) -> &[f32] {
        &self.mixed
    }

    /// Whether anything of it can be heard in this chunk.
    pub(super) fn is_heard(&self) -> bool {
        self.given > 0 || self.mixed.iter().any(|sample| *sample != 0.0)
    }

    /// Whether this input holds films back.
    pub(super) fn is_speaking(&self) -> bool {
        self.is_speaking && self.role == Role::Voice && !self.settings.is_muted && !self.is_leaving
    }

    /// Whether this input was removed and nothing of it is left.
    pub(super) fn is_gone(&self) -> bool {
        let is_silent = self.gains.iter().all(|gain| gain.value() == 0.0);
        self.is_leaving && !self.is_fading() && (is_silent || !self.is_sounding)
    }

    /// The highest sample since the last call, before level, mute and pan, in dBFS.
    pub(super) fn take_level_dbfs(&mut self) -> f32 {
        dbfs(std::mem::take(&mut self.peak))
    }
}

/// Multiplies interleaved frames by each channel's gain.
fn multiply(samples: &mut [f32], gains: &mut [Ramp]) {
    let channels = gains.len();
    for (channel, gain) in gains.iter_mut().enumerate() {
        let own = samples.iter_mut().skip(channel).step_by(channels);
        match gain.at_rest() {
            Some(1.0) => {}
            Some(gain) => own.for_each(|sample| *sample *= gain),
            None => own.for_each(|sample| *sample *= gain.next()),
        }
    }
}

/// Keeps the last samples of a stream in `newest`.
fn remember(newest: &mut [f32], samples: &[f32]) {
    let count = samples.len().min(newest.len());
    let kept = newest.len() - count;
    newest.copy_within(count.., 0);
    newest[kept..].copy_from_slice(&samples[samples.len() - count..]);
}
