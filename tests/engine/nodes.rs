//! NATS servers of the tests' own, on this machine alone.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::program::Program;

/// A NATS server.
pub(super) struct Node {
    pub(super) program: Program,
    pub(super) port: u16,
}

impl Node {
    pub(super) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Starts another in the place of one that was killed.
    pub(super) fn again(&mut self) {
        self.program.wait();
        *self = start(&program("nats-server"), self.port, &[]);
    }
}

/// Where a program of the tests' own is.
pub(super) fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/engine").join(name);
    assert!(path.exists(), "{} is missing: scripts/setup.sh engine puts it there", path.display());
    path
}

/// A port that was free a moment ago.
pub(super) fn free_port() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

/// One node that lets everybody in.
pub(super) fn one() -> Node {
    start(&program("nats-server"), free_port(), &[])
}

/// A cluster of so many nodes.
pub(super) fn cluster(count: usize) -> Vec<Node> {
    let routes: Vec<u16> = (0..count).map(|_| free_port()).collect();
    let urls: Vec<String> =
        routes.iter().map(|port| format!("nats-route://127.0.0.1:{port}")).collect();
    let node = |own: &u16| {
        let own = format!("nats://127.0.0.1:{own}");
        let flags = ["--cluster_name", "al", "--cluster", &own, "--routes", &urls.join(",")];
        start(&program("nats-server"), free_port(), &flags)
    };
    routes.iter().map(node).collect()
}

/// One with a configuration in that folder, where it looks for its certificate too.
#[cfg(feature = "https")]
pub(super) fn in_folder(folder: &Path, configuration: &str) -> Node {
    let mut command = Command::new(program("nats-server"));
    command.current_dir(folder).args(["--config", configuration]);
    started(command, free_port())
}

pub(super) fn start(program: &Path, port: u16, flags: &[&str]) -> Node {
    let mut command = Command::new(program);
    command.args(flags);
    started(command, port)
}

fn started(mut command: Command, port: u16) -> Node {
    command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
    let mut program = Program::start(command);
    program.wait_for("Server is ready");
    Node { program, port }
}
