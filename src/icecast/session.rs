//! One connection to an Icecast server: what goes out over it, what comes back, and when it is over.

use std::collections::VecDeque;

use zeroize::Zeroizing;

use super::answer::Answers;
use super::fault::Fault;
use super::pages::Pages;
use crate::format::Format;
use crate::wire::AudioFrame;

/// Whoever has not consented by then, in µs, will not.
const ANSWER_US: u64 = 5_000_000;

/// Sound waits no longer for the network, in µs: it would only be later and later. This bounds what waits, too.
const WAITS_US: u64 = 5_000_000;

/// How long the words behind a refusal are waited for, in µs.
const WORDS_US: u64 = 300_000;

/// One connection.
pub struct Session {
    phase: Phase,
    answers: Answers,
    pages: Pages,
    /// What is written first, with the password in it, and how much of it has been.
    request: Zeroizing<Vec<u8>>,
    asked: usize,
    /// Sound that is to be written, and how much of it has been.
    out: Vec<u8>,
    written: usize,
    /// Where in all that is written sound ends that was made then, in µs.
    made: VecDeque<(u64, u64)>,
    total_written: u64,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The request goes out, or has.
    Asked { until_us: u64 },
    /// It takes sound since then.
    Sends { since_us: u64 },
    /// It does not, and may say why.
    Refused { status: u16, until_us: u64 },
}

impl Session {
    /// A connection that begins with this request.
    #[must_use]
    pub fn new(request: Zeroizing<Vec<u8>>, pages: Pages, now_us: u64) -> Self {
        Self {
            phase: Phase::Asked { until_us: now_us + ANSWER_US },
            answers: Answers::default(),
            pages,
            request,
            asked: 0,
            out: Vec::new(),
            written: 0,
            made: VecDeque::new(),
            total_written: 0,
        }
    }

    /// For how long it has taken sound, in µs; `None` before it does.
    #[must_use]
    pub fn sends_for_us(&self, now_us: u64) -> Option<u64> {
        match self.phase {
            Phase::Sends { since_us } => Some(now_us.saturating_sub(since_us)),
            Phase::Asked { .. } | Phase::Refused { .. } => None,
        }
    }

    /// Takes what it says.
    ///
    /// # Errors
    /// The [`Fault`] by which the connection is over.
    pub fn read(&mut self, bytes: &[u8], now_us: u64) -> Result<(), Fault> {
        let phase = &mut self.phase;
        let read = self.answers.read(bytes, |answer| match answer.status {
            100 | 200..300 => {
                if let Phase::Asked { .. } = *phase {
                    *phase = Phase::Sends { since_us: now_us };
                }
            }
            0..200 => {}
            status => *phase = Phase::Refused { status, until_us: now_us + WORDS_US },
        });
        read.map_err(|_| Fault::Rubbish)?;
        if self.answers.has_enough() { self.over(now_us, true) } else { Ok(()) }
    }

    /// It has hung up.
    #[must_use]
    pub fn hung_up(&self) -> Fault {
        match self.phase {
            Phase::Asked { .. } => Fault::HungUp,
            Phase::Sends { .. } => Fault::Ended,
            Phase::Refused { status, .. } => Fault::answered(status, self.answers.words()),
        }
    }

    /// Takes sound, if it is wanted yet.
    pub fn sound(&mut self, frame: &AudioFrame, now_us: u64) {
        if let Phase::Sends { .. } = self.phase {
            let (_, packet) = frame.plain();
            let before = self.out.len();
            self.pages.take(frame.header(), packet, &mut self.out);
            self.note(before, now_us);
        }
    }

    /// What comes from now on is another stream, of that format.
    pub fn begin_anew(&mut self, format: Format, now_us: u64) {
        let before = self.out.len();
        self.pages.begin_anew(format, &mut self.out);
        self.note(before, now_us);
    }

    /// The sound is over.
    pub fn end(&mut self, now_us: u64) {
        if let Phase::Sends { .. } = self.phase {
            let before = self.out.len();
            self.pages.end(&mut self.out);
            self.note(before, now_us);
        }
    }

    fn note(&mut self, before: usize, now_us: u64) {
        if self.out.len() > before {
            let ends = self.total_written + (self.out.len() - self.written) as u64;
            self.made.push_back((ends, now_us));
        }
    }

    /// What is to be written next.
    #[must_use]
    pub fn waiting(&self) -> &[u8] {
        let request = &self.request[self.asked..];
        if request.is_empty() { &self.out[self.written..] } else { request }
    }

    /// So much of [`waiting`](Self::waiting) has been written.
    pub fn wrote(&mut self, count: usize) {
        if self.asked < self.request.len() {
            self.asked += count;
            return;
        }
        self.written += count;
        self.total_written += count as u64;
        if self.written >= self.out.len() {
            self.out.clear();
            self.written = 0;
        } else if self.written > self.out.len() / 2 {
            self.out.drain(..self.written);
            self.written = 0;
        }
        while self.made.front().is_some_and(|(ends, _)| *ends <= self.total_written) {
            self.made.pop_front();
        }
    }

    /// Looks at the time.
    ///
    /// # Errors
    /// The [`Fault`] by which the connection is over.
    pub fn mind(&self, now_us: u64) -> Result<(), Fault> {
        self.over(now_us, false)
    }

    fn over(&self, now_us: u64, has_said_enough: bool) -> Result<(), Fault> {
        match self.phase {
            Phase::Asked { until_us } if now_us >= until_us => Err(Fault::Silent),
            Phase::Refused { until_us, .. } if has_said_enough || now_us >= until_us => {
                Err(self.hung_up())
            }
            Phase::Sends { .. } => match self.made.front() {
                Some((_, made_us)) if now_us >= made_us + WAITS_US => Err(Fault::Slow),
                _ => Ok(()),
            },
            Phase::Asked { .. } | Phase::Refused { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
mod hour;
#[cfg(test)]
mod tests;
