//! A program that is left alone and watched: what it says once a second, and what it holds.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::program::{Guarded, Program};
use crate::support::room::{PC, RATE, Room, pulseaudio, spawn};
use crate::support::scratch::Scratch;
use crate::support::stereo::{Stereo, noise};

pub(crate) const HEADING: &str = "\
time      program    delay error, ms       ppm           lost  underruns  jumps  connections    memory  threads  files
                      least    most    least    most       ms                                     MiB";

/// The first seconds are for finding the place.
const SETTLES_S: f64 = 5.0;

/// A program; ended when dropped.
pub(crate) struct Watched {
    name: String,
    program: Program,
    stats: Option<Stats>,
    first: Option<Held>,
    /// What was said by the last row, and all that was said.
    before: Counts,
    all: Spans,
}

/// The file that a listener writes its statistics into.
struct Stats {
    path: PathBuf,
    file: Option<File>,
    /// What has come of the next line.
    begun: String,
    counts: Counts,
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
    pub(crate) fn server(room: Option<&Room>, source: &str) -> Self {
        let mut command = command(room, env!("CARGO_BIN_EXE_auralync-server"));
        command.args(["--source", source, "--bind", "127.0.0.1", "--port", "0"]);
        command.args(["--no-discovery", "--no-web"]);
        Self::start("server", command, None)
    }

    /// A listener on that output of the room, or on none.
    pub(crate) fn listener(
        room: Option<&Room>,
        address: &str,
        output: &str,
        scratch: &Scratch,
    ) -> Self {
        let mut command = command(room, env!("CARGO_BIN_EXE_auralync-client"));
        let stats = scratch.path(output);
        command.args([address, "--stats"]).arg(&stats);
        match room {
            Some(_) => command.args(["--device", output]),
            None => command.args(["--output", output]),
        };
        let mut listener = Self::start(output, command, Some(&stats));
        listener.program.wait_for("connected to");
        listener
    }

    fn start(name: &str, command: Command, stats: Option<&Path>) -> Self {
        let stats = stats.map(Stats::of);
        let (before, all) = Default::default();
        let program = Program::start(command);
        Self { name: name.to_owned(), program, stats, first: None, before, all }
    }

    pub(crate) fn stop(mut self) {
        self.program.stop();
    }

    /// Where a server listens, as it tells its user.
    pub(crate) fn address(&mut self) -> String {
        self.program.address().to_string()
    }

    /// What happened since the last row.
    pub(crate) fn row(&mut self, at: Duration) -> String {
        let (counts, spans) = self.stats.as_mut().map(Stats::read).unwrap_or_default();
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
    pub(crate) fn sum(&mut self, at: Duration) -> String {
        let mut line = self.line(at, self.before, self.all);
        if let Some(first) = self.first {
            let _ = write!(
                line,
                "  (at first {:.1}, {}, {})",
                first.memory_mib, first.threads, first.files
            );
        }
        line
    }

    fn line(&mut self, at: Duration, counts: Counts, spans: Spans) -> String {
        assert!(self.program.is_running(), "{} has ended", self.name);
        let held = Held::by(&self.program);
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
        line
    }
}

fn command(room: Option<&Room>, program: &str) -> Command {
    room.map_or_else(|| Command::new(program), |room| room.command(program))
}

impl Stats {
    fn of(path: &Path) -> Self {
        let (begun, counts) = Default::default();
        Self { path: path.to_owned(), file: None, begun, counts }
    }

    /// What has been counted so far, and what has gone up and down since this was asked last.
    fn read(&mut self) -> (Counts, Spans) {
        let mut spans = Spans::default();
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        if let Some(file) = &mut self.file {
            file.read_to_string(&mut self.begun).unwrap();
        }
        let whole = self.begun.rfind('\n').map_or(0, |end| end + 1);
        for line in self.begun.drain(..whole).collect::<String>().lines() {
            self.note(&serde_json::from_str(line).unwrap(), &mut spans);
        }
        (self.counts, spans)
    }

    /// Notes one line of a listener's statistics.
    fn note(&mut self, stats: &Value, spans: &mut Spans) {
        let number = |key: &str| stats[key].as_f64().unwrap_or(0.0);
        self.counts = Counts {
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
        spans.include(Spans { error_ms: (error_ms, error_ms), ppm: (ppm, ppm) });
    }
}

impl Held {
    fn by(program: &Program) -> Self {
        let (threads, files) = program.threads_and_files();
        Self { memory_mib: program.resident_kib() as f64 / 1024.0, threads, files }
    }
}

/// Whether this machine has what a room needs.
pub(crate) fn has_sound() -> bool {
    let answers = |program: &str| Command::new(program).arg("--version").output().is_ok();
    answers(&pulseaudio()) && answers("pactl")
}

/// Noise on the room's `pc`; ends with what is returned.
pub(crate) fn play(room: &Room) -> Guarded {
    let mut command = room.command("paplay");
    command.args(["--raw", "--format=float32le", "--channels=2"]);
    command.args([&format!("--device={}", PC.name), &format!("--rate={RATE}")]);
    let mut child = spawn(command.stdin(Stdio::piped()));
    let Stereo { left, right } = noise(RATE as usize, RATE);
    let frames = left.into_iter().zip(right).flat_map(|(l, r)| [l, r]);
    let bytes: Vec<u8> = frames.flat_map(f32::to_le_bytes).collect();
    if let Some(mut stdin) = child.stdin.take() {
        // Until nobody reads any more.
        thread::spawn(move || while stdin.write_all(&bytes).is_ok() {});
    }
    Guarded(child)
}
