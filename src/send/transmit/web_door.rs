//! The browsers' doors, bare and over TLS: who is let in, and who of them becomes a listener.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::SyncSender;

use log::{debug, info, warn};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Token};

use super::crowd::Admission;
use super::limits::{ACCEPT_PAUSE_US, MAX_VISITORS};
use super::line::Line;
use super::places::{Entry, Origin, Places, Taken};
use super::sockets::{is_the_peers_doing, origin};
use super::visitor::{Next, Visitor};
use super::{SECURE_DOOR, Transmit, WEB_DOOR};
use crate::addresses::{self, Interface};
use crate::allowance::Allowance;
use crate::error::{Error, Result, plain};
use crate::send::fanout::Listener;
use crate::send::tls::Sessions;
use crate::send::web::Web;
use crate::wire::http::{self, Answer, Status};
use crate::wire::{Full, websocket};

/// How many of the [`MAX_VISITORS`] are for this machine alone: whoever runs the server can always
/// tell it to turn somebody out.
const OWN_VISITORS: usize = 8;

/// How many of the [`MAX_VISITORS`] one address may have: a browser opens six.
const MAX_VISITORS_PER_ADDRESS: usize = 8;

const PLACES: Places =
    Places { most: MAX_VISITORS, own: OWN_VISITORS, each: MAX_VISITORS_PER_ADDRESS };

/// Accepts in one turn.
const ACCEPTS_PER_TURN: usize = 32;

/// Connections that are let in over TLS at once, and then in a second. With the server's own certificate, or another
/// of ECDSA or Ed25519, each may cost a third of a millisecond of the loop's time. An RSA key costs up to four
/// milliseconds, with 4,096 bits, and counts for several ([`Sessions::share`]). The others wait in the system's queue.
const HANDSHAKES_AT_ONCE: u64 = 64;
const HANDSHAKES_PER_SECOND: u64 = 200;

/// How long accepting pauses when there have been that many, in µs.
const HANDSHAKE_PAUSE_US: u64 = 1_000_000 / HANDSHAKES_PER_SECOND;

/// Asking the system for its addresses takes as long as sending to a room, so they are believed for
/// this long, in µs.
const ADDRESSES_FOR_US: u64 = 1_000_000;

/// The addresses of this PC, and which of them faces the rest of the network.
type Addresses = (Vec<Interface>, Option<IpAddr>);

/// The first visitor's token; seats count from 0 and never come near.
const FIRST_VISITOR: usize = SECURE_DOOR.0 - MAX_VISITORS;

/// The page's side of the loop.
pub(super) struct WebDoor {
    pub(super) web: Web,
    plain: Door,
    secure: Option<(Door, Sessions)>,
    handshakes: Allowance,
    visitors: Vec<Option<Visitor>>,
    /// Visitors so far.
    came: u64,
    /// The addresses of this PC, and when they were looked up.
    addresses: Option<(u64, Addresses)>,
    /// Where programs go that may tell the server what to do.
    callers: Option<SyncSender<Caller>>,
    /// Whether it has been said that somebody speaks TLS to the door that has none.
    has_told_of_strayed: bool,
}

/// A listening socket.
struct Door {
    listener: TcpListener,
    address: SocketAddr,
    is_open: bool,
    accept_after_us: u64,
}

impl Door {
    fn new(poll: &mio::Poll, door: std::net::TcpListener, token: Token) -> io::Result<Self> {
        let address = door.local_addr()?;
        let mut listener = TcpListener::from_std(door);
        poll.registry().register(&mut listener, token, Interest::READABLE)?;
        Ok(Self { listener, address, is_open: true, accept_after_us: 0 })
    }

    /// When to accept again, if anybody may wait.
    fn accepts_after(&self) -> Option<u64> {
        self.is_open.then_some(self.accept_after_us)
    }
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

impl WebDoor {
    /// Registers a listening socket with the loop.
    pub(super) fn new(poll: &mio::Poll, door: std::net::TcpListener, web: Web) -> io::Result<Self> {
        Ok(Self {
            web,
            plain: Door::new(poll, door, WEB_DOOR)?,
            secure: None,
            handshakes: Allowance::new(HANDSHAKES_AT_ONCE, HANDSHAKES_PER_SECOND),
            visitors: (0..MAX_VISITORS).map(|_| None).collect(),
            came: 0,
            addresses: None,
            callers: None,
            has_told_of_strayed: false,
        })
    }

    /// Registers another, over TLS.
    pub(super) fn open_securely(
        &mut self,
        poll: &mio::Poll,
        door: std::net::TcpListener,
        sessions: Sessions,
    ) -> io::Result<()> {
        let door = Door::new(poll, door, SECURE_DOOR)?;
        self.web.name_secure_page(door.address.port());
        self.secure = Some((door, sessions));
        Ok(())
    }

    /// Programs that may tell the server what to do go there.
    pub(super) fn send_callers_to(&mut self, callers: SyncSender<Caller>) {
        self.callers = Some(callers);
    }

    pub(super) fn knock(&mut self, token: Token) {
        match &mut self.secure {
            Some((door, _)) if token == SECURE_DOOR => door.is_open = true,
            _ => self.plain.is_open = true,
        }
    }

    /// When to accept again, if anybody may wait.
    pub(super) fn accepts_after(&self) -> Option<u64> {
        let secure = self.secure.as_ref().and_then(|(door, _)| door.accepts_after());
        self.plain.accepts_after().into_iter().chain(secure).min()
    }

    /// The next who waits at a door, and whether it is the secure one. `None` if nobody does.
    fn accept(&mut self, now: u64) -> io::Result<Option<(TcpStream, SocketAddr, bool)>> {
        let handshakes = &mut self.handshakes;
        let share = self.secure.as_ref().map_or(1, |(_, sessions)| sessions.share());
        let secure = self.secure.as_mut().map(|(door, _)| (door, true));
        // The secure one first: nobody can come there often enough to keep others from the next.
        for (door, is_secure) in secure.into_iter().chain([(&mut self.plain, false)]) {
            if door.accepts_after().is_none_or(|after_us| now < after_us) {
                continue;
            }
            if is_secure && !handshakes.takes_times(share, now) {
                door.accept_after_us = now + share * HANDSHAKE_PAUSE_US;
                continue;
            }
            match door.listener.accept() {
                Ok((stream, peer)) => return Ok(Some((stream, peer, is_secure))),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => door.is_open = false,
                Err(e) if is_the_peers_doing(&e) => debug!("a browser was not accepted: {e}"),
                Err(e) => {
                    door.accept_after_us = now + ACCEPT_PAUSE_US;
                    return Err(e);
                }
            }
        }
        Ok(None)
    }

    /// The number of a place for somebody from `origin`, if there is one.
    fn place_for(&self, origin: Origin) -> std::result::Result<usize, Entry> {
        let visitors = self.visitors.iter().enumerate();
        let taken = visitors.filter_map(|(number, visitor)| {
            let visitor = visitor.as_ref()?;
            let (by, came, may_go) = (visitor.origin, visitor.came, visitor.may_go());
            Some((number, Taken { by, came, may_go }))
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
    /// Serves the page over TLS too, on a listening socket of its own. Only where there is a page.
    ///
    /// # Errors
    /// [`Error::Internal`] if the event queue does not take it.
    pub fn open_securely(&mut self, door: std::net::TcpListener, sessions: Sessions) -> Result<()> {
        let Some(web) = &mut self.web else { return Ok(()) };
        let opened = web.open_securely(&self.poll, door, sessions);
        opened.map_err(|e| Error::internal("cannot serve the secure page", e))
    }

    pub(super) fn accept_browsers(&mut self, until_us: u64) {
        for _ in 0..ACCEPTS_PER_TURN {
            let now = self.clock.now_us();
            let Some(web) = &mut self.web else { return };
            if self.stopping {
                return;
            }
            match web.accept(now) {
                Ok(None) => return,
                Ok(Some((stream, peer, is_secure))) => self.let_in(stream, peer, is_secure, now),
                Err(e) => return self.complain_of_accepting(&e, now),
            }
            if self.clock.now_us() >= until_us {
                return;
            }
        }
    }

    fn let_in(&mut self, mut stream: TcpStream, peer: SocketAddr, is_secure: bool, now: u64) {
        let Some(web) = &mut self.web else { return };
        let origin = origin(&stream, peer);
        let number = match web.place_for(origin) {
            Ok(number) => number,
            Err(refused) => {
                debug!("{peer} was turned away from the page ({refused:?})");
                if !is_secure {
                    // There is no place to wait in until it is read; the kernel sends what it can.
                    let _ = stream.write(&turned_away(refused));
                }
                return;
            }
        };
        if let Some(mut gone) = web.visitors[number].take() {
            debug!("{} made room on the page for {peer}", gone.peer);
            let _ = self.poll.registry().deregister(gone.line.socket_mut());
        }
        let token = Token(FIRST_VISITOR + number);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(e) = self.poll.registry().register(&mut stream, token, interest) {
            warn!("{peer} cannot be answered: {}", plain(&e));
            return;
        }
        // An improvement that a system may refuse.
        let _ = stream.set_nodelay(true);
        web.came += 1;
        let sessions = web.secure.as_ref().filter(|_| is_secure).map(|(_, s)| s.clone());
        let (line, came) = (Line::plain(stream), web.came);
        web.visitors[number] = Some(Visitor::new(line, (peer, origin), came, sessions, now));
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
        let WebDoor { web: page, plain, secure, addresses, .. } = web;
        let (plain, secure) = (plain.address, secure.as_ref().map(|(door, _)| door.address));
        let mut url = |visitor: &Visitor| match secure.filter(|_| visitor.is_at_secure_door) {
            Some(secure) => page_address(&visitor.line, secure, addresses, now).secure().url,
            None => page_address(&visitor.line, plain, addresses, now).url,
        };
        match visitor.attend(page, &mut url, &mut self.buffer[..], now) {
            Next::Wait => web.visitors[number] = Some(visitor),
            Next::More => {
                web.visitors[number] = Some(visitor);
                return true;
            }
            Next::Gone => {
                let _ = self.poll.registry().deregister(visitor.line.socket_mut());
            }
            Next::Strayed => {
                let _ = self.poll.registry().deregister(visitor.line.socket_mut());
                self.tell_of_strayed(&visitor);
            }
            Next::Calls(accept, said) => {
                let _ = self.poll.registry().deregister(visitor.line.socket_mut());
                let (stream, opening) =
                    (visitor.line.into_socket().into(), http::switching(&accept));
                let sent =
                    web.callers.as_ref().map(|to| to.try_send(Caller { stream, opening, said }));
                if !matches!(sent, Some(Ok(()))) {
                    debug!("{} found nobody to tell", visitor.peer);
                }
            }
            Next::Asks(has_body) => {
                let (status, text) = match self.admission(visitor.origin) {
                    Admission::Crowded(full) if self.keys.is_none() => {
                        (Status::Unavailable, is_full(full))
                    }
                    _ => (Status::Ok, "This page may listen."),
                };
                visitor.answer(Answer::sentence(status, text), has_body, false, now);
                return self.go_on(number, visitor);
            }
            Next::Listens(accept, said) => {
                let opening = http::switching(&accept);
                if let Some(index) = self.seat_browser(number, visitor, opening, None) {
                    // It may have spoken on before it was answered.
                    self.hear_bytes(index, &said);
                    self.write(index);
                }
            }
            Next::Streams => self.seat_by_fetch(number, visitor),
            Next::Says(said, keeps) => {
                let (answer, stays) = self.take_said(&visitor, &said, keeps);
                visitor.answer(answer, true, stays, now);
                return self.go_on(number, visitor);
            }
        }
        false
    }

    /// Puts a visitor back into its place and goes on with it; whether there is more.
    pub(super) fn go_on(&mut self, number: usize, visitor: Visitor) -> bool {
        let Some(web) = &mut self.web else { return false };
        web.visitors[number] = Some(visitor);
        self.attend(number)
    }

    /// Says once that somebody spoke TLS to the bare page, and where the other is.
    fn tell_of_strayed(&mut self, visitor: &Visitor) {
        let Some(web) = &mut self.web else { return };
        let peer = visitor.peer.ip().to_canonical();
        let there = match &web.secure {
            Some((door, _)) => format!("the encrypted page is at port {}", door.address.port()),
            None => "there is an encrypted page only with --https".to_owned(),
        };
        let port = web.plain.address.port();
        if std::mem::replace(&mut web.has_told_of_strayed, true) {
            debug!("{peer} spoke https at port {port}");
        } else {
            info!("{peer} spoke https at port {port}, which is that of the page without; {there}");
        }
    }

    /// Makes a listener of a visitor, or tells it that there is no room for one. With `by_fetch` what it says comes
    /// by requests.
    pub(super) fn seat_browser(
        &mut self,
        number: usize,
        mut visitor: Visitor,
        mut opening: Vec<u8>,
        by_fetch: Option<super::ByFetch>,
    ) -> Option<usize> {
        let now = self.clock.now_us();
        let admission = self.admission(visitor.origin);
        let refused = match admission {
            _ if self.keys.is_some() => None,
            Admission::Seat | Admission::Wait(_) => admission.refusal(),
            Admission::Crowded(full) => {
                let answer = Answer::sentence(Status::Unavailable, is_full(full));
                visitor.answer(answer.with("Retry-After", "10"), true, false, now);
                if self.go_on(number, visitor) {
                    self.waiting.add(FIRST_VISITOR + number);
                }
                return None;
            }
        };
        let Visitor { line, peer, origin, .. } = visitor;
        let config = match self.keys {
            Some(_) => self.private_config()?,
            None => Vec::new(),
        };
        if !config.is_empty() {
            self.make_room_at_door();
        }
        if by_fetch.is_none() && !config.is_empty() {
            opening.extend(websocket::binary(&config));
        } else {
            opening.extend_from_slice(&config);
        }
        let mut listener = if by_fetch.is_some() {
            Listener::by_fetch(peer, opening, refused, now)
        } else {
            Listener::browser(peer, opening, refused, now)
        };
        if !config.is_empty() {
            listener.hold(&config);
        }
        let index = self.take_seat(line, listener, origin, true)?;
        if let Some(Some(seat)) = self.seats.get_mut(index) {
            seat.says_by = by_fetch;
        }
        Some(index)
    }

    /// Ends what takes too long.
    pub(super) fn keep_web_house(&mut self, now: u64) {
        for number in 0..MAX_VISITORS {
            let Some(web) = &mut self.web else { return };
            let Some(visitor) = &mut web.visitors[number] else { continue };
            if now <= visitor.until_us {
                continue;
            }
            if visitor.has_begun() {
                visitor.answer(Answer::refusal(Status::RequestTimeout), true, false, now);
                if self.attend(number) {
                    self.waiting.add(FIRST_VISITOR + number);
                }
            } else if let Some(mut gone) = web.visitors[number].take() {
                let _ = self.poll.registry().deregister(gone.line.socket_mut());
            }
        }
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
    line: &Line,
    door: SocketAddr,
    known: &mut Option<(u64, Addresses)>,
    now_us: u64,
) -> addresses::Page {
    let came_to = line.local_addr().map(|address| address.ip().to_canonical());
    let bind = match came_to {
        Ok(ip) if !ip.is_loopback() => ip,
        _ => door.ip(),
    };
    let is_old = |(at_us, _): &mut (u64, _)| now_us.saturating_sub(*at_us) >= ADDRESSES_FOR_US;
    if known.as_mut().is_none_or(is_old) {
        *known = Some((now_us, addresses::here()));
    }
    let (local, default_route) = known.as_ref().map(|(_, here)| here.clone()).unwrap_or_default();
    addresses::page(&local, default_route, Some(bind), door.port())
}
