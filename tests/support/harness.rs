//! A harness for tests that cannot be made everywhere: what the usual one has no words for is said at
//! run time. It takes the same words on its command line.

use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A test and its name.
pub(crate) type Test = (&'static str, fn());

/// Tests, and whether they can be made here.
pub(crate) struct Tests {
    pub(crate) tests: Vec<Test>,
    /// Why they cannot, as the end of a sentence.
    pub(crate) possible: Result<(), String>,
    /// How many may run at the same time.
    pub(crate) at_once: usize,
    /// What they are about, between “NOT TESTED:” and “, because …”.
    pub(crate) about: &'static str,
}

impl Tests {
    /// Runs those that the command line names, and says how each ended.
    pub(crate) fn run(mut self) -> ExitCode {
        let mut arguments = std::env::args().skip(1).collect::<Vec<_>>();
        let is_list = arguments.iter().any(|argument| argument == "--list");
        arguments.retain(|argument| !argument.starts_with('-'));
        self.tests.retain(|(name, _)| {
            arguments.is_empty() || arguments.iter().any(|part| name.contains(part.as_str()))
        });
        if is_list {
            self.tests.iter().for_each(|(name, _)| println!("{name}: test"));
            return ExitCode::SUCCESS;
        }
        println!("\nrunning {} tests", self.tests.len());
        let (mut passed, mut failed, mut ignored) = (0, 0, 0);
        if let Err(why) = &self.possible {
            self.tests.iter().for_each(|(name, _)| println!("test {name} ... ignored, {why}"));
            ignored = self.tests.len();
        } else {
            failed = self.failures();
            passed = self.tests.len() - failed;
        }
        if let Err(why) = &self.possible {
            eprintln!("\nNOT TESTED: {}, because {why}.", self.about);
        }
        let verdict = if failed == 0 { "ok" } else { "FAILED" };
        println!("\ntest result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored\n");
        ExitCode::from(u8::from(failed > 0))
    }

    /// Runs all tests and says of each how it ended; how many failed.
    fn failures(&self) -> usize {
        let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..self.at_once {
                scope.spawn(|| {
                    while let Some((name, test)) =
                        self.tests.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let is_passed = catch_unwind(test).is_ok();
                        println!("test {name} ... {}", if is_passed { "ok" } else { "FAILED" });
                        failed.fetch_add(usize::from(!is_passed), Ordering::Relaxed);
                    }
                });
            }
        });
        failed.into_inner()
    }
}
