//! Promises about time, on a machine that may be busy.

use std::time::Duration;

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
