//! A float32 WAV file that is readable at every moment of its making, however long it gets.

use std::path::Path;

use super::disk::Disk;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::sound::{MAX_CHANNELS, MAX_SAMPLE_RATE};

/// Bytes before the first sample: RIFF, room for the 64-bit sizes, format, frame count, data.
const HEADER_BYTES: u64 = 94;

/// Bytes of a float32 sample.
const SAMPLE_BYTES: u64 = 4;

/// Samples turned into bytes at a time.
const PIECE: usize = 1024;

/// A 32-bit size that says "look in the `ds64` chunk".
const SIZE_IS_ELSEWHERE: u32 = u32::MAX;

/// A WAV file being written: interleaved float32, RF64 from 4 GiB on.
///
/// Dropped without [`finish`](Self::finish), it is still completed as far as the disk allows.
#[derive(Debug)]
pub struct WavFile {
    disk: Disk,
    format: Format,
    /// Bytes of sound that the header on the disk tells of.
    announced: u64,
    bytes: Vec<u8>,
}

impl WavFile {
    /// Makes the file, with a header that tells of no sound yet.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when something of that name exists and `overwrite` is false, or when the
    /// file cannot be made. [`Error::Internal`] when `format` is none.
    pub fn create(path: &Path, format: Format, overwrite: bool) -> Result<Self> {
        if !(1..=MAX_CHANNELS).contains(&format.channels)
            || !(1..=MAX_SAMPLE_RATE).contains(&format.sample_rate)
        {
            return Err(Error::internal(
                format!("cannot write {} as WAV", path.display()),
                format!("there is no such format as {format}"),
            ));
        }
        let disk = Disk::create(path, overwrite, &header(format, 0))?;
        Ok(Self { disk, format, announced: 0, bytes: Vec::new() })
    }

    /// Appends interleaved samples, whole frames.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take them. What came before is kept, and a later
    /// call goes on from there.
    pub fn write(&mut self, samples: &[f32]) -> Result<()> {
        for piece in samples.chunks(PIECE) {
            self.bytes.clear();
            self.bytes.extend(piece.iter().flat_map(|sample| sample.to_le_bytes()));
            self.disk.append(&self.bytes)?;
        }
        Ok(())
    }

    /// Appends so many frames of silence, which take no room on most disks.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn silence(&mut self, frames: u64) -> Result<()> {
        self.disk.append_hole(frames.saturating_mul(self.frame_bytes()))
    }

    /// Makes everything written so far readable, whatever happens to this process afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take it, or when somebody has removed the file.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.disk.flush()?;
        let written = self.disk.written() - HEADER_BYTES;
        if self.announced != written {
            self.disk.rewrite_start(&header(self.format, written))?;
            self.announced = written;
        }
        self.disk.check_that_it_exists()
    }

    /// Completes the file.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take the rest.
    pub fn finish(mut self) -> Result<()> {
        self.checkpoint()
    }

    fn frame_bytes(&self) -> u64 {
        u64::from(self.format.channels) * SAMPLE_BYTES
    }
}

impl Drop for WavFile {
    fn drop(&mut self) {
        // `finish` has reported what fails here a second time; without it nobody is left to tell.
        if let Err(error) = self.checkpoint() {
            log::debug!("{error}");
        }
    }
}

/// The bytes in front of `data_bytes` bytes of float32 samples.
///
/// A file that fits is plain RIFF with an unused chunk where the 64-bit sizes would be; one that
/// does not becomes RF64 (EBU Tech 3306) in the same room, so that no sample ever has to move.
fn header(format: Format, data_bytes: u64) -> Vec<u8> {
    let frame_bytes = u64::from(format.channels) * SAMPLE_BYTES;
    let frames = data_bytes / frame_bytes;
    let riff_bytes = HEADER_BYTES - 8 + data_bytes;
    let fits = u32::try_from(riff_bytes).is_ok_and(|size| size < SIZE_IS_ELSEWHERE);
    let small = |size: u64| u32::try_from(size).ok().filter(|_| fits).unwrap_or(SIZE_IS_ELSEWHERE);

    let mut bytes = Vec::with_capacity(HEADER_BYTES as usize);
    bytes.extend_from_slice(if fits { b"RIFF" } else { b"RF64" });
    bytes.extend_from_slice(&small(riff_bytes).to_le_bytes());
    bytes.extend_from_slice(b"WAVE");

    bytes.extend_from_slice(if fits { b"JUNK" } else { b"ds64" });
    bytes.extend_from_slice(&28_u32.to_le_bytes());
    for size in [riff_bytes, data_bytes, frames] {
        bytes.extend_from_slice(&(if fits { 0 } else { size }).to_le_bytes());
    }
    bytes.extend_from_slice(&0_u32.to_le_bytes()); // no table of further chunks

    bytes.extend_from_slice(b"fmt ");
    bytes.extend_from_slice(&18_u32.to_le_bytes());
    bytes.extend_from_slice(&3_u16.to_le_bytes()); // IEEE float
    bytes.extend_from_slice(&format.channels.to_le_bytes());
    bytes.extend_from_slice(&format.sample_rate.to_le_bytes());
    bytes.extend_from_slice(&(format.sample_rate * frame_bytes as u32).to_le_bytes());
    bytes.extend_from_slice(&(frame_bytes as u16).to_le_bytes());
    bytes.extend_from_slice(&(SAMPLE_BYTES as u16 * 8).to_le_bytes());
    bytes.extend_from_slice(&0_u16.to_le_bytes()); // no extension

    bytes.extend_from_slice(b"fact");
    bytes.extend_from_slice(&4_u32.to_le_bytes());
    bytes.extend_from_slice(&small(frames).to_le_bytes());

    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&small(data_bytes).to_le_bytes());
    bytes
}

/// A header for sound of which nobody knows the end: its sizes are the greatest that there are.
pub(super) fn endless_header(format: Format) -> Vec<u8> {
    /// Where the sizes of the file, in frames, and of the sound lie.
    const SIZES: [usize; 3] = [4, 82, 90];
    let mut bytes = header(format, 0);
    for at in SIZES {
        bytes[at..at + 4].fill(0xff);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

    fn ramp(frames: usize) -> Vec<f32> {
        (0..2 * frames).map(|n| n as f32 / 1e6).collect()
    }

    fn read_back(path: &Path) -> Vec<f32> {
        let mut reader = hound::WavReader::open(path).unwrap();
        assert_eq!(
            reader.spec(),
            hound::WavSpec {
                channels: 2,
                sample_rate: 48_000,
                bits_per_sample: 32,
                sample_format: hound::SampleFormat::Float,
            }
        );
        reader.samples().collect::<std::result::Result<_, _>>().unwrap()
    }

    fn size_at(header: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(header[at..at + 4].try_into().unwrap())
    }

    fn long_size_at(header: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(header[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn what_was_written_is_read_back_sample_by_sample() {
        let scratch = Scratch::new();
        let path = scratch.path("out.wav");
        let samples = ramp(50_000);
        let mut file = WavFile::create(&path, STEREO, false).unwrap();
        for part in samples.chunks(2 * 1_024) {
            file.write(part).unwrap();
        }
        file.finish().unwrap();
        assert!(read_back(&path) == samples);
    }

    #[test]
    fn a_file_without_sound_is_valid() {
        let scratch = Scratch::new();
        let path = scratch.path("out.wav");
        WavFile::create(&path, STEREO, false).unwrap().finish().unwrap();
        assert!(read_back(&path).is_empty());
    }

    #[test]
    fn after_a_checkpoint_a_killed_recording_is_readable_up_to_it() {
        let scratch = Scratch::new();
        let path = scratch.path("out.wav");
        let samples = ramp(40_000);
        let mut file = WavFile::create(&path, STEREO, false).unwrap();
        file.write(&samples[..30_000]).unwrap();
        file.checkpoint().unwrap();
        file.write(&samples[30_000..]).unwrap();
        std::mem::forget(file);
        assert!(read_back(&path) == samples[..30_000]);
    }

    #[test]
    fn a_recording_that_is_dropped_is_completed() {
        let scratch = Scratch::new();
        let path = scratch.path("out.wav");
        let mut file = WavFile::create(&path, STEREO, false).unwrap();
        file.write(&ramp(100)).unwrap();
        drop(file);
        assert_eq!(read_back(&path), ramp(100));
    }

    #[test]
    fn a_file_that_exists_is_kept_unless_told_otherwise() {
        let scratch = Scratch::new();
        let path = scratch.path("out.wav");
        std::fs::write(&path, "precious".repeat(100)).unwrap();
        let refused = WavFile::create(&path, STEREO, false).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "{}: there is already a file of this name. \
                 Choose another name, or add --overwrite to replace it",
                path.display()
            )
        );
        assert!(std::fs::read(&path).unwrap().starts_with(b"precious"));
        WavFile::create(&path, STEREO, true).unwrap().finish().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), HEADER_BYTES);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_one_clear_line() {
        let scratch = Scratch::new();
        for (path, why) in [
            (scratch.path("missing/out.wav"), "its folder does not exist"),
            (scratch.path(""), "this is a folder"),
        ] {
            let error = WavFile::create(&path, STEREO, true).unwrap_err();
            assert_eq!(error.exit_code(), crate::error::exit::FILE);
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_one_clear_line() {
        let mut file = WavFile::create(Path::new("/dev/full"), STEREO, true);
        if let Ok(file) = &mut file {
            assert!(file.write(&ramp(100_000)).is_err());
            assert!(file.write(&ramp(100_000)).is_err());
        }
        let error = match file {
            Ok(file) => file.finish().unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().starts_with("/dev/full: the disk is full. Free some space"));
    }

    #[test]
    fn a_format_that_cannot_be_is_refused() {
        let scratch = Scratch::new();
        for (sample_rate, channels) in [(0, 2), (48_000, 0), (48_000, u16::MAX), (u32::MAX, 2)] {
            let format = Format { sample_rate, channels };
            assert!(WavFile::create(&scratch.path("out.wav"), format, false).is_err());
        }
        assert!(!scratch.path("out.wav").exists());
    }

    #[test]
    fn the_header_is_plain_riff_as_long_as_the_sizes_fit() {
        let largest = u64::from(u32::MAX) - 1 - (HEADER_BYTES - 8);
        for data_bytes in [0, 8, 1 << 31, largest / 8 * 8] {
            let header = header(STEREO, data_bytes);
            assert_eq!(header.len() as u64, HEADER_BYTES);
            assert_eq!(header[..4], *b"RIFF");
            assert_eq!(u64::from(size_at(&header, 4)), HEADER_BYTES - 8 + data_bytes);
            assert_eq!(header[12..16], *b"JUNK");
            assert_eq!(u64::from(size_at(&header, 82)), data_bytes / 8, "frames");
            assert_eq!(header[86..90], *b"data");
            assert_eq!(u64::from(size_at(&header, 90)), data_bytes);
        }
    }

    #[test]
    fn the_header_is_rf64_in_the_same_room_once_they_do_not() {
        let first = u64::from(u32::MAX) - (HEADER_BYTES - 8);
        for data_bytes in [first.next_multiple_of(8), 1 << 32, 1 << 40] {
            let header = header(STEREO, data_bytes);
            assert_eq!(header.len() as u64, HEADER_BYTES);
            assert_eq!(header[..4], *b"RF64");
            assert_eq!(header[12..16], *b"ds64");
            assert_eq!(size_at(&header, 16), 28);
            assert_eq!(long_size_at(&header, 20), HEADER_BYTES - 8 + data_bytes);
            assert_eq!(long_size_at(&header, 28), data_bytes);
            assert_eq!(long_size_at(&header, 36), data_bytes / 8, "frames");
            for at in [4, 82, 90] {
                assert_eq!(size_at(&header, at), u32::MAX);
            }
        }
    }

    // Elsewhere the hole may be written out, all 4 GiB of it.
    #[cfg(target_os = "linux")]
    #[test]
    fn past_4_gib_the_file_goes_on_and_plays_to_its_end() {
        let scratch = Scratch::new();
        let path = scratch.path("long.wav");
        let mut file = WavFile::create(&path, STEREO, false).unwrap();
        // Three hours.
        file.silence(1 << 29).unwrap();
        file.write(&[0.25, -0.5]).unwrap();
        file.finish().unwrap();

        let kind = crate::source::Kind::File(path);
        let mut sound = crate::soundless::Generator::open(&kind, false, STEREO).unwrap();
        assert_eq!(sound.frames_total(), Some((1 << 29) + 1));
        let mut silence = vec![1.0; 2 * 1_000];
        assert_eq!(sound.read(&mut silence).unwrap(), 1_000);
        assert!(silence.iter().all(|sample| *sample == 0.0));
    }
}
