//! A program as a process of its own: started, listened to, and ended.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

use super::waiting::{LOOK_AGAIN, PATIENCE, wait_until};

/// Most lines kept of what a program says: one that floods must not fill the memory of who listens.
const MOST_LINES: usize = 10_000;

/// A child process that does not outlive this value.
pub(crate) struct Guarded(pub(crate) Child);

impl Drop for Guarded {
    fn drop(&mut self) {
        // It has ended already, or nothing is left to do about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running program, killed at the latest when this is dropped.
pub(crate) struct Program {
    name: String,
    pub(super) child: Guarded,
    said: Arc<Mutex<Vec<Line>>>,
    readers: Vec<thread::JoinHandle<()>>,
    peak_kib: u64,
}

/// What a program has said, and where.
struct Line {
    is_error: bool,
    text: String,
}

impl Program {
    /// Starts `command`, which gets nothing to read.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::spawn(command)
    }

    /// Starts `command` with the standard input that it has been given.
    pub(super) fn spawn(mut command: Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        // What the one who tests has set must not change what is tested.
        command.env_remove("RUST_LOG");
        let mut child = command.spawn().unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
        let said: Arc<Mutex<Vec<Line>>> = Arc::default();
        let stdout = child.stdout.take().map(|stdout| read(stdout, false, &said));
        let stderr = child.stderr.take().map(|stderr| read(stderr, true, &said));
        let readers = stdout.into_iter().chain(stderr).collect();
        Self { name, child: Guarded(child), said, readers, peak_kib: 0 }
    }

    /// Waits for a line on either output that holds `part`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, part: &str) -> String {
        self.find(part, |line| line.contains(part).then(|| line.to_owned()))
    }

    /// Waits for a line on either output that `find` makes something of; `what` completes "did not
    /// say …".
    #[track_caller]
    pub(crate) fn find<T>(&mut self, what: &str, mut find: impl FnMut(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut known = 0;
        loop {
            let is_running = self.is_running();
            if !is_running {
                self.hear_out();
            }
            let said = self.lines();
            let found = said[known..].iter().find_map(|line| find(&line.text));
            known = said.len();
            drop(said);
            if let Some(found) = found {
                return found;
            }
            let how = if is_running { "did not say" } else { "ended before it said" };
            assert!(
                is_running && Instant::now() < deadline,
                "{} {how} “{what}”, but:\n{}",
                self.name,
                self.said()
            );
            thread::sleep(LOOK_AGAIN);
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.0.id()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.0.try_wait().unwrap().is_none()
    }

    /// Everything that it has said so far, in the order in which it came.
    pub(crate) fn said(&self) -> String {
        let texts: Vec<String> = self.lines().iter().map(|line| line.text.clone()).collect();
        texts.join("\n")
    }

    pub(crate) fn stdout(&self) -> Vec<String> {
        self.said_there(false)
    }

    pub(crate) fn stderr(&self) -> Vec<String> {
        self.said_there(true)
    }

    fn said_there(&self, is_error: bool) -> Vec<String> {
        let said = self.lines();
        said.iter().filter(|line| line.is_error == is_error).map(|line| line.text.clone()).collect()
    }

    fn lines(&self) -> MutexGuard<'_, Vec<Line>> {
        self.said.lock().unwrap()
    }

    /// Takes in the last words of a program that has ended.
    fn hear_out(&mut self) {
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
    }

    /// Waits for the program to end by itself; how it did.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Ended {
        let mut status = None;
        wait_until(&format!("the end of {}", self.name), || {
            self.peak_kib = self.peak_kib.max(self.peak_kib());
            status = self.child.0.try_wait().unwrap();
            status.is_some()
        });
        self.hear_out();
        Ended {
            code: status.and_then(|status| status.code()),
            stdout: self.stdout(),
            stderr: self.stderr(),
            peak_kib: self.peak_kib,
        }
    }

    /// The most memory that it has used so far. In its first moment a process still shows that of
    /// the one that started it, and its name.
    pub(crate) fn peak_kib(&self) -> u64 {
        let file = Path::new(&self.name).file_name().unwrap_or_default().to_string_lossy();
        let shown = std::fs::read_to_string(format!("/proc/{}/comm", self.pid()));
        let is_itself = shown.is_ok_and(|shown| file.starts_with(shown.trim_end()));
        if is_itself { memory_kib(self.pid(), "VmHWM:") } else { 0 }
    }

    /// Asks the program to stop, as closing a terminal or a service manager does, and waits until it
    /// has, with an exit code that says that all was well.
    #[track_caller]
    pub(crate) fn stop(&mut self) -> Ended {
        #[cfg(unix)]
        {
            let pid = rustix::process::Pid::from_child(&self.child.0);
            // The only failure is that it has ended already, which is seen next.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        // Elsewhere there is no signal to send, and no exit code of its own.
        #[cfg(not(unix))]
        let _ = self.child.0.kill();
        let ended = self.wait();
        assert!(ended.code == Some(0) || cfg!(not(unix)), "{} {ended}", self.name);
        ended
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{} said:\n{}", self.name, self.said());
        }
    }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: Vec<String>,
    /// The most memory it was seen to use; 0 where the system does not tell.
    pub(crate) peak_kib: u64,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr, peak_kib } = self;
        write!(f, "ended with {code:?} and {peak_kib} KiB, and said {stdout:#?} {stderr:#?}")
    }
}

fn read(
    from: impl Read + Send + 'static,
    is_error: bool,
    said: &Arc<Mutex<Vec<Line>>>,
) -> thread::JoinHandle<()> {
    let said = Arc::clone(said);
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while matches!(from.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let mut said = said.lock().unwrap();
            if said.len() < MOST_LINES {
                said.push(Line { is_error, text });
            }
            line.clear();
        }
    })
}

/// A row of what Linux says of a process's memory, in KiB; 0 where the system does not tell.
pub(super) fn memory_kib(pid: u32, row: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(row)).unwrap_or_default();
    value.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
