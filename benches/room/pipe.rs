//! The barest way from one card to another: capture callback, ring, output callback.
//!
//! Its delay is set once, by skipping what is too old or waiting for what is too new when both
//! cards have told their times; from then on nothing is steered, and what comes too late is left out.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Instant;

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, HostId, StreamConfig};
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};

use crate::measuring::Result;
use crate::support::room::RATE;
use crate::support::waiting::wait_until;

/// The first argument of a process that is to be a pipe.
pub(crate) const ROLE: &str = "--pipe";

/// What the process says when sound flows at its delay.
pub(crate) const FLOWING: &str = "flowing";

const CHANNELS: usize = 2;
const US_PER_FRAME: i64 = 1_000_000 / RATE as i64;

/// A sound server's first stamps mean nothing.
const IGNORED_STAMPS: usize = 20;

/// Frames between two stamps that count: a callback may be for half a millisecond.
const SPACING: i64 = RATE as i64 / 100;

/// Frames that the output plays in silence, from when the capture's time is known, before the delay
/// is set: both streams have settled by then.
const LEARNING: i64 = RATE as i64;

/// Stamps that the time of a stream is told by.
const STAMPS: usize = 63;

/// When frame 0 of a stream was, or will be, at its card, in µs of one clock.
struct Zero {
    latest: [i64; STAMPS],
    noted: usize,
    next: i64,
    /// The middle one of the latest, for the other callback; [`i64::MAX`] before there is one.
    middle: Arc<AtomicI64>,
}

impl Zero {
    fn new() -> Self {
        let middle = Arc::new(AtomicI64::new(i64::MAX));
        Self { latest: [0; STAMPS], noted: 0, next: 0, middle }
    }

    /// Takes the stamp of a callback whose first frame is `frame`.
    fn note(&mut self, stamp_us: i64, frame: i64) {
        if frame < self.next {
            return;
        }
        self.next = frame + SPACING;
        self.latest[self.noted % STAMPS] = stamp_us - frame * US_PER_FRAME;
        self.noted += 1;
        if self.noted >= STAMPS + IGNORED_STAMPS {
            let mut sorted = self.latest;
            sorted.sort_unstable();
            self.middle.store(sorted[STAMPS / 2], Ordering::Relaxed);
        }
    }
}

/// What [`Zero`] publishes.
fn known(middle: &AtomicI64) -> Option<i64> {
    let zero = middle.load(Ordering::Relaxed);
    (zero != i64::MAX).then_some(zero)
}

/// Runs until stdin closes. Arguments: source, sink, delay in ms, period of each.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let [from, to, delay_ms, capture_period, output_period] = arguments else {
        return Err("a pipe needs source, sink, delay and two periods".into());
    };
    let host = cpal::host_from_id(HostId::PulseAudio)?;
    let device = |name: &str| -> Result<cpal::Device> {
        let id = format!("pulseaudio:{name}").parse()?;
        host.device_by_id(&id).ok_or_else(|| format!("there is no {name}").into())
    };
    let config = |period: &str| -> Result<StreamConfig> {
        let buffer_size = BufferSize::Fixed(period.parse()?);
        Ok(StreamConfig { channels: CHANNELS as u16, sample_rate: RATE, buffer_size })
    };
    let (ring_in, ring_out) = HeapRb::new(RATE as usize * CHANNELS).split();
    let (epoch, flowing) = (Instant::now(), Arc::new(AtomicBool::new(false)));
    let mut input = Input { ring: ring_in, zero: Zero::new(), frame: 0 };
    let mut output = Output {
        ring: ring_out,
        captured: Arc::clone(&input.zero.middle),
        zero: Zero::new(),
        delay_us: delay_ms.parse::<i64>()? * 1000,
        frame: 0,
        taken: 0,
        learnt: 0,
        waiting: None,
        owed: 0,
        flowing: Arc::clone(&flowing),
    };
    let now_us = move || epoch.elapsed().as_micros() as i64;
    let complain = |error: cpal::Error| eprintln!("the pipe's card: {error}");
    let capture = device(from)?.build_input_stream::<f32, _, _>(
        config(capture_period)?,
        move |samples, info| {
            let times = info.timestamp();
            let age = times.callback.duration_since(times.capture);
            input.take(samples, now_us() - age.as_micros() as i64);
        },
        complain,
        None,
    )?;
    let playback = device(to)?.build_output_stream::<f32, _, _>(
        config(output_period)?,
        move |samples, info| {
            let times = info.timestamp();
            let ahead = times.playback.duration_since(times.callback);
            output.fill(samples, now_us() + ahead.as_micros() as i64);
        },
        complain,
        None,
    )?;
    playback.play()?;
    capture.play()?;
    wait_until("sound comes through the pipe", || flowing.load(Ordering::Relaxed));
    println!("{FLOWING}");
    std::io::stdout().flush()?;
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    // Closing an output can block for ever where its sink has gone first.
    std::process::exit(0)
}

struct Input {
    ring: HeapProd<f32>,
    zero: Zero,
    frame: i64,
}

impl Input {
    fn take(&mut self, samples: &[f32], at_us: i64) {
        self.zero.note(at_us, self.frame);
        let room = self.ring.vacant_len() / CHANNELS * CHANNELS;
        self.ring.push_slice(&samples[..samples.len().min(room)]);
        self.frame += (samples.len() / CHANNELS) as i64;
    }
}

struct Output {
    ring: HeapCons<f32>,
    captured: Arc<AtomicI64>,
    zero: Zero,
    delay_us: i64,
    frame: i64,
    /// Frames taken from the ring.
    taken: i64,
    /// Frames played while both times were known.
    learnt: i64,
    /// Frames of silence still to come before sound, once the delay is set.
    waiting: Option<usize>,
    /// Frames that silence was played for.
    owed: usize,
    flowing: Arc<AtomicBool>,
}

impl Output {
    fn fill(&mut self, out: &mut [f32], heard_us: i64) {
        out.fill(0.0);
        self.zero.note(heard_us, self.frame);
        if self.waiting.is_none() {
            self.learn((out.len() / CHANNELS) as i64);
        }
        match &mut self.waiting {
            None => self.empty_ring(),
            Some(waiting) => {
                let silent = (*waiting * CHANNELS).min(out.len());
                *waiting -= silent / CHANNELS;
                // What came too late is left out, or the delay would grow with every shortage.
                let late = (self.owed * CHANNELS).min(self.ring.occupied_len());
                self.owed -= self.ring.skip(late) / CHANNELS;
                let wanted = (out.len() - silent) / CHANNELS;
                self.owed += wanted - self.ring.pop_slice(&mut out[silent..]) / CHANNELS;
            }
        }
        self.frame += (out.len() / CHANNELS) as i64;
    }

    /// Before the delay is set, only what is newest may wait.
    fn empty_ring(&mut self) {
        let keep = RATE as usize / 2 * CHANNELS;
        let surplus = self.ring.occupied_len().saturating_sub(keep) / CHANNELS * CHANNELS;
        self.taken += (self.ring.skip(surplus) / CHANNELS) as i64;
    }

    /// Sets the delay once enough is known: the next frame is one that was captured the delay
    /// before it is heard.
    fn learn(&mut self, frames: i64) {
        let (Some(captured), Some(zero)) = (known(&self.captured), known(&self.zero.middle)) else {
            return;
        };
        self.learnt += frames;
        if self.learnt < LEARNING {
            return;
        }
        let heard_us = zero + self.frame * US_PER_FRAME;
        let due = (heard_us - self.delay_us - captured) / US_PER_FRAME;
        let skipped = usize::try_from(due - self.taken).unwrap_or(0) * CHANNELS;
        let waiting = self.ring.occupied_len() / CHANNELS * CHANNELS;
        let reachable = self.ring.skip(skipped.min(waiting));
        self.owed = (skipped - reachable) / CHANNELS;
        self.waiting = Some(usize::try_from(self.taken - due).unwrap_or(0));
        self.flowing.store(true, Ordering::Relaxed);
    }
}
