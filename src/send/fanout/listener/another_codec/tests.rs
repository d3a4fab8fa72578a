use std::io::{self, IoSlice};

use proptest::prelude::*;

use super::super::super::Pace;
use super::super::tests::{ask_for_datagrams, that_may_take_datagrams};
use super::*;
use crate::wire::datagram::{FromServer, Parities};
use crate::wire::{AudioFrame, AudioHeader, Switch, kind};

const RATE: u32 = 48_000;
const KEEP_US: u64 = u64::MAX / 2;

/// Frames of the old codec and of the new one: they have hardly a border in common.
const OLD: u64 = 256;
const NEW: u64 = 240;

/// What a listener gets.
#[derive(Debug, Clone, PartialEq)]
enum Got {
    Sound { is_new: bool, position: u64, end: u64 },
    Switch(u64),
}

struct Line {
    listener: Listener,
    logs: [Log; 2],
    cuts: [DatagramLog; 2],
    got: Vec<Got>,
    unread: Vec<u8>,
    turned: u32,
}

impl Line {
    fn new() -> Self {
        let logs = [Log::new(10_000), Log::new(10_000)];
        let listener = that_may_take_datagrams(&logs[0]);
        let mut cuts = [0, 1].map(|stream| DatagramLog::new(stream, RATE));
        cuts.iter_mut().for_each(|cut| cut.hear(Parities::NONE));
        Self { listener, logs, cuts, got: Vec::new(), unread: Vec::new(), turned: 0 }
    }

    fn push(&mut self, which: usize, position: u64) {
        let frames = [OLD, NEW][which];
        let captured_us = position * 1_000_000 / u64::from(RATE);
        let header = AudioHeader { flags: 0, frames: frames as u32, position, captured_us };
        let frame = AudioFrame::float32(header, &vec![which as f32; frames as usize]);
        self.cuts[which].push(&frame, KEEP_US);
        self.logs[which].push(frame);
    }

    fn by_datagram(&mut self) {
        ask_for_datagrams(&mut self.listener, 1_000_000);
    }

    fn write(&mut self, mut room: usize) {
        let Self { listener, logs: [old, new], cuts: [old_cut, new_cut], got, unread, turned } =
            self;
        let say = |from| {
            let codec = "s16".to_owned();
            let (position_rate, algorithmic_delay, chunk_size) = (RATE, 0, 0);
            Switch { codec, from, position_rate, algorithmic_delay, chunk_size }.frame()
        };
        let both = |log, cut| Both { log, cut };
        if listener.turn_to_codec(both(old, old_cut), both(new, new_cut), RATE, say) {
            *turned += 1;
        }
        let is_new = listener.codec == Codec::Int16;
        let (log, cut) = if is_new { (new, new_cut) } else { (old, old_cut) };
        let pace = Pace { now_us: 1_000_000, max_age_us: KEEP_US, bytes_per_second: 192_000 };
        listener.turn_to_datagrams(log, cut);
        listener.give_datagrams(log, cut, pace, |_, bytes| {
            let Some(FromServer::Sound(piece)) = FromServer::read(bytes) else { panic!() };
            got.push(sound(piece.header, piece.payload));
        });
        let send = |slices: &[IoSlice<'_>]| {
            let count = room.min(slices[0].len());
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            room -= count;
            unread.extend_from_slice(&slices[0][..count]);
            Ok(count)
        };
        listener.outbox.write(log, 1_000_000, KEEP_US, send).unwrap();
        while let Some(length) = self.unread.first_chunk() {
            let whole = 4 + (u32::from_be_bytes(*length) & 0x7fff_ffff) as usize;
            if self.unread.len() < whole {
                break;
            }
            let frame: Vec<u8> = self.unread.drain(..whole).collect();
            self.got.push(match frame[4] {
                kind::SWITCH => Got::Switch(Switch::read(&frame[5..]).unwrap().from),
                _ => {
                    let (header, payload) = AudioHeader::split(&frame[5..]).unwrap();
                    sound(header, payload)
                }
            });
        }
    }
}

fn sound(header: AudioHeader, payload: &[u8]) -> Got {
    let AudioHeader { position, frames, .. } = header;
    let is_new = payload.iter().any(|byte| *byte != 0);
    Got::Sound { is_new, position, end: position + u64::from(frames) }
}

/// Checks that each codec's sound follows itself without a gap, that the old one reaches the place,
/// and that the new one is there a little before it. Returns the place.
fn assert_joined(got: &[Got]) -> u64 {
    let of = |wanted: bool| {
        let sounds = got.iter().filter_map(move |got| match got {
            Got::Sound { is_new, position, end } if *is_new == wanted => Some((*position, *end)),
            _ => None,
        });
        let mut sounds = sounds.collect::<Vec<_>>();
        // What was to go by TCP before the first datagram may come behind it.
        sounds.sort_unstable();
        sounds
    };
    let (old, new) = (of(false), of(true));
    for sounds in [&old, &new] {
        assert!(sounds.windows(2).all(|pair| pair[0].1 == pair[1].0), "{sounds:?}");
    }
    let place = got.iter().find_map(|got| if let Got::Switch(at) = got { Some(*at) } else { None });
    let place = place.expect("a word of the place");
    assert!(old.last().unwrap().1 >= place && old.last().unwrap().0 < place, "{place}");
    let warm = u64::from(RATE) * WARM_MS / 1_000;
    let begins = place.saturating_sub(warm);
    assert!(new[0].0 <= begins && new[0].1 > begins, "{place} {:?}", new[0]);
    place
}

proptest! {
    #[test]
    fn whoever_asks_for_another_codec_hears_both_joined_at_one_place(
        asks in 5..40_u64,
        // Further behind than what warms a decoder, a codec is waited for.
        late in 0..1_600_u64,
        is_by_datagram: bool,
        rooms in prop::collection::vec(500..20_000_usize, 150),
    ) {
        let mut line = Line::new();
        let mut made = 0;
        for step in 0..150_u64 {
            line.push(0, step * OLD);
            if step == 2 && is_by_datagram {
                line.by_datagram();
            }
            if step == asks {
                prop_assert!(line.listener.ask_for_codec(Codec::Int16));
            }
            // The encoder begins in the past and catches up.
            while step >= asks && made + NEW + late <= (step + 1) * OLD {
                line.push(1, made);
                made += NEW;
            }
            line.write(rooms[step as usize]);
        }
        // A line that was slow to the end gets through what is left, and then turns.
        (0..3).for_each(|_| line.write(usize::MAX));
        prop_assert_eq!((line.turned, line.listener.awaits()), (1, None));
        assert_joined(&line.got);
        if !is_by_datagram {
            let turn = line.got.iter().position(|got| matches!(got, Got::Switch(_))).unwrap();
            let is_new = |got: &Got| matches!(got, Got::Sound { is_new: true, .. });
            prop_assert!(!line.got[..turn].iter().any(is_new), "frames say nothing of their codec");
            prop_assert!(line.got[turn + 1..].iter().all(is_new));
        }
    }
}

#[test]
fn a_codec_that_is_not_there_yet_and_one_that_is_heard_already_change_nothing() {
    let mut line = Line::new();
    assert!(!line.listener.ask_for_codec(Codec::Float32));
    assert!(line.listener.ask_for_codec(Codec::Int16));
    for step in 0..50 {
        line.push(0, step * OLD);
        line.write(usize::MAX);
    }
    assert_eq!(line.turned, 0);
    assert_eq!(line.listener.codec, Codec::Float32);
    assert_eq!(line.got.len(), 50, "the old one goes on");
}
