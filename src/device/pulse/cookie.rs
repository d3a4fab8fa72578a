//! What PulseAudio knows its users by: a file of their own that it reads as well.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::random;
use crate::secret_file::{make_private, private};

/// Its length, in bytes: servers send away whoever brings another, even where they ask for none.
pub(super) const LENGTH: usize = 256;

/// Makes the cookie where the user has none yet, as PulseAudio's own library does. On a machine where no
/// program has used that library, PipeWire's server would let none of ours in.
pub(in crate::device) fn make_sure() {
    if pulseaudio::socket_path_from_env().is_none() || pulseaudio::cookie_path_from_env().is_some()
    {
        return;
    }
    let Some(path) = place() else {
        log::debug!("no cookie for PulseAudio can be made: this user has no home");
        return;
    };
    if let Err(error) = make(&path) {
        log::debug!("cannot make {}, which PulseAudio knows users by: {error}", path.display());
    }
}

fn place() -> Option<PathBuf> {
    Some(std::env::home_dir()?.join(".config/pulse/cookie")).filter(|path| path.is_absolute())
}

fn make(path: &Path) -> io::Result<()> {
    let cookie = random::secret::<LENGTH>().map_err(io::Error::other)?;
    path.parent().map_or(Ok(()), make_private)?;
    private(path)?.write_all(&*cookie).inspect_err(|_| {
        // Half of one is worse than none.
        let _ = fs::remove_file(path);
    })
}
