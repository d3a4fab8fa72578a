//! A session's sound, which comes by TCP and by datagram.

use log::{debug, info, warn};
use mio::Token;

use super::super::asking::Step;
use super::super::datagrams::Datagrams;
use super::super::sounds::Sounds;
use super::{LONGEST_TURN_US, Session, broken, hand_on, heard};
use crate::error::Result;
use crate::settings::Transport;
use crate::wire::datagram::FromServer;
use crate::wire::{Path, Welcome};

const DATAGRAMS: Token = Token(3);

impl Session<'_> {
    /// Sound begins, as a welcome says.
    pub(super) fn begin_sound(&mut self, welcome: &Welcome) {
        self.sounds = Sounds::new(welcome);
        self.datagrams = None;
        self.connect.seen.by_datagram.set(0);
        if self.connect.transport == Transport::Tcp {
            return;
        }
        let Some(way) = &welcome.datagrams else {
            if self.connect.transport == Transport::Udp {
                warn!("this server sends no sound by datagram: it comes by TCP");
            }
            return;
        };
        let Some(token) = way.token().filter(|_| way.port != 0) else {
            return;
        };
        let mut server = self.line.address;
        server.set_port(way.port);
        let registry = (self.poll.registry(), DATAGRAMS);
        match Datagrams::open(server, token, registry, self.connect.clock.now_us()) {
            Ok(datagrams) => {
                datagrams.mark(self.connect.dscp);
                self.datagrams = Some(datagrams);
            }
            Err(e) => warn!("no sound by datagram from {server}, so by TCP: {e}"),
        }
    }

    /// Takes the datagrams that have come, for as long as one turn may last.
    pub(super) fn hear_datagrams(&mut self, buffer: &mut [u8]) {
        let until_us = self.now_us() + LONGEST_TURN_US;
        loop {
            let now_us = self.now_us();
            if now_us >= until_us {
                self.has_more = true;
                break;
            }
            let Some(bytes) = self.datagrams.as_ref().and_then(|socket| socket.read(buffer)) else {
                break;
            };
            if !self.line.bend(bytes, now_us) {
                self.take_datagram(bytes, now_us);
            }
        }
        let now_us = self.now_us();
        while let Some(bytes) = self.line.datagram(now_us) {
            self.take_datagram(&bytes, now_us);
        }
    }

    fn take_datagram(&mut self, bytes: &[u8], now_us: u64) {
        let (Some(sounds), Some(datagrams)) = (&mut self.sounds, &mut self.datagrams) else {
            return;
        };
        match FromServer::read(bytes) {
            Some(FromServer::Sound(sound)) => {
                if datagrams.asking.sound(now_us) {
                    debug!("sound comes by datagram");
                    self.connect.seen.by_datagram.set(1);
                }
                sounds.datagram(sound.header, bytes, now_us);
                self.lives(now_us);
            }
            Some(FromServer::Parity { stream, first, bytes }) => {
                sounds.repair.parity(stream, first, bytes, now_us);
            }
            Some(FromServer::Answer(answer)) => {
                if let Some(round_trip_us) = datagrams.asking.answer(&answer, now_us) {
                    sounds.repair.answered(round_trip_us, now_us);
                }
            }
            Some(FromServer::Missing { .. }) | None => {}
        }
    }

    /// Hands on what may leave, and asks for what is missing.
    pub(super) fn release(&mut self) -> Result<()> {
        let (now_us, address) = (self.now_us(), self.line.address);
        let Some(sounds) = &mut self.sounds else {
            return Ok(());
        };
        sounds.look(&self.connect.reading, self.clocks.clock.offset(), now_us);
        let (connect, line) = (self.connect, &mut self.line);
        sounds
            .release(now_us, |sound| hand_on(connect, line, heard(connect, sound, now_us)))
            .map_err(|why| broken(address, &why))?;
        self.mind_datagrams(now_us);
        Ok(())
    }

    fn mind_datagrams(&mut self, now_us: u64) {
        let (Some(sounds), Some(datagrams)) = (&mut self.sounds, &mut self.datagrams) else {
            return;
        };
        // What is missing is waited for by the server's clock.
        if self.clocks.clock.offset().is_none() {
            return;
        }
        datagrams.wish_parity(sounds.repair.wants_parity(now_us));
        if datagrams.asking.is_on()
            && let Some((stream, wanted)) = sounds.repair.ask(now_us)
        {
            datagrams.want(stream, wanted, now_us);
        }
        let (round_trip_us, delay_us) = (sounds.repair.round_trip_us(), sounds.delay_us());
        while let Some(step) = datagrams.asking.next(now_us, round_trip_us, delay_us) {
            match step {
                Step::Ask(ask) => datagrams.send(&ask),
                Step::FallBack => {
                    info!("datagrams do not come any more: sound comes by TCP");
                    self.connect.seen.by_datagram.set(0);
                    let from = sounds.repair.position();
                    let path = Path { datagrams: Some(false), from, codec: None };
                    self.line.say(path.frame());
                }
                Step::GiveUp if self.connect.transport == Transport::Udp => warn!(
                    "sound by datagram does not get through from {}, so it comes by TCP. A firewall \
                     may keep UDP from this PC. It is tried again",
                    self.line.address
                ),
                Step::GiveUp => debug!("no datagrams from {}", self.line.address),
            }
        }
        self.connect.seen.note(sounds.repair.counts(), round_trip_us);
    }

    /// Sound came by TCP, while it may be thought to come by datagram.
    pub(super) fn came_by_tcp(&mut self, now_us: u64) {
        if let Some(datagrams) = &mut self.datagrams
            && datagrams.asking.came_by_tcp(now_us)
        {
            debug!("the server sends by TCP again");
            self.connect.seen.by_datagram.set(0);
        }
    }

    /// When sound leaves, is to be asked for, or is thought to have stopped, in µs.
    pub(super) fn sound_due_us(&self, now_us: u64) -> u64 {
        let Some(sounds) = &self.sounds else {
            return u64::MAX;
        };
        let (round_trip_us, delay_us) = (sounds.repair.round_trip_us(), sounds.delay_us());
        let is_ready = self.clocks.clock.offset().is_some();
        let datagrams = self.datagrams.as_ref().filter(|_| is_ready);
        let asks_us = datagrams.map(|datagrams| datagrams.asking.due_us(round_trip_us, delay_us));
        asks_us.into_iter().chain(sounds.due_us(now_us)).min().unwrap_or(u64::MAX)
    }
}
