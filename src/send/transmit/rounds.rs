//! Rounds over all listeners: who is written to when there is fresh sound.

use std::time::Duration;

use mio::Events;

use super::{SLICE, TURN_BETWEEN_US, Transmit};
use crate::error::Result;
use crate::send::fanout;

impl Transmit {
    /// Notes that a frame has come.
    pub(super) fn note_frame(&mut self) {
        self.fresh_audio = true;
        self.frame_us = self.clock.now_us();
        self.is_quiet = false;
    }

    /// How long sound may wait for more, in µs.
    pub(super) fn wait_us(&self, now_us: u64) -> u64 {
        let (old_ms, _) = self.old_delay;
        let new_ms = self.room.welcome.playout_delay_ms;
        // What was captured before a change still has the old delay's time.
        let ms = if self.old_delay_holds(now_us) { old_ms.min(new_ms) } else { new_ms };
        if self.is_quiet { 0 } else { fanout::wait_us(ms) }
    }

    /// When no more sound comes for now, what waits for more of it is to leave.
    pub(super) fn note_quiet(&mut self) {
        let now = self.clock.now_us();
        if !self.is_quiet && now >= self.quiet_from_us(now) {
            self.fresh_audio |= self.wait_us(now) > 0;
            self.is_quiet = true;
        }
    }

    /// When it will be quiet, in µs.
    fn quiet_from_us(&self, now_us: u64) -> u64 {
        self.frame_us + self.wait_us(now_us) + self.room.chunk_us()
    }

    /// How long until it is quiet.
    pub(super) fn until_quiet(&self, now_us: u64) -> Duration {
        let left_us = if self.is_quiet { u64::MAX } else { self.quiet_from_us(now_us) };
        Duration::from_micros(left_us.saturating_sub(now_us))
    }

    /// Writes fresh audio to all who are due, a slice at a time, each round from another seat on.
    pub(super) fn write_round(&mut self, events: &mut Events) -> Result<()> {
        if !std::mem::take(&mut self.fresh_audio) {
            return Ok(());
        }
        let count = self.seats.len();
        self.rotation = if count == 0 { 0 } else { (self.rotation + SLICE) % count };
        let mut written = 0;
        for step in 0..count {
            written += usize::from(self.write((self.rotation + step) % count));
            if written == SLICE {
                written = 0;
                self.send_batch();
                self.turn(events, Some(Duration::ZERO), TURN_BETWEEN_US)?;
            }
        }
        self.send_batch();
        Ok(())
    }
}
