//! Listens for servers on the network.

use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::thread::sleep;
use std::time::{Duration, Instant};

use log::debug;
use mdns_sd::{IfKind, Receiver, ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent};

use super::SERVICE;
use super::found::{Found, MOST_SERVERS, Table};
use super::record::Details;
use crate::error::{Error, Result};

/// The daemon that asks, and what it has been told. It stops with this value.
pub struct Browser {
    daemon: ServiceDaemon,
    events: Option<Receiver<ServiceEvent>>,
    table: Table,
}

impl Browser {
    /// Begins to ask.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system gives no thread or socket.
    pub fn start() -> Result<Self> {
        let failed = |e| Error::internal("cannot look for servers on this network", e);
        let daemon = ServiceDaemon::new().map_err(failed)?;
        // A server that is bound to this PC alone is nobody else's business, and says nothing.
        let _ = daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6]);
        let events = daemon.browse(SERVICE).map_err(failed)?;
        Ok(Self { daemon, events: Some(events), table: Table::default() })
    }

    /// Takes in what is said for that long.
    pub fn listen(&mut self, duration: Duration) {
        let until = Instant::now() + duration;
        while let Some(events) = &self.events {
            match events.recv_deadline(until) {
                Ok(event) => self.take(event),
                Err(_) if Instant::now() >= until => return,
                // So much was said at once that the daemon hung up. It remembers.
                Err(_) => self.events = None,
            }
        }
        sleep(until.saturating_duration_since(Instant::now()));
        if !self.is_overwhelmed() {
            self.events = self.daemon.browse(SERVICE).ok();
        }
    }

    fn take(&mut self, event: ServiceEvent) {
        match event {
            ServiceEvent::ServiceResolved(service) => {
                self.table.put(&service.fullname, read(&service));
                if self.is_overwhelmed() {
                    debug!("more than {MOST_SERVERS} servers: looking for no more");
                    let _ = self.daemon.stop_browse(SERVICE);
                    self.events = None;
                }
            }
            ServiceEvent::ServiceRemoved(_, fullname) => self.table.remove(&fullname),
            _ => {}
        }
    }

    /// Whether somebody floods the network with names: what the daemon remembers of them must not
    /// grow.
    fn is_overwhelmed(&self) -> bool {
        self.table.len() >= MOST_SERVERS
    }

    /// All that are there now, by name.
    #[must_use]
    pub fn servers(&self) -> Vec<Found> {
        self.table.servers()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends by itself then; there is nothing that it must still say.
        let _ = self.daemon.shutdown();
    }
}

/// What the daemon has put together from several answers.
fn read(service: &ResolvedService) -> Option<Found> {
    let name = service.fullname.strip_suffix(SERVICE)?.strip_suffix('.')?.replace('\\', "");
    let addresses = service.addresses.iter().filter_map(|ip| address(ip, service.port));
    Found::read(&name, addresses, Details::read(|key| service.get_property_val_str(key)))
}

fn address(ip: &ScopedIp, port: u16) -> Option<SocketAddr> {
    match ip {
        ScopedIp::V4(v4) => Some(SocketAddrV4::new(*v4.addr(), port).into()),
        ScopedIp::V6(v6) => {
            let ip = *v6.addr();
            let zone = if ip.is_unicast_link_local() { v6.scope_id().index } else { 0 };
            Some(SocketAddrV6::new(ip, port, 0, zone).into())
        }
        _ => None,
    }
}
