//! Film mode with real players that have no screen, and with fake ones that lie.

mod group;
mod liars;
mod mpv;
mod vlc;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::support::program::Program;
use crate::support::servers::server_command;
use crate::support::wav::write_wav;
use crate::support::{Scratch, wait_until};

/// What `--player auto` looks for is what runs on this PC: such tests are alone.
static ALONE: Mutex<()> = Mutex::new(());

/// A film of a minute: nobody looks at it.
const FILM_SAMPLES: usize = 60 * 48_000 * 2;

/// A room of one server, with settings of its own.
struct Room {
    scratch: Scratch,
    _alone: MutexGuard<'static, ()>,
}

impl Room {
    fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let room = Self { scratch: Scratch::new(), _alone: alone };
        room.set_delay(300);
        write_wav(&room.film(), 48_000, 2, std::iter::repeat_n(0.0, FILM_SAMPLES));
        room
    }

    /// Saves the preset with another delay.
    fn set_delay(&self, ms: u32) {
        self.scratch.file("room.toml", format!("playout_delay_ms = {ms}\n"));
    }

    fn film(&self) -> PathBuf {
        self.scratch.path("film.wav")
    }

    /// A server in this room.
    fn server(&self, player: &[&str]) -> Program {
        let mut command = server_command();
        command
            .args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"])
            .args(["--source", "tone", "--preset"])
            .arg(self.scratch.path("room.toml"))
            .args(player)
            .arg("--stats")
            .arg(self.stats())
            .env("XDG_CONFIG_HOME", self.scratch.path("conf"))
            .env("XDG_RUNTIME_DIR", self.scratch.path("run"))
            .env("AURALYNC_VLC_PASSWORD", vlc::PASSWORD);
        let mut server = Program::start(command);
        server.wait_for("Ctrl-C stops");
        server
    }

    fn stats(&self) -> PathBuf {
        self.scratch.path("server.json")
    }

    /// Waits until the server has seen that its one player's picture is so late: what changes then is a person's doing.
    #[track_caller]
    fn wait_until_held(&self, ms: f64) {
        wait_until("a picture that is seen to be late", || {
            let lines = std::fs::read_to_string(self.stats()).unwrap_or_default();
            let last =
                lines.lines().rev().find_map(|line| serde_json::from_str::<Value>(line).ok());
            last.is_some_and(|last| {
                let late_ms = last["players"][0]["delay_ms"].as_f64();
                late_ms.is_some_and(|late_ms| (late_ms - ms).abs() < 1.0)
            })
        });
    }

    /// How many players are remembered as set.
    fn kept(&self) -> usize {
        let folder = std::fs::read_dir(self.scratch.path("conf/auralync/film"));
        let paths = folder.into_iter().flatten().flatten().map(|entry| entry.path());
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "json")).count()
    }
}

/// Whether that program is there; says that a test was not run where it is not.
fn is_installed(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        eprintln!("not run: {program} is not installed (scripts/setup.sh player installs it)");
    }
    is_there
}

/// Ends a program as nothing else does.
fn kill(mut program: Program) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(program.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    program.wait();
}

/// How often something was said.
fn said(program: &Program, part: &str) -> usize {
    program.said().matches(part).count()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
