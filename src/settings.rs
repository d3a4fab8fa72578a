//! Both command lines, and what they mean.
//!
//! clap reads the words; `settings()` turns them into something ready to run, or into an error that
//! says what to type instead. Flags that a preset's key can also set are `Option`s, so that a
//! missing flag never replaces what the preset says.

mod calibrate;
mod client;
pub mod code;
pub(crate) mod computer;
pub mod ctl;
mod ear;
mod engine;
pub mod link;
mod refusal;
mod server;
pub mod service;
mod simulation;
mod words;

pub use calibrate::{CALIBRATE, CalibrateCommand, CalibrateSettings};
pub use client::{ClientArgs, ClientSettings, Output, Transport, join_mode};
pub use ear::EarFlags;
pub use engine::ServerEngine;
pub use refusal::{parse, usage_error};
pub use server::{EngineSettings, Readers, ServerArgs, ServerSettings};
pub use simulation::Simulation;

/// The port of the page for browsers, unless somebody says otherwise.
pub const DEFAULT_WEB_PORT: u16 = 8080;

/// The port of the encrypted page, unless somebody says otherwise.
pub const DEFAULT_HTTPS_PORT: u16 = 8443;

/// How much a program tells about what it does.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Verbosity {
    /// Tell more about what happens; twice for still more.
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Tell only about problems.
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
}

impl Verbosity {
    /// The least important level that is still shown, unless `RUST_LOG` says otherwise.
    #[must_use]
    pub fn level(self) -> log::LevelFilter {
        match (self.quiet, self.verbose) {
            (true, _) => log::LevelFilter::Warn,
            (false, 0) => log::LevelFilter::Info,
            (false, 1) => log::LevelFilter::Debug,
            (false, _) => log::LevelFilter::Trace,
        }
    }
}

/// The flag by which a program knows that its window closes with it.
pub const KEEP_WINDOW: &str = "keep-window";

/// What only a desktop's entry says: nothing else tells a terminal that a click has opened from one with a shell.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct Desktop {
    /// Keep the window after an error until Enter is pressed. Looked at in what was typed, since it holds as well
    /// where that cannot be read.
    #[arg(long = KEEP_WINDOW, hide = true)]
    _keep_window: bool,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn each_v_tells_more_and_q_tells_less() {
        for (flags, level) in [
            ("", log::LevelFilter::Info),
            ("-v", log::LevelFilter::Debug),
            ("-vv", log::LevelFilter::Trace),
            ("-vvvv", log::LevelFilter::Trace),
            ("-q", log::LevelFilter::Warn),
        ] {
            let line = ["auralync-client", flags];
            let line = line.into_iter().filter(|word| !word.is_empty());
            let settings = ClientArgs::try_parse_from(line).unwrap().settings().unwrap();
            assert_eq!(settings.level, level, "{flags}");
        }
    }
}
