//! Pages whose WebSocket does not open, as on iPhones where the certificate is the server's own: they listen to an
//! answer that never ends, and say by requests what they would say by WebSocket.

use log::{debug, warn};

use super::Transmit;
use super::visitor::{Said, Visitor};
use crate::format::hex;
use crate::random;
use crate::send::web::{SESSION, Saying, is_same};
use crate::wire::http::{self, Answer, Body, Status};

/// What ties the requests of a page to its listener.
pub(super) struct ByFetch {
    session: [u8; SESSION],
    /// How many requests have been listened to.
    count: u64,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    /// It is the next.
    Next,
    /// It was listened to already: the answer was lost, and the browser has sent it again.
    Again,
    /// One before it is missing.
    Missing,
}

impl ByFetch {
    fn new() -> Option<Self> {
        let session = random::secret::<SESSION>();
        let session = session.inspect_err(|e| warn!("a page cannot listen: {e}")).ok()?;
        Some(Self { session: *session, count: 0 })
    }

    fn is(&self, session: &[u8; SESSION]) -> bool {
        is_same(&self.session, session)
    }

    fn turn(&mut self, count: u64) -> Turn {
        if count == self.count + 1 {
            self.count = count;
            Turn::Next
        } else if count == self.count && count > 0 {
            Turn::Again
        } else {
            Turn::Missing
        }
    }

    fn shown(&self) -> String {
        hex(&self.session)
    }
}

impl Transmit {
    /// Makes a listener of a visitor who asked for an answer that never ends.
    pub(super) fn seat_by_fetch(&mut self, number: usize, visitor: Visitor) {
        let Some(by_fetch) = ByFetch::new() else { return };
        let opening = http::streaming(&by_fetch.shown());
        if let Some(index) = self.seat_browser(number, visitor, opening, Some(by_fetch)) {
            self.write(index);
        }
    }

    /// Hears what came by a request; the answer, and whether the connection may be kept.
    pub(super) fn take_said(
        &mut self,
        visitor: &Visitor,
        said: &Said,
        keeps: bool,
    ) -> (Answer, bool) {
        let Saying { session, count } = said.who;
        let mut seats = self.seats.iter_mut().enumerate();
        let found = seats.find_map(|(index, seat)| {
            let by_fetch = seat.as_mut()?.says_by.as_mut().filter(|one| one.is(&session))?;
            Some((index, by_fetch.turn(count)))
        });
        let Some((index, turn)) = found else {
            debug!("{} spoke for a listener that has gone", visitor.peer);
            return (Answer::sentence(Status::Gone, "This listener has gone."), false);
        };
        match turn {
            Turn::Missing => {
                let text = "Something that was said before this is missing.";
                (Answer::sentence(Status::Gone, text), false)
            }
            Turn::Again => (taken(), keeps),
            Turn::Next => {
                self.hear_bytes(index, &said.bytes);
                self.touch(index);
                (taken(), keeps)
            }
        }
    }

    /// Acts on what came from a listener in some other way than by its socket.
    pub(super) fn hear_bytes(&mut self, index: usize, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.seats.get(index).is_some_and(Option::is_some) {
            let count = bytes.len().min(self.buffer.len());
            self.buffer[..count].copy_from_slice(&bytes[..count]);
            self.hear(index, count);
            bytes = &bytes[count..];
        }
    }
}

fn taken() -> Answer {
    Answer { status: Status::NoContent, fields: Vec::new(), body: Body::BuiltIn(b"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_count_from_one_and_each_is_listened_to_once() {
        let mut page = ByFetch::new().unwrap();
        for (count, turn) in [
            (0, Turn::Missing),
            (2, Turn::Missing),
            (1, Turn::Next),
            (1, Turn::Again),
            (0, Turn::Missing),
            (3, Turn::Missing),
            (2, Turn::Next),
            (u64::MAX, Turn::Missing),
        ] {
            assert_eq!(page.turn(count), turn, "{count}");
        }
    }

    #[test]
    fn two_pages_have_nothing_in_common() {
        let (one, other) = (ByFetch::new().unwrap(), ByFetch::new().unwrap());
        assert!(one.is(&one.session) && !one.is(&other.session));
        assert_eq!(one.shown().len(), 2 * SESSION);
    }
}
