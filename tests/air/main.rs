//! The real programs over a bad network: two network namespaces, and between them packets of TCP and
//! UDP that are lost, late or held back as on a home's Wi-Fi. What the listener heard is judged.
//!
//! Where namespaces or TUN devices cannot be made (another system, no administrator) every test counts
//! as ignored, and the reason is said.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it stands"
)]

#[cfg(target_os = "linux")]
mod changes;
#[path = "../support/harness.rs"]
mod harness;
#[cfg(target_os = "linux")]
mod judging;
#[cfg(target_os = "linux")]
mod paths;
#[cfg(target_os = "linux")]
mod private;
#[cfg(target_os = "linux")]
mod schedule;
#[cfg(target_os = "linux")]
mod trouble;
#[cfg(target_os = "linux")]
#[path = "../support"]
mod support {
    pub(crate) mod air;
    pub(crate) mod flags;
    pub(crate) mod heard;
    mod likeness;
    pub(crate) mod namespaces;
    pub(crate) mod overheard;
    mod page;
    pub(crate) mod program;
    pub(crate) mod recorded;
    pub(crate) mod scratch;
    mod stereo;
    pub(crate) mod waiting;
}

use std::process::ExitCode;

use harness::{Test, Tests};

#[cfg(target_os = "linux")]
fn tests() -> (Vec<Test>, Result<(), String>) {
    use support::air::Air;
    let possible = Air::make(&"".parse().unwrap()).map(drop);
    (
        [schedule::TESTS, judging::TESTS, trouble::TESTS, paths::TESTS, private::TESTS].concat(),
        possible,
    )
}

#[cfg(not(target_os = "linux"))]
fn tests() -> (Vec<Test>, Result<(), String>) {
    (vec![("a_bad_network", || {})], Err("only Linux has network namespaces".to_owned()))
}

/// Tests that run at the same time: each has a network of its own, and all of them wait more than they
/// work.
const AT_ONCE: usize = 8;

fn main() -> ExitCode {
    let (tests, possible) = tests();
    let about = "what is heard over a bad network";
    Tests { tests, possible, at_once: AT_ONCE, about }.run()
}
