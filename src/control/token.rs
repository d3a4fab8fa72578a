//! The token that tells a server's owner from everybody else on the machine: a file that nobody
//! else may read.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use log::debug;

use crate::error::{Error, Result};
use crate::format::hex;
use crate::preset;
use crate::random;
use crate::secret_file::{make_private, private};

/// Random bytes of a token: nobody guesses 256 bits.
const BYTES: usize = 32;

/// The file of a running server's token. Dropping it removes the file.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    token: String,
}

impl TokenFile {
    /// Writes a fresh token for the server whose page is on `port`.
    ///
    /// # Errors
    /// [`Error::File`] if there is no place for it; [`Error::Internal`] without random numbers.
    pub fn write(port: u16) -> Result<Self> {
        let path = path(port)?;
        Self::write_to(path, hex(&*random::secret::<BYTES>()?))
    }

    fn write_to(path: PathBuf, token: String) -> Result<Self> {
        let failed = |e: io::Error| {
            let fix = "Make its folder one that you may write to; all else works without it";
            Error::file(&path, crate::error::plain(&e), fix)
        };
        if let Some(folder) = path.parent() {
            make_private(folder).map_err(failed)?;
        }
        // One that a server left which was killed; and nobody else's file or link is written into.
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        private(&path).and_then(|mut file| file.write_all(token.as_bytes())).map_err(failed)?;
        Ok(Self { path, token })
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        // A server that came later on the same port has written its own.
        if read_from(&self.path).is_ok_and(|token| token == self.token)
            && let Err(e) = fs::remove_file(&self.path)
        {
            debug!("{}: {e}", self.path.display());
        }
    }
}

/// The token of the server on this machine whose page is on `port`.
///
/// # Errors
/// [`Error::Usage`] where there is none that this user may read.
pub fn read(port: u16) -> Result<String> {
    let path = path(port)?;
    read_from(&path).map_err(|e| {
        Error::usage(
            format!(
                "no server whose page is on port {port} can be told anything: {} ({})",
                path.display(),
                crate::error::plain(&e)
            ),
            "Start auralync-server on this computer as the same user, or name the port of its \
             page, for example --server localhost:8081",
        )
    })
}

fn read_from(path: &Path) -> io::Result<String> {
    let mut token = String::new();
    File::open(path)?.take(2 * BYTES as u64).read_to_string(&mut token)?;
    // It becomes a line of a request.
    if token.len() == 2 * BYTES && token.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        Ok(token)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "it holds no token"))
    }
}

fn path(port: u16) -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = runtime_directory(variable).or_else(preset::config_directory);
    let folder = folder.ok_or_else(|| {
        let why = "the environment names no folder of this user's";
        Error::internal("there is no place for the control token", why)
    })?;
    Ok(folder.join(format!("control-{port}.token")))
}

#[cfg(windows)]
fn runtime_directory(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(PathBuf::from(variable("LOCALAPPDATA")?).join("auralync"))
}

#[cfg(not(windows))]
fn runtime_directory(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // The XDG rules say to ignore a path that is not absolute.
    let folder = variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    Some(folder?.join("auralync"))
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
    fn a_token_is_its_owners_alone_and_goes_with_the_server() {
        let folder = scratch("token");
        let path = folder.join("deep/control-1.token");
        let file = TokenFile::write_to(path.clone(), "ab".repeat(BYTES)).unwrap();
        assert_eq!(read_from(&path).unwrap(), file.token());
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
        }
        drop(file);
        assert!(!path.exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_next_servers_token_takes_its_place_and_stays_when_the_first_goes() {
        let folder = scratch("tokens");
        let path = folder.join("control-1.token");
        let first = TokenFile::write_to(path.clone(), "ab".repeat(BYTES)).unwrap();
        let second = TokenFile::write_to(path.clone(), "cd".repeat(BYTES)).unwrap();
        drop(first);
        assert_eq!(read_from(&path).unwrap(), second.token());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_holds_something_else_is_no_token() {
        let folder = scratch("no-token");
        fs::create_dir_all(&folder).unwrap();
        for content in ["", "ab", &"\r\nX: ".repeat(16), &"ab".repeat(5000)[..63]] {
            fs::write(folder.join("x"), content).unwrap();
            assert!(read_from(&folder.join("x")).is_err(), "{content:?}");
        }
        fs::remove_dir_all(folder).unwrap();
    }
}
