//! Listeners who speak, through the real server over loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod duck;
mod mix_minus;
mod most;
mod people;
mod person;
#[path = "../support/mod.rs"]
mod support;
mod wrong;

use support::program::{Program, server};

/// A conference: no film, and a playout delay that no busy machine exceeds.
fn conference(arguments: &[&str]) -> Program {
    let usual = ["--source", "none", "--talk", "--max-clients", "0", "--sample-rate", "48000"];
    let patient = ["--playout-delay-ms", "2000", "--max-queue-size", "1000"];
    server([&usual[..], &patient, arguments].concat())
}
