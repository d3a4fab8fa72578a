//! What must be set back in players, in files: one for each player, so that a server that was killed can be made up for by
//! the next.

use std::fs;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Place;
use super::film::Reading;
use super::process::Process;
use crate::{home, preset};

/// The folder among the user's settings that has them.
const FOLDER: &str = "film";

/// Such a file has some hundred bytes; what is longer is something else.
const LONGEST: u64 = 4 * 1024;

/// Most files that are looked at: a PC has a handful of players.
const MOST_FILES: usize = 64;

/// One player that a server has set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) place: KeptPlace,
    /// Which process it was, where the system tells.
    pub(super) player: Option<Process>,
    /// Its audio delay without us, in s.
    pub(super) own_s: f64,
    /// What it was set to, in s.
    pub(super) set_s: f64,
    /// Whether mpv is to remember its audio delay with the place in a film again.
    #[serde(default)]
    pub(super) remembers: bool,
    /// Who has set it.
    pub(super) server: Process,
}

/// A [`Place`] in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum KeptPlace {
    Mpv(PathBuf),
    Vlc(SocketAddr),
}

impl From<&Place> for KeptPlace {
    fn from(place: &Place) -> Self {
        match place {
            Place::Mpv(path) => Self::Mpv(path.clone()),
            Place::Vlc(at) => Self::Vlc(*at),
        }
    }
}

impl From<&KeptPlace> for Place {
    fn from(place: &KeptPlace) -> Self {
        match place {
            KeptPlace::Mpv(path) => Self::Mpv(path.clone()),
            KeptPlace::Vlc(at) => Self::Vlc(*at),
        }
    }
}

impl Record {
    /// Whether it can be one: what others wrote into the file is not believed.
    fn can_be(&self) -> bool {
        [self.own_s, self.set_s].iter().all(|&s| Reading::new(s, None).is_some())
    }

    /// Whether another server that runs has set this player.
    pub(super) fn is_anothers(&self) -> bool {
        self.server != Process::own() && self.server.is_alive()
    }

    /// Whether the player that was set runs no more, as far as that can be told.
    pub(super) fn is_over(&self) -> bool {
        self.player.is_some_and(|player| !player.is_alive())
    }
}

/// Where they are kept.
#[derive(Debug)]
pub(super) struct Kept {
    folder: Option<PathBuf>,
}

impl Kept {
    /// Among this user's settings.
    pub(super) fn of_this_user() -> Self {
        Self { folder: preset::config_directory().map(|folder| folder.join(FOLDER)) }
    }

    fn file(&self, place: &Place) -> Option<PathBuf> {
        let name = format!("{}-{:016x}.json", place.player(), fingerprint(&place.at()));
        self.folder.as_ref().map(|folder| folder.join(name))
    }

    /// What is kept of that player.
    pub(super) fn of(&self, place: &Place) -> Option<Record> {
        let record = read(&self.file(place)?)?;
        (record.place == KeptPlace::from(place)).then_some(record)
    }

    /// All that are kept.
    pub(super) fn all(&self) -> Vec<Record> {
        let entries = self.folder.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        let entries = entries.into_iter().flatten().flatten().take(MOST_FILES);
        entries.filter_map(|entry| read(&entry.path())).collect()
    }

    /// Keeps this one from now on, whole or not at all.
    ///
    /// # Errors
    /// What the system says.
    pub(super) fn keep(&self, record: &Record) -> std::io::Result<()> {
        let none = || std::io::Error::other("the environment names no folder of this user's");
        let file = self.file(&Place::from(&record.place)).ok_or_else(none)?;
        home::replace(&file, &(serde_json::to_string(record)? + "\n"))
    }

    /// Forgets that player.
    pub(super) fn forget(&self, place: &Place) {
        if let Some(file) = self.file(place) {
            let _ = fs::remove_file(file);
        }
    }
}

fn read(path: &Path) -> Option<Record> {
    // A pipe or a device would make the program wait for ever.
    if path.extension()? != "json" || !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Record::can_be)
}

/// A name for a file (FNV-1a): the same in each version of the program.
fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn record(place: &Place) -> Record {
        Record {
            place: place.into(),
            player: Some(Process::own()),
            own_s: 0.1,
            set_s: -0.2,
            remembers: true,
            server: Process::own(),
        }
    }

    #[test]
    fn what_is_kept_is_there_until_it_is_forgotten_each_player_by_itself() {
        let scratch = Scratch::new();
        let kept = Kept { folder: Some(scratch.path("a/film")) };
        assert_eq!(kept.all(), []);
        let one = Place::Mpv("/tmp/a".into());
        let other = Place::Vlc("127.0.0.1:9090".parse().unwrap());
        kept.keep(&record(&one)).unwrap();
        kept.keep(&record(&other)).unwrap();
        assert_eq!((kept.of(&one), kept.all().len()), (Some(record(&one)), 2));
        kept.forget(&one);
        assert_eq!((kept.of(&one), kept.all()), (None, vec![record(&other)]));
        Kept { folder: None }.keep(&record(&one)).unwrap_err();
    }

    #[test]
    fn a_file_that_is_none_of_ours_counts_as_none() {
        let scratch = Scratch::new();
        let kept = Kept { folder: Some(scratch.path("")) };
        let place = Place::Mpv("/tmp/a".into());
        let file = kept.file(&place).unwrap();
        let wild = Record { own_s: 1e9, ..record(&place) };
        let elsewhere = record(&Place::Mpv("/tmp/b".into()));
        for text in [
            String::new(),
            "{".to_owned(),
            " ".repeat(100_000),
            serde_json::to_string(&wild).unwrap(),
            serde_json::to_string(&elsewhere).unwrap(),
        ] {
            fs::write(&file, &text).unwrap();
            assert_eq!(kept.of(&place), None, "{text:.80}");
        }
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert_eq!((kept.of(&place), kept.all()), (None, vec![]));
    }

    #[test]
    fn a_server_that_runs_no_more_has_no_claim() {
        let mut record = record(&Place::Mpv("/tmp/a".into()));
        assert!(!record.is_anothers() && !record.is_over(), "our own");
        record.server = Process { id: u32::MAX, started: 1 };
        record.player = Some(record.server);
        assert!(!record.is_anothers() && record.is_over());
    }
}
