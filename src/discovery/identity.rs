//! The id of an installation, by which listeners tell servers of one name apart.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use log::debug;

use super::record::{ID_DIGITS, is_id};
use crate::preset;

/// The file's name, in the folder of this user's settings.
const FILE: &str = "server.id";

/// This installation's id: made by the first server that is announced here, and kept in this user's
/// settings. Where nothing can be kept, each start has its own.
#[must_use]
pub fn own() -> String {
    preset::config_directory().map_or_else(new, |folder| kept_in(&folder))
}

fn kept_in(folder: &Path) -> String {
    let path = folder.join(FILE);
    if let Some(id) = read(&path) {
        return id;
    }
    let id = new();
    let written = fs::create_dir_all(folder).and_then(|()| {
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)?
            .write_all(id.as_bytes())
    });
    if let Err(e) = written {
        debug!("{}: {e}", path.display());
    }
    id
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(ID_DIGITS as u64 + 2).read_to_string(&mut text).ok()?;
    let id = text.trim();
    is_id(id).then(|| id.to_lowercase())
}

fn new() -> String {
    format!("{:016x}", crate::random::random())
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn an_installation_keeps_its_id() {
        let folder = std::env::temp_dir().join(format!("auralync-identity-{}", std::process::id()));
        let inner = folder.join("auralync");
        let id = kept_in(&inner);
        assert!(is_id(&id), "{id}");
        assert_eq!(kept_in(&inner), id);
        fs::write(inner.join(FILE), "no id").unwrap();
        let other = kept_in(&inner);
        assert_ne!(other, id);
        assert_eq!(kept_in(&inner), other);
        fs::remove_dir_all(folder).unwrap();
    }
}
