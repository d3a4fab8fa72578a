//! The bytes of a recording on their way to the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, plain};

/// Bytes held back before they go to the disk: a third of a second of 48 kHz stereo, in one call.
pub(super) const BUFFER_BYTES: usize = 128 * 1024;

/// A file that grows at its end and may be rewritten at its start.
#[derive(Debug)]
pub(super) struct Disk {
    file: File,
    path: PathBuf,
    /// Not yet on the disk, at most [`BUFFER_BYTES`].
    pending: Vec<u8>,
    /// Bytes on the disk that count.
    written: u64,
    /// As many of them are there before any sound.
    header: u64,
}

impl Disk {
    /// Makes the file, with `header` in it.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when something of that name exists and `overwrite` is false, when another
    /// program is writing it, or when the file cannot be made: then there is none.
    pub(super) fn create(path: &Path, overwrite: bool, header: &[u8]) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true);
        if overwrite {
            // Emptied only once it is known that nobody else is writing it.
            options.create(true).truncate(false);
        } else {
            // One step, so that nobody's file of the same moment is lost either.
            options.create_new(true);
        }
        let file = open_alone(&options, path)?;
        if file.metadata().is_ok_and(|about| about.is_file()) {
            file.set_len(0).map_err(|error| cannot_write(path, &error, false))?;
        }
        let mut disk = Self {
            file,
            path: path.to_owned(),
            pending: Vec::with_capacity(BUFFER_BYTES),
            written: 0,
            header: header.len() as u64,
        };
        disk.append(header)?;
        disk.flush()?;
        Ok(disk)
    }

    /// Bytes on the disk, those of the header included.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Adds bytes at the end.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take what waited. A later call goes on from there.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<()> {
        for part in bytes.chunks(BUFFER_BYTES) {
            if self.pending.len() + part.len() > BUFFER_BYTES {
                self.flush()?;
            }
            self.pending.extend_from_slice(part);
        }
        Ok(())
    }

    /// Adds so many zero bytes, which take no room where the file system knows holes.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub(super) fn append_hole(&mut self, bytes: u64) -> Result<()> {
        self.flush()?;
        let end = self.written.saturating_add(bytes);
        self.file.set_len(end).map_err(|error| self.failed(&error))?;
        self.written = end;
        Ok(())
    }

    /// Sends what waits to the disk.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take it.
    pub(super) fn flush(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        // A write that failed half way has moved the position; and so has the header.
        let done = self
            .file
            .seek(SeekFrom::Start(self.written))
            .and_then(|_| self.file.write_all(&self.pending));
        if let Err(error) = done {
            // Half a frame at the end would be noise to some readers.
            let _ = self.file.set_len(self.written);
            return Err(self.failed(&error));
        }
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Puts other bytes in place of those at the start.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the disk does not take them.
    pub(super) fn rewrite_start(&mut self, bytes: &[u8]) -> Result<()> {
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.file.write_all(bytes))
            .map_err(|error| cannot_write(&self.path, &error, self.has_sound()))
    }

    fn has_sound(&self) -> bool {
        self.written > self.header
    }

    /// The disk takes no more. A file without any sound is of no use to anybody.
    fn failed(&self, error: &io::Error) -> Error {
        let is_ours = self.file.metadata().is_ok_and(|about| about.is_file());
        if !self.has_sound() && is_ours && !is_removed(&self.file) {
            let _ = std::fs::remove_file(&self.path);
        }
        cannot_write(&self.path, error, self.has_sound())
    }

    /// Says so if somebody has removed the file. One that was only moved goes on where it is.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when nobody will ever find what is still written.
    pub(super) fn check_that_it_exists(&self) -> Result<()> {
        if is_removed(&self.file) {
            return Err(Error::file(
                &self.path,
                "somebody has removed this file while it was being written",
                "Start again to record what follows",
            ));
        }
        Ok(())
    }
}

#[cfg(unix)]
fn is_removed(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|about| about.is_file() && about.nlink() == 0)
}

/// Elsewhere nobody can remove a file that is open.
#[cfg(not(unix))]
fn is_removed(_file: &File) -> bool {
    false
}

/// Opens a file that no other program is writing, and keeps others from it.
#[cfg(unix)]
fn open_alone(options: &OpenOptions, path: &Path) -> Result<File> {
    use rustix::fs::{FlockOperation, flock};
    let file = options.open(path).map_err(|error| cannot_write(path, &error, false))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => Err(is_written(path)),
        // Some network file systems know no locks.
        _ => Ok(file),
    }
}

/// Opens a file that no other program is writing, and keeps others from writing it.
#[cfg(windows)]
fn open_alone(options: &OpenOptions, path: &Path) -> Result<File> {
    use std::os::windows::fs::OpenOptionsExt;
    /// Others may read the file meanwhile, and rename it.
    const SHARE_READ_AND_DELETE: u32 = 1 | 4;
    const SHARING_VIOLATION: i32 = 32;
    match options.clone().share_mode(SHARE_READ_AND_DELETE).open(path) {
        Err(error) if error.raw_os_error() == Some(SHARING_VIOLATION) => Err(is_written(path)),
        opened => opened.map_err(|error| cannot_write(path, &error, false)),
    }
}

fn is_written(path: &Path) -> Error {
    Error::file(path, "another program is writing this file", "Choose another name")
}

/// `has_sound` says that something has been recorded.
fn cannot_write(path: &Path, error: &io::Error, has_sound: bool) -> Error {
    let so_far = if has_sound { "; what was recorded until now can be played" } else { "" };
    let (why, fix) = match error.kind() {
        ErrorKind::AlreadyExists => (
            "there is already a file of this name",
            "Choose another name, or add --overwrite to replace it",
        ),
        ErrorKind::NotFound => {
            ("its folder does not exist", "Create the folder first, or choose another one")
        }
        ErrorKind::IsADirectory => ("this is a folder", "Add a file name"),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            ("writing here is not allowed", "Choose a folder of your own")
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            let fix = format!("Free some space and start again{so_far}");
            return Error::file(path, "the disk is full", fix);
        }
        ErrorKind::FileTooLarge => {
            let fix = format!("Record to a disk of another kind (not FAT){so_far}");
            return Error::file(path, "this disk takes no files as large as that", fix);
        }
        _ => return Error::file(path, plain(error), "Choose another place to write to"),
    };
    Error::file(path, why, fix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn two_programs_never_write_one_file() {
        let scratch = Scratch::new();
        let path = scratch.path("bytes");
        let mut first = Disk::create(&path, true, b"head").unwrap();
        first.append(b"first").unwrap();
        first.flush().unwrap();
        let error = Disk::create(&path, true, b"HEAD").unwrap_err();
        assert!(error.to_string().contains("another program is writing this file"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"headfirst", "nor does the second empty it");
        drop(first);
        drop(Disk::create(&path, true, b"HEAD").unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"HEAD");
    }

    #[test]
    fn a_disk_that_takes_nothing_is_left_without_a_file() {
        let scratch = Scratch::new();
        let path = scratch.path("bytes");
        std::fs::write(&path, b"head").unwrap();
        let mut disk = Disk {
            // Cannot be written to.
            file: File::open(&path).unwrap(),
            path: path.clone(),
            pending: Vec::new(),
            written: 4,
            header: 4,
        };
        disk.append(b"sound").unwrap();
        assert!(disk.flush().is_err());
        assert!(!path.exists());
    }

    #[test]
    fn only_what_was_recorded_can_be_played_from_a_full_disk() {
        let full = ErrorKind::StorageFull.into();
        let said = |has_sound| cannot_write(Path::new("a.wav"), &full, has_sound).to_string();
        assert!(said(true).contains("can be played"));
        assert!(said(false).contains("the disk is full") && !said(false).contains("can be played"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_takes_no_more_memory() {
        let mut disk = Disk::create(Path::new("/dev/full"), true, &[]).unwrap();
        for _ in 0..20 {
            let _ = disk.append(&[1; BUFFER_BYTES / 2]);
        }
        assert!(disk.pending.capacity() <= 2 * BUFFER_BYTES);
        assert!(disk.flush().unwrap_err().to_string().contains("the disk is full"));
    }

    #[test]
    fn bytes_come_in_order_whatever_their_number_with_holes_between() {
        let scratch = Scratch::new();
        let path = scratch.path("bytes");
        let mut disk = Disk::create(&path, false, b"head").unwrap();
        disk.append(&[1; 3 * BUFFER_BYTES]).unwrap();
        disk.append_hole(5).unwrap();
        disk.append(&[2; 7]).unwrap();
        disk.rewrite_start(b"HEAD").unwrap();
        disk.flush().unwrap();
        let expected = [&b"HEAD"[..], &[1; 3 * BUFFER_BYTES], &[0; 5], &[2; 7]].concat();
        assert!(std::fs::read(&path).unwrap() == expected);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_is_removed_is_missed_and_one_that_is_moved_is_not() {
        let scratch = Scratch::new();
        let path = scratch.path("bytes");
        let disk = Disk::create(&path, false, b"head").unwrap();
        std::fs::rename(&path, scratch.path("moved")).unwrap();
        disk.check_that_it_exists().unwrap();
        std::fs::remove_file(scratch.path("moved")).unwrap();
        let error = disk.check_that_it_exists().unwrap_err();
        assert!(error.to_string().contains("removed"), "{error}");
    }
}
