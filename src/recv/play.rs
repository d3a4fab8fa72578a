//! The playing thread: takes what the network gives and feeds the card, or files, in time.

mod card;
mod early;
mod effort;
mod extra;
mod set_up;
mod wishes;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use log::{debug, warn};

use super::cardless::Cardless;
use super::connect::{Heard, Stream};
use super::controls::Controls;
use super::dry::Dry;
use super::speaker::Feed;
use crate::allowance::Allowance;
use crate::clock::{Arrivals, Clock, Offset, Timeline, Trust};
use crate::error::Result;
use crate::format::Format;
use crate::limiter::Limiter;
use crate::playout::{Counts, Playout};
use crate::recording::Tap;
use crate::shutdown::Shutdown;
use crate::stats;
use card::Attached;
use early::{Early, Sound};
use effort::Effort;
use extra::Extra;

/// Sleeps of the thread.
const LONGEST_TICK_US: f64 = 10_000.0;
const SHORTEST_TICK_US: f64 = 500.0;

/// Frames that begin anew, of which more are taken in a second than any honest server sends: one
/// that was asleep, or whose card stood still.
const MOST_BEGINNINGS: u64 = 10;

/// How often the state is handed out.
const SNAPSHOT_US: u64 = 250_000;

/// A card that was opened, or lost.
#[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card makes these"))]
pub(super) enum Card {
    /// Feed this one.
    Plugged(Plugged),
    /// It takes no more.
    Lost,
}

/// An open card.
pub(super) struct Plugged {
    pub(super) feed: Feed,
    pub(super) format: Format,
    pub(super) period: usize,
}

/// What the sound goes to.
#[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card makes these"))]
pub(super) enum Output {
    Card(Receiver<Card>),
    Cardless,
}

/// Where what is heard is recorded.
#[derive(Default)]
pub(super) struct Taps {
    /// The file that is the output: as loud as the user wants it.
    pub(super) output: Option<Tap>,
    /// Beside whatever output: as the stream carries it.
    pub(super) heard: Option<Tap>,
}

/// The playing thread's state, which it tells now and then.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Snapshot {
    pub(super) counts: Counts,
    pub(super) buffered_ms: f64,
    pub(super) delay_ms: f64,
    pub(super) playout_delay_ms: f64,
    pub(super) ppm: f64,
    pub(super) card_uncertainty_us: f64,
    pub(super) output_latency_ms: f64,
    pub(super) extra_ms: u32,
}

/// What the user chose.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) fallback_delay_ms: u32,
    /// Whether to play later where sound keeps running dry.
    pub(super) adaptive: bool,
    /// What may change at any time.
    pub(super) controls: Arc<Controls>,
}

/// The playing thread.
pub(super) struct Play {
    clock: Clock,
    network: Receiver<Heard>,
    output: Output,
    /// The stream in time, where something else than a card is to have it.
    cardless: Option<Cardless>,
    taps: Taps,
    choice: Choice,
    counters: Arc<stats::Playback>,
    snapshots: SyncSender<Snapshot>,
    /// Tells the card's keeper what delay to open it for.
    delays: SyncSender<u32>,
    snapshot_us: u64,
    effort: Effort,
    beginnings: Allowance,
    stream: Option<Known>,
    /// What came of the stream before it could be played.
    early: Early,
    card: Option<Attached>,
    limiter: Option<Limiter>,
    connected: bool,
    offset: Option<Offset>,
    extra: Extra,
    /// What of the user's trim can be had; positive plays later.
    trim_ms: i32,
    /// How much further ahead than usual the card's ring is kept, in ms.
    spare_ms: u32,
    volume_percent: u16,
    dry: Dry,
    /// When the card was last fed, and how often too late.
    fed_us: u64,
    fed_late: u64,
    too_late_since_us: Option<u64>,
    /// When lateness was last looked at, and what was counted then.
    looked: (u64, Counts),
    /// Until then what is missing and late is an outage's doing, and says nothing of the delay.
    fair_from_us: u64,
    /// What earlier players of this run have counted.
    counted: Counts,
}

/// The stream in play.
struct Known {
    stream: Stream,
    /// Sound is timed by when it comes, because the server says nothing that can be believed.
    arrivals: Option<Arrivals>,
    trust: Trust,
    /// Set up once the first frame and the server's clock are known.
    playout: Option<Playout>,
    /// Whether [`Play::cardless`] has this stream already.
    is_cardless_set_up: bool,
}

impl Play {
    pub(super) fn new(
        clock: Clock,
        network: Receiver<Heard>,
        output: Output,
        choice: Choice,
        counters: Arc<stats::Playback>,
        snapshots: SyncSender<Snapshot>,
        delays: SyncSender<u32>,
    ) -> Self {
        let is_cardless = matches!(output, Output::Cardless);
        Self {
            clock,
            network,
            output,
            cardless: is_cardless.then(Cardless::default),
            taps: Taps::default(),
            trim_ms: 0,
            volume_percent: choice.controls.volume_percent(),
            dry: Dry::new(choice.adaptive),
            choice,
            counters,
            snapshots,
            delays,
            snapshot_us: 0,
            effort: Effort::default(),
            beginnings: Allowance::per_second(MOST_BEGINNINGS),
            stream: None,
            early: Early::default(),
            card: None,
            limiter: None,
            connected: false,
            offset: None,
            extra: Extra::default(),
            spare_ms: 0,
            fed_us: 0,
            fed_late: 0,
            too_late_since_us: None,
            looked: (0, Counts::default()),
            fair_from_us: 0,
            counted: Counts::default(),
        }
    }

    /// What is heard is recorded there.
    pub(super) fn record(&mut self, taps: Taps) {
        if taps.heard.is_some() {
            self.cardless.get_or_insert_default();
        }
        self.taps = taps;
    }

    /// Runs until `shutdown`.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) if the file that is the output cannot go on.
    pub(super) fn run(mut self, shutdown: &Shutdown) -> Result<()> {
        while !shutdown.is_requested() {
            let has_more = self.take_messages()?;
            self.obey();
            self.attach_card();
            self.feed_card();
            self.mind_lateness();
            self.mind_dryness();
            let is_behind = self.play_without_card()?;
            if !is_behind {
                self.hand_out();
            }
            self.rest(has_more || is_behind)?;
        }
        Ok(())
    }

    /// Takes what has come, as much as one turn may. Returns whether there may be more.
    fn take_messages(&mut self) -> Result<bool> {
        self.effort.begin_turn(self.clock.now_us());
        while self.effort.may_take(self.clock.now_us()) {
            if self.is_set_up()
                && let Some(sound) = self.early.pop()
            {
                self.insert(&sound);
            } else if let Ok(heard) = self.network.try_recv() {
                self.hear(heard)?;
            } else {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits for what comes next, or until the card wants to be looked at.
    fn rest(&mut self, has_more: bool) -> Result<()> {
        let from_us = self.clock.now_us();
        if self.effort.must_rest(from_us) {
            std::thread::sleep(Duration::from_micros(SHORTEST_TICK_US as u64));
        } else if !has_more {
            let tick = (self.lead_ms() * 1e3 / 3.0).clamp(SHORTEST_TICK_US, LONGEST_TICK_US);
            let tick = Duration::from_micros(tick as u64);
            // What arrives goes on at once: with a short delay there is no half millisecond to lose.
            let heard = self.network.recv_timeout(tick);
            self.effort.waited(from_us, self.clock.now_us());
            match heard {
                Ok(heard) => return self.hear(heard),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(tick),
            }
        }
        self.effort.waited(from_us, self.clock.now_us());
        Ok(())
    }

    fn hear(&mut self, heard: Heard) -> Result<()> {
        match heard {
            Heard::Stream(stream) => self.begin(stream),
            // A server that is no longer believed goes on answering.
            Heard::Offset(_) if self.is_timed_by_arrivals() => {}
            Heard::Offset(offset) => {
                self.offset = Some(offset);
                self.timelines().for_each(|timeline| timeline.set_offset(offset));
            }
            Heard::Delay { playout_delay_ms, from_us } => {
                self.change_delay(playout_delay_ms, from_us)
            }
            Heard::Gone => self.expect(false),
            Heard::Back => self.expect(true),
            Heard::Audio { position, captured_us, arrived_us, broken, samples } => {
                self.judge(position, arrived_us);
                let Some(known) = &mut self.stream else {
                    return Ok(());
                };
                let (captured_us, broken) = match (&mut known.arrivals, captured_us) {
                    (Some(arrivals), _) => arrivals.arrive(position, arrived_us),
                    (None, Some(captured_us)) => (captured_us, broken),
                    (None, None) => return Ok(()),
                };
                if broken && !self.beginnings.takes(arrived_us) {
                    self.counters.refused.add(1);
                    return Ok(());
                }
                let sound = Sound { position, captured_us, broken, samples };
                let is_next = self.early.first().is_none();
                if is_next && self.is_set_up() && !self.needs_set_up() {
                    self.insert(&sound);
                } else {
                    self.wait(sound)?;
                }
            }
        }
        Ok(())
    }

    /// A connection was made. The same run of the same server goes on where it was.
    fn begin(&mut self, stream: Stream) {
        let same = self
            .stream
            .as_ref()
            .is_some_and(|known| stream.session.is_some() && known.stream == stream);
        if !same {
            if let Some(playout) = self.stream.as_mut().and_then(|known| known.playout.take()) {
                self.counted = add(self.counted, playout.counts());
            }
            // What is in the card's ring belongs to the old stream.
            if let Some(card) = &mut self.card {
                card.feed.skip_written();
            }
            self.early.clear();
            self.dry.forget();
            self.extra.forget();
            self.offset = stream.session.is_none().then_some(Offset::NONE);
            let arrivals =
                stream.session.is_none().then(|| Arrivals::new(stream.format.sample_rate));
            let trust = Trust::default();
            self.stream =
                Some(Known { stream, arrivals, trust, playout: None, is_cardless_set_up: false });
        }
        let _ = self.delays.try_send(self.wanted_ms().max(0.0) as u32);
        self.expect(true);
    }

    fn is_timed_by_arrivals(&self) -> bool {
        self.stream.as_ref().is_some_and(|known| known.arrivals.is_some())
    }

    /// Stops believing a server whose times cannot be: its sound is then timed by when it comes, as
    /// a first-generation server's.
    fn judge(&mut self, position: u64, arrived_us: u64) {
        if self.is_timed_by_arrivals() {
            return;
        }
        let captured_us =
            self.timelines().next().map(|timeline| timeline.captured_at(position as f64));
        // Without a card there is nothing to play on, and no timeline for that reason.
        let could_play = self.cardless.is_some() || self.card.is_some();
        let Some(known) = self.stream.as_mut().filter(|_| could_play) else {
            return;
        };
        if !known.trust.frame(captured_us, arrived_us) {
            return;
        }
        warn!(
            "what the server says of time cannot be: playing its sound by when it comes, not quite \
             in step with others. Restart the server if this goes on"
        );
        known.arrivals = Some(Arrivals::new(known.stream.format.sample_rate));
        known.is_cardless_set_up = false;
        self.early.clear();
        self.offset = Some(Offset::NONE);
        if let Some(playout) = known.playout.take() {
            self.counted = add(self.counted, playout.counts());
        }
    }

    /// The server's delay changes.
    fn change_delay(&mut self, playout_delay_ms: u32, from_us: u64) {
        let Some(known) = &mut self.stream else {
            return;
        };
        if let Some(before_ms) = known.stream.playout_delay_ms.replace(playout_delay_ms) {
            self.extra.delay_changes(before_ms, playout_delay_ms);
        }
        self.trim();
        let total_ms = self.wanted_ms();
        let _ = self.delays.try_send(total_ms.max(0.0) as u32);
        self.make_room();
        let by_arrivals = self.is_timed_by_arrivals();
        for timeline in self.timelines() {
            if by_arrivals {
                timeline.set_delay_us(total_ms * 1e3);
            } else {
                timeline.set_delay_from(from_us, total_ms * 1e3);
            }
        }
    }

    fn playout(&mut self) -> Option<&mut Playout> {
        self.stream.as_mut()?.playout.as_mut()
    }

    /// The timelines of the stream in play, of each that has it.
    fn timelines(&mut self) -> impl Iterator<Item = &mut Timeline> {
        let Self { stream, cardless, .. } = self;
        // Until a new server's first frame has come, the old one's timeline is still there, and that
        // has the old one's clock.
        let is_set_up = stream.as_ref().is_some_and(|known| known.is_cardless_set_up);
        let without_card = cardless.as_mut().filter(|_| is_set_up).and_then(Cardless::timeline);
        let playout = stream.as_mut().and_then(|known| known.playout.as_mut());
        playout.map(Playout::timeline).into_iter().chain(without_card)
    }

    fn expect(&mut self, expecting: bool) {
        self.connected = expecting;
        self.extra.disturb();
        // What comes first is heard a whole delay later.
        let settled_us = (self.wanted_ms().max(0.0) * 1e3) as u64;
        self.fair_from_us = self.clock.now_us() + settled_us;
        if let Some(playout) = self.playout() {
            playout.expect(expecting);
        }
    }

    fn delay_ms(&self) -> f64 {
        let delay = self.stream.as_ref().and_then(|known| known.stream.playout_delay_ms);
        f64::from(delay.unwrap_or(self.choice.fallback_delay_ms))
    }

    /// How long after its capture sound should be heard here, in ms.
    fn wanted_ms(&self) -> f64 {
        self.delay_ms() + f64::from(self.trim_ms) + f64::from(self.extra.ms())
    }

    /// Plays to an output without a card, and records what any output plays.
    /// Plays what is due where there is no card, and for a recording. Returns whether more is due.
    fn play_without_card(&mut self) -> Result<bool> {
        let now_us = self.clock.now_us();
        let is_output = matches!(self.output, Output::Cardless);
        let Some(cardless) = &mut self.cardless else {
            return Ok(false);
        };
        let before = cardless.frames();
        cardless.advance(now_us, self.connected, |format, samples| {
            if let Some(tap) = &mut self.taps.heard {
                tap.sound(format, samples);
            }
            if is_output && let Some(limiter) = &mut self.limiter {
                limiter.process(samples);
                self.counters.peak.note(samples);
                if let Some(tap) = &mut self.taps.output {
                    tap.sound(format, samples);
                }
            }
        });
        if is_output {
            self.counters.frames.add(cardless.frames() - before);
        }
        let is_behind = cardless.is_behind(now_us);
        self.taps.output.as_ref().and_then(Tap::failure).map_or(Ok(is_behind), Err)
    }

    fn hand_out(&mut self) {
        let now_us = self.clock.now_us();
        if now_us.saturating_sub(self.snapshot_us) < SNAPSHOT_US {
            return;
        }
        self.snapshot_us = now_us;
        let rate = self.stream.as_ref().map_or(48_000, |known| known.stream.format.sample_rate);
        let ms = |frames: u64| frames as f64 * 1e3 / f64::from(rate);
        let wanted_ms = self.wanted_ms();
        let mut snapshot = Snapshot {
            counts: self.counted,
            playout_delay_ms: wanted_ms,
            extra_ms: self.extra.ms(),
            ..Snapshot::default()
        };
        if let Some(card) = &self.card {
            snapshot.output_latency_ms = card.latency_us / 1e3;
            snapshot.ppm = card.clock.ppm();
            snapshot.card_uncertainty_us = card.clock.uncertainty_us();
        }
        if let (Output::Cardless, Some(cardless)) = (&self.output, &self.cardless) {
            snapshot.counts = add(snapshot.counts, cardless.counts());
            snapshot.buffered_ms = ms(cardless.buffered());
            snapshot.delay_ms = cardless.delay_us(now_us) / 1e3;
        } else if let Some(playout) = self.playout() {
            snapshot.counts = add(snapshot.counts, playout.counts());
            snapshot.buffered_ms = ms(playout.buffered());
            snapshot.delay_ms = playout.delay_us() / 1e3;
        }
        // Nobody has taken the last one: they will take a later one.
        let _ = self.snapshots.try_send(snapshot);
        debug!("{snapshot:?}");
    }
}

fn add(a: Counts, b: Counts) -> Counts {
    Counts { lost: a.lost + b.lost, late: a.late + b.late, jumps: a.jumps + b.jumps }
}

#[cfg(test)]
mod tests;
