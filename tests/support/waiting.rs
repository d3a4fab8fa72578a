//! Waiting for what another thread or program does.

use std::time::{Duration, Instant};

/// How long anything may take that takes no time on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait between two looks at a condition.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Waits until `condition` holds; `what` completes "still not: …".
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "still not: {what}");
        std::thread::sleep(LOOK_AGAIN);
    }
}
