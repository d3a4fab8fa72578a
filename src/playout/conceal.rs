//! What probably came next, where samples are missing: the recent stretch that is most like the last
//! milliseconds goes on, over and over, and fades away.
//!
//! Nothing steps: what is made up begins where sound ended, and what comes again is blended in.

use crate::format::Format;

/// What is remembered, in ms: the longest stretch, and what is compared.
const REMEMBERED_MS: f64 = 30.0;

/// Stretches that are repeated last from as long to as long, in ms: an octave below the lowest
/// voice, and short enough for most of what stays the same.
const SHORTEST_MS: f64 = 2.5;
const LONGEST_MS: f64 = 20.0;

/// The last so many ms are what a stretch has to be like.
const COMPARED_MS: f64 = 6.0;

/// The end of a stretch turns into its beginning over this share of it.
const SEAM: usize = 4;

/// What a stretch's beginning differs from the last sample by goes away over this long, in ms.
const STEP_GOES_MS: f64 = 1.5;

/// What is made up fades away over this long, in ms.
const FADES_MS: f64 = 50.0;

/// What is made up turns into what comes again over this long, in ms.
const BLENDS_MS: f64 = 5.0;

/// Comparing looks at about this many samples a second: more costs, and finds the same.
const COMPARED_HZ: u32 = 24_000;

/// Makes up samples of one stream.
#[derive(Debug)]
pub(super) struct Concealer {
    format: Format,
    /// What came last, interleaved.
    heard: Vec<f32>,
    going: Option<Going>,
}

/// What is being made up.
#[derive(Debug)]
struct Going {
    /// What is repeated.
    stretch: Vec<f32>,
    /// What the last sample of each channel differs by from where the stretch goes on.
    step: Vec<f32>,
    /// Frames made up so far.
    made: usize,
}

impl Concealer {
    pub(super) fn new(format: Format) -> Self {
        Self { format, heard: Vec::new(), going: None }
    }

    /// Forgets what came before: nothing goes on.
    pub(super) fn forget(&mut self) {
        self.heard.clear();
        self.going = None;
    }

    /// Samples come. The first of them are blended with what was being made up.
    pub(super) fn hear(&mut self, samples: &mut [f32]) {
        if let Some(mut going) = self.going.take() {
            let channels = usize::from(self.format.channels);
            let frames = self.frames(BLENDS_MS).min(samples.len() / channels);
            let mut made_up = Vec::new();
            self.go_on(&mut going, frames, &mut made_up);
            for (at, (frame, old)) in
                samples.chunks_exact_mut(channels).zip(made_up.chunks_exact(channels)).enumerate()
            {
                let share = (at + 1) as f32 / (frames + 1) as f32;
                frame.iter_mut().zip(old).for_each(|(new, old)| *new = old + (*new - old) * share);
            }
        }
        let most = self.format.samples(self.frames(REMEMBERED_MS));
        let newest = &samples[samples.len().saturating_sub(most)..];
        let kept = most - newest.len();
        self.heard.drain(..self.heard.len().saturating_sub(kept));
        self.heard.extend_from_slice(newest);
    }

    /// Adds `frames` frames of what probably came next to `out`.
    pub(super) fn conceal(&mut self, frames: usize, out: &mut Vec<f32>) {
        let mut going = self.going.take().unwrap_or_else(|| self.begin());
        self.go_on(&mut going, frames, out);
        self.going = Some(going);
    }

    fn frames(&self, ms: f64) -> usize {
        self.format.frames_in_ms(ms).max(1)
    }

    fn begin(&self) -> Going {
        let channels = usize::from(self.format.channels);
        let last = self.heard.len().saturating_sub(channels);
        let Some(length) = self.best_length() else {
            // Too little is known to go on with: it only must not step.
            return Going {
                stretch: vec![0.0; channels],
                step: self.heard[last..].to_vec(),
                made: 0,
            };
        };
        let start = self.heard.len() - length * channels;
        let mut stretch = self.heard[start..].to_vec();
        let seam = (length / SEAM).max(1).min(start / channels);
        let from = (length - seam) * channels;
        let before = &self.heard[start - seam * channels..start];
        for (at, sample) in stretch[from..].iter_mut().enumerate() {
            let share = (at / channels + 1) as f32 / seam as f32;
            *sample += (before[at] - *sample) * share;
        }
        let continues = &self.heard[start - channels..start];
        let step = self.heard[last..].iter().zip(continues).map(|(last, on)| last - on).collect();
        Going { stretch, step, made: 0 }
    }

    fn go_on(&self, going: &mut Going, frames: usize, out: &mut Vec<f32>) {
        let channels = usize::from(self.format.channels);
        let (fades, step_goes) = (self.frames(FADES_MS) as f32, self.frames(STEP_GOES_MS) as f32);
        let length = (going.stretch.len() / channels).max(1);
        for _ in 0..frames {
            let at = going.made % length * channels;
            let made = going.made as f32;
            let gain = (1.0 - made / fades).max(0.0);
            let step = (1.0 - made / step_goes).max(0.0);
            for channel in 0..channels {
                let sample = going.stretch.get(at + channel).copied().unwrap_or(0.0);
                let off = going.step.get(channel).copied().unwrap_or(0.0);
                out.push((sample + off * step) * gain);
            }
            going.made += 1;
        }
    }

    /// How many frames the stretch has that is most like what came last; `None` where too little came.
    fn best_length(&self) -> Option<usize> {
        let mono: Vec<f32> = self
            .heard
            .chunks_exact(usize::from(self.format.channels))
            .map(|frame| frame.iter().sum())
            .collect();
        let compared = self.frames(COMPARED_MS);
        let longest = self.frames(LONGEST_MS).min(mono.len().checked_sub(compared + 1)?);
        let shortest = self.frames(SHORTEST_MS);
        let stride = (self.format.sample_rate / COMPARED_HZ).max(1) as usize;
        let last = &mono[mono.len() - compared..];
        let alike = |length: &usize| {
            let other = &mono[mono.len() - compared - length..];
            let pairs = last.iter().zip(other).step_by(stride);
            let (dot, energy) =
                pairs.fold((0.0, 1e-9), |(dot, energy), (a, b)| (dot + a * b, energy + b * b));
            dot / f32::sqrt(energy)
        };
        let best = |lengths: &mut dyn Iterator<Item = usize>| {
            lengths.max_by(|a, b| alike(a).total_cmp(&alike(b)))
        };
        let rough = best(&mut (shortest..=longest).step_by(stride))?;
        best(&mut (rough.saturating_sub(stride).max(shortest)..=(rough + stride).min(longest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

    /// Some notes at once, and some noise.
    fn music(from: usize, frames: usize) -> Vec<f32> {
        let mut seed = 12_345_u32;
        let mut frame = |at: usize| {
            let time = (from + at) as f32 / 48_000.0 * std::f32::consts::TAU;
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (seed >> 8) as f32 / (1 << 24) as f32 * 0.01;
            let left = (time * 220.0).sin() * 0.4 + (time * 557.0).sin() * 0.2 + noise;
            [left, (time * 331.0).sin() * 0.5]
        };
        (0..frames).flat_map(&mut frame).collect()
    }

    fn largest_step(samples: &[f32]) -> f32 {
        let steps = samples.iter().zip(&samples[2..]).map(|(a, b)| (b - a).abs());
        steps.fold(0.0, f32::max)
    }

    #[test]
    fn what_is_missing_is_made_up_without_a_step_at_either_end() {
        let usual = largest_step(&music(0, 48_000));
        for lost_frames in [1, 60, 240, 1_000, 4_800] {
            for from in [7_000, 7_313, 9_001] {
                let mut concealer = Concealer::new(STEREO);
                let mut heard = music(0, from);
                concealer.hear(&mut heard);
                concealer.conceal(lost_frames, &mut heard);
                let mut again = music(from + lost_frames, 2_000);
                concealer.hear(&mut again);
                heard.extend_from_slice(&again);
                let step = largest_step(&heard);
                assert!(step < usual * 1.6, "{lost_frames} at {from}: {step}, usually {usual}");
            }
        }
    }

    #[test]
    fn a_note_goes_on_as_it_was_and_is_gone_after_fifty_milliseconds() {
        let mut concealer = Concealer::new(STEREO);
        let tone = |frames: std::ops::Range<usize>| -> Vec<f32> {
            let at = |at: usize| (at as f32 / 48_000.0 * 400.0 * std::f32::consts::TAU).sin();
            frames.flat_map(|frame| [at(frame), at(frame)]).collect()
        };
        concealer.hear(&mut tone(0..4_000));
        let mut made_up = Vec::new();
        concealer.conceal(4_800, &mut made_up);
        let wanted = tone(4_000..4_240);
        let off = wanted.iter().zip(&made_up).map(|(a, b)| (a - b).abs());
        assert!(off.fold(0.0, f32::max) < 0.12, "it fades by a tenth in 5 ms");
        assert!(made_up[4_800..].iter().all(|sample| *sample == 0.0));
    }

    #[test]
    fn sound_that_has_hardly_begun_fades_away_and_one_that_has_not_is_silence() {
        let mut concealer = Concealer::new(STEREO);
        let mut out = Vec::new();
        concealer.conceal(10, &mut out);
        assert_eq!(out, [0.0; 20]);
        concealer.forget();
        concealer.hear(&mut [0.5; 40]);
        out.clear();
        concealer.conceal(100, &mut out);
        assert!(out[0] > 0.45 && largest_step(&out) < 0.01 && out[199] == 0.0);
    }

    #[test]
    fn every_rate_and_one_channel_do() {
        for sample_rate in [8_000, 44_100, 192_000] {
            let mut concealer = Concealer::new(Format { sample_rate, channels: 1 });
            concealer.hear(&mut vec![0.25; 20_000]);
            let mut out = Vec::new();
            concealer.conceal(sample_rate as usize / 100, &mut out);
            assert_eq!(out.len(), sample_rate as usize / 100);
            assert!((out[0] - 0.25).abs() < 0.01);
        }
    }
}
