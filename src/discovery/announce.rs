//! Announces a server on the network, for as long as it runs.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use log::{info, warn};
use mdns_sd::{DaemonEvent, IfKind, Receiver, ServiceDaemon, ServiceInfo};

use super::SERVICE;
use super::record::{Details, label};

/// How long stopping waits for the goodbye to be said.
const GOODBYE: Duration = Duration::from_millis(500);

/// The name is asked for on the network first, which takes about a second. Changes wait for that,
/// and for one another.
const SETTLED: Duration = Duration::from_secs(2);

/// An announced server. Dropping it says goodbye.
pub struct Announcer {
    daemon: ServiceDaemon,
    events: Option<Receiver<DaemonEvent>>,
    what: Announcement,
    host: String,
    /// What was last said, and when.
    said: Details,
    at: Instant,
    renamed: bool,
}

/// What is announced.
#[derive(Debug, Clone)]
pub struct Announcement {
    /// The server's name.
    pub name: String,
    /// The address that it is bound to; nothing, or an unspecified one: all of this PC.
    pub bind: Option<IpAddr>,
    /// The port that listeners connect to.
    pub port: u16,
    /// What else it says of itself.
    pub details: Details,
}

/// Whether anybody else can reach a server that is bound to `bind`.
fn is_reachable(bind: Option<IpAddr>) -> bool {
    bind.is_none_or(|ip| !ip.to_canonical().is_loopback())
}

impl Announcer {
    /// Announces a server; nothing for one that only this PC reaches. Where the system does not let
    /// it, the user is warned: a server is of use without.
    #[must_use]
    pub fn start(what: Announcement) -> Option<Self> {
        if !is_reachable(what.bind) {
            return None;
        }
        Self::try_start(what)
            .inspect_err(|e| {
                warn!(
                    "this server cannot be found by its name: {e}. Listeners must type its address"
                );
            })
            .ok()
    }

    fn try_start(what: Announcement) -> mdns_sd::Result<Self> {
        let daemon = ServiceDaemon::new()?;
        match what.bind {
            Some(ip) if !ip.is_unspecified() => {
                daemon.disable_interface(IfKind::All)?;
                daemon.enable_interface(IfKind::Addr(ip))?;
            }
            bind => {
                daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
                if bind.is_some_and(|ip| ip.is_ipv4()) {
                    daemon.disable_interface(IfKind::IPv6)?;
                }
            }
        }
        let events = daemon.monitor()?;
        // The PC's own host name is the system's to announce.
        let host = format!("auralync-{:08x}.local.", crate::random::random() as u32);
        let announcer = Self {
            daemon,
            events: Some(events),
            said: what.details.clone(),
            what,
            host,
            at: Instant::now(),
            renamed: false,
        };
        announcer.daemon.register(announcer.service(true)?)?;
        Ok(announcer)
    }

    fn service(&self, is_new: bool) -> mdns_sd::Result<ServiceInfo> {
        let what = &self.what;
        let name = label(&what.name);
        let strings = what.details.write();
        let own = what.bind.filter(|ip| !ip.is_unspecified());
        let mut service = match own {
            Some(ip) => ServiceInfo::new(SERVICE, &name, &self.host, ip, what.port, &strings[..])?,
            None => ServiceInfo::new(SERVICE, &name, &self.host, (), what.port, &strings[..])?
                .enable_addr_auto(),
        };
        // The name is ours by now, or the one that took its place is.
        service.set_requires_probe(is_new);
        Ok(service)
    }

    /// Whether the server is full from now on; told to the network when it is due. Call it often.
    pub fn set_full(&mut self, full: bool) {
        self.tell_of_another_name();
        self.what.details.full = full;
        if self.what.details == self.said || self.at.elapsed() < SETTLED {
            return;
        }
        // What could not be said now is said next time.
        if self.service(false).and_then(|service| self.daemon.register(service)).is_ok() {
            self.said = self.what.details.clone();
        }
        self.at = Instant::now();
    }

    fn tell_of_another_name(&mut self) {
        let Some(events) = &self.events else { return };
        for event in events.try_iter() {
            if let DaemonEvent::NameChange(change) = event
                && let Some(name) = change.new_name.split("._auralync").next()
                && change.new_name.ends_with(SERVICE)
                && !self.renamed
            {
                self.renamed = true;
                info!(
                    "another server here is called “{}”: listeners find this one as “{name}”",
                    self.what.name
                );
            }
        }
    }
}

impl Drop for Announcer {
    fn drop(&mut self) {
        if let Ok(done) = self.daemon.shutdown() {
            let _ = done.recv_timeout(GOODBYE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_only_this_pc_reaches_is_not_announced() {
        for (bind, reachable) in [
            (None, true),
            (Some("0.0.0.0"), true),
            (Some("::"), true),
            (Some("192.0.2.1"), true),
            (Some("127.0.0.1"), false),
            (Some("127.1.2.3"), false),
            (Some("::1"), false),
            (Some("::ffff:127.0.0.1"), false),
        ] {
            let bind = bind.map(|ip| ip.parse().unwrap());
            assert_eq!(is_reachable(bind), reachable, "{bind:?}");
        }
    }
}
