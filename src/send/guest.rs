//! Who was let into a private room by whoever runs it, or may talk there: people known by their keys, and
//! the file in which they are kept.

use std::path::Path;

use base64ct::{Base64UrlUnpadded, Encoding};
use log::warn;

use crate::error::Result;
use crate::format::printable_name;
use crate::secret_file;
use crate::wire::MAX_NAME_BYTES;

/// The file's name, in the folder of this user's settings.
const FILE: &str = "guests.keys";

/// People who are remembered, the newest: as many as the file has room for with the longest names.
pub(super) const MOST_GUESTS: usize = 500;

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// They come in unasked.
    Enter,
    /// They speak, under that name.
    Talk,
}

/// Somebody, by their public key, and what they called themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Guest {
    pub(super) right: Right,
    pub(super) key: [u8; 32],
    pub(super) name: String,
}

/// Those whom this user's room has let in before.
///
/// # Errors
/// [`Error::File`](crate::Error::File) where the file cannot be read.
pub(super) fn known() -> Result<Vec<Guest>> {
    let text = secret_file::read(&secret_file::place(FILE)?)?;
    Ok(text.map_or(Vec::new(), |text| read(&text)))
}

/// Keeps them, on a thread of its own: a disk may take its time.
pub(super) fn keep_soon(guests: Vec<Guest>) {
    let keep = move || {
        if let Err(e) = secret_file::place(FILE).and_then(|path| keep(&path, &guests)) {
            warn!("who was let in is not remembered, and is asked for again the next time: {e}");
        }
    };
    if let Err(e) = std::thread::Builder::new().name("keep guests".to_owned()).spawn(keep) {
        warn!("who was let in is not remembered: {e}");
    }
}

fn keep(path: &Path, guests: &[Guest]) -> Result<()> {
    let lines = guests.iter().map(|Guest { right, key, name }| {
        let right = if *right == Right::Talk { "talk" } else { "enter" };
        format!("{right} {} {name}\n", Base64UrlUnpadded::encode_string(key))
    });
    secret_file::write(path, lines.collect::<String>().as_bytes())
}

/// The people in a file; lines that name nobody are skipped.
fn read(text: &[u8]) -> Vec<Guest> {
    let text = std::str::from_utf8(text).unwrap_or_default();
    let guests = text.lines().filter_map(|line| {
        let mut words = line.splitn(3, ' ');
        let right = match words.next()? {
            "enter" => Right::Enter,
            "talk" => Right::Talk,
            _ => return None,
        };
        let mut key = [0; 32];
        let read = Base64UrlUnpadded::decode(words.next()?, &mut key).map(<[u8]>::len);
        let name = printable_name(words.next().unwrap_or_default(), MAX_NAME_BYTES, MAX_NAME_BYTES);
        (read == Ok(32)).then_some(Guest { right, key, name })
    });
    guests.take(MOST_GUESTS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(right: Right, n: u8, name: &str) -> Guest {
        Guest { right, key: [n; 32], name: name.to_owned() }
    }

    #[test]
    fn who_was_let_in_is_read_as_it_was_kept_and_nobody_is_read_from_other_lines() {
        let folder = std::env::temp_dir().join(format!("auralync-guests-{}", std::process::id()));
        let path = folder.join(FILE);
        let guests = [guest(Right::Enter, 1, "Ann of the attic"), guest(Right::Talk, 2, "")];
        keep(&path, &guests).unwrap();
        let text = secret_file::read(&path).unwrap().unwrap();
        assert_eq!(read(&text), guests);
        for line in ["", "enter", "enter AAAA Ann", "leave AAAA Ann", "enter \u{1b} Ann", "\u{0}"] {
            assert_eq!(read(line.as_bytes()), [], "{line}");
        }
        assert_eq!(read(&text[..20]), [], "cut short");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_longest_file_has_room_for_all() {
        let longest = "ü".repeat(MAX_NAME_BYTES / 2);
        let all = vec![guest(Right::Enter, 1, &longest); MOST_GUESTS];
        let folder = std::env::temp_dir().join(format!("auralync-many-{}", std::process::id()));
        let path = folder.join(FILE);
        keep(&path, &all).unwrap();
        assert_eq!(read(&secret_file::read(&path).unwrap().unwrap()).len(), MOST_GUESTS);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
