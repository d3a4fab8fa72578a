//! Converts a sound from its first frame to its last: nothing before it, nothing lost behind it.

use super::RateConverter;
use crate::error::Result;

/// Frames made at a time.
const BLOCK: usize = 256;

/// Converts a sound as a whole: as many frames come out as its length asks for, the first where
/// the first was.
#[derive(Debug)]
pub struct WholeConverter {
    converter: RateConverter,
    channels: usize,
    /// Waits for a whole block.
    pending: Vec<f32>,
    /// The newest frame.
    last: Vec<f32>,
    /// Frames that the converter gives before the first of the sound.
    lead: usize,
    /// Frames taken, and frames that became of them.
    taken: u64,
    made: u64,
}

impl WholeConverter {
    /// A converter for one sound of `channels` channels.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::Error::Internal) if the rates are beyond what is converted.
    pub fn new(from_rate: u32, to_rate: u32, channels: u16) -> Result<Self> {
        let converter = RateConverter::new(from_rate, to_rate, channels, BLOCK)?;
        let lead = converter.delay().round() as usize;
        let last = vec![0.0; channels.into()];
        let channels = channels.into();
        Ok(Self { converter, channels, pending: Vec::new(), last, lead, taken: 0, made: 0 })
    }

    /// Frames out per frame in.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.converter.ratio()
    }

    /// Takes whole interleaved frames, and appends to `out` what can be made by now.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.taken += (samples.len() / self.channels) as u64;
        if let Some(from) = samples.len().checked_sub(self.channels) {
            self.last.copy_from_slice(&samples[from..]);
        }
        self.pending.extend_from_slice(samples);
        self.make(u64::MAX, out);
    }

    /// Appends the rest of the sound to `out`. What follows is another sound.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        let whole = (self.taken as f64 * self.converter.ratio()).round() as u64;
        // What the converter holds back comes out behind as much of the last frame: behind silence
        // it would ring, where the sound breaks off.
        while self.made < whole {
            for _ in 0..self.converter.needed() {
                self.pending.extend_from_slice(&self.last);
            }
            self.make(whole, out);
        }
        self.pending.clear();
        self.lead = 0;
        (self.taken, self.made) = (0, 0);
    }

    /// Makes what can be made, up to `whole` frames from the start.
    fn make(&mut self, whole: u64, out: &mut Vec<f32>) {
        let mut read = 0;
        loop {
            let until = read + self.converter.needed() * self.channels;
            let Some(input) = self.pending.get(read..until) else { break };
            let block = self.converter.block(input);
            let frames = block.len() / self.channels;
            let lead = self.lead.min(frames);
            self.lead -= lead;
            let left = usize::try_from(whole - self.made).unwrap_or(usize::MAX);
            let count = (frames - lead).min(left);
            out.extend_from_slice(&block[lead * self.channels..(lead + count) * self.channels]);
            self.made += count as u64;
            read = until;
        }
        self.pending.drain(..read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_is_as_long_and_as_loud_at_its_ends_as_before_however_it_comes() {
        for (from, to) in [(96_000, 48_000), (8_000, 48_000), (44_100, 48_000), (1_000, 8_000)] {
            for piece in [1, 37, 4_096] {
                let samples = vec![0.5; from as usize / 10 * 2];
                let mut converter = WholeConverter::new(from, to, 2).unwrap();
                let mut out = Vec::new();
                for piece in samples.chunks(2 * piece) {
                    converter.push(piece, &mut out);
                }
                converter.finish(&mut out);
                assert_eq!(out.len(), to as usize / 10 * 2, "{from} to {to}");
                let end = &out[out.len() - 20..];
                assert!(end.iter().all(|sample| (sample - 0.5).abs() < 0.01), "{end:?}");
            }
        }
    }
}
