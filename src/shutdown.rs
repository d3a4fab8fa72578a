//! "Stop now", said once by a signal and heard by every thread that waits.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A request to stop. Copies are the same request.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    state: Arc<(Mutex<bool>, Condvar)>,
}

impl Shutdown {
    /// Asks everybody to stop.
    pub fn request(&self) {
        let (requested, bell) = &*self.state;
        *requested.lock().unwrap_or_else(PoisonError::into_inner) = true;
        bell.notify_all();
    }

    /// Whether stopping was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.state.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for `duration`, or until stopping is asked for: then `true`, at once.
    #[must_use]
    pub fn sleep(&self, duration: Duration) -> bool {
        let until = Instant::now() + duration;
        let (requested, bell) = &*self.state;
        let mut asked = requested.lock().unwrap_or_else(PoisonError::into_inner);
        while !*asked {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let woken = bell.wait_timeout(asked, left).unwrap_or_else(PoisonError::into_inner);
            asked = woken.0;
        }
        true
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
