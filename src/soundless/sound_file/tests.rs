use super::*;
use crate::soundless::flac_writer::flac;
use crate::soundless::scratch::Scratch;

fn wav(samples: &[f32]) -> Vec<u8> {
    let scratch = Scratch::new();
    let path = scratch.path("made.wav");
    let format = Format { sample_rate: 48_000, channels: 2 };
    let mut file = crate::soundless::WavFile::create(&path, format, false).unwrap();
    file.write(samples).unwrap();
    file.finish().unwrap();
    std::fs::read(path).unwrap()
}

fn refusal(path: &Path) -> String {
    let error = SoundFile::open(path, false).unwrap_err();
    assert_eq!(error.exit_code(), crate::error::exit::FILE);
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    let (place, why) = text.split_once(": ").unwrap();
    assert_eq!(place, path.display().to_string());
    why.to_owned()
}

#[test]
fn a_file_that_cannot_be_read_is_one_clear_line() {
    let scratch = Scratch::new();
    assert_eq!(
        refusal(&scratch.path("missing.wav")),
        "there is no such file. Check the name and the folder"
    );
    assert_eq!(refusal(&scratch.path("")), "this is a folder. Name one sound file in it");
    #[cfg(unix)]
    assert_eq!(
        refusal(Path::new("/dev/null")),
        "it is not an ordinary file. AuraLync plays WAV, FLAC, MP3 and Ogg Vorbis; name such a file"
    );
}

#[test]
fn a_file_that_may_not_be_read_says_so() {
    let error = cannot_play(Path::new("a.wav"), &Fault::Io(ErrorKind::PermissionDenied.into()));
    assert_eq!(
        error.to_string(),
        "a.wav: reading it is not allowed. \
         Change the file's permissions, or copy it to a folder of your own"
    );
}

#[test]
fn a_file_that_is_not_sound_is_one_clear_line() {
    let scratch = Scratch::new();
    let path = scratch.path("thing");
    let html = b"<!doctype html><title>not sound</title>".repeat(5_000);
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0".to_vec();
    for bytes in [b"x".to_vec(), b"ID3".to_vec(), html, png, vec![0; 300_000]] {
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(
            refusal(&path),
            "it is not a sound file known here. \
             AuraLync plays WAV, FLAC, MP3 and Ogg Vorbis; name such a file"
        );
    }
    std::fs::write(&path, b"").unwrap();
    assert!(refusal(&path).starts_with("it is empty. "));
}

#[test]
fn a_looped_file_goes_on_without_a_gap_and_has_no_end() {
    let scratch = Scratch::new();
    let samples: Vec<i16> = (0..2 * 1_000).collect();
    let expected: Vec<f32> = samples.iter().map(|s| f32::from(*s) / 32_768.0).collect();
    for (name, bytes) in [("a.flac", flac(48_000, 2, &samples, 300)), ("a.wav", wav(&expected))] {
        let path = scratch.path(name);
        std::fs::write(&path, bytes).unwrap();
        let mut file = SoundFile::open(&path, true).unwrap();
        assert_eq!(file.frames_total(), None);
        let mut out = vec![0.0; 2 * 3_500];
        for part in out.chunks_mut(2 * 128) {
            assert_eq!(file.read(part).unwrap(), part.len() / 2);
        }
        let repeated: Vec<f32> = expected.iter().copied().cycle().take(out.len()).collect();
        assert!(out == repeated, "{name}");
    }
}

#[test]
fn a_looped_file_that_has_shrunk_to_nothing_ends() {
    let scratch = Scratch::new();
    let path = scratch.path("a.wav");
    std::fs::write(&path, wav(&[0.5; 2 * 10_000])).unwrap();
    let mut file = SoundFile::open(&path, true).unwrap();
    std::fs::write(&path, b"").unwrap();
    let mut out = vec![0.0; 2 * 50_000];
    assert!(file.read(&mut out).unwrap() <= 10_000);
    assert_eq!(file.read(&mut out).unwrap(), 0);
}

#[test]
fn samples_that_are_not_sound_become_silence() {
    let scratch = Scratch::new();
    let path = scratch.path("a.wav");
    std::fs::write(&path, wav(&[f32::NAN, f32::INFINITY, 1e30, -0.5])).unwrap();
    let mut out = [9.0; 4];
    SoundFile::open(&path, false).unwrap().read(&mut out).unwrap();
    assert_eq!(out, [0.0, 0.0, crate::format::MAX_SAMPLE, -0.5]);
}
