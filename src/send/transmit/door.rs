//! Who comes in: accepting, seats, ghosts.

use std::io::{self, Write};

use log::{debug, info, warn};
use mio::net::TcpStream;
use mio::{Interest, Token};
use socket2::SockRef;

use super::house::PLEASE_LEAVE;
use super::sockets;
use super::{Seat, Transmit};
use crate::codec::Codec;
use crate::send::fanout::{Listener, Phase};
use crate::wire::{Hello, Notice, Reason, VERSION};

/// Accepts in one turn.
const ACCEPTS_PER_TURN: usize = 64;

/// How long accepting pauses when the process has no file descriptor left.
const ACCEPT_PAUSE_US: u64 = 100_000;

/// Connections above `max_clients` that are kept a moment, in case they are ghosts.
const EXTRA_SEATS: usize = 8;

/// Connections in all, for each listener that `max_clients` allows: everybody who listens, and as
/// many that were told to go and have not gone yet, as when a whole room comes back at once.
const CONNECTIONS_PER_CLIENT: usize = 2;

/// A newcomer gets sound that it will hear no sooner than in this time, in µs: as long as it takes
/// to learn the server's clock over a slow network, and to open a card.
const HEAD_START_US: u64 = 250_000;

/// Whether one more may sit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// There is room.
    Seat,
    /// There is none, but it may be the ghost of one that sits here.
    Wait,
    /// There is none even for waiting.
    Crowded,
}

/// What a browser that is one too many is told.
pub(super) const SERVER_IS_FULL: &str = "the server is full";

impl Transmit {
    pub(super) fn accept(&mut self) {
        if !self.door_open || self.stopping || self.clock.now_us() < self.accept_after_us {
            return;
        }
        for _ in 0..ACCEPTS_PER_TURN {
            match self.door.accept() {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.door_open = false;
                    return;
                }
                Err(e) if is_the_peers_doing(&e) => debug!("a connection was not accepted: {e}"),
                Err(e) => {
                    if is_out_of_files(&e) {
                        warn!(
                            "no more connections fit: {e}. Raise the open-file limit (ulimit -n)"
                        );
                    } else {
                        warn!("no connection can be accepted at the moment: {e}");
                    }
                    self.accept_after_us = self.clock.now_us() + ACCEPT_PAUSE_US;
                    return;
                }
            }
        }
        // More may wait: the door stays open, and the next turn comes at once.
    }

    pub(super) fn seated(&self) -> usize {
        self.seats.iter().flatten().filter(|seat| seat.listener.is_seated()).count()
    }

    /// Whether nobody else is let in while `seated` listen.
    pub(super) fn is_full(&self, seated: usize) -> bool {
        self.room.max_clients != 0 && seated >= self.room.max_clients as usize
    }

    /// Whether one more may sit.
    pub(super) fn admission(&self) -> Admission {
        let seated = self.seated();
        let refused = || {
            let seats = self.seats.iter().flatten();
            seats.filter(|s| s.listener.phase == Phase::Refused).count()
        };
        let held = self.seats.len() - self.free.len();
        let (limited, most) = (self.room.max_clients != 0, self.room.max_clients as usize);
        let full = self.is_full(seated);
        let crowded = limited && held >= most * CONNECTIONS_PER_CLIENT + EXTRA_SEATS;
        if crowded || (full && refused() >= EXTRA_SEATS) {
            Admission::Crowded
        } else if full {
            Admission::Wait
        } else {
            Admission::Seat
        }
    }

    pub(super) fn admit(&mut self, mut stream: TcpStream, peer: std::net::SocketAddr) {
        let now = self.clock.now_us();
        let listener = match self.admission() {
            Admission::Crowded => {
                // Too many even to be told properly; the kernel sends what it can.
                let _ = stream.write(crate::wire::SERVER_FULL);
                return;
            }
            Admission::Wait => Listener::refused(peer, now),
            Admission::Seat => {
                self.in_use.add(Codec::Float32);
                let log = &self.logs[Codec::Float32.index()];
                Listener::seated(peer, self.room.config.frame(), log, now)
            }
        };
        if let Some(index) = self.take_seat(stream, listener, false) {
            self.write(index);
        }
    }

    /// Gives a connection a place in the loop. A `known` one is in it already, as a visitor of the
    /// page.
    pub(super) fn take_seat(
        &mut self,
        mut stream: TcpStream,
        listener: Listener,
        known: bool,
    ) -> Option<usize> {
        let peer = listener.peer;
        if listener.phase == Phase::Refused {
            info!("{peer} was told that the server is full ({} listen)", self.seated());
        }
        let buffering = self.room.buffering(Codec::Float32);
        sockets::prepare(SockRef::from(&stream), buffering);
        let index = self.free.pop().unwrap_or_else(|| {
            self.seats.push(None);
            self.seats.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        let registered = if known {
            registry.reregister(&mut stream, Token(index), interest)
        } else {
            registry.register(&mut stream, Token(index), interest)
        };
        if let Err(e) = registered {
            warn!("{peer} cannot be served: {e}");
            self.free.push(index);
            return None;
        }
        debug!("{peer} connected");
        let seat = Seat {
            stream,
            listener,
            writable: true,
            in_touched: false,
            replaces: None,
            connection: 0,
        };
        self.seats[index] = Some(seat);
        Some(index)
    }

    /// The seat of a client run, unless a newer connection of the same run has been given it: each
    /// seat is given away once, however many ask for it at the same moment.
    pub(super) fn ghost_of(&self, id: &str) -> Option<usize> {
        let seats =
            || self.seats.iter().enumerate().filter_map(|(n, seat)| Some((n, seat.as_ref()?)));
        let mut own =
            seats().filter(|(_, seat)| seat.listener.is_seated() && seat.listener.id == id);
        let is_given_away =
            |index| seats().any(|(_, s)| s.replaces == Some(index) && s.listener.id == id);
        own.find_map(|(index, _)| (!is_given_away(index)).then_some(index))
    }

    /// Answers a hello. A known id takes the older connection's place; a listener that was told
    /// that the server is full gets a seat only so.
    pub(super) fn welcome(&mut self, index: usize, mut hello: Hello) {
        let ghost = self.ghost_of(&hello.id);
        let seated = self.seated();
        let mut captured = self.room.captured.list().into_iter();
        let codec = self.codec_for(index, ghost, &hello);
        let buffering = self.room.buffering(codec);
        let now = self.clock.now_us();
        let in_time_us = (now + HEAD_START_US).saturating_sub(self.max_age_us(now)).min(now);
        let Some(Some(seat)) = self.seats.get_mut(index) else {
            return;
        };
        if self.removed.contains(&hello.id) {
            seat.listener.close(Reason::Removed, PLEASE_LEAVE, now);
            return;
        }
        if seat.listener.phase == Phase::Refused && ghost.is_none() {
            if seat.listener.is_browser() {
                seat.listener.close(Reason::Stopping, SERVER_IS_FULL, now);
            }
            return;
        }
        let from_us = self.history.allow(in_time_us, now, buffering.bytes_per_second);
        let same_machine = seat.is_on_this_machine();
        let mut welcome = self.room.welcome.clone();
        welcome.ping_ms = welcome.ping_ms.max(u32::try_from(seated).unwrap_or(u32::MAX));
        welcome.version = hello.version.min(VERSION);
        if same_machine {
            welcome.captured_output = captured.next();
            welcome.also_captured = captured.collect();
        }
        self.room.describe(codec, &mut welcome);
        self.in_use.add(codec);
        seat.replaces = ghost;
        seat.listener.codec = codec;
        sockets::rebuffer(SockRef::from(&seat.stream), buffering);
        let refusal = self.let_speak(index, ghost, hello.talk.take());
        self.number(index, ghost, &mut welcome);
        let Some(Some(seat)) = self.seats.get_mut(index) else {
            return;
        };
        let talks = if seat.listener.talker.is_some() { " and talks" } else { "" };
        seat.listener.welcome(hello, welcome.frame(), &self.logs[codec.index()], from_us);
        if let Some(why) = refusal {
            seat.listener.outbox.tell(&Notice::because(Reason::MayNotTalk, &why));
            info!("{} may not talk: {why}", seat.listener.label());
        }
        info!("{} listens{talks} (version {}, {codec})", seat.listener.label(), welcome.version);
        self.introduce(index, true);
    }

    /// What a newcomer hears. It keeps what it had on the connection that it takes the place of.
    fn codec_for(&self, index: usize, ghost: Option<usize>, hello: &Hello) -> Codec {
        let others = self.seats.iter().enumerate().filter(|(at, seat)| {
            let listens = seat.as_ref().is_some_and(|seat| seat.listener.is_listening());
            listens && *at != index && Some(*at) != ghost
        });
        let before = ghost.and_then(|at| Some(self.seats.get(at)?.as_ref()?.listener.codec));
        self.room.offers.choose(&hello.codecs, others.count(), before)
    }

    /// Once a welcome is written, the same client's older connection goes.
    pub(super) fn replace_ghost(&mut self, index: usize) {
        let Some(Some(seat)) = self.seats.get_mut(index) else {
            return;
        };
        if seat.listener.outbox.is_greeted()
            && let Some(ghost) = seat.replaces.take()
        {
            let id = seat.listener.id.clone();
            let now = self.clock.now_us();
            if let Some(Some(old)) = self.seats.get_mut(ghost)
                && old.listener.id == id
            {
                old.listener.close(Reason::Replaced, "a newer connection took over", now);
                self.touch(ghost);
            }
        }
    }
}

/// The peer gave up while it waited: the next one may be fine.
pub(super) fn is_the_peers_doing(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

impl Seat {
    /// Whether the listener's program runs on this PC.
    pub(super) fn is_on_this_machine(&self) -> bool {
        let peer = self.listener.peer.ip().to_canonical();
        self.stream.local_addr().is_ok_and(|local| local.ip().to_canonical() == peer)
    }
}

#[cfg(unix)]
fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let code = error.raw_os_error();
    code == Some(Errno::MFILE.raw_os_error()) || code == Some(Errno::NFILE.raw_os_error())
}

#[cfg(windows)]
fn is_out_of_files(error: &io::Error) -> bool {
    const WSAEMFILE: i32 = 10024;
    error.raw_os_error() == Some(WSAEMFILE)
}
