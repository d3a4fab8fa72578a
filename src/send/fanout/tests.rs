use std::io;

use proptest::prelude::*;

use super::*;
use crate::wire::{AudioHeader, Notice, Pong, Reason, kind, typed};

const DELAY_US: u64 = 300_000;
const FRAME_US: u64 = 10_000;

/// A frame of 480 mono samples that all equal its number, captured at number × 10 ms.
fn frame(number: u64) -> AudioFrame {
    let header = AudioHeader {
        flags: 0,
        frames: 480,
        position: number * 480,
        captured_us: number * FRAME_US,
    };
    AudioFrame::float32(header, &[number as f32; 480])
}

/// A socket that takes `room` bytes in all.
struct Socket {
    taken: Vec<u8>,
    room: usize,
}

impl Socket {
    fn open() -> Self {
        Self { taken: Vec::new(), room: usize::MAX }
    }

    fn send(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let mut count = 0;
        for slice in slices {
            let take = slice.len().min(self.room);
            self.taken.extend_from_slice(&slice[..take]);
            self.room -= take;
            count += take;
        }
        Ok(count)
    }
}

fn numbers(mut bytes: &[u8]) -> Vec<u64> {
    let mut found = Vec::new();
    while bytes.len() >= 4 {
        let word = u32::from_be_bytes(bytes[..4].try_into().unwrap());
        let size = (word & 0x7fff_ffff) as usize;
        let payload = if word & 0x8000_0000 == 0 {
            Some(&bytes[4..])
        } else {
            (bytes[4] == kind::AUDIO).then(|| &bytes[28..])
        };
        if let Some(payload) = payload {
            found.push(f32::from_le_bytes(payload[..4].try_into().unwrap()) as u64);
        }
        bytes = &bytes[4 + size..];
    }
    assert!(bytes.is_empty(), "half a frame was left on the wire");
    found
}

/// What WebSocket messages hold.
fn unwrapped(mut bytes: &[u8]) -> Vec<u8> {
    let mut held = Vec::new();
    while let [first, second, ..] = bytes {
        assert_eq!(*first, 0x82, "whole binary messages");
        let (header, length) = match second {
            126 => (4, u16::from_be_bytes([bytes[2], bytes[3]]).into()),
            short => (2, usize::from(*short)),
        };
        held.extend(&bytes[header..header + length]);
        bytes = &bytes[header + length..];
    }
    held
}

fn drain(outbox: &mut Outbox, log: &Log, now_us: u64, socket: &mut Socket) -> Stopped {
    outbox.write(log, now_us, DELAY_US, |slices| socket.send(slices)).unwrap()
}

#[test]
fn a_listener_hears_from_the_moment_it_joined() {
    let mut log = Log::new(10);
    (0..5).for_each(|n| log.push(frame(n)));
    let mut outbox = Outbox::plain(Vec::new(), &log, 0);
    (5..8).for_each(|n| log.push(frame(n)));
    let mut socket = Socket::open();
    assert_eq!(drain(&mut outbox, &log, 80_000, &mut socket), Stopped::Empty);
    assert_eq!(numbers(&socket.taken), [5, 6, 7]);
    assert_eq!(outbox.counts().frames, 3);
    assert!(!outbox.has_work(&log));
}

#[test]
fn a_late_joiner_begins_with_the_oldest_sound_that_it_can_still_play() {
    let mut log = Log::new(10);
    (0..5).for_each(|n| log.push(frame(n)));
    let mut outbox = Outbox::websocket(Vec::new());
    outbox.upgrade(Vec::new(), &log, 2 * FRAME_US);
    assert_eq!(outbox.queued(&log), 3);
    (5..7).for_each(|n| log.push(frame(n)));
    let mut socket = Socket::open();
    drain(&mut outbox, &log, 70_000, &mut socket);
    assert_eq!(numbers(&unwrapped(&socket.taken)), [2, 3, 4, 5, 6]);
}

#[test]
fn older_sound_that_comes_for_somebody_else_is_neither_sent_nor_counted() {
    let mut log = Log::new(20);
    let mut plain = Outbox::plain(Vec::new(), &log, 6 * FRAME_US);
    let mut typed = Outbox::websocket(Vec::new());
    typed.upgrade(Vec::new(), &log, 4 * FRAME_US);
    (0..9).for_each(|n| log.push(frame(n)));
    for (outbox, heard) in [(&mut plain, [6, 7, 8].as_slice()), (&mut typed, &[4, 5, 6, 7, 8])] {
        let mut socket = Socket::open();
        // Late enough for the first ones to be too old as well.
        drain(outbox, &log, DELAY_US + 2 * FRAME_US, &mut socket);
        let websocket = outbox.generation == Generation::WebSocket;
        let bytes = if websocket { unwrapped(&socket.taken) } else { socket.taken };
        assert_eq!(numbers(&bytes), heard);
        assert_eq!((outbox.counts().dropped_old, outbox.counts().dropped_full), (0, 0));
    }
}

#[test]
fn at_the_bound_the_oldest_whole_frames_fall_out_and_are_counted() {
    let mut log = Log::new(4);
    let mut outbox = Outbox::plain(Vec::new(), &log, 0);
    (0..10).for_each(|n| log.push(frame(n)));
    assert_eq!(outbox.queued(&log), 4);
    let mut socket = Socket::open();
    drain(&mut outbox, &log, 100_000, &mut socket);
    assert_eq!(numbers(&socket.taken), [6, 7, 8, 9]);
    assert_eq!(outbox.counts().dropped_full, 6);
}

#[test]
fn a_frame_too_old_to_be_heard_is_dropped_when_it_would_be_written() {
    let mut log = Log::new(100);
    let mut outbox = Outbox::plain(Vec::new(), &log, 0);
    (0..10).for_each(|n| log.push(frame(n)));
    let mut socket = Socket::open();
    drain(&mut outbox, &log, DELAY_US + 3 * FRAME_US, &mut socket);
    assert_eq!(numbers(&socket.taken), [3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(outbox.counts().dropped_old, 3);
}

#[test]
fn a_started_frame_is_finished_whatever_its_age() {
    let mut log = Log::new(2);
    let mut outbox = Outbox::plain(Vec::new(), &log, 0);
    log.push(frame(0));
    let mut socket = Socket { taken: Vec::new(), room: 2 };
    assert_eq!(drain(&mut outbox, &log, 0, &mut socket), Stopped::Blocked);
    (1..9).for_each(|n| log.push(frame(n)));
    socket.room = usize::MAX;
    drain(&mut outbox, &log, 90_000, &mut socket);
    assert_eq!(numbers(&socket.taken), [0, 7, 8]);
}

#[test]
fn an_upgrade_finishes_the_started_frame_and_discards_the_queued_ones() {
    let mut log = Log::new(100);
    let mut outbox = Outbox::plain(Vec::new(), &log, 0);
    (0..3).for_each(|n| log.push(frame(n)));
    let mut socket = Socket { taken: Vec::new(), room: 100 };
    drain(&mut outbox, &log, 0, &mut socket);
    outbox.upgrade(typed(kind::WELCOME, b"{}"), &log, 3 * FRAME_US);
    (3..5).for_each(|n| log.push(frame(n)));
    socket.room = usize::MAX;
    drain(&mut outbox, &log, 0, &mut socket);
    assert_eq!(numbers(&socket.taken), [0, 3, 4]);
    let plain = 4 + 480 * 4;
    assert_eq!(socket.taken[plain + 4], kind::WELCOME);
}

#[test]
fn a_hello_that_came_before_the_config_went_out_does_not_swallow_it() {
    let log = Log::new(100);
    let mut outbox = Outbox::plain(b"config".to_vec(), &log, 0);
    outbox.upgrade(b"welcome".to_vec(), &log, 0);
    let mut socket = Socket::open();
    drain(&mut outbox, &log, 0, &mut socket);
    assert_eq!(socket.taken, b"configwelcome");
}

#[test]
fn only_the_newest_ping_is_answered_with_the_time_its_bytes_leave() {
    let log = Log::new(100);
    let mut outbox = Outbox::plain(Vec::new(), &log, 0);
    let mut socket = Socket { taken: Vec::new(), room: 0 };
    outbox.ping(1, 10);
    assert_eq!(drain(&mut outbox, &log, 100, &mut socket), Stopped::Blocked);
    outbox.ping(2, 20);
    assert_eq!(drain(&mut outbox, &log, 200, &mut socket), Stopped::Blocked);
    socket.room = usize::MAX;
    assert_eq!(drain(&mut outbox, &log, 300, &mut socket), Stopped::Empty);
    let pong = Pong { client_us: 2, received_us: 20, sent_us: 300 };
    assert_eq!(socket.taken, pong.frame());
}

#[test]
fn control_goes_before_audio_but_never_into_a_frame() {
    let mut log = Log::new(100);
    let mut outbox = Outbox::plain(Vec::new(), &log, 0);
    outbox.upgrade(typed(kind::WELCOME, b"{}"), &log, 0);
    (0..2).for_each(|n| log.push(frame(n)));
    let mut socket = Socket { taken: Vec::new(), room: 500 };
    drain(&mut outbox, &log, 0, &mut socket);
    outbox.ping(1, 2);
    outbox.notice(&Notice::because(Reason::PlayoutDelay, ""));
    socket.room = usize::MAX;
    drain(&mut outbox, &log, 0, &mut socket);
    assert_eq!(numbers(&socket.taken), [0, 1]);
    let after_first = 7 + 28 + 480 * 4;
    assert_eq!(socket.taken[after_first + 4], kind::PONG);
}

/// An outbox that has been welcomed, whose frames leave together in groups of three.
fn together(log: &Log) -> Outbox {
    let mut outbox = Outbox::plain(Vec::new(), log, 0);
    outbox.upgrade(typed(kind::WELCOME, b"{}"), log, 0);
    outbox.send_together(Together::within(2 * FRAME_US, FRAME_US, 0));
    drain(&mut outbox, log, 0, &mut Socket::open());
    outbox
}

#[test]
fn frames_wait_for_the_last_of_their_group_and_leave_in_one_send() {
    let mut log = Log::new(100);
    let mut outbox = together(&log);
    let mut sends = Vec::new();
    for n in 0..6 {
        log.push(frame(n));
        assert_eq!(outbox.is_due(&log), n % 3 == 2, "frame {n}");
        if outbox.is_due(&log) {
            let send = |slices: &[IoSlice<'_>]| {
                sends.push(slices.len());
                Ok(slices.iter().map(|slice| slice.len()).sum())
            };
            outbox.write(&log, n * FRAME_US, DELAY_US, send).unwrap();
        }
    }
    assert_eq!(sends, [3, 3]);
    assert_eq!(outbox.counts().frames, 6);
}

#[test]
fn what_is_said_waits_for_no_sound_and_takes_along_what_there_is() {
    let mut log = Log::new(100);
    let mut outbox = together(&log);
    log.push(frame(0));
    assert!(!outbox.is_due(&log));
    outbox.ping(1, 2);
    assert!(outbox.is_due(&log));
    let mut socket = Socket::open();
    drain(&mut outbox, &log, 0, &mut socket);
    assert_eq!(socket.taken[4], kind::PONG);
    assert_eq!(numbers(&socket.taken), [0]);
}

#[test]
fn who_has_only_just_come_gets_all_there_is_at_once() {
    let mut log = Log::new(100);
    (0..7).for_each(|n| log.push(frame(n)));
    let mut outbox = together(&log);
    assert_eq!(outbox.counts().frames, 7);
    // The next group is complete with frame 8, whoever came when.
    log.push(frame(7));
    assert!(!outbox.is_due(&log));
    log.push(frame(8));
    assert!(outbox.is_due(&log));
    let mut socket = Socket::open();
    drain(&mut outbox, &log, 0, &mut socket);
    assert_eq!(numbers(&socket.taken), [7, 8]);
}

#[test]
fn the_frames_of_a_first_generation_listener_go_one_by_one_and_at_once() {
    let mut log = Log::new(100);
    let mut outbox = Outbox::plain(Vec::new(), &log, 0);
    outbox.send_together(Together::within(2 * FRAME_US, FRAME_US, 0));
    let mut sends = 0;
    for n in 0..3 {
        log.push(frame(n));
    }
    assert!(outbox.is_due(&log));
    let send = |slices: &[IoSlice<'_>]| {
        assert_eq!(slices.len(), 2, "a length and its payload");
        sends += 1;
        Ok(slices.iter().map(|slice| slice.len()).sum())
    };
    outbox.write(&log, 0, DELAY_US, send).unwrap();
    assert_eq!(sends, 3);
}

#[test]
fn what_is_left_of_a_log_that_another_takes_the_place_of_waits_for_nothing() {
    let mut log = Log::new(100);
    let mut outbox = together(&log);
    log.push(frame(0));
    outbox.end_at(480);
    assert!(outbox.is_due(&log));
    log.push(frame(1));
    let mut socket = Socket::open();
    drain(&mut outbox, &log, 0, &mut socket);
    assert_eq!(numbers(&socket.taken), [0], "and nothing beyond its end");
}

#[test]
fn a_last_word_comes_after_the_started_frame_and_nothing_after_it() {
    let mut log = Log::new(100);
    let mut outbox = Outbox::plain(Vec::new(), &log, 0);
    outbox.upgrade(typed(kind::WELCOME, b"{}"), &log, 0);
    (0..3).for_each(|n| log.push(frame(n)));
    let mut socket = Socket { taken: Vec::new(), room: 100 };
    drain(&mut outbox, &log, 0, &mut socket);
    outbox.finish(&Notice::because(Reason::Stopping, "bye"));
    socket.room = usize::MAX;
    assert_eq!(drain(&mut outbox, &log, 0, &mut socket), Stopped::Finished);
    assert_eq!(numbers(&socket.taken), [0]);
    assert!(socket.taken.ends_with(b"\"text\":\"bye\"}"));
}

#[test]
fn a_plain_listener_is_finished_without_a_word() {
    let log = Log::new(100);
    let mut outbox = Outbox::plain(Vec::new(), &log, 0);
    outbox.finish(&Notice::because(Reason::Stopping, "bye"));
    let mut socket = Socket::open();
    assert_eq!(drain(&mut outbox, &log, 0, &mut socket), Stopped::Finished);
    assert!(socket.taken.is_empty());
}

proptest! {
    /// However the socket chops and blocks and however many frames leave together, what arrives are
    /// whole frames in order, and every frame is either there or counted.
    #[test]
    fn nothing_is_halved_repeated_or_lost_uncounted(
        rooms in prop::collection::vec((0..6000_usize, 0..4_u64), 1..60),
        bound in 1..8_usize,
        framing in 0..3_u8,
        frames_together in 1..5_u64,
        seat in 0..9_usize,
    ) {
        let mut log = Log::new(bound);
        let websocket = framing == 2;
        let mut outbox = if websocket {
            Outbox::websocket(Vec::new())
        } else {
            Outbox::plain(Vec::new(), &log, 0)
        };
        if framing > 0 {
            outbox.upgrade(typed(kind::WELCOME, b"{}"), &log, 0);
        }
        outbox.send_together(Together::within((frames_together - 1) * FRAME_US, FRAME_US, seat));
        let mut socket = Socket { taken: Vec::new(), room: 0 };
        let mut pushed = 0;
        for (room, frames) in rooms {
            for _ in 0..frames {
                log.push(frame(pushed));
                pushed += 1;
            }
            socket.room = room;
            drain(&mut outbox, &log, pushed * FRAME_US, &mut socket);
        }
        socket.room = usize::MAX;
        drain(&mut outbox, &log, pushed * FRAME_US, &mut socket);
        let heard = if websocket { numbers(&unwrapped(&socket.taken)) } else { numbers(&socket.taken) };
        prop_assert!(heard.windows(2).all(|pair| pair[0] < pair[1]));
        let counts = outbox.counts();
        prop_assert_eq!(counts.frames, heard.len() as u64);
        prop_assert_eq!(counts.frames + counts.dropped_full + counts.dropped_old, pushed);
        prop_assert_eq!(counts.bytes as usize, socket.taken.len());
    }
}
