//! A program that is left alone and watched: what it says once a second, and what it holds.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::house::{House, RATE};
use crate::listen;
use crate::running::{PATIENCE, Result};

pub(crate) const HEADING: &str = "\
time      program    delay error, ms       ppm           lost  underruns  jumps  connections    memory  threads  files
                      least    most    least    most       ms                                     MiB";

/// The first seconds are for finding the place.
const SETTLES_S: f64 = 5.0;

/// A program; ended when dropped.
pub(crate) struct Watched {
    name: String,
    child: Child,
    said: Arc<Mutex<Said>>,
    first: Option<Held>,
    /// What was said by the last row, and all that was said.
    before: Counts,
    all: Spans,
}

/// What a program has said.
#[derive(Default)]
struct Said {
    address: Option<String>,
    counts: Counts,
    /// Since it was last looked at.
    spans: Spans,
}

/// What is counted from the start on.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    lost: f64,
    underruns: f64,
    jumps: f64,
    connections: f64,
}

/// What goes up and down.
#[derive(Debug, Clone, Copy)]
struct Spans {
    error_ms: (f64, f64),
    ppm: (f64, f64),
}

impl Default for Spans {
    fn default() -> Self {
        const NONE: (f64, f64) = (f64::INFINITY, f64::NEG_INFINITY);
        Self { error_ms: NONE, ppm: NONE }
    }
}

impl Spans {
    fn include(&mut self, other: Self) {
        for (span, other) in [(&mut self.error_ms, other.error_ms), (&mut self.ppm, other.ppm)] {
            *span = (span.0.min(other.0), span.1.max(other.1));
        }
    }
}

/// What a program holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    memory_mib: f64,
    threads: usize,
    files: usize,
}

impl Watched {
    pub(crate) fn server(house: Option<&House>, source: &str) -> Result<Self> {
        let mut command = command(house, env!("CARGO_BIN_EXE_auralync-server"));
        command.args([
            "--source",
            source,
            "--bind",
            "127.0.0.1",
            "--port",
            "0",
            "--no-discovery",
            "--no-web",
        ]);
        Self::start("server", command)
    }

    /// A listener on that output of the room, or on none.
    pub(crate) fn listener(house: Option<&House>, address: &str, output: &str) -> Result<Self> {
        let mut command = command(house, env!("CARGO_BIN_EXE_auralync-client"));
        command.args([address, "--stats", "-"]);
        match house {
            Some(_) => command.args(["--device", output]),
            None => command.args(["--output", output]),
        };
        Self::start(output, command)
    }

    fn start(name: &str, mut command: Command) -> Result<Self> {
        let cannot = |e| format!("cannot start {name}: {e}");
        let mut child = command.stdout(Stdio::piped()).spawn().map_err(cannot)?;
        let said: Arc<Mutex<Said>> = Arc::default();
        if let Some(stdout) = child.stdout.take() {
            let said = Arc::clone(&said);
            thread::spawn(move || listen_to(stdout, &said));
        }
        let (before, all) = Default::default();
        Ok(Self { name: name.to_owned(), child, said, first: None, before, all })
    }

    /// Where a server listens, as it tells its user.
    pub(crate) fn address(&mut self) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(address) = lock(&self.said).address.clone() {
                return Ok(address);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Err("the server does not say where it listens".into())
    }

    /// What happened since the last row.
    pub(crate) fn row(&mut self, at: Duration) -> Result<String> {
        let (counts, spans) = {
            let mut said = lock(&self.said);
            (said.counts, std::mem::take(&mut said.spans))
        };
        self.all.include(spans);
        let before = std::mem::replace(&mut self.before, counts);
        let since = Counts {
            lost: counts.lost - before.lost,
            underruns: counts.underruns - before.underruns,
            jumps: counts.jumps - before.jumps,
            connections: counts.connections - before.connections,
        };
        self.line(at, since, spans)
    }

    /// The line of all the time since the start.
    pub(crate) fn sum(&mut self, at: Duration) -> Result<String> {
        let mut line = self.line(at, self.before, self.all)?;
        if let Some(first) = self.first {
            let _ = write!(
                line,
                "  (at first {:.1}, {}, {})",
                first.memory_mib, first.threads, first.files
            );
        }
        Ok(line)
    }

    fn line(&mut self, at: Duration, counts: Counts, spans: Spans) -> Result<String> {
        if let Some(status) = self.child.try_wait()? {
            return Err(format!("{} has ended ({status})", self.name).into());
        }
        let held = held(self.child.id())?;
        self.first.get_or_insert(held);
        let seconds = at.as_secs();
        let clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        let mut line = format!("{clock}  {:<8}", self.name);
        for (value, digits) in
            [(spans.error_ms.0, 3), (spans.error_ms.1, 3), (spans.ppm.0, 1), (spans.ppm.1, 1)]
        {
            // Formatting into a string cannot fail.
            let _ = match value.is_finite() {
                true => write!(line, "{value:>9.digits$}"),
                false => write!(line, "{:>9}", "-"),
            };
        }
        let Counts { lost, underruns, jumps, connections } = counts;
        let Held { memory_mib, threads, files } = held;
        let _ = write!(
            line,
            "{lost:>9.1}{underruns:>11}{jumps:>7}{connections:>13}{memory_mib:>10.1}{threads:>9}{files:>7}"
        );
        Ok(line)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // It has ended already, or nothing is left to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(house: Option<&House>, program: &str) -> Command {
    let mut command = house.map_or_else(|| Command::new(program), |house| house.command(program));
    command.stdin(Stdio::null());
    command
}

fn lock(said: &Mutex<Said>) -> std::sync::MutexGuard<'_, Said> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen_to(stdout: ChildStdout, said: &Mutex<Said>) {
    for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
        if let Some(typed) = line.trim().strip_prefix("auralync-client ") {
            let address = typed.split_whitespace().next().map(str::to_owned);
            lock(said).address = address;
        } else if let Ok(stats) = serde_json::from_str::<Value>(&line) {
            note(&stats, &mut lock(said));
        }
    }
}

/// Notes one line of a listener's statistics.
fn note(stats: &Value, said: &mut Said) {
    let number = |key: &str| stats[key].as_f64().unwrap_or(0.0);
    said.counts = Counts {
        lost: number("lost_frames") / f64::from(RATE) * 1e3,
        underruns: number("underruns"),
        jumps: number("jumps"),
        connections: number("connections"),
    };
    if number("uptime_s") < SETTLES_S || number("delay_ms") == 0.0 {
        return;
    }
    let error_ms = number("delay_ms") - number("playout_delay_ms");
    let ppm = number("ppm");
    said.spans.include(Spans { error_ms: (error_ms, error_ms), ppm: (ppm, ppm) });
}

fn held(pid: u32) -> Result<Held> {
    let count = |what| fs::read_dir(format!("/proc/{pid}/{what}")).map(Iterator::count);
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let row = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib: f64 = row.trim().trim_end_matches(" kB").parse().unwrap_or(f64::NAN);
    Ok(Held { memory_mib: kib / 1024.0, threads: count("task")?, files: count("fd")? })
}

/// Noise on the room's `pc`; ends with what is returned.
pub(crate) fn play(house: &House) -> Result<Playing> {
    let mut command = house.command("paplay");
    command.args(["--device=pc", "--raw", "--format=float32le", "--channels=2"]);
    let mut child = command.arg(format!("--rate={RATE}")).stdin(Stdio::piped()).spawn()?;
    let noise = listen::noise(RATE as usize);
    let bytes: Vec<u8> = noise.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    if let Some(mut stdin) = child.stdin.take() {
        // Until nobody reads any more.
        thread::spawn(move || while stdin.write_all(&bytes).is_ok() {});
    }
    Ok(Playing(child))
}

pub(crate) struct Playing(Child);

impl Drop for Playing {
    fn drop(&mut self) {
        // It has ended already, or nothing is left to do about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
