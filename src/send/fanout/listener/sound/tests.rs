use std::io::{self, IoSlice};

use proptest::prelude::*;

use super::super::tests::{ask_for_datagrams, that_may_take_datagrams};
use super::*;
use crate::wire::AudioHeader;
use crate::wire::datagram::{FromServer, Parities};

const FRAMES: u64 = 120;
const STEP_US: u64 = 10_000;
const KEEP_US: u64 = u64::MAX / 2;

/// Half a frame, as it goes by datagram.
fn piece(number: u64) -> AudioFrame {
    let (position, captured_us) = (number * FRAMES / 2, number * STEP_US / 2);
    let header = AudioHeader { flags: 0, frames: FRAMES as u32 / 2, position, captured_us };
    AudioFrame::float32(header, &[(number / 2) as f32; FRAMES as usize / 2]).into_piece()
}

/// A frame of two pieces whose samples say where it belongs and whose it is.
fn frame(number: u64, is_own: bool) -> AudioFrame {
    let (position, captured_us) = (number * FRAMES, number * STEP_US);
    let header = AudioHeader { flags: 0, frames: FRAMES as u32, position, captured_us };
    let sample = number as f32 + if is_own { 0.5 } else { 0.0 };
    AudioFrame::float32(header, &[sample; FRAMES as usize])
}

/// A server's side of one listener, and all that this listener has got.
struct Line {
    listener: Listener,
    log: Log,
    cut: DatagramLog,
    /// What has come by TCP: position and whether it is the listener's own.
    by_tcp: Vec<(u64, bool)>,
    by_datagram: Vec<(u64, bool)>,
    unread: Vec<u8>,
    /// Pieces that have been made, and those of them that have been offered to be cut: none while nobody
    /// hears any, and those of the past as soon as somebody does.
    made: u64,
    offered: u64,
    is_cut: bool,
}

impl Line {
    /// Where sound may wait for `wait_us`, four pieces are one datagram.
    fn new(wait_us: u64) -> Self {
        let log = Log::new(1_000);
        let listener = that_may_take_datagrams(&log);
        let (by_tcp, by_datagram) = (Vec::new(), Vec::new());
        let mut cut = DatagramLog::new(0, 48_000);
        cut.let_wait(wait_us);
        let (unread, made, offered, is_cut) = (Vec::new(), 0, 0, false);
        Self { listener, log, cut, by_tcp, by_datagram, unread, made, offered, is_cut }
    }

    /// The next piece is made, and with the second the frame.
    fn push_half(&mut self) {
        self.made += 1;
        if self.is_cut {
            let from = self.offered.max(self.made.saturating_sub(8));
            (from..self.made).for_each(|number| self.cut.push(&piece(number), KEEP_US));
            self.offered = self.made;
        }
        if self.made.is_multiple_of(2) {
            self.log.push(frame(self.made / 2 - 1, false));
        }
    }

    /// The next frame is made.
    fn push(&mut self) {
        (0..2).for_each(|_| self.push_half());
    }

    fn ask(&mut self, now_us: u64) {
        ask_for_datagrams(&mut self.listener, now_us);
    }

    /// The first position that has not come.
    fn lacks(&self) -> u64 {
        let mut had: Vec<u64> = self.positions().collect();
        had.sort_unstable();
        had.dedup();
        let half = FRAMES / 2;
        (0..).find(|n| had.get(*n as usize) != Some(&(n * half))).unwrap() * half
    }

    /// Where each half of a frame that has come begins.
    fn positions(&self) -> impl Iterator<Item = u64> {
        let halves = |(position, _): &(u64, bool)| [*position, position + FRAMES / 2];
        let by_datagram = self.by_datagram.iter().map(|(position, _)| *position);
        self.by_tcp.iter().flat_map(halves).chain(by_datagram)
    }

    fn back_to_tcp(&mut self, from: u64, now_us: u64) {
        let wish = wire::Path { datagrams: Some(false), from: Some(from), codec: None };
        self.listener.take_path(&wish, &self.log, now_us);
    }

    /// Hands out what is due, of which TCP takes as many bytes as there is `room`.
    fn write(&mut self, now_us: u64, mut room: usize) {
        let pace = Pace { now_us, max_age_us: u64::MAX / 2, bytes_per_second: 192_000 };
        let Self { listener, log, cut, by_datagram, unread, .. } = self;
        listener.turn_to_datagrams(log, cut);
        self.is_cut = listener.is_by_datagram();
        listener.give_datagrams(log, cut, pace, |_, bytes| {
            let Some(FromServer::Sound(piece)) = FromServer::read(bytes) else { panic!() };
            let half = FRAMES / 2;
            for at in 0..u64::from(piece.header.frames) / half {
                by_datagram.push((piece.header.position + at * half, is_own(piece.payload)));
            }
        });
        listener.turn_to_own(log);
        let log = Own::read_or(listener.own.as_ref(), log);
        let send = |slices: &[IoSlice<'_>]| {
            let count = room.min(slices[0].len());
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            room -= count;
            unread.extend_from_slice(&slices[0][..count]);
            Ok(count)
        };
        listener.outbox.write(log, now_us, u64::MAX / 2, send).unwrap();
        let whole = 28 + FRAMES as usize * 4;
        while self.unread.len() >= whole {
            let (header, payload) = AudioHeader::split(&self.unread[5..whole]).unwrap();
            self.by_tcp.push((header.position, is_own(payload)));
            self.unread.drain(..whole);
        }
    }
}

fn is_own(payload: &[u8]) -> bool {
    let sample = f32::from_le_bytes(payload[..4].try_into().unwrap());
    sample.fract() > 0.0
}

fn rises(got: &[(u64, bool)]) -> bool {
    got.windows(2).all(|pair| pair[0].0 < pair[1].0)
}

#[test]
fn who_begins_right_after_the_last_listener_left_misses_nothing_of_what_was_forgotten_then() {
    // Pieces that were cut for the last listener reach further than the frames, and do not come again.
    for ahead in 0..4 {
        for is_pushed_unheard in [false, true] {
            let mut line = Line::new(0);
            line.cut.hear(Parities::NONE);
            line.is_cut = true;
            (0..20 + ahead).for_each(|_| line.push_half());
            line.write(0, usize::MAX);
            line.cut.set_heard(false, Parities::NONE);
            if is_pushed_unheard {
                // On its way from the encoder meanwhile.
                line.is_cut = true;
                line.push_half();
            }
            line.ask(1_000_000);
            for _ in 0..20 {
                line.write(1_000_000, usize::MAX);
                line.push_half();
            }
            assert!(line.by_datagram.len() > 10);
            let mut had: Vec<u64> = line.positions().collect();
            let count = had.len();
            had.sort_unstable();
            had.dedup();
            assert_eq!(had.len(), count, "nothing twice");
            assert!(had.windows(2).all(|pair| pair[1] - pair[0] == FRAMES / 2), "{had:?}");
        }
    }
}

/// What somebody does between two frames.
fn turns() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![8 => Just(0_u8), 1 => Just(1), 1 => Just(2)], 80)
}

proptest! {
    #[test]
    fn sound_that_changes_its_way_has_no_gap_and_no_way_repeats_itself(
        turns in turns(),
        rooms in prop::collection::vec(0..1_500_usize, 80),
        wait_us in prop_oneof![Just(0), Just(10_000)],
    ) {
        let mut line = Line::new(wait_us);
        for number in 0..80_u64 {
            // Turns are far apart: a way that was left rests for a while.
            let now_us = number * 1_000_000;
            line.push_half();
            match turns[number as usize] {
                1 => line.ask(now_us),
                2 => line.back_to_tcp(line.lacks(), now_us),
                _ => {}
            }
            let had: Vec<u64> = line.positions().collect();
            let before = line.by_datagram.len();
            line.write(now_us, rooms[number as usize]);
            for (position, _) in &line.by_datagram[before..] {
                prop_assert!(!had.contains(position), "{position} has come");
            }
        }
        line.push();
        line.cut.let_go();
        line.write(80_000_000, usize::MAX);
        prop_assert_eq!(line.lacks(), 41 * FRAMES);
        prop_assert!(rises(&line.by_tcp) && rises(&line.by_datagram));
    }

    #[test]
    fn sound_that_becomes_a_listeners_own_on_any_way_has_no_gap_and_nothing_twice(
        turns in turns(),
        first in 0..60_u64,
        late in 0..6_u64,
        early in prop::collection::vec(prop::bool::ANY, 80),
        wait_us in prop_oneof![Just(0), Just(10_000)],
    ) {
        let mut line = Line::new(wait_us);
        for number in 0..80_u64 {
            let now_us = number * 1_000_000;
            line.push_half();
            // Whoever goes back to TCP within a frame gets the whole of it, half of it twice.
            if early[number as usize] && turns[number as usize] != 2 {
                line.write(now_us, usize::MAX);
            }
            line.push_half();
            if let Some(ready) = number.checked_sub(late).filter(|ready| *ready >= first) {
                line.listener.hear_own(frame(ready, true), 1_000, 48_000, KEEP_US);
            }
            match turns[number as usize] {
                1 => line.ask(now_us),
                2 => line.back_to_tcp(line.lacks(), now_us),
                _ => {}
            }
            line.write(now_us, usize::MAX);
        }
        line.cut.let_go();
        line.write(80_000_000, usize::MAX);
        let own = line.by_tcp.iter().chain(&line.by_datagram).filter(|(_, is_own)| *is_own);
        let turned = own.map(|(position, _)| *position).min();
        let common = line.by_tcp.iter().chain(&line.by_datagram).filter(|(_, is_own)| !is_own);
        prop_assert!(common.map(|(position, _)| *position).max() < turned, "and it stays so");
        let mut all: Vec<u64> = line.positions().collect();
        all.sort_unstable();
        let last = (80 - late) * FRAMES;
        prop_assert!(all.windows(2).all(|pair| pair[1] == pair[0] + FRAMES / 2), "{:?}", all);
        prop_assert!(line.lacks() >= last.min(80 * FRAMES));
    }
}

#[test]
fn who_says_that_half_of_a_frame_is_missing_gets_the_whole_frame_by_tcp() {
    let mut line = Line::new(0);
    line.ask(0);
    (0..5).for_each(|_| line.push());
    line.write(0, usize::MAX);
    line.push();
    line.write(0, usize::MAX);
    assert_eq!(line.by_datagram, [(5 * FRAMES, false), (5 * FRAMES + FRAMES / 2, false)]);
    line.back_to_tcp(5 * FRAMES + FRAMES * 5 / 8, 0);
    line.write(0, usize::MAX);
    assert_eq!(line.by_tcp.last(), Some(&(5 * FRAMES, false)));
}

#[test]
fn whoever_asks_for_no_datagram_for_ten_seconds_gets_its_sound_by_tcp_again() {
    let mut line = Line::new(0);
    line.ask(0);
    line.write(0, usize::MAX);
    for number in 0..1_200 {
        line.push();
        let now_us = number * STEP_US;
        line.listener.leave_silent_path(&line.log, now_us, now_us.saturating_sub(80_000));
        line.write(now_us, usize::MAX);
        assert_eq!(line.listener.is_by_datagram(), now_us < 10_000_000, "{now_us}");
    }
    assert_eq!(line.by_tcp.first(), Some(&(992 * FRAMES, false)), "what is still in time");
    assert_eq!(line.by_tcp.last(), Some(&(1_199 * FRAMES, false)));
}

#[test]
fn whoever_hears_by_datagram_is_not_taken_for_stalled_while_it_asks() {
    let mut line = Line::new(0);
    line.listener.wrote(false, true, 0);
    for second in 1..30_u64 {
        line.ask(second * 1_000_000);
        assert_eq!(line.listener.overdue(second * 1_000_000), None);
    }
    assert_eq!(line.listener.overdue(39_000_000), Some(super::super::Overdue::Stalled));
}
