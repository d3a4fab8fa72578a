//! How a listener's conversation ends: with a last word, or because its time is up.

use super::{CLOSING_FOR_US, Listener, Phase, Second};
use crate::wire::websocket::{self, close};
use crate::wire::{Full, Notice, Reason};

/// A first byte but no whole hello within this: closed.
pub(super) const HELLO_WITHIN_US: u64 = 5_000_000;

/// A listener that takes nothing for this long is closed.
const STALLED_AFTER_US: u64 = 10_000_000;

impl Listener {
    /// Whether this listener has been told to go.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        matches!(self.phase, Phase::Closing | Phase::Lingering)
    }

    /// Begins to close with a last word.
    pub fn close(&mut self, reason: Reason, text: &str, now_us: u64) {
        self.close_with(&Notice::because(reason, text), now_us);
    }

    /// Begins to close with that notice as the last word.
    pub fn close_with(&mut self, notice: &Notice, now_us: u64) {
        if self.is_browser() {
            // Before the welcome there are no notices: the close says what a page must know.
            let typed = self.phase == Phase::Typed;
            let frame = if typed { notice.frame() } else { Vec::new() };
            let code = self.close_code.unwrap_or(match notice.reason {
                Reason::Violation => close::POLICY,
                Reason::Removed => close::REMOVED,
                Reason::WrongKey => close::WRONG_KEY,
                Reason::NotLetIn => close::NOT_LET_IN,
                _ if self.phase == Phase::Refused => close::TRY_AGAIN,
                _ => close::GOING_AWAY,
            });
            let closing = if self.is_by_fetch {
                websocket::closed(code, &notice.text)
            } else {
                websocket::closing(code, &notice.text)
            };
            self.outbox.end_with(frame, closing);
        } else {
            self.outbox.finish(notice);
        }
        self.phase = Phase::Closing;
        self.phase_until_us = now_us + CLOSING_FOR_US;
        // One that was closed for a flood has time to hear why, before more of it ends all.
        self.second = Second { started_us: now_us, ..Second::default() };
    }

    /// Begins to close because there is no seat for it.
    pub fn close_full(&mut self, now_us: u64) {
        let reason = match self.refusal {
            Full::Server => Reason::ServerFull,
            Full::Address => Reason::AddressFull,
        };
        self.close(reason, self.refusal.sentence(), now_us);
    }

    /// Begins to close because what it needs is full.
    pub fn refuse(&mut self, full: Full, now_us: u64) {
        (self.phase, self.refusal) = (Phase::Refused, full);
        self.close_full(now_us);
    }

    /// The last word is written: wait for the peer to close.
    pub fn linger(&mut self, now_us: u64) {
        self.phase = Phase::Lingering;
        self.phase_until_us = now_us + CLOSING_FOR_US;
    }

    /// Notes whether the socket took anything.
    pub fn wrote(&mut self, progress: bool, blocked: bool, now_us: u64) {
        if progress || !blocked {
            self.blocked_since_us = None;
        }
        if blocked {
            self.blocked_since_us.get_or_insert(now_us);
        }
    }

    /// Why this listener's time is up, if it is.
    pub fn overdue(&self, now_us: u64) -> Option<Overdue> {
        let past = |since: u64, limit: u64| now_us.saturating_sub(since) > limit;
        // Who gets its sound by datagram and asks for it takes something.
        let is_alive = self.path.as_ref().is_some_and(|path| path.is_alive(now_us));
        if !is_alive && self.blocked_since_us.is_some_and(|since| past(since, STALLED_AFTER_US)) {
            return Some(Overdue::Stalled);
        }
        if let (Phase::Plain, Some(until_us)) = (self.phase, self.knocks_until_us) {
            return (now_us > until_us).then_some(Overdue::Unanswered);
        }
        match self.phase {
            Phase::Plain | Phase::AtDoor
                if self.heard_since_us.is_some_and(|at| past(at, HELLO_WITHIN_US)) =>
            {
                Some(Overdue::HalfHello)
            }
            Phase::Refused if now_us > self.phase_until_us => Some(Overdue::Refused),
            Phase::Closing | Phase::Lingering if now_us > self.phase_until_us => {
                Some(Overdue::Closed)
            }
            _ => None,
        }
    }
}

/// Why a listener is closed by the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overdue {
    /// It took nothing.
    Stalled,
    /// It began to speak and never finished a hello.
    HalfHello,
    /// It knocked, and nobody let it in.
    Unanswered,
    /// The server is full and it is nobody's ghost.
    Refused,
    /// It was told to go.
    Closed,
}
