//! What is said to a listener beside its sound: one message of each sort waits, and the newest wins.

use super::{Generation, Outbox, Started};
use crate::secure::handshake::Sealing;
use crate::wire::{Epochs, Notice, PLAIN_HEADER, Pong, Reason, kind, typed, websocket};

/// What is said last.
#[derive(Debug, Default)]
pub(super) struct LastWord {
    /// A frame, or nothing.
    frame: Vec<u8>,
    /// Bytes that follow it as they are.
    closing: Vec<u8>,
}

impl Outbox {
    /// Answers the newest ping only: `client_us` from it, `received_us` when it was read.
    pub fn ping(&mut self, client_us: u64, received_us: u64) {
        self.ping = Some((client_us, received_us));
    }

    /// Answers a WebSocket's own ping, the newest only.
    pub fn websocket_ping(&mut self, payload: &[u8]) {
        self.websocket_pong = Some(websocket::pong(payload));
    }

    /// Queues a notice; a newer one of its sort takes the place of one not yet begun. Plain listeners
    /// get none.
    pub fn notice(&mut self, notice: &Notice) {
        if self.generation == Generation::Plain || self.last_word.is_some() {
            return;
        }
        let bytes = Some(notice.frame());
        match notice.reason {
            Reason::Muted | Reason::Unmuted => self.muting = bytes,
            Reason::MayNotTalk => self.aside = bytes,
            Reason::Via => self.via = bytes,
            _ => self.notice = bytes,
        }
    }

    /// Whether a list of people, or what has changed in it, has not been begun yet.
    #[must_use]
    pub fn people_wait(&self) -> bool {
        self.people.is_some()
    }

    /// Queues a list of people, or what has changed in it; a newer one takes the place of one not
    /// yet begun.
    pub fn people(&mut self, frame: Vec<u8>) {
        if self.generation != Generation::Plain && self.last_word.is_none() {
            self.people = Some(frame);
        }
    }

    /// Queues the answer to an offer, or to a code; a newer one takes the place of one not yet begun.
    pub fn answer(&mut self, frame: Vec<u8>) {
        if self.last_word.is_none() {
            self.answer = Some(frame);
        }
    }

    /// Ends the conversation: what is started is finished, then `last_word`, then
    /// [`Stopped::Finished`]. A plain listener has no frame for a last word.
    pub fn finish(&mut self, last_word: &Notice) {
        let typed = self.generation != Generation::Plain;
        self.end_with(if typed { last_word.frame() } else { Vec::new() }, Vec::new());
    }

    /// Ends the conversation with a frame, or none, and bytes behind it that go as they are.
    pub fn end_with(&mut self, frame: Vec<u8>, closing: Vec<u8>) {
        self.cursor = None;
        self.ping = None;
        self.notice = None;
        self.muting = None;
        self.aside = None;
        self.via = None;
        self.people = None;
        self.websocket_pong = None;
        self.answer = None;
        self.epochs = None;
        self.last_word = Some(LastWord { frame, closing });
    }

    /// All that is said from now on is sealed so, but for what waits already.
    pub fn seal_with(&mut self, sealing: Sealing) {
        self.sealing = Some(sealing);
    }

    /// Tells keys of sound before anything else.
    pub fn learn(&mut self, news: Epochs) {
        if self.sealing.is_some() && self.last_word.is_none() {
            let epochs = self.epochs.get_or_insert_default();
            epochs.epochs.extend(news.epochs);
            epochs.since = news.since.or(epochs.since);
            epochs.secret = news.secret.or(epochs.secret.take());
        }
    }

    /// A frame as it goes out. It is sealed here, in the order in which frames leave.
    pub(super) fn framed(&mut self, frame: Vec<u8>) -> Vec<u8> {
        let frame = match &mut self.sealing {
            Some(sealing) => {
                let inner = frame.get(PLAIN_HEADER..).unwrap_or_default();
                typed(kind::PRIVATE, &sealing.seal(inner).unwrap_or_default())
            }
            None => frame,
        };
        match self.generation {
            Generation::WebSocket => websocket::binary(&frame),
            Generation::Plain | Generation::Typed => frame,
        }
    }

    /// The next control message, in the order of urgency; an empty last word is no message.
    pub(super) fn next_control(&mut self, now_us: u64) -> Option<Started> {
        if let Some(bytes) = self.greeting.take() {
            return Some(Started::Control { bytes, written: 0, ping: None });
        }
        if let Some((client_us, received_us)) = self.ping.take() {
            let bytes = self.framed(Pong { client_us, received_us, sent_us: now_us }.frame());
            return Some(Started::Control {
                bytes,
                written: 0,
                ping: Some((client_us, received_us)),
            });
        }
        let frame = self.epochs.take().map(|epochs| epochs.frame());
        let frame = frame.or_else(|| self.notice.take()).or_else(|| self.aside.take());
        let frame = frame.or_else(|| self.muting.take()).or_else(|| self.via.take());
        let bytes = match frame {
            Some(frame) => self.framed(frame),
            None => match self.websocket_pong.take() {
                Some(pong) => pong,
                None => match self.answer.take().or_else(|| self.people.take()) {
                    Some(frame) => self.framed(frame),
                    None => self.take_last_word()?,
                },
            },
        };
        Some(Started::Control { bytes, written: 0, ping: None })
    }

    /// The last word as it goes out, once.
    pub(super) fn take_last_word(&mut self) -> Option<Vec<u8>> {
        let LastWord { frame, closing } = std::mem::take(self.last_word.as_mut()?);
        let mut bytes = if frame.is_empty() { frame } else { self.framed(frame) };
        bytes.extend(closing);
        Some(bytes).filter(|bytes| !bytes.is_empty())
    }

    /// Whether there is anything to write that never waits for more.
    pub(super) fn has_control(&self) -> bool {
        self.started.is_some()
            || self.greeting.is_some()
            || self.ping.is_some()
            || self.notice.is_some()
            || self.epochs.is_some()
            || self.muting.is_some()
            || self.aside.is_some()
            || self.via.is_some()
            || self.people.is_some()
            || self.websocket_pong.is_some()
            || self.answer.is_some()
            || self.last_word.is_some()
    }
}
