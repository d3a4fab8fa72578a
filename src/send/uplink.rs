//! The uplink thread: gives an engine what others than listeners here want, and sleeps.
//! [`Uplink`] decides what is said, [`Line`] has the socket.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use log::{info, warn};

use super::taps::{self, Tap, Tapped};
use super::transmit::Room;
use crate::clock::Clock;
use crate::codec::Codec;
use crate::engine::key;
use crate::engine::line::Line;
use crate::engine::nats::{Addresses, Event, Who};
use crate::engine::news::News;
use crate::engine::said::{self, Stream};
use crate::engine::sealed::{OVERHEAD, Role};
use crate::engine::uplink::Uplink;
use crate::error::Result;
use crate::preset::Preset;
use crate::random::random;
use crate::settings::EngineSettings;
use crate::shutdown::Shutdown;
use crate::threads::{Priority, spawn};

/// Where nothing wakes the thread, it looks around so often.
const REST: Duration = Duration::from_millis(50);

/// New delays that wait for the thread: a person makes them.
const MOST_DELAYS: usize = 4;

/// What an engine is told of a room whose preset this is.
pub(super) fn stream(room: &Room, preset: &Preset) -> Stream {
    let every_codec = || vec![Codec::Float32.to_string()];
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
        codecs: preset.codecs.clone().unwrap_or_else(every_codec),
    }
}

/// Starts the thread of a server that sends that stream. Returns where sound goes in, and where a new delay does:
/// ms, and the capture time from which it holds, in µs.
///
/// # Errors
/// [`Error::File`](crate::Error::File) where the room's key cannot be read or made; if the system gives no thread or
/// no event queue.
pub(super) fn start(
    engine: &EngineSettings,
    stream: Stream,
    clock: Clock,
    stop: &Shutdown,
) -> Result<(Tap, SyncSender<(u32, u64)>)> {
    let backbone = key::own(&engine.room)?;
    let longest = stream.longest() + OVERHEAD as u64;
    let who = Who { name: stream.name.clone(), nkey: Some(backbone.nkey(Role::Origin)), longest };
    let line =
        Line::new(Addresses::new(engine.urls.clone(), random()), who, engine.trust()?, clock)?;
    let (tap, tapped) = taps::tap(Some(line.waker()));
    let (delay, delays) = sync_channel(MOST_DELAYS);
    let uplink = Uplink::new(&backbone, random(), stream);
    let thread = UplinkThread { line, uplink, tapped, delays, clock };
    let heard = stop.clone();
    spawn("uplink", Priority::Ordinary, stop, move || thread.run(&heard))?;
    Ok((tap, delay))
}

/// What the thread is given.
struct UplinkThread {
    line: Line,
    uplink: Uplink,
    tapped: Tapped,
    /// New delays.
    delays: Receiver<(u32, u64)>,
    clock: Clock,
}

impl UplinkThread {
    /// Runs until `shutdown`.
    ///
    /// # Errors
    /// If the system's event queue breaks.
    fn run(mut self, shutdown: &Shutdown) -> Result<()> {
        let (uplink, clock) = (&mut self.uplink, self.clock);
        let mut news = News::default();
        let mut forbidden = None;
        while !shutdown.is_requested() {
            self.delays.try_iter().for_each(|(ms, from_us)| uplink.change_delay(ms, from_us));
            let now_us = clock.now_us();
            self.tapped.want(Codec::all().into_iter().filter(|codec| uplink.wants(*codec, now_us)));
            while let Some(frame) = self.tapped.take() {
                uplink.take(&frame, now_us);
            }
            if let Some(session) = self.line.session() {
                uplink.speak(session, now_us);
            }
            let lost = self.line.turn(REST, |writer, event| match event {
                Event::Ready => uplink.begin(writer),
                Event::Message { subscription, reply, payload, .. } => {
                    uplink.hear(subscription, reply, payload, clock.now_us(), writer);
                }
                Event::Forbidden(why) if forbidden.as_deref() != Some(why) => {
                    warn!("servers elsewhere do not hear all of this: the engine says {why}");
                    forbidden = Some(why.to_owned());
                }
                Event::Forbidden(_) | Event::Info(_) | Event::Secure => {}
            })?;
            match lost.and_then(|lost| news.lost(&lost)) {
                Some(said) => warn!("{said}. It is tried again; listeners here notice nothing"),
                None => {
                    let works = self.line.works_at().and_then(|url| news.works(&url.to_string()));
                    works
                        .into_iter()
                        .for_each(|said| info!("{said}: other servers may send this too"));
                }
            }
        }
        Ok(())
    }
}
