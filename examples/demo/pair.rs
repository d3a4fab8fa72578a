//! One server and its listeners as processes of their own, the way a user starts them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use auralync::{Error, Result};

use crate::support::median::median;
use crate::support::numbers::numbers;
use crate::support::program::Program;
use crate::support::scratch::Scratch;
use crate::support::waiting::LOOK_AGAIN;

/// What one listener leaves behind.
pub(crate) struct Listened {
    /// What it would have played: a float WAV file.
    pub(crate) wav: PathBuf,
    /// Its counters: one JSON object a line.
    pub(crate) stats: PathBuf,
}

/// Starts a server on a tone and `listeners` clients, lets them run for `listening`, and stops
/// them: the listeners first, so that the tone goes on to the end of what they heard.
///
/// # Errors
///
/// [`Error::File`] when a program is missing.
///
/// # Panics
///
/// When a program cannot be started, ends early or does not stop; with what it said.
pub(crate) fn run(
    folder: &Scratch,
    tone_hz: f64,
    listeners: usize,
    listening: Duration,
) -> Result<Vec<Listened>> {
    let mut command = Command::new(built_program("auralync-server")?);
    command.args(["--preset", "low-latency", "--source", &format!("tone:{tone_hz}")]);
    command.args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"]);
    let mut server = Program::start(command);
    let address = server.address().to_string();

    let mut clients = Vec::new();
    let mut listened = Vec::new();
    for number in 1..=listeners {
        let wav = folder.path(format!("{number}.wav"));
        let stats = folder.path(format!("{number}.stats"));
        let mut command = Command::new(built_program("auralync-client")?);
        command.args([&address, "--name", &format!("listener {number}"), "--once"]);
        command.args(["--output", &format!("wav:{}", wav.display()), "--stats"]).arg(&stats);
        clients.push(Program::start(command));
        listened.push(Listened { wav, stats });
    }

    let end = Instant::now() + listening;
    while Instant::now() < end {
        for program in clients.iter_mut().chain([&mut server]) {
            assert!(program.is_running(), "a program ended early, and what it said stands below");
        }
        thread::sleep(LOOK_AGAIN);
    }
    for program in clients.iter_mut().chain([&mut server]) {
        program.stop();
    }
    Ok(listened)
}

/// The middle one of the delays that a listener's `--stats` file names, in milliseconds; `None`
/// where it names none.
pub(crate) fn delay_ms(stats: &Path) -> Option<f64> {
    Some(median(numbers(stats, "delay_ms"))).filter(|delay| !delay.is_nan())
}

/// The program of that name as cargo built it: one folder above this example.
fn built_program(name: &str) -> Result<PathBuf> {
    let missing =
        |why: String| Error::File { path: PathBuf::from(name), why, fix: "Run: make demo".into() };
    let demo = std::env::current_exe().map_err(|error| missing(error.to_string()))?;
    let folder = demo
        .parent()
        .and_then(Path::parent)
        .ok_or_else(|| missing("nothing stands above this demo".into()))?;
    let program = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if program.is_file() {
        Ok(program)
    } else {
        Err(missing(format!("it is not built in {}", folder.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_is_the_middle_one_of_those_that_are_known() {
        let stats = concat!(
            "{\"delay_ms\": null}\n",
            "{\"delay_ms\": 78.5, \"underruns\": 0}\n",
            "{\"underruns\": 0}\n",
            "{\"delay_ms\": 80}\n",
            "{\"delay_ms\": 300.0}\n",
            "{\"delay_m",
        );
        let folder = Scratch::new();
        let path = folder.path("stats");
        assert_eq!(delay_ms(&path), None);
        std::fs::write(&path, stats).unwrap();
        assert_eq!(delay_ms(&path), Some(80.0));
        std::fs::write(&path, "").unwrap();
        assert_eq!(delay_ms(&path), None);
    }
}
