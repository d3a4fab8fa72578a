//! What listeners hear while something between them and the origin fails.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::measuring::Result;
use crate::servers::{Servers, nodes};
use crate::support::flags::{source, wav};
use crate::support::holes::{Holes, holes};
use crate::support::nats::Node;
use crate::support::program::Program;
use crate::support::ramp::{self, Recording, frames_on_disk};

const RATE: u64 = 48_000;

/// Sound that is there: the ramp is no longer.
const SECONDS: usize = 110;

/// What fails, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fails {
    /// The node of the first edge is killed.
    Node,
    /// The first edge stands still for so long.
    Edge(u64),
    /// The origin stands still for so long.
    Origin(u64),
    /// All nodes stand still for so long: nobody reads there.
    Engine(u64),
}

const DELAYS_MS: [&str; 2] = ["300", "1000"];

struct Listener {
    program: Program,
    path: std::path::PathBuf,
}

impl Listener {
    fn at(servers: &Servers, server: &mut Program, name: &str) -> Self {
        let path = servers.scratch.path(name);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_auralync-client"));
        command.arg(server.address().to_string()).args(["--output", &wav(&path), "--overwrite"]);
        Self { program: Program::start(command), path }
    }

    fn has(&self, seconds: u64) -> bool {
        frames_on_disk(&self.path, 2) > seconds * RATE
    }

    /// What was not heard.
    fn holes(mut self) -> Holes {
        self.program.stop();
        holes(&Recording::read(&self.path).whole_stretches())
    }
}

pub(crate) fn measure(measuring: bool) -> Result<()> {
    let all = [
        Fails::Node,
        Fails::Edge(10),
        Fails::Origin(2),
        Fails::Origin(20),
        Fails::Engine(2),
        Fails::Engine(60),
    ];
    let delays = if measuring { &DELAYS_MS[..] } else { &DELAYS_MS[..1] };
    let fails = if measuring { &all[..] } else { &all[..1] };
    println!(
        "\nWhat is heard when something fails: ms that are silent or faded, in how many places, and by how many frames \
         what follows has moved, if it has\n"
    );
    println!(
        "  {:<28} {:>8}  {:>14}  {:>14}  {:>14}  slow consumers",
        "", "delay", "at that edge", "at the other", "at the origin"
    );
    for delay_ms in delays {
        for fails in fails {
            fail(*fails, delay_ms)?;
        }
    }
    Ok(())
}

fn fail(fails: Fails, delay_ms: &str) -> Result<()> {
    let servers = Servers::new();
    let nodes = nodes(&servers.scratch, 3)?;
    let ramp = servers.scratch.path("ramp.wav");
    ramp::write(&ramp, 0, SECONDS * RATE as usize, RATE as u32, 2);
    let flags =
        ["--source", &source(&ramp), "--playout-delay-ms", delay_ms, "--max-queue-size", "200"];
    let mut origin = servers.origin(&nodes[0], &flags);
    let mut edges = [servers.edge(&nodes[1], &[]), servers.edge(&nodes[2], &[])];
    let here = Listener::at(&servers, &mut origin, "here.wav");
    let first = Listener::at(&servers, &mut edges[0], "first.wav");
    let second = Listener::at(&servers, &mut edges[1], "second.wav");
    let all = [&here, &first, &second];
    wait(|| all.iter().all(|one| one.has(3)))?;
    let stand_still = |programs: &[&Program], seconds: u64| {
        programs.iter().for_each(|one| one.signal(Signal::STOP));
        thread::sleep(Duration::from_secs(seconds));
        programs.iter().for_each(|one| one.signal(Signal::CONT));
    };
    let (what, seconds) = match fails {
        Fails::Node => {
            nodes[1].program.signal(Signal::KILL);
            ("a node is killed".to_owned(), 0)
        }
        Fails::Edge(seconds) => {
            stand_still(&[&edges[0]], seconds);
            (format!("an edge stands still, {seconds} s"), seconds)
        }
        Fails::Origin(seconds) => {
            stand_still(&[&origin], seconds);
            (format!("the origin stands still, {seconds} s"), seconds)
        }
        Fails::Engine(seconds) => {
            let programs: Vec<&Program> = nodes.iter().map(|node| &node.program).collect();
            stand_still(&programs, seconds);
            (format!("the engine stands still, {seconds} s"), seconds)
        }
    };
    thread::sleep(Duration::from_secs(8));
    wait(|| here.has(if fails == Fails::Origin(seconds) { 8 } else { 10 + seconds }))?;
    let slow: Vec<String> = nodes
        .iter()
        .filter_map(|node| slow_consumers(node).ok())
        .map(|count| count.to_string())
        .collect();
    let shown = |listener: Listener| {
        let holes = listener.holes();
        let ms = holes.frames * 1_000 / RATE;
        let moved = if holes.is_in_place() { String::new() } else { format!(", {}", holes.moved) };
        format!("{ms}, {}{moved}", holes.places)
    };
    let (here, first, second) = (shown(here), shown(first), shown(second));
    println!(
        "  {what:<28} {delay_ms:>5} ms  {first:>14}  {second:>14}  {here:>14}  {}",
        slow.join(" ")
    );
    Ok(())
}

fn wait(mut condition: impl FnMut() -> bool) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(60);
    while !condition() {
        if Instant::now() > until {
            return Err("what is listened to does not come".into());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Connections that a node has cut because they did not read in time.
pub(crate) fn slow_consumers(node: &Node) -> Result<u64> {
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, node.monitor))?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    socket.write_all(b"GET /varz HTTP/1.0\r\n\r\n")?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    let all: serde_json::Value = serde_json::from_str(body)?;
    all["slow_consumers"].as_u64().ok_or_else(|| "it does not say".into())
}
