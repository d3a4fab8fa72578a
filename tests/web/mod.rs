//! The page's port of the real server: what browsers ask for, what others try, and listeners that
//! come by WebSocket.

mod browser;
#[cfg(feature = "webrtc")]
mod channels;
mod control;
mod hostile;
mod listeners;
mod modules;
mod routes;
#[cfg(feature = "https")]
mod secure;

use std::net::SocketAddr;

use crate::support::program::Program;
use crate::support::servers::server;

/// A server with a page on a port of the system's choice; where listeners and browsers connect.
fn serve(arguments: &[&str]) -> (Program, SocketAddr, SocketAddr) {
    let mut server = server([&["--web", "0"], arguments].concat());
    let listeners = server.address();
    let page = server.page();
    (server, listeners, page)
}
