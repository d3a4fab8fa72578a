//! What the playing thread decides: takes what the network gives and feeds the card, or files, in
//! time. No thread, no channel, no clock: `play_thread` has those.

mod card;
mod early;
mod effort;
mod extra;
mod finish;
mod seen;
mod set_up;
mod wishes;

use std::sync::Arc;

use log::warn;

use super::cardless::Cardless;
use super::connect::{Heard, Stream};
use super::dry::Dry;
use super::speaker::Feed;
use crate::allowance::Allowance;
use crate::clock::{Arrivals, Offset, Timeline, Trust};
use crate::error::Result;
use crate::format::Format;
use crate::playout::reading::Reading;
use crate::playout::{BLOCK, Counts, Playout};
use crate::recording::Tap;
use crate::stats;
use card::Attached;
use early::{Early, Sound};
use effort::Effort;
pub use effort::Rest;
use extra::Extra;
use finish::Finish;
pub use seen::{Next, Snapshot};
pub use wishes::Wishes;

/// Frames that begin anew, of which so many are taken at once and in every second after that: more
/// than any honest server sends, one that was asleep, or whose card stood still.
const MOST_BEGINNINGS: u64 = 10;

/// What is known of the server's clock never changes by so much at once, in µs, unless a clock has
/// jumped: a computer was asleep.
const CLOCK_STEP_US: f64 = 100_000.0;

/// An open card.
pub struct Plugged {
    /// Where its sound goes in.
    pub feed: Feed,
    /// Its rate and channels.
    pub format: Format,
    /// Frames that its callback asks for at once.
    pub period: usize,
}

/// What the sound goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// A card, while one is plugged.
    Card,
    /// Something that needs none.
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

/// What the user chose.
#[derive(Debug, Clone, Copy)]
pub struct Choice {
    /// The playout delay where the server does not say one, in ms.
    pub fallback_delay_ms: u32,
    /// Whether to play later where sound keeps running dry.
    pub adaptive: bool,
    /// What may change at any time.
    pub wishes: Wishes,
}

/// Makes what resamples a stream for a card: the stream's format and the card's, the frames of a
/// chunk, the longest delay in ms, and when what is heard.
pub type MakePlayout = fn(Format, Format, usize, u32, Timeline) -> Result<Playout>;

/// What plays.
pub struct Play {
    output: Output,
    /// The stream in time, where something else than a card is to have it.
    cardless: Option<Cardless>,
    taps: Taps,
    /// Where it is told how far sound has been read.
    reading: Arc<Reading>,
    choice: Choice,
    counters: Arc<stats::Playback>,
    make_playout: MakePlayout,
    /// Whether sound is made as this person wants to hear it, and limited.
    finishes: bool,
    /// A delay in ms that the card's keeper is to be told of.
    untold_delay_ms: Option<u32>,
    /// A trim in ms that cannot be had, and the one that is played with instead.
    settled: Option<(i32, i32)>,
    snapshot_us: u64,
    effort: Effort,
    beginnings: Allowance,
    stream: Option<Known>,
    /// What came of the stream before it could be played.
    early: Early,
    card: Option<Attached>,
    finish: Option<Finish>,
    connected: bool,
    offset: Option<Offset>,
    extra: Extra,
    /// What of the user's trim can be had; positive plays later.
    trim_ms: i32,
    /// How much further ahead than usual the card's ring is kept, in ms.
    spare_ms: u32,
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
    /// Plays to `output`. What is played is counted in `counters`, which the card's callback shares.
    #[must_use]
    pub fn new(output: Output, choice: Choice, counters: Arc<stats::Playback>) -> Self {
        Self {
            output,
            cardless: (output == Output::Cardless).then(Cardless::default),
            taps: Taps::default(),
            reading: Arc::default(),
            trim_ms: 0,
            dry: Dry::new(choice.adaptive),
            choice,
            counters,
            make_playout: Playout::new,
            finishes: true,
            untold_delay_ms: None,
            settled: None,
            snapshot_us: 0,
            effort: Effort::default(),
            beginnings: Allowance::per_second(MOST_BEGINNINGS),
            stream: None,
            early: Early::default(),
            card: None,
            finish: None,
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

    /// How far sound has been read, as it is told while it plays.
    pub(super) fn reading(&self) -> Arc<Reading> {
        Arc::clone(&self.reading)
    }

    /// For simulations: `make` resamples, and sound is as loud as it comes.
    #[must_use]
    pub fn simulated(self, make: MakePlayout) -> Self {
        Self { make_playout: make, finishes: false, ..self }
    }

    /// Takes what has come, as much as one turn may: `next` gives it, and `now_us` the time. Returns
    /// whether there may be more.
    ///
    /// # Errors
    /// If a stream cannot be played on the card at all.
    pub fn take(
        &mut self,
        mut now_us: impl FnMut() -> u64,
        mut next: impl FnMut() -> Option<Heard>,
    ) -> Result<bool> {
        self.effort.begin_turn(now_us());
        loop {
            let now_us = now_us();
            if !self.effort.may_take(now_us) {
                return Ok(true);
            }
            if self.is_set_up()
                && let Some(sound) = self.early.pop()
            {
                self.insert(&sound);
            } else if let Some(heard) = next() {
                self.hear(heard, now_us)?;
            } else {
                return Ok(false);
            }
        }
    }

    /// Feeds the card and what is recorded, as far as is due. Returns whether more is due already.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) if the file that is the output cannot go on.
    pub fn turn(&mut self, now_us: u64, wishes: Wishes) -> Result<bool> {
        self.obey(wishes);
        self.feed_card(now_us);
        self.mind_lateness(now_us);
        self.mind_dryness(now_us);
        let is_behind = self.play_without_card(now_us);
        self.tell_reading(now_us);
        is_behind
    }

    /// Tells how far sound has been read, whichever output is first.
    fn tell_reading(&self, now_us: u64) {
        let playout = self.stream.as_ref().and_then(|known| known.playout.as_ref());
        let by_card = playout.and_then(Playout::read_until).zip(self.stream.as_ref());
        // A card's next block is read at once, at any moment.
        let by_card = by_card.map(|(read, known)| {
            (read.saturating_add(BLOCK as u64), known.stream.format.sample_rate)
        });
        let is_set_up = self.stream.as_ref().is_some_and(|known| known.is_cardless_set_up);
        let without = self.cardless.as_ref().filter(|_| is_set_up).and_then(Cardless::read_until);
        match by_card.into_iter().chain(without).max() {
            Some((position, rate_hz)) => self.reading.at(position, now_us, rate_hz),
            None => self.reading.stop(),
        }
    }

    /// What the thread does next, where `has_more` says that there is work already.
    #[must_use]
    pub fn rest(&self, now_us: u64, has_more: bool) -> Rest {
        self.effort.rest(now_us, has_more, self.lead_ms())
    }

    /// The thread rested from `from_us` until `to_us`.
    pub fn rested(&mut self, from_us: u64, to_us: u64) {
        self.effort.waited(from_us, to_us);
    }

    /// A delay in ms that the card is to be opened for, if there is a new one.
    pub fn take_delay(&mut self) -> Option<u32> {
        self.untold_delay_ms.take()
    }

    /// A trim in ms that was asked for and cannot be had, and the one that is played with instead.
    pub fn take_settled_trim(&mut self) -> Option<(i32, i32)> {
        self.settled.take()
    }

    /// Takes something that has come at `now_us`.
    ///
    /// # Errors
    /// If a stream cannot be played on the card at all.
    pub fn hear(&mut self, heard: Heard, now_us: u64) -> Result<()> {
        match heard {
            Heard::Stream(stream) => self.begin(stream, now_us),
            // A server that is no longer believed goes on answering.
            Heard::Offset(_) if self.is_timed_by_arrivals() => {}
            Heard::Offset(offset) => {
                let at_us = now_us as f64;
                let has_stepped = self.offset.replace(offset).is_some_and(|before| {
                    (before.server_us(at_us) - offset.server_us(at_us)).abs() > CLOCK_STEP_US
                });
                self.timelines().for_each(|timeline| timeline.set_offset(offset));
                if has_stepped {
                    // What seemed to come too late by the old one did not.
                    let played_later = self.extra.ms() > 0;
                    self.extra.forget();
                    self.too_late_since_us = None;
                    self.be_fair(now_us);
                    if played_later {
                        self.apply_delay();
                    }
                }
            }
            Heard::Delay { playout_delay_ms, from_us } => {
                self.change_delay(playout_delay_ms, from_us)
            }
            Heard::Gone => self.expect(false, now_us),
            Heard::Back => self.expect(true, now_us),
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
    fn begin(&mut self, stream: Stream, now_us: u64) {
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
        self.untold_delay_ms = Some(self.wanted_ms().max(0.0) as u32);
        self.expect(true, now_us);
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
        // What seemed to come too late by those times says nothing.
        self.extra.forget();
        self.dry.forget();
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
        self.untold_delay_ms = Some(total_ms.max(0.0) as u32);
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

    fn expect(&mut self, expecting: bool, now_us: u64) {
        self.connected = expecting;
        self.extra.disturb();
        self.be_fair(now_us);
        if let Some(playout) = self.playout() {
            playout.expect(expecting);
        }
    }

    /// What is missing or late by now says nothing of the delay.
    fn be_fair(&mut self, now_us: u64) {
        // What comes first is heard a whole delay later.
        self.fair_from_us = now_us + (self.wanted_ms().max(0.0) * 1e3) as u64;
    }

    fn delay_ms(&self) -> f64 {
        let delay = self.stream.as_ref().and_then(|known| known.stream.playout_delay_ms);
        f64::from(delay.unwrap_or(self.choice.fallback_delay_ms))
    }

    /// How long after its capture sound should be heard here, in ms.
    fn wanted_ms(&self) -> f64 {
        self.delay_ms() + f64::from(self.trim_ms) + f64::from(self.extra.ms())
    }

    /// Plays what is due where there is no card, and for a recording. Returns whether more is due.
    fn play_without_card(&mut self, now_us: u64) -> Result<bool> {
        let is_output = self.output == Output::Cardless;
        let Some(cardless) = &mut self.cardless else {
            return Ok(false);
        };
        let before = cardless.frames();
        cardless.advance(now_us, self.connected, |format, samples| {
            if let Some(tap) = &mut self.taps.heard {
                tap.sound(format, samples);
            }
            if is_output {
                if let Some(finish) = &mut self.finish {
                    finish.process(samples);
                }
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
}

fn add(a: Counts, b: Counts) -> Counts {
    Counts { lost: a.lost + b.lost, late: a.late + b.late, jumps: a.jumps + b.jumps }
}

#[cfg(test)]
mod tests;
