//! One server and its listeners as processes of their own, the way a user starts them.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use auralync::{Error, Result};

use crate::heard::median;

/// How long the server may take to listen, and a stopped program to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What one listener leaves behind.
pub(crate) struct Listened {
    /// What it would have played: a float WAV file.
    pub(crate) wav: PathBuf,
    /// Its counters: one JSON object a line.
    pub(crate) stats: PathBuf,
}

/// A folder below the system's one for temporary files, removed with all it holds when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// # Errors
    ///
    /// [`Error::File`] when the system lets nothing be made there.
    pub(crate) fn make() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("auralync-demo-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(|error| unwritable(&path, &error))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is the system's to clear.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts a server on a tone and `listeners` clients, lets them run for `listening`, and stops
/// them: the listeners first, so that the tone goes on to the end of what they heard.
///
/// # Errors
///
/// [`Error::File`] when a program is missing or `folder` cannot be written, [`Error::Internal`]
/// when one cannot be started, ends early or does not stop; with what it said.
pub(crate) fn run(
    folder: &Path,
    tone_hz: f64,
    listeners: usize,
    listening: Duration,
) -> Result<Vec<Listened>> {
    let port = free_port()?;
    let mut server = Running::start(
        "auralync-server",
        folder.join("server.log"),
        &[
            "--preset",
            "low-latency",
            "--source",
            &format!("tone:{tone_hz}"),
            "--no-discovery",
            "--bind",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--no-web",
        ],
    )?;
    server.wait_until("does not listen", || {
        Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
    })?;

    let mut clients = Vec::new();
    let mut listened = Vec::new();
    for number in 1..=listeners {
        let wav = folder.join(format!("{number}.wav"));
        let stats = folder.join(format!("{number}.stats"));
        clients.push(Running::start(
            "auralync-client",
            folder.join(format!("{number}.log")),
            &[
                &format!("127.0.0.1:{port}"),
                "--name",
                &format!("listener {number}"),
                "--once",
                "--output",
                &format!("wav:{}", wav.display()),
                "--stats",
                &stats.display().to_string(),
            ],
        )?);
        listened.push(Listened { wav, stats });
    }

    let end = Instant::now() + listening;
    while Instant::now() < end {
        for program in clients.iter_mut().chain([&mut server]) {
            program.check_alive()?;
        }
        thread::sleep(LOOK_AGAIN);
    }
    for program in clients.iter_mut().chain([&mut server]) {
        program.stop()?;
    }
    Ok(listened)
}

/// The middle one of the delays that a listener's `--stats` file names, in milliseconds; `None`
/// where it names none.
///
/// # Errors
///
/// [`Error::File`] when the file cannot be read.
pub(crate) fn delay_ms(stats: &Path) -> Result<Option<f64>> {
    let lines = fs::read_to_string(stats).map_err(|error| Error::File {
        path: stats.to_owned(),
        why: error.to_string(),
        fix: "The listener should have written its counters there: please report this".into(),
    })?;
    Ok(median(&delays(&lines)))
}

fn delays(lines: &str) -> Vec<f64> {
    lines
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|counters| counters.get("delay_ms")?.as_f64())
        .collect()
}

/// A port that nobody uses right now.
fn free_port() -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| internal("cannot find a free port", &error))
}

/// A program that is killed at the latest when this is dropped.
struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Running {
    fn start(name: &'static str, log: PathBuf, arguments: &[&str]) -> Result<Self> {
        let program = built_program(name)?;
        let both = File::create(&log)
            .and_then(|stdout| Ok((stdout.try_clone()?, stdout)))
            .map_err(|error| unwritable(&log, &error))?;
        let child = Command::new(&program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(both.0)
            .stderr(both.1)
            .spawn()
            .map_err(|error| internal(format!("cannot start {name}"), &error))?;
        Ok(Self { name, child, log })
    }

    /// Fails when the program has ended by itself.
    fn check_alive(&mut self) -> Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => Err(self.failed(format!("ended early ({status})"))),
        }
    }

    /// Waits until `condition` holds while the program runs.
    fn wait_until(&mut self, failure: &str, condition: impl Fn() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !condition()? {
            self.check_alive()?;
            if Instant::now() > deadline {
                return Err(self.failed(failure));
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Asks the program to stop and waits until it has.
    fn stop(&mut self) -> Result<()> {
        ask_to_stop(&mut self.child);
        let deadline = Instant::now() + PATIENCE;
        while self.ended()?.is_none() {
            if Instant::now() > deadline {
                return Err(self.failed("does not stop when asked to"));
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    fn ended(&mut self) -> Result<Option<std::process::ExitStatus>> {
        self.child
            .try_wait()
            .map_err(|error| internal(format!("cannot watch {}", self.name), &error))
    }

    /// An error with the last words of the program, which usually name the cause.
    fn failed(&self, what: impl AsRef<str>) -> Error {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let last_words = log.lines().rev().find(|line| !line.trim().is_empty());
        internal(
            format!("{} {}", self.name, what.as_ref()),
            last_words.unwrap_or("it said nothing").trim_end_matches('.'),
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or nothing is left to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
fn ask_to_stop(child: &mut Child) {
    let pid = rustix::process::Pid::from_child(child);
    // The only failure is that it has ended already, which the caller sees next.
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
}

/// Where there is no signal to send: a WAV file's header is at most a second behind then.
#[cfg(not(unix))]
fn ask_to_stop(child: &mut Child) {
    // The only failure is that it has ended already, which the caller sees next.
    let _ = child.kill();
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

fn unwritable(path: &Path, error: &std::io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        why: error.to_string(),
        fix: "Free some space, or point TMPDIR at a folder that can be written".into(),
    }
}

fn internal(what: impl Into<String>, why: &(impl ToString + ?Sized)) -> Error {
    Error::Internal { what: what.into(), why: why.to_string() }
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
        assert_eq!(delays(stats), [78.5, 80.0, 300.0]);
        assert_eq!(median(&delays(stats)), Some(80.0));
        assert_eq!(median(&delays("")), None);
    }
}
