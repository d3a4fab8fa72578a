//! The chunking thread: takes what the source gives, cuts it, encodes each chunk once, wakes the
//! network loop.

pub(super) mod beside;
mod overload;
mod people;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use log::{error, info};

use super::combine::{Combine, Role, Settings};
use super::desk::{Asked, Fitting};
use super::encode::Encoders;
use super::own_mixes::OwnMixes;
use super::record::Taps;
use super::talk::Message;
use super::transmit::Handle;
use crate::capture::cards::{Card, Cards};
use crate::capture::chunk::{Chunker, LONGEST_SLEEP_US, SHORTEST_SLEEP_US};
use crate::clock::Clock;
use crate::codec::opus::Layout;
use crate::error::Result;
use crate::format::Format;
use crate::shutdown::Shutdown;
use crate::soundless::Generator;
use crate::stats;
use crate::threads::cpu_us;
use crate::wire::AudioHeader;
use beside::{Beside, CARRIER, Prepared};
use overload::Overload;
use people::People;

/// A turn of the thread ends after so much processor time, in µs, with chunks still due: it sleeps for a
/// moment, and goes on. A thread with real time that computes for longer than the kernel allows it (200 ms, which rtkit
/// asks for) ends the program; a tenth of that leaves room for machines that are slower and busier.
const LONGEST_TURN_US: u64 = 20_000;

/// A card that has not delivered by then is silent for now. A fraction of the playout delay, so
/// that the silence still comes in time, but longer than a PC's ordinary hiccups.
const SHORTEST_PATIENCE_US: u64 = 25_000;
const LONGEST_PATIENCE_US: u64 = 150_000;

/// A generator never makes up for more than this at once: after a stall its sound goes on where it
/// was, later.
const LONGEST_CATCH_UP_US: u64 = 500_000;

/// The thread's state.
pub(super) struct Producer {
    chunker: Chunker,
    combine: Combine,
    /// By how much later sound leaves the mix than it came, in µs.
    behind_us: u64,
    beside: Beside,
    orders: Receiver<Asked>,
    encoders: Encoders,
    input: Input,
    /// The playout delay in force, in ms.
    delay_ms: Arc<AtomicU32>,
    clock: Clock,
    counters: Arc<stats::Capture>,
    network: Handle,
    /// Who may speak, where listeners may.
    people: Option<People>,
    overload: Overload,
    format: Format,
    taps: Taps,
    /// What the track of the carrier is called.
    source: String,
    /// Is requested where a thread breaks.
    stop: Shutdown,
}

#[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card makes these"))]
enum Input {
    Nothing,
    Cards(Cards),
    Generator(Generating),
}

struct Generating {
    generator: Generator,
    start_us: u64,
    made: u64,
    scratch: Vec<f32>,
    /// Behind the end, frames of silence that are still to come: they push out what the conversion
    /// of its rate keeps back.
    tail: Option<u64>,
}

impl Producer {
    /// The carrier is called `name` and stands in the mix as `settings` say.
    pub(super) fn new(
        fitting: &Fitting,
        layout: Layout,
        (name, settings): (&str, Settings),
        orders: Receiver<Asked>,
        counters: Arc<stats::Capture>,
        network: Handle,
    ) -> Self {
        let Fitting { mix, chunk_size, delay_ms, clock, stop, .. } = fitting.clone();
        let patience = patience_us(fitting.delay_ms());
        let mut combine = Combine::new(mix);
        combine.add(CARRIER, Role::Film, settings);
        let behind_us = mix.micros(combine.delay_frames() as u64).round() as u64;
        Self {
            chunker: Chunker::new(mix, chunk_size, patience, clock.now_us()),
            combine,
            behind_us,
            beside: Beside::new(mix, name),
            orders,
            encoders: Encoders::new(mix, layout),
            input: Input::Nothing,
            delay_ms,
            clock,
            counters,
            network,
            people: None,
            overload: Overload::default(),
            format: mix,
            taps: Taps::default(),
            source: String::new(),
            stop,
        }
    }

    /// What is sent is recorded, and what comes from the source called `source`.
    pub(super) fn record(&mut self, taps: Taps, source: &str) {
        self.taps = taps;
        self.taps.leave_out(self.combine.delay_frames());
        self.source = source.to_owned();
    }

    /// Takes a source in beside the carrier.
    pub(super) fn add(&mut self, source: Prepared) -> Result<()> {
        self.beside.add(source, &mut self.combine)
    }

    /// Lets people speak, of whom `room` tells. Films step back by `duck_db` meanwhile.
    ///
    /// # Errors
    /// If the system gives no thread for their mixes.
    pub(super) fn let_people_speak(
        &mut self,
        (layout, chunk_size): (Layout, u32),
        room: Receiver<Message>,
        duck_db: f32,
    ) -> Result<()> {
        let own_mixes = OwnMixes::start(
            self.format,
            chunk_size,
            layout,
            &self.network,
            &self.counters,
            &self.stop,
        )?;
        self.combine.set_duck_db(duck_db);
        self.people = Some(People::new(self.format, room, own_mixes, Arc::clone(&self.counters)));
        Ok(())
    }

    /// Sound comes from a generator.
    pub(super) fn generate(
        &mut self,
        generator: Generator,
        pick: Option<(u16, u16)>,
    ) -> Result<()> {
        let start_us = self.clock.now_us();
        self.chunker.plug_exact(generator.format(), generator.layout(), pick, start_us)?;
        let scratch = Vec::new();
        self.input =
            Input::Generator(Generating { generator, start_us, made: 0, scratch, tail: None });
        Ok(())
    }

    /// Sound comes from cards, announced through what this returns.
    #[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card makes these"))]
    pub(super) fn cards(&mut self, pick: Option<(u16, u16)>) -> SyncSender<Card> {
        let (cards, sender) = Cards::new(pick);
        self.input = Input::Cards(cards);
        sender
    }

    /// Runs until `shutdown`.
    pub(super) fn run(mut self, shutdown: &Shutdown) -> Result<()> {
        while !shutdown.is_requested() {
            let began_us = spent_us();
            self.take_orders();
            self.take_input();
            self.beside.take_input();
            let delay_ms = self.delay_ms.load(Ordering::Relaxed);
            self.chunker.set_patience(patience_us(delay_ms));
            self.encoders.remember(u64::from(delay_ms) * 1000);
            let now = self.clock.now_us();
            if let Some(people) = &mut self.people {
                people.listen(&mut self.combine, now, spent_us);
            }
            let mut is_behind = false;
            while let Some(chunk) = self.chunker.next_chunk(now) {
                self.combine.begin(chunk.header.frames as usize);
                self.combine.input(CARRIER, chunk.samples, false);
                let carrier = (CARRIER, self.source.as_str());
                self.taps.input(carrier, self.format, chunk.header.position, chunk.samples);
                self.beside.give(&chunk.header, &mut self.combine, &mut self.taps);
                if let Some(people) = &mut self.people {
                    people.speak(&chunk.header, now, &mut self.combine, &mut self.taps);
                }
                let captured_us = chunk.header.captured_us.saturating_sub(self.behind_us);
                let header = AudioHeader { captured_us, ..chunk.header };
                if let Some(people) = &mut self.people {
                    people.hear(header, &mut self.combine);
                }
                self.taps.mix(self.format, header.position, self.combine.common());
                let in_use = self.network.in_use();
                self.encoders.encode(header, self.combine.common(), in_use, |frame| {
                    if !self.network.send(frame) {
                        self.counters.chunks_dropped.add(1);
                    }
                });
                if spent_us().saturating_sub(began_us) > LONGEST_TURN_US {
                    is_behind = true;
                    break;
                }
            }
            if self.overload.lasts(is_behind, now)
                && let Some(people) = &mut self.people
                && let Some(person) = people.newest_talker()
                && self.network.silence(person)
            {
                people.silence(person, &mut self.combine);
            }
            self.counters.silence.set(self.chunker.silence());
            if let Some((ppm, uncertainty_us)) = self.chunker.card_clock() {
                self.counters.ppm.set(ppm);
                self.counters.uncertainty_us.set(uncertainty_us);
            }
            let wait = self.chunker.due_in_us(self.clock.now_us());
            let sleep = wait.clamp(SHORTEST_SLEEP_US, LONGEST_SLEEP_US);
            std::thread::sleep(Duration::from_micros(sleep));
        }
        Ok(())
    }

    fn take_orders(&mut self) {
        while let Ok(Asked { order, answer }) = self.orders.try_recv() {
            let (is_playing, has_ended) = match &self.input {
                Input::Nothing => (false, true),
                Input::Cards(cards) => (cards.is_plugged(), false),
                Input::Generator(_) => (true, false),
            };
            self.beside.set_carrier(is_playing, has_ended);
            // Who no longer waits for the answer has gone.
            let _ = answer.try_send(self.beside.obey(order, &mut self.combine, &mut self.taps));
        }
    }

    fn take_input(&mut self) {
        match &mut self.input {
            Input::Nothing => {}
            Input::Cards(cards) => cards.feed(&mut self.chunker),
            Input::Generator(generating) => {
                if !generating.feed(&mut self.chunker, self.clock.now_us(), &self.counters) {
                    self.chunker.unplug();
                    self.input = Input::Nothing;
                }
            }
        }
    }
}

/// Processor time that this thread has taken, in µs. Where the system does not say, it has no limit for
/// real time either.
fn spent_us() -> u64 {
    cpu_us().unwrap_or(0)
}

fn patience_us(delay_ms: u32) -> u64 {
    (u64::from(delay_ms) * 1000 / 4).clamp(SHORTEST_PATIENCE_US, LONGEST_PATIENCE_US)
}

impl Generating {
    /// Makes what is due at `now_us`. `false` when the sound has ended.
    fn feed(&mut self, chunker: &mut Chunker, now_us: u64, counters: &stats::Capture) -> bool {
        let format = self.generator.format();
        let elapsed = now_us.saturating_sub(self.start_us) as f64;
        let due = (elapsed * f64::from(format.sample_rate) / 1e6) as u64;
        let most = format.frames_in_ms(LONGEST_CATCH_UP_US as f64 / 1e3) as u64;
        let mut missing = due.saturating_sub(self.made);
        if missing > most {
            self.start_us += format.micros(missing - most) as u64;
            missing = most;
        }
        if missing == 0 {
            return true;
        }
        self.scratch.resize(format.samples(missing as usize), 0.0);
        let frames = match self.generator.read(&mut self.scratch) {
            Ok(0) => {
                let left = self.tail.get_or_insert_with(|| chunker.held_back());
                if *left == 0 {
                    info!("the file has ended: silence from here on");
                    return false;
                }
                let frames = missing.min(*left);
                *left -= frames;
                self.scratch.fill(0.0);
                frames as usize
            }
            Ok(frames) => frames,
            Err(e) => {
                error!("{e}");
                return false;
            }
        };
        let samples = &self.scratch[..format.samples(frames)];
        let at_us = self.start_us + format.micros(self.made) as u64;
        chunker.stamp(self.made, 0, at_us, at_us);
        chunker.samples(samples);
        counters.peak.note(samples);
        counters.frames.add(frames as u64);
        self.made += frames as u64;
        true
    }
}
