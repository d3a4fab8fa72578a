use super::*;
use crate::format::Format;
use crate::soundless::played::{play, refusal, try_play};

/// A quarter of a second of 441 Hz at −12 dBFS, 44,100 Hz mono, with the encoder's tag.
const TONE: &[u8] = include_bytes!("tone.mp3");

/// An MP3 packet of silence: MPEG 1, 44,100 Hz stereo, of the bitrate with this number.
fn silent_packet(bitrate: u8) -> Vec<u8> {
    silent(&[0xff, 0xfb, bitrate << 4, 0])
}

/// A packet of silence with this header.
fn silent(header: &[u8; 4]) -> Vec<u8> {
    let mut packet = vec![0; Header::parse(header).unwrap().bytes];
    packet[..4].copy_from_slice(header);
    packet
}

/// Where the packets of [`TONE`] begin, its tag's among them, and its end.
fn packets() -> Vec<usize> {
    let mut at = (0..TONE.len()).find(|at| begins(&TONE[*at..], 4).is_some()).unwrap();
    let mut places = vec![at];
    while let Some(header) = TONE.get(at..).and_then(Header::parse) {
        at += header.bytes;
        places.push(at);
    }
    places
}

#[test]
fn a_tone_comes_out_as_it_was_without_what_the_encoder_added() {
    let played = play(TONE);
    assert_eq!(played.format, Format { sample_rate: 44_100, channels: 1 });
    assert_eq!((played.frames_total, played.samples.len()), (Some(11_025), 11_025));
    assert_eq!(played.damaged, 0);
    // 441 Hz has 100 frames to a period: a sample and the one 50 later cancel out.
    for pair in played.samples[1_000..10_000].windows(51) {
        assert!((pair[0] + pair[50]).abs() < 0.02);
    }
    let peak = played.samples[1_000..10_000].iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    assert!((crate::format::dbfs(peak) + 12.0).abs() < 0.5, "{peak}");
}

#[test]
fn files_joined_end_to_end_are_heard_each_as_long_as_it_was() {
    let one = play(TONE).samples;
    let tag = b"ID3\x04\0\0\0\0\0\x04abcd";
    let old_tag = [b"TAG", &[b'x'; 125][..]].concat();
    for between in [&[][..], tag, &old_tag] {
        let both = play(&[TONE, between, TONE].concat());
        assert_eq!(both.samples.len(), 2 * one.len());
        assert!(both.samples[..one.len()] == one && both.samples[one.len()..] == one);
        assert_eq!(both.damaged, 0);
    }
}

#[test]
fn a_tag_that_counts_too_few_packets_ends_nothing() {
    let at = TONE.windows(4).position(|four| four == b"Info" || four == b"Xing").unwrap();
    let mut bytes = TONE.to_vec();
    bytes[at + 8..at + 12].copy_from_slice(&2_u32.to_be_bytes());
    assert!(play(&bytes).samples == play(TONE).samples);
}

#[test]
fn a_file_that_is_cut_off_plays_what_is_there() {
    let whole = play(TONE).samples;
    let part = play(&TONE[..TONE.len() / 2]).samples;
    assert!(!part.is_empty() && whole.starts_with(&part));
}

#[test]
fn a_packet_that_cannot_be_read_is_as_long_in_silence_and_what_follows_is_in_time() {
    let whole = play(TONE).samples;
    let places = packets();
    let mut bytes = TONE.to_vec();
    // Its header, so that it is none at all.
    bytes[places[5]..places[5] + 2].fill(0x55);
    let played = play(&[&bytes[..], TONE].concat());
    assert_eq!(played.samples.len(), 2 * whole.len());
    assert!(played.samples[whole.len()..] == whole);
    // With the packet those are silent whose bits stood in it.
    assert!((1..9).contains(&played.damaged), "{}", played.damaged);
    let peak = played.samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!(peak < 0.3, "nothing is louder than the tone: {peak}");
}

#[test]
fn a_change_from_stereo_to_mono_and_of_the_rate_is_heard_at_its_right_pitch() {
    let tone = play(TONE).samples;
    let silence = silent_packet(9).repeat(10);
    let played = play(&[&silence[..], TONE].concat());
    assert_eq!(played.format, Format { sample_rate: 44_100, channels: 2 });
    assert_eq!(played.samples.len(), 2 * (11_520 + tone.len()));
    for (pair, sample) in played.samples[2 * 11_520..].chunks(2).zip(&tone) {
        assert_eq!(pair, [*sample; 2]);
    }
    // At 48,000 Hz, the tone has 108.84 frames to a period.
    let faster = silent(&[0xff, 0xfb, 0x94, 0]).repeat(10);
    let played = play(&[&faster[..], TONE].concat());
    assert_eq!(played.format.sample_rate, 48_000);
    let left: Vec<f32> = played.samples.chunks(2).map(|pair| pair[0]).collect();
    assert_eq!(left.len(), 11_520 + 12_000);
    let sound = &left[left.len() - 11_000..left.len() - 1_000];
    let crossings = sound.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
    assert!((90..=93).contains(&crossings), "{crossings}");
}

#[test]
fn an_mp3_that_gets_quieter_on_bits_is_not_cut_where_its_start_would_end_it() {
    let mut bytes = silent_packet(14).repeat(2);
    bytes.extend(silent_packet(1).repeat(50));
    let played = play(&bytes);
    assert_eq!((played.frames_total, played.samples.len()), (None, 2 * 1_152 * 52));
}

#[test]
fn channels_with_windows_of_their_own_are_played() {
    // Joint stereo in which the second channel of each granule has a window of type 1.
    let mut packet = silent_packet(9);
    packet[3] = 0x60;
    for granule in 0..2 {
        // 20 bits stand in front, and 59 for each channel: 33 of them before the window's.
        let bit = 32 + 20 + granule * 118 + 59 + 33;
        for set in [bit, bit + 2] {
            packet[set / 8] |= 0x80 >> (set % 8);
        }
    }
    let bytes = [silent_packet(9), packet].concat().repeat(10);
    let played = play(&bytes);
    assert_eq!((played.samples.len(), played.damaged), (2 * 1_152 * 20, 0));
}

#[test]
fn what_stands_in_front_and_behind_is_no_sound() {
    let whole = play(TONE).samples;
    let ape =
        [&b"APETAGEX\xd0\x07\0\0\x28\0\0\0\x01\0\0\0\0\0\0\xa0"[..], &[0; 8], &[b'x'; 40]].concat();
    for front in [&ape[..], &[0; 200_000], &[0x20; 3_000]] {
        assert!(play(&[front, TONE].concat()).samples == whole);
    }
    let behind = [b"LYRICSBEGIN", &[b'x'; 300][..], b"000311LYRICS200TAG", &[b'z'; 125]].concat();
    assert!(play(&[TONE, &behind].concat()).samples == whole);
}

#[test]
fn the_free_format_is_called_by_its_name() {
    let mut packet = vec![0; 626];
    packet[..4].copy_from_slice(&[0xff, 0xfb, 0, 0]);
    let text = refusal(&packet.repeat(20));
    assert!(text.contains("it is an MP3 file in the free format, which is not known"), "{text}");
}

#[test]
fn a_video_with_mp3_in_it_is_no_mp3() {
    let video = [b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2mp41\0\0\0\x08free", TONE].concat();
    assert!(
        try_play(&video).err().unwrap().contains("its end is missing, and the index of its sound")
    );
}
