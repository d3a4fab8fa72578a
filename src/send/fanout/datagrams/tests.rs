use super::*;
use crate::codec::Codec;
use crate::codec::pcm::Dither;
use crate::wire::FLAG_BROKEN;
use crate::wire::datagram::{FromServer, MAX_DATAGRAM, SEAL_ROOM, restore};

const RATE: u32 = 48_000;
const SECOND: u64 = 1_000_000;
const ALL: Parities = Parities { of_four: true, of_two: true };

fn heard(stream: u8) -> DatagramLog {
    let mut log = DatagramLog::new(stream, RATE);
    log.hear(ALL);
    log
}

/// A frame of 480 stereo frames whose samples count up, captured at number × 10 ms.
fn frame(number: u64) -> AudioFrame {
    let header =
        AudioHeader { flags: 0, frames: 480, position: number * 480, captured_us: number * 10_000 };
    let samples: Vec<f32> = (0..960).map(|sample| (number * 960 + sample) as f32).collect();
    AudioFrame::float32(header, &samples)
}

/// What a listener reads of a datagram.
fn read(bytes: &[u8]) -> Piece<'_> {
    match FromServer::read(bytes) {
        Some(FromServer::Sound(piece)) => piece,
        other => panic!("{other:?} instead of sound"),
    }
}

fn all(log: &DatagramLog) -> Vec<Piece<'_>> {
    (log.first()..log.end()).map(|number| read(&log.get(number).unwrap().bytes)).collect()
}

#[test]
fn a_chunk_of_any_codec_is_cut_between_frames_and_nothing_of_it_is_lost() {
    for channels in [1_usize, 2, 3, 8] {
        for codec in [Codec::Float32, Codec::Int24, Codec::Int16] {
            for frames in [1_u32, 16, 333, 480, 1024, 8192] {
                let header = AudioHeader {
                    flags: FLAG_BROKEN,
                    frames,
                    position: 777,
                    captured_us: 5 * SECOND,
                };
                let samples = vec![0.25; frames as usize * channels];
                let whole =
                    AudioFrame::pcm(codec, header, &samples, &mut Dither::default()).unwrap();
                let mut log = heard(3);
                log.push(&whole, SECOND);
                let pieces = all(&log);
                let joined: Vec<u8> =
                    pieces.iter().flat_map(|piece| piece.payload).copied().collect();
                assert_eq!(joined, whole.plain().1, "{codec} × {channels}");
                let longest = pieces.iter().map(|piece| piece.header.frames).max().unwrap();
                let mut next = 777;
                for (index, piece) in pieces.iter().enumerate() {
                    assert_eq!((piece.stream, piece.number), (3, index as u32));
                    assert_eq!(piece.header.position, next);
                    let into = (next - 777) as f64 * 1e6 / f64::from(RATE);
                    let captured = (piece.header.captured_us - 5 * SECOND) as f64;
                    assert!((captured - into).abs() <= 1.0, "{captured} µs, not {into}");
                    assert_eq!(piece.header.flags, if index == 0 { FLAG_BROKEN } else { 0 });
                    assert!(index + 1 == pieces.len() || piece.header.frames == longest);
                    next += u64::from(piece.header.frames);
                }
                assert_eq!(next, 777 + u64::from(frames));
                let bytes = log.kept.iter().map(|kept| kept.bytes.len()).max().unwrap();
                assert!(bytes <= MAX_DATAGRAM - SEAL_ROOM, "{bytes}");
            }
        }
    }
}

#[test]
fn a_packet_of_opus_is_one_datagram() {
    let mut log = heard(5);
    let header = AudioHeader { flags: 0, frames: 960, position: 0, captured_us: 0 };
    for length in [0, 1, 320, opus::MAX_ENCODED] {
        let codec = Codec::parse("opus:128").unwrap();
        log.push(&AudioFrame::new(codec, header, length, |payload| payload.fill(7)), SECOND);
    }
    let lengths: Vec<_> = all(&log).iter().map(|piece| piece.payload.len()).collect();
    assert_eq!(lengths, [0, 1, 320, opus::MAX_ENCODED]);
}

#[test]
fn nothing_is_cut_before_somebody_hears_it_and_numbers_go_on_when_somebody_does_again() {
    let mut log = DatagramLog::new(0, RATE);
    log.push(&frame(0), SECOND);
    assert_eq!((log.first(), log.end()), (0, 0));
    log.hear(Parities::NONE);
    log.push(&frame(1), SECOND);
    assert_eq!((log.first(), log.end()), (0, 4));
    log.set_heard(false, Parities::NONE);
    assert_eq!((log.first(), log.end(), log.get(0).is_some()), (4, 4, false));
    log.push(&frame(2), SECOND);
    log.hear(Parities::NONE);
    log.push(&frame(3), SECOND);
    assert_eq!(all(&log)[0].number, 4);
    assert_eq!(all(&log)[0].header.position, 3 * 480);
}

#[test]
fn what_is_older_than_a_listener_could_use_is_forgotten_and_so_is_more_than_thousands() {
    let mut log = heard(0);
    for number in 0..2_000 {
        log.push(&frame(number), SECOND);
        assert!(log.kept.len() <= 4 * 101, "a second of sound");
    }
    assert!(log.get(log.first()).unwrap().captured_us >= 1_999 * 10_000 - SECOND);
    for number in 2_000..4_000 {
        log.push(&frame(number), u64::MAX);
        assert!(log.kept.len() <= MAX_KEPT);
    }
    assert_eq!(log.kept.len(), MAX_KEPT);
}

#[test]
fn each_datagram_is_found_by_the_lower_half_of_its_number_as_long_as_it_is_there() {
    let mut log = heard(0);
    // The half that is on the wire begins anew after two days of float32.
    log.first = (1 << 32) - 6;
    for number in 0..3 {
        log.push(&frame(number), SECOND);
    }
    for number in log.first()..log.end() {
        let (found, datagram) = log.again(number as u32).unwrap();
        assert_eq!(found, number);
        assert_eq!(read(&datagram.bytes).number, number as u32);
    }
    for low in [log.end() as u32, log.first() as u32 - 1, 1 << 31, u32::MAX / 2] {
        assert!(log.again(low).is_none(), "{low}");
    }
}

#[test]
fn parity_of_each_two_restores_either_of_them() {
    let mut log = heard(0);
    log.push(&frame(0), SECOND);
    log.push(&frame(1), SECOND);
    assert!(log.get(0).unwrap().pair.is_none(), "nothing is before it");
    for last in 1..log.end() {
        let pair = log.get(last).unwrap().pair.clone().unwrap();
        let (one, other) = (&log.get(last - 1).unwrap().bytes, &log.get(last).unwrap().bytes);
        assert_eq!(restore(&pair, &[one]).as_deref(), Some(&other[..]));
        assert_eq!(restore(&pair, &[other]).as_deref(), Some(&one[..]));
    }
}

#[test]
fn parity_of_each_four_restores_any_one_of_them() {
    let mut log = heard(0);
    log.push(&frame(0), SECOND);
    log.push(&frame(1), SECOND);
    for last in [3, 7] {
        let parity = log.get(last).unwrap().parity.clone().unwrap();
        let four: Vec<_> = (last - 3..=last).map(|n| log.get(n).unwrap().bytes.clone()).collect();
        for missing in 0..4 {
            let others: Vec<&[u8]> =
                (0..4).filter(|n| *n != missing).map(|n| &four[n][..]).collect();
            let restored = restore(&parity, &others).unwrap();
            assert_eq!(restored, four[missing][..]);
        }
    }
    assert!((0..8).filter(|n| n % 4 != 3).all(|n| log.get(n).unwrap().parity.is_none()));
    let mut without = DatagramLog::new(0, RATE);
    without.hear(Parities::NONE);
    without.push(&frame(0), SECOND);
    assert!(without.get(3).unwrap().parity.is_none());
    assert_eq!(PARITY_OF, 4);
}

/// Packets of Opus, one after the other from packet `first` on, as an encoder makes them: of many lengths.
fn packets(kbps: u16, first: u64, count: u64) -> Vec<AudioFrame> {
    let codec = Codec::Opus(crate::codec::Bitrate::nearest(kbps));
    let usual = u64::from(kbps) * 1_000 / 8 / 50;
    let packet = |number: u64| {
        let header = AudioHeader {
            flags: 0,
            frames: 960,
            position: number * 960,
            captured_us: number * 20_000,
        };
        let length = (usual * 9 / 10 + number * 37 % (usual / 5)) as usize;
        AudioFrame::new(codec, header, length, |payload| {
            payload.fill(number as u8);
            payload[0] = 0xfc;
        })
    };
    (first..first + count).map(packet).collect()
}

#[test]
fn what_may_wait_fills_datagrams_which_end_at_places_that_all_know() {
    for (kbps, each) in [(64, 6), (96, 4), (128, 3), (192, 2), (256, 1)] {
        let mut log = heard(5);
        log.let_wait(100_000);
        // The first of all begins within what one would be.
        for packet in packets(kbps, 1, 600) {
            log.push(&packet, u64::MAX);
        }
        let pieces = all(&log);
        let mut next = 960;
        for piece in &pieces {
            assert_eq!(piece.header.position, next);
            assert_eq!(piece.header.captured_us, next * 1_000_000 / 48_000);
            assert_eq!(opus::check_packet(piece.payload, piece.header.frames), Ok(()));
            next += u64::from(piece.header.frames);
            assert!(next.is_multiple_of(each * 960), "{kbps} kbit/s, {next}");
        }
        assert_eq!(pieces.len() as u64, 601 / each - u64::from(each == 1));
    }
}

#[test]
fn samples_that_may_wait_fill_datagrams_too() {
    let piece = |number: u64, codec| {
        let header = AudioHeader {
            flags: 0,
            frames: 128,
            position: number * 128,
            captured_us: number * 2_667,
        };
        let samples = vec![number as f32 / 100.0; 256];
        AudioFrame::pcm(codec, header, &samples, &mut Dither::default()).unwrap().into_piece()
    };
    for (codec, frames) in [(Codec::Int16, 256), (Codec::Float32, 128)] {
        let mut log = heard(2);
        log.let_wait(37_500);
        let pushed: Vec<AudioFrame> = (0..40).map(|number| piece(number, codec)).collect();
        pushed.iter().for_each(|piece| log.push(piece, SECOND));
        let pieces = all(&log);
        assert!(pieces.iter().all(|piece| piece.header.frames == frames), "{codec}");
        let joined: Vec<u8> = pieces.iter().flat_map(|piece| piece.payload).copied().collect();
        let whole: Vec<u8> = pushed.iter().flat_map(|piece| piece.plain().1).copied().collect();
        assert_eq!(joined, whole);
    }
}

#[test]
fn what_does_not_follow_does_not_wait_with_what_came_before() {
    let mut log = heard(5);
    log.let_wait(100_000);
    let mut packets = packets(128, 0, 9);
    packets.remove(4);
    packets.iter().for_each(|packet| log.push(packet, SECOND));
    let frames: Vec<u32> = all(&log).iter().map(|piece| piece.header.frames / 960).collect();
    assert_eq!(frames, [3, 1, 1, 3]);
    // Nothing waits for what does not come.
    log.push(&self::packets(128, 9, 1)[0], SECOND);
    assert_eq!(log.end(), 4);
    log.let_go();
    assert_eq!((log.end(), all(&log)[4].header.frames), (5, 960));
}

#[test]
fn a_listener_begins_where_a_frame_and_a_datagram_end() {
    let mut log = heard(5);
    assert_eq!(log.border(1_234, 960), 1_234);
    log.let_wait(100_000);
    packets(128, 0, 4).iter().for_each(|packet| log.push(packet, SECOND));
    for (position, border) in [(0, 0), (960, 2_880), (2_880, 2_880), (3_840, 5_760)] {
        assert_eq!(log.border(position, 960), border);
    }
}
