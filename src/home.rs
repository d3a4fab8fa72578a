//! The user's own folder.

use std::path::{Path, PathBuf};

/// The path that somebody typed, where a `~` in front stands for the user's own folder. Shells put
/// that in only where the word begins with it, and not behind `wav:` or `=`.
pub(crate) fn expanded(typed: &str) -> PathBuf {
    within(std::env::home_dir().as_deref(), typed)
}

fn within(home: Option<&Path>, typed: &str) -> PathBuf {
    let behind = typed.strip_prefix('~').filter(|behind| {
        behind.is_empty() || behind.starts_with('/') || (cfg!(windows) && behind.starts_with('\\'))
    });
    match (home, behind) {
        (Some(home), Some(behind)) => home.join(behind.trim_start_matches(['/', '\\'])),
        _ => PathBuf::from(typed),
    }
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
            assert_eq!(within(home, typed), Path::new(path), "{typed}");
        }
        assert_eq!(within(home, "~").components().count(), 3);
        assert_eq!(within(None, "~/film.wav"), Path::new("~/film.wav"));
    }
}
