//! What listeners at edges cost, beside as many at one server.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use crate::audience::{Audience, Outcome, Seats};
use crate::measuring::Result;
use crate::outages::slow_consumers;
use crate::processor::cpu;
use crate::servers::{Servers, nodes};
use crate::support::program::Program;

/// What all servers here send.
const SENDS: [&str; 8] =
    ["--source", "tone", "--preset", "stable", "--codecs", "opus:128", "--max-clients", "10000"];

/// Listeners at each of two edges.
const EACH: usize = 500;

/// The largest crowd of these, and how long it listens.
const MANY: usize = 1_000;
const LONG: Duration = Duration::from_secs(60);

const LISTENING: Duration = Duration::from_secs(20);

/// Packets of Opus per second: the preset's are of 20 ms.
const PACKETS_PER_S: u64 = 50;

pub(crate) fn seats(server: SocketAddr, readers: usize) -> Seats {
    Seats {
        server,
        readers,
        browsers: None,
        by_datagram: 0,
        deaf: 0,
        opus: true,
        secret: None,
        one_by_one: false,
    }
}

/// µs of processor for each frame that came, of each of these programs, and what came.
pub(crate) fn cost(
    programs: &[&Program],
    audiences: Vec<Audience>,
    listening: Duration,
) -> Result<(Vec<f64>, Vec<Outcome>)> {
    let mut audiences = audiences;
    audiences.iter_mut().try_for_each(Audience::begin)?;
    let before = programs.iter().map(|one| cpu(one)).collect::<Result<Vec<_>>>()?;
    thread::sleep(listening);
    let after = programs.iter().map(|one| cpu(one)).collect::<Result<Vec<_>>>()?;
    let outcomes = audiences.into_iter().map(|one| one.end_after(0)).collect::<Result<Vec<_>>>()?;
    let frames: u64 = outcomes.iter().flat_map(|outcome| &outcome.frames).sum();
    let each = before.iter().zip(&after).map(|(before, after)| {
        after.saturating_sub(*before).as_secs_f64() * 1e6 / frames.max(1) as f64
    });
    Ok((each.collect(), outcomes))
}

/// Frames that the one has who has fewest, of those that there were.
fn fewest(outcomes: &[Outcome], listening: Duration) -> String {
    let fewest =
        outcomes.iter().flat_map(|outcome| &outcome.frames).min().copied().unwrap_or_default();
    let lost: u64 = outcomes.iter().map(|outcome| outcome.lost).sum();
    let closed: usize = outcomes.iter().map(|outcome| outcome.closed).sum();
    format!("{fewest} of {}, {lost} lost, {closed} closed", listening.as_secs() * PACKETS_PER_S)
}

pub(crate) fn measure(measuring: bool) -> Result<()> {
    let (each, listening) = if measuring { (EACH, LISTENING) } else { (5, Duration::from_secs(1)) };
    let one_server = alone(2 * each, listening)?;
    let mut per_node = Vec::new();
    let counts = if measuring { &[1, 2, 3][..] } else { &[3][..] };
    for &count in counts {
        let nodes_cost = at_edges(count, each, listening, one_server)?;
        per_node.push(nodes_cost);
    }
    if let [one, two, ..] = per_node[..] {
        println!("  nodes' cost at two nodes to one: {:.2} (target 1.2)", two / one.max(1e-6));
    }
    if measuring {
        let one_server = alone(2 * MANY, listening)?;
        at_edges(3, MANY, LONG, one_server)?;
    }
    Ok(())
}

/// So many listeners at one server without an engine; µs of its processor for each frame.
fn alone(count: usize, listening: Duration) -> Result<f64> {
    let servers = Servers::new();
    let mut server = servers.start(&SENDS);
    let audience = Audience::seat(seats(server.address(), count))?;
    let (cost, outcomes) = cost(&[&server], vec![audience], listening)?;
    println!("\n{count} listeners with Opus, {} s (preset stable)\n", listening.as_secs());
    println!("  one server: {:.2} µs a frame; {}", cost[0], fewest(&outcomes, listening));
    Ok(cost[0])
}

/// Listeners at two edges, behind so many nodes; what the nodes cost.
fn at_edges(count: usize, each: usize, listening: Duration, alone: f64) -> Result<f64> {
    let servers = Servers::new();
    let nodes = nodes(&servers.scratch, count)?;
    let origin = servers.origin(&nodes[0], &SENDS);
    let limit = ["--max-clients", "10000"];
    let mut edges =
        [servers.edge(&nodes[1 % count], &limit), servers.edge(&nodes[2 % count], &limit)];
    let audiences = edges
        .iter_mut()
        .map(|edge| Audience::seat(seats(edge.address(), each)))
        .collect::<Result<Vec<_>>>()?;
    let mut programs = vec![&origin, &edges[0], &edges[1]];
    programs.extend(nodes.iter().map(|node| &node.program));
    let (cost, outcomes) = cost(&programs, audiences, listening)?;
    let (own, engine) = cost.split_at(3);
    let engine: f64 = engine.iter().sum();
    let all = own.iter().sum::<f64>() + engine;
    let slow: u64 = nodes.iter().map(slow_consumers).sum::<Result<u64>>()?;
    println!(
        "  two edges of {each}, {count} nodes, {} s: {all:.2} µs a frame (origin {:.2}, edges {:.2}, nodes {engine:.2}), \
         {:.2} of one server (target 1.3); {}; {slow} slow consumers",
        listening.as_secs(),
        own[0],
        own[1] + own[2],
        all / alone,
        fewest(&outcomes, listening)
    );
    Ok(engine)
}
