//! How far the clock that an edge asks for by way of an engine is off, and whether it is within what it says: origin and
//! edge are in this program and have the same clock, so the truth is known.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use auralync::clock::{Clock, ServerClock};
use auralync::engine::edge::Edge;
use auralync::engine::line::Line;
use auralync::engine::nats::{Addresses, Event, Url};
use auralync::engine::said::{self, Stream};
use auralync::engine::sealed::{Backbone, Role};
use auralync::engine::uplink::Uplink;
use auralync::secure::Key;
use auralync::wire::Pong;

use crate::measuring::Result;
use crate::servers::{Servers, nodes};
use crate::support::median::median;

/// Edges that come one after the other, and how long each asks.
const RUNS: u64 = 100;
const ASKING: Duration = Duration::from_secs(1);

/// How often a line looks around where nothing wakes it.
const REST: Duration = Duration::from_millis(2);

/// Between two direct pings.
const PINGS_EVERY: Duration = Duration::from_millis(50);

fn line(url: &str, backbone: &Backbone, role: Role, clock: Clock) -> Result<Line> {
    let url = Url::read(url, false).map_err(|e| e.to_string())?;
    let who = backbone.who(role, "bench", said::MOST_TEXT);
    Ok(Line::new(Addresses::new(vec![url], 1), who, None, clock)?)
}

/// Answers edges until `stop`.
fn answer(mut line: Line, mut uplink: Uplink, clock: Clock, stop: &AtomicBool) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        if let Some(session) = line.session() {
            uplink.speak(session, clock.now_us());
        }
        line.turn(REST, |writer, event| match event {
            Event::Ready => uplink.begin(writer),
            Event::Message { subscription, reply, payload, .. } => {
                uplink.hear(subscription, reply, payload, clock.now_us(), writer, |_| {});
            }
            _ => {}
        })?;
    }
    Ok(())
}

/// By how much one edge is off, and how much it says that it may be, in µs.
fn ask(url: &str, backbone: &Backbone, run: u64, clock: Clock) -> Result<(f64, f64)> {
    let mut line = line(url, backbone, Role::Edge, clock)?;
    let mut edge = Edge::new(backbone, run, "bench");
    let began = Instant::now();
    while began.elapsed() < ASKING {
        if let Some(session) = line.session() {
            edge.speak(session, clock.now_us(), |_| {});
        }
        line.turn(REST, |writer, event| match event {
            Event::Ready => edge.begin(writer),
            Event::Message { subscription, payload, .. } => {
                edge.hear(subscription, payload, clock.now_us(), writer, |_| {});
            }
            _ => {}
        })?;
    }
    let now_us = clock.now_us();
    let ours_us = edge.ours_us(now_us).ok_or("the origin's clock was not learnt")?;
    let bound_us = edge.clock_bound_us().ok_or("nor a bound")?;
    Ok(((ours_us as f64 - now_us as f64).abs(), bound_us))
}

/// As [`ask`], by a connection of its own to a server that does nothing else.
fn ask_directly(clock: Clock) -> Result<(f64, f64)> {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let at = door.local_addr()?;
    let server = thread::spawn(move || -> std::io::Result<()> {
        let (mut near, _) = door.accept()?;
        near.set_nodelay(true)?;
        let mut asked = [0; 8];
        while near.read_exact(&mut asked).is_ok() {
            let received_us = clock.now_us();
            near.write_all(&[received_us.to_be_bytes(), clock.now_us().to_be_bytes()].concat())?;
        }
        Ok(())
    });
    let mut socket = TcpStream::connect(at)?;
    socket.set_nodelay(true)?;
    let (mut known, began) = (ServerClock::default(), Instant::now());
    while began.elapsed() < ASKING {
        let client_us = clock.now_us();
        socket.write_all(&client_us.to_be_bytes())?;
        let mut said = [0; 16];
        socket.read_exact(&mut said)?;
        let number = |at: usize| u64::from_be_bytes(std::array::from_fn(|n| said[at + n]));
        let pong = Pong { client_us, received_us: number(0), sent_us: number(8) };
        known.pong(pong, clock.now_us());
        thread::sleep(PINGS_EVERY);
    }
    drop(socket);
    server.join().map_err(|_| "the server panicked")??;
    let now_us = clock.now_us() as f64;
    let offset = known.offset().ok_or("no clock was learnt")?;
    Ok(((offset.ours_us(now_us) - now_us).abs(), known.uncertainty_us()))
}

pub(crate) fn measure(measuring: bool) -> Result<()> {
    let runs = if measuring { RUNS } else { 2 };
    let servers = Servers::new();
    let nodes = nodes(&servers.scratch, 3)?;
    let (backbone, clock) = (Backbone::new(&Key::new([7; 32])), Clock::start());
    let (origin, edges) = (nodes[0].url(), nodes[1].url());
    let stop = Arc::new(AtomicBool::new(false));
    let answering = {
        let (line, stop) = (line(&origin, &backbone, Role::Origin, clock)?, Arc::clone(&stop));
        let uplink = Uplink::new(&backbone, 1, Stream::example());
        thread::spawn(move || answer(line, uplink, clock, &stop).map_err(|e| e.to_string()))
    };
    let direct: Vec<(f64, f64)> =
        (0..runs.min(10)).map(|_| ask_directly(clock)).collect::<Result<_>>()?;
    let asked: Vec<(f64, f64)> =
        (0..runs).map(|run| ask(&edges, &backbone, 2 + run, clock)).collect::<Result<_>>()?;
    stop.store(true, Ordering::Relaxed);
    answering.join().map_err(|_| "the origin panicked")??;
    let within = asked.iter().filter(|(error_us, bound_us)| error_us <= bound_us).count();
    let worst = asked.iter().map(|(error_us, _)| *error_us).fold(0.0, f64::max);
    let median_of = |all: &[(f64, f64)], of: fn(&(f64, f64)) -> f64| median(all.iter().map(of));
    let (error, bound) = (median_of(&asked, |one| one.0), median_of(&asked, |one| one.1));
    let direct = median_of(&direct, |one| one.0);
    println!("\nThe origin's clock as edges know it, across two of three nodes\n");
    println!(
        "  {within} of {runs} within what they say; off {error:.0} µs (median), {worst:.0} worst; they say {bound:.0}"
    );
    println!(
        "  a direct ping is off {direct:.0} µs: {:.1} times (target 3)",
        error / direct.max(1.0)
    );
    Ok(())
}
