//! Files with secrets: only their owner reads them, and they are written whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Error, Result, plain};
use crate::preset;

/// Longest file that is read, in bytes: a client's 256 rooms.
const LONGEST: u64 = 64 * 1024;

/// The file of that name among this user's settings.
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

/// What the file holds; `None` where there is none.
///
/// # Errors
/// [`Error::File`] where it cannot be read, is a link, or others may read it too.
pub(crate) fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let failed = |why: String, fix: &str| Error::file(path, why, fix);
    let kind = match fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(plain(&e), "Make it a file that you may read")),
        Ok(metadata) => metadata,
    };
    if !kind.is_file() {
        let why = "a secret is a file of its own, and this is a link or a folder".to_owned();
        return Err(failed(why, "Remove it: a new one is made"));
    }
    if let Some(fix) = is_open_to_others(&kind, path) {
        let why = "others on this computer may read this secret, or have changed it".to_owned();
        return Err(failed(why, &fix));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let file = File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    file.map_err(|e| failed(plain(&e), "Make it a file that you may read"))?;
    Ok(Some(bytes))
}

/// Writes the file anew: it is there whole, or as it was.
///
/// # Errors
/// [`Error::File`] where it cannot be written.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed =
        |e: io::Error| Error::file(path, plain(&e), "Make its folder one that you may write to");
    let folder = path.parent().unwrap_or(Path::new("."));
    make_private(folder).map_err(failed)?;
    let beside = folder.join(format!(".{:016x}.new", crate::random::random()));
    let written = private(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let put = written.and_then(|()| fs::rename(&beside, path));
    put.inspect_err(|_| drop(fs::remove_file(&beside))).map_err(failed)
}

/// What to do where others than the owner may read or write the file, or it is another's.
#[cfg(unix)]
fn is_open_to_others(metadata: &fs::Metadata, path: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let is_open = metadata.mode() & 0o077 != 0;
    is_open.then(|| {
        let path = path.display();
        format!("Type chmod 600 “{path}” if nobody has, or remove it: a new one is made")
    })
}

/// What is in a user's own folder on Windows only that user may read: it inherits that folder's rights, and
/// [`place`] warns where it is elsewhere.
#[cfg(not(unix))]
fn is_open_to_others(_metadata: &fs::Metadata, _path: &Path) -> Option<String> {
    None
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
