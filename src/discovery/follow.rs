//! Where a client's server is: where the user said, or wherever it is found under its name.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

use log::{debug, info};

use super::browse::Browser;
use super::choose;
use super::found::Found;
use super::record::label;
use super::target::Target;
use crate::error::{Error, Result};

/// Each attempt at a server that is not where it was waits this long for news of it.
const NEWS: Duration = Duration::from_millis(300);

/// Where the server is.
pub enum Whereabouts {
    /// Where the user said.
    Told(Target),
    /// Where it is found on the network.
    Found(Followed),
}

/// A server that is known by its name.
pub struct Followed {
    found: Found,
    /// Where the microphone may go; nothing if that was not asked, because there is none.
    heard_at: Vec<IpAddr>,
    /// The last attempt failed, so it may be elsewhere.
    missed: bool,
    browser: Option<Browser>,
}

impl From<Found> for Whereabouts {
    fn from(found: Found) -> Self {
        Self::found(found, Vec::new())
    }
}

impl Whereabouts {
    /// A server that was found and may hear the microphone at these addresses, as [`trust`](super::trust)
    /// decides.
    #[must_use]
    pub fn found(found: Found, heard_at: Vec<IpAddr>) -> Self {
        Self::Found(Followed { found, heard_at, missed: false, browser: None })
    }

    /// This server, as before anything was tried.
    #[must_use]
    pub fn anew(&self) -> Self {
        match self {
            Self::Told(target) => Self::Told(target.clone()),
            Self::Found(Followed { found, heard_at, .. }) => {
                Self::found(found.clone(), heard_at.clone())
            }
        }
    }

    /// Whether the microphone may go to this address of a server that was first reached at `first`: the
    /// user named it, or said so.
    #[must_use]
    pub fn may_hear(&self, address: SocketAddr, first: SocketAddr) -> bool {
        match self {
            Self::Told(_) => address.ip() == first.ip(),
            Self::Found(followed) => followed.heard_at.contains(&address.ip()),
        }
    }

    /// The addresses to try now, likeliest first; never none.
    ///
    /// # Errors
    /// [`Error::Unresolved`] for a host that the name system does not know.
    pub fn addresses(&mut self) -> Result<Vec<SocketAddr>> {
        match self {
            Self::Told(target) => resolve(target),
            Self::Found(followed) => Ok(followed.addresses()),
        }
    }

    /// Whether the server may come back at another address than it had.
    #[must_use]
    pub fn may_change(&self) -> bool {
        match self {
            Self::Told(target) => target.host.parse::<IpAddr>().is_err(),
            Self::Found(_) => true,
        }
    }

    /// Whether the server was found by its name, and would be again.
    #[must_use]
    pub fn is_found(&self) -> bool {
        matches!(self, Self::Found(_))
    }

    /// The server was reached: there is nothing to look for.
    pub fn reached(&mut self) {
        if let Self::Found(followed) = self {
            followed.missed = false;
            followed.browser = None;
        }
    }

    /// Notes that the server was not where it was expected.
    pub fn missed(&mut self) {
        if let Self::Found(followed) = self {
            followed.missed = true;
        }
    }
}

impl std::fmt::Display for Whereabouts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Told(target) => target.fmt(f),
            Self::Found(Followed { found, .. }) => match found.likeliest() {
                Some(address) => write!(f, "“{}” ({address})", found.name),
                None => write!(f, "“{}”", found.name),
            },
        }
    }
}

impl Followed {
    /// The server, as it was found.
    pub(super) fn into_found(self) -> Found {
        self.found
    }

    fn addresses(&mut self) -> Vec<SocketAddr> {
        if !self.missed {
            return self.found.addresses.clone();
        }
        if self.browser.is_none() {
            match Browser::start() {
                Ok(browser) => self.browser = Some(browser),
                Err(e) => debug!("{e}"),
            }
        }
        if let Some(browser) = &mut self.browser {
            browser.listen(NEWS);
            let servers = browser.servers();
            self.hear(&servers);
        }
        self.found.addresses.clone()
    }

    /// Takes the news: the installation that it was, else one of its name, which the microphone is not
    /// for.
    fn hear(&mut self, servers: &[Found]) {
        let named = servers.iter().filter(|found| choose::is_called(found, &self.found.name));
        let is_same = |found: &Found| found.details.id == self.found.details.id;
        let Some(now) = named.clone().find(|found| is_same(found)).or(named.clone().next()) else {
            return;
        };
        if now.addresses != self.found.addresses
            && let Some(address) = now.likeliest()
        {
            info!("{address} is where “{}” is now", now.name);
        }
        if !is_same(now) {
            self.heard_at.clear();
        }
        self.found = now.clone();
    }
}

/// Looks whether a server that is not heard any more says that it is elsewhere. It never waits.
pub struct Search {
    browser: Browser,
    name: String,
    calls: usize,
}

impl Search {
    /// Begins to look for the server that calls itself `name`.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system gives no thread or socket.
    pub fn start(name: &str) -> Result<Self> {
        Ok(Self { browser: Browser::start()?, name: name.to_owned(), calls: 0 })
    }

    /// Where to call the server next: in turn where it was, and where servers of its name say that
    /// they are. Whether one of them is the server is for the caller to see.
    pub fn next(&mut self, was: SocketAddr) -> SocketAddr {
        self.browser.listen(Duration::ZERO);
        let places = elsewhere(&self.browser.servers(), &self.name, was);
        self.calls += 1;
        match places.len() {
            0 => was,
            count if self.calls.is_multiple_of(2) => places[self.calls / 2 % count],
            _ => was,
        }
    }
}

/// Where servers are that a server called `name` could be, if not where it was. One whose name others
/// have is announced with a number behind it.
fn elsewhere(servers: &[Found], name: &str, was: SocketAddr) -> Vec<SocketAddr> {
    let name = label(name).to_lowercase();
    let is_called = |found: &&Found| {
        let rest = found.name.to_lowercase();
        rest.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("))
    };
    // One that says it is where it was too is called there: the network is what failed.
    let has_gone = |found: &&Found| found.addresses.iter().all(|place| place.ip() != was.ip());
    let gone = servers.iter().filter(is_called).filter(has_gone);
    let places = gone.flat_map(|found| found.addresses.iter().copied());
    places.filter(|place| place.port() == was.port()).collect()
}

fn resolve(target: &Target) -> Result<Vec<SocketAddr>> {
    let unresolved =
        |why: &str| Error::Unresolved { host: target.host.clone(), why: why.to_owned() };
    let addresses: Vec<SocketAddr> = (target.host.as_str(), target.port)
        .to_socket_addrs()
        .map_err(|_| unresolved("no address belongs to that name"))?
        .collect();
    if addresses.is_empty() { Err(unresolved("the name has no address")) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use super::super::found::{example, installed};
    use super::*;

    fn followed(found: &Found) -> Followed {
        let heard_at = found.addresses.iter().map(|address| address.ip()).collect();
        Followed { found: found.clone(), heard_at, missed: true, browser: None }
    }

    fn may_hear(followed: Followed, address: &str) -> bool {
        let address = address.parse().unwrap();
        Whereabouts::Found(followed).may_hear(address, address)
    }

    #[test]
    fn the_installation_that_it_was_is_followed_before_others_of_its_name() {
        let attic = installed("a", "192.0.2.1:5555");
        let mut followed = followed(&attic);
        followed.hear(&[installed("b", "192.0.2.66:5555"), installed("a", "192.0.2.9:5555")]);
        assert_eq!(followed.found.addresses, ["192.0.2.9:5555".parse().unwrap()]);
        followed.hear(&[example("cellar", "192.0.2.2:5555")]);
        assert_eq!(followed.found.addresses, ["192.0.2.9:5555".parse().unwrap()]);
    }

    #[test]
    fn a_server_that_is_not_heard_is_called_where_servers_of_its_name_are() {
        let was = "192.0.2.1:5555".parse().unwrap();
        let mut still_there = example("attic", "192.0.2.1:5555");
        still_there.addresses.push("[fd00::1]:5555".parse().unwrap());
        let servers = [
            example("attic", "192.0.2.9:5555"),
            example("Attic (2)", "192.0.2.8:5555"),
            still_there,
            example("attic", "192.0.2.7:6000"),
            example("attic two", "192.0.2.6:5555"),
        ];
        let places = elsewhere(&servers, "attic", was);
        let expected = ["192.0.2.9:5555", "192.0.2.8:5555"].map(|place| place.parse().unwrap());
        assert_eq!(places, expected);
    }

    #[test]
    fn who_named_an_address_lets_that_one_hear_and_no_other() {
        let told = Whereabouts::Told(Target { host: "192.0.2.1".into(), port: 5555 });
        let first = "192.0.2.1:5555".parse().unwrap();
        assert!(told.may_hear(first, first));
        assert!(!told.may_hear("192.0.2.66:5555".parse().unwrap(), first));
    }

    #[test]
    fn the_microphone_stays_where_a_person_said_it_may_go() {
        let attic = installed("a", "192.0.2.1:5555");
        assert!(may_hear(followed(&attic), "192.0.2.1:6000"));
        for (other, address) in [
            // Anybody can take its name and its id.
            (installed("a", "192.0.2.66:5555"), "192.0.2.66:5555"),
            (installed("b", "192.0.2.1:5555"), "192.0.2.1:5555"),
            (example("attic", "192.0.2.1:5555"), "192.0.2.1:5555"),
        ] {
            let mut followed = followed(&attic);
            followed.hear(&[other]);
            assert!(!may_hear(followed, address), "{address}");
        }
        // It may come back to where it was.
        let mut moved = followed(&attic);
        moved.hear(&[installed("a", "192.0.2.66:5555")]);
        moved.hear(&[installed("a", "192.0.2.1:5555")]);
        assert!(may_hear(moved, "192.0.2.1:5555"));
    }
}
