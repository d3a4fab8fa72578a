//! The real server with a crowd: everybody at the same instant, everybody for half a minute, and
//! some who never read.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use auralync::wire::{AUDIO_HEADER, MAX_CLIENT_FRAME};

use crate::audience::{Audience, Outcome, Seats};
use crate::measuring::Result;
use crate::processor::cpu;
use crate::support::program::Program;
use crate::support::scratch::Scratch;

/// What the server sends with no card and no flag that says otherwise.
const RATE: u64 = 48_000;
const CHANNELS: u64 = 2;

/// Who comes, and for how long.
struct Occasion {
    title: &'static str,
    preset: &'static str,
    chunk: u64,
    max_queue_size: u64,
    readers: usize,
    browsers: usize,
    /// Those with Opus by datagram.
    by_datagram: usize,
    deaf: usize,
    listening: Duration,
}

const CROWD: Occasion = Occasion {
    title: "2,000 listeners",
    preset: "stable",
    chunk: 2048,
    max_queue_size: 100,
    readers: 2000,
    browsers: 0,
    by_datagram: 0,
    deaf: 0,
    listening: Duration::from_secs(30),
};

const MIXED: Occasion = Occasion {
    title: "500 listeners beside 500 browsers",
    preset: "stable",
    chunk: 2048,
    max_queue_size: 100,
    readers: 500,
    browsers: 500,
    by_datagram: 0,
    deaf: 0,
    listening: Duration::from_secs(30),
};

/// Long enough for the server to lose patience with those that take nothing for 10 s.
const DEAF: Occasion = Occasion {
    title: "50 listeners, and 5 that never read",
    preset: "smooth",
    chunk: 1024,
    max_queue_size: 50,
    readers: 50,
    browsers: 0,
    by_datagram: 0,
    deaf: 5,
    listening: Duration::from_secs(15),
};

/// So many listeners with Opus by datagram.
const BY_DATAGRAM: [(&str, usize); 2] =
    [("5,000 listeners by datagram", 5_000), ("10,000 listeners by datagram", 10_000)];

/// Measures and prints the tables of crowds that hear Opus by datagram. What this machine, which has
/// the listeners too, cannot do is said, and is no failure.
pub(crate) fn measure_by_datagram(measuring: bool) -> Result<()> {
    for (title, by_datagram) in BY_DATAGRAM {
        let occasion = Occasion { title, readers: 0, by_datagram, ..CROWD };
        if let Err(e) = occasion.tried(measuring).measure() {
            println!("  {e}");
        }
    }
    Ok(())
}

/// Measures and prints the tables.
pub(crate) fn measure(measuring: bool) -> Result<()> {
    [CROWD, MIXED, DEAF].into_iter().try_for_each(|occasion| occasion.tried(measuring).measure())
}

/// Measures and prints the table of browsers beside native listeners alone.
pub(crate) fn measure_beside_browsers(measuring: bool) -> Result<()> {
    MIXED.tried(measuring).measure()
}

impl Occasion {
    /// A small one, unless it is to be measured.
    fn tried(self, measuring: bool) -> Self {
        if measuring {
            return self;
        }
        let (readers, listening) = (self.readers.min(10), Duration::from_secs(1));
        let (browsers, by_datagram) = (self.browsers.min(10), self.by_datagram.min(10));
        Self { readers, browsers, by_datagram, listening, ..self }
    }

    fn measure(&self) -> Result<()> {
        let server = Server::start(self.preset, false);
        let before_kib = server.process.resident_kib();
        let seats = Seats {
            server: server.address,
            readers: self.readers,
            browsers: Some((server.page, self.browsers)),
            by_datagram: self.by_datagram,
            deaf: self.deaf,
            opus: self.by_datagram > 0,
            secret: None,
            one_by_one: false,
        };
        let mut audience = Audience::seat(seats)?;
        audience.begin()?;
        let greeted = audience.greeted;
        let cpu_before = cpu(&server.process)?;
        let started = Instant::now();
        thread::sleep(self.listening);
        let cpu = cpu(&server.process)?.saturating_sub(cpu_before);
        let took = started.elapsed();
        let most_kib = server.process.peak_kib();
        let outcome = audience.end_after(0)?;
        let stats = server.end()?;

        println!("\n{}, {:.0} s (preset {})\n", self.title, took.as_secs_f64(), self.preset);
        let row = |what: &str, measured: String, target: &str| {
            println!("  {what:<46}  {measured:>18}  {target}");
        };
        row("", "measured".to_owned(), "target");
        row(
            "all connect at once, the last config after",
            format!("{:.0} ms", greeted.last_config_ms),
            "1000 ms or less",
        );
        row("connections closed on listeners that read", outcome.closed.to_string(), "0");
        row("chunks lost on the way", outcome.lost.to_string(), "0");
        row("chunks dropped for listeners that read", stats.dropped(false).to_string(), "0");
        row("chunks received by each", range(&outcome.frames), "");
        if self.by_datagram == 0 {
            let share = self.bytes_share(&outcome);
            row(
                "bytes to each, of rate × channels × 4 + headers",
                format!("{:.2} … {:.2} %", share.0, share.1),
                "99 … 101 %",
            );
        }
        let listeners = (self.readers + self.browsers + self.by_datagram) as f64;
        let per_listener = cpu.as_secs_f64() / took.as_secs_f64() / listeners;
        row("server's CPU", percent(cpu, took), "");
        row("server's CPU per listener and second", format!("{:.0} µs", per_listener * 1e6), "");
        if self.deaf > 0 {
            row("chunks dropped for those that do not", stats.dropped(true).to_string(), "");
            let bound = self.memory_bound();
            row(
                "memory that listeners cost the server, at most",
                format!("{} KiB", most_kib.saturating_sub(before_kib)),
                &format!("{} or less", kilobytes(bound)),
            );
        }
        let whole = outcome.closed == 0 && outcome.lost == 0 && stats.dropped(false) == 0;
        if whole { Ok(()) } else { Err("a listener that reads did not get everything".into()) }
    }

    fn frame_bytes(&self) -> u64 {
        self.chunk * CHANNELS * 4 + AUDIO_HEADER as u64
    }

    /// The least and the most that a listener got of what it should have, in percent.
    fn bytes_share(&self, outcome: &Outcome) -> (f64, f64) {
        let chunks_per_second = RATE as f64 / self.chunk as f64;
        let expected = self.frame_bytes() as f64 * chunks_per_second * outcome.seconds;
        let share = |bytes: Option<&u64>| bytes.map_or(0.0, |b| *b as f64 / expected * 100.0);
        (share(outcome.bytes.iter().min()), share(outcome.bytes.iter().max()))
    }

    /// The bound that the protocol's document gives: what each connection may hold, and one queue
    /// for all.
    fn memory_bound(&self) -> u64 {
        /// What has come and is no whole frame yet; the buffer doubles when it grows.
        const UNFINISHED: u64 = 2 * (4 + MAX_CLIENT_FRAME as u64 - 1 + 16 * 1024);
        const SEAT: u64 = 4 * 1024;
        /// Frames between the threads: the queue of `send/transmit.rs`.
        const ON_THEIR_WAY: u64 = 2_048;
        let connections = (self.readers + self.browsers + self.deaf) as u64;
        connections * (UNFINISHED + self.frame_bytes() + SEAT)
            + (self.max_queue_size + ON_THEIR_WAY) * self.frame_bytes()
    }
}

fn range(values: &[u64]) -> String {
    let least = values.iter().min().copied().unwrap_or(0);
    let most = values.iter().max().copied().unwrap_or(0);
    format!("{least} … {most}")
}

fn percent(cpu: Duration, took: Duration) -> String {
    format!("{:.1} % of a core", cpu.as_secs_f64() / took.as_secs_f64() * 100.0)
}

fn kilobytes(bytes: u64) -> String {
    format!("{} KiB", bytes / 1024)
}

/// Where the server writes down what it says of its listeners.
const STATS: &str = "stats";

/// The server's program, which keeps its keys in a folder of its own.
fn program(scratch: &Scratch) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auralync-server"));
    command.env("XDG_CONFIG_HOME", scratch.path("keys")).env("HOME", scratch.path("keys"));
    command
}

/// The server's program on a tone.
pub(crate) struct Server {
    pub(crate) process: Program,
    pub(crate) address: SocketAddr,
    page: SocketAddr,
    scratch: Scratch,
}

impl Server {
    pub(crate) fn start(preset: &str, is_private: bool) -> Self {
        let scratch = Scratch::new();
        let mut command = program(&scratch);
        command.args(is_private.then_some("--private"));
        command.args(["--preset", preset, "--max-clients", "10000", "--source", "tone"]);
        command
            .args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--web", "0", "--stats"])
            .arg(scratch.path(STATS));
        let mut process = Program::start(command);
        let (address, page) = (process.address(), process.page());
        Self { process, address, page, scratch }
    }

    /// The link to its private room.
    pub(crate) fn link(&self) -> String {
        let shown = program(&self.scratch).args(["--no-web", "--show-link"]).output();
        String::from_utf8(shown.expect("the program runs").stdout).expect("a link is text")
    }

    /// Stops the server and reads what it said of its listeners.
    pub(crate) fn end(mut self) -> Result<Stats> {
        self.process.stop();
        let lines = fs::read_to_string(self.scratch.path(STATS))?;
        // What was said of those that have gone stands in earlier lines.
        let stats = lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Ok(Stats(stats))
    }
}

/// The lines of the server's `--stats`.
pub(crate) struct Stats(Vec<serde_json::Value>);

impl Stats {
    /// Chunks dropped for listeners that said hello, or for those that did not.
    fn dropped(&self, deaf: bool) -> u64 {
        let mut by_address = std::collections::BTreeMap::new();
        for listener in self.0.iter().filter_map(|line| line["listeners"].as_array()).flatten() {
            let is_deaf = listener["version"].as_u64() == Some(1);
            let dropped = ["dropped_full", "dropped_old"].map(|key| listener[key].as_u64());
            if is_deaf == deaf {
                let dropped: u64 = dropped.into_iter().flatten().sum();
                by_address.insert(listener["address"].to_string(), dropped);
            }
        }
        by_address.values().sum()
    }
}
