//! What comes from a microphone, kept and placed on our clock.

use super::find::Recording;
use crate::capture::{Captured, Piece};
use crate::clock::CaptureClock;
use crate::format::Format;

/// The longest recording, in seconds: more than any measurement takes, and at most 61 MB (two channels at 192 kHz).
const LONGEST_S: usize = 40;

/// Of more channels than these one would hear as well.
const CHANNELS: usize = 2;

/// Keeps what one microphone captures.
pub(super) struct Recorder {
    format: Format,
    clock: CaptureClock,
    /// One recording for each channel that is kept.
    channels: Vec<Vec<f32>>,
    /// Card frames lost before the ring, which are silence here.
    lost: u64,
}

impl Recorder {
    /// Of a microphone that delivers `format`.
    pub(super) fn new(format: Format) -> Self {
        let channels = usize::from(format.channels).clamp(1, CHANNELS);
        Self {
            format,
            clock: CaptureClock::new(format.sample_rate),
            channels: vec![Vec::new(); channels],
            lost: 0,
        }
    }

    /// Takes what waits in the ring of its card.
    pub(super) fn take(&mut self, captured: &mut Captured) {
        captured.drain(|piece| match piece {
            Piece::Stamp(stamp) => {
                let lost = stamp.frame.saturating_sub(stamp.pushed);
                self.silence(lost.saturating_sub(self.lost));
                self.lost = self.lost.max(lost);
                let _ = self.clock.callback(stamp.frame, stamp.at_us, stamp.came_us);
            }
            Piece::Samples(samples) => self.samples(samples),
        });
    }

    fn silence(&mut self, frames: u64) {
        let most = self.most();
        for channel in &mut self.channels {
            let room = most.saturating_sub(channel.len());
            let frames = usize::try_from(frames).unwrap_or(usize::MAX).min(room);
            channel.extend(std::iter::repeat_n(0.0, frames));
        }
    }

    fn samples(&mut self, samples: &[f32]) {
        let most = self.most();
        for frame in samples.chunks_exact(usize::from(self.format.channels).max(1)) {
            for (channel, sample) in self.channels.iter_mut().zip(frame) {
                if channel.len() < most {
                    channel.push(if sample.is_finite() { *sample } else { 0.0 });
                }
            }
        }
    }

    fn most(&self) -> usize {
        // What a card says of its rate sizes nothing beyond what cards have.
        (self.format.sample_rate.min(crate::format::MAX_STREAM_RATE) as usize) * LONGEST_S
    }

    /// Frames so far.
    pub(super) fn frames(&self) -> usize {
        self.channels.first().map_or(0, Vec::len)
    }

    /// How well it is known when they were captured, in ms.
    pub(super) fn sure_ms(&self) -> f64 {
        self.clock.uncertainty_us() / 1e3
    }

    /// The louder channel of what came, on our clock; `None` before anything did.
    pub(super) fn recording(mut self) -> Option<Recording> {
        let first_us = self.clock.time_of(0.0)?;
        let energy =
            |channel: &Vec<f32>| channel.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>();
        let loudest = (0..self.channels.len())
            .max_by(|a, b| energy(&self.channels[*a]).total_cmp(&energy(&self.channels[*b])))?;
        Some(Recording {
            samples: self.channels.swap_remove(loudest),
            rate_hz: self.format.sample_rate,
            first_us,
            us_per_frame: self.clock.us_per_frame(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::capture;

    #[test]
    fn what_was_lost_is_silence_in_its_place_and_the_louder_channel_counts() {
        let format = Format { sample_rate: 48_000, channels: 2 };
        let (mut capture, mut captured) = capture::ring(format, Arc::default());
        let mut recorder = Recorder::new(format);
        let mut came_us = 1_000_000_000;
        let mut hear = |frames: usize, recorder: Option<&mut Recorder>| {
            came_us += format.micros(frames as u64) as u64;
            capture.on_input(&[0.1, f32::NAN].repeat(frames), came_us - 20_000, came_us);
            if let Some(recorder) = recorder {
                recorder.take(&mut captured);
            }
        };
        for _ in 0..100 {
            hear(480, Some(&mut recorder));
        }
        // The ring holds half a second.
        hear(48_000, None);
        hear(480, Some(&mut recorder));
        hear(480, Some(&mut recorder));
        let recording = recorder.recording().unwrap();
        assert_eq!(recording.samples.len(), 100 * 480 + 48_000 + 2 * 480);
        assert_eq!((recording.samples[0], recording.samples[90_000]), (0.1, 0.0));
        assert!((recording.first_us - 1e9 + 10_000.0).abs() < 20_000.0, "{}", recording.first_us);
    }
}
