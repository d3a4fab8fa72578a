//! A PC that plays, a network and listeners on one virtual clock: no thread, no socket, no sleep.
//!
//! The stages are the library's own, from the capture ring to the speaker's. Virtual are the cards,
//! the clocks and the network; and since every sample tells its number, what is heard can be set
//! against what should be, to the microsecond, hours long. Times are in µs of the virtual clock
//! unless a name says whose.

mod listener;
mod oscillator;
mod path;
mod pc;
mod random;
mod seen;

use std::fmt::Write;

use seen::percentile;

pub(crate) use listener::{Listener, Setting};
pub(crate) use path::Path;
pub(crate) use pc::Pc;
pub(crate) use seen::Seen;

/// µs of a second, a minute and an hour.
pub(crate) const SECOND: f64 = 1e6;
pub(crate) const MINUTE: f64 = 60.0 * SECOND;
pub(crate) const HOUR: f64 = 60.0 * MINUTE;

/// Rate of the stream, and nominal rate of every card, in Hz.
pub(crate) const RATE: u32 = 48_000;

/// How often the distance between listeners is looked at.
const LOOK_EVERY: f64 = SECOND;

/// Everybody, and what time it is.
pub(crate) struct World {
    pub(crate) now: f64,
    pub(crate) pc: Pc,
    pub(crate) listeners: Vec<Listener>,
    next_look: f64,
    /// Distances between the first two listeners' ears.
    apart_us: Vec<f32>,
}

impl World {
    pub(crate) fn new(pc: Pc, listeners: Vec<Listener>) -> Self {
        Self { now: 0.0, pc, listeners, next_look: 10.0 * SECOND, apart_us: Vec::new() }
    }

    /// Lets so much time pass.
    pub(crate) fn run(&mut self, duration: f64) {
        let until = self.now + duration;
        while self.now < until {
            let next = self.listeners.iter().map(Listener::next).fold(self.pc.next(), f64::min);
            self.now = next.max(self.now);
            let listeners = &mut self.listeners;
            self.pc.act(self.now, |frame, now| {
                listeners.iter_mut().for_each(|listener| listener.send(frame, now));
            });
            for listener in &mut self.listeners {
                listener.act(self.now, &self.pc);
            }
            if self.now >= self.next_look {
                self.next_look += LOOK_EVERY;
                if let [first, second, ..] = &self.listeners[..]
                    && let (Some(first), Some(second)) = (first.error_us(), second.error_us())
                {
                    self.apart_us.push((first - second).abs() as f32);
                }
            }
        }
    }

    /// What has been seen, in a table.
    pub(crate) fn table(&self, title: &str) -> String {
        let mut table = format!(
            "{title}, {:.2} h: {} frames of silence put in by the PC\n",
            self.now / HOUR,
            self.pc.silence()
        );
        for listener in &self.listeners {
            // Formatting into a string cannot fail.
            let _ = writeln!(table, "  {:<24} {}", listener.name(), listener.seen());
        }
        if let Some(worst) = self.apart_us.iter().copied().reduce(f32::max) {
            let median = percentile(&self.apart_us, 0.5);
            let _ = writeln!(table, "  apart: median {median:.1} µs, worst {worst:.1} µs");
        }
        table
    }
}
