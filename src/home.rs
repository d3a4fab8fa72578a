//! The user's own folder, how files in it are written anew, and files that are only locked.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The path that somebody typed, where a `~` in front stands for the user's own folder. Shells put
/// that in only where the word begins with it, and not behind `wav:` or `=`.
pub(crate) fn expanded(typed: &str) -> PathBuf {
    in_home(typed, |path| path.into())
}

/// What somebody typed, as `path` reads it, where a `~` in front stands for the user's own folder.
pub(crate) fn in_home(typed: &str, path: impl Fn(&str) -> PathBuf) -> PathBuf {
    within(std::env::home_dir().as_deref(), typed, path)
}

fn within(home: Option<&Path>, typed: &str, path: impl Fn(&str) -> PathBuf) -> PathBuf {
    let behind = typed.strip_prefix('~').filter(|behind| {
        behind.is_empty() || behind.starts_with('/') || (cfg!(windows) && behind.starts_with('\\'))
    });
    match (home.filter(|home| *home != Path::new("")), behind) {
        (Some(home), Some(behind)) => home.join(path(behind.trim_start_matches(['/', '\\']))),
        _ => path(typed),
    }
}

/// Puts `text` into a file, whole or not at all: one beside it takes its place. Its folder is made where it lacks.
///
/// # Errors
/// What the system says.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension(format!("{}.part", std::process::id()));
    path.parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(&beside, text))
        .and_then(|()| fs::rename(&beside, path))
        .inspect_err(|_| drop(fs::remove_file(&beside)))
}

/// Opens a file that is there to be locked, and makes it and its folder where they are not there. What it holds stays.
///
/// # Errors
/// What the system says, and [`io::ErrorKind::InvalidInput`] where something else than a file is there.
pub(crate) fn lock_file(path: &Path) -> io::Result<File> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    // A pipe or a device would make the program wait for ever.
    if fs::metadata(path).is_ok_and(|what| !what.is_file()) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // Windows locks nothing that was opened only to have something put behind its end.
    File::options().write(true).create(true).truncate(false).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_file_to_be_locked_is_one_programs_at_a_time_and_keeps_what_it_holds() {
        let scratch = Scratch::new();
        let path = scratch.path("a/b/lock");
        let first = lock_file(&path).unwrap();
        first.try_lock().unwrap();
        let second = lock_file(&path).unwrap();
        assert!(matches!(second.try_lock(), Err(fs::TryLockError::WouldBlock)));
        drop(first);
        second.try_lock().unwrap();
        drop(second);
        fs::write(&path, "words").unwrap();
        drop(lock_file(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "words");
        lock_file(&scratch.path("a/b")).unwrap_err();
    }

    #[test]
    fn a_tilde_in_front_is_the_users_own_folder_and_elsewhere_a_letter() {
        let home = Some(Path::new("/home/me"));
        for (typed, path) in [
            ("~/film.wav", "/home/me/film.wav"),
            ("~//film.wav", "/home/me/film.wav"),
            ("film~.wav", "film~.wav"),
            ("~you/film.wav", "~you/film.wav"),
            ("./~/film.wav", "./~/film.wav"),
            ("/a/~", "/a/~"),
            ("", ""),
        ] {
            assert_eq!(within(home, typed, |path| path.into()), Path::new(path), "{typed}");
        }
        assert_eq!(within(home, "~", |path| path.into()).components().count(), 3);
        assert_eq!(within(None, "~/film.wav", |path| path.into()), Path::new("~/film.wav"));
    }
}
