//! Runs on the audio thread: no allocation, free, lock, log or syscall.
//!
//! The card's callback drains a short ring. Where the ring is dry it plays silence, and fades on
//! both sides; it tells the other end how many frames it has played and when they are heard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::format::Format;
use crate::stats;

/// Stamps on their way to the playing thread: one per callback, taken every few milliseconds.
const STAMPS: usize = 256;

/// Sound goes and comes over this many ms when the ring runs dry.
const FADE_MS: f64 = 5.0;

/// Most channels that a card may have for its last frame to be remembered.
const MAX_CHANNELS: usize = 64;

/// What a callback tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Played {
    /// Frames handed to the card before this callback.
    pub frame: u64,
    /// When the first frame of this callback is heard, in µs of our clock.
    pub heard_us: u64,
    /// When the callback came, in µs of our clock.
    pub came_us: u64,
    /// Frames in this callback.
    pub frames: u64,
    /// Frames of silence that the callback has put in so far, this time included.
    pub silent: u64,
    /// Frames that it has skipped so far: written, and never played.
    pub skipped: u64,
}

/// The callback's end.
pub struct Speaker {
    ring: HeapCons<f32>,
    stamps: HeapProd<Played>,
    skip_to: Arc<AtomicU64>,
    counters: Arc<stats::Playback>,
    channels: usize,
    fade: usize,
    /// Frames taken from the ring, played or skipped.
    taken: u64,
    frame: u64,
    silent: u64,
    skipped: u64,
    /// What was heard last.
    last: [f32; MAX_CHANNELS],
    /// What fades out.
    leaving: [f32; MAX_CHANNELS],
    /// Frames until it has faded to silence.
    fading_out: usize,
    /// Frames until sound is at full level.
    fading_in: usize,
    playing: bool,
}

/// The playing thread's end.
pub struct Feed {
    ring: HeapProd<f32>,
    stamps: HeapCons<Played>,
    skip_to: Arc<AtomicU64>,
    channels: usize,
    written: u64,
    /// Up to here what was written is to be skipped, and the callback may not know yet.
    skipping_to: u64,
    /// What the callback told last.
    silent: u64,
    skipped: u64,
    taken: u64,
}

/// A ring of `frames` for a card that takes `format`.
#[must_use]
pub fn ring(format: Format, frames: usize, counters: Arc<stats::Playback>) -> (Speaker, Feed) {
    let (input, output) = HeapRb::new(format.samples(frames.max(1))).split();
    let (stamps, stamps_out) = HeapRb::new(STAMPS).split();
    let skip_to = Arc::new(AtomicU64::new(0));
    let channels = usize::from(format.channels).max(1);
    let speaker = Speaker {
        ring: output,
        stamps,
        skip_to: Arc::clone(&skip_to),
        counters,
        channels,
        fade: format.frames_in_ms(FADE_MS).max(1),
        taken: 0,
        frame: 0,
        silent: 0,
        skipped: 0,
        last: [0.0; MAX_CHANNELS],
        leaving: [0.0; MAX_CHANNELS],
        fading_out: 0,
        fading_in: 0,
        playing: false,
    };
    (
        speaker,
        Feed {
            ring: input,
            stamps: stamps_out,
            skip_to,
            channels,
            written: 0,
            skipping_to: 0,
            silent: 0,
            skipped: 0,
            taken: 0,
        },
    )
}

impl Speaker {
    /// The callback, which came at `now_us`: fills interleaved frames of which the first is heard
    /// at `heard_us`. Returns how many frames came from the ring.
    pub fn fill(&mut self, out: &mut [f32], heard_us: u64, now_us: u64) -> usize {
        let frames = out.len() / self.channels;
        self.skip();
        let waiting = self.ring.occupied_len() / self.channels;
        let taken = waiting.min(frames);
        let (sound, rest) = out.split_at_mut(taken * self.channels);
        if taken > 0 {
            self.ring.pop_slice(sound);
            self.begin_or_go_on(sound);
        }
        if !rest.is_empty() {
            if self.playing {
                self.playing = false;
                (self.fading_out, self.leaving) = (self.fade, self.last);
                self.counters.underruns.add(1);
            }
            self.silence(rest);
        }
        let silent = (frames - taken) as u64;
        self.silent += silent;
        self.taken += taken as u64;
        let played = Played {
            frame: self.frame,
            heard_us,
            came_us: now_us,
            frames: frames as u64,
            silent: self.silent,
            skipped: self.skipped,
        };
        // A lost stamp only coarsens the clock.
        let _ = self.stamps.try_push(played);
        self.frame += frames as u64;
        self.counters.frames.add(frames as u64);
        self.counters.silence.add(silent);
        self.counters.peak.note(sound);
        taken
    }

    /// Takes back what was written before the last order to skip.
    fn skip(&mut self) {
        let skip_to = self.skip_to.load(Ordering::Acquire);
        let waiting = (self.ring.occupied_len() / self.channels) as u64;
        let count = skip_to.saturating_sub(self.taken).min(waiting);
        if count > 0 {
            self.ring.skip(count as usize * self.channels);
            self.taken += count;
            self.skipped += count;
            // The jump is hidden: what was heard last fades while the new sound comes.
            if self.playing {
                (self.fading_out, self.leaving) = (self.fade, self.last);
            }
            self.playing = false;
        }
    }

    fn begin_or_go_on(&mut self, sound: &mut [f32]) {
        if !self.playing {
            self.playing = true;
            self.fading_in = self.fade;
        }
        for frame in sound.chunks_exact_mut(self.channels) {
            if self.fading_in == 0 && self.fading_out == 0 {
                break;
            }
            let level = 1.0 - self.fading_in as f32 / self.fade as f32;
            let old = self.fading_out as f32 / self.fade as f32;
            self.fading_in = self.fading_in.saturating_sub(1);
            self.fading_out = self.fading_out.saturating_sub(1);
            for (sample, leaving) in frame.iter_mut().zip(&self.leaving) {
                *sample = *sample * level + leaving * old;
            }
        }
        if let Some(last) = sound.chunks_exact(self.channels).last() {
            let known = last.len().min(MAX_CHANNELS);
            self.last[..known].copy_from_slice(&last[..known]);
        }
    }

    fn silence(&mut self, rest: &mut [f32]) {
        for frame in rest.chunks_exact_mut(self.channels) {
            let level = self.fading_out as f32 / self.fade as f32;
            self.fading_out = self.fading_out.saturating_sub(1);
            frame.fill(0.0);
            for (sample, leaving) in frame.iter_mut().zip(&self.leaving) {
                *sample = leaving * level;
            }
        }
    }
}

impl Feed {
    /// Writes interleaved whole frames; what finds no room is left out. Returns how many frames
    /// were taken.
    pub fn write(&mut self, samples: &[f32]) -> usize {
        let room = self.ring.vacant_len() / self.channels;
        let frames = (samples.len() / self.channels).min(room);
        self.ring.push_slice(&samples[..frames * self.channels]);
        self.written += frames as u64;
        frames
    }

    /// Frames waiting in the ring.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.ring.occupied_len() / self.channels
    }

    /// The number among all that the card plays of the frame that is written next; `None` while
    /// what was written before is still to be skipped.
    #[must_use]
    pub fn next_frame(&self) -> Option<u64> {
        (self.taken >= self.skipping_to).then_some(self.written + self.silent - self.skipped)
    }

    /// Takes back everything written so far that has not been played.
    pub fn skip_written(&mut self) {
        self.skipping_to = self.written;
        self.skip_to.store(self.written, Ordering::Release);
    }

    /// The next thing that the callback told.
    pub fn played(&mut self) -> Option<Played> {
        let played = self.stamps.try_pop()?;
        (self.silent, self.skipped) = (played.silent, played.skipped);
        self.taken = played.frame + played.frames + played.skipped - played.silent;
        Some(played)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONO: Format = Format { sample_rate: 48_000, channels: 1 };
    const FADE: usize = 240;

    fn sine(n: usize) -> f32 {
        (n as f32 / 48_000.0 * 440.0 * std::f32::consts::TAU).sin() * 0.5
    }

    fn largest_step(heard: &[f32]) -> f32 {
        heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max)
    }

    fn own_step() -> f32 {
        0.5 * 440.0 * std::f32::consts::TAU / 48_000.0
    }

    #[test]
    fn what_is_written_is_played_after_one_fade_in() {
        let (mut speaker, mut feed) = ring(MONO, 2000, Arc::default());
        assert_eq!(feed.write(&[1.0; 1000]), 1000);
        let mut out = [9.0; 480];
        assert_eq!(speaker.fill(&mut out, 5, 3), 480);
        assert!(out[..FADE].windows(2).all(|pair| pair[0] < pair[1]));
        assert!(out[FADE..].iter().all(|s| *s == 1.0));
        let expected =
            Played { frame: 0, heard_us: 5, came_us: 3, frames: 480, silent: 0, skipped: 0 };
        assert_eq!(feed.played(), Some(expected));
        assert_eq!(feed.waiting(), 520);
    }

    #[test]
    fn an_empty_ring_is_silence_counted_but_no_underrun_before_the_first_sound() {
        let counters: Arc<stats::Playback> = Arc::default();
        let (mut speaker, mut feed) = ring(MONO, 2000, Arc::clone(&counters));
        let mut out = [9.0; 480];
        assert_eq!(speaker.fill(&mut out, 0, 3), 0);
        assert_eq!(out, [0.0; 480]);
        assert_eq!(feed.played().unwrap().silent, 480);
        assert_eq!((counters.underruns.get(), counters.silence.get()), (0, 480));
    }

    #[test]
    fn running_dry_fades_out_and_coming_back_fades_in() {
        let counters: Arc<stats::Playback> = Arc::default();
        let (mut speaker, mut feed) = ring(MONO, 4000, Arc::clone(&counters));
        let mut heard = Vec::new();
        let mut out = [0.0; 480];
        for round in 0..12 {
            if round != 5 {
                let samples: Vec<f32> = (round * 400..(round + 1) * 400).map(sine).collect();
                feed.write(&samples);
            }
            speaker.fill(&mut out, 0, 3);
            heard.extend_from_slice(&out);
        }
        assert!(counters.underruns.get() > 1);
        assert!(largest_step(&heard) < own_step() * 1.2, "{}", largest_step(&heard) / own_step());
    }

    #[test]
    fn a_skip_takes_back_what_was_written_and_hides_the_seam() {
        let (mut speaker, mut feed) = ring(MONO, 4000, Arc::default());
        let stale: Vec<f32> = (0..2000).map(sine).collect();
        let fresh: Vec<f32> = (30_055..32_000).map(sine).collect();
        let mut heard = vec![0.0; 480];
        feed.write(&stale);
        speaker.fill(&mut heard, 0, 3);
        feed.skip_written();
        feed.write(&fresh);
        let mut out = vec![0.0; 960];
        assert_eq!(speaker.fill(&mut out, 0, 3), 960);
        heard.extend(out);
        assert!(largest_step(&heard) < own_step() * 1.2, "{}", largest_step(&heard) / own_step());
        assert_eq!(heard[480 + FADE..], fresh[FADE..960]);
    }

    #[test]
    fn running_dry_behind_a_skip_fades_from_what_was_heard_last() {
        let (mut speaker, mut feed) = ring(MONO, 4000, Arc::default());
        let mut heard = vec![0.0; 480];
        feed.write(&(0..480).map(sine).collect::<Vec<f32>>());
        speaker.fill(&mut heard, 0, 3);
        feed.skip_written();
        feed.write(&[0.5; 1000]);
        feed.skip_written();
        // The new sound ends within the fade that hides the seam.
        feed.write(&(30_055..30_175).map(sine).collect::<Vec<f32>>());
        let mut out = vec![0.0; 960];
        assert_eq!(speaker.fill(&mut out, 0, 3), 120);
        heard.extend(out);
        assert!(largest_step(&heard) < own_step() * 1.2, "{}", largest_step(&heard) / own_step());
    }

    #[test]
    fn frames_after_a_skip_are_numbered_as_the_card_plays_them() {
        let (mut speaker, mut feed) = ring(MONO, 4000, Arc::default());
        let mut out = vec![0.0; 480];
        feed.write(&[0.1; 2000]);
        speaker.fill(&mut out, 0, 3);
        feed.played();
        assert_eq!(feed.next_frame(), Some(2000));
        feed.skip_written();
        assert_eq!(feed.next_frame(), None);
        speaker.fill(&mut out, 0, 3);
        feed.played();
        assert_eq!(feed.next_frame(), Some(960));
        feed.write(&[0.5; 480]);
        speaker.fill(&mut out, 0, 3);
        let played = feed.played().unwrap();
        assert_eq!((played.frame, out[479]), (960, 0.5));
    }

    #[test]
    fn a_card_with_many_channels_is_filled_to_the_last_one() {
        let wide = Format { sample_rate: 48_000, channels: 100 };
        let (mut speaker, mut feed) = ring(wide, 100, Arc::default());
        feed.write(&[0.5; 1000]);
        let mut out = [9.0; 2000];
        assert_eq!(speaker.fill(&mut out, 0, 3), 10);
        assert!(out.iter().all(|s| *s <= 0.5));
    }
}
