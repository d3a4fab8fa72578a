//! NATS servers of the tests' own, on this machine alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::free_port::free_port;
use super::program::Program;

/// A NATS server.
pub(crate) struct Node {
    pub(crate) program: Program,
    pub(crate) port: u16,
    /// Where it tells how it is.
    pub(crate) monitor: u16,
}

impl Node {
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Starts another in the place of one that was killed.
    pub(crate) fn again(&mut self) {
        self.program.wait();
        *self = start(Command::new(program("nats-server")), self.port);
    }
}

/// Where a program of the tests' own is.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/engine").join(name);
    assert!(path.exists(), "{} is missing: scripts/setup.sh engine puts it there", path.display());
    path
}

/// One node that lets everybody in.
pub(crate) fn one() -> Node {
    one_of("nats-server")
}

/// As [`one`], the program of that name.
pub(crate) fn one_of(name: &str) -> Node {
    start(Command::new(program(name)), free_port())
}

/// So many nodes that know each other, each with these flags too.
pub(crate) fn cluster(count: usize, flags: &[&str]) -> Vec<Node> {
    let routes: Vec<u16> = (0..count).map(|_| free_port()).collect();
    let urls: Vec<String> =
        routes.iter().map(|port| format!("nats-route://127.0.0.1:{port}")).collect();
    let node = |own: &u16| {
        let mut command = Command::new(program("nats-server"));
        if count > 1 {
            let own = format!("nats://127.0.0.1:{own}");
            command.args(["--cluster_name", "al", "--cluster", &own, "--routes", &urls.join(",")]);
        }
        command.args(flags);
        start(command, free_port())
    };
    routes.iter().map(node).collect()
}

/// One with a configuration in that folder, where it looks for its certificate too.
pub(crate) fn in_folder(folder: &Path, configuration: &str) -> Node {
    let mut command = Command::new(program("nats-server"));
    command.current_dir(folder).args(["--config", configuration]);
    start(command, free_port())
}

fn start(mut command: Command, port: u16) -> Node {
    let monitor = free_port();
    command.args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
    command.args(["--http_port", &monitor.to_string()]);
    let mut program = Program::start(command);
    program.wait_for("Server is ready");
    Node { program, port, monitor }
}
