//! The two programs, run the way a user runs them.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

/// How long anything may take that a test waits for. Far more than it takes, so that a busy
/// machine fails no test.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until `condition` holds, and fails with `what` did not happen.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain until {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// A child process that does not outlive the test.
pub(crate) struct Guarded(pub(crate) Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // It has ended already, or nothing is left to do about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running program of ours and what it has said.
pub(crate) struct Program {
    name: String,
    child: Guarded,
    said: PathBuf,
}

impl Program {
    /// Starts `command`; what it says goes to the file `said`.
    pub(crate) fn start(mut command: Command, said: PathBuf) -> Self {
        let out = File::create(&said).unwrap();
        command.stdout(out.try_clone().unwrap()).stderr(out);
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
        Self { name, child: Guarded(child), said }
    }

    /// Everything that it has said so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Waits until it has said `words`.
    pub(crate) fn wait_for(&mut self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.said().contains(words) {
            let ended = self.child.0.try_wait().unwrap();
            assert!(ended.is_none(), "{} ended before “{words}”:\n{}", self.name, self.said());
            assert!(
                Instant::now() < deadline,
                "{} did not say “{words}” in time, but:\n{}",
                self.name,
                self.said()
            );
            std::thread::sleep(LOOK_AGAIN);
        }
    }

    /// How many lines with `words` it has said.
    pub(crate) fn times_said(&self, words: &str) -> usize {
        self.said().lines().filter(|line| line.contains(words)).count()
    }

    /// Waits until it ends by itself, and returns its exit code.
    pub(crate) fn exit_code(&mut self) -> Option<i32> {
        let mut ended: Option<ExitStatus> = None;
        wait_until("the program has ended", || {
            ended = self.child.0.try_wait().unwrap();
            ended.is_some()
        });
        ended.and_then(|status| status.code())
    }

    /// Asks it to stop, as Ctrl-C does.
    pub(crate) fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child.0);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        let code = self.exit_code();
        assert_eq!(code, Some(0), "{} said:\n{}", self.name, self.said());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{} said:\n{}", self.name, self.said());
        }
    }
}
