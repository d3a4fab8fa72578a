//! An hour of sound for Icecast, in seconds: a connection that breaks twice, a network that stalls, and packets that are
//! lost on their way here. A player reads all that was sent.

mod player;

use super::*;
use crate::chance::Chance;
use crate::codec::{Bitrate, Codec};
use crate::format::Format;
use crate::icecast::pages::About;
use crate::icecast::retry::Retry;
use crate::wire::{AudioHeader, FLAG_BROKEN};
use player::Player;

const S: u64 = 1_000_000;
const MINUTE: u64 = 60 * S;

const REQUEST: &[u8] = b"PUT /x\r\n\r\n";

/// So long the server takes to consent, in µs.
const CONSENT_US: u64 = 30_000;

/// One packet in so many is lost before it is sent.
const LOST: u64 = 9_973;

/// Where the server's positions begin.
const BEGIN: u64 = 123_456;

/// What the network takes in a packet's time at most, in bytes: more than there is.
const MOST_TAKEN: u64 = 4_096;

/// The network stalls once in so many packets, no longer than this, in µs: just short of being given up.
const STALLS: f64 = 1.0 / 2_000.0;
const LONGEST_STALL_US: u64 = 3 * S;

/// What an hour may hold at most of what is on its way, in bytes: what waits for a stalled network, twice over as a
/// buffer grows.
const MOST_HELD: usize = 256 * 1024;

/// Packets that can be in a page that is not complete, and what comes while the end of a connection is seen, in µs.
const IN_PAGE_US: u64 = 100_000;

fn about() -> About {
    About { format: Format { sample_rate: 48_000, channels: 2 }, name: "n".into() }
}

/// A packet that tells its number, of any length: those of 255 and 510 bytes have a segment of their own behind them.
fn packet(number: u64) -> Vec<u8> {
    let length = 20 + number.wrapping_mul(7_919) % 500;
    let mut packet = vec![number as u8; length as usize];
    packet[0] = 0xfc;
    packet[1..9].copy_from_slice(&number.to_le_bytes());
    packet
}

fn is_lost(number: u64) -> bool {
    number % LOST == LOST - 1
}

/// A connection, and a server at its other end.
struct Connection {
    session: Session,
    consents_us: u64,
    has_consented: bool,
    stalls_until_us: u64,
    /// Bytes of the request that the server has not read yet.
    asked: usize,
}

struct Hour {
    frames: u64,
    now_us: u64,
    chance: Chance,
    retry: Retry,
    connection: Option<Connection>,
    /// From when on something listens at the server's port.
    is_there_us: u64,
    connections: u32,
    refusals: u32,
    player: Player,
    /// The number of each stream's first packet.
    firsts: Vec<u64>,
    /// The next packet begins another stream.
    begins: bool,
    most_held: usize,
}

impl Hour {
    fn new(frames: u64) -> Self {
        Self {
            frames,
            now_us: 0,
            chance: Chance::new(frames),
            retry: Retry::default(),
            connection: None,
            is_there_us: 0,
            connections: 0,
            refusals: 0,
            player: Player::new(frames),
            firsts: Vec::new(),
            begins: false,
            most_held: 0,
        }
    }

    /// What the thread does in a turn: it connects, or reads and writes.
    fn turn(&mut self) {
        let now_us = self.now_us;
        let Some(connection) = &mut self.connection else {
            if now_us < self.retry.due_us() {
            } else if now_us < self.is_there_us {
                self.refusals += 1;
                self.retry.failed(&Fault::Refused, false, now_us);
            } else {
                let pages = Pages::new(about(), self.chance.bits() as u32);
                let session = Session::new(Zeroizing::new(REQUEST.to_vec()), pages, now_us);
                self.connections += 1;
                self.player.connect();
                self.connection = Some(Connection {
                    session,
                    consents_us: now_us + CONSENT_US,
                    has_consented: false,
                    stalls_until_us: 0,
                    asked: REQUEST.len(),
                });
            }
            return;
        };
        connection.session.mind(now_us).unwrap();
        if now_us >= connection.consents_us && !connection.has_consented {
            connection.has_consented = true;
            connection.session.read(b"HTTP/1.1 100 Continue\r\n\r\n", now_us).unwrap();
            self.begins = true;
        }
        if let Some(for_us) = connection.session.sends_for_us(now_us) {
            self.retry.works(for_us);
        }
        if self.chance.takes(STALLS) {
            connection.stalls_until_us = now_us + self.chance.bits() % LONGEST_STALL_US;
        }
        if now_us >= connection.stalls_until_us {
            let takes = (self.chance.bits() % MOST_TAKEN) as usize;
            connection.write(takes, &mut self.player);
        }
        let held = connection.session.out.capacity() + connection.session.made.len() * 16;
        self.most_held = self.most_held.max(held);
    }

    fn give(&mut self, number: u64, position: u64, flags: u8) {
        let Some(connection) = self.connection.as_mut().filter(|one| one.has_consented) else {
            return;
        };
        if is_lost(number) {
            return;
        }
        if std::mem::take(&mut self.begins) {
            self.firsts.push(number);
        }
        let packet = packet(number);
        let frames = self.frames as u32;
        let header = AudioHeader { position, captured_us: self.now_us, flags, frames };
        let frame =
            AudioFrame::new(Codec::Opus(Bitrate::default()), header, packet.len(), |bytes| {
                bytes.copy_from_slice(&packet);
            });
        connection.session.sound(&frame, self.now_us);
    }

    /// The connection breaks; the server is there again after so long. Packets that were given and never came.
    fn breaks(&mut self, away_us: u64, number: u64) -> u64 {
        let connection = self.connection.take().unwrap();
        self.is_there_us = self.now_us + away_us;
        let fault = connection.session.hung_up();
        assert!(self.retry.failed(&fault, true, self.now_us).is_some(), "it is said");
        number - self.player.streams.last().unwrap().next
    }
}

impl Connection {
    fn write(&mut self, takes: usize, player: &mut Player) {
        let waiting = self.session.waiting();
        let written = &waiting[..takes.min(waiting.len())];
        let of_request = self.asked.min(written.len());
        self.asked -= of_request;
        player.hear(&written[of_request..]);
        let count = written.len();
        self.session.wrote(count);
    }
}

#[test]
fn an_hour_of_sound_with_two_breaks_comes_whole_in_order_and_right_to_the_sample() {
    for frames in [960, 480] {
        let (packet_us, mut hour) = (frames * 1_000 / 48, Hour::new(frames));
        let count = 60 * MINUTE / packet_us;
        let mut leapt = 0;
        let mut torn = Vec::new();
        for number in 0..count {
            hour.now_us = number * packet_us;
            let mut flags = 0;
            match hour.now_us {
                at if at == 10 * MINUTE => torn.push(hour.breaks(0, number)),
                at if at == 40 * MINUTE => torn.push(hour.breaks(3 * S, number)),
                at if at == 50 * MINUTE => {
                    // The card was another: the way here is the same, the stream is not.
                    (flags, leapt, hour.begins) = (FLAG_BROKEN, 12_345, true);
                }
                _ => {}
            }
            hour.turn();
            hour.give(number, BEGIN + number * frames + leapt, flags);
        }
        let connection = hour.connection.as_mut().unwrap();
        connection.session.end(hour.now_us);
        connection.write(usize::MAX, &mut hour.player);

        assert_eq!(
            (hour.connections, hour.refusals),
            (3, 4),
            "0.25, 0.75, 1.75 and 2.75 s after the second break"
        );
        let streams = &hour.player.streams;
        let firsts: Vec<u64> = streams.iter().map(|stream| stream.first).collect();
        assert_eq!(firsts, hour.firsts, "each begins with the first packet that was given");
        let [first, second, third, last] = &streams[..] else { panic!("{streams:?}") };
        // A connection that breaks ends where it breaks, but for what had not left.
        for (stream, ends, torn) in [(first, 10, torn[0]), (second, 40, torn[1])] {
            assert_eq!(stream.next + torn, ends * MINUTE / packet_us);
            assert!(!stream.has_ended);
            assert!(torn * packet_us <= LONGEST_STALL_US + 5 * IN_PAGE_US, "{torn} packets");
        }
        // One that goes on loses nothing, at whatever place.
        assert!(third.has_ended && last.has_ended);
        assert_eq!((third.next, last.first), (50 * MINUTE / packet_us, third.next));
        assert_eq!(last.next, count);
        assert_eq!(third.serial.wrapping_add(1), last.serial);
        for stream in streams {
            let lost = (stream.first..stream.next).filter(|number| is_lost(*number)).count();
            assert_eq!(stream.concealed, lost as u64);
        }
        let away_us = [(second, 10), (third, 40)]
            .map(|(stream, broke)| stream.first * packet_us - broke * MINUTE);
        assert!(away_us[0] <= S / 4 + CONSENT_US + 2 * packet_us, "{away_us:?}");
        assert!(away_us[1] <= 4 * S, "{away_us:?}");
        assert!(hour.most_held < MOST_HELD, "{} bytes", hour.most_held);
        println!("{frames}: {torn:?} packets torn, {away_us:?} µs away, {} held", hour.most_held);
    }
}
