//! Decides by which names a request may call this server.
//!
//! Anybody can make a name of their own lead to an address in a home. A browser then takes the page
//! that is served there for a page of that name.

use std::net::{IpAddr, SocketAddr};

use crate::wire::http::Request;

/// Ends of names that nobody can own in the world's name system: routers and PCs give them at home.
/// RFC 6762 (local), RFC 8375 (home.arpa), ICANN's reservation of internal, and what routers use.
const AT_HOME: [&str; 5] = [".local", ".lan", ".home.arpa", ".internal", ".home"];

/// What only a proxy adds to a request: who asks is then somebody else than who is connected.
const PROXIES: [&str; 4] = ["forwarded", "via", "x-forwarded-for", "x-real-ip"];

/// The names that lead here beside those that everybody's home has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// What this PC calls itself.
    pub pc: String,
    /// What whoever runs the server has added: names of a proxy, a router or a private network.
    pub added: Vec<String>,
}

impl Names {
    /// Whether a request may name this server as it does: by an address, `localhost`, a name
    /// without a dot, a name that only homes have, or one of these names. A request without a name
    /// is no browser's.
    #[must_use]
    pub fn include_host_of(&self, request: &Request) -> bool {
        if !request.has("host") {
            return true;
        }
        let Some(host) = request.field("host").and_then(Authority::read) else {
            return false;
        };
        let lower = host.name.to_ascii_lowercase();
        host.address().is_some()
            || !lower.contains('.')
            || AT_HOME.iter().any(|end| lower.strip_suffix(end).is_some_and(|own| !own.is_empty()))
            || is_name(&self.pc, host.name)
            || self.have_added(host.name)
    }

    fn have_added(&self, name: &str) -> bool {
        self.added.iter().any(|added| is_name(added, name))
    }

    /// Whether `origin` is the page that the server serves as the request names it. A name that was
    /// added is the page's whatever a proxy has made of the request.
    #[must_use]
    pub fn include_page(&self, origin: Option<&str>, request: &Request) -> bool {
        let Some((origin, default_port)) = origin.and_then(|origin| {
            let plain = origin.strip_prefix("http://").map(|rest| (rest, 80));
            plain.or_else(|| origin.strip_prefix("https://").map(|rest| (rest, 443)))
        }) else {
            return false;
        };
        let Some(origin) = Authority::read(origin) else { return false };
        let is_named = request.field("host").and_then(Authority::read).is_some_and(|host| {
            // Browsers leave the scheme's own port out, and some proxies every port.
            let is_port = host.port.is_none_or(|port| port == origin.port.unwrap_or(default_port));
            is_port && is_name(host.name, origin.name)
        });
        is_named || self.have_added(origin.name)
    }
}

/// Whether a request from `peer` was made on this machine and names it in so many words, with
/// nobody in between who might have asked for somebody else.
pub(super) fn is_from_here(request: &Request, peer: SocketAddr) -> bool {
    let is_passed_on = PROXIES.iter().any(|field| request.has(field));
    peer.ip().to_canonical().is_loopback() && names_this_machine(request) && !is_passed_on
}

/// Whether the request's host is this machine in so many words. A name may be anybody's: a page
/// from elsewhere could have it lead here and read along.
fn names_this_machine(request: &Request) -> bool {
    if !request.has("host") {
        return true;
    }
    let host = request.field("host").and_then(Authority::read);
    host.is_some_and(|host| {
        is_name(host.name, "localhost") || host.address().is_some_and(|ip| ip.is_loopback())
    })
}

fn is_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// A host and perhaps its port, as `Host` and `Origin` have them.
#[derive(Debug, Clone, Copy)]
struct Authority<'a> {
    /// Without the dot that may end it, and without the brackets of an IPv6 address.
    name: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads what is one; names are made of letters, digits, hyphens, underlines and dots.
    fn read(text: &'a str) -> Option<Self> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, behind) = rest.split_once(']')?;
                address.parse::<std::net::Ipv6Addr>().ok()?;
                let port = behind.strip_prefix(':');
                (address, if behind.is_empty() { "" } else { port? })
            }
            None => {
                let (name, port) = text.split_once(':').unwrap_or((text, ""));
                let name = name.strip_suffix('.').unwrap_or(name);
                let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
                if name.is_empty() || !name.bytes().all(is_known) {
                    return None;
                }
                (name, port)
            }
        };
        let port = if port.is_empty() {
            None
        } else if port.bytes().all(|digit| digit.is_ascii_digit()) {
            Some(port.parse().ok()?)
        } else {
            return None;
        };
        Some(Self { name, port })
    }

    fn address(self) -> Option<IpAddr> {
        self.name.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
    }
}
