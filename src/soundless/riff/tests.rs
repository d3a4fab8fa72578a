use proptest::prelude::*;

use super::*;
use crate::sound::mixdown::Position;
use crate::soundless::played::{Played, as_floats, play, refusal, try_play};

fn played(bytes: &[u8]) -> Vec<f32> {
    play(bytes).samples
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
        let Played { format, samples, frames_total, .. } = play(&made_by_hound(bits, &samples));
        assert_eq!(format, Format { sample_rate: 44_100, channels: 2 });
        assert_eq!(frames_total, Some(4));
        assert_eq!(samples, expected, "{bits} bits");
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
    assert_eq!(played(&sizes(436, 0)), whole, "only the sound has no size");
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
        (34, &[255; 2], "its header claims 65535 bits a sample, and 4 bytes for 2 of them"),
        (16, &[2], "its format is cut off"),
        (12, b"junk", "its sound comes before its format"),
        (16, &[0, 0, 0, 255], "a part of it is larger than the whole"),
        (36, b"junk", "it ends before its sound begins"),
        (20, &[0x55, 0], "it is a WAV file with MP3 in it, which is not known here"),
        (20, &[0x99, 0x99], "it is a WAV file with sound of kind 0x9999 in it, which"),
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
    assert!(refusal(&bytes).contains("it has too many parts"));
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
        if let Ok(played) = try_play(&bytes) {
            prop_assert!(played.samples.len() <= bytes.len());
        }
    }
}

/// A format chunk of the extensible kind for `channels` channels of 16 bits, and frames behind it.
fn extensible(channels: u16, mask: u32, samples: &[i16]) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x28\0\0\0\xfe\xff".to_vec();
    bytes.extend(channels.to_le_bytes());
    bytes.extend(48_000_u32.to_le_bytes());
    bytes.extend((96_000 * u32::from(channels)).to_le_bytes());
    bytes.extend((2 * channels).to_le_bytes());
    bytes.extend([16, 0, 22, 0, 16, 0]);
    bytes.extend(mask.to_le_bytes());
    bytes.extend(b"\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71data");
    bytes.extend((2 * samples.len() as u32).to_le_bytes());
    bytes.extend(samples.iter().flat_map(|sample| sample.to_le_bytes()));
    bytes
}

#[test]
fn a_mask_says_what_the_channels_are_and_without_one_they_stand_in_the_usual_order() {
    use Position::{BackCentre, FrontCentre, FrontLeft, FrontRight};
    let samples = [1, 2, 3, 4];
    let named = play(&extensible(4, 0x107, &samples));
    assert_eq!(named.layout.positions(), [FrontLeft, FrontRight, FrontCentre, BackCentre]);
    assert_eq!(named.samples, as_floats(&samples));
    assert_eq!(play(&extensible(4, 0, &samples)).layout, Layout::usual(4));
}

#[test]
fn a_container_may_be_larger_than_its_bits_and_where_it_fits_nothing_the_bits_say_it() {
    let whole = played(&plain(9));
    for (align, bits) in [(0, 16), (1, 16), (3, 16), (16, 16), (400, 16), (4, 0)] {
        let bytes = with(with(plain(9), 32, &[align as u8, (align >> 8) as u8]), 34, &[bits, 0]);
        assert_eq!(played(&bytes), whole, "{align} bytes, {bits} bits");
    }
    // 24 bits in the upper three of four bytes.
    let mut bytes = with(with(plain(0), 32, &[8, 0]), 34, &[24, 0]);
    bytes.extend([0, 0, 0, 0x40, 0, 0, 0, 0xc0]);
    assert_eq!(played(&bytes), [0.5, -0.5]);
}

#[test]
fn telephone_sound_is_played() {
    for (tag, codes, expected) in
        [(6, [0xaa, 0x55], [32_256, -8]), (7, [0x80, 0x00], [32_124, -32_124])]
    {
        let mut bytes = with(with(plain(0), 20, &[tag, 0]), 32, &[2, 0, 8, 0]);
        bytes.extend(codes);
        assert_eq!(played(&bytes), as_floats(&expected));
    }
}

#[test]
fn what_is_compressed_is_called_by_its_name_and_not_damaged() {
    for (tag, name) in [(2, "Microsoft's ADPCM"), (0x11, "IMA ADPCM"), (0x31, "GSM 6.10")] {
        // Their bits and blocks fit no plain sample.
        let bytes = with(with(plain(9), 20, &[tag, 0]), 32, &[0, 4, 4, 0]);
        let why = format!("it is a WAV file with {name} in it, which is not known here. AuraLync");
        assert!(refusal(&bytes).contains(&why), "{}", refusal(&bytes));
    }
}

#[test]
fn big_endian_wav_is_played_and_so_is_one_behind_a_tag() {
    let whole = played(&plain(10));
    let mut bytes = plain(10);
    bytes[..4].copy_from_slice(b"RIFX");
    for (at, size) in
        [(4, 4), (16, 4), (20, 2), (22, 2), (24, 4), (28, 4), (32, 2), (34, 2), (40, 4)]
    {
        bytes[at..at + size].reverse();
    }
    bytes[44..].chunks_exact_mut(2).for_each(<[u8]>::reverse);
    assert_eq!(played(&bytes), whole);
    let tagged = [b"ID3\x03\0\0\0\0\0\x14".to_vec(), vec![0; 20], plain(10)].concat();
    assert_eq!(played(&tagged), whole);
}

#[test]
fn an_odd_chunk_that_is_not_padded_hides_nothing() {
    let bytes = plain(10);
    for tail in [&b"abc\0"[..], b"abc"] {
        let odd = [&bytes[..36], b"LIST\x03\0\0\0", tail, &bytes[36..]].concat();
        assert_eq!(played(&odd), played(&bytes));
    }
}

#[test]
fn a_long_size_of_nothing_is_no_size() {
    let mut bytes = plain(10);
    bytes[..4].copy_from_slice(b"RF64");
    bytes[40..44].fill(0xff);
    let ds64 = [&b"ds64\x1c\0\0\0"[..], &[0; 28]].concat();
    let long = [&bytes[..12], &ds64, &bytes[12..]].concat();
    assert_eq!(played(&long), played(&plain(10)));
}
