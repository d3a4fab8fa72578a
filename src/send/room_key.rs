//! The secret of a private room, and the server's key: made once and kept, so that links stay valid.
//!
//! The file `room.key` holds both, 48 bytes, as 64 characters of base64url. Whoever reads it may come in and
//! pretend to be this server.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::Result;
use crate::random;
use crate::secret_file::{self, KeyFile, Writer};
use crate::secure::Key;
use crate::secure::handshake::Pair;
use crate::secure::host::Host;
use crate::secure::room::{SECRET, Secret};

/// The file's name, in the folder of this user's settings.
const FILE: &str = "room.key";

/// Bytes of the file, once read: the room's secret and the server's private key.
const BYTES: usize = SECRET + 32;

/// What is said when another key could not be kept, with the reason behind it.
const LOST: &str = "the room's new key is not kept, so that the old link is back the next time";

/// The keys of this user's room, made where there are none; with `is_new` another secret, so that older
/// links are of no use any more, and the same key of the server. What is returned is in the file: whoever
/// makes a key at the same moment gets the same one. This waits for the disk.
///
/// # Errors
/// [`Error::File`](crate::Error::File) where the file cannot be read or written, or holds something else, which is left
/// as it is; [`Error::Internal`](crate::Error::Internal) where the environment names no folder of this user's, or the
/// system gives no random numbers.
pub(super) fn own(is_new: bool) -> Result<Host> {
    kept_in(&secret_file::place(FILE)?, is_new)
}

fn kept_in(path: &Path, is_new: bool) -> Result<Host> {
    let why = "this is no key of a room, or a part of one";
    let fix = "Remove it: a new one is made, and everybody needs the new link";
    let file = KeyFile::<BYTES> { path, wrong: (why, fix) };
    let bytes = if is_new {
        file.changed(|bytes| {
            bytes[..SECRET].copy_from_slice(&*random::secret::<SECRET>()?);
            Ok(())
        })
    } else {
        file.own()
    };
    bytes.map(|bytes| host(&bytes))
}

fn host(bytes: &[u8; BYTES]) -> Host {
    let (mut secret, mut private) = (Zeroizing::new([0; SECRET]), Zeroizing::new([0; 32]));
    secret.copy_from_slice(&bytes[..SECRET]);
    private.copy_from_slice(&bytes[SECRET..]);
    Host { secret: Secret::new(*secret), pair: Pair::new(Key::new(*private)) }
}

/// Keeps other keys for this user's room, the newest, on a thread of its own: a disk may take its time.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) where the environment names no folder of this user's, or the system
/// gives no thread.
pub(super) fn keeper() -> Result<Writer<Host>> {
    keeper_of(secret_file::place(FILE)?)
}

fn keeper_of(path: PathBuf) -> Result<Writer<Host>> {
    let write = move |host: &Host| secret_file::write(&path, text(host).as_bytes());
    Writer::start("keep key", LOST, |_, newer| newer, write)
}

fn text(host: &Host) -> Zeroizing<String> {
    let bytes = Zeroizing::new([&host.secret.bytes()[..], host.pair.private().bytes()].concat());
    secret_file::line(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_room_keeps_its_key_until_a_new_one_is_asked_for_and_the_server_keeps_its_own() {
        let folder = Scratch::new();
        let path = folder.path(FILE);
        let first = kept_in(&path, false).unwrap();
        let again = kept_in(&path, false).unwrap();
        assert_eq!((&again.secret, again.pair.public), (&first.secret, first.pair.public));
        let new = kept_in(&path, true).unwrap();
        assert_ne!(new.secret, first.secret);
        assert_eq!(new.pair.public, first.pair.public, "who knows the server knows it again");
        assert_eq!(kept_in(&path, false).unwrap().link(), new.link());
        let text = secret_file::read(&path).unwrap().unwrap();
        for wrong in [&text[1..], b"", b"no key", &[&text[..], b"A"].concat()] {
            secret_file::write(&path, wrong).unwrap();
            let error = kept_in(&path, false).unwrap_err().to_string();
            assert!(error.contains("new link"), "{error}");
        }
    }

    #[test]
    fn of_many_new_keys_the_last_is_kept_and_one_that_cannot_be_is_told() {
        let folder = Scratch::new();
        let path = folder.path(FILE);
        let mut host = kept_in(&path, false).unwrap();
        let keeper = keeper_of(path.clone()).unwrap();
        for n in 0..100 {
            host.secret = Secret::new([n; SECRET]);
            keeper.put(host.clone());
        }
        assert_eq!(keeper.watch().written(), Ok(()));
        assert_eq!(kept_in(&path, false).unwrap().link(), host.link());
        // Whoever may write everywhere cannot put a file where a folder is.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        keeper.put(host.clone());
        let why = keeper.watch().written().unwrap_err();
        assert!(why.contains("room.key"), "{why}");
        // It is tried again at the end.
        std::fs::remove_dir(&path).unwrap();
        drop(keeper);
        assert_eq!(kept_in(&path, false).unwrap().link(), host.link());
    }
}
