//! What a user types, and what the programs answer: above all to what is wrong.

#[cfg(target_os = "linux")] // As for the private terminal.
mod clicked;
#[cfg(unix)] // Stopping the client so that it finishes its recording takes a signal.
mod liars;
mod peers;
mod printing;
#[cfg(target_os = "linux")] // Elsewhere `script` takes other words.
mod private_terminal;
#[cfg(target_os = "linux")] // Elsewhere another system is asked.
mod service;
#[cfg(target_os = "linux")] // As for the private terminal.
mod terminal;
mod wrong;

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::program::Ended;

/// Rows of a table that run at the same time: most of them wait more than they work.
const AT_ONCE: usize = 6;

/// Runs `check` on every row and its name; a row that fails fails the test, once all have run.
fn for_each<T: Sync>(rows: &[(impl AsRef<str> + Sync, T)], check: impl Fn(&str, &T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((name, row)) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _named = Named(name.as_ref());
                    check(name.as_ref(), row);
                }
            });
        }
    });
}

/// Says which row a failure belongs to.
struct Named<'a>(&'a str);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("this was: {}", self.0);
        }
    }
}

/// What a row of wrong input must lead to: this exit code, one line, and these words in it.
#[track_caller]
fn assert_one_line(what: &str, ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{what}: {ended:?}");
    let [line] = &ended.stderr[..] else {
        panic!("{what}: not one line: {ended:?}");
    };
    assert!(line.starts_with("auralync-"), "{what}: no name in front: {line}");
    for word in words {
        assert!(line.contains(word), "{what}: no “{word}” in: {line}");
    }
    for word in ["panicked", "RUST_BACKTRACE", "os error", "Err(", "unwrap"] {
        assert!(!line.contains(word), "{what}: “{word}” is not for users: {line}");
    }
    // Nothing that is wrong from the start takes more than a program's own few megabytes.
    assert!(ended.peak_kib < 64 * 1024, "{what}: {} KiB", ended.peak_kib);
}
