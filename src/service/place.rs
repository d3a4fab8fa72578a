//! Where files of a service are that only this user needs.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{Program, no_home};
use crate::error::Result;

/// The file in which it stands what the program says, where the system has no log of its own.
pub(super) fn log(program: Program) -> Result<PathBuf> {
    Ok(folder()?.join(format!("{}.log", program.name())))
}

/// The file that is locked as long as the program is kept running.
pub(super) fn lock(program: Program) -> Result<PathBuf> {
    Ok(folder()?.join(format!("{}.running", program.name())))
}

/// The file that asks the one who keeps the program running to end it.
pub(super) fn stop(program: Program) -> Result<PathBuf> {
    Ok(folder()?.join(format!("{}.stop", program.name())))
}

/// The file that names the folder in which the flags were typed.
#[cfg(windows)]
pub(super) fn typed_in(program: Program) -> Result<PathBuf> {
    Ok(folder()?.join(format!("{}.folder", program.name())))
}

fn folder() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    folder_from(variable)
        .ok_or_else(|| no_home(if cfg!(windows) { "LOCALAPPDATA" } else { "HOME" }))
}

#[cfg(windows)]
fn folder_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(PathBuf::from(variable("LOCALAPPDATA")?).join("auralync"))
}

#[cfg(target_os = "macos")]
fn folder_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(PathBuf::from(variable("HOME")?).join("Library/Logs"))
}

#[cfg(not(any(windows, target_os = "macos")))]
fn folder_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // The XDG rules say to ignore a path that is not absolute.
    let state = variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = match state {
        Some(state) => state,
        None => PathBuf::from(variable("HOME")?).join(".local/state"),
    };
    Some(state.join("auralync"))
}
