//! The real programs in two network namespaces with a cable between them: what becomes of the sound
//! when the network, or a program, goes away and comes back; and servers that are found by themselves.
//!
//! Where namespaces cannot be made (another system, no administrator) every test counts as ignored,
//! and the reason is said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it stands"
)]

#[cfg(target_os = "linux")]
mod cable;
#[cfg(target_os = "linux")]
mod discovery;
#[cfg(target_os = "linux")]
mod doors;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod lies;
#[cfg(target_os = "linux")]
#[path = "../support"]
mod support {
    pub(crate) mod flags;
    mod memory;
    pub(crate) mod namespaces;
    pub(crate) mod numbers;
    pub(crate) mod program;
    #[allow(dead_code, reason = "what is whole of a broken recording is for tests of the engine")]
    pub(crate) mod ramp;
    mod recorded;
    pub(crate) mod scratch;
    mod signals;
    pub(crate) mod waiting;
    mod wav;
    pub(crate) mod within;
}

#[path = "../support/harness.rs"]
mod harness;

use std::process::ExitCode;

use harness::{Test, Tests};

#[cfg(target_os = "linux")]
fn tests() -> (Vec<Test>, Result<(), String>) {
    ([faults::TESTS, discovery::TESTS, doors::TESTS].concat(), cable::Cable::lay().map(drop))
}

#[cfg(not(target_os = "linux"))]
fn tests() -> (Vec<Test>, Result<(), String>) {
    (vec![("network_faults", || {})], Err("only Linux has network namespaces".to_owned()))
}

/// Tests that run at the same time: each has networks of its own, and all of them wait more than they
/// work.
const AT_ONCE: usize = 6;

fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    match std::env::args().nth(1).as_deref() {
        Some(lies::LIE) => lies::tell(),
        Some(lies::FLOOD) => lies::flood(),
        _ => {}
    }
    let (tests, possible) = tests();
    let about = "what becomes of sound when the network fails";
    Tests { tests, possible, at_once: AT_ONCE, about }.run()
}
