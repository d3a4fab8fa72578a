//! NATS servers, an origin and edges on this machine alone.

use std::path::PathBuf;
use std::process::Command;

use crate::measuring::Result;
use crate::support::nats::{self, Node};
use crate::support::program::Program;
use crate::support::scratch::Scratch;

/// What `auralync-server engine config` writes of limits.
const LIMITS: &str = "max_payload: 65536\nmax_pending: 1048576\nwrite_deadline: \"1s\"\nping_interval: \"5s\"\n\
                      ping_max: 2\n";

/// So many nodes that know each other, with those limits.
pub(crate) fn nodes(scratch: &Scratch, count: usize) -> Result<Vec<Node>> {
    let path = scratch.path("limits.conf");
    std::fs::write(&path, LIMITS)?;
    Ok(nats::cluster(count, &["--config", &path.display().to_string()]))
}

/// The servers of one user, and so of one room.
pub(crate) struct Servers {
    pub(crate) scratch: Scratch,
}

impl Servers {
    pub(crate) fn new() -> Self {
        Self { scratch: Scratch::new() }
    }

    /// A server with these flags.
    pub(crate) fn start(&self, flags: &[&str]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_auralync-server"));
        let folder: PathBuf = self.scratch.path("settings");
        command.env("XDG_CONFIG_HOME", &folder).env("HOME", folder);
        command.args(["--bind", "127.0.0.1", "--port", "0", "--no-web", "--no-discovery"]);
        Program::start({
            command.args(flags);
            command
        })
    }

    /// The one that has the sound.
    pub(crate) fn origin(&self, node: &Node, flags: &[&str]) -> Program {
        let url = node.url();
        let mut origin = self.start(&[&["--engine", &url][..], flags].concat());
        origin.wait_for("is there: other servers may send this too");
        origin
    }

    pub(crate) fn edge(&self, node: &Node, flags: &[&str]) -> Program {
        self.start(&[&["--source", "engine:room", "--engine", &node.url()][..], flags].concat())
    }
}
