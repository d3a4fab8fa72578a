//! The command line of `auralync-client ctl`, which tells a server on this computer what to do.

use clap::{Args, Parser, Subcommand};

use super::words::{level, pan, snapclient_latency, snapclient_volume};
use crate::discovery::target::Target;
use crate::error::Result;

/// The first word behind the program's name that makes it this.
pub const CTL: &str = "ctl";

/// What is typed, from the program's name on.
#[derive(Debug, Clone, Parser)]
#[command(name = "auralync-client", version = env!("AURALYNC_VERSION"), disable_help_subcommand = true)]
pub struct CtlCommand {
    #[command(subcommand)]
    instead: Instead,
}

#[derive(Debug, Clone, Subcommand)]
enum Instead {
    /// Tell a server on this computer what to do: sources, listeners, recordings.
    Ctl(CtlArgs),
}

impl CtlCommand {
    /// What stands behind the first word.
    #[must_use]
    pub fn args(&self) -> &CtlArgs {
        let Instead::Ctl(args) = &self.instead;
        args
    }
}

/// What is typed behind `auralync-client ctl`.
#[derive(Debug, Clone, Args)]
#[command(arg_required_else_help = false)]
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
        /// Decibels, -96 to 24, such as -6 or -6dB; 0 leaves it as it is.
        #[arg(allow_hyphen_values = true, value_parser = level)]
        db: f32,
    },
    /// Silence a source or a person.
    Mute {
        /// The source's number, a part of its name, or a person's address or a part of the name.
        whom: String,
    },
    /// Let a source or a person be heard again.
    Unmute {
        /// The source's number, a part of its name, or a person's address or a part of the name.
        whom: String,
    },
    /// Move a source between left (-1) and right (1).
    Pan {
        /// The source's number, or a part of its name.
        source: String,
        /// The place: 0 is the middle.
        #[arg(allow_hyphen_values = true, value_parser = pan)]
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
        /// Let nobody from that address listen until the server ends.
        #[arg(long)]
        address: bool,
    },
    /// Let in somebody who waits at a private room that was started with --ask.
    LetIn {
        /// The address, or a part of the name.
        who: String,
    },
    /// Do not let in somebody who waits.
    Refuse {
        /// The address, or a part of the name.
        who: String,
    },
    /// Show the code that lets one person into the private room, or make one.
    Code {
        /// Make another one, even if there is one.
        #[arg(long)]
        new: bool,
    },
    /// Show the link to the private room.
    Link,
    /// Give the private room another key: who is in stays, and older links let nobody else in.
    Newkey,
    /// Show the snapclients that listen, where the server was started with --snapcast.
    Snapclients,
    /// Set a snapclient: how loud it is, whether it is silent, how late its loudspeaker is.
    #[command(arg_required_else_help = false)]
    Snapclient {
        /// Its id, or a part of its name.
        name: String,
        /// What becomes of it.
        #[command(subcommand)]
        change: SnapclientChange,
    },
    /// Begin or end a recording, in the folder that --record-dir named at the server.
    #[command(arg_required_else_help = false)]
    Record {
        /// Which of the two.
        #[command(subcommand)]
        action: Recording,
    },
}

/// What becomes of a snapclient.
#[derive(Debug, Clone, Subcommand)]
pub enum SnapclientChange {
    /// Set how loud it is.
    Volume {
        /// 0 to 100.
        #[arg(value_parser = snapclient_volume, allow_negative_numbers = true)]
        percent: u8,
    },
    /// Silence it.
    Mute,
    /// Let it be heard again.
    Unmute,
    /// Say how much later than others its loudspeaker is.
    Latency {
        /// Milliseconds, 0 to 10000.
        #[arg(value_parser = snapclient_latency, allow_negative_numbers = true)]
        ms: u32,
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn read(line: &str) -> CtlArgs {
        CtlCommand::try_parse_from(line.split(' ')).unwrap().args().clone()
    }

    #[test]
    fn the_server_may_be_named_before_or_behind_what_it_is_told() {
        CtlCommand::command().debug_assert();
        for line in [
            "auralync-client ctl --server localhost:9000 level mic -6.5",
            "auralync-client ctl level mic -6.5 --server localhost:9000",
        ] {
            let args = read(line);
            assert_eq!(args.target().unwrap(), Target { host: "localhost".into(), port: 9000 });
            assert!(matches!(args.order, Order::Level { db: -6.5, .. }));
        }
        assert_eq!(read("auralync-client ctl list").target().unwrap().port, 8080);
    }

    #[test]
    fn what_is_no_order_is_refused() {
        for line in ["ctl", "ctl dance", "ctl level mic", "ctl level mic loud", "ctl record"] {
            let words = ["auralync-client"].into_iter().chain(line.split(' '));
            assert!(CtlCommand::try_parse_from(words).is_err(), "{line}");
        }
    }
}
