//! The thread that serves snapclients, all of them: sockets, the clock, and sleep. What is said is decided in
//! [`crate::snapcast`].

mod handle;
mod sockets;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::thread::JoinHandle;
use std::time::Duration;

use log::warn;
use mio::{Events, Interest, Poll, Token, Waker};

use super::taps::{self, Tap, Tapped};
use super::terms::NOTICE_US;
use super::transmit::Shape;
use super::transmit::sockets::Buffering;
use crate::clock::Clock;
use crate::codec::Codec;
use crate::dscp::Dscp;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::settings::ServerSettings;
use crate::shutdown::Shutdown;
use crate::snapcast::guest::Terms;
use crate::snapcast::kept::Kept;
use crate::snapcast::narrow::{Narrow, taken};
use crate::snapcast::packing::{Packing, SnapCodec};
use crate::stats::SnapclientStats;
use crate::threads::{Priority, spawn};
pub(super) use handle::Handle;
use handle::Order;
use sockets::Client;

const WAKER: Token = Token(0);
const DOOR: Token = Token(1);
/// The first client's; no number is given twice.
const FIRST: usize = 2;

/// Where nothing wakes the thread, it looks around so often.
const LOOK: Duration = Duration::from_millis(100);

/// Connections that are accepted in a turn, so that those who are there are not kept waiting.
const MOST_ACCEPTS: usize = 16;

/// Snapclients are told no shorter delay: they hand sound to the system 80 to 100 ms before it is heard, and where that
/// is more than they are told they are silent.
const SHORTEST_MS: u32 = 150;

/// What the thread needs of the server.
pub(super) struct Serving {
    pub(super) door: TcpListener,
    pub(super) format: Format,
    /// The codec of the sound that is taken. `None` where a stream from elsewhere has none that does.
    pub(super) codec: Option<Codec>,
    pub(super) clock: Clock,
    /// The playout delay in force, in ms.
    pub(super) delay_ms: Arc<AtomicU32>,
}

/// Starts the thread. Returns where sound goes in, and where it is told what to do.
///
/// # Errors
/// If the system gives no thread or no event queue.
pub(super) fn start(
    serving: Serving,
    settings: &ServerSettings,
    stop: &Shutdown,
) -> Result<(Tap, Handle, JoinHandle<Result<()>>)> {
    let Serving { door, format, codec, clock, delay_ms } = serving;
    let failed = |e: io::Error| Error::internal("cannot serve snapclients", e);
    let poll = Poll::new().map_err(failed)?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(failed)?);
    let mut door = mio::net::TcpListener::from_std(door);
    poll.registry().register(&mut door, DOOR, Interest::READABLE).map_err(failed)?;
    let (tap, tapped) = taps::tap(Some(Arc::clone(&waker)));
    let (handle, orders) = Handle::new(waker);
    let now_ms = delay_ms.load(Ordering::Relaxed);
    let preset = &settings.preset;
    let packed = settings.snapcast_codec;
    let packing = Packing::new(packed, format, preset.chunk_size);
    let thread = SnapcastThread {
        poll,
        door,
        tapped,
        codec,
        narrow: Narrow::default(),
        packed,
        orders,
        clock,
        terms: Terms { packing, delay_ms: now_ms.max(SHORTEST_MS) },
        delay_ms,
        changes: (now_ms, 0),
        kept: Kept::default(),
        clients: BTreeMap::new(),
        next: FIRST,
        most: preset.listeners() as usize,
        most_of_one: preset.listeners_per_address() as usize,
        dscp: settings.dscp,
    };
    warn_of_a_short(now_ms);
    warn_of_silence(codec);
    let heard = stop.clone();
    let thread = spawn("snapclients", Priority::Soon, stop, move || thread.run(&heard))?;
    Ok((tap, handle, thread))
}

fn warn_of_a_short(delay_ms: u32) {
    if delay_ms < SHORTEST_MS {
        warn!(
            "snapclients play {} ms later than everybody else: a delay of {delay_ms} ms is too short for them. Start the \
             server with --playout-delay-ms {SHORTEST_MS} or more to have all together",
            SHORTEST_MS - delay_ms
        );
    }
}

fn warn_of_silence(codec: Option<Codec>) {
    if codec.is_none() {
        warn!(
            "snapclients hear nothing: the server that has the sound sends it compressed alone, and they take it as it \
             is. Add s16 to its --codecs"
        );
    }
}

struct SnapcastThread {
    poll: Poll,
    door: mio::net::TcpListener,
    tapped: Tapped,
    codec: Option<Codec>,
    narrow: Narrow,
    /// How sound is packed for them.
    packed: SnapCodec,
    orders: Receiver<Order>,
    clock: Clock,
    terms: Terms,
    delay_ms: Arc<AtomicU32>,
    /// The newest delay, in ms, and when clients are told of it.
    changes: (u32, u64),
    kept: Kept,
    clients: BTreeMap<usize, Client>,
    next: usize,
    most: usize,
    most_of_one: usize,
    dscp: Dscp,
}

impl SnapcastThread {
    /// Runs until `shutdown`.
    ///
    /// # Errors
    /// If the system's event queue breaks.
    fn run(mut self, shutdown: &Shutdown) -> Result<()> {
        let mut events = Events::with_capacity(256);
        let mut buffer = vec![0; sockets::READ_BYTES];
        while !shutdown.is_requested() {
            let is_busy = self.clients.values().any(|client| client.may_read);
            let rest = if is_busy { Duration::ZERO } else { LOOK };
            match self.poll.poll(&mut events, Some(rest)) {
                Err(e) if e.kind() != io::ErrorKind::Interrupted => {
                    return Err(Error::internal("serving snapclients broke", e));
                }
                _ => {}
            }
            for event in &events {
                if let Some(client) = self.clients.get_mut(&event.token().0) {
                    client.may_read |=
                        event.is_readable() || event.is_read_closed() || event.is_error();
                    client.is_full &= !event.is_writable();
                }
            }
            self.read(&mut buffer);
            self.accept();
            self.obey();
            self.begin_anew();
            self.follow_delay();
            self.play();
            self.write();
            let is_wanted = self.clients.values().any(|client| client.guest.hello().is_some());
            self.tapped.want(self.codec.into_iter().filter(|_| is_wanted));
        }
        Ok(())
    }

    fn accept(&mut self) {
        for _ in 0..MOST_ACCEPTS {
            // Whoever gave up while it waited, and a system without files, are looked at again the next time.
            let Ok((mut stream, peer)) = self.door.accept() else { return };
            let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
            let of_one =
                self.clients.values().filter(|client| client.peer.ip() == peer.ip()).count();
            let is_here = peer.ip().is_loopback();
            if self.clients.len() >= self.most || of_one >= self.most_of_one && !is_here {
                log::debug!("a snapclient from {peer} finds no place");
                continue;
            }
            let token = Token(self.next);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.poll.registry().register(&mut stream, token, interest).is_err() {
                continue;
            }
            let client = Client::new(stream, peer, self.clock.now_us());
            client.prepare(self.buffering(), self.dscp);
            self.clients.insert(self.next, client);
            self.next += 1;
        }
    }

    fn buffering(&self) -> Buffering {
        let (format, delay_ms) = (self.terms.packing.told(), self.terms.delay_ms);
        let bytes_per_second = format.sample_rate as usize * usize::from(format.channels) * 2;
        // A chunk of 20 ms, as theirs are.
        let frame_bytes = bytes_per_second / 50;
        Buffering { frame_bytes, bytes_per_second, playout_delay_ms: delay_ms }
    }

    fn read(&mut self, buffer: &mut [u8]) {
        let (clock, terms, kept) = (self.clock, &self.terms, &mut self.kept);
        self.clients.retain(|_, client| client.read(buffer, terms, kept, clock));
    }

    fn obey(&mut self) {
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::List(answer) => _ = answer.try_send(self.list()),
                Order::Set { id, wish, answer } => {
                    let is_here = |client: &&mut Client| client.is(&id);
                    let now_us = self.clock.now_us();
                    let mut found = self.clients.values_mut().filter(is_here).peekable();
                    let is_done = found.peek().is_some();
                    if is_done {
                        let set = self.kept.change(&id, wish).with_delay(self.terms.delay_ms);
                        found.for_each(|client| client.tell(&set, now_us));
                    }
                    _ = answer.try_send(is_done);
                }
            }
        }
    }

    fn list(&self) -> Vec<SnapclientStats> {
        let now_us = self.clock.now_us();
        self.clients
            .values()
            .filter_map(|client| client.stats(&self.terms, &self.kept, now_us))
            .collect()
    }

    /// Tells everybody of the stream that has taken the place of the one that was. They go on with it as Snapcast's own
    /// server has them do: settings, then a header, then sound.
    fn begin_anew(&mut self) {
        let Some(shape) = self.tapped.begun_anew() else { return };
        let Shape { format, chunk_size, playout_delay_ms, ref offers, .. } = shape;
        let codec = taken(offers);
        if codec != self.codec {
            warn_of_silence(codec);
        }
        if playout_delay_ms != self.changes.0 {
            warn_of_a_short(playout_delay_ms);
        }
        let packing = Packing::new(self.packed, format, chunk_size);
        self.terms = Terms { packing, delay_ms: playout_delay_ms.max(SHORTEST_MS) };
        (self.codec, self.changes) = (codec, (playout_delay_ms, 0));
        let (buffering, dscp, now_us) = (self.buffering(), self.dscp, self.clock.now_us());
        for client in self.clients.values_mut() {
            client.prepare(buffering, dscp);
            client.begin_anew(&self.terms, &self.kept, now_us);
        }
    }

    /// Tells everybody of a new delay when our own listeners change to it.
    fn follow_delay(&mut self) {
        let (now_us, newest_ms) = (self.clock.now_us(), self.delay_ms.load(Ordering::Relaxed));
        let (in_force_ms, told_ms) = (self.terms.delay_ms, newest_ms.max(SHORTEST_MS));
        if newest_ms != self.changes.0 {
            // What is captured from the notice's end on is heard after the new delay, what was before after the old.
            let heard_us = u64::from(told_ms.min(in_force_ms)) * 1_000;
            self.changes = (newest_ms, now_us + NOTICE_US + heard_us);
            warn_of_a_short(newest_ms);
        }
        if told_ms != in_force_ms && now_us >= self.changes.1 {
            self.terms.delay_ms = told_ms;
            for client in self.clients.values_mut() {
                let set = client.guest.set(&self.kept).with_delay(told_ms);
                client.tell(&set, now_us);
            }
        }
    }

    fn play(&mut self) {
        while let Some(frame) = self.tapped.take() {
            let packing = self.terms.packing;
            let channels = packing.given().channels;
            let fits = Some(frame).filter(|frame| packing.takes(frame.header().frames));
            let Some(frame) = fits.and_then(|frame| self.narrow.sixteen(frame, channels)) else {
                continue;
            };
            let (header, now_us) = (frame.header(), self.clock.now_us());
            let captured_us = header.captured_us;
            let chunk = packing.chunk(frame.plain().1, header.position, captured_us, now_us);
            let chunk: Arc<[u8]> = chunk.into();
            self.clients.values_mut().for_each(|client| client.guest.play(captured_us, &chunk));
        }
    }

    fn write(&mut self) {
        let (clock, terms) = (self.clock, &self.terms);
        self.clients.retain(|_, client| client.write(terms, clock));
    }
}
