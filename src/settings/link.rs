//! The link that lets somebody into a private room, as a person hands it on.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use crate::discovery::target::Target;
use crate::error::{Error, Result};
use crate::format::printable;
use crate::preset::DEFAULT_PORT;
use crate::secure::room::Link;

/// A link that was given: where the room is, and what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) link: Link,
    /// Where the server is, if the link says so.
    pub(super) target: Option<Target>,
}

/// Longest link, in bytes: a host's name, and what stands around it.
const LONGEST: u64 = 4_096;

/// Characters of a file's name that are shown.
const LONGEST_SHOWN: usize = 200;

/// The link in a file, or on standard input where that is `-`: not on the command line, which everybody on a
/// computer may read.
///
/// # Errors
/// [`Error::Usage`] where it cannot be read, or is no link.
pub(super) fn given(path: &Path) -> Result<Given> {
    let mut text = Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        let mut line = std::io::stdin().take(LONGEST);
        line.read_to_string(&mut text)
    } else {
        File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text))
    };
    read.map_err(|e| {
        let fix = "Give --link a file with the link that auralync-server --show-link prints";
        let shown = printable(&path.display().to_string(), LONGEST_SHOWN);
        let what = format!("cannot read the link in {shown}: {}", crate::error::plain(&e));
        Error::usage(what, fix)
    })?;
    understand(&text)
}

/// The variable in which a link comes that was on the command line: only its user reads it there.
pub const VARIABLE: &str = "AURALYNC_LINK";

/// Whether a word on the command line is a link, or half of one.
#[must_use]
pub fn is_one(word: &str) -> bool {
    word.contains('#')
}

/// The link in the environment, if there is one.
///
/// # Errors
/// [`Error::Usage`] where it is none.
pub(super) fn from_environment() -> Result<Option<Given>> {
    let text = std::env::var(VARIABLE).ok().map(Zeroizing::new);
    text.filter(|text| !text.is_empty()).map(|text| understand(&text)).transpose()
}

/// What a link says.
///
/// # Errors
/// [`Error::Usage`] where it is none.
pub(super) fn understand(text: &str) -> Result<Given> {
    let text = text.trim();
    let link = Link::read(text).map_err(|fault| {
        Error::usage(
            format!("this is no link to a private room: {fault}"),
            "Copy the whole link that the server shows, with all that stands behind its #",
        )
    })?;
    Ok(Given { link, target: target(text) })
}

/// Where a link says that the server is.
fn target(text: &str) -> Option<Target> {
    let (address, _) = text.split_once('#')?;
    let (scheme, rest) = address.split_once("://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let port = match scheme {
        "auralync" => None,
        _ => Some(
            path.split_once("port=")
                .and_then(|(_, port)| port.parse().ok())
                .unwrap_or(DEFAULT_PORT),
        ),
    };
    let typed = Target::parse(authority, None).ok()?;
    Some(Target { port: port.unwrap_or(typed.port), ..typed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secure::room::Secret;

    #[test]
    fn a_link_says_where_the_room_is_whatever_it_looks_like() {
        let link = Link { secret: Secret::new([1; 16]), server: [2; 16] };
        let fragment = link.fragment();
        for (address, host, port) in [
            ("http://192.168.1.100:8080/#", "192.168.1.100", DEFAULT_PORT),
            ("http://192.168.1.100:8080/?port=6000#", "192.168.1.100", 6_000),
            ("https://[fd00::1]:8443/?port=6000#", "fd00::1", 6_000),
            ("auralync://192.168.1.100:6000/#", "192.168.1.100", 6_000),
            ("auralync://pc.local/#", "pc.local", DEFAULT_PORT),
        ] {
            let given = understand(&format!(" {address}{}\n", *fragment)).unwrap();
            assert_eq!(given.link, link);
            assert_eq!(given.target, Some(Target { host: host.to_owned(), port }), "{address}");
        }
        assert_eq!(understand(&fragment).unwrap().target, None);
    }

    #[test]
    fn half_a_link_is_refused_with_what_to_do() {
        for text in ["", "http://192.168.1.100:8080/", "http://192.168.1.100:8080/#AAAA"] {
            let error = understand(text).unwrap_err().to_string();
            assert!(error.contains("Copy the whole link"), "{error}");
        }
    }
}
