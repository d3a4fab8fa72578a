//! The secret that the servers of one room share: made once where the sound is, and copied to every edge.
//!
//! The file `engine-ROOM.key` holds it, 32 bytes, as 43 characters of base64url. Whoever reads it hears the room and
//! may pretend to be any of its servers.

use std::path::Path;

use super::sealed::Backbone;
use crate::error::{Error, Result};
use crate::secret_file::{self, KeyFile};
use crate::secure::Key;
use crate::source::RoomName;

/// The name of its key's file.
#[must_use]
pub fn file_name(room: &RoomName) -> String {
    format!("engine-{room}.key")
}

/// The name of the file with the certificate of its engine.
#[must_use]
pub fn certificate_name(room: &RoomName) -> String {
    format!("engine-{room}.crt")
}

/// The room as the server knows it that has the sound. Its key is made where there is none. This waits for the disk.
///
/// # Errors
/// [`Error::File`] where the file cannot be read or written, or holds something else, which is left as it is;
/// [`Error::Internal`] where the environment names no folder of this user's, or the system gives no random numbers.
pub fn own(room: &RoomName) -> Result<Backbone> {
    own_in(&secret_file::place(&file_name(room))?)
}

/// The room as an edge knows it, whose key somebody has put there.
///
/// # Errors
/// As [`own`], and [`Error::File`] where there is none.
pub fn known(room: &RoomName) -> Result<Backbone> {
    known_in(&secret_file::place(&file_name(room))?)
}

/// The room whose key is in that file.
///
/// # Errors
/// [`Error::File`] where there is none.
#[doc(hidden)]
pub fn in_file(path: &Path) -> Result<Backbone> {
    known_in(path)
}

fn key_file(path: &Path) -> KeyFile<'_, 32> {
    let why = "this is no key of a room between servers, or a part of one";
    let fix = "Copy it once more from the PC that has the sound; there, remove it, and a new one is made that every edge \
               needs";
    KeyFile { path, wrong: (why, fix) }
}

fn own_in(path: &Path) -> Result<Backbone> {
    key_file(path).own().map(|bytes| Backbone::new(&Key::new(*bytes)))
}

fn known_in(path: &Path) -> Result<Backbone> {
    let known = key_file(path).known()?.ok_or_else(|| {
        Error::file(
            path,
            "the room's key is looked for here, and there is none",
            "Copy the file of that name from the PC that has the sound: the folder there is the same, and \
             auralync-server --engine makes it",
        )
    });
    known.map(|bytes| Backbone::new(&Key::new(*bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_rooms_key_is_made_once_and_an_edge_with_a_copy_knows_the_same_room() {
        let folder = Scratch::new();
        let (origin, edge) = (folder.path("engine-a.key"), folder.path("engine-b.key"));
        let made = own_in(&origin).unwrap();
        assert_eq!(own_in(&origin).unwrap().id(), made.id());
        let missing = known_in(&edge).unwrap_err().to_string();
        assert!(missing.contains("Copy the file"), "{missing}");
        let text = secret_file::read(&origin).unwrap().unwrap();
        // As an editor would leave it.
        secret_file::write(&edge, &[&text[..], b"\n"].concat()).unwrap();
        assert_eq!(known_in(&edge).unwrap().id(), made.id());
        assert_ne!(own_in(&folder.path("engine-c.key")).unwrap().id(), made.id());
    }

    #[test]
    fn what_is_no_key_is_refused_and_left_as_it_is() {
        let folder = Scratch::new();
        let path = folder.path("engine-room.key");
        secret_file::write(&path, b"no key").unwrap();
        for error in [own_in(&path).unwrap_err(), known_in(&path).unwrap_err()] {
            assert!(error.to_string().contains("no key of a room"), "{error}");
        }
        assert_eq!(**secret_file::read(&path).unwrap().unwrap(), *b"no key");
    }
}
