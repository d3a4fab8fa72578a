//! A server's threads: makes the queues between them, starts and joins them.

use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use log::warn;

use super::control::{self, Board};
use super::edge::EdgeThread;
use super::icecast::{Cast, Casting};
use super::mix::Mix;
use super::mix::desk::{Asked, Desk};
use super::mix::own_mixes::OwnMixes;
use super::mix::prepare::{self, Fitting, Prepared};
use super::mix::record::Recordings;
use super::mix::thread::MixThread;
use super::origin::Origin;
use super::snapcast::Serving;
use super::taps::Tap;
use super::tls::{self, Sessions};
#[cfg(feature = "webrtc")]
use super::transmit::datagram_socket;
use super::transmit::{Handle, MOST_LISTS, Snapshot, TellOthers, Transmit};
use super::uplink::NewTerms;
use super::web::Web;
use super::web::names::Names;
#[cfg(feature = "webrtc")]
use super::webrtc;
use super::{Secure, carrier, edge, guest, link, presence, room_key, snapcast, terms, uplink};
use crate::clock::Clock;
use crate::codec::Codec;
use crate::codec::opus::{self, Layout};
use crate::control::token::TokenFile;
use crate::engine::sealed::Backbone;
use crate::error::Result;
#[cfg(feature = "webrtc")]
use crate::error::plain;
use crate::player;
use crate::preset::Preset;
use crate::secure::code::Code;
use crate::secure::host::Host;
use crate::settings::{ServerSettings, computer};
use crate::shutdown::Shutdown;
use crate::snapcast::narrow::taken;
use crate::source::Source;
use crate::stats;
use crate::threads::{Priority, join, spawn};

/// What a thread does until it is asked to stop.
type Body = Box<dyn FnOnce(&Shutdown) -> Result<()> + Send>;

/// What a server has opened.
pub(super) struct Opened {
    pub(super) origin: Origin,
    pub(super) beside: Vec<Prepared>,
    pub(super) desk: Desk,
    pub(super) orders: Receiver<Asked>,
    pub(super) fitting: Fitting,
    pub(super) door: TcpListener,
    pub(super) datagrams: Option<UdpSocket>,
    pub(super) web_door: Option<TcpListener>,
    pub(super) snap_door: Option<TcpListener>,
    pub(super) token: Option<TokenFile>,
    pub(super) secure: Option<Secure>,
    pub(super) recordings: Recordings,
    pub(super) icecast: (Vec<Cast>, Vec<Tap>),
    pub(super) backbone: Option<Backbone>,
    pub(super) keys: Option<(Host, Code)>,
}

/// A server that runs.
pub(super) struct Running {
    pub(super) counters: Arc<stats::Capture>,
    pub(super) handle: Handle,
    /// What the network loop says of itself.
    pub(super) snapshots: Receiver<Snapshot>,
    recordings: Recordings,
    fitting: Fitting,
    layout: Layout,
    /// Where an engine's thread is told what has changed.
    uplink: Option<SyncSender<NewTerms>>,
    /// How the way between servers is, where there is one.
    pub(super) engine: Option<Arc<stats::EngineFigures>>,
    /// Whether the sound comes from elsewhere, with its delay.
    is_edge: bool,
    network: JoinHandle<Result<()>>,
    chunks: JoinHandle<Result<()>>,
    channels: Option<JoinHandle<Result<()>>>,
    certificates: Option<JoinHandle<Result<()>>>,
    /// What serves snapclients, where it does.
    snapcast: Option<(snapcast::Handle, JoinHandle<Result<()>>)>,
    casting: Casting,
    /// What keeps players' pictures as late as the sound, and how they are, where any are to be.
    film: Option<player::Keeping>,
    film_shown: Option<player::Shown>,
    /// Those who may tell the server what to do find it in this file, as long as it is there.
    _token: Option<TokenFile>,
}

impl Running {
    /// Starts everything.
    ///
    /// # Errors
    /// If the system gives no thread or no event queue.
    pub(super) fn start(settings: &ServerSettings, opened: Opened) -> Result<Self> {
        let Opened { origin, beside, desk, orders, fitting, mut recordings, .. } = opened;
        let Opened { door, datagrams, web_door, snap_door, token, secure, .. } = opened;
        let (clock, format, stop) = (fitting.clock, fitting.mix, fitting.stop.clone());
        let counters: Arc<stats::Capture> = Arc::default();
        let told = (fitting.captured.clone(), fitting.relays.upstreams.clone());
        let mut room = terms::room(settings, format, told);
        let mut layout = terms::layout(settings);
        let mut snap_codec = Some(Codec::Int16);
        if let Origin::Engine(edge) = &origin {
            let shape = edge::shape(&edge.1);
            layout = shape.opus;
            snap_codec = taken(&shape.offers);
            room.take(&shape);
        }
        let ((casts, mut taps), mut uplink) = (opened.icecast, None);
        let engine: Option<Arc<stats::EngineFigures>> =
            settings.engine.is_some().then(Arc::default);
        let stream = uplink::stream(&room, &settings.preset, settings.talk);
        let mut snapcast = None;
        if let Some(door) = snap_door {
            let delay_ms = Arc::clone(&fitting.delay_ms);
            let serving = Serving { door, format, codec: snap_codec, clock, delay_ms };
            let (tap, handle, thread) = snapcast::start(serving, settings, &stop)?;
            taps.push(tap);
            snapcast = Some((handle, thread));
        }
        let port = door.local_addr().map_or(settings.preset.port, |address| address.port());
        let max_talkers = room.max_talkers;
        let (mut transmit, handle, snapshots) = Transmit::new(door, room, clock)?;
        let may_speak = match &origin {
            Origin::Engine(edge) => settings.talk && edge.1.talk,
            _ => settings.talk,
        };
        let (mixer, room) = may_speak.then(|| sync_channel(presence::QUEUE)).unzip();
        if let Some(mixer) = &mixer {
            let wake = match &origin {
                Origin::Engine(edge) => Some(edge.0.waker()),
                _ => None,
            };
            transmit.let_listeners_speak(mixer.clone(), wake);
        }
        let mut to_edges = None;
        if let Some((wanted, figures)) = settings.engine.as_ref().zip(engine.clone())
            && let Some(backbone) = &opened.backbone
        {
            let upstreams = fitting.relays.upstreams.clone();
            let people = mixer.map(|mixer| {
                let (list, lists) = sync_channel(MOST_LISTS);
                transmit.tell_others(TellOthers::new(list));
                uplink::People { mixer, network: handle.clone(), lists, max_talkers }
            });
            let engine = (wanted, backbone, figures);
            let ways = uplink::start(engine, upstreams, (stream, people), clock, &stop)?;
            taps.push(ways.tap);
            (uplink, to_edges) = (Some(ways.terms), ways.to_edges);
        }
        let mut kept = None;
        if let Some((keys, code)) = opened.keys {
            let keeper = room_key::keeper()?;
            kept = Some(keeper.watch());
            transmit.make_private(keys, code, Box::new(move |host| keeper.put(host)))?;
            let rules = (settings.asks, settings.talkers.clone());
            let keeper = guest::keeper()?;
            transmit.receive_guests(
                rules,
                guest::known()?,
                Box::new(move |guests| keeper.put(guests)),
            );
        }
        if let Some(socket) = datagrams {
            transmit.send_datagrams(socket)?;
        }
        let doors = [web_door.as_ref(), secure.as_ref().map(|secure| &secure.door)];
        let own_pages = doors.into_iter().flatten().filter_map(|door| door.local_addr().ok());
        let own_pages = own_pages.collect();
        let film_shown = settings.players.are_wanted().then(player::Shown::default);
        let channels = match &web_door {
            Some(door) if settings.datagrams => {
                open_channels(door, settings, &mut transmit, &handle, clock, &stop)?
            }
            _ => None,
        };
        let mut certificates = None;
        if let Some(door) = web_door {
            let web = door.local_addr().ok().map(|address| address.port());
            let board = Board {
                desk,
                network: handle.clone(),
                kept,
                snapclients: snapcast.as_ref().map(|(handle, _)| handle.clone()),
                record: recordings.control.clone(),
                players: film_shown.clone(),
                offered: offered(settings),
                link_to: link::address(settings, port, web),
            };
            open_page((door, token.as_ref()), settings, &mut transmit, board, &stop)?;
        }
        if let Some(Secure { door, keeper }) = secure {
            transmit.open_securely(door, Sessions::new(keeper.shown())?)?;
            let heard = stop.clone();
            certificates = Some(spawn("certificate", Priority::Ordinary, &stop, move || {
                tls::keep(keeper, &heard);
                Ok(())
            })?);
        }
        let delay_ms = Arc::clone(&fitting.delay_ms);
        let film_delay_ms = Arc::clone(&delay_ms);
        let chunks: Body = match origin {
            Origin::Engine(edge) => {
                let (downlink, stream) = *edge;
                let (network, counters) = (handle.clone(), Arc::clone(&counters));
                let preset = settings.preset.clone();
                let people = room.map(|heard| edge::People::new(&downlink, heard));
                let edge = EdgeThread {
                    downlink,
                    stream,
                    orders,
                    delay_ms,
                    network,
                    taps,
                    people,
                    upstream: fitting.relays.upstreams.source(),
                    preset,
                    counters,
                    figures: engine.clone().unwrap_or_default(),
                };
                Box::new(|stop| edge.run(stop))
            }
            origin => {
                let (preset, (source, _)) = (&settings.preset, carrier(settings));
                let named = (&*source.kind.to_string(), prepare::settings(&source));
                let (chunk, counted) = (preset.chunk_size, Arc::clone(&counters));
                let mut mix = Mix::new(format, chunk, layout, named, counted, clock.now_us());
                mix.record(recordings.take_taps(), &source.to_string());
                if let Some(room) = room {
                    let ways = (&handle, to_edges.as_ref());
                    let own = OwnMixes::start(format, chunk, layout, ways, &counters, &stop)?;
                    mix.let_people_speak(room, own, settings.duck_db.into());
                }
                beside.into_iter().try_for_each(|source| mix.add(source))?;
                origin.feed(&mut mix, source, &fitting, &counters)?;
                let network = handle.clone();
                let mix = MixThread { mix, orders, delay_ms, clock, network, to_edges, taps };
                Box::new(|stop| mix.run(stop))
            }
        };
        let network = spawn("network", Priority::Soon, &stop, move || transmit.run())?;
        let casting = Casting::start(casts, clock, &stop)?;
        let film = player::start(
            &settings.players,
            film_delay_ms,
            terms::NOTICE_US,
            clock,
            own_pages,
            (film_shown.clone(), &stop),
        )?;
        let heard = stop.clone();
        let chunks = spawn("chunks", Priority::Now, &stop, move || chunks(&heard))?;
        Ok(Self {
            counters,
            handle,
            snapshots,
            recordings,
            fitting,
            layout,
            uplink,
            engine: engine.clone(),
            is_edge: settings.engine.as_ref().is_some_and(|engine| engine.is_edge),
            network,
            chunks,
            channels,
            certificates,
            snapcast,
            casting,
            film,
            film_shown,
            _token: token,
        })
    }

    /// Counted of the files that are written.
    pub(super) fn recorded(&self) -> Arc<stats::Recording> {
        Arc::clone(&self.recordings.counters)
    }

    /// Who asks after snapclients, where they may join.
    pub(super) fn snapclients(&self) -> Option<snapcast::Handle> {
        self.snapcast.as_ref().map(|(handle, _)| handle.clone())
    }

    /// How players here are whose picture follows the delay, where any are to.
    pub(super) fn players(&self) -> Option<player::Shown> {
        self.film_shown.clone()
    }

    /// Counted of what Icecast servers get.
    pub(super) fn icecast(&self) -> Vec<Arc<stats::Icecast>> {
        self.casting.counters()
    }

    /// Takes over what may change while a server runs.
    pub(super) fn follow(&self, preset: &Preset) {
        if self.is_edge {
            let playout_delay_ms = self.fitting.delay_ms.load(Ordering::Relaxed);
            let preset = Preset { playout_delay_ms, ..preset.clone() };
            return self.handle.change(terms::change(&preset, self.fitting.clock.now_us()));
        }
        self.fitting.delay_ms.store(preset.playout_delay_ms, Ordering::Relaxed);
        if !preset.auto_delay
            && !self.layout.suits(preset.playout_delay_ms)
            && terms::offers(preset).include_opus()
        {
            let ms = self.layout.frames * 1000 / opus::RATE;
            warn!(
                "Opus goes on in packets of {ms} ms, which are long for the new delay: its \
                 listeners may play later than the others. Start the server again for shorter ones"
            );
        }
        let change = terms::change(preset, self.fitting.clock.now_us());
        let terms = NewTerms {
            delay: (change.playout_delay_ms, change.from_us),
            max_talkers: change.max_talkers,
            codecs: uplink::codecs(preset),
        };
        if self.uplink.as_ref().is_some_and(|uplink| uplink.try_send(terms).is_err()) {
            warn!(
                "other servers keep the delay and the limits that were: too much has changed at once"
            );
        }
        self.handle.change(change);
    }

    /// Whether a thread has ended.
    pub(super) fn is_over(&self) -> bool {
        self.network.is_finished() || self.chunks.is_finished() || self.fitting.stop.is_requested()
    }

    /// Ends everything and completes the files.
    ///
    /// # Errors
    /// What went wrong while it ran.
    pub(super) fn end(self) -> Result<()> {
        self.fitting.stop.request();
        self.handle.stop();
        let chunks = join(self.chunks);
        self.recordings.finish();
        let network = join(self.network);
        let outcome = network.and(chunks).and(self.channels.map_or(Ok(()), join));
        let outcome = outcome.and(self.certificates.map_or(Ok(()), join));
        let outcome = outcome.and(self.snapcast.map_or(Ok(()), |(handle, thread)| {
            handle.wake();
            join(thread)
        }));
        let outcome = outcome.and(self.casting.end());
        let outcome = outcome.and(self.film.map_or(Ok(()), player::Keeping::end));
        self.fitting.stop.breakage().map_or(outcome, Err)
    }
}

/// Lets browsers have data channels. They can do without.
#[cfg(feature = "webrtc")]
fn open_channels(
    door: &TcpListener,
    settings: &ServerSettings,
    transmit: &mut Transmit,
    handle: &Handle,
    clock: Clock,
    stop: &Shutdown,
) -> Result<Option<JoinHandle<Result<()>>>> {
    let socket = match door.local_addr().and_then(datagram_socket::open_for_browsers) {
        Ok(socket) => socket,
        Err(e) => {
            let why = plain(&e);
            warn!("browsers hear by TCP alone: there is no UDP socket for them ({why})");
            return Ok(None);
        }
    };
    let loop_hears = handle.clone();
    let hears = move |whose, said| loop_hears.hear_channel(whose, said);
    let most = settings.preset.listeners() as usize;
    let (channels, thread) = webrtc::start(socket, most, clock, stop, hears)?;
    transmit.open_channels(channels);
    Ok(Some(thread))
}

#[cfg(not(feature = "webrtc"))]
fn open_channels(
    _door: &TcpListener,
    _settings: &ServerSettings,
    _transmit: &mut Transmit,
    _handle: &Handle,
    _clock: Clock,
    _stop: &Shutdown,
) -> Result<Option<JoinHandle<Result<()>>>> {
    Ok(None)
}

/// Serves the page, and lets those who have the token tell the server what to do.
fn open_page(
    (door, token): (TcpListener, Option<&TokenFile>),
    settings: &ServerSettings,
    transmit: &mut Transmit,
    board: Board,
    stop: &Shutdown,
) -> Result<()> {
    let names = Names { pc: computer::name(), added: settings.web_hosts.clone() };
    let mut page = Web::new(settings.web_status, names);
    if settings.private {
        page.name_private_room();
    }
    if let Some(token) = token {
        page.let_control(token.token().to_owned());
    }
    transmit.open_to_browsers(door, page)?;
    if token.is_some() {
        transmit.send_callers_to(control::start(board, stop)?);
    }
    Ok(())
}

/// The token of those who may tell the server what to do whose page is at that door. A server is of use without.
pub(super) fn token(door: &TcpListener) -> Option<TokenFile> {
    let token = TokenFile::write(door.local_addr().ok()?.port());
    token.inspect_err(|e| warn!("nobody can tell this server what to do: {e}")).ok()
}

/// What may be taken in while the server runs: all that was named, and left out or not.
fn offered(settings: &ServerSettings) -> Vec<Source> {
    settings.sources.iter().chain(&settings.offers).cloned().collect()
}
