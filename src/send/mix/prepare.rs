//! Opens a source that is to stand in the mix: off the chunking thread, because it can take seconds.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use log::error;

use super::combine::Settings;
use super::read_ahead::ReadAhead;
use super::relayed::Relayed;
use super::track::Track;
use crate::capture::cards::Cards;
use crate::capture::chunk::Chunker;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::listener::relay::Relays;
use crate::send::captured::CapturedOutputs;
use crate::shutdown::Shutdown;
use crate::soundless::Generator;
use crate::source::{Kind, Source};
use crate::wire::{AudioHeader, FLAG_BROKEN};

/// Names of sources are shown to people: no longer than this.
const LONGEST_NAME: usize = 200;

/// A second card's sound is cut this fine on its way: less would cost, more would come later.
#[cfg(feature = "device")]
const CARD_CHUNK_MS: f64 = 3.0;

/// The shortest delay of a track, in ms: less holds no jitter buffer at all.
const SHORTEST_TRACK_DELAY_MS: f64 = 10.0;

/// What a new source must fit.
#[derive(Clone)]
pub(in crate::send) struct Fitting {
    pub(in crate::send) mix: Format,
    /// The playout delay in force, in ms.
    pub(in crate::send) delay_ms: Arc<AtomicU32>,
    pub(in crate::send) clock: Clock,
    pub(in crate::send) captured: CapturedOutputs,
    /// How other servers are listened to.
    pub(in crate::send) relays: Relays,
    /// Everything that the server runs ends with this, whether the user asks for it or a thread
    /// breaks.
    pub(in crate::send) stop: Shutdown,
}

#[cfg(feature = "device")]
impl Fitting {
    pub(in crate::send) fn delay_ms(&self) -> u32 {
        self.delay_ms.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// A source that has been opened, off the chunking thread.
pub(in crate::send) struct Prepared {
    pub(super) name: String,
    pub(super) settings: Settings,
    pub(super) feed: Feed,
    /// The card's id, where it is one.
    pub(super) device: Option<String>,
}

/// Where a source's frames come from.
pub(super) enum Feed {
    /// The chunks themselves.
    Carrier,
    File(ReadAhead),
    Card(Box<CardFeed>),
    Server(Box<Relayed>),
    /// Nowhere any more.
    Ended,
}

impl Feed {
    /// Whether nothing will come any more from where something came.
    pub(super) fn has_ended(&self) -> bool {
        match self {
            Self::File(file) => file.has_ended(),
            Self::Server(server) => server.has_ended(),
            Self::Carrier | Self::Card(_) | Self::Ended => false,
        }
    }
}

/// A second card, with a clock of its own.
pub(in crate::send) struct CardFeed {
    cards: Cards,
    chunker: Chunker,
    pub(super) track: Track,
    /// Its keeper stops when the source is taken out.
    stop: Shutdown,
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
                device = id;
                Feed::Card(Box::new(card))
            }
            Kind::Auralync(host) => {
                let Fitting { mix, clock, relays, .. } = fitting;
                Feed::Server(Box::new(Relayed::open(host, *mix, *clock, relays)?))
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
    /// A card that is not there yet has no id, and is not known for the same.
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

pub(super) fn shown(name: &str) -> String {
    crate::format::printable(name, LONGEST_NAME)
}

#[cfg(not(feature = "device"))]
fn card(_source: &Source, _fitting: &Fitting) -> Result<(Option<String>, CardFeed)> {
    Err(crate::send::no_cards())
}

#[cfg(feature = "device")]
fn card(source: &Source, fitting: &Fitting) -> Result<(Option<String>, CardFeed)> {
    use crate::send::keep_card::{self, KeepCard};
    use crate::sound::mixdown::Mixdown;
    use crate::threads::{Priority, spawn};

    let device = keep_card::find(&source.kind)?;
    let rate = device.as_ref().map_or(fitting.mix.sample_rate, |d| d.format().sample_rate);
    let own = Format { sample_rate: rate, ..fitting.mix };
    if let Some(device) = &device {
        // Found out here, where it can be said.
        Mixdown::new(device.layout(), own.channels, source.channels)?;
    }
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
    let id = device.as_ref().map(|device| device.id().to_owned());
    let capturing = fitting.captured.source();
    capturing.set(device.as_ref().and_then(|device| device.captured_output_id()));
    let keeper = KeepCard {
        producer,
        source: source.clone(),
        found: device,
        delay_ms: Arc::clone(&fitting.delay_ms),
        clock: fitting.clock,
        counters: Arc::default(),
        capturing,
        is_carrier: false,
        mix_channels: fitting.mix.channels,
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
    pub(super) fn take_input(&mut self) {
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

/// How a source begins.
pub(in crate::send) fn settings(source: &Source) -> Settings {
    Settings {
        level_db: source.level_db,
        is_muted: source.muted,
        pan: source.pan,
        loudness_lufs: source.loudness_lufs,
    }
}
