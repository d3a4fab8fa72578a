//! A program that starts with its user's session, is kept running, and says how it does.
//!
//! What each system is told is a text, made of the program and its flags alone (`unit`, `plist`, `run_value`),
//! and read back from there. One file for each system asks it to act on that (`systemd`, `launchd`, `run_key`).
//! Nothing is done as root: sound belongs to a user.

mod keeper;
#[cfg(any(target_os = "macos", all(test, unix)))]
#[cfg_attr(
    not(target_os = "macos"),
    allow(dead_code, reason = "elsewhere it is only type-checked")
)]
mod launchd;
mod log_file;
mod place;
#[cfg(any(target_os = "macos", test))]
mod plist;
#[cfg(windows)]
mod run_key;
#[cfg(any(windows, test))]
mod run_value;
#[cfg(any(not(any(windows, target_os = "macos")), all(test, unix)))]
#[cfg_attr(target_os = "macos", allow(dead_code, reason = "there it is only type-checked"))]
mod systemd;
mod tie;
#[cfg(any(not(any(windows, target_os = "macos")), test))]
mod unit;

use std::ffi::OsString;
use std::fmt;
use std::path::Path;
#[cfg(unix)]
use std::path::PathBuf;

use crate::error::{Error, Result, plain};
use crate::format::printable;
use crate::settings::service::{Order, refuse_what_needs_a_person};
#[cfg(target_os = "macos")]
use launchd as system;
#[cfg(windows)]
use run_key as system;
#[cfg(not(any(windows, target_os = "macos")))]
use systemd as system;
#[cfg(windows)]
pub(crate) use tie::stop_when_let_go;

/// Longest list of flags that is shown, in characters.
const LONGEST_SHOWN: usize = 2_000;

/// The variable that says to a program that nobody sits in front of it, where the system does not say so itself.
pub(crate) const VARIABLE: &str = "AURALYNC_SERVICE";

/// Which of the two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `auralync-server`.
    Server,
    /// `auralync-client`.
    Client,
}

impl Program {
    /// As it is typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Server => "auralync-server",
            Self::Client => "auralync-client",
        }
    }
}

/// What is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Job {
    program: Program,
    /// The program's file.
    file: String,
    flags: Vec<String>,
    /// The folder in which file names among the flags are meant.
    folder: Option<String>,
}

/// How a service is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    program: Program,
    /// What it is started with, where it starts by itself.
    installed: Option<Installed>,
    /// Whether it runs, in words that follow “It”.
    runs: String,
    /// What shows its log.
    log: String,
}

/// What the system has been told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Installed {
    flags: Vec<String>,
    /// Where that is written.
    place: String,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.program.name();
        match &self.installed {
            None => write!(f, "{name} does not start by itself. {name} service install lets it.")?,
            Some(Installed { flags, place }) => {
                writeln!(f, "{name} starts with your session, {}.", with(flags))?;
                write!(f, "That is written in {place}")?;
            }
        }
        write!(f, "\nIt {}.\nIts log: {}", self.runs, self.log)
    }
}

/// The flags, as a part of a sentence.
fn with(flags: &[String]) -> String {
    if flags.is_empty() {
        return "without flags".to_owned();
    }
    let shown: Vec<String> = flags
        .iter()
        .map(|flag| match flag.is_empty() || flag.contains([' ', '"']) {
            true => format!("“{flag}”"),
            false => flag.clone(),
        })
        .collect();
    format!("with {}", printable(&shown.join(" "), LONGEST_SHOWN))
}

/// Does what was ordered, and returns what to print, if anything. `check` is the program's own parser.
///
/// # Errors
/// [`Error::Usage`] for flags that the program would refuse, as root, and where the system has nothing that starts
/// programs; [`Error::File`] where it cannot be written.
pub fn run(
    program: Program,
    order: Order,
    check: impl FnOnce(&[OsString]) -> Result<()>,
) -> Result<Option<String>> {
    match order {
        Order::Install { flags } => {
            refuse_root(program)?;
            let job = checked(program, &flags, check)?;
            system::install(&job).map(Some)
        }
        Order::Run { flags } => {
            refuse_root(program)?;
            // Where the system started this, nobody reads a refusal here, but the program says it into its log.
            let job = match is_one() {
                true => checked(program, &flags, |_| Ok(()))?,
                false => checked(program, &flags, check)?,
            };
            keeper::run(&job).map(|()| None)
        }
        Order::Remove => {
            refuse_root(program)?;
            system::remove(program).map(Some)
        }
        Order::Status => system::state(program).map(|state| Some(state.to_string())),
    }
}

/// Whether the system, and no person, has started this process.
#[must_use]
pub fn is_one() -> bool {
    let own = std::process::id().to_string();
    // What a service starts inherits the variable, and has another number.
    std::env::var("SYSTEMD_EXEC_PID").is_ok_and(|started| started == own)
        || std::env::var_os(VARIABLE).is_some()
}

/// What is to be started, once the program itself has agreed to the flags.
fn checked(
    program: Program,
    flags: &[OsString],
    check: impl FnOnce(&[OsString]) -> Result<()>,
) -> Result<Job> {
    refuse_what_needs_a_person(flags)?;
    let words = words(flags)?;
    check(flags)?;
    let broken = |e: std::io::Error| {
        Error::usage(
            format!("cannot tell where this program is: {}", plain(&e)),
            "Start it from a folder that is there",
        )
    };
    let file = text(&std::env::current_exe().map_err(broken)?)?;
    let folder = match words.is_empty() {
        true => None,
        false => Some(text(&std::env::current_dir().map_err(broken)?)?),
    };
    Ok(Job { program, file, flags: words, folder })
}

/// The flags as text that stands in one line of a file.
fn words(flags: &[OsString]) -> Result<Vec<String>> {
    let word = |flag: &OsString| {
        let flag = flag.to_str().filter(|flag| !flag.contains(char::is_control));
        flag.map(str::to_owned).ok_or_else(|| {
            Error::usage(
                "one of the flags is no text in UTF-8, or has a line break in it",
                "Write it anew, or give the file another name",
            )
        })
    };
    flags.iter().map(word).collect()
}

fn text(path: &Path) -> Result<String> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control));
    text.map(str::to_owned).ok_or_else(|| {
        let shown = printable(&path.display().to_string(), LONGEST_SHOWN);
        Error::usage(
            format!("“{shown}” is no text in UTF-8, or has a line break in it, so that no service can name it"),
            "Give the folder another name",
        )
    })
}

#[cfg(unix)]
fn refuse_root(program: Program) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let name = program.name();
    Err(Error::usage(
        "sound belongs to a user, and as root there is none to be played or captured",
        format!("Type it as that user, without sudo: {name} service …"),
    ))
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "elsewhere there is something to refuse")]
fn refuse_root(_program: Program) -> Result<()> {
    Ok(())
}

/// A file is replaced whole, or stays as it was.
#[cfg(unix)]
fn replace(path: &Path, text: &str) -> Result<()> {
    crate::home::replace(path, text).map_err(|e| {
        Error::file(path, plain(&e), "Nothing was changed. Mend that, and type it again")
    })
}

/// What was written there before, if anything.
#[cfg(unix)]
fn written(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => {
            Err(Error::file(path, plain(&e), "Make it a file that you may read, or remove it"))
        }
    }
}

/// The error where a file of that name is somebody else's.
#[cfg(unix)]
fn not_ours(path: &Path, program: Program) -> Error {
    let name = program.name();
    Error::file(
        path,
        format!("this was not written by {name} service install, so it stays as it is"),
        "Remove it yourself, or rename it, if you no longer want it",
    )
}

/// The error where nobody's home is known.
fn no_home(variable: &str) -> Error {
    Error::usage(
        format!(
            "there is no place for a service: the environment does not say where your home is ({variable})"
        ),
        format!("Set {variable} to your own folder, or sign in as a user who has one"),
    )
}

/// The user's own folder.
#[cfg(unix)]
fn home() -> Result<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    home.ok_or_else(|| no_home("HOME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_says_what_is_started_whether_it_runs_and_where_its_log_is() {
        let mut state = State {
            program: Program::Client,
            installed: Some(Installed {
                flags: ["attic", "--name", "living room"].map(str::to_owned).to_vec(),
                place: "/home/me/unit".to_owned(),
            }),
            runs: "runs".to_owned(),
            log: "journalctl".to_owned(),
        };
        assert_eq!(
            state.to_string(),
            "auralync-client starts with your session, with attic --name “living room”.\n\
             That is written in /home/me/unit\nIt runs.\nIts log: journalctl"
        );
        state.installed = None;
        assert!(state.to_string().starts_with("auralync-client does not start by itself."));
    }

    #[test]
    fn flags_that_no_line_of_a_file_can_hold_are_refused() {
        assert!(words(&["--name".into(), "a\nb".into()]).is_err());
        assert_eq!(words(&["--name".into(), "Küche 100 %".into()]).unwrap()[1], "Küche 100 %");
    }

    #[test]
    fn a_flag_that_the_program_refuses_is_never_written() {
        let refused = |_: &[OsString]| Err(Error::usage("no", "no"));
        assert!(checked(Program::Server, &["--frobnicate".into()], refused).is_err());
        let job = checked(Program::Server, &["--no-web".into()], |_| Ok(())).unwrap();
        assert_eq!(job.flags, ["--no-web"]);
        assert!(job.folder.is_some());
        assert_eq!(checked(Program::Server, &[], |_| Ok(())).unwrap().folder, None);
    }
}
