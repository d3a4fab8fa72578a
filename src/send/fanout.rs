//! Decides who gets which bytes next, with a shared log of encoded frames and one outbox per
//! listener.
//!
//! Pure: sockets are a closure, time is an argument. A frame is kept once, in the [`Log`]; a
//! listener's queue is the stretch of the log between its cursor and the log's end, so queueing a
//! frame for two thousand listeners costs one push.
//!
//! What falls out: at the bound the oldest whole unstarted frame, and at the moment of writing
//! every unstarted frame older than the playout delay. Never half of one; each is counted.
//!
//! As long as the delay allows, frames wait for a few more and leave [`Together`] with them.

mod counts;
mod datagram_path;
mod datagrams;
mod inbox;
mod listener;
mod log;
mod own;
mod rates;
mod row;
mod saying;
mod talk_repair;
mod talker;
mod together;

pub use counts::Counts;
pub use datagram_path::{DatagramCounts, DatagramPath, Pace};
pub use datagrams::{DatagramLog, KEPT_BEYOND_US, MAX_KEPT};
pub use listener::{Asks, Both, Listener, Overdue, Phase};
pub use log::Log;
pub use own::Own;
pub use talker::{TalkCounts, Talker};
pub use together::{Together, datagram_wait_us, wait_us};

use std::io::{self, IoSlice};

use crate::secure::handshake::Sealing;
use crate::wire::{AudioFrame, Epochs};
use row::{attempt, length, send_frame, send_row};
use saying::LastWord;

/// How a listener's audio is framed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// Length and payload.
    Plain,
    /// Typed frames.
    Typed,
    /// Typed frames, each of which is a WebSocket message.
    WebSocket,
}

/// Why [`Outbox::write`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Everything there was is written.
    Empty,
    /// The socket takes no more for now.
    Blocked,
    /// The last word is written: close.
    Finished,
}

/// A write that the socket took only part of.
#[derive(Debug)]
enum Started {
    /// `ping` is what a pong answers: until its first byte is out it can still be stamped anew.
    Control {
        bytes: Vec<u8>,
        written: usize,
        ping: Option<(u64, u64)>,
    },
    Audio {
        frame: AudioFrame,
        generation: Generation,
        written: usize,
    },
}

/// One listener's side of the fan-out: a cursor in the log, a started write, and at most one
/// pending control message of each sort.
#[derive(Debug)]
pub struct Outbox {
    generation: Generation,
    together: Together,
    /// The next frame of the log to write; `None` sends no audio.
    cursor: Option<u64>,
    /// The position behind the last sound that was begun.
    reached: u64,
    /// Sound from this position on is another log's.
    until: Option<u64>,
    /// What was captured before this is not for this listener, in µs: the log also gets frames for
    /// others who begin earlier.
    from_us: u64,
    started: Option<Started>,
    /// Written before anything else, once: the config or the welcome.
    greeting: Option<Vec<u8>>,
    /// The newest unanswered ping: the client's time, and when it was read.
    ping: Option<(u64, u64)>,
    notice: Option<Vec<u8>>,
    /// Keys of sound that it has not been told.
    epochs: Option<Epochs>,
    /// Whether others hear this listener; the newest wins.
    muting: Option<Vec<u8>>,
    /// Why it may not talk; the newest wins.
    aside: Option<Vec<u8>>,
    /// Which servers the sound comes through; the newest wins.
    via: Option<Vec<u8>>,
    /// Who is there; the newest wins.
    people: Option<Vec<u8>>,
    /// The answer to a WebSocket's own ping; the newest wins.
    websocket_pong: Option<Vec<u8>>,
    /// What became of an offer; the newest wins.
    answer: Option<Vec<u8>>,
    last_word: Option<LastWord>,
    /// What seals all that is said, in a private room.
    sealing: Option<Sealing>,
    counts: Counts,
}

impl Outbox {
    /// An outbox that begins with `greeting`, then plain audio captured from `now_us` on: such a
    /// listener plays what comes when it comes, so that older sound would make it late for ever.
    #[must_use]
    pub fn plain(greeting: Vec<u8>, log: &Log, now_us: u64) -> Self {
        Self { from_us: now_us, ..Self::new(Some(greeting), Some(log.end())) }
    }

    /// An outbox that says one thing and no more, but stays open for a hello.
    #[must_use]
    pub fn refusing(refusal: Vec<u8>) -> Self {
        Self::new(Some(refusal), None)
    }

    /// An outbox of a private room: `greeting`, and nothing more before its listener has entered.
    #[must_use]
    pub fn holding(greeting: Vec<u8>) -> Self {
        Self { generation: Generation::Typed, ..Self::new(Some(greeting), None) }
    }

    /// An outbox for a browser: `opening` answers its HTTP request, and nothing more comes before
    /// a hello.
    #[must_use]
    pub fn websocket(opening: Vec<u8>) -> Self {
        Self { generation: Generation::WebSocket, ..Self::new(Some(opening), None) }
    }

    fn new(greeting: Option<Vec<u8>>, cursor: Option<u64>) -> Self {
        Self {
            generation: Generation::Plain,
            together: Together::AT_ONCE,
            cursor,
            reached: 0,
            until: None,
            from_us: 0,
            started: None,
            greeting,
            ping: None,
            notice: None,
            epochs: None,
            muting: None,
            aside: None,
            via: None,
            people: None,
            websocket_pong: None,
            answer: None,
            last_word: None,
            sealing: None,
            counts: Counts::default(),
        }
    }

    /// Turns to typed frames: what is started is finished, what is queued is discarded, `welcome`
    /// comes next, and audio captured from `from_us` on, as far back as the log goes. A greeting
    /// not yet begun still goes first.
    pub fn upgrade(&mut self, welcome: Vec<u8>, log: &Log, from_us: u64) {
        if self.generation == Generation::Plain {
            self.generation = Generation::Typed;
        }
        self.cursor = Some(log.since(from_us));
        self.from_us = from_us;
        let welcome = self.framed(welcome);
        match &mut self.greeting {
            Some(greeting) => greeting.extend(welcome),
            None => self.greeting = Some(welcome),
        }
    }

    /// Waits without sound, until there is a log to go on in.
    pub fn wait(&mut self) {
        self.cursor = None;
    }

    /// Sound from `position` on will come from another log, or from behind what has been begun.
    /// Returns from where.
    fn end_at(&mut self, position: u64) -> u64 {
        let until = position.max(self.reached);
        self.until = Some(until);
        until
    }

    /// Whether nothing before the position where the log ends for this listener waits any more.
    fn is_through(&self, log: &Log) -> bool {
        let next = self.cursor.and_then(|cursor| log.get(cursor.max(log.first)));
        next.is_none_or(|frame| self.until.is_some_and(|until| frame.header().position >= until))
    }

    /// Goes on at the beginning of `log`.
    fn go_on_in(&mut self, log: &Log) {
        self.cursor = Some(log.first);
        self.until = None;
    }

    /// What has gone out and what has not.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Frames of the log that wait for this listener.
    #[must_use]
    pub fn queued(&self, log: &Log) -> usize {
        self.cursor.map_or(0, |cursor| log.end().saturating_sub(cursor.max(log.first)) as usize)
    }

    /// Whether the config or the welcome is written to the last byte.
    #[must_use]
    pub fn is_greeted(&self) -> bool {
        self.greeting.is_none() && !matches!(self.started, Some(Started::Control { .. }))
    }

    /// From now on frames leave so. Those of a plain listener go one by one and at once: first
    /// generation programs count on reading a frame's header whole.
    pub fn send_together(&mut self, together: Together) {
        let is_plain = self.generation == Generation::Plain;
        self.together = if is_plain { Together::AT_ONCE } else { together };
    }

    /// Whether anything should be written now.
    #[must_use]
    pub fn is_due(&self, log: &Log) -> bool {
        self.has_control()
            || self.cursor.is_some_and(|cursor| {
                // What comes after this is another log's: nothing that would be worth waiting for.
                let ends_soon = self.until.is_some() && cursor < log.end();
                ends_soon || self.together.is_complete(cursor, log.end())
            })
    }

    /// How far the log must have come for something to be due, if nothing else comes up.
    #[must_use]
    pub fn due_at(&self) -> Option<u64> {
        let cursor = self.cursor.filter(|_| self.until.is_none() && !self.has_control())?;
        Some(self.together.group_end(cursor))
    }

    /// Whether there is anything to write, due or not.
    #[must_use]
    pub fn has_work(&self, log: &Log) -> bool {
        self.has_control() || self.cursor.is_some_and(|cursor| cursor < log.end())
    }

    /// Writes until the socket blocks or nothing is left. `send` is one non-blocking vectored
    /// write; `max_age_us` is the playout delay plus the listener's own extra.
    ///
    /// # Errors
    /// What `send` failed with, other than `WouldBlock` and `Interrupted`; a socket that takes
    /// zero bytes is `WriteZero`.
    pub fn write(
        &mut self,
        log: &Log,
        now_us: u64,
        max_age_us: u64,
        mut send: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Stopped> {
        loop {
            if let Some(started) = self.started.take() {
                match self.resume(started, &mut send)? {
                    None => continue,
                    Some(Started::Control { written: 0, ping: Some(ping), .. }) => {
                        self.ping.get_or_insert(ping);
                    }
                    Some(rest) => self.started = Some(rest),
                }
                return Ok(Stopped::Blocked);
            }
            if let Some(control) = self.next_control(now_us) {
                self.started = Some(control);
                continue;
            }
            if self.last_word.is_some() {
                return Ok(Stopped::Finished);
            }
            let Some(number) = self.next_audio(log, now_us, max_age_us) else {
                return Ok(Stopped::Empty);
            };
            let frames = self.row(log, number);
            let row = frames.clone().filter_map(|number| log.get(number));
            let Some(written) = attempt(|| send_row(row.clone(), self.generation, &mut send))?
            else {
                return Ok(Stopped::Blocked);
            };
            self.wrote(row, number, written);
        }
    }

    /// The numbers of the frames that go out with `number` in one send: none beyond where the log ends
    /// for this listener.
    fn row(&self, log: &Log, number: u64) -> std::ops::Range<u64> {
        let is_for_it = |number: &u64| {
            let position = log.get(*number).map(|frame| frame.header().position);
            position.is_some_and(|position| self.until.is_none_or(|until| position < until))
        };
        let length = (number..log.end()).take(self.together.frames()).take_while(is_for_it).count();
        number..number + length as u64
    }

    /// Counts what the socket took of a row that begins with frame `number`, and keeps what it took half
    /// of.
    fn wrote<'a>(
        &mut self,
        row: impl Iterator<Item = &'a AudioFrame>,
        mut number: u64,
        mut written: usize,
    ) {
        self.counts.bytes += written as u64;
        for frame in row {
            if written == 0 {
                break;
            }
            number += 1;
            self.reached = frame.header().position + u64::from(frame.header().frames);
            let length = length(frame, self.generation);
            if written < length {
                let generation = self.generation;
                self.started = Some(Started::Audio { frame: frame.clone(), generation, written });
                break;
            }
            self.counts.frames += 1;
            written -= length;
        }
        self.cursor = Some(number);
    }

    /// Moves the cursor past what has fallen out, counts it, and names the next frame to write.
    fn next_audio(&mut self, log: &Log, now_us: u64, max_age_us: u64) -> Option<u64> {
        let mut number = self.cursor?;
        if number < log.first {
            self.counts.dropped_full += log.first - number;
            number = log.first;
        }
        while let Some(frame) = log.get(number) {
            if self.until.is_some_and(|until| frame.header().position >= until) {
                self.cursor = Some(number);
                return None;
            }
            let captured_us = frame.header().captured_us;
            if captured_us >= self.from_us {
                if captured_us.saturating_add(max_age_us) >= now_us {
                    break;
                }
                self.counts.dropped_old += 1;
            }
            number += 1;
        }
        self.cursor = Some(number);
        (number < log.end()).then_some(number)
    }

    /// Goes on with a started write. `Some` is what is left of it.
    fn resume(
        &mut self,
        started: Started,
        send: &mut impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Option<Started>> {
        match started {
            Started::Control { bytes, mut written, ping } => {
                while written < bytes.len() {
                    let Some(more) = attempt(|| send(&[IoSlice::new(&bytes[written..])]))? else {
                        return Ok(Some(Started::Control { bytes, written, ping }));
                    };
                    written += more;
                    self.counts.bytes += more as u64;
                }
                Ok(None)
            }
            Started::Audio { frame, generation, mut written } => {
                let length = length(&frame, generation);
                while written < length {
                    let Some(more) = attempt(|| send_frame(&frame, generation, written, send))?
                    else {
                        return Ok(Some(Started::Audio { frame, generation, written }));
                    };
                    written += more;
                    self.counts.bytes += more as u64;
                }
                self.counts.frames += 1;
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests;
