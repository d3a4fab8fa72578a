use super::*;
use crate::soundless::scratch::Scratch;

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
    assert_eq!(read_back(&path), []);
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
fn a_full_disk_is_one_clear_line_and_takes_no_more_memory() {
    let mut file = WavFile::create(Path::new("/dev/full"), STEREO, true);
    if let Ok(file) = &mut file {
        assert!(file.write(&ramp(100_000)).is_err());
        assert!(file.write(&ramp(100_000)).is_err());
        assert!(file.pending.capacity() <= 2 * BUFFER_BYTES);
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

#[test]
fn past_4_gib_the_file_goes_on_and_plays_to_its_end() {
    let scratch = Scratch::new();
    let path = scratch.path("long.wav");
    let mut file = WavFile::create(&path, STEREO, false).unwrap();
    // A hole in the file stands for three hours of silence.
    file.written = 1 << 32;
    file.write(&[0.25, -0.5]).unwrap();
    file.finish().unwrap();

    let kind = crate::source::Kind::File(path);
    let mut sound = crate::soundless::Generator::open(&kind, false, STEREO).unwrap();
    assert_eq!(sound.frames_total(), Some((1 << 29) + 1));
    let mut silence = vec![1.0; 2 * 1_000];
    assert_eq!(sound.read(&mut silence).unwrap(), 1_000);
    assert!(silence.iter().all(|sample| *sample == 0.0));
}
