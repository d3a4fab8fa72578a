//! A listener in a private room: nothing is said before it has entered, and all of it sealed then.

use std::net::SocketAddr;

use zeroize::Zeroizing;

use super::{Listener, Outbox, Phase};
use crate::secure::Key;
use crate::secure::handshake::{AnyOrder, Channel, Opening, Sealing};
use crate::wire::datagram::private_to_client;
use crate::wire::{Violation, kind};

/// A listener who has entered a private room.
#[derive(Debug)]
pub struct Member {
    /// Its public key.
    pub key: [u8; 32],
    /// The secret of sound that is for it alone.
    pub own: Key,
    /// Whether it has said anything since: its first message may be somebody's copy.
    pub is_confirmed: bool,
    opening: Opening,
    sealing_datagrams: Sealing,
    opening_datagrams: AnyOrder,
}

impl Listener {
    /// A listener that has a seat in a private room: `config`, and no more before it has entered.
    pub fn held(peer: SocketAddr, config: Vec<u8>, now_us: u64) -> Self {
        let mut listener = Self::new(peer, Phase::Plain, Outbox::holding(config), now_us);
        listener.is_held = true;
        listener.heard_since_us = Some(now_us);
        listener
    }

    /// It has entered the private room with its key: what is said from now on goes through `channel`.
    pub fn enter(&mut self, key: [u8; 32], own: Key, channel: Channel) {
        let Channel { sealing, opening, sealing_datagrams, opening_datagrams } = channel;
        self.outbox.seal_with(sealing);
        let is_confirmed = false;
        self.member =
            Some(Member { key, own, is_confirmed, opening, sealing_datagrams, opening_datagrams });
    }

    /// Whether it has shown that it is there now, where that is not certain from the beginning.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.member.as_ref().is_none_or(|member| member.is_confirmed)
    }
}

impl Member {
    /// The kind and the body that a frame of that kind has sealed.
    pub(super) fn open(&mut self, kind: u8, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, Violation> {
        let opened = (kind == kind::PRIVATE).then(|| self.opening.open(body).ok()).flatten();
        let opened = opened.filter(|opened| !opened.is_empty()).ok_or_else(unsealed)?;
        self.is_confirmed = true;
        Ok(opened)
    }
}

impl Member {
    /// A datagram that it has sealed; `None` where it is another's, or came before.
    pub fn open_datagram(&mut self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let opened = self.opening_datagrams.open(sealed).ok()?;
        self.is_confirmed = true;
        Some(opened)
    }

    /// A datagram for it, sealed.
    pub fn seal_datagram(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        self.sealing_datagrams.seal(bytes).map(|sealed| private_to_client(&sealed))
    }
}

/// Something came openly, or sealed wrongly, in a private room.
pub(super) fn unsealed() -> Violation {
    let why = "this room is private, and it was not sealed as it must be".to_owned();
    Violation::Unreadable { what: "frame", why }
}
