use proptest::prelude::*;

use super::*;
use crate::wire::datagram::Piece as Datagram;

const STEREO: Format = Format { sample_rate: 48_000, channels: 2 };

/// Frames in a datagram: 2 ms.
const FRAMES: u64 = 96;
const PIECE_US: u64 = 2_000;

/// The stream's number of 16-bit samples.
const STREAM: u8 = 2;

fn header(position: u64, frames: u64) -> AudioHeader {
    let captured_us = position * 1_000_000 / 48_000;
    AudioHeader { flags: 0, frames: frames as u32, position, captured_us }
}

/// Samples that tell their position.
fn ramp(position: u64, frames: u64) -> Vec<u8> {
    (position..position + frames).flat_map(|at| (at as u32).to_be_bytes()).collect()
}

fn datagram(number: u32) -> Vec<u8> {
    at(number, u64::from(number) * FRAMES)
}

fn at(number: u32, position: u64) -> Vec<u8> {
    let payload = ramp(position, FRAMES);
    let header = header(position, FRAMES);
    Datagram { stream: STREAM, number, header, payload: &payload }.datagram().unwrap()
}

fn repair() -> Repair {
    Repair::new(STEREO, Codec::Int16)
}

/// Position 0 is needed at `at_us`.
fn needed(at_us: u64) -> Option<Deadline> {
    Some(Deadline { position: 0, at_us, rate_hz: 48_000 })
}

fn released(repair: &mut Repair, now_us: u64) -> Vec<Release> {
    std::iter::from_fn(|| repair.next(now_us)).collect()
}

/// The stretches that came out: first position, position behind, whether it was there.
fn stretches(repair: &mut Repair, now_us: u64) -> Vec<(u64, u64, bool)> {
    let of = |release: Release| match release {
        Release::Piece(piece) => (piece.header.position, piece.end(), true),
        Release::Missing { position, frames } => (position, position + u64::from(frames), false),
    };
    released(repair, now_us).into_iter().map(of).collect()
}

#[test]
fn without_datagrams_every_frame_passes_at_once_wherever_it_is() {
    let mut repair = repair();
    for position in [0, 512, 1_536, 512, 9_000_000] {
        repair.frame(header(position, 512), &ramp(position, 512));
        assert_eq!(stretches(&mut repair, 0), [(position, position + 512, true)]);
    }
    assert_eq!((repair.due_us(0), repair.ask(0)), (None, None));
}

#[test]
fn a_lost_datagram_is_asked_for_and_what_follows_waits_for_it() {
    let mut repair = repair();
    repair.expect_by(needed(100_000), 100_000);
    for number in [0, 1, 3, 4] {
        repair.datagram(&datagram(number), u64::from(number) * PIECE_US);
    }
    assert_eq!(stretches(&mut repair, 8_000), [(0, 96, true), (96, 192, true)]);
    assert_eq!(repair.ask(8_000).unwrap(), (STREAM, Wanted { numbers: vec![2], again: vec![] }));
    repair.datagram(&datagram(2), 40_000);
    assert_eq!(stretches(&mut repair, 40_000).len(), 3);
    let counts = Counts { datagrams: 5, lost: 1, repaired: 1, ..Counts::default() };
    assert_eq!(repair.counts(), counts);
}

#[test]
fn what_is_missing_when_its_time_comes_is_made_up_and_the_rest_follows() {
    let mut repair = repair();
    repair.expect_by(needed(50_000), 50_000);
    for number in [0, 1, 3] {
        repair.datagram(&datagram(number), u64::from(number) * PIECE_US);
    }
    assert_eq!(stretches(&mut repair, 53_999).len(), 2);
    while repair.ask(53_999).is_some() {}
    assert_eq!(repair.due_us(53_999), Some(54_000));
    assert_eq!(stretches(&mut repair, 54_000), [(192, 288, false), (288, 384, true)]);
    repair.datagram(&datagram(2), 55_000);
    assert_eq!(stretches(&mut repair, 55_000), []);
    let counts = repair.counts();
    assert_eq!((counts.lost, counts.missing, counts.late), (1, 1, 1));
}

#[test]
fn a_hole_that_nothing_follows_is_known_by_the_clock_asked_for_and_made_up_for_a_while() {
    let mut repair = repair();
    repair.expect_by(needed(50_000), 50_000);
    for number in 0..40 {
        repair.datagram(&datagram(number), u64::from(number + 1) * PIECE_US);
        assert_eq!(stretches(&mut repair, u64::from(number + 1) * PIECE_US).len(), 1);
        assert_eq!(repair.ask(u64::from(number + 1) * PIECE_US), None);
    }
    // The next one comes at 82 ms.
    assert_eq!(repair.due_us(80_000), Some(84_000));
    assert_eq!(stretches(&mut repair, 83_999), []);
    assert_eq!(repair.ask(83_999), None);
    assert_eq!(stretches(&mut repair, 84_000), []);
    assert_eq!(repair.ask(84_000).unwrap().1.numbers, [40]);
    let mut made_up = 0;
    for now_us in (84_000..900_000).step_by(1_000) {
        made_up +=
            stretches(&mut repair, now_us).iter().map(|(from, to, _)| to - from).sum::<u64>();
    }
    assert_eq!(made_up, 4_800 / FRAMES * FRAMES, "a tenth of a second");
}

#[test]
fn datagrams_that_follow_frames_of_tcp_wait_for_the_last_of_these() {
    let mut repair = repair();
    repair.expect_by(needed(100_000), 100_000);
    repair.frame(header(0, 480), &ramp(0, 480));
    assert_eq!(stretches(&mut repair, 0), [(0, 480, true)]);
    repair.datagram(&at(70, 960), 12_000);
    assert_eq!(stretches(&mut repair, 12_000), []);
    repair.frame(header(480, 480), &ramp(480, 480));
    assert_eq!(stretches(&mut repair, 13_000), [(480, 960, true), (960, 1_056, true)]);
    assert_eq!((repair.ask(80_000), repair.counts().lost), (None, 0));
}

#[test]
fn what_comes_by_tcp_again_fills_the_gap_and_nothing_is_doubled() {
    let mut repair = repair();
    repair.expect_by(needed(300_000), 300_000);
    for number in [0, 1, 2, 6, 7] {
        repair.datagram(&datagram(number), u64::from(number) * PIECE_US);
    }
    assert_eq!(stretches(&mut repair, 14_000).len(), 3);
    assert_eq!(repair.position(), Some(288));
    repair.frame(header(0, 512), &ramp(0, 512));
    repair.frame(header(512, 512), &ramp(512, 512));
    let came = stretches(&mut repair, 100_000);
    assert_eq!(came, [(0, 512, true), (512, 1_024, true)]);
    assert_eq!(repair.position(), Some(1_024), "the decoder skips what overlaps");
}

#[test]
fn parity_brings_back_one_of_four_once_it_is_wanted() {
    let mut repair = repair();
    repair.expect_by(needed(100_000), 20_000);
    repair.answered(15_000, 0);
    assert!(repair.wants_parity(0).is_any());
    let sent: Vec<_> = (0..4).map(datagram).collect();
    for number in [0, 1, 3] {
        repair.datagram(&sent[number as usize], number * PIECE_US);
    }
    let parity = datagram::parity::<4>(std::array::from_fn(|at| sent[at].as_slice()));
    repair.parity(STREAM, 0, &parity, 9_000);
    assert_eq!(stretches(&mut repair, 9_000).len(), 4);
    assert_eq!((repair.counts().restored, repair.counts().lost), (1, 1));
    repair.datagram(&sent[2], 10_000);
    assert_eq!((stretches(&mut repair, 10_000), repair.counts().duplicates), (vec![], 1));
}

/// A datagram and the parity over it and the one before it.
fn with_its_pair(number: u32) -> (Vec<u8>, Vec<u8>) {
    let sent = datagram(number);
    let pair = datagram::parity([&datagram(number.wrapping_sub(1)), &sent]);
    (sent, pair)
}

#[test]
fn where_there_is_hardly_time_parity_over_two_brings_back_what_is_lost_with_no_ask() {
    let mut repair = repair();
    repair.expect_by(needed(8_000), 25_000);
    repair.answered(4_000, 0);
    assert!(repair.wants_parity(0).of_two, "from the first ask on");
    for number in 1..100 {
        let now_us = u64::from(number) * PIECE_US;
        let (sent, pair) = with_its_pair(number);
        if number % 3 != 2 {
            repair.datagram(&sent, now_us);
        }
        if number % 7 != 3 {
            repair.parity(STREAM, number - 1, &pair, now_us);
        }
        // Both are lost: what follows brings it back.
        let is_there = !(number % 3 == 2 && number % 7 == 3);
        assert_eq!(released(&mut repair, now_us).is_empty(), !is_there, "{number}");
        repair.answered(4_000, now_us);
    }
    let counts = repair.counts();
    assert_eq!((counts.lost, counts.restored, counts.missing), (33, 33, 0));
    assert!(repair.wants_parity(25_000_000).of_two, "something is lost");
}

#[test]
fn holes_want_no_parity_and_what_is_lost_alone_does() {
    for (hole, expected) in [(12, false), (1, true)] {
        let mut repair = repair();
        repair.expect_by(needed(60_000), 80_000);
        let mut number = 0;
        while number < 3_000 {
            let now_us = u64::from(number) * PIECE_US;
            repair.datagram(&datagram(number), now_us);
            let _ = (released(&mut repair, now_us).len(), repair.ask(now_us));
            number += if number % 300 == 200 { 1 + hole } else { 1 };
        }
        assert!(repair.counts().missing >= 9 * u64::from(hole), "{:?}", repair.counts());
        assert_eq!(repair.wants_parity(6_000_000).is_any(), expected, "holes of {hole}");
    }
}

#[test]
fn another_streams_datagrams_go_on_where_the_first_ones_ended() {
    let mut repair = repair();
    repair.expect_by(needed(100_000), 100_000);
    (0..4).for_each(|number| repair.datagram(&datagram(number), 8_000));
    let mut own = at(900, 4 * FRAMES);
    own[2] |= datagram::OWN_STREAM;
    repair.datagram(&own, 10_000);
    repair.datagram(&datagram(4), 10_001);
    let came = stretches(&mut repair, 10_001);
    assert_eq!((came.len(), came[4]), (5, (384, 480, true)));
    assert_eq!(repair.counts().late, 1, "one of the old stream came behind");
}

#[test]
fn another_timeline_is_not_held_up_for_ever_by_what_is_missing_before_it() {
    let mut repair = repair();
    repair.expect_by(needed(50_000), 50_000);
    repair.datagram(&datagram(0), 0);
    let mut broken = at(2, FRAMES);
    broken[1] |= FLAG_BROKEN;
    repair.datagram(&broken, 4_000);
    assert_eq!(stretches(&mut repair, 51_999), [(0, FRAMES, true)]);
    assert_eq!(stretches(&mut repair, 52_000), [(FRAMES, 2 * FRAMES, true)]);
    assert_eq!(repair.counts().missing, 1);
}

#[test]
fn numbers_beyond_all_reason_and_payloads_of_other_lengths_are_refused() {
    let mut repair = repair();
    repair.expect_by(needed(100_000), 100_000);
    repair.datagram(&datagram(0), 0);
    repair.datagram(&datagram(1 << 30), 1_000);
    let mut short = datagram(1);
    short.pop();
    repair.datagram(&short, 1_000);
    repair.datagram(&[], 1_000);
    assert_eq!((repair.counts().refused, stretches(&mut repair, 2_000).len()), (3, 1));
    assert_eq!(repair.ask(2_000), None);
}

#[test]
fn what_waits_is_bounded() {
    let mut repair = repair();
    repair.expect_by(needed(u64::MAX), 0);
    repair.datagram(&datagram(0), 0);
    for number in 2..3_000 {
        repair.datagram(&datagram(number), 1_000);
        let _ = released(&mut repair, 1_000);
    }
    assert!(repair.counts().missing == 1, "{:?}", repair.counts());
    assert_eq!(repair.position(), Some(3_000 * FRAMES));
}

/// What becomes of a datagram: when it comes by itself, and when again, in µs after it was sent.
fn fate() -> impl Strategy<Value = (Option<u64>, Option<u64>)> {
    let late = || prop_oneof![4 => 0_u64..2_000, 1 => 0_u64..50_000];
    (prop::option::weighted(0.8, late()), prop::option::weighted(0.3, late()))
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order_leaves_in_order_once_and_gaps_only_when_time_is_up(
        fates in prop::collection::vec(fate(), 1..200),
        first in any::<u32>(),
    ) {
        let mut arrivals = Vec::new();
        for (n, (alone, again)) in fates.iter().enumerate() {
            for late_us in [alone, again].into_iter().flatten() {
                arrivals.push((n as u64 * PIECE_US + late_us, n as u64));
            }
        }
        arrivals.sort_unstable();
        let there = |n: u64, by_us: u64| arrivals.iter().any(|&(at, which)| which == n && at <= by_us);
        let mut repair = repair();
        let needed_us = 60_000;
        repair.expect_by(needed(needed_us), 80_000);
        let (mut expected, mut at) = (None, 0);
        for now_us in (0..fates.len() as u64 * PIECE_US + 200_000).step_by(500) {
            while let Some(&(_, n)) = arrivals.get(at).filter(|(at_us, _)| *at_us <= now_us) {
                let bytes = self::at(first.wrapping_add(n as u32), n * FRAMES);
                repair.datagram(&bytes, now_us);
                at += 1;
            }
            for (from, to, is_there) in stretches(&mut repair, now_us) {
                let next = *expected.get_or_insert(from);
                prop_assert!(from >= next, "{from} after {next}");
                // What is missing for longer than is made up is passed over.
                let gap = if is_there { next..from } else { next..to };
                for n in gap.start.div_ceil(FRAMES)..gap.end / FRAMES {
                    let due_us = needed_us + n * PIECE_US;
                    prop_assert!(now_us >= due_us, "{n} was given up before its time");
                    prop_assert!(!there(n, due_us - 500), "{n} was there");
                }
                if is_there && from >= FRAMES {
                    prop_assert_eq!(to - from, FRAMES);
                }
                expected = Some(to);
            }
            while repair.ask(now_us).is_some() {}
            prop_assert!(repair.due_us(now_us).is_none_or(|due_us| due_us > now_us));
        }
        let counts = repair.counts();
        prop_assert_eq!(counts.refused, 0);
        prop_assert_eq!(counts.datagrams as usize, arrivals.len());
    }

    #[test]
    fn nothing_that_comes_makes_it_panic_or_grow(
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..100),
        step_us in 0_u64..100_000,
    ) {
        let mut repair = repair();
        let mut now_us = 0;
        for mut bytes in packets {
            if let Some(kind) = bytes.first_mut() {
                *kind = if *kind < 200 { datagram::kind::SOUND } else { *kind };
            }
            repair.datagram(&bytes, now_us);
            repair.parity(STREAM, 0, &bytes, now_us);
            let _ = (released(&mut repair, now_us).len(), repair.ask(now_us), repair.due_us(now_us));
            now_us += step_us;
        }
    }
}
