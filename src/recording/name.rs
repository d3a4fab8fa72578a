//! What a recording may be called, and where it may be.

use std::fs::FileType;
use std::path::Path;

use super::Kind;
use crate::error::{Error, Result, plain};

/// Longest name that is taken from somebody else, in bytes: every file system has room for it.
const LONGEST_NAME: usize = 100;

/// Longest part of a track's file that comes from its source's name, in bytes.
const LONGEST_TRACK_NAME: usize = 60;

/// Names that Windows keeps for devices, whatever comes behind a dot.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];

/// Refuses at once what could never be written: better said before the server is asked, or the
/// film has begun.
///
/// # Errors
///
/// [`Error::File`] for a file that exists and may not be replaced, for a folder, and where there is
/// no folder for it.
pub fn refuse_at_once(path: &Path, overwrite: bool) -> Result<()> {
    if path.is_dir() {
        return Err(Error::file(path, "this is a folder", "Add a file's name to it"));
    }
    if let Some(what) = path.metadata().ok().and_then(|about| no_file(about.file_type())) {
        let fix =
            "Name an ordinary file. auralync-client --output wav:- gives sound to other programs";
        return Err(Error::file(path, what, fix));
    }
    if path.exists() && !overwrite {
        return Err(Error::file(
            path,
            "this file already exists",
            "Choose another name, or add --overwrite to replace it",
        ));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => Err(Error::file(
            path,
            "its folder does not exist",
            "Make the folder, or choose another",
        )),
        _ => Ok(()),
    }
}

/// Refuses at once a folder that no recording could be written into.
///
/// # Errors
///
/// [`Error::File`] for what is no folder, and for one that may not be written into.
pub fn refuse_folder_at_once(folder: &Path) -> Result<()> {
    let refused = |why: &str, fix: &str| Err(Error::file(folder, why, fix));
    match std::fs::metadata(folder) {
        Ok(data) if data.is_dir() => {}
        Ok(_) => return refused("this is not a folder", "Name a folder for recordings"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return refused("this folder does not exist", "Make it, or name another");
        }
        Err(error) => return refused(&plain(&error), "Name another folder"),
    }
    // Rights alone do not say it: a disk may be full, or be mounted to be read alone.
    let probe = folder.join(format!(".auralync-{}", std::process::id()));
    match std::fs::File::create_new(&probe) {
        Ok(_) => {
            let _ = std::fs::remove_file(&probe);
            Ok(())
        }
        Err(error) => refused(&plain(&error), "Name a folder that you may write into"),
    }
}

/// What is there instead of an ordinary file, whose header is written last and read from its start.
#[cfg(unix)]
fn no_file(there: FileType) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    match there {
        there if there.is_fifo() => Some("this is a pipe"),
        there if there.is_socket() => Some("this is a socket"),
        there if there.is_file() => None,
        _ => Some("this is a device"),
    }
}

#[cfg(not(unix))]
fn no_file(there: FileType) -> Option<&'static str> {
    (!there.is_file()).then_some("this is no ordinary file")
}

/// Takes the name of a file from somebody who may choose a name and nothing else: no folder, no way
/// out of the one that was named at the start, no device.
///
/// # Errors
///
/// [`Error::Usage`] for anything but a plain name that ends in `.wav`, `.flac` or `.opus`.
pub fn check_name(name: &str) -> Result<()> {
    let refused = |why: &str| {
        let name = crate::format::printable(name, LONGEST_NAME);
        Err(Error::usage(
            format!("a recording cannot be called “{name}”: {why}"),
            "Give it a plain name that ends in .wav, .flac or .opus",
        ))
    };
    if name.len() > LONGEST_NAME {
        return refused("that is too long");
    }
    if name.starts_with(['.', ' ', '-']) {
        return refused("of that start it would be hard to find");
    }
    let is_plain = |c: char| c.is_alphanumeric() || " .,-_()+&'".contains(c);
    if !name.chars().all(is_plain) {
        return refused("only letters, digits, spaces and . , - _ ( ) + & ' are for names");
    }
    let first = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    // Windows takes raised digits for digits there.
    let is_digit = |c: char| c.is_ascii_digit() || "¹²³".contains(c);
    if DEVICES.contains(&first.trim_end_matches(is_digit)) {
        return refused("that is the name of a device");
    }
    Kind::of(Path::new(name)).map(|_| ())
}

/// A name for the file of a track whose source or talker is called `name`, the `number`th.
pub(super) fn of_track(number: u32, name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect::<String>()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join("-");
    let mut short = String::new();
    for c in plain.chars() {
        if short.len() + c.len_utf8() > LONGEST_TRACK_NAME {
            break;
        }
        short.push(c);
    }
    if short.is_empty() {
        short.push_str("track");
    }
    format!("{number:02}-{short}.wav")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn what_is_no_ordinary_file_is_called_what_it_is() {
        use crate::scratch::Scratch;
        let scratch = Scratch::new();
        let socket = scratch.path("socket.wav");
        let _listens = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let pipe = scratch.path("pipe.wav");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for (path, what) in [
            (socket.as_path(), "a socket"),
            (&pipe, "a pipe"),
            (Path::new("/dev/null"), "a device"),
        ] {
            let error = refuse_at_once(path, true).unwrap_err().to_string();
            assert!(error.contains(&format!("this is {what}")), "{error}");
        }
    }

    #[test]
    fn a_plain_name_is_taken() {
        for name in ["evening.wav", "Film 3 (take 2).flac", "Zoë & Søren.opus", "2026-11-21.WAV"]
        {
            check_name(name).unwrap();
        }
    }

    #[test]
    fn a_name_that_leads_anywhere_is_refused_in_one_line() {
        for name in [
            "../a.wav",
            "a/b.wav",
            "a\\b.wav",
            "/a.wav",
            "C:a.wav",
            ".a.wav",
            "-a.wav",
            "a.txt",
            "",
            "a\n.wav",
            "\u{1b}[2J.wav",
            "a\0.wav",
            "..",
            "nul.wav",
            "COM1.wav",
            "Lpt9 .flac",
            "COM¹.wav",
            "LPT².wav",
            "com³ .opus",
            &format!("{}.wav", "a".repeat(200)),
        ] {
            let error = check_name(name).unwrap_err().to_string();
            assert!(!error.contains(['\n', '\u{1b}']), "{error:?}");
        }
    }

    #[test]
    fn a_folder_that_takes_no_recordings_is_refused_and_one_that_does_stays_empty() {
        let scratch = crate::scratch::Scratch::new();
        let folder = scratch.path("here");
        let refused = |path: &Path| refuse_folder_at_once(path).unwrap_err().to_string();
        assert!(refused(&folder).ends_with("this folder does not exist. Make it, or name another"));
        std::fs::create_dir(&folder).unwrap();
        refuse_folder_at_once(&folder).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        let file = folder.join("a.wav");
        std::fs::write(&file, "").unwrap();
        assert!(refused(&file).contains("not a folder"));
    }

    #[test]
    fn a_track_is_called_after_its_source_whatever_that_is_called() {
        for (name, file) in [
            ("device:USB mic", "03-device-USB-mic.wav"),
            ("../../etc/passwd", "03-etc-passwd.wav"),
            ("\u{1b}[2J", "03-2J.wav"),
            ("", "03-track.wav"),
        ] {
            assert_eq!(of_track(3, name), file);
        }
        assert!(of_track(3, &"居".repeat(10_000)).len() < LONGEST_NAME);
        assert_eq!(of_track(100, "a"), "100-a.wav");
    }
}
