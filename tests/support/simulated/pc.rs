//! The PC that plays: a virtual card, and the real stages from the capture ring to the wire.

use std::collections::VecDeque;
use std::sync::Arc;

use auralync::Format;
use auralync::capture::cards::Card as Plug;
use auralync::capture::{self, Capture};
use auralync::codec::opus::Layout as Packets;
use auralync::codec::{Codec, InUse, pcm};
use auralync::mixdown::Layout;
use auralync::send::mix::Mix;
use auralync::send::mix::combine::Settings;
use auralync::wire::{AudioFrame, AudioHeader, Pong};

use super::oscillator::{Card, Host, Oscillator};
use super::random::Random;
use super::{MINUTE, RATE, SECOND};

/// Frames that the card hands over at a time.
const PERIOD: usize = 480;

/// How long after its last frame a callback comes, when nothing delays it.
const HANDED_OVER_US: f64 = 1_500.0;

/// For so long of every minute the PC is short of processor time.
const LOADED: f64 = 5.0 * SECOND;

/// While the PC is short of processor time, this share of the callbacks waits, for so long.
const WAITING: f64 = 0.4;
const WAITS_US: f64 = 3_000.0;

/// Sound is numbered up to here and then anew: a sample must tell its number after a filter too.
const NUMBERS: u64 = 1 << 16;

const MONO: Format = Format { sample_rate: RATE, channels: 1 };

/// What the card's callback is told: the number of the callback, the first frame's stamp, and when
/// it came, in µs of the PC's clock.
pub(crate) type Stamping = fn(u64, u64, u64) -> (u64, u64);

pub(crate) struct Pc {
    pub(crate) host: Host,
    pub(crate) card: Card,
    pub(crate) delay_ms: u32,
    /// What a broken card makes of its stamps.
    pub(crate) stamping: Stamping,
    /// What a broken server makes of a chunk's header; the second is the chunk's number.
    pub(crate) heading: fn(&mut AudioHeader, u64),
    /// Chunks for which this is true are never sent.
    pub(crate) withheld: fn(u64) -> bool,
    /// What a broken server makes of a pong; `false` keeps it to itself.
    pub(crate) answering: fn(&mut Pong) -> bool,
    /// How long it keeps every pong to itself, though they say otherwise.
    pub(crate) holds_pongs_us: f64,
    random: Random,
    capture: Capture,
    mix: Mix,
    in_use: InUse,
    callbacks: u64,
    next_callback: f64,
    next_turn: f64,
    chunks: u64,
    samples: Vec<f32>,
    /// The chunk that is sent.
    chunk: Vec<f32>,
    /// From what position on which frame of the card lies where: frame − position.
    places: VecDeque<(u64, i64)>,
    last_sent: f64,
}

impl Pc {
    /// A PC with the preset `smooth`, whose card runs that many parts per million fast.
    pub(crate) fn new(ppm: f64, seed: u64) -> Self {
        let host = Host::new(5e9, Oscillator::fast_by(-7.0, 0.3));
        let (capture, captured) = capture::ring(MONO, Arc::default());
        let carrier = ("card", Settings::default());
        let packets = Packets::for_delay(300);
        let mix = Mix::new(MONO, 1024, packets, carrier, Arc::default(), host.reads(0.0));
        let mut mix = mix.simulated();
        let layout = Layout::usual(1);
        let plugged = Plug::Plugged { captured, format: MONO, layout, period_ms: 10.0 };
        mix.cards(None).try_send(plugged).expect("the first card");
        let in_use = InUse::default();
        in_use.add(Codec::Float32);
        Self {
            host,
            card: Card::new(0.0, Oscillator::fast_by(ppm, 1.1)),
            delay_ms: 300,
            stamping: |_, at_us, came_us| (at_us, came_us),
            heading: |_, _| {},
            withheld: |_| false,
            answering: |_| true,
            holds_pongs_us: 0.0,
            random: Random::new(seed),
            capture,
            mix,
            in_use,
            callbacks: 0,
            next_callback: 0.0,
            next_turn: 0.0,
            chunks: 0,
            samples: vec![0.0; PERIOD],
            chunk: Vec::new(),
            places: VecDeque::new(),
            last_sent: 0.0,
        }
    }

    pub(crate) fn next(&self) -> f64 {
        self.next_callback.min(self.next_turn)
    }

    pub(crate) fn act(&mut self, now: f64, mut send: impl FnMut(&AudioFrame, f64)) {
        if now >= self.next_callback {
            self.call_back(now);
        }
        if now >= self.next_turn {
            self.turn(now, &mut send);
        }
    }

    fn is_loaded(now: f64) -> bool {
        now.rem_euclid(MINUTE) < LOADED
    }

    fn call_back(&mut self, now: f64) {
        let first = self.callbacks * PERIOD as u64;
        if self.callbacks > 0 {
            let frame = first - PERIOD as u64;
            for (sample, number) in self.samples.iter_mut().zip(frame..) {
                *sample = numbered(number);
            }
            // As measured: wrong both ways, more so under load.
            let noise = self.random.normal() * if Self::is_loaded(now) { 744.0 } else { 110.0 };
            let at_us = (self.host.exact(self.card.time_of(frame as f64)) + noise) as u64;
            let (at_us, now_us) = (self.stamping)(self.callbacks, at_us, self.host.reads(now));
            self.capture.on_input(&self.samples, at_us, now_us);
        }
        self.callbacks += 1;
        let due = self.card.time_of((first + PERIOD as u64) as f64) + HANDED_OVER_US;
        let waits = Self::is_loaded(due) && self.random.chance(WAITING);
        let late = self.random.exponential() * if waits { WAITS_US } else { 60.0 };
        self.next_callback = (due + late).max(now);
    }

    /// A turn of the chunking thread.
    fn turn(&mut self, now: f64, send: &mut impl FnMut(&AudioFrame, f64)) {
        let now_us = self.host.reads(now);
        let mut made = Vec::new();
        let make = |frame| {
            made.push(frame);
            true
        };
        let silenced = self.mix.turn(now_us, self.delay_ms, &self.in_use, || 0, make);
        assert_eq!(silenced, None, "nobody talks");
        for frame in made {
            let mut header = *frame.header();
            let (_, payload) = frame.plain();
            pcm::read_float32(payload, header.frames, MONO.channels, &mut self.chunk)
                .expect("what it has made itself");
            note_places(&mut self.places, header.position, &self.chunk);
            (self.heading)(&mut header, self.chunks);
            self.chunks += 1;
            if !(self.withheld)(self.chunks - 1) {
                // The loop that sends is another thread.
                self.last_sent = now.max(self.last_sent);
                if header == *frame.header() {
                    send(&frame, self.last_sent);
                } else {
                    send(&AudioFrame::float32(header, &self.chunk), self.last_sent);
                }
            }
        }
        self.next_turn = now + self.mix.rest_us(now_us) as f64 + self.random.exponential() * 80.0;
    }

    /// The answer to a ping that comes now, and when it leaves.
    pub(crate) fn answer(&self, client_us: u64, now: f64) -> Option<(Pong, f64)> {
        let leaves = now + 20.0;
        let (received_us, sent_us) = (self.host.reads(now), self.host.reads(leaves));
        let mut pong = Pong { client_us, received_us, sent_us };
        (self.answering)(&mut pong).then_some((pong, leaves))
    }

    /// When what lies at `position` was captured, in µs of the PC's clock; `None` of silence.
    pub(crate) fn captured_us(&self, position: f64) -> Option<f64> {
        let after = self.places.partition_point(|&(from, _)| from as f64 <= position);
        let &(_, offset) = self.places.get(after.checked_sub(1)?)?;
        Some(self.host.exact(self.card.time_of(position + offset as f64)))
    }

    /// The sample that lies between frames at `position`, as it was captured.
    pub(crate) fn number_at(&self, position: f64) -> Option<f64> {
        let after = self.places.partition_point(|&(from, _)| from as f64 <= position);
        let &(_, offset) = self.places.get(after.checked_sub(1)?)?;
        Some((position + offset as f64).rem_euclid(NUMBERS as f64))
    }

    pub(crate) fn silence(&self) -> u64 {
        self.mix.silent_frames()
    }
}

/// What frame `number` sounds like: never silent, and never so loud that a limiter touches it.
fn numbered(number: u64) -> f32 {
    (1 + number % NUMBERS) as f32 / (2 * NUMBERS) as f32
}

/// What number a sample tells, as far as it does.
pub(crate) fn number(sample: f32) -> f64 {
    f64::from(sample) * (2 * NUMBERS) as f64 - 1.0
}

/// Notes where the card's frames lie, for as long as listeners may ask.
fn note_places(places: &mut VecDeque<(u64, i64)>, position: u64, samples: &[f32]) {
    const KEPT: usize = 64;
    let told = |index: usize| {
        let sample = samples[index];
        (sample != 0.0).then(|| {
            let place = position + index as u64;
            let expected = place as i64 + places.back().map_or(0, |&(_, offset)| offset);
            let period = NUMBERS as i64;
            let off = (number(sample) as i64 - expected).rem_euclid(period);
            let off = if off > period / 2 { off - period } else { off };
            (place, expected + off - place as i64)
        })
    };
    let known = places.back().map(|&(_, offset)| offset);
    let unchanged = |index| known.is_some() && told(index).map(|(_, offset)| offset) == known;
    if unchanged(0) && unchanged(samples.len() - 1) {
        return;
    }
    let changed = (0..samples.len()).filter_map(told).find(|&(_, offset)| Some(offset) != known);
    if let Some(place) = changed {
        places.push_back(place);
        if places.len() > KEPT {
            places.pop_front();
        }
    }
}
