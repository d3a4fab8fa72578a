//! A FLAC file of 24 bits that is readable at every moment of its making.
//!
//! A float becomes a whole number of 2⁻²³ steps, rounded to the nearest: what was captured with 16
//! or 24 bits comes back exactly. What is beyond full scale is cut off there; a WAV file keeps it.

use std::path::Path;

use super::disk::Disk;
use super::flac_frame::frame;
use crate::error::{Error, Result};
use crate::format::{Format, MAX_STREAM_CHANNELS, sanitise};

/// Bits of a sample in a file.
const BITS: u32 = 24;

/// Steps between silence and full scale.
const FULL_SCALE: f32 = 8_388_608.0;

/// A block is this long, in ms, so that a killed recording loses no more of its end; and no longer
/// than players for little machines expect, in frames.
const BLOCK_MS: f64 = 80.0;
const LONGEST_BLOCK: usize = 4096;

/// Shortest block that the format knows, but for the last.
const SHORTEST_BLOCK: usize = 16;

/// Highest rate that the header can tell, in Hz.
const MAX_RATE: u32 = (1 << 20) - 1;

/// Most frames that the header can tell; of more it says nothing: sixteen days at 48 kHz.
const MOST_FRAMES: u64 = (1 << 36) - 1;

/// A FLAC file being written.
///
/// Dropped without [`finish`](Self::finish), it lacks its last block.
#[derive(Debug)]
pub struct FlacFile {
    disk: Disk,
    format: Format,
    block: usize,
    /// Steps of what makes no whole block yet, by channel.
    pending: Vec<Vec<i32>>,
    blocks: u64,
    /// Frames in whole blocks, and how many of them the header on the disk tells of.
    frames: u64,
    announced: u64,
    samples: Vec<f32>,
}

impl FlacFile {
    /// Makes the file, with a header that tells of no sound yet.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when something of that name exists and `overwrite` is false, or when the
    /// file cannot be made. [`Error::Internal`] when `format` is none that a stream has.
    pub fn create(path: &Path, format: Format, overwrite: bool) -> Result<Self> {
        if !(1..=MAX_STREAM_CHANNELS).contains(&format.channels)
            || !(1..=MAX_RATE).contains(&format.sample_rate)
        {
            return Err(Error::internal(
                format!("cannot write {} as FLAC", path.display()),
                format!("it holds no such format as {format}"),
            ));
        }
        let block = format.frames_in_ms(BLOCK_MS).clamp(SHORTEST_BLOCK, LONGEST_BLOCK);
        let disk = Disk::create(path, overwrite, &header(format, block, 0, BITS))?;
        let pending = vec![Vec::with_capacity(block); format.channels.into()];
        let samples = Vec::new();
        Ok(Self { disk, format, block, pending, blocks: 0, frames: 0, announced: 0, samples })
    }

    /// Appends interleaved samples, whole frames.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take them.
    pub fn write(&mut self, samples: &[f32]) -> Result<()> {
        self.samples.clear();
        self.samples.extend_from_slice(samples);
        sanitise(&mut self.samples);
        for at in 0..self.format.frames(self.samples.len()) {
            let from = self.format.samples(at);
            for (channel, pending) in self.pending.iter_mut().enumerate() {
                pending.push(steps(self.samples[from + channel]));
            }
            self.end_full_block()?;
        }
        Ok(())
    }

    /// Appends so many frames of silence, which take next to no room.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn silence(&mut self, frames: u64) -> Result<()> {
        let mut left = frames;
        while left > 0 {
            let room = self.block - self.pending.first().map_or(0, Vec::len);
            let some = usize::try_from(left).unwrap_or(room).min(room);
            for pending in &mut self.pending {
                pending.resize(pending.len() + some, 0);
            }
            left -= some as u64;
            self.end_full_block()?;
        }
        Ok(())
    }

    /// Makes all but the last block readable, whatever happens to this process afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take it, or when somebody has removed the file.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.disk.flush()?;
        if self.announced != self.frames {
            self.disk.rewrite_start(&header(self.format, self.block, self.frames, BITS))?;
            self.announced = self.frames;
        }
        self.disk.check_that_it_exists()
    }

    /// Completes the file.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take the rest.
    pub fn finish(mut self) -> Result<()> {
        self.end_block()?;
        self.checkpoint()
    }

    fn end_full_block(&mut self) -> Result<()> {
        if self.pending.first().map_or(0, Vec::len) < self.block {
            return Ok(());
        }
        self.end_block()
    }

    fn end_block(&mut self) -> Result<()> {
        let frames = self.pending.first().map_or(0, Vec::len);
        if frames == 0 {
            return Ok(());
        }
        let bytes = frame(self.blocks, &self.pending, BITS);
        for pending in &mut self.pending {
            pending.clear();
        }
        self.disk.append(&bytes)?;
        self.blocks += 1;
        self.frames += frames as u64;
        Ok(())
    }
}

fn steps(sample: f32) -> i32 {
    (sample * FULL_SCALE).round().clamp(-FULL_SCALE, FULL_SCALE - 1.0) as i32
}

/// The bytes before the first block of `block` frames, of `frames` in all or of nobody knows how many (0), with so
/// many bits in a sample.
pub(crate) fn header(format: Format, block: usize, frames: u64, bits: u32) -> Vec<u8> {
    // The only piece of metadata, 34 bytes long.
    let mut bytes = b"fLaC\x80\x00\x00\x22".to_vec();
    let block = (block as u16).to_be_bytes();
    bytes.extend([block, block].concat());
    bytes.extend([0; 6]); // how long blocks are in bytes: not known
    let told = if frames > MOST_FRAMES { 0 } else { frames };
    let about = u64::from(format.sample_rate) << 44
        | (u64::from(format.channels) - 1) << 41
        | (u64::from(bits) - 1) << 36
        | told;
    bytes.extend(about.to_be_bytes());
    bytes.extend([0; 16]); // no checksum of the whole: it could not be kept up to date
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::scratch::Scratch;
    use crate::soundless::Generator;
    use crate::source::Kind;

    const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

    fn read_back(path: &Path, format: Format) -> Vec<f32> {
        let kind = Kind::File(path.to_owned());
        let mut sound = Generator::open(&kind, false, format).unwrap();
        assert_eq!(sound.format(), format);
        let told = sound.frames_total();
        let mut samples = Vec::new();
        let mut part = vec![0.0; format.samples(700)];
        loop {
            match sound.read(&mut part).unwrap() {
                0 => break,
                frames => samples.extend(&part[..format.samples(frames)]),
            }
        }
        assert_eq!(sound.damaged(), 0);
        assert_eq!(told, Some(format.frames(samples.len()) as u64));
        samples
    }

    fn round_trip(samples: &[f32], format: Format) -> Vec<f32> {
        let scratch = Scratch::new();
        let path = scratch.path("out.flac");
        let mut file = FlacFile::create(&path, format, false).unwrap();
        for part in samples.chunks(format.samples(1000)) {
            file.write(part).unwrap();
        }
        file.finish().unwrap();
        read_back(&path, format)
    }

    /// Every sample a whole number of steps, all of them different.
    fn ramp(frames: usize) -> Vec<f32> {
        (0..frames).flat_map(|n| [n as f32 / FULL_SCALE, -(n as f32) / FULL_SCALE]).collect()
    }

    #[test]
    fn a_ramp_comes_back_sample_by_sample() {
        for frames in [1, 3, 5, 17, 3840, 3841, 20_000] {
            assert!(round_trip(&ramp(frames), STEREO) == ramp(frames), "{frames}");
        }
        let mono = Format { sample_rate: 8_000, channels: 1 };
        let samples: Vec<f32> = (0..5_000).map(|n| (n as f32 * 97.0) / FULL_SCALE).collect();
        assert!(round_trip(&samples, mono) == samples);
    }

    #[test]
    fn floats_are_rounded_to_the_nearest_step_and_cut_off_at_full_scale() {
        let samples = [0.25, 1.0, -1.0, 2.0, -2.0, 1.4 / FULL_SCALE, -1.6 / FULL_SCALE, f32::NAN];
        let highest = 1.0 - 1.0 / FULL_SCALE;
        let expected =
            [0.25, highest, -1.0, highest, -1.0, 1.0 / FULL_SCALE, -2.0 / FULL_SCALE, 0.0];
        assert_eq!(round_trip(&samples, STEREO), expected);
    }

    #[test]
    fn silence_of_an_hour_lies_between_what_comes_before_and_after() {
        let scratch = Scratch::new();
        let path = scratch.path("out.flac");
        let mut file = FlacFile::create(&path, STEREO, false).unwrap();
        file.write(&ramp(100)).unwrap();
        file.silence(3600 * 48_000).unwrap();
        file.write(&ramp(50)).unwrap();
        file.finish().unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() < 1_500_000);
        let kind = Kind::File(path);
        let told = Generator::open(&kind, false, STEREO).unwrap().frames_total();
        assert_eq!(told, Some(3600 * 48_000 + 150));
    }

    #[test]
    fn after_a_checkpoint_a_killed_recording_is_readable_up_to_its_last_block() {
        let scratch = Scratch::new();
        let path = scratch.path("out.flac");
        let mut file = FlacFile::create(&path, STEREO, false).unwrap();
        file.write(&ramp(30_000)).unwrap();
        file.checkpoint().unwrap();
        file.write(&ramp(9_000)).unwrap();
        std::mem::forget(file);
        let whole_blocks = 30_000 / 3840 * 3840;
        assert!(read_back(&path, STEREO) == ramp(30_000)[..2 * whole_blocks]);
    }

    #[test]
    fn past_what_the_header_can_tell_it_says_nothing() {
        let told = |frames| header(STEREO, 3840, frames, BITS)[21..26].to_vec();
        assert_eq!(told(MOST_FRAMES), [0x7f, 0xff, 0xff, 0xff, 0xff]);
        assert_eq!(told(MOST_FRAMES + 1), [0x70, 0, 0, 0, 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn whatever_the_samples_they_come_back(
            wild in prop::collection::vec(-8_388_608..8_388_608_i32, 2..600),
            quiet in prop::collection::vec(-300..300_i32, 0..6000),
            zeros in 0..12,
        ) {
            let mut samples: Vec<f32> = wild
                .iter()
                .chain(&quiet)
                .map(|step| (step >> zeros << zeros) as f32 / FULL_SCALE)
                .collect();
            samples.truncate(samples.len() / 2 * 2);
            prop_assert!(round_trip(&samples, STEREO) == samples);
        }
    }
}
