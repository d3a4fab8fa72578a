//! What sound past one machine costs and withstands, with real NATS servers: origin, nodes and edges beside one server
//! alone, clocks and delays at two edges, and what is heard when something fails.
//!
//! Run as a test (`cargo test --bench engine`), everything is done once with a few listeners and for seconds;
//! `cargo bench --bench engine -- crowd`, and `clocks`, `bound`, `away`, `outages`, measure these alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that cannot go on should stop where it stands"
)]

#[cfg(target_os = "linux")]
#[path = "../fanout/audience.rs"]
#[allow(dead_code, reason = "when all are greeted is for the fan-out's bench")]
mod audience;
#[cfg(target_os = "linux")]
mod away;
#[cfg(target_os = "linux")]
mod bound;
#[cfg(target_os = "linux")]
#[path = "../fanout/browser.rs"]
mod browser;
#[cfg(target_os = "linux")]
mod clocks;
#[cfg(target_os = "linux")]
mod crowd;
#[cfg(target_os = "linux")]
#[path = "../fanout/listener.rs"]
mod listener;
#[cfg(target_os = "linux")]
#[path = "../measuring.rs"]
mod measuring;
#[cfg(target_os = "linux")]
mod outages;
#[cfg(target_os = "linux")]
#[path = "../processor.rs"]
mod processor;
#[cfg(target_os = "linux")]
mod servers;
#[cfg(target_os = "linux")]
#[path = "../fanout/way.rs"]
mod way;
#[cfg(target_os = "linux")]
#[path = "../../tests/support"]
mod support {
    mod address;
    pub(crate) mod flags;
    mod free_port;
    pub(crate) mod holes;
    pub(crate) mod median;
    pub(crate) mod member;
    #[allow(dead_code, reason = "what nodes are configured by or started anew with is for tests")]
    pub(crate) mod nats;
    pub(crate) mod program;
    #[allow(dead_code, reason = "whole files are for tests of the programs")]
    pub(crate) mod ramp;
    mod recorded;
    pub(crate) mod scratch;
    #[allow(dead_code, reason = "how a program ends is for tests")]
    mod signals;
    mod told;
    pub(crate) mod waiting;
    mod wav;
    pub(crate) mod websocket;
}

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    audience::run("engine", measure)
}

#[cfg(target_os = "linux")]
fn measure() -> measuring::Result<()> {
    auralync::send::transmit::sockets::make_room_for(0, 0);
    let measuring = measuring::is_measuring();
    let named = |name: &str| std::env::args().any(|argument| argument == name);
    let all = !["away", "bound", "clocks", "crowd", "outages"].into_iter().any(named);
    if all || named("clocks") {
        clocks::measure(measuring)?;
    }
    if all || named("bound") {
        bound::measure(measuring)?;
    }
    if all || named("away") {
        away::measure(measuring)?;
    }
    if all || named("outages") {
        outages::measure(measuring)?;
    }
    if all || named("crowd") {
        crowd::measure(measuring)?;
    }
    Ok(())
}

/// What a program has cost is read from `/proc`.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("engine: this measures on Linux only");
    ExitCode::SUCCESS
}
