//! Signals to programs.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::program::{Ended, Program};

impl Program {
    /// Sends a signal. Unlike waiting it needs no deadline.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).unwrap();
    }

    /// Ends the program by a signal; how it ended, and how long that took.
    #[track_caller]
    pub(crate) fn stop_by(&mut self, signal: Signal) -> (Ended, Duration) {
        let asked = Instant::now();
        self.signal(signal);
        let ended = self.wait();
        (ended, asked.elapsed())
    }
}
