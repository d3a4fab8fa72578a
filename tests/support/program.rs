//! The two programs as processes, started the way a user starts them.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

use super::{LOOK_AGAIN, PATIENCE, wait_until};

/// Most lines kept of what a program says: one that floods must not fill the test's memory.
const MOST_LINES: usize = 10_000;

/// A running program, killed at the latest when this is dropped.
pub(crate) struct Program {
    child: Child,
    stdout: Heard,
    stderr: Heard,
    peak_kib: u64,
}

/// What a program has said so far.
struct Heard {
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Heard {
    fn read(from: impl Read + Send + 'static) -> Self {
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while matches!(from.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                let mut kept = kept.lock().unwrap();
                if kept.len() < MOST_LINES {
                    kept.push(text);
                }
                line.clear();
            }
        });
        Self { lines, reader: Some(reader) }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// `auralync-server` with a real port of the system's choice, on this machine alone.
pub(crate) fn server<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Program {
    server_with(Stdio::null(), arguments)
}

/// As [`server`], with that as its standard input.
pub(crate) fn server_with<S: AsRef<OsStr>>(
    stdin: impl Into<Stdio>,
    arguments: impl IntoIterator<Item = S>,
) -> Program {
    let mut command = server_command();
    command
        .args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"])
        .args(arguments);
    Program::start_with(command, stdin.into())
}

/// `auralync-client` for that server.
pub(crate) fn client<S: AsRef<OsStr>>(
    server: SocketAddr,
    arguments: impl IntoIterator<Item = S>,
) -> Program {
    let mut command = client_command();
    command.arg(server.to_string()).args(arguments);
    Program::start(command)
}

pub(crate) fn server_command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_auralync-server"))
}

pub(crate) fn client_command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_auralync-client"))
}

/// `wav:PATH` for `--output`.
pub(crate) fn wav(path: &Path) -> String {
    format!("wav:{}", path.display())
}

/// `file:PATH` for `--source`.
pub(crate) fn source(path: &Path) -> String {
    format!("file:{}", path.display())
}

impl Program {
    pub(crate) fn start(command: Command) -> Self {
        Self::start_with(command, Stdio::null())
    }

    /// With that as its standard input.
    pub(crate) fn start_with(mut command: Command, stdin: Stdio) -> Self {
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        // What the one who tests has set must not change what is tested.
        command.env_remove("RUST_LOG");
        let mut child = command.spawn().unwrap();
        let stdout = Heard::read(child.stdout.take().unwrap());
        let stderr = Heard::read(child.stderr.take().unwrap());
        Self { child, stdout, stderr, peak_kib: 0 }
    }

    /// Where a server listens, as it told its user.
    pub(crate) fn address(&mut self) -> SocketAddr {
        let line = self.wait_for("auralync-client 127.0.0.1");
        let typed = line.split_whitespace().nth(1).unwrap();
        typed.parse().unwrap_or_else(|_| (Ipv4Addr::LOCALHOST, 5555).into())
    }

    /// Waits for a line on either output that holds `part`.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, part: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = self.child.try_wait().unwrap();
            let mut lines = self.stdout.lines();
            lines.extend(self.stderr.lines());
            if let Some(line) = lines.iter().find(|line| line.contains(part)) {
                return line.clone();
            }
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "no “{part}” ({ended:?}) in {lines:#?}"
            );
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// How many lines of stderr hold `part` by now.
    pub(crate) fn said(&self, part: &str) -> usize {
        self.stderr.lines().iter().filter(|line| line.contains(part)).count()
    }

    pub(crate) fn said_on_stdout(&self) -> Vec<String> {
        self.stdout.lines()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the program to end by itself; how it did.
    #[track_caller]
    pub(crate) fn wait(&mut self) -> Ended {
        let mut status: Option<ExitStatus> = None;
        wait_until("the program's end", || {
            self.peak_kib = self.peak_kib.max(memory_kib(self.child.id(), "VmHWM:"));
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        // A killed program's pipes close, so the readers have an end too.
        for heard in [&mut self.stdout, &mut self.stderr] {
            if let Some(reader) = heard.reader.take() {
                reader.join().unwrap();
            }
        }
        Ended {
            code: status.and_then(|status| status.code()),
            stdout: self.stdout.lines(),
            stderr: self.stderr.lines(),
            peak_kib: self.peak_kib,
        }
    }

    /// Memory in use, in KiB; 0 where the system does not tell.
    pub(crate) fn resident_kib(&self) -> u64 {
        memory_kib(self.child.id(), "VmRSS:")
    }

    /// Threads, and open files and sockets, on Linux.
    pub(crate) fn threads_and_files(&self) -> (usize, usize) {
        let count = |what| {
            let folder = format!("/proc/{}/{what}", self.child.id());
            std::fs::read_dir(folder).map_or(0, Iterator::count)
        };
        (count("task"), count("fd"))
    }

    /// Ends the program as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
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

#[cfg(unix)]
mod signals {
    use std::time::Duration;

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    impl Program {
        /// Sends a signal. Unlike waiting it needs no deadline.
        pub(crate) fn signal(&self, signal: Signal) {
            kill_process(Pid::from_child(&self.child), signal).unwrap();
        }

        /// Asks the program to stop, as closing a terminal or a service manager does; how it did
        /// and how long it took.
        #[track_caller]
        pub(crate) fn stop(&mut self) -> (Ended, Duration) {
            self.stop_by(Signal::TERM)
        }

        #[track_caller]
        pub(crate) fn stop_by(&mut self, signal: Signal) -> (Ended, Duration) {
            let asked = Instant::now();
            self.signal(signal);
            let ended = self.wait();
            (ended, asked.elapsed())
        }
    }
}

#[cfg(target_os = "linux")]
fn memory_kib(pid: u32, row: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = status.lines().find_map(|line| line.strip_prefix(row)).unwrap_or_default();
    value.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}

#[cfg(not(target_os = "linux"))]
fn memory_kib(_pid: u32, _row: &str) -> u64 {
    0
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already, or nothing is left to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("stdout {:#?}\nstderr {:#?}", self.stdout.lines(), self.stderr.lines());
        }
    }
}
