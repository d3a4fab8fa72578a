//! A session's sound, which comes by TCP and by datagram.

use std::time::Duration;

use log::{debug, info, warn};
use mio::Token;

use super::super::asking::Step;
use super::super::datagrams::Datagrams;
use super::super::line::Line;
use super::super::sounds::Sounds;
use super::super::{Connect, Heard};
use super::{LONGEST_TURN_US, Session, broken, tell};
use crate::error::{Result, plain};
use crate::playout::frames::Sound;
use crate::recv::fit::Fit;
use crate::recv::repair::Counts;
use crate::settings::Transport;
use crate::wire::datagram::FromServer;
use crate::wire::{AudioHeader, Path, Welcome};

const DATAGRAMS: Token = Token(3);

impl Session<'_> {
    /// Sound begins, as a welcome says.
    pub(super) fn begin_sound(&mut self, welcome: &Welcome) {
        self.sounds = Sounds::new(welcome);
        let frame_us = welcome.format.micros(u64::from(welcome.chunk_size)) as u64;
        let delay_us = u64::from(welcome.playout_delay_ms) * 1_000;
        let now_us = self.now_us();
        self.following.begin(&mut self.connect.seen.air(), frame_us, delay_us, now_us);
        self.begin_to_fit(welcome);
        if let Some(sounds) = &self.sounds {
            let first = self.clocks.fit.as_ref().map(Fit::first);
            self.connect.seen.air().comes_as(sounds.codec(), first);
        }
        (self.datagrams, self.counted) = (None, Counts::default());
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
        let sealing = self.line.conversation.take_datagram_sealing();
        let whose = (token, sealing);
        match Datagrams::open(server, whose, registry, self.connect.clock.now_us()) {
            Ok(datagrams) => {
                datagrams.mark(self.connect.dscp);
                self.datagrams = Some(datagrams);
            }
            Err(e) => warn!("no sound by datagram from {server}, so by TCP: {}", plain(&e)),
        }
    }

    /// It was to rest that long from `begun_us` on, at most.
    pub(super) fn woke(&self, begun_us: u64, rest: Duration) {
        let due_us = begun_us.saturating_add(u64::try_from(rest.as_micros()).unwrap_or(u64::MAX));
        self.connect.seen.air().woke(due_us, self.now_us());
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
        let Some(bytes) = self.line.conversation.open_datagram(bytes) else {
            self.connect.seen.unopened.add(1);
            return;
        };
        match FromServer::read(bytes) {
            Some(FromServer::Sound(sound)) => {
                if datagrams.asking.sound(now_us) {
                    debug!("sound comes by datagram");
                    self.connect.seen.by_datagram.set(1);
                }
                let place = (sound.stream, sound.number);
                let air = &mut self.connect.seen.air();
                self.following.datagram(air, place, sound.header, bytes.len(), now_us);
                sounds.datagram(sound.stream, sound.header, bytes, now_us);
                self.lives(now_us);
            }
            Some(FromServer::Parity { stream, first, bytes }) => {
                sounds.repair.parity(stream, first, bytes, now_us);
            }
            Some(FromServer::Answer(answer)) => {
                if let Some(round_trip_us) = datagrams.asking.answer(&answer, now_us) {
                    sounds.answered(round_trip_us, now_us);
                    self.following.answered(round_trip_us);
                }
            }
            Some(FromServer::Missing { cookie, numbers })
                if cookie == datagrams.asking.whose().1 =>
            {
                datagrams.say_again(&numbers, now_us);
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
        let (connect, line, rate_hz) = (self.connect, &mut self.line, sounds.rate_hz());
        sounds
            .release(now_us, |sound| hand_on(connect, line, heard(connect, rate_hz, sound, now_us)))
            .map_err(|why| broken(address, &why))?;
        self.mind_datagrams(now_us);
        self.fit_codec(now_us);
        Ok(())
    }

    fn mind_datagrams(&mut self, now_us: u64) {
        let (Some(sounds), Some(datagrams)) = (&mut self.sounds, &mut self.datagrams) else {
            return;
        };
        // What is missing is waited for by the server's clock. Until that is known, only the address is proven.
        if self.clocks.clock.offset().is_none() && datagrams.asking.has_cookie() {
            return;
        }
        datagrams.asking.wish_parity(sounds.repair.wants_parity(now_us), now_us);
        if datagrams.asking.is_on()
            && let Some((stream, wanted)) = sounds.ask(now_us)
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
        let counts = sounds.repair.counts();
        let before = std::mem::replace(&mut self.counted, counts);
        self.connect.seen.note(before, counts, round_trip_us);
    }

    /// Sound came by TCP, while it may be thought to come by datagram.
    pub(super) fn came_by_tcp(&mut self, header: AudioHeader, bytes: usize, now_us: u64) {
        let offset = self.clocks.clock.offset();
        let transit =
            offset.map(|offset| now_us as i64 - offset.ours_us(header.captured_us as f64) as i64);
        let air = &mut self.connect.seen.air();
        self.following.frame(air, header, (bytes, transit), now_us);
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
        let is_timed = self.clocks.clock.offset().is_some();
        let datagrams =
            self.datagrams.as_ref().filter(|datagrams| is_timed || !datagrams.asking.has_cookie());
        let asks_us = datagrams.map(|datagrams| datagrams.asking.due_us(round_trip_us, delay_us));
        asks_us.into_iter().chain(sounds.due_us(now_us)).min().unwrap_or(u64::MAX)
    }
}

/// Counts decoded sound, and makes it a message.
pub(super) fn heard(connect: &Connect, rate_hz: u32, sound: Sound<'_>, arrived_us: u64) -> Heard {
    let Sound { position, captured_us, broken, frames, concealed, samples } = sound;
    connect.seen.frames.add(u64::from(frames));
    connect.seen.concealed.add(u64::from(concealed));
    connect.seen.concealed_us.add(u64::from(concealed) * 1_000_000 / u64::from(rate_hz.max(1)));
    Heard::Audio { position, captured_us, arrived_us, broken, samples: samples.to_vec() }
}

/// Hands sound to the playing thread.
pub(super) fn hand_on(connect: &Connect, line: &mut Line, mut heard: Heard) {
    if let Heard::Audio { samples, .. } = &mut heard {
        line.spoil(samples);
    }
    tell(connect, heard);
}
