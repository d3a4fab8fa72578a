//! "Stop now", said once by a signal and heard by every thread that waits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;

/// A request to stop. Copies are the same request.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    is_requested: bool,
    /// The thread that panicked first.
    broken: Option<String>,
}

impl Shutdown {
    /// Asks everybody to stop.
    pub fn request(&self) {
        self.lock().is_requested = true;
        self.state.1.notify_all();
    }

    /// Asks everybody to stop, because the thread called `thread` panicked: what is left looks well
    /// and lacks a part.
    pub(crate) fn break_off(&self, thread: &str) {
        let mut state = self.lock();
        state.is_requested = true;
        state.broken.get_or_insert_with(|| thread.to_owned());
        self.state.1.notify_all();
    }

    /// The error that a panic of one of the threads is; `None` if there was none.
    #[must_use]
    pub fn breakage(&self) -> Option<Error> {
        let broken = self.lock().broken.clone()?;
        Some(Error::internal(format!("the {broken} thread broke"), "it panicked"))
    }

    /// Whether stopping was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.lock().is_requested
    }

    /// Sleeps for `duration`, or until stopping is asked for: then `true`, at once.
    #[must_use]
    pub fn sleep(&self, duration: Duration) -> bool {
        let until = Instant::now() + duration;
        let bell = &self.state.1;
        let mut asked = self.lock();
        while !asked.is_requested {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let woken = bell.wait_timeout(asked, left).unwrap_or_else(PoisonError::into_inner);
            asked = woken.0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeper_wakes_at_once_when_stopping_is_asked_for() {
        let shutdown = Shutdown::default();
        assert!(!shutdown.sleep(Duration::from_millis(1)));
        let other = shutdown.clone();
        let sleeper = std::thread::spawn(move || other.sleep(Duration::from_secs(60)));
        shutdown.request();
        assert!(sleeper.join().unwrap());
        assert!(shutdown.is_requested());
    }
}
