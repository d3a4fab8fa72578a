//! The code by which somebody comes into a private room who has no link: who may try it, and what becomes
//! of a try.

use log::{debug, info, warn};

use super::Transmit;
use crate::error::Result;
use crate::random;
use crate::secure::code::{Answered, Code, SERVER_RANDOM};
use crate::secure::door::{Answer, Codes};
use crate::wire::{Notice, Reason, kind, typed};

/// What those are told who come with a code that is not shown.
const NO_CODE: &str = "there is no code at this server now: ask whoever runs it for a new one";

/// What those are told whose code is another.
const WRONG_CODE: &str = "this is not the code that the server shows";

/// A code as whoever runs the server sees it.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The code.
    pub code: Code,
    /// How long it holds, in seconds.
    pub left_s: u64,
}

/// The code that is shown, and who tries it.
#[derive(Debug, Default)]
pub(super) struct Invitation {
    codes: Codes,
    code: Option<Code>,
    /// The seat of whoever tries it, one at a time, and what is left to be shown.
    trying: Option<(usize, Answered)>,
}

impl Invitation {
    /// The code is shown from now on.
    pub(super) fn show(&mut self, code: Code, now_us: u64) {
        self.codes.show(now_us);
        (self.code, self.trying) = (Some(code), None);
    }

    /// The seat of whoever tries the code.
    pub(super) fn tries(&self) -> Option<usize> {
        self.trying.as_ref().map(|(index, _)| *index)
    }

    fn shown(&self, now_us: u64) -> Option<Shown> {
        let code = self.code.clone().filter(|_| self.codes.is_shown(now_us))?;
        Some(Shown { code, left_s: self.codes.left_us(now_us) / 1_000_000 })
    }
}

impl Transmit {
    /// The code that is shown, a new one where none holds, or `is_new` says so.
    pub(super) fn invite(&mut self, is_new: bool) -> Option<Shown> {
        self.keys.as_ref()?;
        let now = self.clock.now_us();
        if is_new || self.invitation.shown(now).is_none() {
            match new_code() {
                Ok(code) => self.invitation.show(code, now),
                Err(e) => warn!("there is no new code: {e}"),
            }
        }
        self.invitation.shown(now)
    }

    /// The code that is shown, if there is one.
    pub(super) fn shown_code(&self, now_us: u64) -> Option<Shown> {
        self.invitation.shown(now_us)
    }

    /// Lets the listener at `index` try the code, if it is its turn.
    pub(super) fn try_code(&mut self, index: usize, first: &[u8]) {
        let now = self.clock.now_us();
        let full = self.fullness_for(index);
        let (Some(_), Some(Some(seat))) = (&self.keys, self.seats.get_mut(index)) else {
            return;
        };
        if let Some(full) = full {
            // Nobody uses the code up for nothing.
            return seat.listener.refuse(full, now);
        }
        let Invitation { codes, code, trying } = &mut self.invitation;
        match (codes.ask(now), code) {
            (Answer::Wait(until_us), _) => {
                let seconds = until_us.saturating_sub(now).div_ceil(1_000_000);
                let text = format!("codes were tried too often here: try again in {seconds} s");
                let wait_s = u32::try_from(seconds).ok();
                let notice = Notice { wait_s, ..Notice::because(Reason::CodeWait, &text) };
                seat.listener.close_with(&notice, now);
            }
            (Answer::Try, Some(code)) => {
                let answered = random::secret::<SERVER_RANDOM>().ok().and_then(|random| {
                    Answered::answer(code, &seat.listener.config, first, &random)
                });
                *trying = None;
                if let Some((answered, message)) = answered {
                    *trying = Some((index, answered));
                    seat.listener.outbox.answer(typed(kind::CODE_ANSWER, &message));
                } else {
                    codes.tried(false, now);
                    seat.listener.close(Reason::WrongCode, WRONG_CODE, now);
                }
            }
            (Answer::NoCode | Answer::Try, _) => {
                debug!("{} comes with a code, and there is none", seat.listener.label());
                seat.listener.close(Reason::NoCode, NO_CODE, now);
            }
        }
    }

    /// Hands the room's secret to the listener at `index`, if it shows that it has the code.
    pub(super) fn prove_code(&mut self, index: usize, proof: &[u8]) {
        let now = self.clock.now_us();
        let tries = self.invitation.trying.as_ref().is_some_and(|(who, _)| *who == index);
        let answered = self.invitation.trying.take_if(|_| tries);
        let (Some(keys), Some(Some(seat))) = (&self.keys, self.seats.get_mut(index)) else {
            return;
        };
        let Some((_, answered)) = answered else {
            return self.close_for_violation(index, "nobody asked for this proof", now);
        };
        let host = keys.secrets();
        if let Some(message) = answered.grant(proof, &host.secret, &host.pair) {
            self.invitation.codes.tried(true, now);
            self.invitation.code = None;
            seat.listener.outbox.answer(typed(kind::CODE_SECRET, &message));
            info!("{} had the code, which lets nobody else in now", seat.listener.label());
        } else {
            seat.listener.close(Reason::WrongCode, WRONG_CODE, now);
            self.tried_wrongly(index, now);
        }
    }

    /// The listener at `index` has gone: what it did not show to be right was wrong.
    pub(super) fn end_try_of(&mut self, index: usize) {
        if self.invitation.trying.take_if(|(who, _)| *who == index).is_some() {
            self.tried_wrongly(index, self.clock.now_us());
        }
    }

    fn tried_wrongly(&mut self, index: usize, now: u64) {
        self.invitation.codes.tried(false, now);
        debug!("a wrong code came from connection {index}");
        if self.invitation.code.is_some() && !self.invitation.codes.is_shown(now) {
            self.invitation.code = None;
            warn!(
                "somebody tried wrong codes, so that the code lets nobody in any more. \
                 auralync-client ctl code makes another"
            );
        }
    }
}

/// A code that nobody can foresee.
///
/// # Errors
/// [`Error::Internal`](crate::Error::Internal) if the system gives no random numbers.
pub fn new_code() -> Result<Code> {
    loop {
        if let Some(code) = Code::new(u32::from_ne_bytes(*random::secret()?)) {
            return Ok(code);
        }
    }
}
