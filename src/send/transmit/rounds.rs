//! Rounds over all listeners: who is written to when there is fresh sound.

use std::time::Duration;

use mio::Events;

use super::{SLICE, TURN_BETWEEN_US, Transmit};
use crate::codec::Codec;
use crate::error::Result;
use crate::send::fanout::{self, DatagramLog};

/// What has to come before a seat is looked at again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    codec: Codec,
    /// Of which log: that of datagrams, or that of frames.
    is_cut: bool,
    /// The end that it must have.
    number: u64,
}

impl Transmit {
    /// How old a frame may be to be worth sending, in µs, but for what a listener adds itself.
    pub(super) fn max_age_us(&self, now_us: u64) -> u64 {
        let (old_ms, _) = self.old_delay;
        let new_ms = self.room.welcome.playout_delay_ms;
        let ms = if self.old_delay_holds(now_us) { old_ms.max(new_ms) } else { new_ms };
        u64::from(ms) * 1000
    }

    /// Whether there may be sound to send that was captured before the playout delay changed.
    fn old_delay_holds(&self, now_us: u64) -> bool {
        let (old_ms, until_us) = self.old_delay;
        now_us < until_us + u64::from(old_ms) * 1000
    }

    /// Notes that a frame has come.
    pub(super) fn note_frame(&mut self) {
        self.fresh_audio = true;
        self.frame_us = self.clock.now_us();
        self.is_quiet = false;
    }

    /// How long sound may wait for more, in µs.
    pub(super) fn wait_us(&self, now_us: u64) -> u64 {
        if self.is_quiet { 0 } else { fanout::wait_us(self.shortest_delay_ms(now_us)) }
    }

    /// How long it may wait for more that goes by datagram, in µs.
    pub(super) fn datagram_wait_us(&self, now_us: u64) -> u64 {
        if self.is_quiet { 0 } else { fanout::datagram_wait_us(self.shortest_delay_ms(now_us)) }
    }

    /// The shortest playout delay that holds for any sound that is there, in ms.
    pub(super) fn shortest_delay_ms(&self, now_us: u64) -> u32 {
        let (old_ms, _) = self.old_delay;
        let new_ms = self.room.welcome.playout_delay_ms;
        // What was captured before a change still has the old delay's time.
        if self.old_delay_holds(now_us) { old_ms.min(new_ms) } else { new_ms }
    }

    /// When no more sound comes for now, what waits for more of it is to leave.
    pub(super) fn note_quiet(&mut self) {
        let now = self.clock.now_us();
        if !self.is_quiet && now >= self.quiet_from_us(now) {
            self.fresh_audio |= self.wait_us(now) > 0;
            self.is_quiet = true;
            self.cut.iter_mut().for_each(DatagramLog::let_go);
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

    /// Notes what has to come before a seat is due again.
    pub(super) fn note_due(&mut self, index: usize) {
        let seat = self.seats.get(index).and_then(Option::as_ref);
        // Sound of a listener's own or of another codec lies in another log.
        let seat =
            seat.filter(|seat| seat.listener.own.is_none() && seat.listener.awaits().is_none());
        let due_at = seat.and_then(|seat| {
            let listener = &seat.listener;
            let (is_cut, number) = if listener.is_by_datagram() {
                (true, listener.datagrams_due_at()?)
            } else {
                (false, listener.outbox.due_at()?)
            };
            Some(Due { codec: listener.codec, is_cut, number })
        });
        if self.due_at.len() < self.seats.len() {
            self.due_at.resize(self.seats.len(), None);
        }
        if let Some(noted) = self.due_at.get_mut(index) {
            *noted = due_at;
        }
    }

    /// Whether a seat has to be looked at: to look at each with every frame is dear where there are
    /// thousands.
    fn may_be_due(&self, index: usize) -> bool {
        let due_at = self.due_at.get(index).copied().flatten();
        let has_come = |due: Due| {
            let log = due.codec.index();
            let end = if due.is_cut { self.cut[log].end() } else { self.logs[log].end() };
            end >= due.number
        };
        self.is_quiet || due_at.is_none_or(has_come)
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
            let index = (self.rotation + step) % count;
            if !self.may_be_due(index) {
                continue;
            }
            written += usize::from(self.write(index));
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
