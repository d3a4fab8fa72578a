//! A connection to the page that is no listener, or not yet: what it asks, and what it is answered.

use std::io;
use std::net::SocketAddr;

use super::line::Line;
use super::places::Origin;
use crate::send::tls::{FIRST_BYTE, NO_TLS_HERE, Sessions};
use crate::send::web::{self, Response, Saying, Web};
use crate::wire::http::{Answer, Head, Request, Status};

/// How long a browser may take from its connection to the end of its request, in µs. TLS is part of that.
pub(super) const REQUEST_WITHIN_US: u64 = 5_000_000;

/// How long an answer may take to go out, in µs: the largest file over a bad network.
const ANSWER_WITHIN_US: u64 = 30_000_000;

/// How long a connection may wait for its next request, in µs. Who speaks by requests has one much sooner.
const NEXT_WITHIN_US: u64 = 10_000_000;

/// How long the peer may take to close after its answer.
const FAREWELL_WITHIN_US: u64 = 1_000_000;

/// Bytes behind a request that are read and thrown away, so that its answer is not lost in a reset.
const MAX_DISCARDED: usize = 4 * 1024 * 1024;

/// Reads and writes that one visitor has in a turn before it is the next one's: a whole file of the
/// page takes fewer.
const STEPS_PER_TURN: usize = 16;

/// One visitor.
pub(super) struct Visitor {
    pub(super) line: Line,
    pub(super) peer: SocketAddr,
    pub(super) origin: Origin,
    pub(super) came: u64,
    /// Whether it came to the secure page's port.
    pub(super) is_at_secure_door: bool,
    pub(super) until_us: u64,
    stage: Stage,
}

enum Stage {
    /// Whether it speaks TLS is not known yet.
    Knocking(Option<Sessions>),
    Asking(Head),
    /// The rest of what it says is on its way.
    Saying(Said, Request),
    Answering(Answering),
    /// Its answer is written; what it still says is not read by anybody.
    Leaving {
        discarded: usize,
    },
}

/// What somebody says by a request.
pub(super) struct Said {
    pub(super) who: Saying,
    pub(super) bytes: Vec<u8>,
    length: usize,
}

struct Answering {
    head: Vec<u8>,
    answer: Answer,
    has_body: bool,
    written: usize,
    /// Whether the connection is kept for another request.
    stays: bool,
}

impl Answering {
    /// What is left to write.
    fn rest(&self) -> &[u8] {
        let body = if self.has_body { self.answer.body.bytes() } else { &[] };
        match self.written.checked_sub(self.head.len()) {
            None => &self.head[self.written..],
            Some(into) => body.get(into..).unwrap_or_default(),
        }
    }
}

/// What a visitor's turn ended with.
pub(super) enum Next {
    Wait,
    /// Its share of the turn is over.
    More,
    Gone,
    /// It speaks TLS to the port that has none.
    Strayed,
    /// Its page asks whether it may listen; whether it wants the answer's body.
    Asks(bool),
    /// It may tell the server what to do: the answer to its key, and what it has said since.
    Calls(String, Vec<u8>),
    /// It has asked to listen: the answer to its key, and what it has said since.
    Listens(String, Vec<u8>),
    /// It has asked to listen to an answer that never ends.
    Streams,
    /// It says something that belongs to such a listener; whether its connection may be kept.
    Says(Said, bool),
}

impl Visitor {
    /// Somebody who has come at `now`; `sessions` are there at the secure page's port.
    pub(super) fn new(
        line: Line,
        (peer, origin): (SocketAddr, Origin),
        came: u64,
        sessions: Option<Sessions>,
        now: u64,
    ) -> Self {
        let is_at_secure_door = sessions.is_some();
        let stage = Stage::Knocking(sessions);
        Self {
            line,
            peer,
            origin,
            came,
            is_at_secure_door,
            until_us: now + REQUEST_WITHIN_US,
            stage,
        }
    }

    /// Whether a newcomer may have its place.
    pub(super) fn may_go(&self) -> bool {
        matches!(self.stage, Stage::Knocking(_) | Stage::Asking(_))
    }

    /// Whether it has begun to ask for something, and the answer may say why it gets nothing.
    pub(super) fn has_begun(&self) -> bool {
        match &self.stage {
            Stage::Asking(head) => !head.is_empty(),
            Stage::Saying(..) => true,
            _ => false,
        }
    }

    /// Answers; the connection is let go of then, unless it `stays`.
    pub(super) fn answer(&mut self, answer: Answer, has_body: bool, stays: bool, now: u64) {
        let (head, written) = (answer.head_and(stays), 0);
        self.stage = Stage::Answering(Answering { head, answer, has_body, written, stays });
        self.until_us = now + ANSWER_WITHIN_US;
    }

    /// Goes on as far as the socket and its share of a turn allow. `url` says where other devices find the page, of
    /// this connection.
    pub(super) fn attend(
        &mut self,
        web: &mut Web,
        url: &mut impl FnMut(&Self) -> String,
        buffer: &mut [u8],
        now: u64,
    ) -> Next {
        for _ in 0..STEPS_PER_TURN {
            let tried = match &mut self.stage {
                Stage::Knocking(_) => self.line.socket().peek(&mut buffer[..1]),
                Stage::Answering(answering) => match answering.rest() {
                    [] => {
                        self.answered(now);
                        continue;
                    }
                    rest => self.line.write(rest),
                },
                Stage::Asking(_) | Stage::Saying(..) | Stage::Leaving { .. } => {
                    self.line.read(buffer)
                }
            };
            let count = match tried {
                Ok(0) => return Next::Gone,
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Next::Wait,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Next::Gone,
            };
            let next = match &mut self.stage {
                Stage::Answering(answering) => {
                    answering.written += count;
                    None
                }
                Stage::Leaving { discarded } => {
                    *discarded += count;
                    (*discarded > MAX_DISCARDED).then_some(Next::Gone)
                }
                Stage::Knocking(_) => self.let_in(buffer[0]),
                Stage::Asking(_) => self.hear(web, url, &buffer[..count], now),
                Stage::Saying(said, _) => {
                    said.bytes.extend_from_slice(&buffer[..count]);
                    self.said()
                }
            };
            if let Some(next) = next {
                return next;
            }
        }
        Next::More
    }

    fn answered(&mut self, now: u64) {
        let stays = matches!(&self.stage, Stage::Answering(Answering { stays: true, .. }));
        if stays {
            self.stage = Stage::Asking(Head::default());
            self.until_us = now + NEXT_WITHIN_US;
        } else {
            self.line.shutdown();
            self.stage = Stage::Leaving { discarded: 0 };
            self.until_us = now + FAREWELL_WITHIN_US;
        }
    }

    /// Its first byte, which has not been read, says what it speaks.
    fn let_in(&mut self, first: u8) -> Option<Next> {
        let Stage::Knocking(sessions) = &mut self.stage else { return None };
        match (sessions.take(), first) {
            (None, FIRST_BYTE) => {
                let _ = self.line.write(&NO_TLS_HERE);
                return Some(Next::Strayed);
            }
            (Some(sessions), FIRST_BYTE) => {
                let Ok(session) = sessions.begin() else { return Some(Next::Gone) };
                self.line.begin(session);
            }
            _ => {}
        }
        self.stage = Stage::Asking(Head::default());
        None
    }

    /// Takes bytes of a request, and decides about it once it is whole.
    fn hear(
        &mut self,
        web: &mut Web,
        url: &mut impl FnMut(&Self) -> String,
        bytes: &[u8],
        now: u64,
    ) -> Option<Next> {
        let Stage::Asking(head) = &mut self.stage else { return None };
        let request = match head.take(bytes) {
            Ok(None) => return None,
            Ok(Some(request)) => request,
            Err(status) => {
                self.answer(Answer::refusal(status), true, false, now);
                return None;
            }
        };
        let rest = head.rest().to_vec();
        if self.is_at_secure_door && !self.line.is_secure() {
            let answer = web::elsewhere(&url(self));
            self.answer(answer, request.method != "HEAD", false, now);
            return None;
        }
        let has_body = request.method != "HEAD";
        match web.respond(&request, self.peer, || url(self)) {
            Response::Answer(answer) => {
                // Over TLS a connection is dear. Who sends more than was asked for is told to come again.
                let stays = self.line.is_secure()
                    && request.keeps
                    && rest.is_empty()
                    && matches!(answer.status, Status::Ok | Status::NotModified);
                self.answer(answer, has_body, stays, now);
                None
            }
            Response::Control(_) if self.line.is_secure() => {
                let text =
                    "Programs tell this server what to do at the port of its page without TLS.";
                self.answer(Answer::sentence(Status::Forbidden, text), true, false, now);
                None
            }
            Response::MayListen => Some(Next::Asks(has_body)),
            Response::Control(accept) => Some(Next::Calls(accept, rest)),
            Response::WebSocket(accept) => Some(Next::Listens(accept, rest)),
            Response::Stream => Some(Next::Streams),
            Response::Says(who, length) => {
                self.stage = Stage::Saying(Said { who, bytes: rest, length }, request);
                self.said()
            }
        }
    }

    /// What it has said, once all of it has come.
    fn said(&mut self) -> Option<Next> {
        match &mut self.stage {
            Stage::Saying(said, _) if said.bytes.len() > said.length => Some(Next::Gone),
            Stage::Saying(said, request) if said.bytes.len() == said.length => {
                let bytes = std::mem::take(&mut said.bytes);
                Some(Next::Says(Said { who: said.who, bytes, length: said.length }, request.keeps))
            }
            _ => None,
        }
    }
}
