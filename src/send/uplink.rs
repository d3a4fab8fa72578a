//! The uplink thread: gives an engine what others than listeners here want, and sleeps.
//! [`Uplink`] decides what is said, [`Line`] has the socket.

mod far_people;
mod talking;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use log::{info, warn};

use super::taps::{self, Tap, Tapped};
use super::to_edges::ToEdges;
use super::transmit::Room;
use crate::clock::Clock;
use crate::codec::Codec;
use crate::engine::line::Line;
use crate::engine::nats::{Addresses, Event};
use crate::engine::news::{News, Said};
use crate::engine::said::{self, Stream};
use crate::engine::sealed::{Backbone, Role};
use crate::engine::uplink::Uplink;
use crate::error::Result;
use crate::preset::Preset;
use crate::random::random;
use crate::settings::EngineSettings;
use crate::shutdown::Shutdown;
use crate::stats::{EdgeStats, EngineFigures, EngineStats, MOST_EDGES, TOLD_EVERY_US};
use crate::threads::{Priority, spawn};
use crate::upstreams::Upstreams;
pub(super) use talking::People;
use talking::Talking;

/// Where nothing wakes the thread, it looks around so often.
const REST: Duration = Duration::from_millis(50);

/// New terms that wait for the thread: a person makes them.
const MOST_TERMS: usize = 4;

/// What has changed while the server runs.
pub(super) struct NewTerms {
    /// The playout delay in ms, and the capture time from which it holds, in µs.
    pub(super) delay: (u32, u64),
    /// Most people who may talk at a time, of those who come.
    pub(super) max_talkers: u32,
    /// Codecs that edges may want from now on, the best first.
    pub(super) codecs: Vec<String>,
}

/// What an engine is told of a room whose preset this is; `talk` says whether people may speak there.
pub(super) fn stream(room: &Room, preset: &Preset, talk: bool) -> Stream {
    Stream {
        version: said::VERSION,
        session: room.welcome.session.clone(),
        name: room.welcome.name.clone(),
        sample_rate: room.config.sample_rate,
        channels: room.config.channels,
        chunk_size: room.config.chunk_size,
        playout_delay_ms: room.welcome.playout_delay_ms,
        delay_from_us: 0,
        opus_frames: room.opus.frames,
        opus_delay: room.opus.delay,
        codecs: codecs(preset),
        talk,
        via: room.welcome.via.clone(),
    }
}

/// Codecs that edges may want of a server with that preset, the best first.
pub(super) fn codecs(preset: &Preset) -> Vec<String> {
    preset.codecs.clone().unwrap_or_else(|| vec![Codec::Float32.to_string()])
}

/// The ways to the thread.
pub(super) struct Ways {
    /// Where sound goes in.
    pub(super) tap: Tap,
    /// Where what has changed does.
    pub(super) terms: SyncSender<NewTerms>,
    /// Where sound for people at edges does, where people may speak.
    pub(super) to_edges: Option<ToEdges>,
}

/// Starts the thread of a server that sends that stream, and lets people speak there if `people` is given.
///
/// # Errors
/// What keeps the engine's certificate from being read; if the system gives no thread or no event queue.
pub(super) fn start(
    (engine, backbone, figures): (&EngineSettings, &Backbone, Arc<EngineFigures>),
    upstreams: Upstreams,
    (stream, people): (Stream, Option<People>),
    clock: Clock,
    stop: &Shutdown,
) -> Result<Ways> {
    let who = backbone.who(Role::Origin, &stream.name, stream.longest());
    let line =
        Line::new(Addresses::new(engine.urls.clone(), random()), who, engine.trust()?, clock)?;
    let (tap, tapped) = taps::tap(Some(line.waker()));
    let (terms, changes) = sync_channel(MOST_TERMS);
    let uplink = Uplink::new(backbone, random(), stream);
    let room = engine.room.to_string();
    let (to_edges, talking) = people
        .map(|people| {
            let (to_edges, orders) = ToEdges::new(line.waker());
            (to_edges, Talking::new(people, orders))
        })
        .unzip();
    let thread =
        UplinkThread { upstreams, line, uplink, tapped, changes, talking, clock, room, figures };
    let heard = stop.clone();
    spawn("uplink", Priority::Ordinary, stop, move || thread.run(&heard))?;
    Ok(Ways { tap, terms, to_edges })
}

/// What the thread is given.
struct UplinkThread {
    /// Which servers the sound comes through.
    upstreams: Upstreams,
    line: Line,
    uplink: Uplink,
    tapped: Tapped,
    changes: Receiver<NewTerms>,
    /// Where people may speak.
    talking: Option<Talking>,
    clock: Clock,
    room: String,
    figures: Arc<EngineFigures>,
}

impl UplinkThread {
    /// Runs until `shutdown`.
    ///
    /// # Errors
    /// If the system's event queue breaks.
    fn run(mut self, shutdown: &Shutdown) -> Result<()> {
        let (uplink, clock, talking) = (&mut self.uplink, self.clock, &mut self.talking);
        let (mut news, mut told_us) = (News::default(), 0);
        while !shutdown.is_requested() {
            for NewTerms { delay: (ms, from_us), max_talkers, codecs } in self.changes.try_iter() {
                uplink.change_delay(ms, from_us);
                uplink.change_codecs(codecs);
                if let Some(talking) = talking {
                    talking.set_max_talkers(max_talkers);
                }
            }
            let now_us = clock.now_us();
            self.tapped.want(Codec::all().into_iter().filter(|codec| uplink.wants(*codec, now_us)));
            while let Some(frame) = self.tapped.take() {
                uplink.take(&frame, now_us);
            }
            if let Some(talking) = talking {
                talking.turn(uplink, self.figures.listening(), now_us);
            }
            if now_us >= told_us + TOLD_EVERY_US {
                told_us = now_us;
                uplink.change_via(self.upstreams.list());
                let url = self.line.works_at().map(ToString::to_string);
                let told = EngineStats { room: self.room.clone(), url, ..figures(uplink, now_us) };
                self.figures
                    .put(EngineStats { dropped: told.dropped + self.tapped.dropped(), ..told });
            }
            if let Some(session) = self.line.session() {
                uplink.speak(session, now_us);
            }
            let lost = self.line.turn(REST, |writer, event| match event {
                Event::Ready => uplink.begin(writer),
                Event::Message { subscription, reply, payload, .. } => {
                    let now_us = clock.now_us();
                    uplink.hear(subscription, reply, payload, now_us, writer, |heard| {
                        if let Some(talking) = talking {
                            talking.hear(heard, now_us);
                        }
                    });
                }
                Event::Forbidden(why) if news.forbids(why) => {
                    warn!("servers elsewhere do not hear all of this: the engine says {why}");
                }
                Event::Forbidden(_) | Event::Info(_) | Event::Secure => {}
            })?;
            match news.after(lost.as_ref(), self.line.works_at()) {
                Some(Said::Gone(said)) => {
                    warn!("{said}. It is tried again; listeners here notice nothing");
                }
                Some(Said::There(said)) => info!("{said}: other servers may send this too"),
                None => {}
            }
        }
        Ok(())
    }
}

/// What is told of an origin.
fn figures(uplink: &Uplink, now_us: u64) -> EngineStats {
    let counts = uplink.counts();
    let edges = uplink.edges(now_us).take(MOST_EDGES);
    EngineStats {
        role: "origin",
        frames: counts.frames,
        dropped: counts.dropped,
        again: counts.again,
        refused: counts.refused,
        edge_count: uplink.edges(now_us).count(),
        listening_there: uplink.edges(now_us).map(|edge| u64::from(edge.listeners)).sum(),
        edges: edges
            .map(|edge| EdgeStats { name: edge.name.clone(), listening: edge.listeners })
            .collect(),
        ..EngineStats::default()
    }
}
