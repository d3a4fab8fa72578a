use super::*;
use crate::soundless::flac_writer::flac;
use crate::soundless::scratch::Scratch;

/// A quarter of a second of 441 Hz at −12 dBFS, 44,100 Hz mono.
const OGG: &[u8] = include_bytes!("tone.ogg");
/// The same sound.
const MP3: &[u8] = include_bytes!("tone.mp3");

fn opened(bytes: &[u8]) -> Result<Compressed, Fault> {
    let scratch = Scratch::new();
    let path = scratch.path("sound");
    std::fs::write(&path, bytes).unwrap();
    Compressed::open(File::open(path).unwrap())
}

fn all(sound: &mut Compressed) -> Vec<f32> {
    let mut samples = Vec::new();
    let mut part = vec![0.0; sound.format().samples(700)];
    loop {
        match sound.read(&mut part).unwrap() {
            0 => return samples,
            got => samples.extend(&part[..got]),
        }
    }
}

fn ramp(frames: i16) -> Vec<i16> {
    (0..frames).flat_map(|n| [n, -n]).collect()
}

fn as_floats(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect()
}

#[test]
fn flac_comes_out_sample_by_sample() {
    let samples = ramp(5_000);
    let mut sound = opened(&flac(44_100, 2, &samples, 1_024)).unwrap();
    assert_eq!(sound.format(), Format { sample_rate: 44_100, channels: 2 });
    assert_eq!(sound.frames_total(), Some(5_000));
    assert!(all(&mut sound) == as_floats(&samples));
    assert_eq!(sound.damaged(), 0);
}

#[test]
fn mp3_and_ogg_vorbis_come_out_as_the_tone_they_were_without_what_the_encoder_added() {
    for (name, bytes) in [("MP3", MP3), ("Ogg Vorbis", OGG)] {
        let mut sound = opened(bytes).unwrap();
        assert_eq!(sound.format(), Format { sample_rate: 44_100, channels: 1 }, "{name}");
        assert_eq!(sound.frames_total(), Some(11_025), "{name}");
        let samples = all(&mut sound);
        assert_eq!(samples.len(), 11_025, "{name}");
        assert_eq!(sound.damaged(), 0, "{name}");
        // 441 Hz has 100 frames to a period: a sample and the one 50 later cancel out.
        for pair in samples[1_000..10_000].windows(51) {
            assert!((pair[0] + pair[50]).abs() < 0.02, "{name}");
        }
        let peak = samples[1_000..10_000].iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
        assert!((crate::format::dbfs(peak) + 12.0).abs() < 0.5, "{name}: {peak}");
    }
}

#[test]
fn a_second_pass_is_the_same_as_the_first() {
    for bytes in [OGG, MP3, &flac(48_000, 2, &ramp(3_000), 512)] {
        let mut sound = opened(bytes).unwrap();
        let first = all(&mut sound);
        sound.restart().unwrap();
        assert!(all(&mut sound) == first);
    }
}

#[test]
fn a_tag_with_a_picture_in_front_is_stepped_over() {
    let mut bytes = b"ID3\x04\0\0\0\x0c\0\0".to_vec();
    bytes.extend(vec![0xff; 0x0c << 14]);
    bytes.extend(b"ID3\x04\0\0\0\0\0\x02ab");
    for sound in [MP3, OGG, &flac(44_100, 1, &ramp(500), 400)] {
        let tagged = [&bytes, sound].concat();
        assert!(all(&mut opened(&tagged).unwrap()) == all(&mut opened(sound).unwrap()));
    }
}

#[test]
fn a_file_that_is_cut_off_plays_what_is_there() {
    let samples = ramp(5_000);
    let bytes = flac(44_100, 2, &samples, 1_000);
    let cut = &bytes[..bytes.len() - 5_000];
    let heard = all(&mut opened(cut).unwrap());
    assert_eq!(heard.len(), 2 * 3_000);
    assert!(heard == as_floats(&samples[..2 * 3_000]));

    let whole = all(&mut opened(MP3).unwrap());
    let heard = all(&mut opened(&MP3[..MP3.len() / 2]).unwrap());
    assert!(!heard.is_empty() && whole.starts_with(&heard));
}

#[test]
fn a_damaged_packet_is_skipped_and_counted() {
    let samples = ramp(5_000);
    let mut bytes = flac(44_100, 2, &samples, 1_000);
    bytes[10_000] ^= 0x55;
    let mut sound = opened(&bytes).unwrap();
    let heard = all(&mut sound);
    let expected = [&samples[..2 * 2_000], &samples[2 * 3_000..]].concat();
    assert_eq!((heard.len(), sound.damaged()), (expected.len(), 1));
    assert!(heard == as_floats(&expected));
}

/// An MP3 packet of silence: MPEG 1, 44,100 Hz stereo, of the bitrate with this number.
fn silent_packet(bitrate: u8) -> Vec<u8> {
    let kbps = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    let mut packet = vec![0; 144_000 * kbps[usize::from(bitrate)] / 44_100];
    packet[..4].copy_from_slice(&[0xff, 0xfb, bitrate << 4, 0]);
    packet
}

#[test]
fn an_mp3_that_gets_quieter_on_bits_is_not_cut_where_its_start_would_end_it() {
    let mut bytes = silent_packet(14).repeat(2);
    bytes.extend(silent_packet(1).repeat(50));
    let mut sound = opened(&bytes).unwrap();
    assert_eq!(sound.frames_total(), None);
    assert_eq!(all(&mut sound).len(), 2 * 1_152 * 52);
}

#[test]
fn ogg_files_joined_end_to_end_are_played_one_after_the_other() {
    let mut sound = opened(&[OGG, OGG].concat()).unwrap();
    assert_eq!(all(&mut sound).len(), 2 * 11_025);
}

#[test]
fn a_header_that_lies_is_refused() {
    let bytes = flac(44_100, 2, &ramp(100), 50);
    let patched = |at: usize, patch: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + patch.len()].copy_from_slice(patch);
        opened(&bytes).unwrap_err()
    };
    let rate_0 = patched(18, &[0, 0, 0x02]);
    assert!(matches!(rate_0, Fault::Damaged(_)), "{rate_0:?}");
    let cut = opened(&bytes[..30]).unwrap_err();
    assert!(matches!(cut, Fault::Damaged(_)), "{cut:?}");
    let only_a_header = opened(&bytes[..42]).unwrap_err();
    assert!(matches!(only_a_header, Fault::Damaged(_)), "{only_a_header:?}");
}
