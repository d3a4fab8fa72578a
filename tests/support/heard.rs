//! How whole a listener heard a sound that it is known to have been sent.
//!
//! The sound is noise, so that every moment of it is unlike any other: where a piece of what was heard
//! belongs is found in it, and what is damaged shows.

use std::path::Path;

use super::likeness::likeness;
use super::stereo::{Stereo, noise};

/// Frames a second, of what is sent and of what is heard.
pub(crate) const RATE: u32 = 48_000;

/// What is judged at a time, in frames: 20 ms.
const WINDOW: usize = RATE as usize / 50;

/// A window that is less like what was sent is damaged. 64 kbit/s of Opus leave 0.98.
const LEAST_LIKENESS: f64 = 0.9;

/// How far a window may lie from where the last one says, in frames: by so much an output's rate is
/// steered within 20 ms, at most.
const DRIFT: usize = 4;

/// After so many damaged windows in a row, and again after as many, it is looked for where the sound
/// goes on.
const LOOK_AFTER: usize = 10;

/// What is not judged behind the first sound, in frames: who begins to decode Opus, or to encode it, has nothing
/// of what was before, so that its first 20 ms rise out of silence (RFC 7845, section 4.6, has more thrown away).
const LEAD_IN: usize = WINDOW;

/// What is looked for, in frames: 200 ms.
const PIECE: usize = RATE as usize / 5;

/// The search goes over means of so many frames, of which it looks at one in so many, and then over each
/// frame near the best of these places.
const COARSE: usize = 16;
const COARSE_STEP: usize = 4;

/// Sound that goes on this many frames from where it should be has jumped.
const JUMP: usize = 8;

/// Samples below are silence.
const SILENT: f32 = 0.01;

/// A sound to be sent again and again.
pub(crate) struct Sent {
    pub(crate) sound: Stereo,
    /// The left channel, and its beginning once more, so that a piece may lie on the seam.
    ring: Vec<f32>,
    coarse: Vec<f32>,
}

/// How a sound was heard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    /// How many windows of 20 ms were heard, from the lead-in on.
    pub(crate) windows: usize,
    pub(crate) damaged: usize,
    /// Damaged windows in a row count as one.
    pub(crate) bursts: usize,
    /// The longest of these, in windows.
    pub(crate) longest: usize,
    /// After so many windows none was damaged any more.
    pub(crate) until: usize,
    /// How often the sound went on at another place than where it should have.
    pub(crate) jumps: usize,
}

impl Heard {
    /// The longest time for which the sound was damaged.
    pub(crate) fn longest_ms(&self) -> usize {
        self.longest * 20
    }
}

impl Sent {
    /// A sound of so many seconds, the same on every run.
    pub(crate) fn make(seconds: usize) -> Self {
        let sound = noise(seconds * RATE as usize, RATE);
        let again = &sound.left[..RATE as usize];
        let ring: Vec<f32> = sound.left.iter().chain(again).copied().collect();
        Self { coarse: means(&ring), sound, ring }
    }

    /// Writes it as a file to be played in a loop.
    pub(crate) fn write(&self, path: &Path) {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: RATE,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(path, spec).unwrap();
        for (left, right) in self.sound.left.iter().zip(&self.sound.right) {
            for sample in [left, right] {
                wav.write_sample((sample * f32::from(i16::MAX)) as i16).unwrap();
            }
        }
        wav.finalize().unwrap();
    }

    /// Judges what was heard of it, from whichever place on: all behind the [lead-in](LEAD_IN) of the first sound,
    /// so that silence at the end is damage. Less than a second of sound is nothing else.
    pub(crate) fn judge(&self, heard: &[f32]) -> Heard {
        let is_sound = |sample: &f32| sample.abs() > SILENT;
        let first = heard.iter().position(is_sound).unwrap_or(0);
        let last = heard.iter().rposition(is_sound).unwrap_or(0);
        if last - first < RATE as usize {
            let windows = heard.len() / WINDOW;
            return Heard {
                windows,
                damaged: windows,
                bursts: 1,
                longest: windows,
                until: windows,
                jumps: 0,
            };
        }
        let heard = &heard[first + LEAD_IN..];
        let length = self.sound.left.len();
        let middle = RATE as usize / 2;
        // Where the first frame belongs, if nothing is missing up to the middle of the first second.
        let mut place = (self.find(&heard[middle..middle + PIECE]) + length - middle) % length;
        let mut judged = Heard::default();
        let mut in_a_row = 0;
        for at in (0..heard.len() - WINDOW).step_by(WINDOW) {
            let (likeness, found) = self.best(&heard[at..at + WINDOW], place);
            judged.windows += 1;
            if likeness >= LEAST_LIKENESS {
                place = found;
                in_a_row = 0;
            } else {
                in_a_row += 1;
                judged.damaged += 1;
                judged.bursts += usize::from(in_a_row == 1);
                judged.longest = judged.longest.max(in_a_row);
                judged.until = judged.windows;
            }
            if in_a_row > 0
                && in_a_row.is_multiple_of(LOOK_AFTER)
                && let Some(found) = heard.get(at..at + PIECE).and_then(|piece| self.again(piece))
            {
                judged.jumps += usize::from(self.apart(found, place) > JUMP);
                place = found;
            }
            place = (place + WINDOW) % length;
        }
        judged
    }

    /// How like a window is to what lies where it belongs, or a little beside it, and where that is.
    fn best(&self, window: &[f32], place: usize) -> (f64, usize) {
        let length = self.sound.left.len();
        let near = (0..=2 * DRIFT).map(|beside| (place + length + beside - DRIFT) % length);
        let judged = near.map(|at| (likeness(window, &self.ring[at..at + WINDOW], 1).0, at));
        judged.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or_default()
    }

    /// Where a piece is, if it is whole.
    fn again(&self, piece: &[f32]) -> Option<usize> {
        if !piece.iter().any(|sample| sample.abs() > SILENT) {
            return None;
        }
        let at = self.find(piece);
        let is_it = likeness(piece, &self.ring[at..at + PIECE], 1).0 > LEAST_LIKENESS;
        is_it.then_some(at)
    }

    /// Where a piece is most likely to be.
    fn find(&self, piece: &[f32]) -> usize {
        let best = |places: &mut dyn Iterator<Item = (f64, usize)>| {
            places.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, at)| at)
        };
        let coarse = means(piece);
        let windows = self.coarse.windows(coarse.len()).zip(0..self.sound.left.len() / COARSE);
        let near =
            best(&mut windows.map(|(there, at)| (likeness(&coarse, there, COARSE_STEP).0, at)))
                * COARSE;
        let last = self.ring.len() - piece.len();
        let close = near.saturating_sub(COARSE)..=(near + COARSE).min(last);
        let found =
            best(&mut close.map(|at| (likeness(piece, &self.ring[at..at + piece.len()], 1).0, at)));
        found % self.sound.left.len()
    }

    /// How far two places are apart.
    fn apart(&self, a: usize, b: usize) -> usize {
        let apart = a.abs_diff(b);
        apart.min(self.sound.left.len() - apart)
    }
}

fn means(samples: &[f32]) -> Vec<f32> {
    samples.chunks_exact(COARSE).map(|part| part.iter().sum::<f32>() / COARSE as f32).collect()
}

/// The left channel of a WAV file, whatever its samples are.
pub(crate) fn read(path: &Path) -> Vec<f32> {
    let mut wav = hound::WavReader::open(path).unwrap();
    let spec = wav.spec();
    assert_eq!(spec.sample_rate, RATE);
    let channels = usize::from(spec.channels);
    match spec.sample_format {
        hound::SampleFormat::Float => {
            wav.samples::<f32>().step_by(channels).map(Result::unwrap).collect()
        }
        hound::SampleFormat::Int => {
            let full = 2_f32.powi(i32::from(spec.bits_per_sample) - 1);
            let samples = wav.samples::<i32>().step_by(channels);
            samples.map(|sample| sample.unwrap() as f32 / full).collect()
        }
    }
}
