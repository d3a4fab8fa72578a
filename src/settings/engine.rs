//! The command line of `auralync-server engine`, which prepares NATS servers.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

use super::computer;
use crate::addresses;
use crate::engine::config::Wanted;
use crate::source::RoomName;

/// The first word behind the program's name that makes it this.
const ENGINE: &str = "engine";

/// What is typed, from the program's name on.
#[derive(Debug, Clone, Parser)]
#[command(name = "auralync-server", version = env!("AURALYNC_VERSION"), disable_help_subcommand = true)]
pub struct ServerEngine {
    #[command(subcommand)]
    instead: Instead,
}

#[derive(Debug, Clone, Subcommand)]
enum Instead {
    /// Prepare NATS servers, by which sound goes to other servers.
    Engine(EngineArgs),
}

#[derive(Debug, Clone, Args)]
struct EngineArgs {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Clone, Subcommand)]
enum Order {
    /// Write the configuration of one NATS server or of several, with keys, permissions and a certificate, and say
    /// how to start them.
    Config {
        /// How many run on this computer, 1 to 16.
        #[arg(long, value_name = "NODES", default_value_t = 1, conflicts_with = "hosts")]
        nodes: u16,
        /// The computers that one runs on each, by names or addresses with a comma between.
        #[arg(long, value_name = "COMPUTERS", value_delimiter = ',')]
        hosts: Vec<String>,
        /// What the room is called between servers.
        #[arg(long, value_name = "NAME", default_value_t, value_parser = RoomName::from_str)]
        room: RoomName,
        /// Where to; it must not be there yet.
        #[arg(long, value_name = "FOLDER", default_value = "engine")]
        folder: PathBuf,
    },
}

impl ServerEngine {
    /// What is to be written.
    #[must_use]
    pub fn wanted(self) -> Wanted {
        let Instead::Engine(EngineArgs { order }) = self.instead;
        let Order::Config { nodes, hosts, room, folder } = order;
        let ips = addresses::here().0.into_iter().map(|interface| interface.ip.to_string());
        let here = ["localhost".to_owned(), "127.0.0.1".to_owned(), computer::name()];
        // A computer may have a name that no network knows.
        let here = here.into_iter().chain(ips).filter(|name| name.is_ascii()).collect();
        Wanted { room, hosts, here, nodes, folder }
    }

    /// Whether this is asked for instead of the program's own work. `words` are what was typed, the program's own
    /// name first.
    #[must_use]
    pub fn is_meant(words: &[OsString]) -> bool {
        words.get(1).is_some_and(|word| word == ENGINE)
    }
}
