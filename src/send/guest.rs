//! Who was let into a private room by whoever runs it, or may talk there: people known by their keys, and
//! the file in which they are kept.

use std::path::{Path, PathBuf};

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::error::Result;
use crate::format::printable_name;
use crate::secret_file::{self, Writer};
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

/// What is said when somebody could not be remembered, with the reason behind it.
const LOST: &str = "who was let in is not remembered, and is asked for again the next time";

/// Those whom this user's room has let in before; nobody where there is no file.
///
/// # Errors
/// [`Error::File`](crate::Error::File) where the file cannot be read.
pub(super) fn known() -> Result<Vec<Guest>> {
    let text = secret_file::read(&secret_file::place(FILE)?)?;
    Ok(text.map_or(Vec::new(), |text| read(&text)))
}

/// Keeps them all, as they were told last, on a thread of its own: a disk may take its time.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) where the environment names no folder of this user's, or the
/// system gives no thread.
pub(super) fn keeper() -> Result<Writer<Vec<Guest>>> {
    let path: PathBuf = secret_file::place(FILE)?;
    Writer::start("keep guests", LOST, |_, newer| newer, move |all: &Vec<_>| keep(&path, all))
}

fn keep(path: &Path, guests: &[Guest]) -> Result<()> {
    let lines = guests.iter().map(|Guest { right, key, name }| {
        let right = if *right == Right::Talk { "talk" } else { "enter" };
        // Whatever somebody calls themselves, it is no line.
        let name = printable_name(name, MAX_NAME_BYTES, MAX_NAME_BYTES);
        format!("{right} {} {name}\n", Base64UrlUnpadded::encode_string(key))
    });
    secret_file::write(path, lines.collect::<String>().as_bytes())
}

/// The people in a file, the newest; lines that name nobody are skipped.
fn read(text: &[u8]) -> Vec<Guest> {
    let lines = text.split(|byte| *byte == b'\n').filter_map(|line| str::from_utf8(line).ok());
    let mut guests: Vec<_> = lines.filter_map(guest_in).collect();
    guests.drain(..guests.len().saturating_sub(MOST_GUESTS));
    guests
}

fn guest_in(line: &str) -> Option<Guest> {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn guest(right: Right, n: u8, name: &str) -> Guest {
        Guest { right, key: [n; 32], name: name.to_owned() }
    }

    #[test]
    fn who_was_let_in_is_read_as_it_was_kept_and_nobody_is_read_from_other_lines() {
        let folder = Scratch::new();
        let path = folder.path(FILE);
        let guests = [guest(Right::Enter, 1, "Ann of the attic"), guest(Right::Talk, 2, "")];
        keep(&path, &guests).unwrap();
        let text = secret_file::read(&path).unwrap().unwrap();
        assert_eq!(read(&text), guests);
        for line in ["", "enter", "enter AAAA Ann", "leave AAAA Ann", "enter \u{1b} Ann", "\u{0}"] {
            assert_eq!(read(line.as_bytes()), [], "{line}");
        }
        assert_eq!(read(&text[..20]), [], "cut short");
    }

    #[test]
    fn a_name_never_becomes_a_line_of_its_own_and_a_bad_byte_costs_its_own_line_alone() {
        let folder = Scratch::new();
        let path = folder.path(FILE);
        let eve = Base64UrlUnpadded::encode_string(&[7; 32]);
        let name = format!("Ann\nenter {eve} Eve\r\u{1b}[2J\u{2028}");
        keep(&path, &[guest(Right::Talk, 1, &name), guest(Right::Enter, 2, "Bob")]).unwrap();
        let mut text = secret_file::read(&path).unwrap().unwrap().to_vec();
        let known = read(&text);
        assert_eq!(known.len(), 2, "{known:?}");
        assert!(known.iter().all(|guest| guest.key != [7; 32]), "{known:?}");
        assert!(!text.contains(&0x1b));
        text.extend(b"enter \xff\xfe\n");
        assert_eq!(read(&text).len(), 2);
    }

    #[test]
    fn of_more_people_than_are_remembered_the_newest_are_read() {
        let line = |n: u16| {
            let mut key = [0; 32];
            key[..2].copy_from_slice(&n.to_be_bytes());
            format!("enter {} \n", Base64UrlUnpadded::encode_string(&key))
        };
        let text: String = (0..MOST_GUESTS as u16 + 1).map(line).collect();
        let known = read(text.as_bytes());
        assert_eq!((known.len(), known[0].key[1]), (MOST_GUESTS, 1));
    }

    #[test]
    fn the_longest_file_has_room_for_all() {
        let longest = "ü".repeat(MAX_NAME_BYTES / 2);
        let all = vec![guest(Right::Enter, 1, &longest); MOST_GUESTS];
        let folder = Scratch::new();
        let path = folder.path(FILE);
        keep(&path, &all).unwrap();
        assert_eq!(read(&secret_file::read(&path).unwrap().unwrap()).len(), MOST_GUESTS);
    }
}
