//! What goes to one listener by datagram: whether its address is proven, what it gets next, and what it
//! gets again. No socket, no clock.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Log;
use super::datagrams::DatagramLog;
use super::rates::{MAX_ASKS_PER_SECOND, MAX_PROOFS_PER_SECOND};
use super::together::Together;
use crate::allowance::{Allowance, ByteAllowance};
use crate::wire::datagram::{ANSWER, Answer, Ask, Parities, Token};

/// A listener that has asked for nothing for this long, in µs, gets its sound by TCP again: clients ask
/// several times a second.
const SILENT_AFTER_US: u64 = 10_000_000;

/// After a listener has asked for sound by TCP, its datagrams that ask for the other way count for
/// nothing for this long, in µs: they were sent before.
const RESTS_FOR_US: u64 = 500_000;

/// What is sent again to a listener may be this share of its stream, one in so many bytes.
const AGAIN_ONE_IN: usize = 2;

/// Of that so much of a second may come at once, one in so many, after a hole of that length.
const AT_ONCE_ONE_IN: usize = 4;

/// And at least so many bytes: a hole of a quarter of a second, in any codec that is heard over Wi-Fi.
const LEAST_AT_ONCE: usize = 32_000;

/// What has gone to one listener by datagram and what has not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DatagramCounts {
    /// Datagrams of sound, each counted once.
    pub datagrams: u64,
    /// All bytes of all datagrams, answers too.
    pub bytes: u64,
    /// Datagrams of parity.
    pub parity: u64,
    /// Datagrams that were sent again.
    pub resent: u64,
    /// Datagrams that were asked for, were there, and were more than may be sent again.
    pub resent_refused: u64,
    /// Asks that were answered.
    pub asks: u64,
    /// Asks that came too often.
    pub asks_refused: u64,
    /// Datagrams that the system had no room for, or that fell out of the log.
    pub dropped_full: u64,
    /// Datagrams that were too old to be heard when their turn came.
    pub dropped_old: u64,
}

/// How old sound may be to be worth sending, and how much of it there is.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Now, in µs.
    pub now_us: u64,
    /// Sound that was captured longer ago is too late, in µs.
    pub max_age_us: u64,
    /// Bytes of the listener's sound in a second.
    pub bytes_per_second: usize,
}

/// One listener's way by datagram.
#[derive(Debug)]
pub struct DatagramPath {
    /// Tells whose a datagram is.
    pub token: Token,
    /// The address that has proven itself.
    address: Option<SocketAddr>,
    /// The next datagram that it gets, where its sound comes this way.
    next: Option<u64>,
    together: Together,
    /// The position behind the last sound that went this way.
    pub(super) reached: u64,
    /// The position behind the sound that goes by TCP.
    begun: u64,
    /// What was captured before this is not for this listener, in µs.
    from_us: u64,
    /// It asks for its sound this way.
    is_wanted: bool,
    parities: Parities,
    /// When it last asked, in µs.
    asked_us: u64,
    rests_until_us: u64,
    asks: Allowance,
    proofs: Allowance,
    budget: ByteAllowance,
    counts: DatagramCounts,
}

impl DatagramPath {
    /// A way that nobody has asked for yet.
    #[must_use]
    pub fn new(token: Token) -> Self {
        Self {
            token,
            address: None,
            next: None,
            together: Together::AT_ONCE,
            reached: 0,
            begun: 0,
            from_us: 0,
            is_wanted: false,
            parities: Parities::NONE,
            asked_us: 0,
            rests_until_us: 0,
            asks: Allowance::per_second(MAX_ASKS_PER_SECOND),
            proofs: Allowance::per_second(MAX_PROOFS_PER_SECOND),
            budget: ByteAllowance::new(LEAST_AT_ONCE),
            counts: DatagramCounts::default(),
        }
    }

    /// What an ask of `length` bytes from `from`, whose right cookie is `cookie`, is answered with; it is
    /// never longer than the ask. `None` where it comes too often.
    pub fn answer(
        &mut self,
        ask: &Ask,
        (from, cookie): (SocketAddr, u64),
        length: usize,
        now_us: u64,
    ) -> Option<Vec<u8>> {
        let is_proven = ask.cookie == cookie;
        let allowance = if is_proven { &mut self.asks } else { &mut self.proofs };
        if !allowance.takes(now_us) {
            self.counts.asks_refused += 1;
            return None;
        }
        self.counts.asks += 1;
        if is_proven {
            self.address = Some(from);
            self.asked_us = now_us;
            self.parities = ask.parity;
            self.is_wanted = ask.is_wanted && now_us >= self.rests_until_us;
        }
        let answer = Answer { is_proven, cookie, client_us: ask.client_us, server_us: now_us };
        let answer = answer.datagram(if is_proven { ANSWER } else { length });
        self.counts.bytes += answer.len() as u64;
        Some(answer)
    }

    /// Its token and the address that has proven itself, where one has.
    #[must_use]
    pub fn whose(&self) -> Option<(Token, SocketAddr)> {
        Some((self.token, self.address?))
    }

    /// Whether an ask with that cookie, which is right for `from`, is from where this listener's sound goes.
    #[must_use]
    pub fn is_at(&self, from: SocketAddr) -> bool {
        self.address == Some(from)
    }

    /// Whether sound goes this way.
    #[must_use]
    pub fn is_used(&self) -> bool {
        self.next.is_some()
    }

    /// Whether sound is to go this way and does not.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.is_wanted && self.next.is_none() && self.address.is_some()
    }

    /// Which parity is wanted, where sound goes this way.
    #[must_use]
    pub fn parities(&self) -> Parities {
        if self.is_used() { self.parities } else { Parities::NONE }
    }

    /// Whether it has asked for anything of late.
    #[must_use]
    pub fn is_alive(&self, now_us: u64) -> bool {
        self.address.is_some() && now_us.saturating_sub(self.asked_us) < SILENT_AFTER_US
    }

    /// Sound goes this way from the datagram `next` on, which begins at `position`. None of it was
    /// captured before `from_us`.
    pub(super) fn begin(&mut self, next: u64, position: u64, from_us: u64) {
        self.next = Some(next);
        (self.reached, self.begun, self.from_us) = (position, position, from_us);
    }

    /// Whether nothing of `log` that lies before the position `until` waits any more.
    pub(super) fn is_through(&self, log: &DatagramLog, until: u64) -> bool {
        let next = self.next.and_then(|next| log.get(next.max(log.first())));
        self.reached >= until || next.is_some_and(|datagram| datagram.position >= until)
    }

    /// Goes on with the datagram `next` of another log.
    pub(super) fn go_on_with(&mut self, next: u64) {
        self.next = Some(next);
        self.begun = 0;
    }

    /// Goes on with the datagram `next` of another log, but for what lies before the end of the last one:
    /// what is joined reaches further than a frame.
    pub(super) fn go_on_behind(&mut self, next: u64) {
        self.next = Some(next);
        self.begun = self.reached;
    }

    /// Whether all that was to go by TCP before the first datagram has lain in `log` for a while.
    pub(super) fn is_past(&self, log: &Log) -> bool {
        log.end_position() > self.begun.saturating_add(log.frames())
    }

    /// From now on datagrams leave so.
    pub fn send_together(&mut self, together: Together) {
        self.together = together;
    }

    /// How far the log must have come for a datagram to be due.
    pub(super) fn due_at(&self) -> Option<u64> {
        Some(self.together.group_end(self.next?))
    }

    /// Sound goes another way.
    pub(super) fn end(&mut self, now_us: u64) {
        self.next = None;
        self.is_wanted = false;
        self.rests_until_us = now_us + RESTS_FOR_US;
    }

    /// Hands to `send` what is due of `log`, up to the position `until`, where another log goes on.
    pub(super) fn give(
        &mut self,
        log: &DatagramLog,
        until: Option<u64>,
        pace: Pace,
        mut send: impl FnMut(SocketAddr, &Arc<[u8]>),
    ) {
        let (Some(mut number), Some(address)) = (self.next, self.address) else {
            return;
        };
        if number < log.first() {
            self.counts.dropped_full += log.first() - number;
            number = log.first();
        }
        // Where another log goes on there is nothing to wait for.
        if until.is_none() && !self.together.is_complete(number, log.end()) {
            self.next = Some(number);
            return;
        }
        while let Some(datagram) = log.get(number) {
            if until.is_some_and(|until| datagram.position >= until) {
                break;
            }
            number += 1;
            // Pieces of what has come whole by TCP may be cut for others, or later than that was sent.
            if datagram.captured_us < self.from_us || datagram.position < self.begun {
                continue;
            }
            self.reached = datagram.end;
            if datagram.captured_us.saturating_add(pace.max_age_us) < pace.now_us {
                self.counts.dropped_old += 1;
                continue;
            }
            self.counts.datagrams += 1;
            self.counts.bytes += datagram.bytes.len() as u64;
            send(address, &datagram.bytes);
            for parity in datagram.parities(self.parities) {
                self.counts.parity += 1;
                self.counts.bytes += parity.len() as u64;
                send(address, parity);
            }
        }
        self.next = Some(number);
    }

    /// Hands to `send` what an ask of this listener wants again, as far as it has been sent, is young
    /// enough to be heard, and is within what may be sent again.
    pub(super) fn give_again(
        &mut self,
        ask: &Ask,
        log: &DatagramLog,
        pace: Pace,
        mut send: impl FnMut(SocketAddr, &Arc<[u8]>),
    ) {
        let (Some(next), Some(address)) = (self.next, self.address) else {
            return;
        };
        if ask.stream != log.stream() {
            return;
        }
        let per_second = pace.bytes_per_second / AGAIN_ONE_IN;
        let at_once = (per_second / AT_ONCE_ONE_IN).max(LEAST_AT_ONCE);
        for low in &ask.missing {
            let Some((_, datagram)) = log.again(*low).filter(|(number, _)| *number < next) else {
                continue;
            };
            if datagram.captured_us.saturating_add(pace.max_age_us) < pace.now_us {
                continue;
            }
            if !self.budget.takes(datagram.bytes.len(), pace.now_us, at_once, per_second) {
                self.counts.resent_refused += 1;
                continue;
            }
            self.counts.resent += 1;
            self.counts.bytes += datagram.bytes.len() as u64;
            send(address, &datagram.bytes);
        }
    }

    /// So many bytes that are no sound go this way.
    pub fn say(&mut self, bytes: usize) {
        self.counts.bytes += bytes as u64;
    }

    /// The system took no datagram of `bytes` bytes that was handed to it.
    pub fn was_refused(&mut self, bytes: usize) {
        self.counts.dropped_full += 1;
        self.counts.bytes = self.counts.bytes.saturating_sub(bytes as u64);
    }

    /// What has gone this way and what has not.
    #[must_use]
    pub fn counts(&self) -> DatagramCounts {
        self.counts
    }
}

#[cfg(test)]
mod tests;
