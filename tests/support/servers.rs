//! The two programs, started the way a user starts them.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use super::program::Program;

/// `auralync-server` with a real port of the system's choice, on this machine alone.
pub(crate) fn server<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Program {
    server_with(Stdio::null(), arguments)
}

/// A [`server`] with that as its standard input.
pub(crate) fn server_with<S: AsRef<OsStr>>(
    stdin: impl Into<Stdio>,
    arguments: impl IntoIterator<Item = S>,
) -> Program {
    let mut command = server_command();
    command
        .stdin(stdin)
        .args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"])
        .args(arguments);
    Program::spawn(command)
}

/// `auralync-client` for that server.
pub(crate) fn client<S: AsRef<OsStr>>(
    server: SocketAddr,
    arguments: impl IntoIterator<Item = S>,
) -> Program {
    let mut command = client_command();
    command.arg(server.to_string()).args(arguments);
    Program::start(command)
}

pub(crate) fn server_command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_auralync-server"))
}

pub(crate) fn client_command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_auralync-client"))
}
