//! Chromium or Firefox, driven through drive.js.

use std::io::{BufRead, BufReader, Write};
use std::panic::RefUnwindSafe;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::support::program::Guarded;
use crate::support::room::{Room, with_no_other_room};

/// A name that is not this machine's own, so that the page is not “secure” to the browser.
pub(crate) const HOST: &str = "living-room.lan";

/// A browser that does not answer for so long never does: a page has half a minute to load.
const ANSWERS_WITHIN: Duration = Duration::from_secs(90);

/// Firefox (ESR 153) hangs for good once in some ten starts, as its first audio context opens PulseAudio: its thread for
/// sound waits for PulseAudio's main loop, and that loop, within a callback, for the thread. A page that does not work
/// spoils all tries.
const TRIES_OF_FIREFOX: usize = 3;

/// Runs a test in Firefox, and again with a new Firefox where that has failed.
pub(crate) fn in_firefox(test: fn()) {
    if !(1..TRIES_OF_FIREFOX).any(|_| std::panic::catch_unwind(test).is_ok()) {
        test();
    }
}

/// Runs a test in Chromium, and once more where that has failed: then with no other room beside it, because two
/// browsers and their servers are more than two cores have sound for at any moment. What is wrong with the page fails
/// both times.
pub(crate) fn in_chromium(test: impl Fn() + RefUnwindSafe) {
    if std::panic::catch_unwind(&test).is_err() {
        with_no_other_room(test);
    }
}

pub(crate) struct Browser {
    /// The lines that it says.
    says: Receiver<String>,
    hears: Option<ChildStdin>,
    _program: Guarded,
}

impl Browser {
    /// Starts a browser (`chromium` or `firefox`) for the page at `port` that plays on the room's
    /// default output.
    pub(crate) fn start(kind: &str, room: &Room, folder: &Path, port: u16) -> Self {
        Self::start_hearing(kind, room, folder, port, None)
    }

    /// Starts a browser whose microphone hears a WAV file over and over (only Chromium can), or is the system's own
    /// where that file is called `system`.
    pub(crate) fn start_hearing(
        kind: &str,
        room: &Room,
        folder: &Path,
        port: u16,
        heard: Option<&Path>,
    ) -> Self {
        Self::start_by(room.command("node"), &[kind, HOST, &port.to_string()], folder, heard)
    }

    /// Starts the browser `which` (a kind, a host and a port) by a command that is node, wherever it runs.
    pub(crate) fn start_by(
        mut command: Command,
        which: &[&str; 3],
        folder: &Path,
        heard: Option<&Path>,
    ) -> Self {
        command
            .current_dir(folder)
            .arg("drive.js")
            .args(which)
            .args(heard)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| {
            panic!("cannot start node: {e}. scripts/setup.sh page installs what this test needs")
        });
        let (line, says) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|said| line.send(said).ok())
        });
        let hears = child.stdin.take();
        Self { says, hears, _program: Guarded(child) }
    }

    /// Gives one command and waits for what came of it.
    pub(crate) fn ask(&mut self, command: &str) -> Value {
        writeln!(self.hears.as_mut().unwrap(), "{command}").unwrap();
        let line = self.says.recv_timeout(ANSWERS_WITHIN);
        let line = line.unwrap_or_else(|e| panic!("{command}: the browser does not answer: {e}"));
        let mut answer: Value =
            serde_json::from_str(&line).unwrap_or_else(|e| panic!("{command}: {e} in “{line}”"));
        assert!(answer["failed"].is_null(), "{command}: {answer}");
        answer["done"].take()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With nothing more to hear the browser is closed, and with it what it has started.
        self.hears = None;
        while self.says.recv_timeout(ANSWERS_WITHIN).is_ok() {}
    }
}
