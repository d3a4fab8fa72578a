//! Which of the servers that were found is meant, and when enough has been looked.

use std::time::Duration;

use super::found::Found;
use crate::error::{Error, Result};
use crate::format::printable;

/// All that are on the network have this long to answer. They are asked after up to 120 ms and a second
/// later again: one that has just answered somebody else keeps silent for a second, and Wi-Fi loses
/// what is said to all.
const GATHER: Duration = Duration::from_millis(1200);

/// Answers are waited for at least this long after the first came.
const AFTER_FIRST: Duration = Duration::from_millis(150);

/// Servers that one sentence names at most.
const MOST_NAMED: usize = 10;

/// The servers that are meant by `name` (all, if none was said), on `port` if one was said. Names are
/// compared whatever the case; one that is the same beats those that hold it.
#[must_use]
pub fn meant(servers: &[Found], name: Option<&str>, port: Option<u16>) -> Vec<Found> {
    let on_port = |found: &&Found| {
        port.is_none_or(|port| found.addresses.iter().any(|address| address.port() == port))
    };
    let candidates = servers.iter().filter(on_port);
    let Some(name) = name else { return candidates.cloned().collect() };
    let (same, others): (Vec<&Found>, Vec<&Found>) =
        candidates.partition(|found| is_called(found, name));
    let chosen = if same.is_empty() {
        let part = name.trim().to_lowercase();
        others.into_iter().filter(|found| found.name.to_lowercase().contains(&part)).collect()
    } else {
        same
    };
    chosen.into_iter().cloned().collect()
}

/// Whether this is the server's whole name.
#[must_use]
pub fn is_called(found: &Found, name: &str) -> bool {
    found.name.to_lowercase() == name.trim().to_lowercase()
}

/// Whether everybody has had the time to answer, `looked` after looking began and with the first that
/// is meant found at `first`.
#[must_use]
pub fn is_settled(looked: Duration, first: Option<Duration>) -> bool {
    first.is_some_and(|first| looked >= GATHER.max(first + AFTER_FIRST))
}

/// The error where several servers are meant, and nobody can be asked which.
#[must_use]
pub fn several(servers: &[Found], name: Option<&str>) -> Error {
    let what = match name {
        Some(name) => {
            format!("“{}” is a part of several servers' names: {}", shown(name), names(servers))
        }
        None => format!("{} servers are on this network: {}", servers.len(), names(servers)),
    };
    let example = servers.first().map(|found| found.name.as_str()).unwrap_or_default();
    Error::usage(what, format!("Name one, for example: auralync-client \"{example}\""))
}

/// The error where no server is meant.
#[must_use]
pub fn none(servers: &[Found], name: Option<&str>, port: Option<u16>) -> Error {
    let port = port.map(|port| format!(" on port {port}")).unwrap_or_default();
    match name {
        None => Error::NoServer { port },
        Some(name) => Error::Unresolved {
            host: shown(name),
            why: if servers.is_empty() {
                format!("no host has that name, and no server{port} was found on this network")
            } else {
                format!(
                    "neither a host nor a server{port} on this network has that name. There is: {}",
                    names(servers)
                )
            },
        },
    }
}

/// What was typed, fit to print.
fn shown(name: &str) -> String {
    printable(name, 100)
}

fn names(servers: &[Found]) -> String {
    let mut names: Vec<String> =
        servers.iter().take(MOST_NAMED).map(|found| format!("“{}”", found.name)).collect();
    if servers.len() > MOST_NAMED {
        names.push(format!("{} more", servers.len() - MOST_NAMED));
    }
    names.join(", ")
}

/// The server that an answer to the numbered list means.
///
/// # Errors
///
/// [`Error::Usage`] for a number that is not in the list, or a name that none or several have.
pub fn answered(servers: &[Found], answer: &str) -> Result<Found> {
    let answer = answer.trim();
    let listed =
        answer.parse::<usize>().ok().and_then(|number| servers.get(number.checked_sub(1)?));
    if let Some(found) = listed {
        return Ok(found.clone());
    }
    match &meant(servers, Some(answer), None)[..] {
        [one] if !answer.is_empty() => Ok(one.clone()),
        [_, _, ..] if !answer.is_empty() => {
            Err(several(&meant(servers, Some(answer), None), Some(answer)))
        }
        _ => Err(Error::usage(
            format!("“{}” is none of these servers", shown(answer)),
            format!("Type a number from 1 to {}", servers.len()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::found::example;
    use super::*;

    fn house() -> Vec<Found> {
        vec![
            example("attic", "192.0.2.1:5555"),
            example("Living Room", "192.0.2.2:5555"),
            example("living room 2", "192.0.2.3:6000"),
        ]
    }

    fn named(name: &str) -> Vec<String> {
        meant(&house(), Some(name), None).into_iter().map(|found| found.name).collect()
    }

    #[test]
    fn a_whole_name_beats_a_part_of_one_whatever_the_case() {
        assert_eq!(named("living room"), ["Living Room"]);
        assert_eq!(named("LIVING"), ["Living Room", "living room 2"]);
        assert_eq!(named("tti"), ["attic"]);
        assert!(named("cellar").is_empty());
    }

    #[test]
    fn who_names_none_means_all_and_a_port_narrows_it() {
        assert_eq!(meant(&house(), None, None).len(), 3);
        assert_eq!(meant(&house(), None, Some(6000))[0].name, "living room 2");
        assert!(meant(&house(), Some("attic"), Some(6000)).is_empty());
    }

    #[test]
    fn looking_ends_when_all_had_the_time_to_answer() {
        let ms = Duration::from_millis;
        assert!(!is_settled(ms(60_000), None));
        assert!(!is_settled(ms(1199), Some(ms(20))));
        assert!(is_settled(ms(1200), Some(ms(20))));
        assert!(!is_settled(ms(1249), Some(ms(1100))));
        assert!(is_settled(ms(1250), Some(ms(1100))));
    }

    #[test]
    fn several_are_an_error_that_names_them() {
        let error = several(&house(), None);
        assert_eq!(error.exit_code(), 2);
        assert_eq!(
            error.to_string(),
            "3 servers are on this network: “attic”, “Living Room”, “living room 2”. Name one, for \
             example: auralync-client \"attic\""
        );
        let many: Vec<Found> =
            (0..60).map(|n| example(&format!("pc{n}"), "192.0.2.1:5555")).collect();
        let error = several(&many, Some("pc")).to_string();
        assert!(error.contains("“pc9”, 50 more. ") && !error.contains("pc10"), "{error}");
    }

    #[test]
    fn none_is_an_error_that_says_what_to_do() {
        let error = none(&[], None, Some(6000));
        assert_eq!(error.exit_code(), 4);
        let error = error.to_string();
        assert!(error.contains("on port 6000") && error.contains("firewall"), "{error}");
        let error = none(&house(), Some("cel\u{1b}lar"), None);
        assert_eq!(error.exit_code(), 4);
        let error = error.to_string();
        assert!(error.starts_with("cannot find “cellar”: neither a host nor a server"), "{error}");
        assert!(error.contains("“attic”"), "{error}");
    }

    #[test]
    fn an_answer_is_a_number_or_a_name() {
        let house = house();
        assert_eq!(answered(&house, " 2\n").unwrap().name, "Living Room");
        assert_eq!(answered(&house, "attic").unwrap().name, "attic");
        for wrong in ["", "0", "4", "cellar", "living", "99999999999999999999"] {
            assert_eq!(answered(&house, wrong).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
