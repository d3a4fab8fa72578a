//! Joins the sending stages: makes the rings and queues, starts and joins the threads.

pub mod captured;
mod control;
pub mod encode;
pub mod fanout;
#[cfg(feature = "device")]
mod keep_card;
pub mod mix;
pub mod presence;
mod report;
mod stream_rate;
pub mod transmit;
pub mod web;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};

use log::warn;

use crate::clock::Clock;
use crate::codec::opus::{self, Layout};
use crate::codec::{Codec, Offers};
use crate::control::token::TokenFile;
use crate::discovery::announce::{Announcement, Announcer};
use crate::discovery::record::Details;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::preset::{Fixed, Preset, Watch};
use crate::recording::refuse_folder_at_once;
use crate::settings::{ServerSettings, computer};
use crate::shutdown::Shutdown;
use crate::sound::mixdown::{self, Mixdown};
use crate::soundless::Generator;
use crate::source::{Kind, Source};
use crate::stats::{self, Lines};
use crate::status::Terminal;
use crate::threads::{Priority, join, spawn};
use crate::wire::{AuralyncKey, Config, VERSION, Welcome};
use captured::CapturedOutputs;
use control::Board;
use mix::Mix;
use mix::desk::{Asked, Desk};
use mix::own_mixes::OwnMixes;
use mix::prepare::{self, Fitting, Prepared};
use mix::read_ahead::ReadAhead;
use mix::record::Recordings;
use mix::thread::MixThread;
use report::Report;
use stream_rate::stream_rate;
use transmit::{Change, Room, Transmit, sockets};
use web::Web;
use web::names::Names;

/// The stream's rate where neither a card nor a file tells.
const DEFAULT_RATE: u32 = 48_000;

/// Listeners ping this often, or every so many ms as there are listeners: a thousand pings a
/// second is what a big room may cost.
const PING_MS: u32 = 250;

/// A server that has its sound source and its port, and has not started yet.
pub struct Server {
    settings: ServerSettings,
    source: Origin,
    beside: Vec<Prepared>,
    desk: Desk,
    orders: Receiver<Asked>,
    fitting: Fitting,
    format: Format,
    door: std::net::TcpListener,
    /// The page's; a server can do without.
    web_door: Option<std::net::TcpListener>,
    lines: Lines,
    recordings: Recordings,
    status: Option<Terminal>,
}

/// Where the sound comes from.
enum Origin {
    Generator(Generator),
    /// None yet, where this PC has no sound so far.
    #[cfg(feature = "device")]
    Card(Option<Box<crate::device::InputDevice>>),
}

impl Server {
    /// Finds the source, opens the port.
    ///
    /// # Errors
    /// Whatever keeps the server from starting, as a sentence for the user.
    pub fn open(settings: ServerSettings) -> Result<Self> {
        if let Some(folder) = &settings.record_dir {
            refuse_folder_at_once(folder)?;
        }
        let (source, others) = carrier(&settings);
        let origin = Origin::open(&source, &settings)?;
        let sample_rate =
            settings.preset.sample_rate.unwrap_or_else(|| stream_rate(origin.sample_rate()));
        let format = Format { sample_rate, channels: settings.preset.channels };
        if let Some(layout) = origin.layout() {
            // Channels that the card has not got are refused now, not when sound comes.
            Mixdown::new(&layout, format.channels, source.channels)?;
        }
        // The delay must hold two chunks at the rate that it turned out to be.
        let fixed = Fixed { sample_rate, chunk_size: settings.preset.chunk_size };
        let settings = ServerSettings { preset: settings.preset.held_to(fixed)?, ..settings };
        let fitting = Fitting {
            mix: format,
            delay_ms: Arc::new(AtomicU32::new(settings.preset.playout_delay_ms)),
            clock: Clock::start(),
            captured: CapturedOutputs::default(),
            stop: Shutdown::default(),
        };
        let mut beside: Vec<Prepared> = Vec::new();
        for other in &others {
            let prepared = Prepared::open(other, &fitting)?;
            prepared.refuse(origin.device_id(), &source.kind.to_string())?;
            beside
                .iter()
                .map(Prepared::identity)
                .try_for_each(|(id, name)| prepared.refuse(id, name))?;
            beside.push(prepared);
        }
        let (desk, orders) = Desk::new(fitting.clone());
        let lines = Lines::open(settings.stats.as_ref())?;
        sockets::make_room_for(settings.preset.listeners());
        let preset = &settings.preset;
        let door = sockets::listen(preset.bind, preset.port, preset.listen_backlog)?;
        let web_door = settings.web.and_then(|port| {
            let door = sockets::listen_for_browsers(preset.bind, port, preset.listen_backlog);
            door.inspect_err(|sentence| warn!("{sentence}")).ok()
        });
        // Last, so that nothing that keeps the server from starting leaves an empty file.
        let recordings = Recordings::start(&settings, format, &fitting.stop)?;
        Ok(Self {
            settings,
            source: origin,
            beside,
            desk,
            orders,
            fitting,
            format,
            door,
            web_door,
            lines,
            recordings,
            status: None,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system does not say.
    pub fn address(&self) -> Result<SocketAddr> {
        self.door.local_addr().map_err(|e| Error::internal("cannot read the own address", e))
    }

    /// The port of the page for browsers, where there is one.
    #[must_use]
    pub fn web_port(&self) -> Option<u16> {
        Some(self.web_door.as_ref()?.local_addr().ok()?.port())
    }

    /// What is sent: rate and channels.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// The handle by which sources are changed while it runs.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// What is captured, in words.
    #[must_use]
    pub fn source_name(&self) -> String {
        let first = self.first_name();
        match self.beside.len() {
            0 => first,
            1 => format!("{first} and one more source"),
            n => format!("{first} and {n} more sources"),
        }
    }

    fn first_name(&self) -> String {
        match &self.source {
            #[cfg(feature = "device")]
            Origin::Card(Some(device)) => format!("what “{}” delivers", device.name()),
            #[cfg(feature = "device")]
            Origin::Card(None) => {
                let (source, _) = carrier(&self.settings);
                format!("{}, once this PC has sound", source.kind)
            }
            Origin::Generator(_) => {
                let source = self.settings.sources.first().cloned().unwrap_or_default();
                source.to_string()
            }
        }
    }

    /// Shows who listens on that terminal while it runs.
    pub fn show_on(&mut self, terminal: Option<Terminal>) {
        self.status = terminal;
    }

    /// Serves until `shutdown`.
    ///
    /// # Errors
    /// What broke a thread that cannot be done without.
    pub fn run(self, shutdown: &Shutdown) -> Result<()> {
        let Self { settings, source: origin, beside, desk, orders, fitting, .. } = self;
        let Self { format, door, web_door, lines, mut recordings, status, .. } = self;
        let clock = fitting.clock;
        let (source, _) = carrier(&settings);
        let counters: Arc<stats::Capture> = Arc::default();
        let room = room(&settings, format, fitting.captured.clone());
        let port = door.local_addr().map_or(settings.preset.port, |address| address.port());
        let (mut transmit, handle, snapshots) = Transmit::new(door, room, clock)?;
        let figures = web_door.as_ref().map(|_| handle.clone());
        let web = web_door.as_ref().and_then(|door| Some(door.local_addr().ok()?.port()));
        let stop = fitting.stop.clone();
        let token = web.and_then(token);
        if let Some(door) = web_door {
            let names = Names { pc: computer::name(), added: settings.web_hosts.clone() };
            let mut page = Web::new(settings.web_status, names);
            if let Some(token) = &token {
                page.let_control(token.token().to_owned());
            }
            transmit.open_to_browsers(door, page)?;
        }
        if token.is_some() {
            let board = Board {
                desk: desk.clone(),
                network: handle.clone(),
                record: recordings.control.clone(),
                offered: offered(&settings),
            };
            transmit.send_callers_to(control::start(board, &stop)?);
        }
        let preset = &settings.preset;
        let delay_ms = Arc::clone(&fitting.delay_ms);
        let layout = Layout::for_delay(preset.playout_delay_ms);
        let mut mix = Mix::new(
            format,
            preset.chunk_size,
            layout,
            (&source.kind.to_string(), prepare::settings(&source)),
            Arc::clone(&counters),
            clock.now_us(),
        );
        mix.record(recordings.take_taps(), &source.to_string());
        if settings.talk {
            let (people, room) = sync_channel(presence::QUEUE);
            transmit.let_listeners_speak(people);
            let own_mixes =
                OwnMixes::start(format, preset.chunk_size, layout, &handle, &counters, &stop)?;
            mix.let_people_speak(room, own_mixes, settings.duck_db.into());
        }
        beside.into_iter().try_for_each(|source| mix.add(source))?;
        match origin {
            Origin::Generator(generator) => {
                let name = source.to_string();
                let ahead = ReadAhead::start(&name, generator, source.channels, format, &stop)?;
                mix.generate(ahead, clock.now_us())?;
            }
            #[cfg(feature = "device")]
            Origin::Card(device) => {
                let capturing = fitting.captured.source();
                capturing.set(device.as_ref().and_then(|device| device.captured_output_id()));
                let card = keep_card::KeepCard {
                    producer: mix.cards(source.channels),
                    source,
                    found: device.map(|device| *device),
                    delay_ms: Arc::clone(&delay_ms),
                    clock,
                    counters: Arc::clone(&counters),
                    capturing,
                    is_carrier: true,
                    mix_channels: format.channels,
                };
                let heard = stop.clone();
                // Opening a card can take seconds; nobody waits for this thread to end.
                let _keeper = spawn("card", Priority::Ordinary, &stop, move || card.run(&heard))?;
            }
        }
        let network = spawn("network", Priority::Soon, &stop, move || transmit.run())?;
        let heard = stop.clone();
        let chunks = MixThread {
            mix,
            orders,
            delay_ms: Arc::clone(&delay_ms),
            clock,
            network: handle.clone(),
        };
        let chunks = spawn("chunks", Priority::Now, &stop, move || chunks.run(&heard))?;

        // Rate and chunks stay what they are, so a new delay must fit these.
        let fixed = Fixed { sample_rate: format.sample_rate, chunk_size: preset.chunk_size };
        let flags = settings.overrides.clone();
        let mut watch = Watch::new(&settings.preset_name, &settings.origin, flags, fixed);
        let what = announcement(&settings, port, web);
        let announcer = settings.discovery.then(|| Announcer::start(what, shutdown)).flatten();
        let recorded = Arc::clone(&recordings.counters);
        let report = Report { counters, desk, recorded, clock, lines, status, figures, announcer };
        report.run(&snapshots, shutdown, &mut || {
            if let Some(preset) = watch.as_mut().and_then(Watch::look) {
                delay_ms.store(preset.playout_delay_ms, Ordering::Relaxed);
                if !layout.suits(preset.playout_delay_ms) && offers(&preset).include_opus() {
                    let ms = layout.frames * 1000 / opus::RATE;
                    warn!(
                        "Opus goes on in packets of {ms} ms, which are long for the new delay: \
                         its listeners may play later than the others. Start the server again \
                         for shorter ones"
                    );
                }
                handle.change(change(&preset, clock.now_us()));
            }
            network.is_finished() || chunks.is_finished() || stop.is_requested()
        });
        stop.request();
        handle.stop();
        let chunks = join(chunks);
        recordings.finish();
        let outcome = join(network).and(chunks);
        stop.breakage().map_or(outcome, Err)
    }
}

impl Origin {
    fn open(source: &Source, settings: &ServerSettings) -> Result<Self> {
        let rate = settings.preset.sample_rate.unwrap_or(DEFAULT_RATE);
        let fallback = Format { sample_rate: rate, channels: settings.preset.channels };
        match &source.kind {
            #[cfg(feature = "device")]
            Kind::Loopback(_) | Kind::Device(_) => {
                Ok(Self::Card(keep_card::find(&source.kind)?.map(Box::new)))
            }
            #[cfg(not(feature = "device"))]
            Kind::Loopback(_) | Kind::Device(_) => Err(no_cards()),
            kind => Generator::open(kind, source.looped, fallback).map(Self::Generator),
        }
    }

    /// Its rate in Hz, or the usual one where nobody knows yet.
    fn sample_rate(&self) -> u32 {
        match self {
            Self::Generator(generator) => generator.format().sample_rate,
            #[cfg(feature = "device")]
            Self::Card(device) => device.as_ref().map_or(DEFAULT_RATE, |d| d.format().sample_rate),
        }
    }

    /// What its channels are, where that is known.
    fn layout(&self) -> Option<mixdown::Layout> {
        match self {
            Self::Generator(generator) => Some(generator.layout().clone()),
            #[cfg(feature = "device")]
            Self::Card(device) => device.as_ref().map(|device| device.layout().clone()),
        }
    }

    fn device_id(&self) -> Option<&str> {
        match self {
            Self::Generator(_) => None,
            #[cfg(feature = "device")]
            Self::Card(device) => device.as_ref().map(|device| device.id()),
        }
    }
}

/// The token of those who may tell this server what to do. A server is of use without.
fn token(port: u16) -> Option<TokenFile> {
    let token = TokenFile::write(port);
    token.inspect_err(|e| warn!("nobody can tell this server what to do: {e}")).ok()
}

/// What may be taken in while the server runs: all that was named, and left out or not.
fn offered(settings: &ServerSettings) -> Vec<Source> {
    settings.sources.iter().chain(&settings.offers).cloned().collect()
}

/// The source that gives all others their time, and these.
fn carrier(settings: &ServerSettings) -> (Source, Vec<Source>) {
    match &settings.sources[..] {
        [first, others @ ..] => (first.clone(), others.to_vec()),
        [] => (Source::default(), Vec::new()),
    }
}

/// What is said of a card where there can be none.
#[cfg(not(feature = "device"))]
fn no_cards() -> Error {
    Error::NoDevice {
        what: "no sound can be captured".to_owned(),
        why: "this program was built without sound cards".to_owned(),
        fix: "Use --source tone or --source file:PATH, or build with --features device".to_owned(),
    }
}

fn room(settings: &ServerSettings, format: Format, captured: CapturedOutputs) -> Room {
    let preset = &settings.preset;
    let config = Config {
        sample_rate: format.sample_rate,
        channels: format.channels,
        chunk_size: preset.chunk_size,
        auralync: Some(AuralyncKey { version: VERSION, hold: false }),
    };
    let welcome = Welcome {
        version: VERSION,
        session: format!("{:016x}", crate::random::random()),
        name: settings.name.clone(),
        format,
        codec: Codec::Float32.name().to_owned(),
        chunk_size: preset.chunk_size,
        position_rate: format.sample_rate,
        algorithmic_delay: 0,
        playout_delay_ms: preset.playout_delay_ms,
        ping_ms: PING_MS,
        accepts: std::collections::BTreeMap::new(),
        person: None,
        captured_output: None,
        also_captured: Vec::new(),
    };
    Room {
        config,
        welcome,
        captured,
        max_clients: preset.listeners(),
        per_address: preset.listeners_per_address(),
        max_talkers: preset.max_talkers,
        max_queue_size: preset.max_queue_size,
        offers: offers(preset),
        opus: Layout::for_delay(preset.playout_delay_ms),
    }
}

/// What the network is told of this server.
fn announcement(settings: &ServerSettings, port: u16, web: Option<u16>) -> Announcement {
    Announcement {
        name: settings.name.clone(),
        bind: settings.preset.bind,
        port,
        details: Details {
            version: VERSION,
            preset: settings.preset_name.clone(),
            full: false,
            web,
            id: None,
        },
    }
}

/// What listeners may have, and who gets what. The preset has been checked.
fn offers(preset: &Preset) -> Offers {
    preset.codecs.as_deref().and_then(|list| Offers::parse(list).ok()).unwrap_or_default()
}

/// Listeners learn of a new delay this long before it holds, so that all of them know in time.
const NOTICE_US: u64 = 300_000;

/// What of a preset may change while the server runs.
fn change(preset: &Preset, now_us: u64) -> Change {
    Change {
        playout_delay_ms: preset.playout_delay_ms,
        from_us: now_us + NOTICE_US,
        max_clients: preset.listeners(),
        per_address: preset.listeners_per_address(),
        max_talkers: preset.max_talkers,
        offers: offers(preset),
    }
}
