//! Hours of sound by datagram over networks that lose it, and what is missing in the end.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use auralync::codec::Codec;
use auralync::format::Format;
use auralync::recv::repair::{Deadline, Release, Repair};
use auralync::wire::AudioHeader;
use auralync::wire::datagram::{Parities, Piece, parity};

const FORMAT: Format = Format { sample_rate: 48_000, channels: 1 };

/// Frames of a datagram: 5 ms. Position 0 is captured at 0.
const FRAMES: u64 = 240;
const PIECE_US: u64 = 5_000;

/// How much of the playout delay is behind the network, in µs, where there is much and where there is little.
const OUTPUT_US: u64 = 15_000;
const SHORT_OUTPUT_US: u64 = 7_000;

/// A thread that waits for a time wakes at the next whole one of these, in µs.
const WAKES_US: u64 = 1_000;

const TEN_MINUTES_US: u64 = 600_000_000;

/// A network.
#[derive(Debug, Clone, Copy)]
struct Network {
    /// Share of packets that are lost, each way.
    loss: f64,
    /// Nothing gets through for so long in each so long, in µs.
    burst_us: Option<(u64, u64)>,
    round_trip_us: u64,
}

/// What became of the sound.
#[derive(Debug)]
struct Outcome {
    /// Share of the sound that was missing, and stretches of it a minute.
    missing: f64,
    gaps_a_minute: f64,
    /// The longest of them, in ms.
    longest_ms: u64,
    /// Bytes that came or were lost beyond the sound's own, as a share.
    extra: f64,
    duplicates: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Arrives {
    Sound(Vec<u8>),
    Parity(u32, Vec<u8>),
    Ask(u64, Vec<u32>),
    Answer(u64),
}

struct World {
    network: Network,
    seed: u64,
    arriving: BinaryHeap<Reverse<(u64, u64, Arrives)>>,
    sent: u64,
}

impl World {
    fn loses(&mut self, now_us: u64) -> bool {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let chance = (self.seed >> 11) as f64 / (1_u64 << 53) as f64;
        let is_burst =
            self.network.burst_us.is_some_and(|(length, period)| now_us % period < length);
        is_burst || chance < self.network.loss
    }

    fn send(&mut self, now_us: u64, what: Arrives) {
        self.sent += 1;
        if !self.loses(now_us) {
            let at_us = now_us + self.network.round_trip_us / 2;
            self.arriving.push(Reverse((at_us, self.sent, what)));
        }
    }
}

fn datagram(number: u64) -> Vec<u8> {
    let position = number * FRAMES;
    let header =
        AudioHeader { flags: 0, frames: FRAMES as u32, position, captured_us: number * PIECE_US };
    let payload = [number as u8; FRAMES as usize * 2];
    Piece { stream: 2, number: number as u32, header, payload: &payload }.datagram().unwrap()
}

/// Ten minutes of a stream with that playout delay.
fn listen(network: Network, delay_ms: u64, seed: u64) -> Outcome {
    let mut world = World { network, seed, arriving: BinaryHeap::new(), sent: 0 };
    let mut repair = Repair::new(FORMAT, Codec::Int16);
    let output_us = if delay_ms < 50 { SHORT_OUTPUT_US } else { OUTPUT_US };
    let at_us = delay_ms * 1_000 - output_us;
    let deadline = Some(Deadline { position: 0, at_us, rate_hz: FORMAT.sample_rate });
    repair.expect_by(deadline, delay_ms * 1_000);
    let mut log: VecDeque<(u64, Vec<u8>)> = VecDeque::new();
    let (mut number, mut next_send_us, mut keep_us) = (0, PIECE_US, 0);
    let (mut first, mut expected) = (None, 0);
    let (mut missing, mut gaps, mut longest, mut was_missing_until) = (0, 0, 0, u64::MAX);
    let (mut own_bytes, mut extra_bytes, mut run) = (0_u64, 0_u64, 0);
    let mut parities = Parities::NONE;
    let mut now_us = 0;
    while now_us < TEN_MINUTES_US {
        let arrives_us = world.arriving.peek().map(|Reverse((at_us, ..))| *at_us);
        let due_us =
            repair.due_us(now_us).map(|at_us| at_us.max(now_us).next_multiple_of(WAKES_US));
        now_us = [Some(next_send_us), Some(keep_us), arrives_us, due_us]
            .into_iter()
            .flatten()
            .min()
            .unwrap();
        if now_us == next_send_us {
            let bytes = datagram(number);
            own_bytes += bytes.len() as u64;
            log.push_back((number, bytes.clone()));
            world.send(now_us, Arrives::Sound(bytes));
            if parities.of_four && number % 4 == 3 {
                let four = std::array::from_fn(|at| log[log.len() - 4 + at].1.as_slice());
                let bytes = parity::<4>(four);
                extra_bytes += bytes.len() as u64;
                world.send(now_us, Arrives::Parity(number as u32 - 3, bytes));
            }
            if parities.of_two && number > 0 {
                let two = std::array::from_fn(|at| log[log.len() - 2 + at].1.as_slice());
                let bytes = parity::<2>(two);
                extra_bytes += bytes.len() as u64;
                world.send(now_us, Arrives::Parity(number as u32 - 1, bytes));
            }
            while log.len() > 200 {
                log.pop_front();
            }
            (number, next_send_us) = (number + 1, next_send_us + PIECE_US);
        }
        while let Some(Reverse((at_us, ..))) = world.arriving.peek()
            && *at_us <= now_us
        {
            match world.arriving.pop().unwrap().0.2 {
                Arrives::Sound(bytes) => repair.datagram(&bytes, now_us),
                Arrives::Parity(first, bytes) => repair.parity(2, first, &bytes, now_us),
                Arrives::Answer(asked_us) => repair.answered(now_us - asked_us, now_us),
                Arrives::Ask(asked_us, numbers) => {
                    world.send(now_us, Arrives::Answer(asked_us));
                    for wanted in numbers {
                        let there = log.iter().find(|(number, _)| *number as u32 == wanted);
                        if let Some((_, bytes)) = there {
                            extra_bytes += bytes.len() as u64;
                            let bytes = bytes.clone();
                            world.send(now_us, Arrives::Sound(bytes));
                        }
                    }
                }
            }
        }
        while let Some(release) = repair.next(now_us) {
            let (from, to, is_there) = match release {
                Release::Piece(piece) => {
                    let from = piece.header.position;
                    (from, from + u64::from(piece.header.frames), true)
                }
                Release::Missing { position, frames } => {
                    (position, position + u64::from(frames), false)
                }
            };
            assert!(first.is_none() || from >= expected, "{from} after {expected}");
            first.get_or_insert(from);
            let lacks = if is_there { from - expected.max(first.unwrap()) } else { to - expected };
            if lacks > 0 {
                gaps += u64::from(was_missing_until != expected);
                run = if was_missing_until == expected { run + lacks } else { lacks };
                longest = longest.max(run);
                missing += lacks;
                was_missing_until = if is_there { u64::MAX } else { to };
            }
            expected = to;
        }
        while let Some((_, wanted)) = repair.ask(now_us) {
            for numbers in [wanted.numbers, wanted.again] {
                if !numbers.is_empty() {
                    extra_bytes += 36 + numbers.len() as u64 * 8;
                    world.send(now_us, Arrives::Ask(now_us, numbers));
                }
            }
        }
        parities = repair.wants_parity(now_us);
        if now_us == keep_us {
            world.send(now_us, Arrives::Ask(now_us, Vec::new()));
            keep_us += 1_000_000;
        }
    }
    Outcome {
        missing: missing as f64 / expected as f64,
        gaps_a_minute: gaps as f64 / (TEN_MINUTES_US as f64 / 60e6),
        longest_ms: longest * 1_000 / u64::from(FORMAT.sample_rate),
        extra: extra_bytes as f64 / own_bytes as f64,
        duplicates: repair.counts().duplicates,
    }
}

const CLEAN: Network = Network { loss: 0.0, burst_us: None, round_trip_us: 4_000 };
const FIVE: Network = Network { loss: 0.05, ..CLEAN };
const ELEVEN: Network = Network { loss: 0.11, ..CLEAN };
const BURSTS: Network = Network { burst_us: Some((60_000, 3_000_000)), ..CLEAN };
const FAR: u64 = 8_000;

#[test]
fn what_is_lost_over_hours_is_mended_where_there_is_time() {
    // A network, a delay in ms, and the most that may be missing, in gaps a minute, and be sent besides.
    let cases = [
        ("clean", CLEAN, 80, 0.0, 0.001),
        ("5 %", FIVE, 80, 0.0, 0.15),
        ("5 %", FIVE, 300, 0.0, 0.15),
        ("5 %", FIVE, 25, 0.5, 1.30),
        ("11 %", ELEVEN, 80, 0.04, 0.40),
        ("11 %", ELEVEN, 300, 0.0, 0.30),
        ("11 %", ELEVEN, 25, 6.0, 1.40),
        ("5 %, 8 ms", Network { round_trip_us: FAR, ..FIVE }, 80, 0.04, 0.20),
        ("11 %, 8 ms", Network { round_trip_us: FAR, ..ELEVEN }, 80, 0.2, 0.40),
        ("bursts", BURSTS, 80, 20.0, 0.05),
        ("bursts", BURSTS, 300, 0.0, 0.10),
        ("bursts", BURSTS, 25, 20.0, 0.05),
        ("bursts, 5 %", Network { loss: 0.05, ..BURSTS }, 80, 20.0, 0.45),
    ];
    println!("network      delay  missing   gaps/min  longest  extra   twice");
    let mut wrong = Vec::new();
    for (name, network, delay_ms, most_gaps, most_extra) in cases {
        let outcome = listen(network, delay_ms, 1 + delay_ms);
        let Outcome { missing, gaps_a_minute, longest_ms, extra, duplicates } = outcome;
        println!(
            "{name:<12} {delay_ms:>4}  {:>8.5} %  {gaps_a_minute:>7.2}  {longest_ms:>4} ms  {:>5.1} %  {duplicates}",
            missing * 100.0,
            extra * 100.0
        );
        if gaps_a_minute > most_gaps || extra > most_extra {
            wrong.push((name, delay_ms));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
