//! What the server's fan-out costs and holds: the network loop against a bare loop of the same
//! `send` calls, then the real server with two thousand listeners, and with some that never read.
//!
//! Listeners run in a process of their own, so that reading costs the measured side nothing. Run as
//! a test (`cargo test --bench fanout`), everything is done once with a few listeners;
//! `cargo bench --bench fanout -- 2000` compares the loops with that many listeners alone,
//! `-- browsers` measures what concerns those alone, `-- datagrams` listeners by datagram beside as many
//! by TCP, and crowds of them, and `-- private` private rooms beside open ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that cannot go on should stop where it stands"
)]

#[cfg(target_os = "linux")]
mod audience;
#[cfg(target_os = "linux")]
mod browser;
#[cfg(target_os = "linux")]
mod cost;
#[cfg(target_os = "linux")]
mod crowd;
#[cfg(target_os = "linux")]
mod listener;
#[cfg(target_os = "linux")]
#[path = "../measuring.rs"]
mod measuring;
#[cfg(target_os = "linux")]
mod private;
#[cfg(target_os = "linux")]
#[path = "../processor.rs"]
mod processor;
#[cfg(target_os = "linux")]
mod streams;
#[cfg(target_os = "linux")]
mod way;
#[cfg(target_os = "linux")]
#[path = "../../tests/support"]
mod support {
    mod address;
    pub(crate) mod median;
    pub(crate) mod member;
    mod memory;
    mod page;
    pub(crate) mod program;
    pub(crate) mod scratch;
    mod told;
    pub(crate) mod waiting;
    pub(crate) mod websocket;
}

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    audience::run("fanout", measure)
}

#[cfg(target_os = "linux")]
fn measure() -> measuring::Result<()> {
    // Both ends of every connection of the first part are open in two processes at most.
    auralync::send::transmit::sockets::make_room_for(0, 0);
    let measuring = measuring::is_measuring();
    if std::env::args().any(|argument| argument == "browsers") {
        cost::measure_browsers(measuring)?;
        return crowd::measure_beside_browsers(measuring);
    }
    if std::env::args().any(|argument| argument == "private") {
        return private::measure(measuring);
    }
    if std::env::args().any(|argument| argument == "datagrams") {
        cost::measure_datagrams(measuring)?;
        return crowd::measure_by_datagram(measuring);
    }
    let only = std::env::args().find_map(|argument| argument.parse().ok());
    cost::measure(measuring, only)?;
    cost::measure_browsers(measuring)?;
    cost::measure_datagrams(measuring)?;
    if only.is_none() {
        crowd::measure_by_datagram(measuring)?;
        crowd::measure(measuring)?;
        private::measure(measuring)?;
    }
    Ok(())
}

/// What a thread has cost is read from `/proc`.
#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("fanout: this measures on Linux only");
    ExitCode::SUCCESS
}
