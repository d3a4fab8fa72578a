//! What our own decoder makes of the files.

use std::io::Cursor;

use ogg::PacketReader;

use super::*;
use crate::codec::opus::Decoder;
use crate::scratch::Scratch;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

/// What a player would play, at 48 kHz, and whether the stream's end was told.
fn read_back(path: &Path, format: Format) -> (Vec<f32>, bool) {
    let mut packets = PacketReader::new(Cursor::new(std::fs::read(path).unwrap()));
    let head = packets.read_packet().unwrap().unwrap();
    assert_eq!(&head.data[..9], b"OpusHead\x01");
    assert_eq!(head.data[9], format.channels as u8);
    let pre_skip = usize::from(u16::from_le_bytes([head.data[10], head.data[11]]));
    assert_eq!(head.data[12..16], format.sample_rate.to_le_bytes());
    let tags = packets.read_packet().unwrap().unwrap();
    assert!(tags.data.starts_with(b"OpusTags") && tags.last_in_page());

    let mut decoder = Decoder::new(format.channels).unwrap();
    let (mut all, mut part) = (Vec::new(), Vec::new());
    let (mut end, mut has_ended) = (0, false);
    // A page that was not finished ends what can be played.
    while let Ok(Some(packet)) = packets.read_packet() {
        decoder.decode(&packet.data, LAYOUT.frames, &mut part).unwrap();
        all.extend_from_slice(&part);
        end = packet.absgp_page() as usize;
        has_ended = packet.last_in_stream();
    }
    all.truncate(format.samples(end));
    all.drain(..format.samples(pre_skip));
    (all, has_ended)
}

fn sine(format: Format, frames: usize, hz: f64) -> Vec<f32> {
    let at = |frame: usize| {
        let phase = frame as f64 / f64::from(format.sample_rate) * hz * std::f64::consts::TAU;
        (phase.sin() * 0.4) as f32
    };
    (0..frames).flat_map(|frame| vec![at(frame); format.channels.into()]).collect()
}

fn write(path: &Path, format: Format, samples: &[f32]) {
    let mut file = OpusFile::create(path, format, false).unwrap();
    for part in samples.chunks(format.samples(777)) {
        file.write(part).unwrap();
    }
    file.finish().unwrap();
}

#[test]
fn a_file_is_as_long_as_what_was_written_to_the_frame() {
    let scratch = Scratch::new();
    for (number, frames) in [0, 1, 647, 648, 649, 960, 9_600, 48_000, 100_001].iter().enumerate() {
        let path = scratch.path(format!("{number}.opus"));
        write(&path, STEREO, &sine(STEREO, *frames, 440.0));
        let (samples, has_ended) = read_back(&path, STEREO);
        assert_eq!((samples.len(), has_ended), (2 * frames, true));
    }
}

#[test]
fn every_moment_lies_where_it_was_at_any_rate() {
    let scratch = Scratch::new();
    for (rate, channels) in [(48_000, 2), (44_100, 2), (22_050, 1), (96_000, 1)] {
        let format = Format { sample_rate: rate, channels };
        let path = scratch.path(format!("{rate}.opus"));
        write(&path, format, &sine(format, rate as usize, 440.0));
        let (heard, _) = read_back(&path, format);
        let at_48 = Format { sample_rate: 48_000, channels };
        let meant = sine(at_48, 48_000, 440.0);
        assert_eq!(heard.len(), meant.len(), "{rate}");
        // Of a sine that came a frame too early or late, 5.8 % would be left over.
        let middle = at_48.samples(4_800)..at_48.samples(43_200);
        let power = |samples: &[f32]| samples.iter().map(|s| f64::from(s * s)).sum::<f64>();
        let left: Vec<f32> =
            heard[middle.clone()].iter().zip(&meant[middle.clone()]).map(|(a, b)| a - b).collect();
        let share = (power(&left) / power(&meant[middle])).sqrt();
        assert!(share < 0.05, "{rate}: {share}");
    }
}

#[test]
fn after_a_checkpoint_a_killed_recording_plays_up_to_its_last_page() {
    let scratch = Scratch::new();
    let path = scratch.path("killed.opus");
    let mut file = OpusFile::create(&path, STEREO, false).unwrap();
    file.write(&sine(STEREO, 100_000, 440.0)).unwrap();
    file.checkpoint().unwrap();
    file.write(&sine(STEREO, 5_000, 440.0)).unwrap();
    std::mem::forget(file);
    let (samples, has_ended) = read_back(&path, STEREO);
    let pages = 100_000 / 9_600 * 9_600 - 312;
    assert_eq!((samples.len(), has_ended), (2 * pages, false));
}

#[test]
fn silence_keeps_its_length() {
    let scratch = Scratch::new();
    let path = scratch.path("silence.opus");
    let mut file = OpusFile::create(&path, STEREO, false).unwrap();
    file.silence(50_000).unwrap();
    file.write(&sine(STEREO, 10_000, 1_000.0)).unwrap();
    file.finish().unwrap();
    let (samples, _) = read_back(&path, STEREO);
    assert_eq!(samples.len(), 120_000);
    let begins = samples.iter().position(|sample| sample.abs() > 0.05).unwrap() / 2;
    assert!((49_800..50_200).contains(&begins), "{begins}");
}
