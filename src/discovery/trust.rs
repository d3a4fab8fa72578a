//! Which servers that were found may hear this client's microphone. Anybody on a network can announce a
//! server of any name and id, so a person decides once, and the decision holds where it was made.

use std::fs::{self, File};
use std::io::{BufRead, Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use log::{info, warn};
use serde::{Deserialize, Serialize};

use super::ask::ask;
use super::found::Found;
use crate::error::{Error, Result};
use crate::preset;

/// The file's name, in the folder of this user's settings.
const FILE: &str = "may-hear-me.json";

/// Servers that are remembered; the one that was asked about longest ago falls out.
const MOST_REMEMBERED: usize = 100;

/// Largest file that is read, in bytes: as many servers with eight addresses each take less.
const LARGEST: u64 = 64 * 1024;

/// A server that may hear the microphone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Heard {
    id: Option<String>,
    addresses: Vec<IpAddr>,
}

/// What was decided before.
#[derive(Debug)]
pub struct Trust {
    file: Option<PathBuf>,
    servers: Vec<Heard>,
}

impl Trust {
    /// What this user decided, as far as it can be read.
    #[must_use]
    pub fn remembered() -> Self {
        Self::read(preset::config_directory().map(|folder| folder.join(FILE)))
    }

    fn read(file: Option<PathBuf>) -> Self {
        let servers = file.as_deref().and_then(read).unwrap_or_default();
        Self { file, servers }
    }

    /// The addresses at which this server may hear the microphone; none, if it was never asked about
    /// or is at none of these now.
    fn addresses(&self, found: &Found) -> Vec<IpAddr> {
        let same = |heard: &&Heard| heard.id == found.details.id;
        let is_there = |ip: &IpAddr| found.addresses.iter().any(|address| address.ip() == *ip);
        let mut all: Vec<IpAddr> = self
            .servers
            .iter()
            .filter(same)
            .flat_map(|heard| &heard.addresses)
            .copied()
            .filter(is_there)
            .collect();
        all.dedup();
        all
    }

    fn remember(&mut self, found: &Found) {
        let addresses = found.addresses.iter().map(|address| address.ip()).collect();
        self.servers.push(Heard { id: found.details.id.clone(), addresses });
        let too_many = self.servers.len().saturating_sub(MOST_REMEMBERED);
        self.servers.drain(..too_many);
        let Some(file) = &self.file else { return };
        if let Err(e) = write(file, &self.servers) {
            warn!(
                "{} cannot be written ({}): it will be asked again",
                file.display(),
                crate::error::plain(&e)
            );
        }
    }
}

fn read(file: &Path) -> Option<Vec<Heard>> {
    let mut text = String::new();
    File::open(file).ok()?.take(LARGEST).read_to_string(&mut text).ok()?;
    let mut servers: Vec<Heard> = serde_json::from_str(&text).ok()?;
    servers.truncate(MOST_REMEMBERED);
    Some(servers)
}

fn write(file: &Path, servers: &[Heard]) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(file, serde_json::to_vec(servers)?)
}

/// Where the microphone may go of the addresses of a server that was found. Asks, if it is to be asked
/// and `person` can be: with what it reads and writes.
///
/// # Errors
/// [`Error::Usage`] where nobody can be asked.
pub fn decide<I: BufRead, O: Write>(
    trust: &mut Trust,
    found: &Found,
    person: Option<(&mut I, &mut O)>,
) -> Result<Vec<IpAddr>> {
    let known = trust.addresses(found);
    if !known.is_empty() {
        return Ok(known);
    }
    let Found { name, addresses, .. } = found;
    let ip = found.likeliest().map(|address| address.ip().to_string()).unwrap_or_default();
    let Some((input, output)) = person else {
        return Err(Error::usage(
            format!(
                "“{name}” at {ip} was found on this network, where anybody can call a server so, and \
                 nobody is here to say whether it may hear your microphone"
            ),
            format!(
                "Name its address, for example: auralync-client {ip} --talk, or add --talk-to-found"
            ),
        ));
    };
    let question = format!(
        "“{name}” was found at {ip}. Anybody on this network can call a server so.\n\
         May it hear your microphone, now and later (y/n)? "
    );
    let unclear = || Error::usage("that is neither yes nor no", "Type y or n");
    let answer = ask(input, output, &question, unclear(), |typed| match typed {
        "y" | "Y" | "yes" => Ok(true),
        "n" | "N" | "no" => Ok(false),
        _ => Err(unclear()),
    })?;
    if !answer {
        info!("“{name}” does not get your microphone: you only listen");
        return Ok(Vec::new());
    }
    trust.remember(found);
    Ok(addresses.iter().map(|address| address.ip()).collect())
}

#[cfg(test)]
mod tests {
    use super::super::found::{example, installed};
    use super::*;

    fn decided(trust: &mut Trust, found: &Found, typed: &str) -> (Result<Vec<IpAddr>>, String) {
        let mut shown = Vec::new();
        let answer = decide(trust, found, Some((&mut typed.as_bytes(), &mut shown)));
        (answer, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn a_person_is_asked_once_about_a_server_and_again_if_it_is_another_or_elsewhere() {
        let folder = std::env::temp_dir().join(format!("auralync-trust-{}", std::process::id()));
        let file = Some(folder.join("auralync").join(FILE));
        let attic = installed("0123456789abcdef", "192.0.2.1:5555");
        let here: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap()];
        let (answer, shown) = decided(&mut Trust::read(file.clone()), &attic, "what\ny\n");
        assert_eq!(answer.unwrap(), here);
        assert!(shown.starts_with("“attic” was found at 192.0.2.1."), "{shown}");
        assert!(shown.contains("Type y or n"), "{shown}");
        let (answer, shown) = decided(&mut Trust::read(file.clone()), &attic, "");
        assert_eq!((answer.unwrap(), shown.as_str()), (here, ""));
        for other in [
            installed("0123456789abcdef", "192.0.2.2:5555"),
            installed("ffffffffffffffff", "192.0.2.1:5555"),
            example("attic", "192.0.2.1:5555"),
        ] {
            let (answer, shown) = decided(&mut Trust::read(file.clone()), &other, "n\n");
            assert_eq!(answer.unwrap(), Vec::<IpAddr>::new(), "{other:?}");
            assert!(shown.contains("May it hear your microphone"), "{shown}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn of_a_server_that_is_elsewhere_too_only_the_known_address_hears() {
        let mut trust = Trust::read(None);
        trust.remember(&installed("0123456789abcdef", "192.0.2.1:5555"));
        let mut both = installed("0123456789abcdef", "192.0.2.1:5555");
        both.addresses.push("192.0.2.66:5555".parse().unwrap());
        let (answer, _) = decided(&mut trust, &both, "");
        assert_eq!(answer.unwrap(), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn where_nobody_can_be_asked_it_is_said_what_to_do() {
        let attic = installed("0123456789abcdef", "192.0.2.1:5555");
        let person: Option<(&mut &[u8], &mut Vec<u8>)> = None;
        let error = decide(&mut Trust::read(None), &attic, person).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let said = error.to_string();
        assert!(
            said.contains("auralync-client 192.0.2.1 --talk, or add --talk-to-found"),
            "{said}"
        );
    }

    #[test]
    fn what_is_remembered_is_bounded_and_nonsense_is_nothing() {
        let mut trust = Trust::read(None);
        for n in 0..300 {
            trust.remember(&installed(&format!("{n:016x}"), "192.0.2.1:5555"));
        }
        assert_eq!(trust.servers.len(), MOST_REMEMBERED);
        assert!(
            !trust.addresses(&installed(&format!("{:016x}", 299), "192.0.2.1:5555")).is_empty()
        );
        let file = std::env::temp_dir().join(format!("auralync-trust-{}.json", std::process::id()));
        fs::write(&file, "{]").unwrap();
        assert!(Trust::read(Some(file.clone())).servers.is_empty());
        fs::remove_file(file).unwrap();
    }
}
