//! The user's own folder, and how files in it are written anew.

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

#[cfg(test)]
mod tests {
    use super::*;

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
