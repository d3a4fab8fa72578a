//! A launch agent of macOS, for one user.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{Installed, Job, Program, State, home, not_ours, place, plist, replace, with, written};
use crate::error::{Error, Result, plain};
use crate::format::printable;

/// Longest answer of launchd's that is shown, in characters.
const LONGEST_ANSWER: usize = 300;

/// Writes the list, and starts the program now and with each session.
pub(super) fn install(job: &Job) -> Result<String> {
    let path = file(job.program)?;
    let before = written(&path)?;
    if before.as_deref().is_some_and(|text| !plist::is_ours(text)) {
        return Err(not_ours(&path, job.program));
    }
    let log = place::log(job.program)?;
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder)
            .map_err(|e| Error::file(folder, plain(&e), "Make that folder, for the log"))?;
    }
    replace(&path, &plist::text(job))?;
    // What runs with the flags of before is ended, if there is any.
    let _ = ask(&["bootout", &target(job.program)]);
    if let Err(e) = ask(&["bootstrap", &domain(), &super::text(&path)?]) {
        match before {
            None => drop(std::fs::remove_file(&path)),
            Some(text) => replace(&path, &text)?,
        }
        return Err(e);
    }
    let (name, with) = (job.program.name(), with(&job.flags));
    Ok(format!(
        "{name} starts with your session from now on, {with}, and is started now.\n\
         What it says: {}\nIt ends when you sign out: macOS lets nothing of a user's go on after that.\n\
         {name} service remove ends that.",
        log.display()
    ))
}

/// Stops the program and takes its list away.
pub(super) fn remove(program: Program) -> Result<String> {
    let (name, path) = (program.name(), file(program)?);
    match written(&path)? {
        None => return Ok(format!("{name} does not start by itself: there is nothing to remove.")),
        Some(text) if !plist::is_ours(&text) => return Err(not_ours(&path, program)),
        Some(_) => {}
    }
    // It need not run.
    let _ = ask(&["bootout", &target(program)]);
    std::fs::remove_file(&path)
        .map_err(|e| Error::file(&path, plain(&e), "It is stopped. Remove the file yourself"))?;
    // Of no use without the program; the log may still be.
    let _ = std::fs::remove_file(place::lock(program)?);
    Ok(format!("{name} is stopped, and does not start by itself any more."))
}

/// How the service is.
pub(super) fn state(program: Program) -> Result<State> {
    let path = file(program)?;
    let installed = written(&path)?
        .map(|text| Installed { flags: plist::flags(&text), place: path.display().to_string() });
    let printed = ask(&["print", &target(program)]).unwrap_or_default();
    let log = place::log(program)?.display().to_string();
    Ok(State { program, installed, runs: plist::runs(&printed), log })
}

fn file(program: Program) -> Result<PathBuf> {
    Ok(home()?.join("Library/LaunchAgents").join(format!("{}.plist", plist::label(program))))
}

/// The session at the screen, which has the sound.
fn domain() -> String {
    format!("gui/{}", rustix::process::getuid().as_raw())
}

fn target(program: Program) -> String {
    format!("{}/{}", domain(), plist::label(program))
}

/// Asks launchd; its answer.
fn ask(words: &[&str]) -> Result<String> {
    let broken = |why: String| {
        Error::usage(
            format!("launchd did not do it for this user: {why}"),
            "Sign in at this Mac's own screen, and type it there: only that session has sound",
        )
    };
    let output = Command::new("/bin/launchctl").args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|e| broken(plain(&e)))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(broken(printable(said.trim().trim_end_matches('.'), LONGEST_ANSWER)))
}
