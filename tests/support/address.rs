//! Where a server listens.

use std::net::{Ipv4Addr, SocketAddr};

use super::program::Program;

impl Program {
    /// Where a server on this machine listens, as it tells its user; from then on it does.
    #[track_caller]
    pub(crate) fn address(&mut self) -> SocketAddr {
        let line = self.wait_for("auralync-client 127.0.0.1");
        let (_, typed) = line.split_once("auralync-client ").unwrap();
        let typed = typed.split_whitespace().next().unwrap();
        // The usual port need not be typed.
        typed.parse().unwrap_or_else(|_| (Ipv4Addr::LOCALHOST, 5555).into())
    }
}
