//! Servers that were found, as far as what the network says of them can be true.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::record::Details;
use crate::format::printable;

/// Servers that are kept at most. A network with more has somebody in it who lies.
pub const MOST_SERVERS: usize = 64;

/// Addresses of one server that are kept at most.
pub const MOST_ADDRESSES: usize = 8;

/// Longest name that is shown, in characters.
const LONGEST_NAME: usize = 64;

/// A server that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is called here, fit to print.
    pub name: String,
    /// Where it can be reached, likeliest first; never empty, never port 0.
    pub addresses: Vec<SocketAddr>,
    /// What it says of itself.
    pub details: Details,
}

impl Found {
    /// What the network says of a server, or nothing if nobody could connect to it.
    #[must_use]
    pub fn read(
        name: &str,
        addresses: impl IntoIterator<Item = SocketAddr>,
        details: Details,
    ) -> Option<Self> {
        let name = printable(name, LONGEST_NAME).trim().to_owned();
        let mut usable: Vec<_> =
            addresses.into_iter().filter(|address| is_reachable(*address)).collect();
        usable.sort_by_key(|address| (farness(address.ip()), *address));
        usable.dedup();
        usable.truncate(MOST_ADDRESSES);
        (!name.is_empty() && !usable.is_empty()).then_some(Self {
            name,
            addresses: usable,
            details,
        })
    }

    /// The address to try first.
    #[must_use]
    pub fn likeliest(&self) -> Option<SocketAddr> {
        self.addresses.first().copied()
    }
}

fn is_reachable(address: SocketAddr) -> bool {
    let has_zone = match address {
        SocketAddr::V6(v6) => !v6.ip().is_unicast_link_local() || v6.scope_id() != 0,
        SocketAddr::V4(v4) => !v4.ip().is_broadcast(),
    };
    let ip = address.ip().to_canonical();
    has_zone
        && address.port() != 0
        && !ip.is_unspecified()
        && !ip.is_loopback()
        && !ip.is_multicast()
}

/// Addresses as people know them come first, those that only hold on one cable last.
fn farness(ip: IpAddr) -> u8 {
    match ip {
        IpAddr::V4(ip) if !ip.is_link_local() => 0,
        IpAddr::V6(ip) if !ip.is_unicast_link_local() => 1,
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 3,
    }
}

/// The servers that are on the network now.
#[derive(Debug, Default)]
pub struct Table {
    servers: BTreeMap<String, Found>,
}

impl Table {
    /// What is known now of the instance `key`; nothing if it cannot be reached.
    pub fn put(&mut self, key: &str, found: Option<Found>) {
        let key = key.to_lowercase();
        match found {
            None => drop(self.servers.remove(&key)),
            Some(found) if self.servers.len() < MOST_SERVERS || self.servers.contains_key(&key) => {
                self.servers.insert(key, found);
            }
            Some(_) => {}
        }
    }

    /// The instance `key` has said goodbye, or was not heard of for too long.
    pub fn remove(&mut self, key: &str) {
        self.servers.remove(&key.to_lowercase());
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.servers.len()
    }

    /// All of them, by name.
    #[must_use]
    pub fn servers(&self) -> Vec<Found> {
        let mut servers: Vec<_> = self.servers.values().cloned().collect();
        servers.sort_by(|a, b| (&a.name, &a.addresses).cmp(&(&b.name, &b.addresses)));
        servers
    }
}

#[cfg(test)]
pub(super) fn example(name: &str, address: &str) -> Found {
    let details = Details {
        version: 2,
        preset: "smooth".into(),
        full: false,
        private: false,
        web: None,
        id: None,
    };
    #[allow(clippy::unwrap_used, reason = "a test's own address")]
    Found::read(name, [address.parse().unwrap()], details).unwrap()
}

/// The one called “attic” of the installation `id`.
#[cfg(test)]
pub(super) fn installed(id: &str, address: &str) -> Found {
    let mut found = example("attic", address);
    found.details.id = Some(id.to_owned());
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details() -> Details {
        example("pc", "192.0.2.1:5555").details
    }

    fn read(name: &str, addresses: &[&str]) -> Option<Found> {
        Found::read(name, addresses.iter().map(|a| a.parse().unwrap()), details())
    }

    #[test]
    fn the_likeliest_address_comes_first() {
        let found = read(
            "pc",
            &[
                "[fe80::1%3]:5555",
                "169.254.1.1:5555",
                "[fd00::1]:5555",
                "192.0.2.1:5555",
                "192.0.2.1:5555",
            ],
        )
        .unwrap();
        let shown: Vec<_> = found.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["192.0.2.1:5555", "[fd00::1]:5555", "169.254.1.1:5555", "[fe80::1%3]:5555"]
        );
        assert_eq!(found.likeliest(), Some("192.0.2.1:5555".parse().unwrap()));
    }

    #[test]
    fn an_answer_that_leads_nowhere_is_no_server() {
        for address in [
            "192.0.2.1:0",
            "0.0.0.0:5555",
            "127.0.0.1:5555",
            "[::1]:5555",
            "[::ffff:127.0.0.1]:5555",
            "[::]:5555",
            "224.0.0.251:5555",
            "255.255.255.255:5555",
            "[ff02::fb]:5555",
            "[fe80::1]:5555",
        ] {
            assert_eq!(read("pc", &[address]), None, "{address}");
        }
        assert_eq!(read("pc", &[]), None);
        assert_eq!(read("\u{1b}\u{7}", &["192.0.2.1:5555"]), None);
    }

    #[test]
    fn names_and_addresses_that_lie_are_cut() {
        let many: Vec<String> = (1..=200).map(|n| format!("192.0.2.{n}:5555")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let found = read(&format!("\u{1b}[31m{}\r\n", "x".repeat(300)), &many).unwrap();
        assert_eq!(found.addresses.len(), MOST_ADDRESSES);
        assert!(found.name.starts_with("[31mxx") && found.name.chars().count() == LONGEST_NAME);
    }

    #[test]
    fn three_hundred_names_fill_the_table_and_no_more() {
        let mut table = Table::default();
        for n in 0..300 {
            table.put(&format!("pc{n}.local."), read(&format!("pc{n}"), &["192.0.2.1:5555"]));
        }
        assert_eq!(table.servers().len(), MOST_SERVERS);
        // What is known already is still followed.
        table.put("PC0.local.", read("pc0", &["192.0.2.9:5555"]));
        assert_eq!(table.servers().len(), MOST_SERVERS);
        let pc0 = table.servers().into_iter().find(|found| found.name == "pc0").unwrap();
        assert_eq!(pc0.addresses, ["192.0.2.9:5555".parse().unwrap()]);
    }

    #[test]
    fn a_server_that_said_goodbye_or_cannot_be_reached_any_more_is_gone() {
        let mut table = Table::default();
        table.put("a", Some(example("a", "192.0.2.1:5555")));
        table.put("b", Some(example("b", "192.0.2.2:5555")));
        table.remove("A");
        assert_eq!(table.servers(), [example("b", "192.0.2.2:5555")]);
        table.put("b", None);
        assert_eq!(table.servers(), []);
    }
}
