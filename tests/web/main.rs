//! The page's port of the real server: what browsers ask for, what others try, and listeners that
//! come by WebSocket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod browser;
mod control;
mod hostile;
mod listeners;
mod modules;
mod routes;
#[path = "../support/mod.rs"]
mod support;

use std::net::SocketAddr;

use support::program::{Program, server};

/// A server with a page on a port of the system's choice; where listeners and browsers connect.
fn serve(arguments: &[&str]) -> (Program, SocketAddr, SocketAddr) {
    let mut server = server([&["--web", "0"], arguments].concat());
    let listeners = server.address();
    let line = server.wait_for(" open http://");
    let (_, address) = line.split_once("http://").unwrap();
    let page = address.split_once('/').unwrap().0.parse().unwrap();
    (server, listeners, page)
}
