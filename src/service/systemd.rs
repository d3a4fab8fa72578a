//! A service of systemd for one user.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{Installed, Job, Program, State, home, not_ours, replace, unit, with, written};
use crate::error::{Error, Result, plain};
use crate::format::printable;

/// Longest answer of systemd's that is shown, in characters.
const LONGEST_ANSWER: usize = 300;

/// What is asked about a service.
const QUESTION: &str = "--property=ActiveState,SubState,Result,UnitFileState,FragmentPath";

/// Writes the unit, and starts it now and with each session.
pub(super) fn install(job: &Job) -> Result<String> {
    let path = place(job.program)?;
    let before = written(&path)?;
    if before.as_deref().is_some_and(|text| !unit::is_ours(text)) {
        return Err(not_ours(&path, job.program));
    }
    let unit = unit_of(job.program);
    ask(job.program, &["show", "--property=Version"])?;
    replace(&path, &unit::text(job))?;
    let told = ask(job.program, &["daemon-reload"]).and_then(|_| match before {
        None => ask(job.program, &["enable", "--now", &unit]),
        Some(_) => {
            ask(job.program, &["enable", &unit]).and_then(|_| ask(job.program, &["restart", &unit]))
        }
    });
    if let Err(e) = told {
        // As it was before: a unit that nothing starts would only look like one.
        match before {
            None => drop(std::fs::remove_file(&path)),
            Some(text) => replace(&path, &text)?,
        }
        let _ = ask(job.program, &["daemon-reload"]);
        return Err(e);
    }
    let (name, with, log) = (job.program.name(), with(&job.flags), log(job.program));
    Ok(format!(
        "{name} starts with your session from now on, {with}, and is started now.\n\
         What it says: {log}\n{}\n{name} service remove ends that.",
        lingering()
    ))
}

/// Stops the service and takes its unit away.
pub(super) fn remove(program: Program) -> Result<String> {
    let (name, unit) = (program.name(), unit_of(program));
    let path = place(program)?;
    let Some(text) = written(&path)? else {
        let state = state(program)?;
        return Ok(match state.installed {
            None => format!("{name} does not start by itself: there is nothing to remove."),
            Some(Installed { place, .. }) => format!(
                "{name} is started by {place}, which {name} service install did not write. \
                 systemctl --user disable --now {name} ends that."
            ),
        });
    };
    if !unit::is_ours(&text) {
        return Err(not_ours(&path, program));
    }
    ask(program, &["disable", "--now", &unit])?;
    std::fs::remove_file(&path)
        .map_err(|e| Error::file(&path, plain(&e), "It is stopped. Remove the file yourself"))?;
    ask(program, &["daemon-reload"])?;
    Ok(format!("{name} is stopped, and does not start by itself any more."))
}

/// How the service is.
pub(super) fn state(program: Program) -> Result<State> {
    let told = ask(program, &["show", QUESTION, &unit_of(program)])?;
    let path = place(program)?;
    let own = written(&path)?
        .filter(|text| unit::is_ours(text))
        .map(|text| Installed { flags: unit::flags(&text), place: path.display().to_string() });
    // A unit that a package brought, or that somebody wrote, and that is started with the session.
    let others = || {
        let path = value(&told, "FragmentPath").filter(|path| !path.is_empty())?;
        let text = (value(&told, "UnitFileState") == Some("enabled"))
            .then(|| std::fs::read_to_string(path).ok())??;
        Some(Installed { flags: unit::flags(&text), place: path.to_owned() })
    };
    let installed = own.or_else(others);
    Ok(State { program, installed, runs: runs(&told), log: log(program) })
}

fn log(program: Program) -> String {
    format!("journalctl --user -u {}", program.name())
}

fn unit_of(program: Program) -> String {
    format!("{}.service", program.name())
}

fn place(program: Program) -> Result<PathBuf> {
    let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    // The XDG rules say to ignore a path that is not absolute.
    let config = match config.filter(|path| path.is_absolute()) {
        Some(config) => config,
        None => home()?.join(".config"),
    };
    Ok(config.join("systemd/user").join(unit_of(program)))
}

/// Asks systemd, for this user; its answer.
fn ask(program: Program, words: &[&str]) -> Result<String> {
    let name = program.name();
    let instead = format!(
        "Where something else starts programs (the desktop's list of them, or a line “@reboot …” of crontab -e), \
         let it start: {name} service run, with the flags behind it"
    );
    let output = Command::new("systemctl").arg("--user").args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|e| {
        Error::usage(
            format!(
                "this system does not start services by systemd: systemctl cannot be run, {}",
                plain(&e)
            ),
            instead.clone(),
        )
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
    let said = printable(said, LONGEST_ANSWER);
    let what = words.first().copied().unwrap_or_default();
    Err(Error::usage(
        format!(
            "systemd did not do it for this user: systemctl --user {what} says “{}”",
            said.trim_end_matches('.')
        ),
        format!("Where that is no bus, sign in as this user, and not by su or sudo. {instead}"),
    ))
}

/// The value of a property that systemd has told.
fn value<'a>(told: &'a str, name: &str) -> Option<&'a str> {
    told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
}

/// Whether it runs, in words.
fn runs(told: &str) -> String {
    match (value(told, "ActiveState"), value(told, "SubState"), value(told, "Result")) {
        (Some("active"), ..) => "runs".to_owned(),
        (_, Some("auto-restart"), _) => {
            "has failed, and is started again within seconds: its log says why".to_owned()
        }
        (Some("activating"), ..) => "is about to run".to_owned(),
        (Some("failed"), _, Some("exit-code")) => {
            "does not run: it has failed, and its log says why".to_owned()
        }
        (Some("failed"), _, Some(why)) => format!("does not run: it has failed ({why})"),
        _ => "does not run".to_owned(),
    }
}

/// Whether the service goes on while nobody is signed in, and what lets it.
fn lingering() -> String {
    let user = rustix::process::getuid().as_raw().to_string();
    let asked = Command::new("loginctl")
        .args(["show-user", "--property=Linger", &user])
        .stdin(Stdio::null())
        .output();
    match asked {
        Err(_) => "It ends when you sign out: this system has no loginctl, which could let it go on.".to_owned(),
        Ok(output) if value(&String::from_utf8_lossy(&output.stdout), "Linger") == Some("yes") => {
            "It runs from the start of this PC, and goes on when you sign out.".to_owned()
        }
        Ok(_) => "It ends when you sign out. To let it run from the start of this PC, whoever is signed in: \
                  sudo loginctl enable-linger $USER"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_tells_says_whether_it_runs() {
        let told = |active: &str, sub: &str, result: &str| {
            runs(&format!("ActiveState={active}\nSubState={sub}\nResult={result}\n"))
        };
        assert_eq!(told("active", "running", "success"), "runs");
        assert!(told("activating", "auto-restart", "exit-code").contains("again within seconds"));
        assert!(told("failed", "failed", "exit-code").contains("its log says why"));
        assert!(told("failed", "failed", "signal").contains("(signal)"));
        assert_eq!(told("inactive", "dead", "success"), "does not run");
        assert_eq!(runs(""), "does not run");
    }
}
