//! The browsers' door: requests that are answered and forgotten, and those that become listeners.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::SyncSender;

use log::{debug, warn};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Token};

use super::crowd::Admission;
use super::limits::{ACCEPT_PAUSE_US, MAX_VISITORS};
use super::places::{Entry, Origin, Places, Taken};
use super::sockets::{is_the_peers_doing, origin};
use super::{Transmit, WEB_DOOR};
use crate::addresses::{self, Interface};
use crate::send::fanout::Listener;
use crate::send::web::{Response, Web};
use crate::wire::http::{self, Answer, Head, Status};
use crate::wire::{Full, websocket};

/// How many of the [`MAX_VISITORS`] are for this machine alone: whoever runs the server can always
/// tell it to turn somebody out.
const OWN_VISITORS: usize = 8;

/// How many of the [`MAX_VISITORS`] one address may have: a browser opens six.
const MAX_VISITORS_PER_ADDRESS: usize = 8;

const PLACES: Places =
    Places { most: MAX_VISITORS, own: OWN_VISITORS, each: MAX_VISITORS_PER_ADDRESS };

/// How long a browser may take from its connection to the end of its request, in µs.
const REQUEST_WITHIN_US: u64 = 5_000_000;

/// How long an answer may take to go out, in µs: the largest file over a bad network.
const ANSWER_WITHIN_US: u64 = 30_000_000;

/// How long the peer may take to close after its answer.
const FAREWELL_WITHIN_US: u64 = 1_000_000;

/// Bytes behind a request that are read and thrown away, so that its answer is not lost in a reset.
const MAX_DISCARDED: usize = 4 * 1024 * 1024;

/// Accepts in one turn.
const ACCEPTS_PER_TURN: usize = 32;

/// Reads and writes that one visitor has in a turn before it is the next one's: a whole file of the
/// page takes fewer.
const STEPS_PER_TURN: usize = 16;

/// Asking the system for its addresses takes as long as sending to a room, so they are believed for
/// this long, in µs.
const ADDRESSES_FOR_US: u64 = 1_000_000;

/// The addresses of this PC, and which of them faces the rest of the network.
type Addresses = (Vec<Interface>, Option<IpAddr>);

/// The first visitor's token; seats count from 0 and never come near.
const FIRST_VISITOR: usize = WEB_DOOR.0 - MAX_VISITORS;

/// The page's side of the loop.
pub(super) struct WebDoor {
    pub(super) web: Web,
    door: TcpListener,
    address: SocketAddr,
    is_open: bool,
    accept_after_us: u64,
    visitors: Vec<Option<Visitor>>,
    /// Visitors so far.
    came: u64,
    /// The addresses of this PC, and when they were looked up.
    addresses: Option<(u64, Addresses)>,
    /// Where programs go that may tell the server what to do.
    callers: Option<SyncSender<Caller>>,
}

/// A program on this machine that has shown the token: its connection is no longer the loop's.
pub struct Caller {
    /// The connection, which does not block.
    pub stream: std::net::TcpStream,
    /// What it must be answered first.
    pub opening: Vec<u8>,
    /// What it has said since it asked.
    pub said: Vec<u8>,
}

/// A connection that is no listener, or not yet.
struct Visitor {
    stream: TcpStream,
    peer: SocketAddr,
    origin: Origin,
    came: u64,
    stage: Stage,
    until_us: u64,
}

enum Stage {
    Asking(Head),
    Answering(Answering),
    /// Its answer is written; what it still says is not read by anybody.
    Leaving {
        discarded: usize,
    },
}

struct Answering {
    head: Vec<u8>,
    answer: Answer,
    has_body: bool,
    written: usize,
}

impl Answering {
    fn begin(answer: Answer, has_body: bool) -> Stage {
        Stage::Answering(Self { head: answer.head(), answer, has_body, written: 0 })
    }

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
enum Next {
    Wait,
    /// Its share of the turn is over.
    More,
    Gone,
    /// Its page asks whether it may listen; whether it wants the answer's body.
    Asks(bool),
    /// It may tell the server what to do: the answer to its key, and what it has said since.
    Calls(String, Vec<u8>),
    /// It has asked to listen: the answer to its key, and what it has said since.
    Listens(String, Vec<u8>),
}

impl WebDoor {
    /// Registers a listening socket with the loop.
    pub(super) fn new(poll: &mio::Poll, door: std::net::TcpListener, web: Web) -> io::Result<Self> {
        let address = door.local_addr()?;
        let mut door = TcpListener::from_std(door);
        poll.registry().register(&mut door, WEB_DOOR, Interest::READABLE)?;
        let visitors = (0..MAX_VISITORS).map(|_| None).collect();
        Ok(Self {
            web,
            door,
            address,
            is_open: true,
            accept_after_us: 0,
            visitors,
            came: 0,
            addresses: None,
            callers: None,
        })
    }

    /// Programs that may tell the server what to do go there.
    pub(super) fn send_callers_to(&mut self, callers: SyncSender<Caller>) {
        self.callers = Some(callers);
    }

    pub(super) fn knock(&mut self) {
        self.is_open = true;
    }

    /// When to accept again, if anybody may wait.
    pub(super) fn accepts_after(&self) -> Option<u64> {
        self.is_open.then_some(self.accept_after_us)
    }

    /// The number of a place for somebody from `origin`, if there is one.
    fn place_for(&self, origin: Origin) -> Result<usize, Entry> {
        let visitors = self.visitors.iter().enumerate();
        let taken = visitors.filter_map(|(number, visitor)| {
            let visitor = visitor.as_ref()?;
            let may_go = matches!(visitor.stage, Stage::Asking(_));
            Some((number, Taken { by: visitor.origin, came: visitor.came, may_go }))
        });
        match PLACES.entry(origin, taken) {
            Entry::InsteadOf(number) => Ok(number),
            Entry::Free => self.visitors.iter().position(Option::is_none).ok_or(Entry::Full),
            refused => Err(refused),
        }
    }

    /// The visitor's number of an event, if it is one's.
    pub(super) fn visitor(token: Token) -> Option<usize> {
        token.0.checked_sub(FIRST_VISITOR).filter(|number| *number < MAX_VISITORS)
    }
}

impl Transmit {
    pub(super) fn accept_browsers(&mut self, until_us: u64) {
        for _ in 0..ACCEPTS_PER_TURN {
            let now = self.clock.now_us();
            let Some(web) = &mut self.web else { return };
            if self.stopping || web.accepts_after().is_none_or(|after_us| now < after_us) {
                return;
            }
            match web.door.accept() {
                Ok((stream, peer)) => {
                    self.let_in(stream, peer, now);
                    if self.clock.now_us() >= until_us {
                        return;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    web.is_open = false;
                    return;
                }
                Err(e) if is_the_peers_doing(&e) => debug!("a browser was not accepted: {e}"),
                Err(e) => {
                    web.accept_after_us = now + ACCEPT_PAUSE_US;
                    self.complain_of_accepting(&e, now);
                    return;
                }
            }
        }
    }

    fn let_in(&mut self, mut stream: TcpStream, peer: SocketAddr, now: u64) {
        let Some(web) = &mut self.web else { return };
        let origin = origin(&stream, peer);
        let number = match web.place_for(origin) {
            Ok(number) => number,
            Err(refused) => {
                debug!("{peer} was turned away from the page ({refused:?})");
                // There is no place to wait in until it is read; the kernel sends what it can.
                let _ = stream.write(&turned_away(refused));
                return;
            }
        };
        if let Some(mut gone) = web.visitors[number].take() {
            debug!("{} made room on the page for {peer}", gone.peer);
            let _ = self.poll.registry().deregister(&mut gone.stream);
        }
        let token = Token(FIRST_VISITOR + number);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(e) = self.poll.registry().register(&mut stream, token, interest) {
            warn!("{peer} cannot be answered: {e}");
            return;
        }
        // An improvement that a system may refuse.
        let _ = stream.set_nodelay(true);
        let stage = Stage::Asking(Head::default());
        let until_us = now + REQUEST_WITHIN_US;
        web.came += 1;
        let came = web.came;
        web.visitors[number] = Some(Visitor { stream, peer, origin, came, stage, until_us });
        if self.attend(number) {
            self.waiting.add(token.0);
        }
    }

    /// Goes on with a visitor as far as its socket and its share of a turn allow; whether there is
    /// more.
    pub(super) fn attend(&mut self, number: usize) -> bool {
        let now = self.clock.now_us();
        let Some(web) = &mut self.web else { return false };
        let Some(mut visitor) = web.visitors.get_mut(number).and_then(Option::take) else {
            return false;
        };
        let WebDoor { web: page, address, addresses, .. } = web;
        let mut url = |stream: &TcpStream| page_address(stream, *address, addresses, now);
        match visitor.attend(page, &mut url, &mut self.buffer[..], now) {
            Next::Wait => web.visitors[number] = Some(visitor),
            Next::More => {
                web.visitors[number] = Some(visitor);
                return true;
            }
            Next::Gone => {
                let _ = self.poll.registry().deregister(&mut visitor.stream);
            }
            Next::Calls(accept, said) => {
                let _ = self.poll.registry().deregister(&mut visitor.stream);
                let (stream, opening) = (visitor.stream.into(), http::switching(&accept));
                let sent =
                    web.callers.as_ref().map(|to| to.try_send(Caller { stream, opening, said }));
                if !matches!(sent, Some(Ok(()))) {
                    debug!("{} found nobody to tell", visitor.peer);
                }
            }
            Next::Asks(has_body) => {
                let (status, text) = match self.admission(visitor.origin) {
                    Admission::Crowded(full) => (Status::Unavailable, is_full(full)),
                    Admission::Seat | Admission::Wait(_) => (Status::Ok, "This page may listen."),
                };
                visitor.answer(Answer::sentence(status, text), has_body, now);
                if let Some(web) = &mut self.web {
                    web.visitors[number] = Some(visitor);
                    return self.attend(number);
                }
            }
            Next::Listens(accept, said) => self.seat_browser(number, visitor, &accept, &said),
        }
        false
    }

    /// Makes a listener of a visitor, or tells it that there is no room for one.
    fn seat_browser(&mut self, number: usize, mut visitor: Visitor, accept: &str, said: &[u8]) {
        let now = self.clock.now_us();
        let refused = match self.admission(visitor.origin) {
            Admission::Seat => None,
            Admission::Wait(full) => Some(full),
            Admission::Crowded(full) => {
                let answer = Answer::sentence(Status::Unavailable, is_full(full));
                let answer = answer.with("Retry-After", "10");
                visitor.answer(answer, true, now);
                if let Some(web) = &mut self.web {
                    web.visitors[number] = Some(visitor);
                    if self.attend(number) {
                        self.waiting.add(FIRST_VISITOR + number);
                    }
                }
                return;
            }
        };
        let Visitor { stream, peer, origin, .. } = visitor;
        let mut opening = http::switching(accept);
        if self.keys.is_some() && refused.is_none() {
            opening.extend(websocket::binary(&self.room.config.frame()));
        }
        let mut listener = Listener::browser(peer, opening, refused, now);
        listener.is_held = self.keys.is_some();
        let Some(index) = self.take_seat(stream, listener, origin, true) else { return };
        // It may have spoken on before it was answered.
        let count = said.len().min(self.buffer.len());
        self.buffer[..count].copy_from_slice(&said[..count]);
        self.hear(index, count);
        self.write(index);
    }

    /// Ends what takes too long.
    pub(super) fn keep_web_house(&mut self, now: u64) {
        for number in 0..MAX_VISITORS {
            let Some(web) = &mut self.web else { return };
            let Some(visitor) = &mut web.visitors[number] else { continue };
            if now <= visitor.until_us {
                continue;
            }
            match &visitor.stage {
                Stage::Asking(head) if !head.is_empty() => {
                    visitor.answer(Answer::refusal(Status::RequestTimeout), true, now);
                    if self.attend(number) {
                        self.waiting.add(FIRST_VISITOR + number);
                    }
                }
                _ => {
                    if let Some(mut gone) = web.visitors[number].take() {
                        let _ = self.poll.registry().deregister(&mut gone.stream);
                    }
                }
            }
        }
    }
}

impl Visitor {
    fn answer(&mut self, answer: Answer, has_body: bool, now: u64) {
        self.stage = Answering::begin(answer, has_body);
        self.until_us = now + ANSWER_WITHIN_US;
    }

    /// `url` says where other devices find the page, of a connection to it.
    fn attend(
        &mut self,
        web: &mut Web,
        url: &mut impl FnMut(&TcpStream) -> String,
        buffer: &mut [u8],
        now: u64,
    ) -> Next {
        for _ in 0..STEPS_PER_TURN {
            let tried = match &mut self.stage {
                Stage::Answering(answering) => match answering.rest() {
                    [] => {
                        let _ = self.stream.shutdown(std::net::Shutdown::Write);
                        self.stage = Stage::Leaving { discarded: 0 };
                        self.until_us = now + FAREWELL_WITHIN_US;
                        continue;
                    }
                    rest => self.stream.write(rest),
                },
                Stage::Asking(_) | Stage::Leaving { .. } => self.stream.read(buffer),
            };
            let count = match tried {
                Ok(0) => return Next::Gone,
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Next::Wait,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Next::Gone,
            };
            match &mut self.stage {
                Stage::Answering(answering) => answering.written += count,
                Stage::Leaving { discarded } => {
                    *discarded += count;
                    if *discarded > MAX_DISCARDED {
                        return Next::Gone;
                    }
                }
                Stage::Asking(head) => match head.take(&buffer[..count]) {
                    Ok(None) => {}
                    Err(status) => self.answer(Answer::refusal(status), true, now),
                    Ok(Some(request)) => {
                        let page = || url(&self.stream);
                        match web.respond(&request, self.peer, page) {
                            Response::Answer(answer) => {
                                self.answer(answer, request.method != "HEAD", now);
                            }
                            Response::MayListen => return Next::Asks(request.method != "HEAD"),
                            Response::Control(accept) => {
                                return Next::Calls(accept, head.rest().to_vec());
                            }
                            Response::WebSocket(accept) => {
                                return Next::Listens(accept, head.rest().to_vec());
                            }
                        }
                    }
                },
            }
        }
        Next::More
    }
}

/// The whole answer to somebody who found no place.
fn turned_away(refused: Entry) -> Vec<u8> {
    let text = match refused {
        Entry::TooManyFromThere => "Too many connections from your address. Try again in a moment.",
        _ => "Too many connections at the moment. Try again soon.",
    };
    let answer = Answer::sentence(Status::Unavailable, text).with("Retry-After", "1");
    [&answer.head(), answer.body.bytes()].concat()
}

fn is_full(full: Full) -> &'static str {
    match full {
        Full::Server => "The server is full.",
        Full::Address => "Too many listeners come from your address.",
    }
}

/// The page's address for other devices: the one that this browser came to, unless it is this
/// machine's own.
fn page_address(
    stream: &TcpStream,
    door: SocketAddr,
    known: &mut Option<(u64, Addresses)>,
    now_us: u64,
) -> String {
    let came_to = stream.local_addr().map(|address| address.ip().to_canonical());
    let bind = match came_to {
        Ok(ip) if !ip.is_loopback() => ip,
        _ => door.ip(),
    };
    let is_old = |(at_us, _): &mut (u64, _)| now_us.saturating_sub(*at_us) >= ADDRESSES_FOR_US;
    if known.as_mut().is_none_or(is_old) {
        *known = Some((now_us, addresses::here()));
    }
    let (local, default_route) = known.as_ref().map(|(_, here)| here.clone()).unwrap_or_default();
    addresses::page(&local, default_route, Some(bind), door.port()).url
}
