//! Who comes in: accepting, seats, ghosts.

use std::io::{self, Write};
use std::net::IpAddr;

use log::{debug, info, warn};
use mio::net::TcpStream;
use mio::{Interest, Token};

use super::crowd::{Admission, Crowd, Stands};
use super::limits::{ACCEPT_PAUSE_US, PLEASE_LEAVE};
use super::line::Line;
use super::places::Origin;
use super::private::{self, Entered};
use super::sockets::{self, is_the_peers_doing};
use super::verdicts::Who;
use super::{Seat, Transmit};
use crate::codec::Codec;
use crate::secure::handshake::Asked;
use crate::send::fanout::{Listener, Phase};
use crate::wire::{Full, Hello, Notice, Reason, VERSION, plain};

/// Accepts in one turn.
const ACCEPTS_PER_TURN: usize = 64;

/// Connections of one address that were closed for breaking the protocol and are given time to read
/// why. Further ones are let go of at once.
const LINGERING_PER_ADDRESS: usize = 4;

/// A newcomer gets sound that it will hear no sooner than in this time, in µs: as long as it takes
/// to learn the server's clock over a slow network, and to open a card.
const HEAD_START_US: u64 = 250_000;

/// What a connection that takes an older one's place needs instead, in µs: the way there. Its
/// listener knows the server's clock, and its card plays.
const RETURN_HEAD_START_US: u64 = 20_000;

/// A connection from which nothing has come for this long gives its seat to another address, in µs: a
/// client that has lost its path looks for another one after half a second.
const SILENT_US: u64 = 400_000;

impl Transmit {
    pub(super) fn accept(&mut self, until_us: u64) {
        if !self.door_open || self.stopping || self.clock.now_us() < self.accept_after_us {
            return;
        }
        let mut crowd = None;
        for _ in 0..ACCEPTS_PER_TURN {
            match self.door.accept() {
                Ok((stream, peer)) => {
                    let mut counted = crowd.unwrap_or_else(|| self.crowd());
                    self.admit(stream, peer, &mut counted);
                    crowd = Some(counted);
                    if self.clock.now_us() >= until_us {
                        return;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.door_open = false;
                    return;
                }
                Err(e) if is_the_peers_doing(&e) => debug!("a connection was not accepted: {e}"),
                // Strangers at the door are not to take the last of them.
                Err(e) if sockets::is_out_of_files(&e) && self.send_from_door() => {}
                Err(e) => {
                    let now = self.clock.now_us();
                    self.accept_after_us = now + ACCEPT_PAUSE_US;
                    self.complain_of_accepting(&e, now);
                    return;
                }
            }
        }
        // More may wait: the door stays open, and the next turn comes at once.
    }

    /// Says why nobody can be let in, once in a while: it is tried again all the time.
    pub(super) fn complain_of_accepting(&mut self, why: &io::Error, now: u64) {
        if !self.hearsay.may_complain(now) {
            debug!("no connection was accepted: {why}");
        } else if sockets::is_out_of_files(why) {
            warn!("no more connections fit: {why}. Raise the open-file limit (ulimit -n)");
        } else {
            warn!("no connection can be accepted at the moment: {why}");
        }
    }

    pub(super) fn seated(&self) -> usize {
        self.seats.iter().flatten().filter(|seat| seat.listener.is_seated()).count()
    }

    /// Whether nobody else is let in while `seated` listen.
    pub(super) fn is_full(&self, seated: usize) -> bool {
        seated >= self.room.max_clients as usize
    }

    /// Whether one more from `origin` may sit.
    pub(super) fn admission(&self, origin: Origin) -> Admission {
        self.crowd().admission(origin, self.most_seats(), self.room.per_address as usize)
    }

    /// What is full, where whoever is at the door at `index` would find no seat.
    pub(super) fn fullness_for(&self, index: usize) -> Option<Full> {
        let seat = self.seats.get(index)?.as_ref()?;
        let has_none = seat.listener.phase == Phase::AtDoor;
        has_none.then(|| self.admission(seat.origin).refusal())?
    }

    fn most_seats(&self) -> usize {
        self.room.max_clients as usize
    }

    /// Everybody but those who have not shown the private room's key, who have places of their own.
    fn crowd(&self) -> Crowd {
        let seats = self.seats.iter().enumerate().filter(|(index, _)| !self.at_door.has(*index));
        Crowd::of(seats.filter_map(|(_, seat)| seat.as_ref()).map(|seat| {
            let stands = match &seat.listener {
                listener if listener.is_seated() => Stands::Seated,
                listener if listener.phase == Phase::Refused => Stands::Waiting,
                _ => Stands::Going,
            };
            (seat.origin, stands)
        }))
    }

    fn admit(&mut self, mut stream: TcpStream, peer: std::net::SocketAddr, crowd: &mut Crowd) {
        let now = self.clock.now_us();
        let origin = sockets::origin(&stream, peer);
        if self.verdicts.is_shut_out(origin) {
            // A listener of the first generation shows it too.
            let _ = stream.write(&plain(format!("{{\"error\": \"{PLEASE_LEAVE}\"}}").as_bytes()));
            return;
        }
        if self.keys.is_some() {
            let Some(config) = self.private_config() else { return };
            self.make_room_at_door();
            let listener = Listener::held(peer, config, now);
            if let Some(index) = self.take_seat(Line::plain(stream), listener, origin, false) {
                self.write(index);
            }
            return;
        }
        let each = self.room.per_address as usize;
        let listener = match crowd.admit(origin, self.most_seats(), each) {
            Admission::Crowded(full) => {
                // Too many even to be told properly; the kernel sends what it can.
                let _ = stream.write(full.frame());
                return;
            }
            Admission::Wait(full) => Listener::refused(peer, full, now),
            Admission::Seat => {
                self.in_use.add(Codec::Float32);
                let log = &self.logs[Codec::Float32.index()];
                Listener::seated(peer, self.room.config.frame(), log, now)
            }
        };
        if let Some(index) = self.take_seat(Line::plain(stream), listener, origin, false) {
            self.write(index);
        }
    }

    /// Closes the listener at `index`, which broke the protocol. Where its address has enough that
    /// are being told so, it is gone at once.
    pub(super) fn close_for_violation(&mut self, index: usize, text: &str, now: u64) {
        let Some(Some(seat)) = self.seats.get_mut(index) else {
            return;
        };
        seat.listener.close(Reason::Violation, text, now);
        seat.is_violator = true;
        let origin = seat.origin;
        let violators = self.seats.iter().flatten().filter(|s| s.is_violator && s.origin == origin);
        if violators.count() > LINGERING_PER_ADDRESS {
            self.write(index);
            self.leave(index, "broke the protocol");
        }
    }

    /// Gives a connection a place in the loop. A `known` one is in it already, as a visitor of the
    /// page.
    pub(super) fn take_seat(
        &mut self,
        mut line: Line,
        listener: Listener,
        origin: Origin,
        known: bool,
    ) -> Option<usize> {
        let peer = listener.peer;
        if listener.phase == Phase::Refused {
            let why = listener.refusal.sentence();
            debug!("{peer} was told: {why} ({} listen)", self.seated());
        }
        let buffering = self.room.buffering(Codec::Float32);
        sockets::prepare(line.settings(), buffering, self.room.dscp);
        let index = self.free.pop().unwrap_or_else(|| {
            self.seats.push(None);
            self.seats.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        let registered = if known {
            registry.reregister(line.socket_mut(), Token(index), interest)
        } else {
            registry.register(line.socket_mut(), Token(index), interest)
        };
        if let Err(e) = registered {
            warn!("{peer} cannot be served: {}", crate::error::plain(&e));
            self.free.push(index);
            return None;
        }
        debug!("{peer} connected");
        if listener.phase == Phase::AtDoor {
            self.at_door.come(index, origin);
        }
        let seat = Seat {
            line,
            listener,
            writable: true,
            in_touched: false,
            replaces: None,
            connection: 0,
            origin,
            is_violator: false,
            channel: None,
            says_by: None,
        };
        self.seats[index] = Some(seat);
        Some(index)
    }

    /// The seat of a client run, unless a newer connection of the same run has been given it: each
    /// seat is given away once, however many ask for it at the same moment. To another address it
    /// goes only where nothing comes from the old one any more, because whoever listens to the
    /// network knows the ids.
    pub(super) fn ghost_of(
        &self,
        (id, key): (&str, Option<&[u8; 32]>),
        at: IpAddr,
        now_us: u64,
    ) -> Option<usize> {
        let seats =
            || self.seats.iter().enumerate().filter_map(|(n, seat)| Some((n, seat.as_ref()?)));
        let mut own = seats().filter(|(_, seat)| gives_way(&seat.listener, (id, key), at, now_us));
        let is_given_away =
            |index| seats().any(|(_, s)| s.replaces == Some(index) && s.listener.id == id);
        own.find_map(|(index, _)| (!is_given_away(index)).then_some(index))
    }

    /// Answers a hello. A known id takes the older connection's place; a listener that was told
    /// that the server is full gets a seat only so.
    pub(super) fn welcome(&mut self, index: usize, mut hello: Hello, asked: Option<Asked>) {
        let now = self.clock.now_us();
        let Some(Some(seat)) = self.seats.get(index) else {
            return;
        };
        let key = asked.as_ref().map(|asked| asked.client);
        let ghost = self.ghost_of((&hello.id, key.as_ref()), seat.listener.peer.ip(), now);
        // Under the name that it asks for: whoever was muted may still be leaving.
        let id = key.as_ref().map_or_else(|| hello.id.clone(), private::short);
        let who = Who { origin: seat.origin, id, name: hello.name.clone() };
        hello.name = self.distinct_name(hello.name, index, ghost);
        let (seated, full) = (self.seated(), self.fullness_for(index));
        let mut captured = self.room.captured.list().into_iter();
        let codec = self.codec_for(index, ghost, &hello);
        let buffering = self.room.buffering(codec);
        let head_start_us = if ghost.is_some() { RETURN_HEAD_START_US } else { HEAD_START_US };
        let in_time_us = (now + head_start_us).saturating_sub(self.max_age_us(now)).min(now);
        let Some(Some(seat)) = self.seats.get_mut(index) else {
            return;
        };
        if self.verdicts.is_removed(&who) {
            seat.listener.close(Reason::Removed, PLEASE_LEAVE, now);
            return;
        }
        if seat.listener.phase == Phase::Refused && ghost.is_none() {
            if seat.listener.is_browser() {
                seat.listener.close_full(now);
            }
            return;
        }
        if let Some(full) = full.filter(|_| ghost.is_none()) {
            return seat.listener.refuse(full, now);
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
        welcome.via = self.room.upstreams.list();
        self.room.describe(codec, &mut welcome);
        self.in_use.add(codec);
        seat.replaces = ghost;
        seat.listener.codec = codec;
        sockets::rebuffer(seat.line.settings(), buffering);
        self.offer_datagrams(index, &hello, &mut welcome);
        self.offer_channel(index, &mut welcome);
        let speaker = (key.as_ref(), hello.name.as_str());
        let refusal = self.let_speak(index, ghost, speaker, hello.talk.take());
        self.number(index, ghost, &mut welcome);
        let version = welcome.version;
        let Some((frame, entered)) = self.welcome_frame(welcome, asked) else {
            return;
        };
        let Some(Some(seat)) = self.seats.get_mut(index) else {
            return;
        };
        let talks = if seat.listener.talker.is_some() { " and talks" } else { "" };
        seat.listener.welcome(hello, frame, &self.logs[codec.index()], from_us);
        self.at_door.go(index);
        if let Some(Entered { key, own, channel }) = entered {
            seat.listener.enter(key, own, channel);
            if let Some(keys) = &mut self.keys {
                keys.came_in(key, now);
            }
        }
        if let Some(why) = &refusal {
            seat.listener.outbox.notice(&Notice::because(Reason::MayNotTalk, why));
        }
        if self.hearsay.may_tell(now) {
            let label = seat.listener.label();
            info!("{label} listens{talks} (version {version}, {codec})");
            if let Some(why) = refusal {
                info!("{label} may not talk: {why}");
            }
        }
        let is_silenced = self.verdicts.is_muted(&who);
        if let Some(Some(seat)) = self.seats.get_mut(index)
            && (seat.listener.is_silenced || is_silenced)
        {
            seat.listener.is_silenced = true;
            self.verdicts.mute(who, true);
            self.tell_of_muting(index, true);
        }
        self.introduce(index);
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

/// Whether a listener's seat goes to a connection from `at` whose hello has that id.
/// In a private room it goes to whoever has the same key, wherever that is.
fn gives_way(
    old: &Listener,
    (id, key): (&str, Option<&[u8; 32]>),
    at: IpAddr,
    now_us: u64,
) -> bool {
    if let Some(key) = key {
        let is_it = old.member.as_ref().is_some_and(|member| member.key == *key);
        return old.is_seated() && old.id == id && is_it;
    }
    let is_here = old.peer.ip().to_canonical() == at.to_canonical();
    let is_silent = now_us.saturating_sub(old.heard_us) >= SILENT_US;
    old.is_seated() && old.id == id && (is_here || is_silent)
}

impl Seat {
    /// Whether the listener's program runs on this PC.
    pub(super) fn is_on_this_machine(&self) -> bool {
        let peer = self.listener.peer.ip().to_canonical();
        self.line.local_addr().is_ok_and(|local| local.ip().to_canonical() == peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::send::fanout::Log;
    use crate::wire::Ping;

    #[test]
    fn a_seat_goes_to_another_address_only_after_400_ms_of_silence_and_to_its_own_at_once() {
        let home: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        let log = Log::new(4);
        let mut old = Listener::seated((home, 4_000).into(), Vec::new(), &log, 0);
        old.id = "run".to_owned();
        old.read(&Ping { client_us: 1 }.frame(), 1_000_000).unwrap();
        let elsewhere: IpAddr = "10.0.0.2".parse().unwrap();
        let here: IpAddr = "10.0.0.1".parse().unwrap();
        assert!(gives_way(&old, ("run", None), here, 1_000_000));
        assert!(!gives_way(&old, ("another", None), here, 9_000_000));
        assert!(!gives_way(&old, ("run", None), elsewhere, 1_399_999));
        assert!(gives_way(&old, ("run", None), elsewhere, 1_400_000));
        old.read(&Ping { client_us: 2 }.frame(), 1_500_000).unwrap();
        assert!(!gives_way(&old, ("run", None), elsewhere, 1_899_999), "it was heard of again");
        old.close(Reason::Removed, "go", 1_600_000);
        assert!(!gives_way(&old, ("run", None), here, 9_000_000), "it is on its way out");
    }
}
