//! Where a client's server is: where the user said, or wherever it is found under its name.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use log::{debug, info};

use super::browse::Browser;
use super::choose;
use super::found::Found;
use crate::error::{Error, Result};
use crate::settings::Target;

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
    name: String,
    addresses: Vec<SocketAddr>,
    /// The last attempt failed, so it may be elsewhere.
    missed: bool,
    browser: Option<Browser>,
}

impl From<Found> for Whereabouts {
    fn from(found: Found) -> Self {
        let Found { name, addresses, .. } = found;
        Self::Found(Followed { name, addresses, missed: false, browser: None })
    }
}

impl Whereabouts {
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
            Self::Told(target) => target.host.parse::<std::net::IpAddr>().is_err(),
            Self::Found(_) => true,
        }
    }

    /// Whether it was found by its name, and would be again.
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

    /// It was not where it was expected.
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
            Self::Found(followed) => match followed.addresses.first() {
                Some(address) => write!(f, "“{}” ({address})", followed.name),
                None => write!(f, "“{}”", followed.name),
            },
        }
    }
}

impl Followed {
    fn addresses(&mut self) -> Vec<SocketAddr> {
        if !self.missed {
            return self.addresses.clone();
        }
        if self.browser.is_none() {
            match Browser::start() {
                Ok(browser) => self.browser = Some(browser),
                Err(e) => debug!("{e}"),
            }
        }
        if let Some(browser) = &mut self.browser {
            browser.listen(NEWS);
            let same =
                browser.servers().into_iter().find(|found| choose::is_called(found, &self.name));
            if let Some(found) = same
                && found.addresses != self.addresses
            {
                if let Some(address) = found.likeliest() {
                    info!("{address} is where “{}” is now", self.name);
                }
                self.addresses = found.addresses;
            }
        }
        self.addresses.clone()
    }
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
