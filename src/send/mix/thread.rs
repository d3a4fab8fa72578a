//! The chunking thread: gives the [mix](super) what comes over channels, and the time, wakes the
//! network loop with what it makes, and sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use super::Mix;
use super::desk::Asked;
use crate::clock::Clock;
use crate::error::Result;
use crate::send::taps::{self, Tap};
use crate::send::to_edges::{ToEdges, is_far};
use crate::send::transmit::{Handle, TooMany};
use crate::shutdown::Shutdown;
use crate::threads::cpu_us;

/// What the thread is given.
pub(in crate::send) struct MixThread {
    pub(in crate::send) mix: Mix,
    pub(in crate::send) orders: Receiver<Asked>,
    /// The playout delay in force, in ms.
    pub(in crate::send) delay_ms: Arc<AtomicU32>,
    pub(in crate::send) clock: Clock,
    pub(in crate::send) network: Handle,
    /// The way to people at edges, where there may be any.
    pub(in crate::send) to_edges: Option<ToEdges>,
    /// Others than listeners who get what is sent.
    pub(in crate::send) taps: Vec<Tap>,
}

impl MixThread {
    /// Runs until `shutdown`.
    ///
    /// # Errors
    /// None; it has the type of the other threads.
    pub(in crate::send) fn run(mut self, shutdown: &Shutdown) -> Result<()> {
        // Where the system does not say how much time a thread has taken, it has no limit for real
        // time either.
        let spent_us = || cpu_us().unwrap_or(0);
        while !shutdown.is_requested() {
            // One a turn: a source that comes or goes costs time that sound waits for.
            if let Ok(Asked { order, answer }) = self.orders.try_recv() {
                // Whoever asked may have gone.
                let _ = answer.try_send(self.mix.obey(order));
            }
            let delay_ms = self.delay_ms.load(Ordering::Relaxed);
            let (now_us, network) = (self.clock.now_us(), &self.network);
            let in_use = network.in_use();
            taps::note_wanted(&self.taps, in_use);
            let send = |frame| {
                taps::give(&self.taps, &frame);
                network.send(frame)
            };
            if let Some(person) = self.mix.turn(now_us, delay_ms, in_use, spent_us, send)
                && self.may_silence(person)
            {
                self.mix.silence(person);
            }
            std::thread::sleep(Duration::from_micros(self.mix.rest_us(self.clock.now_us())));
        }
        Ok(())
    }

    /// Tells whoever has that person's connection that they may speak no more. `false` where that is too busy.
    fn may_silence(&self, person: u32) -> bool {
        match &self.to_edges {
            Some(to_edges) if is_far(person) => to_edges.silence(person),
            _ => self.network.silence(person, TooMany::ForThisPc),
        }
    }
}
