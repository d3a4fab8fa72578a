use proptest::prelude::*;

use super::*;
use crate::soundless::scratch::Scratch;

fn opened(bytes: &[u8]) -> Result<WavReader, Fault> {
    let scratch = Scratch::new();
    let path = scratch.path("a.wav");
    std::fs::write(&path, bytes).unwrap();
    WavReader::open(File::open(path).unwrap())
}

fn all(reader: &mut WavReader) -> Vec<f32> {
    let mut samples = Vec::new();
    let mut part = vec![0.0; reader.format().samples(700)];
    loop {
        match reader.read(&mut part).unwrap() {
            0 => return samples,
            got => samples.extend(&part[..got]),
        }
    }
}

fn played(bytes: &[u8]) -> Vec<f32> {
    all(&mut opened(bytes).unwrap())
}

fn refusal(bytes: &[u8]) -> String {
    match opened(bytes).unwrap_err() {
        Fault::Damaged(why) | Fault::Unknown(why) => why,
        Fault::Io(error) => panic!("{error}"),
    }
}

fn made_by_hound(bits: u16, samples: &[i32]) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 44_100,
        bits_per_sample: bits,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = std::io::Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
    for sample in samples {
        writer.write_sample(*sample).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// A 16-bit stereo file with one frame for each of `frames`, its header 44 bytes.
fn plain(frames: i16) -> Vec<u8> {
    let mut bytes = b"RIFF....WAVEfmt \x10\0\0\0\x01\0\x02\0".to_vec();
    bytes.extend(48_000_u32.to_le_bytes());
    bytes.extend(192_000_u32.to_le_bytes());
    bytes.extend([4, 0, 16, 0]);
    bytes.extend(b"data");
    bytes.extend((u32::try_from(frames).unwrap() * 4).to_le_bytes());
    for n in 0..frames {
        bytes.extend([n.to_le_bytes(), (-n).to_le_bytes()].concat());
    }
    let riff = (bytes.len() as u32 - 8).to_le_bytes();
    bytes[4..8].copy_from_slice(&riff);
    bytes
}

fn with(mut bytes: Vec<u8>, at: usize, patch: &[u8]) -> Vec<u8> {
    bytes[at..at + patch.len()].copy_from_slice(patch);
    bytes
}

#[test]
fn integers_of_every_width_come_out_exactly() {
    for bits in [8_u16, 16, 24, 32] {
        let full = 1_i64 << (bits - 1);
        let samples: Vec<i32> = [-full, -full + 1, -1, 0, 1, full / 3, full - 2, full - 1]
            .map(|sample| i32::try_from(sample).unwrap())
            .to_vec();
        let expected: Vec<f32> = samples.iter().map(|s| (*s as f32) / full as f32).collect();
        let mut reader = opened(&made_by_hound(bits, &samples)).unwrap();
        assert_eq!(reader.format(), Format { sample_rate: 44_100, channels: 2 });
        assert_eq!(reader.frames_total(), 4);
        assert_eq!(all(&mut reader), expected, "{bits} bits");
    }
}

#[test]
fn doubles_are_played_too() {
    let mut bytes = with(plain(8), 20, &[3, 0]);
    bytes[32..36].copy_from_slice(&[16, 0, 64, 0]);
    bytes.truncate(44);
    for sample in [0.25_f64, -0.75] {
        bytes.extend(sample.to_le_bytes());
    }
    assert_eq!(played(&bytes), [0.25, -0.75]);
}

#[test]
fn twelve_bits_in_sixteen_are_read_as_sixteen() {
    assert_eq!(played(&with(plain(9), 34, &[12])), played(&plain(9)));
}

#[test]
fn a_file_that_is_cut_off_plays_what_is_there() {
    let whole = played(&plain(1_000));
    assert_eq!(whole.len(), 2_000);
    let bytes = plain(1_000);
    for kept in [48, 49, 50, 51, 52, 1_000, 2_047, 4_043] {
        let frames = (kept - 44) / 4;
        assert_eq!(played(&bytes[..kept]), whole[..2 * frames], "{kept} bytes");
    }
}

#[test]
fn what_a_recorder_left_unfinished_plays_to_the_end_of_the_file() {
    let whole = played(&plain(100));
    let sizes = |riff: u32, data: u32| {
        with(with(plain(100), 4, &riff.to_le_bytes()), 40, &data.to_le_bytes())
    };
    assert_eq!(played(&sizes(0, 0)), whole);
    assert_eq!(played(&sizes(36, 0)), whole);
    assert_eq!(played(&sizes(u32::MAX, u32::MAX)), whole);
    assert_eq!(played(&sizes(0, 400)), whole);
}

#[test]
fn other_chunks_are_stepped_over() {
    let bytes = plain(10);
    let mut with_more = bytes[..12].to_vec();
    with_more.extend(b"LIST\x03\0\0\0abc\0");
    with_more.extend(&bytes[12..36]);
    with_more.extend(b"fact\x04\0\0\0\xff\xff\xff\xff");
    with_more.extend(&bytes[36..]);
    with_more.extend(b"LIST\x04\0\0\0tail");
    assert_eq!(played(&with_more), played(&bytes));
}

#[test]
fn a_header_that_lies_is_refused_with_what_it_claims() {
    for (at, patch, why) in [
        (24, &[0; 4][..], "its header claims 0 samples a second"),
        (24, &[255; 4], "its header claims 4294967295 samples a second"),
        (22, &[0; 2], "its header claims 0 channels"),
        (22, &[255; 2], "its header claims 65535 channels"),
        (32, &[0; 2], "its header claims 16 bits a sample, and 0 bytes for 2 of them"),
        (34, &[0; 2], "its header claims 0 bits a sample, and 4 bytes for 2 of them"),
        (34, &[255; 2], "its header claims 65535 bits a sample, and 4 bytes for 2 of them"),
        (16, &[2], "its format is cut off"),
        (12, b"junk", "its sound comes before its format"),
        (16, &[0, 0, 0, 255], "a part of it is larger than the whole"),
        (36, b"junk", "it ends before its sound begins"),
        (20, &[0x55, 0], "with sound of kind 85 in 16 bits"),
    ] {
        let refusal = refusal(&with(plain(10), at, patch));
        assert!(refusal.contains(why), "{refusal}");
    }
    for kept in [12, 20, 40, 44, 47] {
        refusal(&plain(10)[..kept]);
    }
}

#[test]
fn endless_chunks_are_given_up() {
    let mut bytes = b"RIFF\0\0\0\0WAVE".to_vec();
    bytes.extend(b"junk\0\0\0\0".repeat(MAX_CHUNKS + 1));
    assert!(refusal(&bytes).starts_with("it has too many parts"));
}

proptest! {
    #[test]
    fn no_header_makes_more_of_a_file_than_there_is(
        damage in proptest::collection::vec((12..60_usize, any::<u8>()), 1..6),
    ) {
        let mut bytes = plain(20);
        for (at, value) in damage {
            bytes[at] = value;
        }
        if let Ok(mut reader) = opened(&bytes) {
            prop_assert!(all(&mut reader).len() <= bytes.len());
        }
    }
}
