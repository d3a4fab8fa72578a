//! NATS servers, an origin and edges on this machine alone.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measuring::Result;
use crate::support::program::Program;
use crate::support::scratch::Scratch;

/// A NATS server.
pub(crate) struct Node {
    pub(crate) program: Program,
    port: u16,
    monitor: u16,
}

impl Node {
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Where it tells how it is.
    pub(crate) fn monitor(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.monitor).into()
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// So many nodes that know each other, with the limits that `auralync-server engine config` writes.
pub(crate) fn nodes(scratch: &Scratch, count: usize) -> Result<Vec<Node>> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/engine/nats-server");
    if !program.exists() {
        return Err(format!(
            "{} is missing: scripts/setup.sh engine puts it there",
            program.display()
        )
        .into());
    }
    let routes = (0..count).map(|_| free_port()).collect::<Result<Vec<_>>>()?;
    let urls: Vec<String> =
        routes.iter().map(|port| format!("\"nats-route://127.0.0.1:{port}\"")).collect();
    let node = |(number, route): (usize, &u16)| {
        let (port, monitor) = (free_port()?, free_port()?);
        let cluster = format!(
            "cluster {{ name: al, listen: \"127.0.0.1:{route}\", routes: [{}] }}\n",
            urls.join(", ")
        );
        let text = format!(
            "server_name: n{number}\nlisten: \"127.0.0.1:{port}\"\nhttp: \"127.0.0.1:{monitor}\"\n\
             max_payload: 65536\nmax_pending: 1048576\nwrite_deadline: \"1s\"\nping_interval: \"5s\"\n\
             ping_max: 2\n{}",
            if count > 1 { &cluster } else { "" }
        );
        let path = scratch.path(format!("{port}.conf"));
        std::fs::write(&path, text)?;
        let mut command = Command::new(&program);
        command.arg("--config").arg(path);
        let mut program = Program::start(command);
        program.wait_for("Server is ready");
        Ok(Node { program, port, monitor })
    };
    routes.iter().enumerate().map(node).collect()
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
