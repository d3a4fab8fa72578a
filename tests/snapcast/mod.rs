//! Players of Snapcast at the real server: what they get, what they may do, and that nobody else notices.

mod control;
#[cfg(target_os = "linux")]
mod edge;
mod hostile;
mod joining;
mod player;

use std::net::{Ipv4Addr, SocketAddr};

use crate::support::program::Program;
use crate::support::servers::server;

/// A server that sends a tone, and where snapclients join.
fn tone(more: &[&str]) -> (Program, SocketAddr) {
    let mut server = server(["--source", "tone", "--snapcast", "0"].iter().chain(more));
    let port = port(&mut server);
    (server, port)
}

/// Where the server says that snapclients join.
fn port(server: &mut Program) -> SocketAddr {
    let port = server.find("Snapclients join at port", |line| {
        line.strip_prefix("Snapclients join at port ")?.trim().parse::<u16>().ok()
    });
    (Ipv4Addr::LOCALHOST, port).into()
}
