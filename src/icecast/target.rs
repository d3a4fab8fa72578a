//! Where sound goes to: the address of an Icecast server, and what stands behind it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::codec::{BITRATES, Bitrate};
use crate::error::{Error, Result};
use crate::format::printable;
use crate::home::expanded;

/// Most servers that sound goes to: each has a thread, and may have an encoder.
pub const MOST_TARGETS: usize = 8;

/// The variable of the environment that holds a password, where no file does.
pub const PASSWORD_VARIABLE: &str = "AURALYNC_ICECAST_PASSWORD";

/// The port of Icecast, where an address of its own kind names none.
const ICECAST_PORT: u16 = 8000;

/// Where on the server, unless somebody says otherwise.
const DEFAULT_MOUNT: &str = "/auralync.opus";

/// Who a source is, unless somebody says otherwise.
const DEFAULT_USER: &str = "source";

/// Longest mount and longest user, in bytes.
const LONGEST: usize = 200;

/// Longest name, in characters, as of a server.
const LONGEST_NAME: usize = 64;

/// One server, and what it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Whether the connection is sealed.
    pub is_secure: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The path that players open.
    pub mount: String,
    /// Who we are there.
    pub user: String,
    /// How many bits the sound may take.
    pub bitrate: Bitrate,
    /// What players show; `None` is the server's name.
    pub name: Option<String>,
    /// The file with the password; `None` is the environment.
    pub password_file: Option<PathBuf>,
    /// The file with its certificate, or with those of who signed it.
    pub ca: Option<PathBuf>,
}

impl Target {
    /// Host and port, as in an address.
    #[must_use]
    pub fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// What players open.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.mount)
    }
}

impl FromStr for Target {
    type Err = Error;

    /// Reads `URL[,key=value…]`. What is wrong is said without what stands there, which may be a password.
    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split(',');
        let mut target = address(parts.next().unwrap_or_default())?;
        for part in parts {
            target.set(part)?;
        }
        match (target.is_secure, &target.ca) {
            (true, _) if cfg!(not(feature = "https")) => Err(wrong(
                "this program was built without TLS, so it sends to no Icecast address with https",
                "Write http, or build with --features https",
            )),
            (true, None) => Err(wrong(
                "the Icecast address begins with https, and nothing says by what the certificate is known",
                "Add ,ca=FILE with that certificate, or with the authorities to trust, such as \
                 /etc/ssl/certs/ca-certificates.crt",
            )),
            (false, Some(_)) => Err(wrong(
                "ca= is for an Icecast address that begins with https",
                "Write https in front, or leave it out",
            )),
            _ => Ok(target),
        }
    }
}

impl Target {
    fn set(&mut self, part: &str) -> Result<()> {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let file = || match value {
            "" => Err(wrong(format!("{key}= names no file"), format!("Write {key}=PATH"))),
            path => Ok(expanded(path)),
        };
        match key.trim() {
            "mount" => self.mount = mount(value)?,
            "bitrate" => {
                let kbps = value.parse().ok().filter(|kbps| BITRATES.contains(kbps));
                self.bitrate = kbps.map(Bitrate::nearest).ok_or_else(|| {
                    let kbps = BITRATES.map(|kbps| kbps.to_string()).join(", ");
                    wrong(
                        format!("bitrate={} cannot be", printable(value, 20)),
                        format!("It can be {kbps} kbit/s"),
                    )
                })?;
            }
            "name" => {
                let is_name = !value.trim().is_empty()
                    && value.chars().count() <= LONGEST_NAME
                    && !value.chars().any(char::is_control);
                if !is_name {
                    let fix = "Write 1 to 64 letters, digits and spaces, without a comma";
                    return Err(wrong("name= is no name that players can show", fix));
                }
                self.name = Some(value.to_owned());
            }
            "password-file" => self.password_file = Some(file()?),
            "ca" => self.ca = Some(file()?),
            "password" => return Err(never_here()),
            other => {
                let what = format!("“{}” is nothing to say of Icecast", printable(other, 40));
                let fix = "There is mount, bitrate, name, password-file and ca, each with = behind it; a \
                           comma stands between two";
                return Err(wrong(what, fix));
            }
        }
        Ok(())
    }
}

fn wrong(what: impl Into<String>, fix: impl Into<String>) -> Error {
    Error::usage(what, fix)
}

fn never_here() -> Error {
    wrong(
        "an Icecast password stands where others on this computer may read it",
        format!(
            "Write it into a file that only you may read, and add ,password-file=PATH; or set {}",
            PASSWORD_VARIABLE
        ),
    )
}

fn address(url: &str) -> Result<Target> {
    let example = "Write icecast://HOST:8000/mount";
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let (is_secure, usual_port) = match scheme {
        "icecast" => (false, ICECAST_PORT),
        "http" => (false, 80),
        "https" => (true, 443),
        _ => {
            let what = "an Icecast address begins with icecast://, http:// or https://";
            return Err(wrong(what, example));
        }
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, place) = authority.rsplit_once('@').unwrap_or((DEFAULT_USER, authority));
    if user.contains(':') {
        return Err(never_here());
    }
    let is_user = |c: char| !c.is_control() && c != '@';
    if user.is_empty() || user.len() > LONGEST || !user.chars().all(is_user) {
        return Err(wrong("the user in the Icecast address cannot be one", example));
    }
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, behind)) => (host, behind.strip_prefix(':')),
        None => match place.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:%".contains(c);
    let is_bare_v6 = host.contains(':') && !place.starts_with('[');
    if host.is_empty() || is_bare_v6 || !host.chars().all(is_host) {
        let what = "there is no name or address of a computer in the Icecast address";
        return Err(wrong(what, example));
    }
    let port = match port {
        None => usual_port,
        Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
            let what = format!("{} is no port of an Icecast server", printable(port, 20));
            wrong(what, "Write one from 1 to 65535; Icecast's own is 8000")
        })?,
    };
    Ok(Target {
        is_secure,
        host: host.to_owned(),
        port,
        mount: if matches!(path, "" | "/") { DEFAULT_MOUNT.to_owned() } else { mount(path)? },
        user: user.to_owned(),
        bitrate: Bitrate::default(),
        name: None,
        password_file: None,
        ca: None,
    })
}

/// A path that stands in a request as it is.
fn mount(path: &str) -> Result<String> {
    let fits = |c: char| c.is_ascii_graphic() && !"?#\"<>\\%".contains(c);
    let is_path = path.starts_with('/') && path.len() > 1 && path.len() <= LONGEST;
    if is_path && !path.ends_with('/') && path.chars().all(fits) {
        return Ok(path.to_owned());
    }
    let what = format!("“{}” is no mount of an Icecast server", printable(path, 60));
    Err(wrong(what, "Write one like /room.opus: letters, digits and signs, with / in front"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(spec: &str) -> Target {
        spec.parse().unwrap_or_else(|e| panic!("{spec}: {e}"))
    }

    #[test]
    fn an_address_is_read_as_people_write_it() {
        for (spec, shown) in [
            ("icecast://radio.example", "http://radio.example:8000/auralync.opus"),
            ("icecast://10.0.0.5:8010/", "http://10.0.0.5:8010/auralync.opus"),
            ("http://radio.example/a/b.opus", "http://radio.example:80/a/b.opus"),
            ("icecast://[fe80::1%eth0]:8001/x", "http://[fe80::1%eth0]:8001/x"),
            ("icecast://[::1]", "http://[::1]:8000/auralync.opus"),
            ("icecast://a/x,mount=/y", "http://a:8000/y"),
        ] {
            assert_eq!(read(spec).to_string(), shown);
        }
        let plain = read("icecast://a");
        assert_eq!((&*plain.user, plain.bitrate.kbps()), ("source", 128));
        let full = read("icecast://me@a/x,bitrate=96,name=Living room,password-file=/p");
        assert_eq!((&*full.user, full.bitrate.kbps()), ("me", 96));
        assert_eq!(full.name.as_deref(), Some("Living room"));
        assert_eq!(full.password_file, Some(PathBuf::from("/p")));
    }

    #[cfg(feature = "https")]
    #[test]
    fn an_encrypted_server_is_known_by_a_file() {
        let target = read("https://a:8443/x,ca=/ca.pem");
        assert_eq!(target.ca, Some("/ca.pem".into()));
        assert_eq!((target.is_secure, target.port), (true, 8443));
        assert_eq!(read("https://a/x,ca=/ca.pem").port, 443);
    }

    #[cfg(not(feature = "https"))]
    #[test]
    fn a_program_without_tls_says_so() {
        let error = "https://a/x,ca=/ca.pem".parse::<Target>().unwrap_err().to_string();
        assert!(error.contains("built without TLS"), "{error}");
    }

    #[test]
    fn what_cannot_be_is_refused_with_the_reason() {
        for (spec, why) in [
            ("", "begins with icecast://"),
            ("radio.example/x", "begins with icecast://"),
            ("ftp://a/x", "begins with icecast://"),
            ("icecast:///x", "no name or address of a computer"),
            ("icecast://a b/x", "no name or address of a computer"),
            ("icecast://::1/x", "no name or address of a computer"),
            ("icecast://a:0/x", "0 is no port"),
            ("icecast://a:99999/x", "99999 is no port"),
            ("icecast://@a/x", "the user"),
            ("icecast://a/x y", "is no mount"),
            ("icecast://a/x/", "is no mount"),
            ("icecast://a/x\r\nHost: b", "is no mount"),
            ("icecast://a/x?y", "is no mount"),
            ("icecast://a,mount=x", "is no mount"),
            ("icecast://a,bitrate=97", "It can be 64, 96, 128, 192, 256 kbit/s"),
            ("icecast://a,bitrate", "It can be 64"),
            ("icecast://a,name=", "no name that players can show"),
            ("icecast://a,password-file=", "names no file"),
            ("icecast://a,loud=1", "“loud” is nothing to say of Icecast"),
            ("icecast://a,ca=/x", "begins with https"),
            ("https://a", "nothing says by what the certificate is known"),
            ("https://a,ca=", "names no file"),
        ] {
            let error = spec.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(why), "{spec}: {error}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_refused_and_not_repeated() {
        for spec in [
            "icecast://source:hackme@a/x",
            "icecast://:hackme@a/x",
            "http://source:hack@me@a/x",
            "icecast://a/x,password=hackme",
        ] {
            let error = spec.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains("where others on this computer may read it"), "{error}");
            assert!(!error.contains("hack"), "{error}");
        }
    }
}
