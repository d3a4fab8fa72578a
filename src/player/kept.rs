//! What must be set back in players, in files: one for each player, so that a server that was killed can be made up for by
//! the next.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use log::debug;
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

/// So often a file that is to be locked is opened anew, where others give theirs back at that moment.
const TRIES: usize = 8;

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
    /// A locked file beside each record: the system lets go of it however the server ends.
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
    /// nothing can be locked, as on some network drives, nobody has.
    pub(super) fn claim(&self, place: &Place) -> bool {
        let mut claims = self.claims.borrow_mut();
        if claims.contains_key(place) {
            return true;
        }
        let Some(path) = self.lock(place) else { return true };
        match locked(&path) {
            Ok(file) => {
                claims.insert(place.clone(), file);
                true
            }
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(e)) => {
                debug!("film mode: {place}: whether another server has it cannot be known: {e}");
                true
            }
        }
    }

    /// Lets go of the players for which nothing is to be done any more.
    pub(super) fn let_go(&self, is_needed: impl Fn(&Place) -> bool) {
        self.claims.borrow_mut().retain(|place, file| {
            let stays = is_needed(place);
            // While it is locked: whoever has opened it sees then that it is no more. Elsewhere that cannot be seen.
            if !stays
                && cfg!(unix)
                && let Some(path) = self.lock(place)
                && is_there(file, &path)
            {
                let _ = fs::remove_file(path);
            }
            stays
        });
    }

    fn lock(&self, place: &Place) -> Option<PathBuf> {
        self.file(place).map(|file| file.with_extension(LOCK))
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

/// The file there, locked: the very one that others find there, too.
fn locked(path: &Path) -> Result<File, TryLockError> {
    for _ in 0..TRIES {
        let file = home::lock_file(path).map_err(TryLockError::Error)?;
        file.try_lock()?;
        if is_there(&file, path) {
            return Ok(file);
        }
    }
    // Others come and go all the time: one of them has it.
    Err(TryLockError::WouldBlock)
}

/// Whether that path still leads to that file: whoever had it locked may have removed it since it was opened.
#[cfg(unix)]
fn is_there(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    let (Ok(own), Ok(there)) = (file.metadata(), fs::metadata(path)) else { return false };
    (own.dev(), own.ino()) == (there.dev(), there.ino())
}

/// Nobody removes it.
#[cfg(not(unix))]
fn is_there(_file: &File, _path: &Path) -> bool {
    true
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
    #[cfg(unix)]
    fn a_lock_is_given_back_and_of_many_who_come_and_go_one_has_it_at_a_time() {
        use std::sync::atomic::AtomicUsize;
        use std::sync::atomic::Ordering::SeqCst;

        let scratch = Scratch::new();
        let place = Place::Mpv("/tmp/a".into());
        let (have, had) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let kept = Kept::among(Some(scratch.path("film")));
                    for _ in 0..500 {
                        if kept.claim(&place) {
                            assert_eq!(have.fetch_add(1, SeqCst), 0, "somebody else has it");
                            had.fetch_add(1, SeqCst);
                            have.fetch_sub(1, SeqCst);
                            kept.let_go(|_| false);
                        }
                    }
                });
            }
        });
        assert!(had.into_inner() > 0, "somebody had it");
        assert_eq!(fs::read_dir(scratch.path("film")).unwrap().count(), 0);
    }

    #[test]
    fn a_player_that_runs_no_more_is_over() {
        let mut record = record(&Place::Mpv("/tmp/a".into()));
        assert!(!record.is_over(), "this program");
        record.player = Some(Process { id: u32::MAX, started: 1 });
        assert!(record.is_over());
    }
}
