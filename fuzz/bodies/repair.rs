//! Sound that comes by datagram and by TCP: whatever comes, in whatever order. What leaves is bounded,
//! made up for a tenth of a second at most, and never before its time.

use auralync::codec::Codec;
use auralync::format::Format;
use auralync::recv::repair::{Deadline, Release, Repair};
use auralync::wire::AudioHeader;
use auralync::wire::datagram::{MAX_STRETCHES, Piece, STRETCH, kind};

use super::input::Input;
use super::watch::Body;

/// What waits, and what is kept for parity.
pub const BODY: Body = Body { name: "repair", run, most_bytes: 2 << 20, tries: 2_000 };

const FORMAT: Format = Format { sample_rate: 8_000, channels: 1 };

/// Frames that are made up at most.
const LONGEST: u64 = 800;

/// What leaves for one datagram at most: all that may wait, and what is made up before it.
const MOST_AT_ONCE: usize = 3_000;

struct Listener {
    repair: Repair,
    now_us: u64,
    number: u32,
    position: u64,
    /// Frames in a row that were made up.
    made_up: u64,
}

fn run(data: &[u8]) {
    let mut input = Input(data);
    let repair = Repair::new(FORMAT, Codec::Int16);
    let now_us = 1_000_000;
    let mut listener = Listener { repair, now_us, number: u32::MAX - 20, position: 0, made_up: 0 };
    while let Some(what) = input.byte() {
        listener.happens(what, &mut input);
        listener.releases();
    }
}

impl Listener {
    fn happens(&mut self, what: u8, input: &mut Input<'_>) {
        let much = u32::from(what >> 4);
        match what & 15 {
            0..=4 => {
                self.sound(self.number, self.position, 0, much + 1);
                self.number = self.number.wrapping_add(1);
                self.position += u64::from(much + 1);
            }
            // Lost.
            5 => {
                self.number = self.number.wrapping_add(much);
                self.position += u64::from(much) * 8;
            }
            6 | 7 => {
                let back = input.small() as u32;
                let position = self.position.saturating_sub(u64::from(back) * 8);
                self.sound(self.number.wrapping_sub(back), position, 0, much + 1);
            }
            8 => self.sound(input.any() as u32, input.any(), input.small() as u8, much + 1),
            9 => {
                let header = AudioHeader {
                    flags: u8::from(much & 1 == 1),
                    frames: much + 1,
                    position: self.position.saturating_sub(input.small()),
                    captured_us: 0,
                };
                self.repair.frame(header, &vec![0; (much + 1) as usize * 2]);
            }
            10 => {
                let mut bytes = input.take(much as usize * 8).to_vec();
                if let Some(first) = bytes.first_mut() {
                    *first = kind::SOUND;
                }
                self.repair.datagram(&bytes, self.now_us);
            }
            11 => {
                let of_two = much & 8 != 0;
                let first = self.number.wrapping_sub(much) & if of_two { !0 } else { !3 };
                let mut bytes = vec![kind::PARITY, 0, 2, 0];
                bytes.extend_from_slice(&first.to_be_bytes());
                bytes.extend_from_slice(input.take(2));
                bytes.extend_from_slice(&[if of_two { 2 } else { 0 }, 0]);
                bytes.extend_from_slice(input.take(40));
                bytes.resize(bytes.len().max(32), 0);
                self.repair.parity(2, first, &bytes, self.now_us);
            }
            12 | 13 => self.now_us += input.large(),
            14 => self.repair.answered(input.any(), self.now_us),
            _ => {
                let at_us = self.now_us.saturating_add(input.large());
                // A player reads where sound lies, and positions lie below 2⁶².
                let position = input.any() >> 2;
                let deadline = Deadline { position, at_us, rate_hz: 8_000 };
                let deadline = Some(deadline).filter(|_| much > 0);
                self.repair.expect_by(deadline, input.any());
            }
        }
    }

    fn sound(&mut self, number: u32, position: u64, flags: u8, frames: u32) {
        let header = AudioHeader { flags, frames, position, captured_us: 0 };
        let payload = vec![number as u8; frames as usize * 2];
        let piece = Piece { stream: 2 + (flags & 0x40), number, header, payload: &payload };
        let bytes = piece.datagram().expect("a short piece");
        self.repair.datagram(&bytes, self.now_us);
    }

    fn releases(&mut self) {
        let mut count = 0;
        while let Some(release) = self.repair.next(self.now_us) {
            count += 1;
            assert!(count < MOST_AT_ONCE, "it never ends");
            match release {
                Release::Piece(piece) => {
                    assert_eq!(piece.payload.len(), piece.header.frames as usize * 2);
                    self.made_up = 0;
                }
                Release::Missing { frames, .. } => {
                    self.made_up += u64::from(frames);
                    assert!(frames > 0 && self.made_up <= LONGEST, "{}", self.made_up);
                }
            }
        }
        while let Some((_, wanted)) = self.repair.ask(self.now_us) {
            assert!(!wanted.numbers.is_empty());
            assert!(wanted.numbers.len() <= MAX_STRETCHES * STRETCH as usize);
            assert!(wanted.again.len() <= wanted.numbers.len());
        }
        let counts = self.repair.counts();
        assert_eq!(counts.lost, counts.repaired + counts.restored + counts.missing);
        let due_us = self.repair.due_us(self.now_us);
        assert!(
            due_us.is_none_or(|due_us| due_us > self.now_us),
            "it would never rest: {due_us:?} at {}",
            self.now_us
        );
        let _ = self.repair.wants_parity(self.now_us);
    }
}
