use super::*;
use crate::format::Format;
use crate::soundless::played::{as_floats, play, refusal};

/// 1,500 frames of Apple Lossless, 16 bits, 16,000 Hz mono: see [`steps`].
const STEPS: &[u8] = include_bytes!("steps.m4a");

/// 1,500 frames of 700 Hz in AAC-LC, 16,000 Hz mono, and what another decoder makes of them.
const TONE: &[u8] = include_bytes!("tone.m4a");
const DECODED: &[u8] = include_bytes!("tone.f32");

const MONO: Format = Format { sample_rate: 16_000, channels: 1 };

/// What [`STEPS`] was made of.
fn steps() -> Vec<f32> {
    let step = |n: i32| if n > 300 { ((n * 7_919) % 4_001 - 2_000) * 4 } else { n * 20 };
    as_floats(&(0..1_500).map(|n| step(n) as i16).collect::<Vec<_>>())
}

fn patched(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|part| part == from).unwrap();
    let mut bytes = bytes.to_vec();
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

/// [`TONE`] with a tag at its very end, in all the boxes that end there.
fn tagged(tag: &[u8]) -> Vec<u8> {
    let mut bytes = TONE.to_vec();
    for name in [b"moov", b"udta", b"meta", b"ilst"] {
        let at = bytes.windows(4).rposition(|part| part == name).unwrap() - 4;
        let size = u32::from_be_bytes(*bytes[at..].first_chunk().unwrap()) + tag.len() as u32;
        bytes[at..at + 4].copy_from_slice(&size.to_be_bytes());
    }
    bytes.extend(tag);
    bytes
}

#[test]
fn apple_lossless_comes_out_to_the_sample() {
    let played = play(STEPS);
    assert_eq!((played.format, played.frames_total), (MONO, Some(1_500)));
    assert_eq!(played.damaged, 0);
    assert!(played.samples == steps());
}

#[test]
fn aac_is_as_another_decoder_has_it_without_what_the_encoder_put_around_it() {
    let played = play(TONE);
    assert_eq!((played.format, played.frames_total), (MONO, Some(1_500)));
    assert_eq!((played.samples.len(), played.damaged), (1_500, 0));
    let decoded = DECODED.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four));
    for (ours, theirs) in played.samples.iter().zip(decoded) {
        assert!((ours - theirs).abs() < 1e-5, "{ours} {theirs}");
    }
}

#[test]
fn what_itunes_says_of_its_encoders_frames_is_believed() {
    let text = b" 00000000 00000410 00000100 0000000000000500 00000000";
    let mut tag = b"\0\0\0\x1cmean\0\0\0\0com.apple.iTunes\0\0\0\x14name\0\0\0\0iTunSMPB".to_vec();
    tag.extend((16 + text.len() as u32).to_be_bytes());
    tag.extend(b"data\0\0\0\x01\0\0\0\0");
    tag.extend(text);
    let size = (8 + tag.len() as u32).to_be_bytes();
    let played = play(&tagged(&[&size, &b"----"[..], &tag].concat()));
    assert_eq!(played.frames_total, Some(0x500));
    // Sixteen frames later than by the cut, and shorter.
    assert!(played.samples == play(TONE).samples[16..16 + 0x500]);
}

#[test]
fn a_file_of_which_the_end_is_missing_says_so() {
    let why = "it is damaged: its end is missing, and the index of its sound with it";
    for bytes in [&TONE[..700], &TONE[..40], &STEPS[..1_000]] {
        let text = refusal(bytes);
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn he_aac_and_videos_are_called_by_their_names() {
    let description = [0x14, 0x08, 0x56, 0xe5, 0x00];
    for (bytes, name) in [
        (patched(TONE, &description, &[0x2c]), "an M4A file with HE-AAC in it"),
        (
            patched(TONE, &description, &[0x14, 0x08, 0x56, 0xe5, 0x80]),
            "an M4A file with HE-AAC in it",
        ),
        (patched(TONE, &description, &[0x0c]), "an M4A file with AAC of a rare kind in it"),
        (
            patched(TONE, &description, &[0x14, 0x30]),
            "an M4A file with AAC of more than two channels in it",
        ),
        (patched(TONE, b"mp4a", b"ec-3"), "an MP4 file with E-AC-3 in it"),
        (patched(TONE, b"mp4a", b"drms"), "an MP4 file with protected sound in it"),
        (patched(TONE, b"soun", b"vide"), "a video"),
    ] {
        let text = refusal(&bytes);
        assert!(text.contains(&format!("it is {name}, which is not known here")), "{text}");
    }
}

#[test]
fn he_aac_that_does_not_say_so_is_known_by_its_packets() {
    // Some sound, kind 6, a number of bytes, 13 with its bits, the end, and zeros.
    let packet = |sound: &str, head: &str, bytes: usize| {
        let bits = format!("{sound}110{head}1101{}111", "01100101".repeat(bytes)[4..].to_owned());
        let mut packet = vec![0; bits.len().div_ceil(8)];
        for (at, bit) in bits.bytes().enumerate() {
            packet[at / 8] |= (bit - b'0') << (7 - at % 8);
        }
        packet
    };
    assert!(aac::ends_in_high_band(&packet("0010010", "1001", 9)));
    assert!(aac::ends_in_high_band(&packet("01", "111100010101", 15 + 0x15 - 1)));
    assert!(!aac::ends_in_high_band(&packet("0010010", "1001", 10)));
    assert!(!aac::ends_in_high_band(&[]));
    assert!(!aac::ends_in_high_band(&[0; 40]));
}

#[test]
fn an_index_that_claims_more_than_there_is_takes_no_memory() {
    let sizes = TONE.windows(4).position(|part| part == b"stsz").unwrap();
    for (count, why) in [
        (u32::MAX, "its index claims more packets than four days of sound have"),
        (1 << 22, "its index is cut off"),
    ] {
        let mut bytes = TONE.to_vec();
        bytes[sizes + 12..sizes + 16].copy_from_slice(&count.to_be_bytes());
        let text = refusal(&bytes);
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn packets_that_no_encoder_makes_are_refused_before_any_is_read() {
    let sizes = TONE.windows(4).position(|part| part == b"stsz").unwrap();
    let mut bytes = TONE.to_vec();
    bytes[sizes + 8..sizes + 12].copy_from_slice(&(2_u32 << 20).to_be_bytes());
    let text = refusal(&bytes);
    assert!(text.contains("its index claims 2097152 bytes a packet"), "{text}");
}

#[test]
fn a_packet_that_cannot_be_decoded_is_silence_of_its_length() {
    let sound = TONE.windows(4).position(|part| part == b"mdat").unwrap() + 4;
    let mut bytes = TONE.to_vec();
    // The second of three: a part of a kind that is none.
    bytes[sound + 0x187..sound + 0x187 + 8].fill(0x55);
    let played = play(&bytes);
    assert_eq!((played.samples.len(), played.damaged), (1_500, 1));
}
