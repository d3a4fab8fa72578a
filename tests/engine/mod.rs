//! Sound from server to server by a real NATS server.

#[cfg(feature = "https")]
mod configured;
mod flow;
mod outages;
mod refused;
mod talk;

use std::ffi::OsStr;
use std::path::Path;
#[cfg(feature = "https")]
use std::process::Command;

use crate::support::flags::{source, wav};
use crate::support::program::Program;
use crate::support::ramp::{self, Recording, frames_on_disk};
use crate::support::servers::{client, server_command};
use crate::support::{Scratch, wait_until};

const RATE: u32 = 48_000;

/// The length of the ramp, in s: more sound than any test listens to.
const SECONDS: usize = 100;

/// A delay that rides out every stall of a busy machine.
pub(crate) const UNHURRIED: [&str; 4] = ["--playout-delay-ms", "1500", "--max-queue-size", "200"];

/// The servers of a room: they share a user's settings, and so the room's key.
pub(crate) struct Servers {
    pub(crate) scratch: Scratch,
    /// What each is told of the engine.
    engine: String,
}

impl Servers {
    pub(crate) fn new(engine: &str) -> Self {
        let scratch = Scratch::new();
        ramp::write(&scratch.path("ramp.wav"), 0, SECONDS * RATE as usize, RATE, 2);
        Self { scratch, engine: engine.to_owned() }
    }

    /// One with the room's key, and these flags.
    pub(crate) fn server<S: AsRef<OsStr>>(&self, flags: impl IntoIterator<Item = S>) -> Program {
        self.server_of(&self.scratch.path("settings"), flags)
    }

    /// One whose settings are in that folder.
    fn server_of<S: AsRef<OsStr>>(
        &self,
        folder: &Path,
        flags: impl IntoIterator<Item = S>,
    ) -> Program {
        let mut command = server_command();
        command.env("XDG_CONFIG_HOME", folder).env("HOME", folder);
        command
            .args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"])
            .args(["--engine", &self.engine])
            .args(flags);
        Program::start(command)
    }

    /// `auralync-server` of the same user, with these words.
    #[cfg(feature = "https")]
    fn command(&self, words: &[&str]) -> Command {
        let mut command = server_command();
        let folder = self.scratch.path("settings");
        command.env("XDG_CONFIG_HOME", &folder).env("HOME", folder).args(words);
        command
    }

    /// The one that has the sound: the ramp, once.
    fn origin(&self) -> Program {
        self.origin_with(&UNHURRIED)
    }

    pub(crate) fn origin_with(&self, flags: &[&str]) -> Program {
        let ramp = source(&self.scratch.path("ramp.wav"));
        let mut origin = self.server(["--source", &ramp].iter().chain(flags));
        origin.wait_for("is there: other servers may send this too");
        origin
    }

    fn edge(&self) -> Program {
        self.server(["--source", "engine:room"])
    }

    /// Listens to that server for so many seconds of sound, and reads what was heard.
    fn listen(&self, server: &mut Program, seconds: u64, more: &[&str]) -> Recording {
        let path = self.scratch.path(format!("{}.wav", more.concat()));
        let mut listener = self.listener(server, &path, more);
        wait_until("enough sound", || frames_on_disk(&path, 2) > seconds * u64::from(RATE));
        assert_eq!(listener.stop().code, Some(0));
        Recording::read_finished(&path)
    }

    fn listener(&self, server: &mut Program, path: &Path, more: &[&str]) -> Program {
        let flags = ["--output", &wav(path)].map(str::to_owned);
        client(server.address(), flags.iter().map(String::as_str).chain(more.iter().copied()))
    }
}
