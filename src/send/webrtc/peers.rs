//! All browsers' channels. No socket, and time is an argument.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use log::{debug, warn};

use super::peer::plain;
use super::peer::{Common, End, Peer, Turn};
use super::strangers::Strangers;
use super::{Said, Whose, certificate, crypto};
use crate::error::{Error, Result};

/// Addresses that are remembered for each channel: a phone has a few.
const HOMES_EACH: usize = 4;

/// All channels.
pub(super) struct Peers {
    common: Common,
    peers: HashMap<Whose, Peer>,
    /// Whose a packet from there is.
    homes: HashMap<SocketAddr, Whose>,
    strangers: Strangers,
    most: usize,
    /// What has been said since it was last asked, and packets that wait to be sent.
    pub(super) said: Vec<(Whose, Said)>,
    pub(super) packets: Vec<(SocketAddr, Vec<u8>)>,
}

impl Peers {
    /// None yet, and at most `most` at a time.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system has no random numbers.
    pub(super) fn new(most: usize) -> Result<Self> {
        let certificate = certificate::generate().ok_or_else(|| {
            Error::internal("cannot make a key for data channels", "no random numbers")
        })?;
        Ok(Self {
            common: Common { crypto: Arc::new(crypto::provider()), certificate },
            peers: HashMap::new(),
            homes: HashMap::new(),
            strangers: Strangers::default(),
            most,
            said: Vec::new(),
            packets: Vec::new(),
        })
    }

    /// Answers an offer of a browser that reaches this server at `at`. Whoever sat there before has gone.
    pub(super) fn offer(&mut self, whose: Whose, offer: &str, at: SocketAddr, now: Instant) {
        self.peers.retain(|other, _| other.seat != whose.seat);
        self.homes.retain(|_, other| other.seat != whose.seat);
        let answer = if self.peers.len() < self.most {
            let common = &self.common;
            let answer = || Peer::answer(offer, plain(at), common, now);
            catch_unwind(AssertUnwindSafe(answer)).unwrap_or_else(|_| Err(broken()))
        } else {
            Err("there are as many data channels as there may be".to_owned())
        };
        let answer = answer.map(|(peer, answer)| {
            self.peers.insert(whose, peer);
            answer
        });
        self.said.push((whose, Said::Answer(answer)));
        self.turn(whose, |peer, turn| peer.wake(now, turn));
    }

    /// Its seat is empty.
    pub(super) fn close(&mut self, whose: Whose) {
        self.peers.remove(&whose);
        self.homes.retain(|_, home| *home != whose);
    }

    /// Takes a packet that came `from` there.
    pub(super) fn take(&mut self, from: SocketAddr, packet: &[u8], (now, now_us): (Instant, u64)) {
        let known = self.homes.get(&from).copied().filter(|whose| self.peers.contains_key(whose));
        let whose = known.or_else(|| {
            if !self.strangers.may(from.ip(), now_us) {
                return None;
            }
            let is_from = |peer: &Peer| {
                catch_unwind(AssertUnwindSafe(|| peer.is_from(from, packet, now))).unwrap_or(false)
            };
            self.peers.iter().find(|(_, peer)| is_from(peer)).map(|(whose, _)| *whose)
        });
        let Some(whose) = whose else { return };
        if self.homes.len() >= self.most.saturating_mul(HOMES_EACH) {
            self.homes.clear();
        }
        self.homes.insert(from, whose);
        self.turn(whose, |peer, turn| peer.take(from, packet, (now, now_us), turn));
    }

    /// Sends a datagram. Says so where there is no open channel, or too much waits.
    pub(super) fn send(&mut self, whose: Whose, datagram: &[u8], now: Instant) {
        if self.turn(whose, |peer, turn| peer.send(datagram, now, turn)) != Some(true) {
            self.said.push((whose, Said::Refused(datagram.len())));
        }
    }

    /// Does what is due.
    pub(super) fn wake(&mut self, now: Instant) {
        let due: Vec<Whose> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.due <= now)
            .map(|(whose, _)| *whose)
            .collect();
        for whose in due {
            self.turn(whose, |peer, turn| peer.wake(now, turn));
        }
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.peers.values().map(|peer| peer.due).min()
    }

    /// Gives a channel its turn, and ends it where that fails. What others made is not to be trusted with
    /// more than its own channel.
    fn turn<T>(
        &mut self,
        whose: Whose,
        act: impl FnOnce(&mut Peer, &mut Turn) -> std::result::Result<T, End>,
    ) -> Option<T> {
        let peer = self.peers.get_mut(&whose)?;
        let mut turn = Turn::default();
        let done = catch_unwind(AssertUnwindSafe(|| act(peer, &mut turn)));
        self.packets.append(&mut turn.packets);
        self.said.extend(turn.heard.into_iter().map(|heard| (whose, Said::Heard(heard))));
        match done {
            Ok(Ok(done)) => return Some(done),
            Ok(Err(end)) => debug!("a data channel ended: {end}"),
            Err(_) => warn!("{}", broken()),
        }
        self.close(whose);
        self.said.push((whose, Said::Closed));
        None
    }
}

fn broken() -> String {
    "a data channel broke; its listener goes on over WebSocket".to_owned()
}

#[cfg(test)]
mod tests;
