//! What must be set back in players, in files: one for each player, so that a server that was killed can be made up for by
//! the next.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
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

/// The ending of the file that is locked for a player.
const LOCK: &str = "lock";

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
        // A password is sent to a VLC.
        let is_here = match &self.place {
            KeptPlace::Mpv(_) => true,
            KeptPlace::Vlc(at) => at.ip().is_loopback(),
        };
        is_here && [self.own_s, self.set_s].iter().all(|&s| Reading::new(s, None).is_some())
    }

    /// Whether the player that was set runs no more, as far as that can be told.
    pub(super) fn is_over(&self) -> bool {
        self.player.is_some_and(|player| !player.is_alive())
    }
}

/// Where they are kept, and which players are this server's.
#[derive(Debug)]
pub(super) struct Kept {
    folder: Option<PathBuf>,
    /// A locked file beside each record: the system lets go of it however the server ends. The file itself stays: were
    /// it removed while another opens it, both would have a lock.
    claims: RefCell<BTreeMap<Place, File>>,
}

impl Kept {
    /// Among this user's settings.
    pub(super) fn of_this_user() -> Self {
        Self::among(preset::config_directory().map(|folder| folder.join(FOLDER)))
    }

    fn among(folder: Option<PathBuf>) -> Self {
        Self { folder, claims: RefCell::default() }
    }

    /// Makes that player this server's, until it is let go or the server ends; whether no other server has it. Where
    /// the system knows no locks, nobody has.
    pub(super) fn claim(&self, place: &Place) -> bool {
        let mut claims = self.claims.borrow_mut();
        if claims.contains_key(place) {
            return true;
        }
        let Some(path) = self.file(place).map(|file| file.with_extension(LOCK)) else {
            return true;
        };
        let Ok(file) = lock_file(&path) else { return true };
        match file.try_lock() {
            Ok(()) => {
                claims.insert(place.clone(), file);
                true
            }
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(_)) => true,
        }
    }

    /// Lets go of the players for which nothing is to be done any more.
    pub(super) fn let_go(&self, is_needed: impl Fn(&Place) -> bool) {
        self.claims.borrow_mut().retain(|place, _| is_needed(place));
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
        let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
        let paths = paths.filter(|path| is_record(path)).take(MOST_FILES);
        paths.filter_map(|path| read(&path)).collect()
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

/// Opens a file to be locked, and makes it and its folder where they are not there.
fn lock_file(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // A pipe or a device would make the program wait for ever.
    if fs::symlink_metadata(path).is_ok_and(|what| !what.is_file()) {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    OpenOptions::new().create(true).append(true).open(path)
}

fn is_record(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

fn read(path: &Path) -> Option<Record> {
    // A pipe or a device would make the program wait for ever.
    if !is_record(path) || !fs::symlink_metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
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
            player: Process::now(std::process::id()),
            own_s: 0.1,
            set_s: -0.2,
            remembers: true,
        }
    }

    #[test]
    fn what_is_kept_is_there_until_it_is_forgotten_each_player_by_itself() {
        let scratch = Scratch::new();
        let kept = Kept::among(Some(scratch.path("a/film")));
        assert_eq!(kept.all(), []);
        let one = Place::Mpv("/tmp/a".into());
        let other = Place::Vlc("127.0.0.1:9090".parse().unwrap());
        kept.keep(&record(&one)).unwrap();
        kept.keep(&record(&other)).unwrap();
        assert_eq!((kept.of(&one), kept.all().len()), (Some(record(&one)), 2));
        kept.forget(&one);
        assert_eq!((kept.of(&one), kept.all()), (None, vec![record(&other)]));
        Kept::among(None).keep(&record(&one)).unwrap_err();
    }

    #[test]
    fn a_file_that_is_none_of_ours_counts_as_none() {
        let scratch = Scratch::new();
        let kept = Kept::among(Some(scratch.path("")));
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
        let far = Place::Vlc("192.168.1.5:8080".parse().unwrap());
        kept.keep(&record(&far)).unwrap();
        assert_eq!(kept.of(&far), None, "no VLC of this PC");
        kept.forget(&far);
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert_eq!((kept.of(&place), kept.all()), (None, vec![]));
    }

    #[test]
    fn a_player_is_one_servers_until_that_lets_go_or_ends_and_the_record_stays_readable() {
        let scratch = Scratch::new();
        let server = || Kept::among(Some(scratch.path("film")));
        let (one, other) = (server(), server());
        let place = Place::Vlc("127.0.0.1:9090".parse().unwrap());
        assert!(one.claim(&place) && one.claim(&place), "its own again");
        one.keep(&record(&place)).unwrap();
        assert!(!other.claim(&place));
        assert!(other.claim(&Place::Mpv("/tmp/a".into())), "each player by itself");
        assert_eq!(other.of(&place), Some(record(&place)));
        one.let_go(|needed| *needed == place);
        assert!(!other.claim(&place));
        one.let_go(|_| false);
        assert!(other.claim(&place) && !one.claim(&place));
        drop(other);
        assert!(one.claim(&place));
        assert_eq!(one.all(), [record(&place)], "locks are no records");
        assert!(Kept::among(None).claim(&place));
    }

    #[test]
    fn a_player_that_runs_no_more_is_over() {
        let mut record = record(&Place::Mpv("/tmp/a".into()));
        assert!(!record.is_over(), "this program");
        record.player = Some(Process { id: u32::MAX, started: 1 });
        assert!(record.is_over());
    }
}
