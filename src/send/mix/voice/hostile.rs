//! What talkers who mean no good can make the mix compute.

use super::*;
use crate::codec::Bitrate;
use crate::codec::opus::{Encoder, Layout};
use crate::wire::AudioHeader;

const MIX: Format = Format { sample_rate: 48_000, channels: 2 };
const START_US: u64 = 1_000_000_000;
const FRAMES: u64 = 10_000;

/// A frame on its way.
type Sent = (AudioHeader, Box<[u8]>);

/// A talker, by the number of a frame and when it comes, in µs.
type Frame<'a> = Box<dyn Fn(u64, u64) -> Sent + 'a>;

/// What a talker sends: how its sound is packed, how far its frames are apart in µs, and the header and
/// payload of each, which comes at that time.
struct Talk<'a> {
    microphone: Microphone,
    every_us: u64,
    frame: &'a dyn Fn(u64, u64) -> Sent,
}

fn microphone(codec: &str) -> Microphone {
    Microphone { codec: codec.into(), rate: 48_000, channels: 1, algorithmic_delay: 0 }
}

/// Processor time that this thread has taken, in µs.
#[cfg(target_os = "linux")]
fn cpu_us() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// The next best thing.
#[cfg(not(target_os = "linux"))]
fn cpu_us() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64() * 1e6
}

/// Processor time that a frame of such a talker takes, in µs, its share of the mix's blocks with it.
fn cost(talk: &Talk<'_>) -> (f64, Counts) {
    let mut voice = Voice::new(&talk.microphone, MIX).unwrap().unwrap();
    let mut players = Players::new(MIX);
    let mut clock = CardClock::told(MIX.sample_rate);
    clock.anchor(0, START_US);
    let mut mixed = 0;
    let mut taken_us = 0.0;
    for n in 0..FRAMES {
        let now_us = START_US + 2_000_000 + n * talk.every_us;
        let (header, payload) = (talk.frame)(n, now_us);
        let spoken = Spoken { header, payload, came_us: now_us };
        let before = cpu_us();
        voice.take(&spoken, 0.0, &mut players).unwrap();
        // Chunks of 2 ms, each as soon as its time is over.
        while START_US + (mixed + 96) * 1_000_000 / 48_000 <= now_us {
            if mixed * 1_000_000 / 48_000 >= 2_000_000 {
                voice.speak(mixed, 96, &clock);
            }
            mixed += 96;
        }
        taken_us += cpu_us() - before;
    }
    (taken_us / FRAMES as f64, voice.counts())
}

/// An honest talker's frames of 10 ms.
fn honest<'a>(codec: &str, payload: &'a [u8]) -> (Microphone, impl Fn(u64, u64) -> Sent + 'a) {
    let frame = move |n: u64, now_us: u64| {
        let captured_us = now_us - 12_000;
        (AudioHeader { flags: 0, frames: 480, position: n * 480, captured_us }, payload.into())
    };
    (microphone(codec), frame)
}

#[test]
fn no_talker_makes_a_frame_cost_much_more_than_an_honest_one() {
    let mut encoder = Encoder::new(Layout::VOICE, 1, Bitrate::nearest(64)).unwrap();
    let wave: Vec<f32> = (0..480).map(|n| (n as f32 * 0.1).sin() * 0.3).collect();
    let opus = encoder.encode(&wave).unwrap().to_vec();
    let pcm = [0x11; 960];
    let cost_of_honest = |codec: &str, payload: &[u8]| {
        let (microphone, frame) = honest(codec, payload);
        cost(&Talk { microphone, every_us: 10_000, frame: &frame }).0
    };
    let (honest_pcm, honest_opus) = (cost_of_honest("s16", &pcm), cost_of_honest("opus", &opus));

    let one = |flags: u8, position: u64, captured_us: u64| {
        (AudioHeader { flags, frames: 1, position, captured_us }, Box::from(&pcm[..2]))
    };
    let small = |flags: u8, position: u64, captured_us: u64| {
        // Silence of 2.5 ms, as Opus packs it.
        (AudioHeader { flags, frames: 120, position, captured_us }, Box::from(&[0xe0_u8, 0, 0][..]))
    };
    let high = 1_u64 << 40;
    let hostile: Vec<(&str, &str, Frame<'_>)> = vec![
        (
            "positions that go backwards, each frame broken off from the last",
            "s16",
            Box::new(|n, now_us| one(FLAG_BROKEN, high - n * 99_999, now_us)),
        ),
        (
            "positions that go backwards, and times that do not",
            "s16",
            Box::new(|n, now_us| one(0, high - n * 99_999, now_us)),
        ),
        (
            "positions that leap ahead",
            "s16",
            Box::new(|n, now_us| one(FLAG_BROKEN, n * 99_999, now_us)),
        ),
        (
            "a pause before every other frame",
            "s16",
            Box::new(|n, now_us| {
                let back_us = if n % 2 == 0 { 300_000 } else { 0 };
                one(0, n * 48 + 48_000 - back_us * 48 / 1_000, now_us - back_us)
            }),
        ),
        (
            "frames that need longer and longer",
            "s16",
            Box::new(|n, now_us| {
                let late_us = 10_000 + n % 900_000;
                one(0, n * 48 + 48_000 - late_us * 48 / 1_000, now_us - late_us)
            }),
        ),
        (
            "a hole behind every sample",
            "s16",
            Box::new(|n, now_us| one(0, n * 48, now_us - 10_000)),
        ),
        (
            "Opus behind gaps of 100 ms",
            "opus",
            Box::new(|n, now_us| {
                // Back to a second ago, and ahead again in steps that are made up for.
                let us = n % 10 * 100_000;
                small(0, n * 48 + us * 48 / 1_000, now_us - 900_000 + us)
            }),
        ),
        (
            "Opus behind gaps that are too long to be made up for",
            "opus",
            Box::new(|n, now_us| {
                let us = n % 8 * 120_000;
                small(0, n * 48 + us * 48 / 1_000, now_us - 900_000 + us)
            }),
        ),
        (
            "Opus that breaks off all the time",
            "opus",
            Box::new(|n, now_us| small(FLAG_BROKEN, n * 48, now_us)),
        ),
    ];
    let mut outcome = String::new();
    let mut worst: f64 = 0.0;
    for (what, codec, frame) in hostile {
        let talk = Talk { microphone: microphone(codec), every_us: 1_000, frame: &frame };
        let (cost_us, counts) = cost(&talk);
        let honest_us = if codec == "opus" { honest_opus } else { honest_pcm };
        let times = cost_us / honest_us;
        worst = worst.max(times);
        outcome += &format!("{what}: {cost_us:.1} µs, {times:.2} × {honest_us:.1}; {counts:?}\n");
    }
    println!("{outcome}");
    assert!(worst <= 5.0, "{outcome}");
}

#[test]
fn a_talker_that_begins_anew_too_often_is_heard_again_when_it_stops_doing_so() {
    let mut voice = Voice::new(&microphone("s16"), MIX).unwrap().unwrap();
    let mut players = Players::new(MIX);
    let mut take = |position: u64, now_us: u64| {
        let captured_us = now_us - 12_000;
        let header = AudioHeader { flags: 0, frames: 480, position, captured_us };
        let spoken = Spoken { header, payload: Box::new([0x11; 960]), came_us: now_us };
        voice.take(&spoken, 0.0, &mut players).unwrap();
        voice.counts().restless
    };
    let leaps = (1..=100).map(|n| take((200 - n) << 30, START_US + n * 1_000)).last();
    assert_eq!(leaps, Some(96), "four of a hundred in a tenth of a second");
    let after = START_US + 1_000_000;
    let dropped: Vec<u64> = (0..100).map(|n| take(n * 480, after + n * 10_000)).collect();
    assert!(dropped.iter().all(|count| *count == 96), "{dropped:?}");
}
