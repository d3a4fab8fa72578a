//! The server that a listener names.

use std::net::Ipv6Addr;

use crate::error::{Error, Result};
use crate::format::printable;
use crate::preset::DEFAULT_PORT;

/// Longest name that the name system knows, in bytes.
const LONGEST_HOST: usize = 253;

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// A name or an address. IPv6 stands without brackets and keeps its zone (`fe80::1%eth0`).
    pub host: String,
    /// The TCP port, never 0.
    pub port: u16,
}

/// What a listener typed for a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// A host, as dots, colons or the lack of discovery show.
    Host(Target),
    /// A host if there is one of that name, else what a server on the network is called.
    Word(String),
}

impl Wanted {
    /// Reads `HOST`, `HOST:PORT`, `[IPv6]:PORT` or a server's name; `port` is that of `--port`. With
    /// no `discovery` it can only be a host.
    ///
    /// # Errors
    ///
    /// As [`Target::parse`].
    pub fn parse(typed: &str, port: Option<u16>, discovery: bool) -> Result<Self> {
        let word = typed.trim();
        // `attic.local` is how other programs name the PC of a server called attic.
        let rest = word.strip_suffix(".local").unwrap_or(word);
        let is_host = !discovery || rest.contains(['.', ':', '/', '[']);
        if is_host || word.is_empty() || word.len() > LONGEST_HOST {
            return Target::parse(typed, port).map(Self::Host);
        }
        Ok(Self::Word(word.to_owned()))
    }
}

impl Target {
    /// Reads `HOST`, `HOST:PORT` or `[IPv6]:PORT`; `port` is that of `--port`.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for what cannot be a host or a port, and for two different ports.
    pub fn parse(typed: &str, port: Option<u16>) -> Result<Self> {
        let typed = typed.trim();
        let (host, typed_port) = split(typed).map_err(|why| {
            Error::usage(
                format!("“{}” is not a server's address: {why}", printable(typed, 100)),
                "Type what auralync-server printed when it started, for example \
                 192.168.1.100, 192.168.1.100:6000 or [fd00::1]:6000",
            )
        })?;
        let port = match (typed_port, port) {
            (Some(first), Some(flag)) if first != flag => {
                return Err(Error::usage(
                    format!("“{}” and --port {flag} name two ports", printable(typed, 100)),
                    "Give the port once",
                ));
            }
            (first, flag) => first.or(flag).unwrap_or(DEFAULT_PORT),
        };
        Ok(Self { host: host.to_owned(), port })
    }
}

impl Target {
    /// Whether this is an IPv6 address that holds on one cable or Wi-Fi alone, without the network adapter
    /// that leads there.
    #[must_use]
    pub fn lacks_adapter(&self) -> bool {
        self.host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_unicast_link_local())
    }
}

/// A link-local address without its adapter leads nowhere; `zones` are the adapters that there are.
///
/// # Errors
///
/// [`Error::Usage`] that names them.
pub(super) fn check_adapter(target: &Target, zones: &[String]) -> Result<()> {
    if !target.lacks_adapter() {
        return Ok(());
    }
    let Target { host, port } = target;
    let what = format!("{host} holds on one cable or Wi-Fi alone, and which one is not said");
    let Some(first) = zones.first() else {
        return Err(Error::usage(what, "This PC has no network adapter that speaks IPv6"));
    };
    let example = if *port == DEFAULT_PORT {
        format!("{host}%{first}")
    } else {
        format!("[{host}%{first}]:{port}")
    };
    let others = match zones.len() {
        1 => String::new(),
        _ => format!(". The network adapters here: {}", zones.join(", ")),
    };
    Err(Error::usage(
        what,
        format!(
            "Add % and the network adapter that leads there: auralync-client {example}{others}"
        ),
    ))
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Host and port as typed.
fn split(typed: &str) -> std::result::Result<(&str, Option<u16>), String> {
    if typed.contains("://") {
        return Err("it needs no “…://” in front and nothing behind".to_owned());
    }
    if let Some(rest) = typed.strip_prefix('[') {
        let (inside, behind) = rest.split_once(']').ok_or("the “]” is missing")?;
        if !is_ipv6(inside) {
            return Err("only an IPv6 address stands in brackets".to_owned());
        }
        let port = match behind.strip_prefix(':') {
            Some(port) => Some(parse_port(port)?),
            None if behind.is_empty() => None,
            None => return Err("only “:” and a port may follow the “]”".to_owned()),
        };
        return Ok((inside, port));
    }
    if is_ipv6(typed) {
        return Ok((typed, None));
    }
    match typed.split_once(':') {
        None => Ok((check_host(typed)?, None)),
        Some((_, port)) if port.contains(':') => {
            Err("this is not an IPv6 address, and anything else has one “:” at most".to_owned())
        }
        Some((host, port)) => Ok((check_host(host)?, Some(parse_port(port)?))),
    }
}

/// Whether this is an IPv6 address, with or without a zone.
fn is_ipv6(text: &str) -> bool {
    let (address, zone) = match text.split_once('%') {
        Some((address, zone)) => (address, Some(zone)),
        None => (text, None),
    };
    let zone_fits =
        zone.is_none_or(|zone| !zone.is_empty() && !zone.contains(|c: char| !is_plain(c)));
    zone_fits && text.len() <= LONGEST_HOST && address.parse::<Ipv6Addr>().is_ok()
}

fn check_host(host: &str) -> std::result::Result<&str, String> {
    if host.is_empty() {
        Err("it is empty".to_owned())
    } else if host.len() > LONGEST_HOST {
        Err("it is too long".to_owned())
    } else if host.contains(|c: char| !is_plain(c)) {
        Err("spaces, slashes and the like cannot be in it".to_owned())
    } else {
        Ok(host)
    }
}

/// Whether a character can be in the name of a host or of a network adapter. Letters of any
/// language can; whether such a host exists is for the resolver to say.
fn is_plain(c: char) -> bool {
    c.is_alphanumeric() || "-_.".contains(c)
}

fn parse_port(text: &str) -> std::result::Result<u16, String> {
    match text.parse() {
        Ok(port) if port != 0 => Ok(port),
        _ => Err(format!("“{}” is not a port from 1 to 65535", printable(text, 20))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(typed: &str) -> (String, u16) {
        let target = Target::parse(typed, None).unwrap();
        (target.host, target.port)
    }

    fn wrong(typed: &str, port: Option<u16>) -> String {
        let error = Target::parse(typed, port).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    }

    #[test]
    fn a_host_is_read_in_every_way_it_is_written() {
        let cases = [
            ("192.168.1.100", "192.168.1.100", 5555),
            ("192.168.1.100:6000", "192.168.1.100", 6000),
            (" living-room ", "living-room", 5555),
            ("living-room.local:6000", "living-room.local", 6000),
            ("wohnzimmer-küche", "wohnzimmer-küche", 5555),
            ("my_pc", "my_pc", 5555),
            ("::1", "::1", 5555),
            ("fd00::1:6000", "fd00::1:6000", 5555),
            ("[fd00::1]:6000", "fd00::1", 6000),
            ("[fd00::1]", "fd00::1", 5555),
            ("fe80::1%eth0", "fe80::1%eth0", 5555),
            ("[fe80::1%12]:6000", "fe80::1%12", 6000),
            ("::ffff:192.168.1.5", "::ffff:192.168.1.5", 5555),
        ];
        for (typed, host, port) in cases {
            assert_eq!(read(typed), (host.to_owned(), port), "{typed}");
        }
    }

    #[test]
    fn what_has_a_dot_or_a_colon_is_a_host_and_the_rest_may_be_a_servers_name() {
        for host in ["192.168.1.5", "pc.lan", "pc.local:6000", "pc:6000", "::1", "[fd00::1]:6000"] {
            let target = Target::parse(host, None).unwrap();
            assert_eq!(Wanted::parse(host, None, true).unwrap(), Wanted::Host(target), "{host}");
        }
        for word in ["pc", "living room", " Küche ", "pc.local"] {
            let wanted = Wanted::parse(word, Some(6000), true).unwrap();
            assert_eq!(wanted, Wanted::Word(word.trim().to_owned()));
        }
        let target = Target::parse("pc", Some(6000)).unwrap();
        assert_eq!(Wanted::parse("pc", Some(6000), false).unwrap(), Wanted::Host(target));
        for wrong in ["", "http://pc", "a/b", &"x".repeat(254)] {
            assert_eq!(Wanted::parse(wrong, None, true).unwrap_err().exit_code(), 2);
        }
        assert_eq!(Wanted::parse("living room", None, false).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn what_is_shown_can_be_typed_again() {
        for typed in ["pc:5555", "192.168.1.5:6000", "[fe80::1%eth0]:77"] {
            assert_eq!(Target::parse(typed, None).unwrap().to_string(), typed);
        }
    }

    #[test]
    fn what_cannot_be_a_server_is_refused_with_the_reason() {
        let cases = [
            ("", "it is empty"),
            (":5555", "it is empty"),
            ("http://192.168.1.5", "it needs no “…://” in front and nothing behind"),
            ("192.168.1.5/24", "spaces, slashes and the like cannot be in it"),
            ("living room", "spaces, slashes and the like cannot be in it"),
            ("pc:", "“” is not a port from 1 to 65535"),
            ("pc:0", "“0” is not a port from 1 to 65535"),
            ("pc:65536", "“65536” is not a port from 1 to 65535"),
            ("pc:five", "“five” is not a port from 1 to 65535"),
            ("[fd00::1", "the “]” is missing"),
            ("[pc]:5555", "only an IPv6 address stands in brackets"),
            ("[::1]5555", "only “:” and a port may follow the “]”"),
            ("fd00:::1", "this is not an IPv6 address, and anything else has one “:” at most"),
            ("fe80::1%", "this is not an IPv6 address, and anything else has one “:” at most"),
            (&"x".repeat(254), "it is too long"),
        ];
        for (typed, why) in cases {
            let text = wrong(typed, None);
            assert!(text.contains(&format!(" is not a server's address: {why}. Type ")), "{text}");
        }
    }

    #[test]
    fn the_port_may_come_from_its_flag_but_not_twice_differently() {
        assert_eq!(Target::parse("pc", Some(6000)).unwrap().port, 6000);
        assert_eq!(Target::parse("pc:6000", Some(6000)).unwrap().port, 6000);
        assert_eq!(
            wrong("pc:6000", Some(7000)),
            "“pc:6000” and --port 7000 name two ports. Give the port once"
        );
    }

    #[test]
    fn a_link_local_address_needs_its_adapter_and_the_ones_there_are_are_named() {
        let check = |typed: &str, zones: &[&str]| {
            let zones: Vec<String> = zones.iter().map(|zone| (*zone).to_owned()).collect();
            check_adapter(&Target::parse(typed, None).unwrap(), &zones).map_err(|e| e.to_string())
        };
        for fine in ["fe80::1%eth0", "fd00::1", "192.168.1.5", "pc.local"] {
            assert_eq!(check(fine, &[]), Ok(()), "{fine}");
        }
        assert_eq!(
            check("fe80::1", &["eth0", "wlan0"]).unwrap_err(),
            "fe80::1 holds on one cable or Wi-Fi alone, and which one is not said. Add % and the network \
             adapter that leads there: auralync-client fe80::1%eth0. The network adapters here: eth0, wlan0"
        );
        let said = check("[fe80::1]:6000", &["eth0"]).unwrap_err();
        assert!(said.ends_with("auralync-client [fe80::1%eth0]:6000"), "{said}");
        let said = check("fe80::1", &[]).unwrap_err();
        assert!(said.ends_with("This PC has no network adapter that speaks IPv6"), "{said}");
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_typed_is_a_server_that_reads_back_or_one_line(
            typed in "\\PC{0,40}|[0-9a-f:.%\\[\\]]{0,40}",
        ) {
            match Target::parse(&typed, None) {
                Ok(target) => {
                    assert_ne!(target.port, 0);
                    assert_eq!(Target::parse(&target.to_string(), None).unwrap(), target);
                }
                Err(error) => assert!(!error.to_string().contains('\n')),
            }
        }
    }
}
