use super::*;
use crate::format::Format;
use crate::sound::mixdown::Position;
use crate::soundless::flac_writer::flac;
use crate::soundless::played::{as_floats, play, refusal};

fn ramp(frames: i16) -> Vec<i16> {
    (0..frames).flat_map(|n| [n, -n]).collect()
}

#[test]
fn flac_comes_out_sample_by_sample() {
    let samples = ramp(5_000);
    let played = play(&flac(44_100, 2, &samples, 1_024));
    assert_eq!(played.format, Format { sample_rate: 44_100, channels: 2 });
    assert_eq!((played.frames_total, played.damaged), (Some(5_000), 0));
    assert!(played.samples == as_floats(&samples));
}

#[test]
fn what_follows_the_last_block_takes_nothing_from_it() {
    let samples = ramp(3_000);
    let bytes = flac(44_100, 2, &samples, 1_024);
    for behind in [&b"TAG"[..], &[0; 1_000], b"APETAGEX", &[0xff; 700], b"\xff"] {
        let played = play(&[&bytes, behind].concat());
        assert!(played.samples == as_floats(&samples), "{behind:x?}");
    }
    let joined = play(&[&bytes[..], &bytes].concat());
    assert!(joined.samples == as_floats(&samples.repeat(2)) && joined.damaged == 0);
}

#[test]
fn the_sizes_in_the_header_are_a_hint_and_no_more() {
    let samples = ramp(3_000);
    for sizes in [[0, 0, 4, 0], [0; 4], [16, 0, 0, 0], [0x12, 0, 0x10, 0], [0, 16, 0, 16]] {
        let mut bytes = flac(44_100, 2, &samples, 1_024);
        bytes[8..12].copy_from_slice(&sizes);
        assert!(play(&bytes).samples == as_floats(&samples), "{sizes:?}");
    }
}

#[test]
fn a_damaged_block_is_silent_and_what_follows_is_in_time() {
    let samples = ramp(5_000);
    let mut bytes = flac(44_100, 2, &samples, 1_000);
    bytes[10_000] ^= 0x55;
    let mut expected = samples;
    expected[2 * 2_000..2 * 3_000].fill(0);
    let played = play(&bytes);
    assert!(played.samples == as_floats(&expected));
    assert_eq!(played.damaged, 1);
}

#[test]
fn a_file_that_is_cut_off_plays_what_is_there() {
    let samples = ramp(5_000);
    let bytes = flac(44_100, 2, &samples, 1_000);
    let played = play(&bytes[..bytes.len() - 5_000]);
    assert!(played.samples == as_floats(&samples[..2 * 3_000]));
}

#[test]
fn a_tag_says_what_the_channels_are() {
    let samples: Vec<i16> = (0..4 * 100).collect();
    let bytes = flac(48_000, 4, &samples, 50);
    let comment = b"\x04\0\0\x30\x08\0\0\0somebody\x01\0\0\0\x28\0\0\0WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x0107";
    let size = comment.len() as u8 - 4;
    let mut comment = comment.to_vec();
    comment[3] = size;
    comment[0] |= 0x80;
    let mut tagged = [&bytes[..42], &comment, &bytes[42..]].concat();
    tagged[4] &= 0x7f;
    let played = play(&tagged);
    assert!(played.samples == as_floats(&samples));
    assert_eq!(played.layout.positions()[2..], [Position::FrontCentre, Position::BackCentre]);
    assert_eq!(play(&bytes).layout, Layout::usual(4));
}

#[test]
fn a_header_that_lies_is_refused() {
    let bytes = flac(44_100, 2, &ramp(100), 50);
    let mut rate_0 = bytes.clone();
    rate_0[18..21].copy_from_slice(&[0, 0, 0x02]);
    assert!(refusal(&rate_0).contains("it is damaged: its header claims 0 samples a second"));
    assert!(refusal(&bytes[..30]).contains("it is damaged: it ends before its sound begins"));
    assert!(refusal(&bytes[..42]).contains("it is damaged: nothing in it can be decoded"));
}

#[test]
fn blocks_that_never_end_do_not_cost_more_the_longer_the_file_is() {
    // Heads of the largest blocks, each right in itself, and nothing behind them.
    let mut head = vec![0xff, 0xf9, 0x79, 0x7e, 0, 0xff, 0xfe];
    head.push(crate::recording::crc(&head, 8, 0x07) as u8);
    assert!(Header::parse(&head).is_some());
    let mut bytes = flac(44_100, 2, &ramp(100), 50);
    bytes.extend(head.repeat(1_000_000));
    let begun = std::time::Instant::now();
    let played = play(&bytes);
    assert!(played.samples == as_floats(&ramp(100)));
    assert!(begun.elapsed() < std::time::Duration::from_secs(20), "{:?}", begun.elapsed());
}
