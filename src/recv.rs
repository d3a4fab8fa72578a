//! Joins the receiving stages: makes the rings and queues, starts and joins the threads.

pub mod air;
pub mod cardless;
pub mod connect;
pub(crate) mod controls;
pub mod decode;
pub mod dry;
mod ears;
pub mod fit;
#[cfg(feature = "device")]
mod keep_card;
pub(crate) mod people;
mod per_output;
pub mod play;
mod play_thread;
mod pulled;
mod recordings;
pub mod repair;
mod report;
pub mod rooms;
mod running;
pub(crate) mod shown;
pub mod simulate;
pub mod speaker;
pub mod talk;
pub(crate) mod trim;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use log::info;

use crate::discovery::follow::Whereabouts;
use crate::error::Result;
use crate::recording::STDOUT;
use crate::settings::{ClientSettings, Output};
use crate::shutdown::Shutdown;
use crate::stats::Lines;
use crate::status::Terminal;
use crate::upstreams::Upstream;
use controls::Controls;
pub(crate) use pulled::Pulled;
use report::Reporter;
use running::{Running, Watched};
use shown::Shown;

/// How often the threads are asked how they are.
const LOOK: Duration = Duration::from_millis(50);

/// A client that has its output and has not connected yet.
pub struct Client {
    settings: ClientSettings,
    place: Whereabouts,
    output: Where,
    lines: Lines,
    status: Option<Terminal>,
    shown: Option<Arc<Shown>>,
    upstream: Option<Upstream>,
}

enum Where {
    /// Nowhere, or into the file of `--output wav:FILE`.
    Cardless,
    /// None yet, where there is none on this PC, or somebody only talks until there is one.
    #[cfg(feature = "device")]
    Card(Option<Box<crate::device::OutputDevice>>),
    /// What a program plays on by itself.
    Pulled(Box<Pulled>),
}

impl Client {
    /// Finds the output.
    ///
    /// # Errors
    /// Whatever keeps the client from starting, as a sentence for the user.
    pub fn open(settings: ClientSettings, place: Whereabouts) -> Result<Self> {
        let lines = Lines::open(settings.stats.as_ref())?;
        let output = match &settings.output {
            #[cfg(feature = "device")]
            Output::Speaker => {
                match crate::device::OutputDevice::find(settings.device.as_deref()) {
                    Ok(device) => Where::Card(Some(Box::new(device))),
                    // Who cannot hear can be heard, and an output may come: the card's keeper says what
                    // is wrong.
                    Err(_) if settings.talk.is_some() => Where::Card(None),
                    Err(_) if !settings.once && !crate::device::has_output() => Where::Card(None),
                    Err(e) => return Err(e),
                }
            }
            #[cfg(not(feature = "device"))]
            Output::Speaker => {
                return Err(crate::Error::NoDevice {
                    what: "no sound can be played".to_owned(),
                    why: "this program was built without sound cards".to_owned(),
                    fix: "Use --output wav:FILE, or build with --features device".to_owned(),
                });
            }
            Output::Null | Output::Wav(_) => Where::Cardless,
        };
        Ok(Self { settings, place, output, lines, status: None, shown: None, upstream: None })
    }

    /// A client whose sound a program plays by itself.
    ///
    /// # Errors
    /// If statistics cannot be written.
    pub(crate) fn pulled(
        settings: ClientSettings,
        place: Whereabouts,
        pulled: Pulled,
    ) -> Result<Self> {
        let lines = Lines::open(settings.stats.as_ref())?;
        let output = Where::Pulled(Box::new(pulled));
        Ok(Self { settings, place, output, lines, status: None, shown: None, upstream: None })
    }

    /// What the sound goes to, in words.
    #[must_use]
    pub fn output_name(&self) -> String {
        match &self.output {
            #[cfg(feature = "device")]
            Where::Card(Some(device)) => format!("“{}”", device.name()),
            #[cfg(feature = "device")]
            Where::Card(None) => "the first output that there is".to_owned(),
            Where::Pulled(_) => "what this program plays on".to_owned(),
            Where::Cardless => match &self.settings.output {
                Output::Wav(path) if path == Path::new(STDOUT) => "standard output".to_owned(),
                Output::Wav(path) => path.display().to_string(),
                _ => "nothing (--output null)".to_owned(),
            },
        }
    }

    /// Shows how playing goes on that terminal while it runs, and takes keys from it.
    pub fn show_on(&mut self, terminal: Option<Terminal>) {
        self.status = terminal;
    }

    /// Shows how it does there while it runs.
    pub(crate) fn show_to(&mut self, shown: Arc<Shown>) {
        self.shown = Some(shown);
    }

    /// What is heard is a source of a server, which takes no sound that comes from itself.
    pub(crate) fn feeds(&mut self, upstream: Upstream) {
        self.upstream = Some(upstream);
    }

    /// Starts to play until `shutdown`.
    ///
    /// # Errors
    /// A file that cannot be written, or a thread that the system does not give.
    pub(crate) fn begin(self, shutdown: &Shutdown) -> Result<Begun> {
        let Self { settings, place, output, lines, status, shown, upstream } = self;
        let (running, watched) = Running::start(&settings, place, output, upstream)?;
        let has_keys = running.take_keys(&settings, status.as_ref(), shutdown)?;
        let is_simulated = settings.simulate.is_some();
        Ok(Begun { running, watched, lines, shown_on: (status, shown), has_keys, is_simulated })
    }
}

/// A client that plays.
pub(crate) struct Begun {
    running: Running,
    watched: Watched,
    lines: Lines,
    shown_on: (Option<Terminal>, Option<Arc<Shown>>),
    has_keys: bool,
    is_simulated: bool,
}

impl Begun {
    /// What a person may change while it plays.
    pub(crate) fn controls(&self) -> Arc<Controls> {
        Arc::clone(&self.watched.controls)
    }

    /// Plays until `shutdown`.
    ///
    /// # Errors
    /// What cannot be mended by trying again; where it is to try but once, whatever ended the connection.
    pub(crate) fn run(self, shutdown: &Shutdown) -> Result<()> {
        let Self { running, watched, lines, shown_on, has_keys, is_simulated } = self;
        // What it holds of Windows' Wi-Fi stays on the thread that asked for it.
        let mut reporter = Reporter::new(watched, lines, shown_on, has_keys, is_simulated);
        while !shutdown.sleep(LOOK) && !running.is_over() {
            reporter.look();
        }
        if shutdown.is_requested() {
            info!("stopping");
        }
        let outcome = running.end();
        reporter.end();
        outcome
    }
}
