//! What players make of the pages.

use std::io::Cursor;

use ogg::PacketReader;

use super::*;
use crate::codec::Bitrate;
use crate::codec::opus::{Encoder, FilePackets, Layout};

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };
const LONG: Layout = Layout { frames: 960, delay: 312, is_constant: false };

fn pages() -> Pages {
    Pages::new(About { format: STEREO, name: "Küche".into() }, u32::MAX)
}

fn at(position: u64, frames: u32, flags: u8) -> AudioHeader {
    AudioHeader { position, captured_us: 0, flags, frames }
}

/// Packets of a tone of 440 Hz.
fn tone(layout: Layout, count: usize) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(layout, 2, Bitrate::default()).unwrap();
    let frames = layout.frames as usize;
    let packet = |number: usize| {
        let sample = |at: usize| (at as f32 * 440.0 * std::f32::consts::TAU / 48e3).sin() * 0.3;
        let sound: Vec<f32> =
            (number * frames..(number + 1) * frames).flat_map(|at| [sample(at); 2]).collect();
        encoder.encode(&sound).unwrap().to_vec()
    };
    (0..count).map(packet).collect()
}

/// One stream, as a player finds it.
#[derive(Debug, Default, PartialEq)]
struct Found {
    serial: u32,
    packets: Vec<Vec<u8>>,
    /// The granule of each page with sound in it.
    granules: Vec<u64>,
    has_ended: bool,
}

fn found(bytes: &[u8]) -> Vec<Found> {
    let mut reader = PacketReader::new(Cursor::new(bytes.to_vec()));
    let mut all: Vec<Found> = Vec::new();
    while let Ok(Some(packet)) = reader.read_packet() {
        if packet.first_in_stream() {
            assert_eq!(packet.data, headers::head(2, PRE_SKIP, 48_000));
            assert!(
                all.last().is_none_or(|last| last.has_ended),
                "one stream ends before the next"
            );
            let tags = reader.read_packet().unwrap().unwrap();
            let title = "TITLE=Küche".as_bytes();
            assert!(tags.data.windows(title.len()).any(|part| part == title));
            assert!(packet.last_in_page() && tags.last_in_page());
            all.push(Found { serial: packet.stream_serial(), ..Found::default() });
            continue;
        }
        let stream = all.last_mut().unwrap();
        assert_eq!(stream.serial, packet.stream_serial());
        if packet.last_in_page() {
            stream.granules.push(packet.absgp_page());
        }
        stream.has_ended |= packet.last_in_stream();
        stream.packets.push(packet.data);
    }
    all
}

#[test]
fn the_first_packet_goes_at_once_and_then_a_page_has_a_tenth_of_a_second() {
    for (frames, in_a_page) in [(960, 5), (480, 10), (240, 20)] {
        let layout = Layout { frames, delay: 120, is_constant: false };
        let (mut pages, mut out, mut lengths) = (pages(), Vec::new(), Vec::new());
        for (number, packet) in tone(layout, 41).iter().enumerate() {
            pages.take(&at(7 + number as u64 * u64::from(frames), frames, 0), packet, &mut out);
            lengths.push(out.len());
        }
        let grown: Vec<usize> =
            (0..40).filter(|number| lengths[*number] < lengths[*number + 1]).collect();
        let expected: Vec<usize> =
            (0..40).filter(|number| number % in_a_page == in_a_page - 1).collect();
        assert!(lengths[0] > 0);
        assert_eq!(grown, expected, "packets of {frames}");
    }
}

#[test]
fn granules_count_all_frames_from_the_first_on_wherever_the_server_stands() {
    let (mut pages, mut out) = (pages(), Vec::new());
    let packets = tone(LONG, 100);
    for (number, packet) in packets.iter().enumerate() {
        // The first has a break before it, as every stream's first may: there is nothing to break.
        let flags = if number == 0 { FLAG_BROKEN } else { 0 };
        pages.take(&at(123_456 + number as u64 * 960, 960, flags), packet, &mut out);
    }
    pages.end(&mut out);
    let streams = found(&out);
    let [stream] = &streams[..] else { panic!("{streams:?}") };
    assert_eq!(stream.packets[..100], packets[..]);
    let mut expected: Vec<u64> = (0..20).map(|page| 960 + page * 4_800).collect();
    // The last page ends where the sound does: its packet is cut off whole.
    expected.push(96_000);
    assert_eq!(stream.granules, expected);
    assert!(stream.has_ended && stream.packets.len() == 101);
    pages.end(&mut out);
    assert_eq!(found(&out).len(), 1, "what has ended does not end again");
}

#[test]
fn a_gap_of_whole_packets_is_concealed_and_keeps_all_that_follows_in_its_place() {
    let (mut pages, mut out) = (pages(), Vec::new());
    let packets = tone(LONG, 50);
    for (number, packet) in
        packets.iter().enumerate().filter(|(number, _)| !(20..23).contains(number))
    {
        pages.take(&at(number as u64 * 960, 960, 0), packet, &mut out);
    }
    pages.end(&mut out);
    let streams = found(&out);
    let [stream] = &streams[..] else { panic!("{streams:?}") };
    assert_eq!(stream.packets.len(), 51);
    assert_eq!(stream.granules.last(), Some(&48_000));
    let mut decoder = FilePackets::new(2).unwrap();
    let mut sound = Vec::new();
    for (number, packet) in stream.packets.iter().enumerate() {
        assert!(decoder.decode(packet, &mut sound), "{number}");
        assert_eq!(sound.len(), 2 * 960, "{number}");
        assert_eq!(packet.len() == 1, (20..23).contains(&number) || number == 50);
    }
}

#[test]
fn a_break_and_a_leap_end_one_stream_and_begin_the_next() {
    let packets = tone(LONG, 4);
    for (leap, flags, streams) in [
        (0, FLAG_BROKEN, 2),
        (480, 0, 2),    // no whole packet
        (48_960, 0, 2), // too long to be filled
        (48_000, 0, 1), // filled
        (u64::MAX / 4, 0, 2),
    ] {
        let (mut pages, mut out) = (pages(), Vec::new());
        pages.take(&at(0, 960, 0), &packets[0], &mut out);
        pages.take(&at(960, 960, 0), &packets[1], &mut out);
        pages.take(&at(1_920 + leap, 960, flags), &packets[2], &mut out);
        pages.take(&at(2_880 + leap, 960, 0), &packets[3], &mut out);
        pages.end(&mut out);
        let all = found(&out);
        assert_eq!(all.len(), streams, "{leap}");
        assert!(all.iter().all(|stream| stream.has_ended));
        if let [first, second] = &all[..] {
            assert_eq!((first.serial, second.serial), (u32::MAX, 0), "numbers differ");
            assert_eq!(
                (first.granules.last(), second.granules.last()),
                (Some(&1_920), Some(&1_920))
            );
            assert_eq!(second.packets[..2], packets[2..]);
        }
    }
}

#[test]
fn another_stream_of_sound_is_one_here_too_wherever_it_begins_and_has_its_own_channels() {
    let packets = tone(LONG, 4);
    let (mut pages, mut out) = (pages(), Vec::new());
    pages.begin_anew(STEREO, &mut out);
    assert!(out.is_empty(), "there is nothing to end");
    pages.take(&at(9_600, 960, 0), &packets[0], &mut out);
    let before = out.len();
    pages.begin_anew(Format { channels: 1, sample_rate: 44_100 }, &mut out);
    assert_eq!(found(&out).len(), 1);
    assert!(out.len() > before, "the first ends at once");
    let first = out.len();
    // Its positions are its own: these would be what was there already, and what follows.
    pages.take(&at(8_640, 960, 0), &packets[1], &mut out);
    let mut reader = PacketReader::new(Cursor::new(out[first..].to_vec()));
    let head = reader.read_packet().unwrap().unwrap();
    assert_eq!(head.data, headers::head(1, PRE_SKIP, 44_100));
    assert_eq!(head.stream_serial(), 0, "the number behind the first's");
}

#[test]
fn what_was_sent_already_is_left_out_and_a_leap_back_begins_anew() {
    let packets = tone(LONG, 4);
    let (mut pages, mut out) = (pages(), Vec::new());
    for position in [100_000, 100_960, 100_000, 100_960, 101_920] {
        pages.take(&at(position, 960, 0), &packets[0], &mut out);
    }
    pages.take(&at(102_880, 960, 0), &[], &mut out);
    pages.take(&at(102_880, 0, 0), &packets[0], &mut out);
    pages.take(&at(0, 960, 0), &packets[0], &mut out);
    pages.end(&mut out);
    let streams = found(&out);
    let lengths: Vec<_> = streams.iter().map(|stream| stream.granules.last()).collect();
    assert_eq!(lengths, [Some(&2_880), Some(&960)]);
}
