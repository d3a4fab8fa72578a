//! Joins the sound of two codecs at one place: what comes of the old one before it, what comes of the
//! new one behind it, and a crossfade between. No socket, no clock.

use crate::format::Format;
use crate::playout::frames::Sound;

/// How long the two are mixed, in ms, right before the place: long enough that nothing clicks.
const CROSSFADE_MS: f64 = 5.0;

/// Where two codecs' sound meets. Positions are those of decoded sound.
#[derive(Debug)]
pub(super) struct Joint {
    format: Format,
    /// From here on the two are mixed.
    mixed_from: u64,
    /// From here on there is the new one alone.
    place: u64,
    /// The old one's frames from `mixed_from` on, as far as they have come.
    old: Vec<f32>,
}

impl Joint {
    /// Joins what is decoded of both in `format` at the position `place`.
    pub(super) fn new(format: Format, place: u64) -> Self {
        let mixed = format.frames_in_ms(CROSSFADE_MS) as u64;
        Self { format, mixed_from: place.saturating_sub(mixed), place, old: Vec::new() }
    }

    /// Where the new sound is alone.
    pub(super) fn place(&self) -> u64 {
        self.place
    }

    /// What of the old sound is heard by itself.
    pub(super) fn old<'s>(&mut self, sound: Sound<'s>) -> Option<Sound<'s>> {
        let samples = |frames: u64| self.format.samples(usize::try_from(frames).unwrap_or(0));
        let length = u64::from(sound.frames);
        let alone = self.mixed_from.saturating_sub(sound.position).min(length);
        let until = self.place.saturating_sub(sound.position).min(length);
        let mixed = sound.samples.get(samples(alone)..samples(until)).unwrap_or_default();
        if !mixed.is_empty() {
            // What was missing before is silent in it.
            let before = (sound.position + alone).saturating_sub(self.mixed_from);
            self.old.resize(samples(before), 0.0);
            self.old.extend_from_slice(mixed);
        }
        let frames = u32::try_from(alone).ok().filter(|frames| *frames > 0)?;
        let concealed = sound.concealed.min(frames);
        Some(Sound { frames, concealed, samples: sound.samples.get(..samples(alone))?, ..sound })
    }

    /// What of the new sound is heard, mixed with the old one where that is due, in `out`.
    pub(super) fn new_sound<'s>(
        &self,
        sound: Sound<'_>,
        out: &'s mut Vec<f32>,
    ) -> Option<Sound<'s>> {
        let warm = self.mixed_from.saturating_sub(sound.position).min(u64::from(sound.frames));
        let frames = u32::try_from(u64::from(sound.frames) - warm).ok().filter(|n| *n > 0)?;
        let position = sound.position + warm;
        out.clear();
        out.extend_from_slice(sound.samples.get(self.format.samples(warm as usize)..)?);
        let channels = usize::from(self.format.channels.max(1));
        let length = (self.place - self.mixed_from) as f32;
        let behind = (position - self.mixed_from) as usize;
        let old = self.old.chunks_exact(channels).enumerate().skip(behind);
        for (new, (at, old)) in out.chunks_exact_mut(channels).zip(old) {
            let share = (at as f32 + 0.5) / length;
            for (new, old) in new.iter_mut().zip(old) {
                *new = *new * share + *old * (1.0 - share);
            }
        }
        let later_us = self.format.micros(warm).round() as u64;
        Some(Sound {
            position,
            captured_us: sound.captured_us.map(|us| us.saturating_add(later_us)),
            // It was heard already, in the old sound.
            broken: sound.broken && warm == 0,
            frames,
            concealed: sound.concealed.saturating_sub(u32::try_from(warm).unwrap_or(u32::MAX)),
            samples: out,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format { sample_rate: 48_000, channels: 2 };
    const PLACE: u64 = 48_000;

    fn sound(position: u64, samples: &[f32]) -> Sound<'_> {
        Sound {
            position,
            captured_us: Some(position * 1_000_000 / 48_000),
            broken: false,
            frames: (samples.len() / 2) as u32,
            concealed: 0,
            samples,
        }
    }

    /// What is heard where both codecs give what `value` says at each position, the old one in frames of
    /// 256, the new one in frames of 240 that begin 40 ms before the place.
    fn heard(value: impl Fn(u64, bool) -> f32, lost: impl Fn(u64) -> bool) -> Vec<(u64, f32)> {
        let mut joint = Joint::new(FORMAT, PLACE);
        let mut heard = Vec::new();
        let mut note = |sound: Sound<'_>| {
            for (at, pair) in sound.samples.chunks_exact(2).enumerate() {
                assert_eq!(pair[0], pair[1]);
                heard.push((sound.position + at as u64, pair[0]));
            }
            let captured_us = sound.position as f64 / 0.048;
            assert!((sound.captured_us.unwrap() as f64 - captured_us).abs() < 2.0);
        };
        let made = |from: u64, frames: u64, is_new: bool| -> Vec<f32> {
            (from..from + frames).flat_map(|at| [value(at, is_new); 2]).collect()
        };
        for from in (PLACE - 25_600..PLACE + 256).step_by(256).filter(|from| !lost(*from)) {
            joint.old(sound(from, &made(from, 256, false))).into_iter().for_each(&mut note);
        }
        let mut out = Vec::new();
        for from in (PLACE - 1_920..PLACE + 9_600).step_by(240) {
            let samples = made(from, 240, true);
            joint.new_sound(sound(from, &samples), &mut out).into_iter().for_each(&mut note);
        }
        heard
    }

    #[test]
    fn every_frame_is_heard_once_and_equal_sound_stays_as_it_is() {
        let tone = |at: u64, _| (at as f32 * 0.05).sin();
        let heard = heard(tone, |_| false);
        assert!(heard.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "no gap, nothing twice");
        assert!(heard.iter().all(|(at, value)| (value - tone(*at, true)).abs() < 1e-6));
    }

    #[test]
    fn the_two_are_mixed_for_five_milliseconds_and_nothing_leaps() {
        let heard = heard(|_, is_new| if is_new { 1.0 } else { 0.0 }, |_| false);
        let of = |at: u64| heard.iter().find(|(position, _)| *position == at).unwrap().1;
        assert_eq!((of(PLACE - 241), of(PLACE)), (0.0, 1.0));
        assert!((of(PLACE - 120) - 0.5).abs() < 0.01);
        assert!(heard.windows(2).all(|pair| (pair[1].1 - pair[0].1).abs() < 0.01));
    }

    #[test]
    fn where_the_old_sound_is_lost_the_new_one_is_heard_by_itself() {
        let heard = heard(|_, _| 1.0, |from| from + 256 > PLACE - 200);
        assert!(heard.iter().all(|(_, value)| (0.0..=1.0).contains(value)));
        assert!(heard.iter().filter(|(at, _)| *at >= PLACE).all(|(_, value)| *value == 1.0));
    }
}
