//! Files with secrets: only their owner reads them, and they are written whole or not at all.

mod alone;
mod key_file;
mod writer;

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, Result, plain};
use crate::preset;
pub(crate) use alone::alone;
pub(crate) use key_file::{KeyFile, line};
pub(crate) use writer::{Watch, Writer};

/// Longest file that is read, in bytes: `guests.keys` with its longest names has a little less.
const LONGEST: u64 = 64 * 1024;

/// The file of that name among this user's settings. It need not be there.
///
/// # Errors
/// [`Error::Internal`] where the environment names no folder of this user's.
pub(crate) fn place(name: &str) -> Result<PathBuf> {
    let folder = preset::config_directory().ok_or_else(|| {
        let why = "the environment names no folder of this user's";
        Error::internal("there is no place for secrets", why)
    })?;
    #[cfg(windows)]
    if let Some(profile) = std::env::var_os("USERPROFILE")
        && !is_below(&folder, Path::new(&profile))
    {
        log::warn!(
            "{} is not among this user's own files, where nobody else reads them: others on this \
             computer may read the secrets in it",
            folder.display()
        );
    }
    Ok(folder.join(name))
}

/// Whether a folder is `top` or below it, in whatever case it is written: what Windows gives a user's own
/// folder is inherited by all below it, and lets in that user, administrators and the system alone.
#[cfg(any(windows, test))]
fn is_below(folder: &Path, top: &Path) -> bool {
    let steps = |path: &Path| -> Vec<String> {
        let text = path.to_string_lossy().replace('/', "\\").to_lowercase();
        text.split('\\').filter(|step| !step.is_empty()).map(str::to_owned).collect()
    };
    let (folder, top) = (steps(folder), steps(top));
    !top.is_empty() && folder.starts_with(&top) && !folder.iter().any(|step| step == "..")
}

/// What the file holds, all its bytes, [`LONGEST`] at most; `None` where there is none. What is returned is
/// wiped when it is dropped. Nothing is waited for, whatever lies there.
///
/// # Errors
/// [`Error::File`], with what to do, where it cannot be read, is longer, is no file of its own but a link, a
/// folder or a pipe; on Unix also where others may read or change it, or may put another into its folder.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let failed = |why: &str, fix: &str| Error::file(path, why, fix);
    let unreadable = |e: io::Error| failed(&plain(&e), "Make it a file that you may read");
    let no_file = || {
        let why = "a secret is a file of its own, and this is a link or a folder";
        failed(why, "Remove it: a new one is made")
    };
    match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(unreadable(e)),
        Ok(metadata) if !metadata.is_file() => return Err(no_file()),
        Ok(_) => {}
    }
    // From here on it is the file that was opened, whatever takes its place.
    let file = open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(no_file());
    }
    refuse_others(path, Some(&metadata))?;
    let long = || {
        let why = format!("this is longer than the {} KiB of any file of ours", LONGEST / 1024);
        failed(&why, "Remove it, or mend it if you know what is in it")
    };
    let length = metadata.len();
    if length > LONGEST {
        return Err(long());
    }
    // With room for all of it, so that no half of it stays behind where it grows.
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST as usize + 1));
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST { Err(long()) } else { Ok(Some(bytes)) }
}

/// Writes the file anew: it is there whole, or as it was, whatever happens meanwhile. Only this user may read
/// it; folders that are missing are made so, too. This waits for the disk, and up to two seconds for others
/// who write: it belongs on no thread that sound waits for ([`Writer`] has one of its own).
///
/// # Errors
/// [`Error::File`], with what to do, where it cannot be written, or others may change its folder.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    alone(path)?.write(bytes)
}

/// Refuses a file, and a folder, that somebody else has a hand in.
#[cfg(unix)]
fn refuse_others(path: &Path, file: Option<&Metadata>) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let whose = |metadata: &Metadata| Whose { user: metadata.uid(), mode: metadata.mode() };
    let folder = folder_of(path);
    let around = fs::metadata(folder)
        .map_err(|e| Error::file(folder, plain(&e), "Make it a folder that you may read"))?;
    let us = rustix::process::geteuid().as_raw();
    let fault = fault(us, whose(&around), file.map(whose));
    let (file, folder) = (path.display(), folder.display());
    let (why, fix) = match fault {
        None => return Ok(()),
        Some(Fault::Folder) => (
            "others on this computer may put files into its folder, and this may be one of theirs",
            format!("Make it yours alone, if nobody has: chmod 700 “{folder}”"),
        ),
        Some(Fault::Open) => (
            "others on this computer may read this secret, or have changed it",
            format!("Type chmod 600 “{file}” if nobody has, or remove it: a new one is made"),
        ),
        Some(Fault::Another) => (
            "this secret belongs to another user of this computer",
            "Start the program as that user, or remove it: a new one is made".to_owned(),
        ),
    };
    Err(Error::file(path, why, fix))
}

/// What is in a user's own folder on Windows only that user may read: it inherits that folder's rights, and
/// [`place`] warns where it is elsewhere.
#[cfg(not(unix))]
fn refuse_others(_path: &Path, _file: Option<&Metadata>) -> Result<()> {
    Ok(())
}

/// Whose a file or a folder is, and what others may do with it.
#[cfg(unix)]
#[derive(Debug, Clone, Copy)]
struct Whose {
    user: u32,
    mode: u32,
}

/// What keeps a secret from being one.
#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Others may put files into its folder.
    Folder,
    /// Others may read it, or write it.
    Open,
    /// It is another user's.
    Another,
}

/// What is wrong with a file that user `us` is to believe. Root reads everybody's, so that whoever owns the
/// folder is believed there: containers and `sudo` lead to that. Members of the folder's group are believed
/// too: on many systems that group is the user's own, and has the right to write.
#[cfg(unix)]
fn fault(us: u32, folder: Whose, file: Option<Whose>) -> Option<Fault> {
    const ROOT: u32 = 0;
    let is_anybodys = folder.mode & 0o1002 == 0o002;
    if is_anybodys || ![us, ROOT].contains(&folder.user) && us != ROOT {
        return Some(Fault::Folder);
    }
    let file = file?;
    if file.mode & 0o077 != 0 {
        return Some(Fault::Open);
    }
    (![us, folder.user].contains(&file.user)).then_some(Fault::Another)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Opens a file to be read, and neither follows a link nor waits where it is a pipe by now.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)
}

/// Opens a file to be read.
#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Makes a folder, and those above it, that only this user may look into.
#[cfg(unix)]
pub(crate) fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Makes a folder, and those above it. What is in a user's own folder on Windows only that user may read.
#[cfg(not(unix))]
pub(crate) fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(folder)
}

/// Makes a file that only this user may read, to be written; nobody else's file or link is written into.
#[cfg(unix)]
pub(crate) fn private(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Makes a file to be written, which is none yet.
#[cfg(not(unix))]
pub(crate) fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("auralync-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn a_secret_is_read_as_it_was_written_and_nothing_stays_beside_it() {
        let folder = scratch("secret");
        let path = folder.join("deep/room.key");
        assert!(read(&path).unwrap().is_none());
        for text in ["one", "another"] {
            write(&path, text.as_bytes()).unwrap();
            assert_eq!(**read(&path).unwrap().unwrap(), *text.as_bytes());
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_is_longer_than_any_of_ours_is_refused_and_not_cut() {
        let folder = scratch("long-secret");
        let path = folder.join("rooms.key");
        write(&path, &vec![b'A'; LONGEST as usize]).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().len(), LONGEST as usize);
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        for length in [LONGEST + 1, 1 << 40] {
            file.set_len(length).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("longer than"), "{error}");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_a_program_that_was_killed_left_beside_a_secret_goes_with_the_next_one() {
        let folder = scratch("left-secret");
        let path = folder.join("room.key");
        write(&path, b"first").unwrap();
        let others = [".rooms.key.0123456789abcdef.new", ".room.key.new", "room.key.old"];
        for name in others.into_iter().chain([".room.key.0123456789abcdef.new"]) {
            fs::write(folder.join(name), b"secret").unwrap();
        }
        write(&path, b"second").unwrap();
        assert!(!folder.join(".room.key.0123456789abcdef.new").exists());
        for name in others {
            assert!(folder.join(name).exists(), "{name} is not ours to remove");
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_in_a_folder_where_anybody_may_put_files_is_neither_believed_nor_written() {
        use std::os::unix::fs::PermissionsExt;
        let folder = scratch("anybodys-folder");
        let path = folder.join("room.key");
        write(&path, b"secret").unwrap();
        for (mode, is_fine) in [(0o777, false), (0o1777, true), (0o775, true), (0o755, true)] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            for done in [read(&path).map(drop), write(&path, b"secret")] {
                let said = done.map_err(|e| e.to_string());
                assert_eq!(said.is_ok(), is_fine, "{mode:o}: {said:?}");
            }
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_of_windows_is_a_users_own_below_their_profile_and_nowhere_else() {
        let own = |folder: &str| is_below(Path::new(folder), Path::new(r"C:\Users\Ann"));
        for folder in
            [r"C:\Users\Ann\AppData\Roaming\auralync", r"c:/users/ANN/x", r"C:\Users\Ann\"]
        {
            assert!(own(folder), "{folder}");
        }
        for folder in [r"C:\Users\Anna\AppData", r"D:\shared", r"C:\Users\Ann\..\Public", ""] {
            assert!(!own(folder), "{folder}");
        }
        assert!(!is_below(Path::new(r"C:\x"), Path::new("")));
    }

    #[cfg(unix)]
    #[test]
    fn only_a_users_own_file_is_believed_and_in_no_folder_of_somebody_elses() {
        let whose = |user, mode| Whose { user, mode };
        let (us, other, root) = (1000, 1001, 0);
        let found = |us, folder, file: Whose| fault(us, folder, Some(file));
        let own = whose(us, 0o600);
        for folder in [whose(us, 0o700), whose(us, 0o775), whose(root, 0o755), whose(root, 0o1777)]
        {
            assert_eq!(found(us, folder, own), None, "{folder:?}");
            assert_eq!(found(us, folder, whose(other, 0o600)), Some(Fault::Another), "{folder:?}");
            assert_eq!(found(us, folder, whose(us, 0o640)), Some(Fault::Open), "{folder:?}");
        }
        for folder in [whose(other, 0o755), whose(us, 0o777), whose(root, 0o777)] {
            assert_eq!(found(us, folder, own), Some(Fault::Folder), "{folder:?}");
        }
        // Root, in a container or by sudo, with a folder of the user's.
        assert_eq!(found(root, whose(us, 0o700), own), None);
        assert_eq!(found(root, whose(us, 0o700), whose(root, 0o600)), None);
        assert_eq!(found(root, whose(root, 0o1777), own), Some(Fault::Another));
    }

    #[cfg(unix)]
    #[test]
    fn a_secret_that_others_may_read_and_a_link_are_refused_in_words() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
        let folder = scratch("open-secret");
        let path = folder.join("room.key");
        write(&path, b"secret").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        for mode in [0o640, 0o604, 0o622] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let link = folder.join("link.key");
        symlink(&path, &link).unwrap();
        assert!(read(&link).unwrap_err().to_string().contains("link"));
        write(&link, b"new").unwrap();
        assert_eq!(**read(&path).unwrap().unwrap(), *b"secret", "no link is written through");
        fs::remove_dir_all(folder).unwrap();
    }
}
