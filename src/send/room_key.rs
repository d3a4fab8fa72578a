//! The secret of a private room, and the server's key: made once and kept, so that links stay valid.

use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding};
use log::warn;
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::random;
use crate::secret_file;
use crate::secure::Key;
use crate::secure::handshake::Pair;
use crate::secure::host::Host;
use crate::secure::room::{SECRET, Secret};

/// The file's name, in the folder of this user's settings.
const FILE: &str = "room.key";

/// Bytes of the file, once read: the room's secret and the server's private key.
const BYTES: usize = SECRET + 32;

/// The keys of this user's room, made where there are none; with `is_new` another secret, so that older
/// links are of no use any more.
///
/// # Errors
/// [`Error::File`] where the file cannot be read or written, or holds something else.
pub(super) fn own(is_new: bool) -> Result<Host> {
    kept_in(&secret_file::place(FILE)?, is_new)
}

fn kept_in(path: &Path, is_new: bool) -> Result<Host> {
    let kept = secret_file::read(path)?.map(|text| read(path, &text)).transpose()?;
    let (mut bytes, is_kept) = match kept {
        Some(bytes) => (bytes, true),
        None => (random::secret::<BYTES>()?, false),
    };
    if is_new {
        bytes[..SECRET].copy_from_slice(&*random::secret::<SECRET>()?);
    }
    let (mut secret, mut private) = (Zeroizing::new([0; SECRET]), Zeroizing::new([0; 32]));
    secret.copy_from_slice(&bytes[..SECRET]);
    private.copy_from_slice(&bytes[SECRET..]);
    let host = Host { secret: Secret::new(*secret), pair: Pair::new(Key::new(*private)) };
    if is_new || !is_kept {
        keep(path, &host)?;
    }
    Ok(host)
}

/// Keeps another key for this user's room, on a thread of its own: a disk may take its time.
pub(super) fn keep_soon(host: Host) {
    let keep = move || {
        if let Err(e) = secret_file::place(FILE).and_then(|path| keep(&path, &host)) {
            warn!(
                "the room's new key is not kept, so that the old link is back the next time: {e}"
            );
        }
    };
    let thread = std::thread::Builder::new().name("keep key".to_owned());
    if let Err(e) = thread.spawn(keep) {
        warn!("the room's new key is not kept: {e}");
    }
}

fn keep(path: &Path, host: &Host) -> Result<()> {
    let bytes = Zeroizing::new([&host.secret.bytes()[..], host.pair.private().bytes()].concat());
    let text = Zeroizing::new(Base64UrlUnpadded::encode_string(&bytes));
    secret_file::write(path, text.as_bytes())
}

fn read(path: &Path, text: &[u8]) -> Result<Zeroizing<[u8; BYTES]>> {
    let mut bytes = Zeroizing::new([0; BYTES]);
    let read = Base64UrlUnpadded::decode(text.trim_ascii(), &mut *bytes);
    if read.is_ok_and(|read| read.len() == BYTES) {
        return Ok(bytes);
    }
    Err(Error::file(
        path,
        "this is no key of a room, or a part of one",
        "Remove it: a new one is made, and everybody needs the new link",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_keeps_its_key_until_a_new_one_is_asked_for_and_the_server_keeps_its_own() {
        let folder = std::env::temp_dir().join(format!("auralync-room-{}", std::process::id()));
        let path = folder.join(FILE);
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
        std::fs::remove_dir_all(folder).unwrap();
    }
}
