//! Joins the sending stages: makes the rings and queues, starts and joins the threads.

pub mod captured;
mod control;
mod edge;
pub mod encode;
pub mod fanout;
mod found_delay;
pub mod group_delay;
mod guest;
mod host_keys;
mod icecast;
#[cfg(feature = "device")]
mod keep_card;
mod link;
pub mod mix;
mod origin;
pub mod presence;
mod report;
mod room_key;
mod running;
pub(crate) mod shown;
mod snapcast;
mod stream_rate;
pub mod taps;
mod terms;
pub mod tls;
mod to_edges;
pub mod transmit;
mod uplink;
pub mod web;
pub mod webrtc;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::mpsc::Receiver;

use log::warn;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::control::token::TokenFile;
use crate::discovery::announce::Announcer;
use crate::engine::key;
use crate::engine::sealed::Backbone;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::listener::relay::Relays;
use crate::preset::{Fixed, Watch};
use crate::recording::refuse_folder_at_once;
use crate::secure::code::Code;
use crate::secure::host::Host;
use crate::settings::ServerSettings;
use crate::shutdown::Shutdown;
use crate::sound::mixdown::Mixdown;
use crate::soundless::Generator;
use crate::soundless::pushed::Pushed;
use crate::source::{Kind, Source};
use crate::stats::Lines;
use crate::status::Terminal;
use crate::upstreams::Upstreams;
use captured::CapturedOutputs;
use edge::Downlink;
use found_delay::FoundDelay;
use host_keys::HostKeys;
use icecast::Cast;
use mix::desk::{Asked, Desk};
use mix::prepare::{Fitting, Prepared};
use mix::record::Recordings;
use origin::Origin;
use report::Report;
use running::{Opened, Running};
use shown::Shown;
use stream_rate::stream_rate;
use taps::Tap;
use transmit::at_door::most_at_door;
use transmit::sockets::Extra;
use transmit::{datagram_socket, sockets};

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
    /// For sound by datagram; a server can do without.
    datagrams: Option<std::net::UdpSocket>,
    /// The page's; a server can do without.
    web_door: Option<std::net::TcpListener>,
    /// Where snapclients join; a server can do without.
    snap_door: Option<std::net::TcpListener>,
    /// What those show who may tell this server what to do. It is there before anybody is told of the server.
    token: Option<TokenFile>,
    /// The encrypted page's, with what it shows.
    secure: Option<Secure>,
    lines: Lines,
    recordings: Recordings,
    /// Icecast servers, and the taps that feed them.
    icecast: (Vec<Cast>, Vec<Tap>),
    /// Those of a private room, and the first code by which somebody comes in.
    /// The room that this sends to by way of an engine.
    backbone: Option<Backbone>,
    keys: Option<(Host, Code)>,
    status: Option<Terminal>,
    shown: Option<Arc<Shown>>,
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
        let clock = Clock::start();
        if let Some(engine) = settings.engine.as_ref().filter(|engine| engine.is_edge) {
            // Whoever stops the program while this waits ends it.
            let stop = Shutdown::default();
            let named = (&*settings.name, settings.talk);
            let Some((downlink, stream)) = Downlink::open(engine, named, clock, &stop)? else {
                return Err(Error::internal("the room is not there", "it was stopped"));
            };
            let settings = edge::settings(settings, &stream);
            return Self::from(Origin::Engine(Box::new((downlink, stream))), settings, clock);
        }
        let origin = Origin::open(&carrier(&settings).0, &settings)?;
        Self::from(origin, settings, clock)
    }

    /// Serves what a program pushes, in its format. Opens the port.
    ///
    /// # Errors
    /// Whatever keeps the server from starting, as a sentence for the user.
    pub(crate) fn pushed(settings: ServerSettings, pushed: Pushed) -> Result<Self> {
        Self::from(Origin::Generator(Generator::pushed(pushed)), settings, Clock::start())
    }

    fn from(origin: Origin, settings: ServerSettings, clock: Clock) -> Result<Self> {
        let (source, others) = carrier(&settings);
        let sample_rate =
            settings.preset.sample_rate.unwrap_or_else(|| stream_rate(origin.sample_rate()));
        let format = Format { sample_rate, channels: settings.preset.channels };
        if let Some(layout) = origin.layout() {
            // Channels that the card has not got are refused now, not when sound comes.
            Mixdown::new(&layout, format.channels, source.channels)?;
        }
        // The delay must hold two chunks at the rate that it turned out to be.
        let chunk_size = settings.preset.chunk_size;
        let fixed = Fixed { sample_rate, chunk_size, unreporting: terms::unreporting(&settings) };
        let settings = ServerSettings { preset: settings.preset.held_to(fixed)?, ..settings };
        let fitting = Fitting {
            mix: format,
            delay_ms: Arc::new(AtomicU32::new(settings.preset.playout_delay_ms)),
            clock,
            captured: CapturedOutputs::default(),
            relays: Relays {
                name: settings.name.clone(),
                discovery: settings.discovery,
                dscp: settings.dscp,
                upstreams: Upstreams::of(&format!("{:016x}", crate::random::random())),
            },
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
        let icecast = icecast::open(&settings, format)?;
        let (desk, orders) = Desk::new(fitting.clone());
        let lines = Lines::open(settings.stats.as_ref())?;
        let listeners = settings.preset.listeners();
        let at_door = if settings.private { most_at_door(listeners) } else { 0 };
        let snapclients = if settings.snapcast.is_some() { listeners } else { 0 };
        sockets::make_room_for(listeners.saturating_add(snapclients), at_door);
        let preset = &settings.preset;
        let (door, datagrams) = open_doors(&settings)?;
        let web_door = settings.web.and_then(|port| {
            let door = sockets::listen_for(Extra::Page, preset.bind, port, preset.listen_backlog);
            door.inspect_err(|sentence| warn!("{sentence}")).ok()
        });
        let snap_door = settings.snapcast.and_then(|port| {
            let door =
                sockets::listen_for(Extra::Snapclients, preset.bind, port, preset.listen_backlog);
            door.inspect_err(|sentence| warn!("{sentence}")).ok()
        });
        let token = web_door.as_ref().and_then(running::token);
        let secure = secure_page(&settings, web_door.is_some())?;
        // Whoever copies the key to other servers finds it as soon as this one says where it listens.
        let engine = settings.engine.as_ref().filter(|engine| !engine.is_edge);
        let backbone = engine.map(|engine| key::own(&engine.room)).transpose()?;
        let keys = settings
            .private
            .then(|| Ok::<_, Error>((room_key::own(settings.new_key)?, transmit::new_code()?)));
        let keys = keys.transpose()?;
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
            datagrams,
            web_door,
            snap_door,
            token,
            secure,
            lines,
            recordings,
            icecast,
            backbone,
            keys,
            status: None,
            shown: None,
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

    /// The port where snapclients join, where they may.
    #[must_use]
    pub fn snapcast_port(&self) -> Option<u16> {
        Some(self.snap_door.as_ref()?.local_addr().ok()?.port())
    }

    /// The code by which somebody comes into the private room, for ten minutes from now.
    #[must_use]
    pub fn code(&self) -> Option<&Code> {
        self.keys.as_ref().map(|(_, code)| code)
    }

    /// The port of the encrypted page, where there is one, and the SHA-256 fingerprint of its certificate.
    #[must_use]
    pub fn secure_page(&self) -> Option<(u16, String)> {
        let secure = self.secure.as_ref()?;
        Some((secure.door.local_addr().ok()?.port(), secure.keeper.shown().fingerprint()))
    }

    /// What is sent: rate and channels.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// How long after its capture a sample is heard, in ms: what was asked for, or what the stream has that an engine
    /// brings.
    #[must_use]
    pub fn playout_delay_ms(&self) -> u32 {
        self.settings.preset.playout_delay_ms
    }

    /// The handle by which sources are changed while it runs.
    #[must_use]
    pub fn desk(&self) -> Desk {
        self.desk.clone()
    }

    /// What is captured, in words.
    #[must_use]
    pub fn source_name(&self) -> String {
        let mut first = self.first_name();
        let mut others = self.beside.len();
        let is_silent = self.settings.sources.first().is_some_and(|one| one.kind == Kind::None);
        if let Some(beside) = self.settings.sources.get(1).filter(|_| is_silent && others > 0) {
            (first, others) = (beside.kind.to_string(), others - 1);
        }
        match others {
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
            Origin::Engine(edge) => format!("what “{}” sends elsewhere", edge.1.name),
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

    /// Shows who listens there while it runs.
    pub(crate) fn show_to(&mut self, shown: Arc<Shown>) {
        self.shown = Some(shown);
    }

    /// Serves until `shutdown`.
    ///
    /// # Errors
    /// What broke a thread that cannot be done without.
    pub fn run(self, shutdown: &Shutdown) -> Result<()> {
        let (port, web) = (self.address().map_or(0, |address| address.port()), self.web_port());
        let snapcast = self.snapcast_port();
        let Self { settings, source: origin, beside, desk, orders, fitting, .. } = self;
        let Self { format, door, datagrams, web_door, secure, lines, .. } = self;
        let Self { recordings, icecast, backbone, keys, status, shown, token, snap_door, .. } =
            self;
        let clock = fitting.clock;
        let opened = Opened {
            origin,
            beside,
            desk: desk.clone(),
            orders,
            fitting,
            door,
            datagrams,
            web_door,
            snap_door,
            token,
            secure,
            recordings,
            icecast,
            backbone,
            keys,
        };
        let certificate = opened.secure.as_ref().map(|secure| secure.keeper.shown());
        let running = Running::start(&settings, opened)?;
        // Rate and chunks stay what they are, so a new delay must fit these.
        let chunk_size = settings.preset.chunk_size;
        let unreporting = terms::unreporting(&settings);
        let fixed = Fixed { sample_rate: format.sample_rate, chunk_size, unreporting };
        let flags = settings.overrides.clone();
        let mut watch = Watch::new(&settings.preset_name, &settings.origin, flags, fixed);
        let what = terms::announcement(&settings, port, web);
        let announcer = settings.discovery.then(|| Announcer::start(what, shutdown)).flatten();
        // They look for a service of another name. It says goodbye when this ends.
        let _snapcast = snapcast.filter(|_| settings.discovery).and_then(|port| {
            Announcer::start(terms::snapcast_announcement(&settings, port), shutdown)
        });
        let (counters, recorded) = (Arc::clone(&running.counters), running.recorded());
        let icecast = running.icecast();
        let figures = web.map(|_| running.handle.clone());
        let engine = running.engine.clone();
        let host = match status.as_ref().filter(|_| settings.private) {
            Some(terminal) => HostKeys::take(terminal, &running.handle, shutdown)?,
            None => None,
        };
        let report = Report {
            counters,
            desk,
            recorded,
            icecast,
            clock,
            lines,
            status,
            shown,
            host,
            certificate,
            figures,
            snapclients: running.snapclients(),
            players: running.players(),
            engine,
            announcer,
        };
        let mut delay = FoundDelay::new(settings.preset.clone(), format, clock);
        report.run(&running.snapshots, shutdown, &mut |listeners| {
            let saved = watch.as_mut().and_then(Watch::look);
            if let Some(preset) = delay.look(saved, listeners) {
                running.follow(preset);
            }
            running.is_over()
        });
        running.end()
    }
}

/// The link that lets people into this user's private room, whose server listens on `port` and whose page is on
/// `web`. The room gets a new key where `settings` say so, or it has none.
///
/// # Errors
/// [`Error::File`] where the key cannot be read or written.
pub fn room_link(
    settings: &ServerSettings,
    port: u16,
    web: Option<u16>,
) -> Result<Zeroizing<String>> {
    let fragment = room_key::own(settings.new_key)?.link().fragment();
    Ok(Zeroizing::new(format!("{}#{}", link::address(settings, port, web), *fragment)))
}

/// The encrypted page's door, and the certificate that it shows.
pub(crate) struct Secure {
    door: std::net::TcpListener,
    keeper: tls::Keeper,
}

/// Opens the encrypted page's door, if there is to be one. A server can do without, but not with a certificate that
/// cannot be used.
fn secure_page(settings: &ServerSettings, has_page: bool) -> Result<Option<Secure>> {
    let Some(port) = settings.https.filter(|_| has_page) else { return Ok(None) };
    let keeper = tls::Keeper::open(settings.certificate.clone(), &settings.web_hosts)?;
    let preset = &settings.preset;
    let door = sockets::listen_for(Extra::SecurePage, preset.bind, port, preset.listen_backlog);
    let door = door.inspect_err(|sentence| warn!("{sentence}")).ok();
    Ok(door.map(|door| Secure { door, keeper }))
}

/// Ports that are tried where any will do, for one that is free for datagrams too.
const MOST_PORTS: usize = 8;

/// Opens the door, and the socket of datagrams beside it, unless there are to be none. Where the system
/// chooses the port, one that has both.
fn open_doors(
    settings: &ServerSettings,
) -> Result<(std::net::TcpListener, Option<std::net::UdpSocket>)> {
    let preset = &settings.preset;
    let mut tries = if preset.port == 0 { MOST_PORTS } else { 1 };
    loop {
        let door = sockets::listen(preset.bind, preset.port, preset.listen_backlog)?;
        let Some(address) = door.local_addr().ok().filter(|_| settings.datagrams) else {
            return Ok((door, None));
        };
        match datagram_socket::open(address, settings.dscp) {
            Ok(socket) => return Ok((door, Some(socket))),
            Err(sentence) if tries <= 1 => {
                warn!("{sentence}");
                return Ok((door, None));
            }
            Err(_) => tries -= 1,
        }
    }
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
