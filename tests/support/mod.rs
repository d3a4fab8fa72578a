//! What the tests of whole programs share.

#![allow(dead_code, reason = "each test program uses its own part of this")]

pub(crate) mod old;
pub(crate) mod program;
pub(crate) mod ramp;
pub(crate) mod socket;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take that takes no time on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait between two looks at a condition.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits until `condition` holds; `what` completes "still not: …".
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Calls `attempt` until it takes no longer than `promised`, three times at most: a machine that is
/// busy elsewhere may spoil one, a program that breaks its promise spoils all.
#[track_caller]
pub(crate) fn within(promised: Duration, what: &str, mut attempt: impl FnMut() -> Duration) {
    const ATTEMPTS: usize = 3;
    let mut times = Vec::new();
    while times.len() < ATTEMPTS && times.last().is_none_or(|took| *took > promised) {
        times.push(attempt());
    }
    println!("{what}: {times:?}");
    assert!(times.iter().any(|took| *took <= promised), "{what}: {times:?}, not {promised:?}");
}

/// A folder that goes with its value.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("auralync-test-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file and says where.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is the system's to clear.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What the lines of a `--stats` file say of one key, in order.
pub(crate) fn numbers(stats: &Path, key: &str) -> Vec<f64> {
    let lines = std::fs::read_to_string(stats).unwrap();
    let objects =
        lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    objects.filter_map(|object| object[key].as_f64()).collect()
}
