//! Where an engine is.

use std::fmt;

/// The port of an engine, where none is named.
pub const DEFAULT_PORT: u16 = 4222;

/// An engine's address: `nats://HOST[:PORT]`, or `tls://HOST[:PORT]` where nothing may be said openly.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    /// A name or an address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it must be spoken to by TLS.
    pub tls: bool,
}

impl Url {
    /// Reads an address. `tls` is so where it does not say.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn read(text: &str, tls: bool) -> Result<Self, String> {
        let (tls, rest) = match text.split_once("://") {
            Some(("nats", rest)) => (tls, rest),
            Some(("tls", rest)) => (true, rest),
            Some((scheme, _)) => {
                return Err(format!("“{scheme}” is no way to an engine: nats and tls are"));
            }
            None => (tls, text),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(
                "names and passwords are not written there, where others read them".to_owned()
            );
        }
        let (host, port) = match rest.strip_prefix('[') {
            Some(rest) => {
                let (host, behind) =
                    rest.split_once(']').ok_or("“[” is there, and “]” is missing")?;
                (host, behind.strip_prefix(':'))
            }
            None => match rest.rsplit_once(':') {
                // More than one colon and no brackets: an IPv6 address alone.
                Some((host, _)) if host.contains(':') => (rest, None),
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
        if host.is_empty() || !host.chars().all(is_host) {
            return Err("there is no name or address of a computer in it".to_owned());
        }
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => port
                .parse()
                .ok()
                .filter(|port| *port > 0)
                .ok_or_else(|| format!("“{port}” is no port: 1 to 65535 are"))?,
        };
        Ok(Self { host: host.to_owned(), port, tls })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "tls" } else { "nats" };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_people_write_it() {
        for (text, shown) in [
            ("engine.example", "nats://engine.example:4222"),
            ("nats://10.0.0.5", "nats://10.0.0.5:4222"),
            ("10.0.0.5:4333", "nats://10.0.0.5:4333"),
            ("tls://engine.example:443/", "tls://engine.example:443"),
            ("[fe80::1%eth0]:4333", "nats://[fe80::1%eth0]:4333"),
            ("::1", "nats://[::1]:4222"),
        ] {
            let url = Url::read(text, false).unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(Url::read(shown, false).unwrap(), url);
        }
        assert!(Url::read("engine.example", true).unwrap().tls);
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "name or address"),
            ("nats://", "name or address"),
            ("a b", "name or address"),
            ("http://engine.example", "“http” is no way to an engine"),
            ("nats://me:secret@engine.example", "names and passwords"),
            ("engine.example:0", "“0” is no port"),
            ("engine.example:99999", "“99999” is no port"),
            ("[::1", "“]” is missing"),
        ] {
            let said = Url::read(text, false).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
