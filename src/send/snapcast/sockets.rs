//! One snapclient's socket: read and written as far as the system allows.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use log::{debug, info};
use mio::net::TcpStream;
use socket2::SockRef;

use crate::clock::Clock;
use crate::dscp::Dscp;
use crate::send::transmit::sockets::{self, Buffering};
use crate::snapcast::guest::{Guest, Terms};
use crate::snapcast::kept::Kept;
use crate::snapcast::message::Settings;
use crate::snapcast::outbox::Stopped;
use crate::snapcast::reader::Misuse;
use crate::stats::SnapclientStats;

/// Bytes read at a time: all that fifty questions for the time take.
pub(super) const READ_BYTES: usize = 4 * 1024;

/// Reads of one client in a turn, so that one that says much keeps nobody waiting.
const MOST_READS: usize = 4;

pub(super) struct Client {
    pub(super) guest: Guest,
    pub(super) peer: SocketAddr,
    /// Whether there may be something to read.
    pub(super) may_read: bool,
    /// Whether the system takes nothing more for now.
    pub(super) is_full: bool,
    /// Why it has to go.
    ends: Option<Misuse>,
    socket: TcpStream,
}

impl Client {
    pub(super) fn new(socket: TcpStream, peer: SocketAddr, now_us: u64) -> Self {
        let guest = Guest::new(now_us);
        Self { guest, peer, may_read: true, is_full: false, ends: None, socket }
    }

    pub(super) fn prepare(&self, buffering: Buffering, dscp: Dscp) {
        sockets::prepare(SockRef::from(&self.socket), buffering, dscp);
    }

    /// Takes in what has come. Returns whether it stays.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        terms: &Terms,
        kept: &mut Kept,
        clock: Clock,
    ) -> bool {
        for _ in 0..MOST_READS {
            if !self.may_read || self.ends.is_some() {
                return true;
            }
            let now_us = clock.now_us();
            match self.socket.read(buffer) {
                Ok(0) => return self.goes("it ended the connection"),
                Ok(count) => match self.guest.hear(&buffer[..count], terms, kept, now_us) {
                    Ok(false) => {}
                    Ok(true) => self.greet(),
                    Err(why) => self.ends = Some(why),
                },
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.may_read = false,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return self.goes(&crate::error::plain(&e)),
            }
        }
        true
    }

    /// Writes what waits and is not too old. Returns whether it stays.
    pub(super) fn write(&mut self, terms: &Terms, clock: Clock) -> bool {
        let now_us = || clock.now_us();
        if let Err(why) = self.guest.mind(terms, now_us()) {
            self.ends.get_or_insert(why);
        }
        if let Some(why) = self.ends.take() {
            self.guest.refuse(&why, now_us());
            // As much of it as there is room for.
            let _ = self.guest.write(now_us, |bytes| self.socket.write(bytes));
            return self.goes(&why.to_string());
        }
        if self.is_full {
            return true;
        }
        match self.guest.write(now_us, |bytes| self.socket.write(bytes)) {
            Ok(stopped) => {
                self.is_full = stopped == Stopped::Full;
                true
            }
            // It has not connected yet, or no more: reading tells.
            Err(e) if e.kind() == ErrorKind::NotConnected => true,
            Err(e) => self.goes(&crate::error::plain(&e)),
        }
    }

    pub(super) fn tell(&mut self, settings: &Settings, now_us: u64) {
        if let Err(why) = self.guest.tell(settings, now_us) {
            self.ends.get_or_insert(why);
        }
    }

    /// Has it hear another stream from now on.
    pub(super) fn begin_anew(&mut self, terms: &Terms, kept: &Kept, now_us: u64) {
        if let Err(why) = self.guest.begin_anew(terms, kept, now_us) {
            self.ends.get_or_insert(why);
        }
    }

    pub(super) fn is(&self, id: &str) -> bool {
        self.guest.hello().is_some_and(|hello| hello.id == id)
    }

    fn greet(&self) {
        if let Some(hello) = self.guest.hello() {
            info!(
                "the snapclient “{}” at {} listens (version {})",
                hello.name, self.peer, hello.version
            );
        }
    }

    fn goes(&self, why: &str) -> bool {
        match self.guest.hello() {
            Some(hello) => {
                info!("the snapclient “{}” at {} has gone: {why}", hello.name, self.peer)
            }
            None => debug!("no snapclient at {}: {why}", self.peer),
        }
        false
    }

    pub(super) fn stats(&self, terms: &Terms, kept: &Kept, now_us: u64) -> Option<SnapclientStats> {
        let hello = self.guest.hello()?;
        let (set, counts) = (self.guest.set(kept), self.guest.counts());
        Some(SnapclientStats {
            id: hello.id.clone(),
            name: hello.name.clone(),
            address: self.peer,
            version: hello.version.clone(),
            connected_s: now_us.saturating_sub(self.guest.connected_us()) as f64 / 1e6,
            volume: set.volume,
            is_muted: set.is_muted,
            latency_ms: set.latency_ms,
            delay_ms: terms.delay_ms,
            queued: self.guest.waiting(),
            chunks: counts.chunks,
            bytes: counts.bytes,
            dropped_old: counts.dropped,
        })
    }
}
