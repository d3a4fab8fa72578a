use super::*;
use crate::format::Format;
use crate::recording::RecordingFile;
use crate::scratch::Scratch;
use crate::soundless::played::{Played, play, refusal};

/// A quarter of a second of 441 Hz at −12 dBFS, 44,100 Hz mono, in Vorbis.
const TONE: &[u8] = include_bytes!("tone.ogg");

/// Where the pages of a file begin, and its end.
fn pages(bytes: &[u8]) -> Vec<usize> {
    let starts = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"OggS\0"));
    starts.chain([bytes.len()]).collect()
}

/// As many frames of a sine as a recording of ours keeps in Opus.
fn opus(format: Format, frames: usize) -> Vec<u8> {
    let scratch = Scratch::new();
    let path = scratch.path("a.opus");
    let mut file = RecordingFile::create(&path, format, false).unwrap();
    let sine = |n: usize| (n as f32 * std::f32::consts::TAU / 100.0).sin() * 0.25;
    let samples: Vec<f32> =
        (0..frames).flat_map(|n| vec![sine(n); usize::from(format.channels)]).collect();
    file.write(&samples).unwrap();
    file.finish().unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn a_tone_in_vorbis_comes_out_as_long_and_as_loud_as_it_was() {
    let Played { format, samples, damaged, .. } = play(TONE);
    assert_eq!(format, Format { sample_rate: 44_100, channels: 1 });
    assert_eq!((samples.len(), damaged), (11_025, 0));
    for pair in samples[1_000..10_000].windows(51) {
        assert!((pair[0] + pair[50]).abs() < 0.02);
    }
    let peak = samples[1_000..10_000].iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    assert!((crate::format::dbfs(peak) + 12.0).abs() < 0.5, "{peak}");
}

#[test]
fn what_is_recorded_in_opus_is_played_to_the_frame() {
    for channels in [1, 2] {
        for frames in [1, 960, 4_801, 48_000, 100_001] {
            let format = Format { sample_rate: 48_000, channels };
            let played = play(&opus(format, frames));
            assert_eq!((played.format, played.damaged), (format, 0));
            assert_eq!(played.samples.len(), format.samples(frames));
            let left = played.samples.chunks(usize::from(channels)).map(|frame| frame[0]);
            for (n, sample) in left.enumerate().skip(500).take(frames.saturating_sub(1_000)) {
                let expected = (n as f32 * std::f32::consts::TAU / 100.0).sin() * 0.25;
                assert!((sample - expected).abs() < 0.02, "{sample} at {n}");
            }
        }
    }
}

#[test]
fn the_gain_of_an_opus_header_is_applied() {
    let mut bytes = opus(Format { sample_rate: 48_000, channels: 1 }, 9_600);
    let plain = play(&bytes).samples;
    let head = bytes.windows(8).position(|eight| eight == b"OpusHead").unwrap();
    // −6.02 dB in 256ths.
    bytes[head + 16..head + 18].copy_from_slice(&(-1_541_i16).to_le_bytes());
    let mended = with_checksums(bytes);
    for (sample, halved) in plain.iter().zip(play(&mended).samples) {
        assert!((sample / 2.0 - halved).abs() < 1e-4);
    }
}

/// Mends the checksums of all pages.
fn with_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    for pair in pages(&bytes).windows(2) {
        bytes[pair[0] + 22..pair[0] + 26].fill(0);
        let sum = bytes[pair[0]..pair[1]].iter().fold(0, page::checksum);
        bytes[pair[0] + 22..pair[0] + 26].copy_from_slice(&sum.to_le_bytes());
    }
    bytes
}

#[test]
fn files_joined_end_to_end_are_heard_one_after_the_other_whatever_they_are() {
    let tone = play(TONE).samples;
    let both = play(&[TONE, TONE].concat());
    assert_eq!(both.samples.len(), 2 * tone.len());
    assert!(both.samples[..tone.len()] == tone && both.samples[tone.len()..] == tone);
    // At another rate, with more channels, and in another codec.
    let stereo = opus(Format { sample_rate: 48_000, channels: 2 }, 48_000);
    let mixed = play(&[TONE, &stereo].concat());
    assert_eq!(mixed.format, Format { sample_rate: 44_100, channels: 1 });
    assert_eq!(mixed.samples.len(), tone.len() + 44_100);
    let rest = &mixed.samples[tone.len() + 2_000..tone.len() + 42_000];
    // 480 Hz.
    let crossings = rest.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
    assert!((434..=437).contains(&crossings), "{crossings}");
}

#[test]
fn a_page_that_is_lost_is_silent_and_what_follows_is_in_time() {
    let bytes = opus(Format { sample_rate: 48_000, channels: 1 }, 96_000);
    let whole = play(&bytes).samples;
    let places = pages(&bytes);
    let mut damaged = bytes.clone();
    damaged[places[4] + 100] ^= 0x55;
    let played = play(&damaged);
    assert_eq!((played.samples.len(), played.damaged), (whole.len(), 1));
    let silent = played.samples.iter().filter(|sample| **sample == 0.0).count();
    assert!((9_000..11_000).contains(&silent), "{silent}");
    let end = whole.len() - 20_000;
    for (sample, other) in whole[end..].iter().zip(&played.samples[end..]) {
        assert!((sample - other).abs() < 0.01);
    }
}

#[test]
fn a_file_that_is_cut_off_plays_what_is_there() {
    let bytes = opus(Format { sample_rate: 48_000, channels: 1 }, 96_000);
    let (whole, part) = (play(&bytes).samples, play(&bytes[..bytes.len() / 2]).samples);
    assert!(part.len() > whole.len() / 3 && whole.starts_with(&part));
}

#[test]
fn what_else_stands_in_ogg_files_is_called_by_its_name() {
    for (start, said) in [
        (&b"Speex   1.2"[..], "it is an Ogg file with Speex in it, which is not known here"),
        (b"\x80theora\x03\x02\x01", "it is an Ogg file without sound"),
    ] {
        let mut page = b"OggS\0\x02".to_vec();
        page.extend([0; 16]);
        page.extend([0, 0, 0, 0, 1, start.len() as u8]);
        page.extend(start);
        let text = refusal(&with_checksums(page));
        assert!(text.contains(said), "{text}");
    }
}
