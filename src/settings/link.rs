//! The link that lets somebody into a private room, as a person hands it on.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, Read};
use std::path::Path;

use zeroize::Zeroizing;

use crate::discovery::target::Target;
use crate::error::{Error, Result};
use crate::format::printable;
use crate::preset::DEFAULT_PORT;
use crate::secure::room::{LINK, Link};

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

/// The link in a file, or in the first line of standard input where that is `-`: not on the command line, which
/// everybody on a computer may read.
///
/// # Errors
/// [`Error::Usage`] where it cannot be read, or is no link.
pub(super) fn given(path: &Path) -> Result<Given> {
    let mut text = Zeroizing::new(String::new());
    let read = if path == Path::new("-") {
        first_line(std::io::stdin().lock(), &mut text)
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

/// Reads the first line that is not empty: whoever types it does not end the input.
fn first_line(from: impl BufRead, text: &mut String) -> std::io::Result<usize> {
    let mut from = from.take(LONGEST);
    loop {
        text.clear();
        let count = from.read_line(text)?;
        if count == 0 || !text.trim().is_empty() {
            return Ok(count);
        }
    }
}

/// The variable in which a link comes that was on the command line: only its user reads it there.
pub const VARIABLE: &str = "AURALYNC_LINK";

/// Whether a word on the command line is a link, or half of one that has an address: with all else, such as the
/// name “Bob #2”, a `#` is a sign among others.
#[must_use]
pub fn is_one(word: &str) -> bool {
    word.rsplit_once('#').is_some_and(|(address, fragment)| {
        address.contains("://") || fragment.trim_end().len() == LINK && !fragment.contains(' ')
    })
}

/// The flag behind which a link stands in a file.
const FLAG: &str = "--link";

/// What was typed without the link, and the link, if there is one: also behind the flag of the file that it
/// would be in.
#[must_use]
pub fn take(mut words: Vec<OsString>) -> (Vec<OsString>, Option<Zeroizing<String>>) {
    let is_link = |word: &OsString| word.to_str().is_some_and(is_one);
    let Some(place) = words.iter().skip(1).position(is_link).map(|place| place + 1) else {
        return (words, None);
    };
    let word = Zeroizing::new(words.remove(place).into_string().unwrap_or_default());
    let flagged = word.strip_prefix(FLAG).and_then(|rest| rest.strip_prefix('='));
    if flagged.is_none() && words[place - 1] == FLAG {
        words.remove(place - 1);
    }
    let link = Zeroizing::new(flagged.unwrap_or(&word).to_owned());
    (words, Some(link))
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
    fn a_link_is_known_on_a_command_line_and_a_name_with_a_number_is_none() {
        let fragment = Link { secret: Secret::new([1; 16]), server: [2; 16] }.fragment();
        for word in ["http://192.168.1.100:8080/#", "192.168.1.100/#", "#", "--link=pc/#"] {
            assert!(is_one(&format!("{word}{}", *fragment)), "{word}");
        }
        assert!(is_one("http://192.168.1.100:8080/?port=6000#AAAA"), "half of one");
        for word in ["Bob #1", "USB Audio #2", "take#1.wav", "C#", "#", "pc.local", "--name=Ann#"] {
            assert!(!is_one(word), "{word}");
        }
    }

    #[test]
    fn a_link_is_taken_from_what_was_typed_wherever_it_stands() {
        let fragment = Link { secret: Secret::new([1; 16]), server: [2; 16] }.fragment();
        let link = format!("auralync://pc.local:6000/#{}", *fragment);
        for typed in ["LINK", "--link|LINK", "--link=LINK"] {
            let line = format!("client|--name|Bob #2|{typed}|--once").replace("LINK", &link);
            let (others, taken) = take(line.split('|').map(OsString::from).collect());
            assert_eq!(others, ["client", "--name", "Bob #2", "--once"], "{typed}");
            let given = understand(&taken.unwrap()).unwrap();
            let target = Some(Target { host: "pc.local".to_owned(), port: 6_000 });
            assert_eq!(given.target, target, "{typed}");
        }
        let words: Vec<OsString> =
            ["client", "ctl", "record", "start", "take#1.wav"].map(Into::into).into();
        assert_eq!(take(words.clone()), (words, None));
    }

    #[test]
    fn a_link_that_is_typed_ends_with_its_line() {
        /// A keyboard: nothing ends it.
        struct Keyboard(&'static [u8]);
        impl Read for Keyboard {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                unreachable!("lines are read")
            }
        }
        impl BufRead for Keyboard {
            fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
                assert!(!self.0.is_empty(), "it waits for more");
                Ok(self.0)
            }
            fn consume(&mut self, count: usize) {
                self.0 = &self.0[count..];
            }
        }
        let mut text = String::new();
        first_line(Keyboard(b"\n \nhttp://pc/#A\n"), &mut text).unwrap();
        assert_eq!(text, "http://pc/#A\n");
        assert_eq!(first_line(&b"\n\n"[..], &mut text).unwrap(), 0);
    }

    #[test]
    fn half_a_link_is_refused_with_what_to_do() {
        for text in ["", "http://192.168.1.100:8080/", "http://192.168.1.100:8080/#AAAA"] {
            let error = understand(text).unwrap_err().to_string();
            assert!(error.contains("Copy the whole link"), "{error}");
        }
    }
}
