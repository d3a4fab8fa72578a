//! The command line of `auralync-client ctl`, which tells a server on this computer what to do.

use clap::{Args, Subcommand};

use super::Target;
use crate::error::Result;

/// What is typed behind `auralync-client ctl`.
#[derive(Debug, Clone, Args)]
pub struct CtlArgs {
    /// The server's page: its port, if it is not 8080. The server must run on this computer.
    #[arg(long, global = true, value_name = "HOST[:PORT]", default_value = "localhost")]
    server: String,
    /// Print the server's answer as it is.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub order: Order,
}

/// What a server can be told.
#[derive(Debug, Clone, Subcommand)]
pub enum Order {
    /// Show sources and listeners.
    List,
    /// Set how loud a source is.
    Level {
        /// The source's number, or a part of its name.
        source: String,
        /// Decibels, -96 to 24; 0 leaves it as it is.
        #[arg(allow_negative_numbers = true)]
        db: f32,
    },
    /// Silence a source.
    Mute {
        /// The source's number, or a part of its name.
        source: String,
    },
    /// Let a source be heard again.
    Unmute {
        /// The source's number, or a part of its name.
        source: String,
    },
    /// Move a source between left (-1) and right (1).
    Pan {
        /// The source's number, or a part of its name.
        source: String,
        /// The place: 0 is the middle.
        #[arg(allow_negative_numbers = true)]
        pan: f32,
    },
    /// Take in a source that the server was started with, or that --offer named there.
    Add {
        /// A part of its name, as the list shows it.
        name: String,
    },
    /// Take a source out.
    Remove {
        /// The source's number, or a part of its name.
        source: String,
    },
    /// Ask a listener to leave.
    Kick {
        /// The listener's address, or a part of the name.
        listener: String,
    },
    /// Begin or end a recording, in the folder that --record-dir named at the server.
    Record {
        /// Which of the two.
        #[command(subcommand)]
        action: Recording,
    },
}

/// What becomes of a recording.
#[derive(Debug, Clone, Subcommand)]
pub enum Recording {
    /// Begin one.
    Start {
        /// A plain name that ends in .wav, .flac or .opus.
        name: String,
    },
    /// End it.
    Stop,
}

impl CtlArgs {
    /// Where the server's page is.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for what cannot be a host or a port.
    pub fn target(&self) -> Result<Target> {
        // With a port of its own it contradicts the usual one.
        Target::parse(&self.server, Some(super::DEFAULT_WEB_PORT))
            .or_else(|_| Target::parse(&self.server, None))
    }
}
