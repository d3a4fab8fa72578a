//! A program under measurement: started, listened to, and ended.

use std::collections::VecDeque;
use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Whatever goes wrong in a bench is read by a person and ends it.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How long a program may take to say what it is waited for, and to end.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Lines that are kept to tell why a program failed.
const LAST_WORDS: usize = 8;

/// A program that runs, and ends with this at the latest.
pub(crate) struct Running {
    name: &'static str,
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    last_words: VecDeque<String>,
}

impl Running {
    /// Starts `command`, with its three streams connected to us.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start {name}: {e}"))?;
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            forward(stdout, sender.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            forward(stderr, sender);
        }
        let stdin = child.stdin.take();
        Ok(Self { name, child, stdin, lines, last_words: VecDeque::new() })
    }

    /// The first thing that `find` makes of a line that the program writes from now on.
    pub(crate) fn wait_for<T>(&mut self, mut find: impl FnMut(&str) -> Option<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => {
                    let found = find(&line);
                    if self.last_words.len() == LAST_WORDS {
                        self.last_words.pop_front();
                    }
                    self.last_words.push_back(line);
                    if let Some(found) = found {
                        return Ok(found);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.failed("did not say what was waited for"));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.failed("ended early")),
            }
        }
    }

    fn failed(&self, what: &str) -> Box<dyn Error + Send + Sync> {
        let words: Vec<&str> = self.last_words.iter().map(String::as_str).collect();
        format!("{} {what}. Its last words: {}", self.name, words.join(" / ")).into()
    }

    /// Asks the program to stop, as Ctrl-C does, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.stdin = None;
        // It may have ended by itself when its stdin closed.
        #[cfg(unix)]
        let _ = rustix::process::kill_process(
            rustix::process::Pid::from_child(&self.child),
            rustix::process::Signal::TERM,
        );
        #[cfg(not(unix))]
        let _ = self.child.kill();
        let deadline = Instant::now() + PATIENCE;
        while self.child.try_wait()?.is_none() {
            if Instant::now() > deadline {
                return Err(self.failed("does not stop when asked to"));
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or nothing is left to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(stream: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(std::result::Result::ok) {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
}

/// The middle one, or the upper of the two.
#[allow(dead_code, reason = "not every benchmark that includes this file averages")]
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Whether this is to be measured (`cargo bench`) and not only tried once (`cargo test`).
pub(crate) fn is_measuring() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}
