//! One turn of the loop: what has come is read, answered and let in, for as long as that may take.

use std::io;
use std::time::Duration;

use log::{debug, info};
use mio::event::Event;
use mio::{Events, Token};

use super::datagrams::Datagrams;
use super::web_door::WebDoor;
use super::{DATAGRAMS, DOOR, LONGEST_REST_US, SECURE_DOOR, Transmit, WAKER, WEB_DOOR};
use crate::error::{Error, Result, plain};
use crate::send::fanout::Asks;
use crate::wire::Violation;

/// Reads that one connection has in a turn before it is the next one's: more than a client of ours
/// ever has waiting.
const READS_PER_TURN: usize = 4;

impl Transmit {
    /// Waits for events and reads, answers and accepts what they bring, for about `budget_us`. What
    /// is left waits for the next turn, which then comes at once.
    pub(super) fn turn(
        &mut self,
        events: &mut Events,
        timeout: Option<Duration>,
        budget_us: u64,
    ) -> Result<()> {
        match self.poll.poll(events, timeout) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(e) => return Err(Error::internal("the network loop cannot wait", e)),
        }
        let until_us = self.clock.now_us() + budget_us;
        for event in events.iter() {
            match event.token() {
                WAKER => {}
                DOOR => self.door_open = true,
                DATAGRAMS => {
                    if let Some(datagrams) = &mut self.datagrams {
                        datagrams.knock();
                    }
                }
                door @ (WEB_DOOR | SECURE_DOOR) => {
                    if let Some(web) = &mut self.web {
                        web.knock(door);
                    }
                }
                token => self.note(token, event),
            }
        }
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.serve(until_us, |number| (self.serve(number), self.clock.now_us()));
        waiting.join(std::mem::take(&mut self.waiting));
        self.waiting = waiting;
        self.read_datagrams(until_us);
        self.hear_talkers();
        self.take_orders();
        self.write_touched();
        self.accept(until_us);
        self.accept_browsers(until_us);
        Ok(())
    }

    pub(super) fn until_next_duty(&self) -> Duration {
        if !self.touched.is_empty() || self.fresh_audio || !self.waiting.is_empty() {
            return Duration::ZERO;
        }
        if self.datagrams.as_ref().is_some_and(Datagrams::wait) {
            return Duration::ZERO;
        }
        let now = self.clock.now_us();
        if self.door_open {
            return Duration::from_micros(self.accept_after_us.saturating_sub(now));
        }
        if let Some(after_us) = self.web.as_ref().and_then(WebDoor::accepts_after) {
            return Duration::from_micros(after_us.saturating_sub(now));
        }
        let rest_us = (self.housekeeping_us + LONGEST_REST_US).saturating_sub(now);
        let voices_us = self.talkers_due_us().map_or(u64::MAX, |due_us| due_us.saturating_sub(now));
        Duration::from_micros(rest_us.min(voices_us)).min(self.until_quiet(now))
    }

    fn note(&mut self, token: Token, event: &Event) {
        if WebDoor::visitor(token).is_some() {
            return self.waiting.add(token.0);
        }
        if let Some(Some(seat)) = self.seats.get_mut(token.0)
            && event.is_writable()
        {
            seat.writable = true;
            self.touch(token.0);
        }
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.waiting.add(token.0);
        }
    }

    /// Gives one connection its share of a turn; whether there is more.
    fn serve(&mut self, number: usize) -> bool {
        match WebDoor::visitor(Token(number)) {
            Some(visitor) => self.attend(visitor),
            None => self.read(number),
        }
    }

    /// Reads a listener's share of a turn; whether there is more. The listener's own limits end a
    /// flood.
    fn read(&mut self, index: usize) -> bool {
        for _ in 0..READS_PER_TURN {
            let Some(Some(seat)) = self.seats.get_mut(index) else {
                return false;
            };
            match seat.line.read(&mut self.buffer[..]) {
                // What its page says comes by requests of their own.
                Ok(count) if count > 0 && seat.says_by.is_some() => {
                    self.leave(index, "spoke where it may only listen");
                    return false;
                }
                Ok(0) => {
                    self.leave(index, "left");
                    return false;
                }
                Ok(count) => {
                    self.hear(index, count);
                    self.touch(index);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => {
                    self.leave(index, &format!("was lost ({})", plain(&e)));
                    return false;
                }
            }
        }
        true
    }

    /// Acts on `count` bytes in the buffer that came from a listener.
    pub(super) fn hear(&mut self, index: usize, mut count: usize) {
        let now = self.clock.now_us();
        while let Some(Some(seat)) = self.seats.get_mut(index) {
            match seat.listener.read(&self.buffer[..count], now) {
                Ok(Asks::Nothing) => return,
                Ok(Asks::Welcome(hello)) => self.welcome(index, hello, None),
                Ok(Asks::Enter(message)) => self.enter(index, &message),
                Ok(Asks::Code(message)) => self.try_code(index, &message),
                Ok(Asks::CodeProof(proof)) => self.prove_code(index, &proof),
                Ok(Asks::Mix(spoken)) => self.hand_on(index, spoken),
                Ok(Asks::Wish(wish)) => self.grant(index, wish),
                Ok(Asks::Offer(offer)) => self.ask_for_channel(index, offer),
                Ok(Asks::Path(wish)) => self.take_path(index, &wish),
                Err(_) if seat.listener.is_leaving() => {
                    return self.leave(index, "was told to go and talked on");
                }
                Err(violation) => {
                    let label = seat.listener.label();
                    let text = match violation {
                        Violation::TooMuchTalk => {
                            info!("{label} sent {violation}, and is told to go");
                            "the microphone sent far more sound than there is time for"
                        }
                        _ => {
                            debug!("{label} broke the protocol: {violation}");
                            "what this listener sent is not AuraLync's protocol"
                        }
                    };
                    return self.close_for_violation(index, text, now);
                }
            }
            count = 0;
        }
    }
}
