//! What an engine that is not there, or does not read, does to listeners of the origin itself: nothing, it is hoped.

use std::net::{Ipv4Addr, TcpListener};
use std::thread;
use std::time::Duration;

use auralync::clock::Clock;
use rustix::process::Signal;

use crate::audience::Audience;
use crate::clocks::{Heard, listen};
use crate::crowd::{cost, seats};
use crate::measuring::Result;
use crate::servers::{Servers, nodes};
use crate::support::median::median;

const SENDS: [&str; 8] =
    ["--source", "tone", "--preset", "smooth", "--codecs", "opus:128,s16", "--max-clients", "1000"];

const LISTENERS: usize = 200;
const LISTENING: Duration = Duration::from_secs(15);
const ROUNDS: usize = 3;

/// What is the matter with the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    /// None was named.
    None,
    /// Nobody listens at its address.
    Closed,
    /// It takes the connection and says nothing.
    Silent,
    /// It has stopped while an edge listened.
    Stopped,
}

const ALL: [(Engine, &str); 4] = [
    (Engine::None, "no engine"),
    (Engine::Closed, "nobody at its address"),
    (Engine::Silent, "it says nothing"),
    (Engine::Stopped, "it stops reading"),
];

/// µs of the origin's processor for each frame that its listeners got, and the longest wait for one, in ms.
fn once(engine: Engine, listeners: usize, listening: Duration) -> Result<(f64, f64)> {
    let servers = Servers::new();
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let silent = format!("nats://{}", door.local_addr()?);
    // A socket that listens takes connections, whether anybody accepts them or not.
    let _silent = (engine == Engine::Silent).then_some(door);
    let nodes = if engine == Engine::Stopped { nodes(&servers.scratch, 1)? } else { Vec::new() };
    let flags = match engine {
        Engine::None => Vec::new(),
        Engine::Closed | Engine::Silent => vec!["--engine", &silent],
        Engine::Stopped => Vec::new(),
    };
    let mut origin = match nodes.first() {
        Some(node) => servers.origin(node, &SENDS),
        None => servers.start(&[&SENDS[..], &flags].concat()),
    };
    let mut edge = nodes.first().map(|node| servers.edge(node, &[]));
    let (at, clock) = (origin.address(), Clock::start());
    let audience = Audience::seat(seats(at, listeners))?;
    if let Some(edge) = &mut edge {
        // Sound is on its way there.
        listen(edge.address(), clock, Duration::from_secs(1))?;
    }
    for node in &nodes {
        node.program.signal(Signal::STOP);
    }
    let probe = thread::spawn(move || listen(at, clock, listening).map_err(|e| e.to_string()));
    let (cost, _) = cost(&[&origin], vec![audience], listening)?;
    let heard = probe.join().map_err(|_| "the probe panicked")??;
    for node in &nodes {
        node.program.signal(Signal::CONT);
    }
    Ok((cost[0], worst_wait_ms(&heard)))
}

/// The longest time between two frames, in ms, once all have come that were there before.
fn worst_wait_ms(heard: &Heard) -> f64 {
    let came: Vec<u64> = heard.frames.values().map(|(came_us, _)| *came_us).collect();
    let later = came.get(came.len() / 5..).unwrap_or_default();
    later.windows(2).map(|two| two[1].saturating_sub(two[0])).max().unwrap_or(0) as f64 / 1e3
}

pub(crate) fn measure(measuring: bool) -> Result<()> {
    let (listeners, listening, rounds) =
        if measuring { (LISTENERS, LISTENING, ROUNDS) } else { (5, Duration::from_secs(1), 1) };
    let mut all = vec![Vec::new(); ALL.len()];
    for _ in 0..rounds {
        for (found, (engine, _)) in all.iter_mut().zip(ALL) {
            found.push(once(engine, listeners, listening)?);
        }
    }
    println!("\n{listeners} listeners of an origin, {rounds} times {} s\n", listening.as_secs());
    let of = |found: &[(f64, f64)]| {
        (median(found.iter().map(|one| one.0)), median(found.iter().map(|one| one.1)))
    };
    let (alone, alone_wait) = of(&all[0]);
    for (found, (_, what)) in all.iter().zip(ALL) {
        let (cost, wait) = of(found);
        println!(
            "  {what:<24} {cost:.2} µs a frame, {:.2} of that without; longest wait {wait:.1} ms, {:.2} (target 1.1)",
            cost / alone,
            wait / alone_wait
        );
    }
    Ok(())
}
