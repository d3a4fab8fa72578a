//! Which log a listener's sound comes from, everybody's or its own, and which way: by TCP or by datagram.
//! Each change is at the border of two frames, with no gap and nothing twice.

use std::net::SocketAddr;
use std::sync::Arc;

use super::super::datagram_path::Pace;
use super::super::{DatagramLog, Log, Outbox, Own};
use super::{Listener, Phase};
use crate::codec::Codec;
use crate::secure::keyring::StreamSeal;
use crate::wire::datagram::{Ask, OWN_STREAM};
use crate::wire::{self, AudioFrame, AudioHeader};

impl Listener {
    /// Takes a datagram of its microphone, if anybody may hear that.
    pub fn take_talk(&mut self, number: u32, piece: (AudioHeader, &[u8]), now_us: u64) {
        // Whoever was asked to leave is not heard while that is being said.
        if self.is_leaving() {
            return;
        }
        let is_unheard = self.is_unheard();
        self.heard_us = now_us;
        if let Some(talker) = self.talker.as_mut().filter(|_| !is_unheard) {
            talker.take_datagram(number, piece, now_us);
        }
    }

    /// Takes sound that is for this listener alone, from now on instead of everybody's. `rate` is that of
    /// its positions, `keep_us` how long its datagrams are kept.
    pub fn hear_own(&mut self, frame: AudioFrame, bound: usize, rate: u32, keep_us: u64) {
        if frame.codec() != self.codec || self.is_leaving() {
            return;
        }
        match &mut self.own {
            Some(own) => own.push(frame, keep_us),
            None => {
                let AudioHeader { position, frames, .. } = *frame.header();
                let (mut log, stream) = (Log::new(bound), own_stream(self.codec));
                let mut cut = DatagramLog::new(stream, rate);
                if let Some(member) = &self.member {
                    log.seal_with(StreamSeal::new(&member.own, 0, stream));
                    cut.seal_with(StreamSeal::new(&member.own, 0, stream));
                }
                let from = match self.path.as_ref().filter(|path| path.is_used()) {
                    Some(path) => {
                        cut.hear(path.parities());
                        // Pieces have gone further than whole frames, of which the next begins later.
                        let ahead = path.reached.saturating_sub(position);
                        position + ahead.next_multiple_of(u64::from(frames).max(1))
                    }
                    None => self.outbox.end_at(position),
                };
                let own = self.own.insert(Own::begin(log, cut, from));
                own.push(frame, keep_us);
            }
        }
    }

    /// Turns to its own sound, if there is any and everybody's before it is written.
    pub fn turn_to_own(&mut self, common: &Log) {
        let is_other_way = self.is_leaving() || self.is_by_datagram();
        if let Some(own) = self.own.as_mut().filter(|own| !is_other_way && !own.is_read()) {
            own.turn(&mut self.outbox, common);
        }
    }

    /// Begins to send sound by datagram, where that is asked for and can be: what lies in the log
    /// already goes by TCP. `cut` is everybody's log of datagrams.
    pub fn turn_to_datagrams(&mut self, common: &Log, cut: &mut DatagramLog) {
        if self.codec_ends().is_some() {
            // One turn at a time.
            return;
        }
        let waits_for_own = self.is_alone() && self.own.is_none();
        let is_typed = self.phase == Phase::Typed;
        let Some(path) = self.path.as_mut().filter(|_| is_typed) else {
            return;
        };
        let (log, cut) = match &mut self.own {
            Some(own) if own.is_read() => own.logs(),
            // It is about to turn to its own.
            Some(_) => return,
            None => (common, cut),
        };
        if path.parities().is_any() {
            cut.hear(path.parities());
        }
        if path.is_awaited() && !waits_for_own {
            // What is joined into one datagram comes one way only.
            let end = cut.border(log.end_position(), log.frames());
            let position = self.outbox.end_at(end);
            cut.begin_at(position);
            path.begin(cut.since(position), position, self.outbox.from_us);
            cut.hear(path.parities());
        }
    }

    /// How far everybody's log of datagrams must have come for one to be due; `None` where that does not
    /// tell.
    #[must_use]
    pub fn datagrams_due_at(&self) -> Option<u64> {
        let path = self.path.as_ref().filter(|_| !self.outbox.has_begun())?;
        path.due_at()
    }

    /// Whether its sound goes by datagram.
    #[must_use]
    pub fn is_by_datagram(&self) -> bool {
        self.path.as_ref().is_some_and(|path| path.is_used())
    }

    /// Hands to `send` what is due by datagram; whether its sound goes that way. `common` and `cut` are
    /// everybody's.
    pub fn give_datagrams(
        &mut self,
        common: &Log,
        cut: &DatagramLog,
        pace: Pace,
        mut send: impl FnMut(SocketAddr, &Arc<[u8]>),
    ) -> bool {
        let (is_leaving, ends) = (self.is_leaving(), self.codec_ends());
        let Some(path) = self.path.as_mut().filter(|path| path.is_used() && !is_leaving) else {
            return false;
        };
        let until = Own::until(self.own.as_ref()).or(ends);
        let log = Own::cut_or(self.own.as_ref(), cut);
        path.give(log, until, pace, &mut send);
        if let Some(own) = self.own.as_mut().filter(|own| !own.is_read()) {
            own.turn_path(path, &mut self.outbox, common, cut);
            path.give(Own::cut_or(Some(own), cut), Own::until(Some(own)), pace, send);
        }
        self.outbox.rest_when_through(Own::read_or(self.own.as_ref(), common));
        true
    }

    /// Hands to `send` what `ask` wants again. `cut` is everybody's log of datagrams.
    pub fn give_again(
        &mut self,
        ask: &Ask,
        cut: &DatagramLog,
        pace: Pace,
        send: impl FnMut(SocketAddr, &Arc<[u8]>),
    ) {
        let is_leaving = self.is_leaving();
        if let Some(path) = self.path.as_mut().filter(|_| !is_leaving) {
            path.give_again(ask, Own::cut_or(self.own.as_ref(), cut), pace, send);
        }
    }

    /// Does as a listener says about the way of its sound.
    pub fn take_path(&mut self, wish: &wire::Path, common: &Log, now_us: u64) {
        if wish.datagrams == Some(false) {
            let reached = self.path.as_ref().map_or(0, |path| path.reached);
            let from = wish.from.unwrap_or(reached);
            self.turn_to_tcp(common, now_us, |log| log.covering(from));
        }
    }

    /// Sends sound by TCP again, where a listener by datagram has not asked for anything for long.
    /// What was captured before `from_us` is too late for it.
    pub fn leave_silent_path(&mut self, common: &Log, now_us: u64, from_us: u64) {
        if self.path.as_ref().is_some_and(|path| path.is_used() && !path.is_alive(now_us)) {
            self.turn_to_tcp(common, now_us, |log| log.since(from_us));
        }
    }

    /// Ends datagrams, and goes on by TCP with the frame that `first` names in the log that is heard.
    fn turn_to_tcp(&mut self, common: &Log, now_us: u64, first: impl Fn(&Log) -> u64) {
        let until = Own::until(self.own.as_ref()).or(self.codec_ends());
        let Some(path) = &mut self.path else { return };
        let was_used = path.is_used();
        path.end(now_us);
        if was_used && !self.is_leaving() {
            let log = Own::read_or(self.own.as_ref(), common);
            self.outbox.go_back_to(log, first(log), until);
        }
        if let Some(own) = &mut self.own {
            own.end_path();
        }
    }

    /// Whether it hears nothing of everybody's: in that it might hear itself.
    pub(super) fn is_alone(&self) -> bool {
        self.talker.is_some() || self.had_microphone || self.own.as_ref().is_some_and(Own::is_read)
    }
}

/// The number of a stream that is one listener's own.
fn own_stream(codec: Codec) -> u8 {
    // There are fewer codecs than that.
    u8::try_from(codec.index()).unwrap_or(OWN_STREAM - 1) + OWN_STREAM
}

impl Outbox {
    /// Whether sound goes this way, or something is to be said that the system has not taken.
    fn has_begun(&self) -> bool {
        self.cursor.is_some() || self.has_control()
    }

    /// Whether no sound goes this way.
    pub(in crate::send::fanout) fn rests(&self) -> bool {
        self.cursor.is_none()
    }

    /// Goes on with frame `number` of `log`, or behind what has been begun already, up to `until`.
    fn go_back_to(&mut self, log: &Log, number: u64, until: Option<u64>) {
        self.cursor = Some(number.max(log.covering(self.reached)));
        self.until = until;
    }

    /// What still waits of `log` will not go this way any more: it is counted.
    pub(in crate::send::fanout) fn give_up(&mut self, log: &Log) {
        let until = self.until.unwrap_or(u64::MAX);
        let first = self.cursor.map_or(log.end(), |cursor| cursor.max(log.first));
        let waiting = (first..log.end()).filter_map(|number| log.get(number));
        let left = waiting.take_while(|frame| frame.header().position < until).count();
        self.counts.dropped_full += left as u64;
        self.wait();
    }

    /// Once all that is to go this way has been begun, nothing of `log` waits any more.
    fn rest_when_through(&mut self, log: &Log) {
        let has_come = self.until.is_none_or(|until| log.end_position() >= until);
        if self.cursor.is_some() && has_come && self.is_through(log) {
            self.wait();
        }
    }
}

#[cfg(test)]
mod tests;
