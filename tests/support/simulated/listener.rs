//! One listener: a virtual card and computer, and the real stages from the wire to the speaker.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::Arc;

use auralync::Format;
use auralync::clock::{Arrivals, CardClock, Learnt, Offset, ServerClock, Timeline, Trust};
use auralync::rate::RateConverter;
use auralync::playout::frames::Sound;
use auralync::playout::{BLOCK, Playout};
use auralync::recv::decode::{self, Conversation, Event};
use auralync::recv::speaker::{self, Feed, Speaker};
use auralync::stats;
use auralync::wire::{AudioFrame, AuralyncKey, Config, Deframer, Welcome};

use super::oscillator::{Card, Host, Oscillator};
use super::pc::{Pc, number};
use super::random::Random;
use super::seen::Seen;
use super::{Path, RATE};

const MONO: Format = Format { sample_rate: RATE, channels: 1 };

/// Frames that the card asks for at a time, and how long before they are heard.
const PERIOD: usize = 480;
const LATENCY_US: f64 = 25_000.0;

/// Sound is kept this far ahead of the callback, as the playing thread does in `smooth`.
const LEAD_MS: f64 = 40.0;
const TICK_US: f64 = 5_000.0;

/// The position is looked at once in so many blocks, 10 ms.
const LOOK_EVERY: u64 = 15;

/// The ping of a room of ordinary size.
const PING_MS: u32 = 250;

/// What a listener is made of.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// How much faster than nominal its card and its computer's clock run.
    pub(crate) card_ppm: f64,
    pub(crate) host_ppm: f64,
    pub(crate) path: Path,
    /// The real filter runs, and every sample that comes out of it is looked at.
    pub(crate) filtered: bool,
    /// The server is of the first generation.
    pub(crate) old: bool,
    /// How long after the first sound the error of the position counts.
    pub(crate) locked_after: f64,
    pub(crate) seed: u64,
}

pub(crate) struct Listener {
    setting: Setting,
    host: Host,
    pub(crate) card: Card,
    /// What a broken card makes of a stamp and when its callback came, in µs of this computer's
    /// clock; the first is the callback's number.
    pub(crate) stamping: fn(u64, u64, u64) -> (u64, u64),
    random: Random,
    deframer: Deframer,
    conversation: Conversation,
    arriving: VecDeque<(f64, Arc<[u8]>)>,
    pings: VecDeque<(f64, u64)>,
    pinged: u32,
    next_ping: f64,
    clock: ServerClock,
    arrivals: Option<Arrivals>,
    trust: Trust,
    playout: Option<Playout>,
    card_clock: CardClock,
    speaker: Speaker,
    feed: Feed,
    counters: Arc<stats::Playback>,
    fresh: bool,
    callbacks: u64,
    next_callback: f64,
    next_turn: f64,
    period: Vec<f32>,
    began: Option<f64>,
    blocks: u64,
    acted: f64,
    seen: Seen,
    /// The largest difference between what came out and what should have, in frames.
    pub(crate) worst_sample: f64,
}

impl Listener {
    pub(crate) fn new(setting: Setting) -> Self {
        let counters: Arc<stats::Playback> = Arc::default();
        let (speaker, feed) = speaker::ring(MONO, RATE as usize / 2, Arc::clone(&counters));
        let random = Random::new(setting.seed);
        let phase = setting.seed as f64;
        let card = Card::new(900.0 * phase, Oscillator::fast_by(setting.card_ppm, phase));
        let mut conversation = Conversation::new(decode::hello("me".into(), "me"), false);
        let mut deframer = Deframer::new(conversation.limits());
        greet(&mut conversation, &mut deframer, setting.old);
        Self {
            host: Host::new(2e9 + phase * 1e9, Oscillator::fast_by(setting.host_ppm, phase + 2.0)),
            card,
            stamping: |_, heard_us, came_us| (heard_us, came_us),
            random,
            deframer,
            conversation,
            arriving: VecDeque::new(),
            pings: VecDeque::new(),
            pinged: 0,
            next_ping: 0.0,
            clock: ServerClock::default(),
            arrivals: setting.old.then(|| Arrivals::new(RATE)),
            trust: Trust::default(),
            playout: None,
            card_clock: CardClock::new(RATE),
            speaker,
            feed,
            counters,
            fresh: false,
            callbacks: 0,
            next_callback: 0.0,
            next_turn: 0.0,
            period: vec![0.0; PERIOD],
            began: None,
            blocks: 0,
            acted: 0.0,
            seen: Seen::new(),
            worst_sample: 0.0,
            setting,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.setting.name
    }

    /// What was seen of it so far.
    pub(crate) fn seen(&self) -> Seen {
        let counts = self.playout.as_ref().map(Playout::counts).unwrap_or_default();
        let mut seen = self.seen.clone();
        (seen.lost, seen.late, seen.jumps) = (counts.lost, counts.late, counts.jumps);
        seen.underruns = self.counters.underruns.get();
        seen
    }

    /// By how much this listener plays too late, once it has settled.
    pub(crate) fn error_us(&self) -> Option<f64> {
        self.is_locked().then_some(self.seen.latest_us)
    }

    /// Whether sound comes out.
    pub(crate) fn is_playing(&self) -> bool {
        self.playout.as_ref().is_some_and(Playout::is_playing)
    }

    /// Lets this computer's clock jump, as after a sleep.
    pub(crate) fn jump_clock(&mut self, now: f64, by: f64) {
        self.host.jump(now, by);
    }

    fn is_locked(&self) -> bool {
        self.began.is_some_and(|began| self.next_turn - began > self.setting.locked_after)
    }

    /// What the PC sends now.
    pub(crate) fn send(&mut self, frame: &AudioFrame, now: f64) {
        let comes = self.setting.path.reaches_listener(now);
        let bytes = if self.setting.old {
            let (header, payload) = frame.plain();
            [&header[..], payload].concat().into()
        } else {
            frame.typed().into()
        };
        self.arriving.push_back((comes, bytes));
    }

    pub(crate) fn next(&self) -> f64 {
        let arrival = self.arriving.front().map_or(f64::INFINITY, |first| first.0);
        // A ping that the PC holds is looked after at the next turn.
        let ping = self.pings.front().map_or(f64::INFINITY, |first| first.0);
        let ping = if ping > self.acted { ping } else { f64::INFINITY };
        arrival.min(ping).min(self.next_callback).min(self.next_turn)
    }

    pub(crate) fn act(&mut self, now: f64, pc: &Pc) {
        self.acted = now;
        let held = pc.holds_pongs_us;
        while let Some((comes, client_us)) = self.pings.front().copied()
            && comes + held <= now
        {
            self.pings.pop_front();
            if let Some((pong, leaves)) = pc.answer(client_us, comes) {
                let comes = self.setting.path.reaches_listener(leaves + held);
                self.arriving.push_back((comes, pong.frame().into()));
            }
        }
        if now >= self.next_callback {
            self.call_back(now);
        }
        let has_come = self.arriving.front().is_some_and(|first| first.0 <= now);
        if has_come || now >= self.next_turn {
            while let Some((comes, bytes)) = self.arriving.front().cloned().filter(|a| a.0 <= now) {
                self.arriving.pop_front();
                self.hear(&bytes, comes, pc);
            }
            self.ping(now);
            self.feed_card(now, pc);
            self.next_turn = now + TICK_US + self.random.exponential() * 80.0;
        }
    }

    fn ping(&mut self, now: f64) {
        if now < self.next_ping || self.setting.old {
            return;
        }
        self.pinged += 1;
        self.pings.push_back((self.setting.path.reaches_pc(now), self.host.reads(now)));
        let random = (self.random.uniform() * 1e9) as u64;
        let wait = self.clock.ping_after_us(self.pinged, PING_MS, random) as f64;
        self.next_ping = now + wait;
    }

    /// What has come over the network.
    fn hear(&mut self, bytes: &[u8], comes: f64, pc: &Pc) {
        self.deframer.push(bytes);
        let now_us = self.host.reads(comes);
        loop {
            self.deframer.set_limits(self.conversation.limits());
            let Some(frame) = self.deframer.next_frame().expect("frames as they should be") else {
                return;
            };
            match self.conversation.take(frame).expect("words as they should be") {
                Event::Pong(pong) => {
                    if self.clock.pong(pong, now_us) == Learnt::Stepped {
                        self.pinged = 0;
                    }
                    if self.arrivals.is_none()
                        && let (Some(offset), Some(playout)) =
                            (self.clock.offset(), &mut self.playout)
                    {
                        playout.timeline().set_offset(offset);
                    }
                }
                Event::Audio(Sound { position, captured_us, broken, samples, .. }) => {
                    let known = self.playout.as_mut().map(Playout::timeline);
                    let known = known.map(|timeline| timeline.captured_at(position as f64));
                    if self.arrivals.is_none() && self.trust.frame(known, now_us) {
                        self.arrivals = Some(Arrivals::new(RATE));
                        self.playout = None;
                    }
                    let (captured_us, broken) = match (&mut self.arrivals, captured_us) {
                        (Some(arrivals), _) => arrivals.arrive(position, now_us),
                        (None, Some(captured_us)) => (captured_us, broken),
                        (None, None) => return,
                    };
                    let by_arrivals = self.arrivals.is_some().then_some(Offset::NONE);
                    let offset = by_arrivals.or(self.clock.offset());
                    if self.playout.is_none()
                        && let Some(offset) = offset
                    {
                        let delay_us = f64::from(pc.delay_ms) * 1e3;
                        let timeline = Timeline::new(RATE, position, captured_us, offset, delay_us);
                        self.playout = Some(playout(pc, timeline, self.setting.filtered));
                    }
                    if let Some(playout) = &mut self.playout {
                        playout.insert(position, captured_us, broken, samples);
                    }
                }
                _ => {}
            }
        }
    }

    /// The card's callback.
    fn call_back(&mut self, now: f64) {
        let frame = self.callbacks * PERIOD as u64;
        if self.callbacks > 0 {
            let frame = frame - PERIOD as u64;
            // As measured: late from a sharp edge on, a few by milliseconds.
            let mut noise = self.random.normal() * 8.0 + self.random.exponential() * 120.0;
            if self.random.chance(0.01) {
                noise += self.random.uniform() * 4_000.0;
            }
            let heard = self.host.exact(self.card.time_of(frame as f64)) + noise;
            let (heard_us, now_us) =
                (self.stamping)(self.callbacks, heard.max(0.0) as u64, self.host.reads(now));
            self.speaker.fill(&mut self.period, heard_us, now_us);
        }
        self.callbacks += 1;
        let due = self.card.time_of(frame as f64) - LATENCY_US;
        self.next_callback = (due + self.random.exponential() * 200.0).max(now);
    }

    /// What the playing thread does: keeps the card's ring filled to the lead.
    fn feed_card(&mut self, now: f64, pc: &Pc) {
        while let Some(played) = self.feed.played() {
            let _ = self.card_clock.stamp(played.frame, played.heard_us, played.came_us);
            self.fresh = true;
        }
        let Some(playout) = &mut self.playout else {
            return;
        };
        if self.feed.waiting() == 0 && !std::mem::take(&mut self.fresh) {
            return;
        }
        let lead = PERIOD + MONO.frames_in_ms(LEAD_MS);
        while self.feed.waiting() < lead {
            let Some(frame) = self.feed.next_frame().map(|frame| frame as f64) else {
                return;
            };
            let before = playout.position();
            let Some(block) = playout.block(frame, &self.card_clock) else {
                return;
            };
            self.feed.write(block);
            let began = *self.began.get_or_insert(now);
            let locked = now - began > self.setting.locked_after;
            if self.setting.filtered
                && locked
                && let Some(should) = before.and_then(|before| pc.number_at(before))
            {
                let off = (number(block[0]) - should).abs();
                // A filter rings where the numbers begin again.
                if (200.0..65_000.0).contains(&should) {
                    self.worst_sample = self.worst_sample.max(off);
                }
            }
            self.blocks += 1;
            if self.blocks.is_multiple_of(LOOK_EVERY)
                && let Some(position) = playout.position()
                && let Some(captured_us) = pc.captured_us(position)
            {
                let heard = self.card.time_of(frame + BLOCK as f64);
                let delay_us = f64::from(pc.delay_ms) * 1e3;
                let error_us = pc.host.exact(heard) - captured_us - delay_us;
                self.seen.latest_us = error_us;
                if locked {
                    self.seen.note(now, error_us, playout.stretch_ppm());
                }
            }
        }
    }
}

fn playout(pc: &Pc, timeline: Timeline, filtered: bool) -> Playout {
    let converter = if filtered {
        RateConverter::new(RATE, RATE, 1, BLOCK).expect("equal rates convert")
    } else {
        RateConverter::counting(RATE, RATE, 1, BLOCK)
    };
    Playout::with_converter(MONO, MONO, pc.chunk as usize, pc.delay_ms, timeline, converter)
}

/// The words before the sound.
fn greet(conversation: &mut Conversation, deframer: &mut Deframer, old: bool) {
    let auralync = (!old).then_some(AuralyncKey { version: 2, hold: false });
    let config = Config { sample_rate: RATE, channels: 1, chunk_size: 1024, auralync };
    let mut bytes = config.frame();
    if !old {
        let welcome = Welcome {
            version: 2,
            session: "1".into(),
            name: String::new(),
            format: MONO,
            codec: "f32".into(),
            chunk_size: 1024,
            position_rate: RATE,
            algorithmic_delay: 0,
            playout_delay_ms: 300,
            ping_ms: 250,
            accepts: BTreeMap::new(),
            person: None,
            captured_output: None,
            also_captured: Vec::new(),
        };
        bytes.extend(welcome.frame());
    }
    deframer.push(&bytes);
    loop {
        deframer.set_limits(conversation.limits());
        match deframer.next_frame() {
            Ok(Some(frame)) => drop(conversation.take(frame)),
            _ => return,
        }
    }
}
