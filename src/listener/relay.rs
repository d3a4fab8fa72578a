//! A listener inside a server: what another server sends is a source here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use log::{error, info};

use super::{Event, Listener, ListenerOptions, settings};
use crate::clock::Clock;
use crate::discovery::seek;
use crate::discovery::target::Wanted;
use crate::dscp::Dscp;
use crate::error::Result;
use crate::format::{Format, printable};
use crate::recv::speaker::Speaker;
use crate::recv::{Client, Pulled};
use crate::settings::ClientSettings;
use crate::shutdown::Shutdown;
use crate::threads::{Priority, spawn};
use crate::upstreams::Upstreams;

/// How often it is looked whether the source is still wanted.
const LOOK: Duration = Duration::from_millis(200);

/// Longest name of a source that the log shows, in characters.
const SHOWN: usize = 200;

/// What all listeners inside one server have in common.
#[derive(Debug, Clone, Default)]
pub(crate) struct Relays {
    /// What the other servers see: this server's name.
    pub(crate) name: String,
    /// Whether servers may be looked for on the network.
    pub(crate) discovery: bool,
    /// How packets are marked.
    pub(crate) dscp: Dscp,
    /// Which servers the sound comes through.
    pub(crate) upstreams: Upstreams,
}

/// One listener inside a server, until it is dropped.
pub(crate) struct Relay {
    speaker: Speaker,
    seen: Arc<Seen>,
    stop: Shutdown,
}

/// What its thread says of it.
#[derive(Debug, Default)]
struct Seen {
    /// How long after its capture there the sound is heard, in ms; 0 before any is.
    behind_ms: AtomicU32,
    has_ended: AtomicBool,
}

impl Relay {
    /// Listens to the server that is called `host`, in `format`, by `clock`. Waits for nothing but the search for a
    /// server's name.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for what is no host, and what keeps a server of a name from being found;
    /// a file of this user's that cannot be read, or a thread that the system does not give.
    pub(crate) fn open(host: &str, format: Format, clock: Clock, all: &Relays) -> Result<Self> {
        let wanted = Wanted::parse(host, None, all.discovery)?;
        let options = ListenerOptions { name: Some(all.name.clone()), ..Default::default() };
        let settings = ClientSettings {
            wanted: Some(wanted),
            discovery: all.discovery,
            dscp: all.dscp,
            ..settings("", &options)?
        };
        let place = seek::server(settings.sought(), false)?;
        let (pulled, speaker) = Pulled::new(format, clock);
        let mut client = Client::pulled(settings, place, pulled)?;
        client.feeds(all.upstreams.source());
        let listener = Listener::shown(client)?;
        let (seen, stop): (Arc<Seen>, _) = (Arc::default(), Shutdown::default());
        let (tells, stops) = (Arc::clone(&seen), stop.clone());
        let name = printable(host, SHOWN);
        // It ends with the listener, which nobody waits for: connections may be inside a call that takes its time.
        let _watch = spawn("relay", Priority::Ordinary, &Shutdown::default(), move || {
            watch(listener, &name, &tells, &stops);
        })?;
        Ok(Self { speaker, seen, stop })
    }

    /// Fills `out` with interleaved frames, the first of which is heard at `heard_us`; it is asked for at `now_us`.
    /// Returns how many frames are sound. Never waits.
    pub(crate) fn fill(&mut self, out: &mut [f32], heard_us: u64, now_us: u64) -> usize {
        self.speaker.fill(out, heard_us, now_us)
    }

    /// How long after its capture there the sound is heard, in ms, once that is known.
    pub(crate) fn behind_ms(&self) -> Option<u32> {
        Some(self.seen.behind_ms.load(Ordering::Relaxed)).filter(|ms| *ms > 0)
    }

    /// Whether it has given up.
    pub(crate) fn has_ended(&self) -> bool {
        self.seen.has_ended.load(Ordering::Relaxed)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.request();
    }
}

/// Says what becomes of the listener, until it ends or is not wanted any more.
fn watch(mut listener: Listener, name: &str, seen: &Seen, stop: &Shutdown) {
    while !stop.is_requested() {
        match listener.next_event(LOOK) {
            Some(Event::Delay(ms)) => {
                seen.behind_ms.store(ms.round() as u32, Ordering::Relaxed);
                info!("what “{name}” sends stands {ms:.0} ms behind its capture there");
            }
            Some(Event::Ended(outcome)) => {
                if let Err(e) = outcome {
                    error!(
                        "{e}. The source “auralync:{name}” is silent until it is taken in again"
                    );
                }
                break;
            }
            _ => {}
        }
    }
    seen.has_ended.store(true, Ordering::Relaxed);
}
