//! What a private room costs beside an open one: the same server, the same listeners, one after the other.

use std::time::{Duration, Instant};

use auralync::secure::room::Link;

use crate::audience::{Audience, Seats};
use crate::crowd::Server;
use crate::measuring::Result;
use crate::processor::cpu;
use crate::support::median::median;

/// How many listen.
const LISTENERS: usize = 500;

/// Each is measured so often, in turn, for so long.
const ROUNDS: usize = 5;
const LISTENING: Duration = Duration::from_secs(10);

/// Nobody reads while the others come in, one after the other. After so long all have what was kept for them.
const EVEN_AFTER: Duration = Duration::from_secs(2);

/// A machine that is busy with something else for half a second keeps listeners from reading, and then what
/// is measured is not the same.
const ATTEMPTS: usize = 3;

/// Measures and prints the table: all its lines, or those whose name is among the arguments.
pub(crate) fn measure(measuring: bool) -> Result<()> {
    let (listeners, rounds, listening) =
        if measuring { (LISTENERS, ROUNDS, LISTENING) } else { (5, 1, Duration::from_secs(1)) };
    println!(
        "\n{listeners} listeners, µs of the server's CPU for each in a second (median of {rounds})\n"
    );
    println!("  {:<34}  {:>8}  {:>8}  {:>6}  target", "", "open", "private", "ratio");
    let arguments: Vec<String> = std::env::args().collect();
    let is_one_named = arguments.iter().any(|argument| argument.contains(" by "));
    for preset in ["stable", "low-latency"] {
        for (codec, opus) in [("f32", false), ("opus", true)] {
            for (way, by_datagram) in [("TCP", false), ("UDP", true)] {
                let name = format!("{preset}, {codec} by {way}");
                if is_one_named && !arguments.contains(&name) {
                    continue;
                }
                let mut sides = [Vec::new(), Vec::new()];
                for _ in 0..rounds {
                    for (side, is_private) in sides.iter_mut().zip([false, true]) {
                        let crowd = (listeners, by_datagram, opus);
                        let attempt = || once(preset, crowd, is_private, listening);
                        let cost = (1..ATTEMPTS).find_map(|_| attempt().ok());
                        side.push(cost.map_or_else(attempt, Ok)?);
                    }
                }
                let [open, private] = sides.map(median);
                let ratio = private / open;
                println!("  {name:<34}  {open:>8.1}  {private:>8.1}  {ratio:>6.3}  1.05 or less");
            }
        }
    }
    Ok(())
}

/// What each listener costs the server in a second, in µs.
fn once(
    preset: &str,
    (listeners, by_datagram, opus): (usize, bool, bool),
    is_private: bool,
    listening: Duration,
) -> Result<f64> {
    let server = Server::start(preset, is_private);
    let link = is_private.then(|| Link::read(&server.link())).transpose()?;
    let (readers, by_datagram) = if by_datagram { (0, listeners) } else { (listeners, 0) };
    let seats = Seats {
        server: server.address,
        readers,
        browsers: None,
        by_datagram,
        deaf: 0,
        opus,
        secret: link.map(|link| *link.secret.bytes()),
        one_by_one: true,
    };
    let mut audience = Audience::seat(seats)?;
    std::thread::sleep(EVEN_AFTER.min(listening));
    audience.begin()?;
    let (before, started) = (cpu(&server.process)?, Instant::now());
    std::thread::sleep(listening);
    let took = cpu(&server.process)?.saturating_sub(before).as_secs_f64();
    let cost = took / started.elapsed().as_secs_f64() / listeners as f64 * 1e6;
    let outcome = audience.end_after(0)?;
    server.end()?;
    if outcome.closed > 0 || outcome.lost > 0 || outcome.frames.contains(&0) {
        return Err(format!("{} closed, {} lost", outcome.closed, outcome.lost).into());
    }
    Ok(cost)
}
