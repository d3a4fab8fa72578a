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
    pub(crate) mod numbers;
    pub(crate) mod program;
    pub(crate) mod ramp;
    pub(crate) mod scratch;
    mod signals;
    pub(crate) mod waiting;
    mod wav;
    pub(crate) mod within;
}

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A test and its name.
type Test = (&'static str, fn());

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
const AT_ONCE: usize = 3;

/// Runs the tests and says of each how it ended; how many failed.
fn failures(tests: &[Test]) -> usize {
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((name, test)) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let is_passed = catch_unwind(test).is_ok();
                    println!("test {name} ... {}", if is_passed { "ok" } else { "FAILED" });
                    failed.fetch_add(usize::from(!is_passed), Ordering::Relaxed);
                }
            });
        }
    });
    failed.into_inner()
}

/// Runs the tests that the command line names, as the usual harness would.
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).collect::<Vec<_>>();
    #[cfg(target_os = "linux")]
    if arguments == [lies::LIE] {
        lies::tell();
    }
    #[cfg(target_os = "linux")]
    if arguments == [lies::FLOOD] {
        lies::flood();
    }
    let is_list = arguments.iter().any(|argument| argument == "--list");
    arguments.retain(|argument| !argument.starts_with('-'));
    let (mut tests, possible) = tests();
    tests.retain(|(name, _)| {
        arguments.is_empty() || arguments.iter().any(|part| name.contains(part.as_str()))
    });
    if is_list {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", tests.len());
    let (mut passed, mut failed, mut ignored) = (0, 0, 0);
    if let Err(why) = &possible {
        tests.iter().for_each(|(name, _)| println!("test {name} ... ignored, {why}"));
        ignored = tests.len();
    } else {
        failed = failures(&tests);
        passed = tests.len() - failed;
    }
    if let Err(why) = possible {
        eprintln!("\nNOT TESTED: what becomes of sound when the network fails, because {why}.");
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored\n");
    ExitCode::from(u8::from(failed > 0))
}
