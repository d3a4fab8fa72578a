//! The sources beside the carrier, on their way into the mix.

use log::error;

use crate::capture::cards::Cards;
use crate::capture::chunk::Chunker;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::send::combine::{Combine, Id, Role, Settings};
use crate::send::desk::{Fitting, Order, settings};
use crate::send::read_ahead::ReadAhead;
use crate::send::record::Taps;
use crate::send::track::Track;
use crate::shutdown::Shutdown;
use crate::soundless::Generator;
use crate::source::{Kind, MAX_SOURCES, Source, SourceOrder};
use crate::stats::{SourceState, SourceStats};
use crate::wire::{AudioHeader, FLAG_BROKEN};

/// The carrier's place in the mix.
pub(super) const CARRIER: Id = Id(0);

/// Names of sources are shown to people: no longer than this.
const LONGEST_NAME: usize = 200;

/// A second card's sound is cut this fine on its way: less would cost, more would come later.
#[cfg(feature = "device")]
const CARD_CHUNK_MS: f64 = 3.0;

/// The shortest delay of a track, in ms: less holds no jitter buffer at all.
const SHORTEST_TRACK_DELAY_MS: f64 = 10.0;

/// A source that has been opened, off the chunking thread.
pub(in crate::send) struct Prepared {
    name: String,
    settings: Settings,
    feed: Feed,
    /// The card's id, where it is one.
    device: Option<String>,
}

/// Where a source's frames come from.
enum Feed {
    /// The chunks themselves.
    Carrier,
    File(ReadAhead),
    Card(Box<CardFeed>),
    /// Nowhere any more.
    Ended,
}

/// A second card, with a clock of its own.
pub(in crate::send) struct CardFeed {
    cards: Cards,
    chunker: Chunker,
    track: Track,
    /// Its keeper stops when the source is taken out.
    stop: Shutdown,
}

struct Entry {
    id: Id,
    name: String,
    feed: Feed,
    device: Option<String>,
    level_dbfs: f32,
    is_playing: bool,
    /// Whether it was taken in while the server ran: then it leaves when it has ended.
    was_added: bool,
}

/// All sources, the carrier first.
pub(super) struct Beside {
    mix: Format,
    entries: Vec<Entry>,
    next_id: u64,
    scratch: Vec<f32>,
    /// Frames until the levels of the last second are read off.
    second_left: usize,
}

impl Beside {
    /// The carrier alone, whose source is called `name`.
    pub(super) fn new(mix: Format, name: &str) -> Self {
        let carrier = Entry {
            id: CARRIER,
            name: shown(name),
            feed: Feed::Carrier,
            device: None,
            level_dbfs: crate::format::dbfs(0.0),
            is_playing: false,
            was_added: false,
        };
        Self {
            mix,
            entries: vec![carrier],
            next_id: 1,
            scratch: Vec::new(),
            second_left: mix.sample_rate as usize,
        }
    }

    /// Takes what cards have given since last time.
    pub(super) fn take_input(&mut self) {
        for entry in &mut self.entries {
            if let Feed::Card(card) = &mut entry.feed {
                card.take_input();
            }
        }
    }

    /// Gives the mix what stands beside the carrier's chunk of that header.
    pub(super) fn give(&mut self, header: &AudioHeader, combine: &mut Combine, taps: &mut Taps) {
        let frames = header.frames as usize;
        self.scratch.resize(self.mix.samples(frames), 0.0);
        for entry in &mut self.entries {
            let given = match &mut entry.feed {
                Feed::Carrier | Feed::Ended => continue,
                Feed::File(file) => {
                    let count = file.read(&mut self.scratch);
                    entry.is_playing = count > 0;
                    &self.scratch[..count]
                }
                Feed::Card(card) => {
                    entry.is_playing =
                        card.track.read(header.position, header.captured_us, &mut self.scratch);
                    &self.scratch[..]
                }
            };
            combine.input(entry.id, given, false);
            if !given.is_empty() {
                taps.input((entry.id, &entry.name), self.mix, header.position, given);
            }
            if matches!(&entry.feed, Feed::File(file) if file.has_ended()) {
                entry.feed = Feed::Ended;
                entry.is_playing = false;
                combine.remove(entry.id);
                taps.end(entry.id);
            }
        }
        self.entries.retain(|entry| !entry.was_added || !matches!(entry.feed, Feed::Ended));
        self.second_left = self.second_left.saturating_sub(frames);
        if self.second_left == 0 {
            self.second_left = self.mix.sample_rate as usize;
            for entry in &mut self.entries {
                entry.level_dbfs =
                    combine.take_level_dbfs(entry.id).unwrap_or(crate::format::dbfs(0.0));
            }
        }
    }

    /// Whether the carrier delivers, for the list.
    pub(super) fn set_carrier(&mut self, is_playing: bool, has_ended: bool) {
        if let Some(carrier) = self.entries.first_mut() {
            carrier.is_playing = is_playing;
            if has_ended {
                carrier.feed = Feed::Ended;
            }
        }
    }

    /// Does what was asked.
    pub(super) fn obey(
        &mut self,
        order: Order,
        combine: &mut Combine,
        taps: &mut Taps,
    ) -> Result<Vec<SourceStats>> {
        match order {
            Order::List => {}
            Order::Source(SourceOrder::Level { source, db }) => {
                combine.set_level(self.known(source)?, db);
            }
            Order::Source(SourceOrder::Mute { source, muted }) => {
                combine.set_muted(self.known(source)?, muted);
            }
            Order::Source(SourceOrder::Pan { source, pan }) => {
                combine.set_pan(self.known(source)?, pan);
            }
            Order::Add(prepared) => {
                // One that was there from the start and has ended makes way for itself.
                let is_back = |entry: &Entry| {
                    matches!(entry.feed, Feed::Ended) && entry.name == prepared.name
                };
                let back = self.entries.iter().find(|entry| entry.id != CARRIER && is_back(entry));
                let back = back.map(|entry| entry.id);
                self.add(*prepared, combine)?;
                self.entries.retain(|entry| Some(entry.id) != back);
                if let Some(added) = self.entries.last_mut() {
                    added.was_added = true;
                }
            }
            Order::Source(SourceOrder::Remove { source }) if Id(source) == CARRIER => {
                return Err(Error::usage(
                    "the first source gives all others their time and cannot be taken out",
                    "Mute it",
                ));
            }
            Order::Source(SourceOrder::Remove { source }) => {
                let id = self.known(source)?;
                combine.remove(id);
                taps.end(id);
                self.entries.retain(|entry| entry.id != id);
            }
        }
        Ok(self.list(combine))
    }

    /// Takes a source in.
    pub(super) fn add(&mut self, prepared: Prepared, combine: &mut Combine) -> Result<()> {
        let playing = self.entries.iter().filter(|entry| !matches!(entry.feed, Feed::Ended));
        for entry in playing {
            prepared.refuse(entry.device.as_deref(), &entry.name)?;
        }
        let Prepared { name, settings, feed, device } = prepared;
        if self.entries.iter().any(|e| e.name == name && !matches!(&e.feed, Feed::Ended)) {
            return Err(Error::usage(
                format!("the source “{name}” is in the mix already"),
                "Give each once; its level makes it louder",
            ));
        }
        let id = Id(self.next_id);
        // What has ended is listed and takes no room in the mix.
        let playing = self.entries.iter().filter(|entry| !matches!(entry.feed, Feed::Ended));
        if playing.count() >= MAX_SOURCES || !combine.add(id, Role::Film, settings) {
            return Err(Error::usage(
                format!("{MAX_SOURCES} sources are in the mix already"),
                "Take one out first",
            ));
        }
        self.next_id += 1;
        let level_dbfs = crate::format::dbfs(0.0);
        let (is_playing, was_added) = (false, false);
        self.entries.push(Entry { id, name, feed, device, level_dbfs, is_playing, was_added });
        Ok(())
    }

    fn known(&self, number: u64) -> Result<Id> {
        let id = Id(number);
        if self.entries.iter().any(|entry| entry.id == id) {
            return Ok(id);
        }
        Err(Error::usage(format!("there is no source {number}"), "List the sources that there are"))
    }

    fn list(&self, combine: &Combine) -> Vec<SourceStats> {
        let stats = |entry: &Entry| {
            let settings = combine.settings(entry.id).unwrap_or_default();
            SourceStats {
                id: entry.id.0,
                name: entry.name.clone(),
                level_db: settings.level_db,
                is_muted: settings.is_muted,
                pan: settings.pan,
                level_dbfs: entry.level_dbfs,
                state: match entry.feed {
                    Feed::Ended => SourceState::Ended,
                    _ if entry.is_playing => SourceState::Playing,
                    _ => SourceState::Waiting,
                },
            }
        };
        self.entries.iter().map(stats).collect()
    }
}

impl Prepared {
    /// Opens a source that is to stand beside the carrier. May take seconds.
    ///
    /// # Errors
    /// Whatever keeps it from being opened, as a sentence for the user.
    pub(in crate::send) fn open(source: &Source, fitting: &Fitting) -> Result<Self> {
        let mut device = None;
        let feed = match &source.kind {
            Kind::Loopback(_) | Kind::Device(_) => {
                let (id, card) = card(source, fitting)?;
                device = Some(id);
                Feed::Card(Box::new(card))
            }
            kind => {
                let generator = Generator::open(kind, source.looped, fitting.mix)?;
                let name = source.kind.to_string();
                Feed::File(ReadAhead::start(
                    &name,
                    generator,
                    source.channels,
                    fitting.mix,
                    &fitting.stop,
                )?)
            }
        };
        let name = shown(&source.kind.to_string());
        Ok(Self { name, settings: settings(source), feed, device })
    }

    /// Refuses a card that is in the mix under another name: it would be twice as loud, with an echo.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is `other`, the card of the source called `name`.
    pub(in crate::send) fn refuse(&self, other: Option<&str>, name: &str) -> Result<()> {
        if self.device.is_none() || self.device.as_deref() != other {
            return Ok(());
        }
        Err(Error::usage(
            format!("the sources “{name}” and “{}” are the same device", self.name),
            "Give each once; ,level= makes one louder",
        ))
    }

    /// The card's id and what the source is called.
    pub(in crate::send) fn identity(&self) -> (Option<&str>, &str) {
        (self.device.as_deref(), &self.name)
    }
}

fn shown(name: &str) -> String {
    crate::format::printable(name, LONGEST_NAME)
}

#[cfg(not(feature = "device"))]
fn card(_source: &Source, _fitting: &Fitting) -> Result<(String, CardFeed)> {
    Err(crate::send::no_cards())
}

#[cfg(feature = "device")]
fn card(source: &Source, fitting: &Fitting) -> Result<(String, CardFeed)> {
    use crate::mixdown::Mixdown;
    use crate::send::keep_card::{self, KeepCard};
    use crate::threads::{Priority, spawn};

    let device = crate::device::InputDevice::find(&source.kind)?;
    let own = Format { sample_rate: device.format().sample_rate, ..fitting.mix };
    // Found out here, where it can be said.
    Mixdown::new(device.layout(), own.channels, source.channels)?;
    let chunk = own.frames_in_ms(CARD_CHUNK_MS).max(16);
    let delay_ms = track_delay_ms(keep_card::period_ms(fitting.delay_ms()));
    let (cards, producer) = Cards::new(source.channels);
    let feed = CardFeed {
        cards,
        // What does not come is missing, which a track fades around: no silence by the clock.
        chunker: Chunker::new(own, chunk as u32, u64::MAX, fitting.clock.now_us()),
        track: Track::new(own.sample_rate, fitting.mix, chunk, delay_ms)?,
        stop: Shutdown::default(),
    };
    let id = device.id().to_owned();
    let capturing = fitting.captured.source();
    capturing.set(device.captured_output_id());
    let keeper = KeepCard {
        producer,
        source: source.clone(),
        found: Some(device),
        delay_ms: std::sync::Arc::clone(&fitting.delay_ms),
        clock: fitting.clock,
        counters: std::sync::Arc::default(),
        capturing,
        is_carrier: false,
    };
    let heard = feed.stop.clone();
    // Opening a card can take seconds; nobody waits for this thread to end.
    let _keeper = spawn("card", Priority::Ordinary, &fitting.stop, move || keeper.run(&heard))?;
    Ok((id, feed))
}

/// How long after the carrier's a second card's sound of the same moment is heard, in ms: two of its
/// periods, one to be filled and one to come late.
fn track_delay_ms(period_ms: f64) -> u32 {
    (2.0 * period_ms).ceil().max(SHORTEST_TRACK_DELAY_MS) as u32
}

impl CardFeed {
    fn take_input(&mut self) {
        self.cards.feed(&mut self.chunker);
        if self.cards.is_plugged() {
            // One that is opened after the playout delay has changed has other periods.
            self.track.set_delay_ms(track_delay_ms(self.cards.period_ms()));
        }
        // Whole chunks are given out whatever the time is.
        while let Some(chunk) = self.chunker.next_chunk(0) {
            let AudioHeader { position, captured_us, flags, .. } = chunk.header;
            let is_broken = flags & FLAG_BROKEN != 0;
            if let Err(e) = self.track.insert(position, captured_us, is_broken, chunk.samples) {
                error!("{e}");
            }
        }
    }
}

impl Drop for CardFeed {
    fn drop(&mut self) {
        self.stop.request();
    }
}

#[cfg(test)]
mod tests;
