//! Changing a file of secrets while no other program of ours does.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::{folder_of, make_private, private, read, refuse_others};
use crate::error::{Error, Result, plain};

/// How long others are waited for: they write a few KiB.
const PATIENCE: Duration = Duration::from_secs(2);

/// How often is looked whether they are done.
const LOOK: Duration = Duration::from_millis(10);

/// What a file is called that is not whole yet ends so.
const NEW: &str = ".new";

/// Nobody else of ours changes the files in that folder as long as this is there.
pub(crate) struct Alone<'a> {
    path: &'a Path,
    /// `None` where the system knows no locks there, as on some network drives.
    lock: Option<File>,
}

/// Waits until nobody else of ours changes the file or others beside it, two seconds at most. Folders that
/// are missing are made, for this user alone.
///
/// # Errors
/// [`Error::File`] where the folder cannot be made, others may change it, or somebody writes for longer.
pub(crate) fn alone(path: &Path) -> Result<Alone<'_>> {
    within(path, PATIENCE)
}

fn within(path: &Path, patience: Duration) -> Result<Alone<'_>> {
    let folder = folder_of(path);
    make_private(folder).map_err(|e| failed(path, &e))?;
    refuse_others(path, None)?;
    let until = Instant::now() + patience;
    let Ok(file) = lock_of(folder) else { return Ok(Alone { path, lock: None }) };
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Alone { path, lock: Some(file) }),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOOK),
            Err(TryLockError::WouldBlock) => {
                let why = "another program has been writing here for too long";
                let fix = "End other AuraLync programs of yours that do not answer, and try again";
                return Err(Error::file(path, why, fix));
            }
            Err(TryLockError::Error(_)) => return Ok(Alone { path, lock: None }),
        }
    }
}

impl Alone<'_> {
    /// What the file holds now, as [`read`].
    ///
    /// # Errors
    /// As [`read`].
    pub(crate) fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>> {
        read(self.path)
    }

    /// Writes the file anew: it is there whole, or as it was.
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be written.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<()> {
        let folder = folder_of(self.path);
        let name = self.path.file_name().unwrap_or_default();
        if self.lock.is_some() {
            remove_left(folder, name);
        }
        let random = crate::random::random();
        let beside = folder.join(format!(".{}.{random:016x}{NEW}", name.display()));
        let written = private(&beside).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        let put = written.and_then(|()| fs::rename(&beside, self.path));
        put.inspect_err(|_| drop(fs::remove_file(&beside))).map_err(|e| failed(self.path, &e))?;
        // A power cut is not to bring the old one back. Not every system can say so of a folder.
        #[cfg(unix)]
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

fn failed(path: &Path, e: &io::Error) -> Error {
    let fix = match e.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "Make room there",
        _ => "Make its folder one that you may write to",
    };
    Error::file(path, plain(e), fix)
}

/// Removes what programs left beside the file `name` that were ended while they wrote it: nobody writes it
/// now.
fn remove_left(folder: &Path, name: &OsStr) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if is_left(&entry.file_name(), name) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_left(found: &OsStr, name: &OsStr) -> bool {
    let (Some(found), Some(name)) = (found.to_str(), name.to_str()) else { return false };
    let random = found.strip_prefix('.').and_then(|rest| rest.strip_prefix(name));
    let random = random.and_then(|rest| rest.strip_prefix('.')?.strip_suffix(NEW));
    random.is_some_and(|random| {
        random.len() == 16 && random.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

/// What is locked for a folder: itself.
#[cfg(unix)]
fn lock_of(folder: &Path) -> io::Result<File> {
    File::open(folder)
}

/// What is locked for a folder: an empty file in it.
#[cfg(not(unix))]
fn lock_of(folder: &Path) -> io::Result<File> {
    File::options().write(true).create(true).truncate(false).open(folder.join(".keys.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn of_many_who_add_to_a_file_at_the_same_time_none_is_lost() {
        let folder = Scratch::new();
        let path = folder.path("rooms.key");
        // A disk that is busy with others takes longer for sixteen than a person would wait for one.
        let patience = Duration::from_secs(60);
        let add = |line: u8| {
            let file = within(&path, patience).unwrap();
            let mut bytes = file.read().unwrap().unwrap_or_default();
            bytes.push(line);
            file.write(&bytes).unwrap();
        };
        std::thread::scope(|scope| {
            for line in 0..16 {
                scope.spawn(move || add(line));
            }
        });
        let mut all = read(&path).unwrap().unwrap().to_vec();
        all.sort_unstable();
        assert_eq!(all, (0..16).collect::<Vec<u8>>());
    }

    #[test]
    fn whoever_writes_for_ever_is_not_waited_for_longer_than_two_seconds() {
        let folder = Scratch::new();
        let path = folder.path("room.key");
        let first = alone(&path).unwrap();
        let error = alone(&path).err().unwrap().to_string();
        assert!(error.contains("End other AuraLync programs"), "{error}");
        drop(first);
        assert!(alone(&path).is_ok());
    }
}
