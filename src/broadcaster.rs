//! Sending from within a program.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use ringbuf::traits::{Observer, Producer};

use crate::error::{Error, Result};
use crate::format::Format;
use crate::send::Server;
use crate::send::shown::Shown;
use crate::settings::{ServerArgs, ServerSettings, parse};
use crate::shutdown::Shutdown;
use crate::soundless::pushed::{self, Pushing};
use crate::source::Kind;
use crate::threads::{Priority, join, spawn};

/// How often it is looked whether there is room again for what is pushed.
const LOOK: Duration = Duration::from_millis(5);

/// Rates in Hz that sound can have on the network.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// How to send. What is left alone is as `auralync-server` has it, but that there is no page.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BroadcasterOptions {
    /// What listeners see, instead of this computer's name.
    pub name: Option<String>,
    /// The preset to start from: `smooth`, `low-latency`, `stable`, `live`, one of the user's own, or a `.toml` file.
    pub preset: String,
    /// The TCP and UDP port that listeners connect to; 0 takes a free one.
    pub port: u16,
    /// The one address of this computer on which listeners are accepted, instead of all.
    pub bind: Option<IpAddr>,
    /// The TCP port of the page for phones and browsers, if there is to be one; 0 takes a free one.
    pub page: Option<u16>,
    /// Whether the server is announced on the network, so that listeners find it.
    pub discovery: bool,
    /// Whether only those may listen who have the link to this user's private room. See `SECURITY.md`.
    pub private: bool,
}

impl Default for BroadcasterOptions {
    fn default() -> Self {
        Self {
            name: None,
            preset: crate::preset::DEFAULT.to_owned(),
            port: 5555,
            bind: None,
            page: None,
            discovery: true,
            private: false,
        }
    }
}

/// A server of what a program pushes, until it is dropped.
///
/// It runs on threads of its own. It prints nothing, takes no keys and no signals, and ends no program; what it does
/// is told to the `log` crate, which is silent unless the program installs a logger.
///
/// ```no_run
/// use auralync::{Broadcaster, BroadcasterOptions, Format};
///
/// fn main() -> auralync::Result<()> {
///     let mut options = BroadcasterOptions::default();
///     options.name = Some("A game".to_owned());
///     options.preset = "low-latency".to_owned();
///     let format = Format { sample_rate: 48_000, channels: 2 };
///     let (broadcaster, mut input) = Broadcaster::open(format, &options)?;
///     println!("listeners connect to port {}", broadcaster.address().port());
///     for n in 0_u64.. {
///         // 10 ms of a tone, the same on both channels: frames, interleaved.
///         let frame = |at: u64| (at as f32 / 48_000.0 * 440.0 * std::f32::consts::TAU).sin() * 0.2;
///         let samples: Vec<f32> = (n * 480..(n + 1) * 480).flat_map(|at| [frame(at); 2]).collect();
///         // Waits while there is enough in store, and so goes at the pace of listening.
///         if input.write(&samples) == 0 {
///             break;
///         }
///         if n % 100 == 0 {
///             println!("{} listen", broadcaster.listeners().len());
///         }
///     }
///     broadcaster.wait()
/// }
/// ```
#[derive(Debug)]
pub struct Broadcaster {
    address: SocketAddr,
    page: Option<u16>,
    shown: Arc<Shown>,
    shutdown: Shutdown,
    thread: Option<JoinHandle<Result<()>>>,
}

/// Where a program puts the sound that a [`Broadcaster`] sends. When it is dropped, the sound has ended.
pub struct Input {
    ring: Pushing,
    channels: usize,
    shutdown: Shutdown,
}

impl Input {
    /// Takes interleaved frames as far as there is room, and never waits, allocates, locks or calls the system, so that
    /// an audio callback may call it. Returns how many frames it has taken; half a frame at the end is left out.
    ///
    /// Sound is sent in the order in which it is pushed, at the rate of its format by this computer's clock. What is
    /// not there in time is heard later, and silence before it. A tenth of a second is kept in store, and up to eight
    /// tenths where more is pushed than is heard.
    pub fn push(&mut self, samples: &[f32]) -> usize {
        let room = self.ring.vacant_len() / self.channels;
        let frames = (samples.len() / self.channels).min(room);
        self.ring.push_slice(&samples[..frames * self.channels]);
        frames
    }

    /// As [`push`](Self::push), but waits for room until all is taken, or the broadcaster has ended: then fewer frames
    /// are taken than there are.
    pub fn write(&mut self, samples: &[f32]) -> usize {
        let mut taken = self.push(samples);
        while taken < samples.len() / self.channels && !self.shutdown.sleep(LOOK) {
            taken += self.push(&samples[taken * self.channels..]);
        }
        taken
    }
}

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Input").field("channels", &self.channels).finish_non_exhaustive()
    }
}

impl Broadcaster {
    /// Serves what is put into the [`Input`], in `format`, to whoever connects.
    ///
    /// # Errors
    /// [`Error::Usage`] and [`Error::Preset`] for options or a format that cannot be, [`Error::Bind`] where the port
    /// cannot be had.
    pub fn open(format: Format, options: &BroadcasterOptions) -> Result<(Self, Input)> {
        Self::of(format, settings(format, options)?)
    }

    /// Serves what is put into the [`Input`] as `settings` say.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn of(format: Format, settings: ServerSettings) -> Result<(Self, Input)> {
        let settings = ServerSettings { sources: vec![Kind::Pushed.into()], ..settings };
        let shutdown = Shutdown::default();
        let (ring, pushed) = pushed::sound(format, shutdown.clone());
        let server = Server::pushed(settings, pushed)?;
        let input = Input { ring, channels: format.channels.into(), shutdown: shutdown.clone() };
        Ok((Self::start(server, shutdown)?, input))
    }

    /// Serves as `server` does, until `shutdown`.
    ///
    /// # Errors
    /// If the system gives no thread.
    #[doc(hidden)]
    pub fn start(mut server: Server, shutdown: Shutdown) -> Result<Self> {
        let shown: Arc<Shown> = Arc::default();
        let (address, page) = (server.address()?, server.web_port());
        server.show_to(Arc::clone(&shown));
        let stop = shutdown.clone();
        let thread = spawn("server", Priority::Ordinary, &shutdown, move || {
            let outcome = server.run(&stop);
            // Whoever pushes waits no longer.
            stop.request();
            outcome
        })?;
        Ok(Self { address, page, shown, shutdown, thread: Some(thread) })
    }

    /// Where it listens: the address that was asked for, or one that stands for all, and the port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port of the page for browsers, where there is one.
    #[must_use]
    pub fn page(&self) -> Option<u16> {
        self.page
    }

    /// Who listens, by their names, as of a second ago. Those of the first generation have none, and are empty.
    #[must_use]
    pub fn listeners(&self) -> Vec<String> {
        self.shown.look()
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// What it ended with.
    pub fn wait(mut self) -> Result<()> {
        self.thread.take().map_or(Ok(()), join)
    }
}

impl Drop for Broadcaster {
    /// Ends it, within a second: whoever listens is told.
    fn drop(&mut self) {
        // Where it has ended already, others may still need what would stop them, too.
        if let Some(thread) = self.thread.take() {
            self.shutdown.request();
            let _ = join(thread);
        }
    }
}

/// What `auralync-server` would be asked to do.
fn settings(format: Format, options: &BroadcasterOptions) -> Result<ServerSettings> {
    let Format { sample_rate, channels } = format;
    if !RATES.contains(&sample_rate) || !(1..=2).contains(&channels) {
        return Err(Error::usage(
            format!("sound cannot be sent as {format}"),
            "Choose 8000 to 192000 Hz, and 1 or 2 channels",
        ));
    }
    let BroadcasterOptions { name, preset, port, bind, page, discovery, private } = options;
    let mut words: Vec<String> = vec!["auralync-server".to_owned(), "--source=none".to_owned()];
    words.push(format!("--preset={preset}"));
    words.push(format!("--port={port}"));
    words.push(format!("--sample-rate={sample_rate}"));
    words.push(format!("--channels={channels}"));
    words.extend(name.iter().map(|name| format!("--name={name}")));
    words.extend(bind.iter().map(|bind| format!("--bind={bind}")));
    words.push(page.map_or("--no-web".to_owned(), |page| format!("--web={page}")));
    words.extend((!discovery).then(|| "--no-discovery".to_owned()));
    words.extend(private.then(|| "--private".to_owned()));
    let words: Vec<std::ffi::OsString> = words.into_iter().map(Into::into).collect();
    parse::<ServerArgs>(&words)?.settings()
}
