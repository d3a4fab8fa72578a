//! One listener: a virtual card and computer, and the real stages from the wire to the speaker.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use auralync::clock::{Learnt, ServerClock, Timeline};
use auralync::error::Result;
use auralync::playout::frames::Sound;
use auralync::playout::{BLOCK, Playout};
use auralync::recv::connect::{Heard, Stream};
use auralync::recv::decode::{self, Conversation, Event};
use auralync::recv::play::{Choice, Output, Play, Plugged, Wishes};
use auralync::recv::speaker::{self, Speaker};
use auralync::sound::ear::Hearing;
use auralync::sound::rate::RateConverter;
use auralync::wire::{AudioFrame, AuralyncKey, Config, Deframer, Welcome};
use auralync::{Format, stats};

use super::oscillator::{Card, Host, Oscillator};
use super::pc::{Pc, number};
use super::random::Random;
use super::seen::Seen;
use super::{Path, RATE};

const MONO: Format = Format { sample_rate: RATE, channels: 1 };

/// Frames that the card asks for at a time, and how long before they are heard.
const PERIOD: usize = 480;
const LATENCY_US: f64 = 25_000.0;

/// How often the playing thread looks, unless something comes.
const TICK_US: f64 = 5_000.0;

/// The position is looked at once in so many turns, about 10 ms.
const LOOK_EVERY: u64 = 2;

const WISHES: Wishes = Wishes { volume_percent: 100, trim_ms: 0, hearing: Hearing::NONE };

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
    /// What the player has not taken yet.
    heard: VecDeque<Heard>,
    play: Play,
    speaker: Speaker,
    counters: Arc<stats::Playback>,
    callbacks: u64,
    next_callback: f64,
    next_turn: f64,
    period: Vec<f32>,
    began: Option<f64>,
    turns: u64,
    /// Where the player was after each turn: the card's frame, the position that lies there, and
    /// whether it was in step.
    nexts: VecDeque<(u64, f64, bool)>,
    acted: f64,
    seen: Seen,
    /// The largest difference between what came out and what should have, in frames.
    pub(crate) worst_sample: f64,
}

impl Listener {
    pub(crate) fn new(setting: Setting) -> Self {
        let counters: Arc<stats::Playback> = Arc::default();
        let (speaker, feed) = speaker::ring(MONO, RATE as usize / 2, Arc::clone(&counters));
        let choice = Choice { fallback_delay_ms: 300, adaptive: false, wishes: WISHES };
        let make = if setting.filtered { Playout::new } else { counting };
        let mut play = Play::new(Output::Card, choice, Arc::clone(&counters)).simulated(make);
        play.plug(Plugged { feed, format: MONO, period: PERIOD });
        let stream = Stream {
            format: MONO,
            chunk: 1024,
            playout_delay_ms: (!setting.old).then_some(300),
            session: (!setting.old).then(|| "1".into()),
        };
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
            heard: [Heard::Stream(stream)].into(),
            play,
            speaker,
            counters,
            callbacks: 0,
            next_callback: 0.0,
            next_turn: 0.0,
            period: vec![0.0; PERIOD],
            began: None,
            turns: 0,
            nexts: VecDeque::new(),
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
        let counts = self.play.counts();
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
        self.play.is_playing()
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
            self.call_back(now, pc);
        }
        let has_come = self.arriving.front().is_some_and(|first| first.0 <= now);
        if has_come || now >= self.next_turn {
            while let Some((comes, bytes)) = self.arriving.front().cloned().filter(|a| a.0 <= now) {
                self.arriving.pop_front();
                self.hear(&bytes, comes);
            }
            self.ping(now);
            self.turn(now, pc);
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

    /// What has come over the network: as a session does, it hands on what the player must know.
    fn hear(&mut self, bytes: &[u8], comes: f64) {
        self.deframer.push(bytes);
        let now_us = self.host.reads(comes);
        loop {
            self.deframer.set_limits(self.conversation.limits());
            let Some(frame) = self.deframer.next_frame().expect("frames as they should be") else {
                return;
            };
            let heard = match self.conversation.take(frame).expect("words as they should be") {
                Event::Pong(pong) => {
                    if self.clock.pong(pong, now_us) == Learnt::Stepped {
                        self.pinged = 0;
                    }
                    self.clock.offset().map(Heard::Offset)
                }
                Event::Audio(Sound { position, captured_us, broken, samples, .. }) => {
                    let (arrived_us, samples) = (now_us, samples.to_vec());
                    Some(Heard::Audio { position, captured_us, arrived_us, broken, samples })
                }
                _ => None,
            };
            self.heard.extend(heard);
        }
    }

    /// The card's callback.
    fn call_back(&mut self, now: f64, pc: &Pc) {
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
            self.look_at(frame, pc);
        }
        self.callbacks += 1;
        let due = self.card.time_of(frame as f64) - LATENCY_US;
        self.next_callback = (due + self.random.exponential() * 200.0).max(now);
    }

    /// A turn of the playing thread.
    fn turn(&mut self, now: f64, pc: &Pc) {
        let now_us = self.host.reads(now);
        while self
            .play
            .take(|| now_us, || self.heard.pop_front())
            .expect("sound that can be played")
        {}
        let _ = self.play.turn(now_us, WISHES).expect("no file is written");
        let Some(next) = self.play.next() else {
            return;
        };
        let began = *self.began.get_or_insert(now);
        let locked = now - began > self.setting.locked_after;
        self.nexts.push_back((next.frame, next.position, locked));
        self.turns += 1;
        if self.turns.is_multiple_of(LOOK_EVERY)
            && let Some(captured_us) = pc.captured_us(next.position)
        {
            let heard = self.card.time_of(next.frame as f64);
            let error_us = pc.host.exact(heard) - captured_us - f64::from(pc.delay_ms) * 1e3;
            self.seen.latest_us = error_us;
            if locked {
                self.seen.note(now, error_us, next.stretch_ppm);
            }
        }
    }

    /// Looks at what the card got from `frame` on: the player said what lies where.
    fn look_at(&mut self, frame: u64, pc: &Pc) {
        while let Some(&(at, position, locked)) =
            self.nexts.front().filter(|next| next.0 < frame + PERIOD as u64)
        {
            self.nexts.pop_front();
            let Some(should) = pc.number_at(position).filter(|_| self.setting.filtered && locked)
            else {
                continue;
            };
            // A filter rings where the numbers begin again.
            if at >= frame && (200.0..65_000.0).contains(&should) {
                let off = (number(self.period[(at - frame) as usize]) - should).abs();
                self.worst_sample = self.worst_sample.max(off);
            }
        }
    }
}

/// Resamples without samples: hours of them would take hours.
fn counting(
    format: Format,
    card: Format,
    chunk: usize,
    delay_ms: u32,
    timeline: Timeline,
) -> Result<Playout> {
    let converter = RateConverter::counting(RATE, RATE, 1, BLOCK);
    Ok(Playout::with_converter(format, card, chunk, delay_ms, timeline, converter))
}

/// The words before the sound.
fn greet(conversation: &mut Conversation, deframer: &mut Deframer, old: bool) {
    let auralync = (!old).then_some(AuralyncKey { version: 2, hold: false, room: None });
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
            within_ms: None,
            via: Vec::new(),
            datagrams: None,
            room: None,
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
