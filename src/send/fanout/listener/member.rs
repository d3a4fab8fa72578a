//! A listener in a private room: nothing is said before it has entered, and all of it sealed then.

use std::net::SocketAddr;

use zeroize::Zeroizing;

use super::{Listener, Outbox, Phase};
use crate::secure::Key;
use crate::secure::handshake::{AnyOrder, Channel, Opening, Sealing};
use crate::wire::datagram::private_to_client;
use crate::wire::{Notice, PLAIN_HEADER, Reason, Violation, kind};

/// Somebody who knocks and whom nobody answers goes after so long, in µs.
const KNOCKS_FOR_US: u64 = 120_000_000;

/// A listener who has entered a private room.
#[derive(Debug)]
pub struct Member {
    /// Its public key.
    pub key: [u8; 32],
    /// The secret of sound that is for it alone.
    pub own: Key,
    opening: Opening,
    sealing_datagrams: Sealing,
    opening_datagrams: AnyOrder,
}

impl Listener {
    /// A listener at the door of a private room: the frame `config`, and no more before it has entered.
    pub fn held(peer: SocketAddr, config: Vec<u8>, now_us: u64) -> Self {
        let outbox = Outbox::holding(config.clone());
        let mut listener = Self::new(peer, Phase::AtDoor, outbox, now_us);
        listener.heard_since_us = Some(now_us);
        listener.hold(&config);
        listener
    }

    /// It stands at the door of a private room: nothing is said to it but the frame `config` before it has entered.
    pub fn hold(&mut self, config: &[u8]) {
        self.phase = Phase::AtDoor;
        self.config = config.get(PLAIN_HEADER..).unwrap_or_default().to_vec();
    }

    /// Whether the room is private, so that nothing is said to it before it has entered.
    #[must_use]
    pub fn is_held(&self) -> bool {
        !self.config.is_empty()
    }

    /// It has a seat, waits until somebody lets it in, and is told so, and nothing else.
    pub fn knock(&mut self, text: &str, now_us: u64) {
        self.phase = Phase::Plain;
        self.knocks_until_us = Some(now_us + KNOCKS_FOR_US);
        self.outbox.notice(&Notice::because(Reason::Waiting, text));
    }

    /// It is let in, and listens from `now_us` on.
    pub fn is_let_in(&mut self, now_us: u64) {
        self.knocks_until_us = None;
        self.since_us = now_us;
    }

    /// Whether it is one of those who are there, and has not only come to the door of a private room.
    #[must_use]
    pub fn is_inside(&self) -> bool {
        self.is_seated() && (!self.is_held() || self.member.is_some())
    }

    /// It has entered the private room with its key: what is said from now on goes through `channel`.
    pub fn enter(&mut self, key: [u8; 32], own: Key, channel: Channel) {
        let Channel { sealing, opening, sealing_datagrams, opening_datagrams } = channel;
        self.outbox.seal_with(sealing);
        self.member = Some(Member { key, own, opening, sealing_datagrams, opening_datagrams });
    }
}

impl Member {
    /// The kind and the body that a frame of that kind has sealed.
    pub(super) fn open(&mut self, kind: u8, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, Violation> {
        let opened = (kind == kind::PRIVATE).then(|| self.opening.open(body).ok()).flatten();
        opened.filter(|opened| !opened.is_empty()).ok_or_else(unsealed)
    }
}

impl Member {
    /// A datagram that it has sealed; `None` where it is another's, or came before.
    pub fn open_datagram(&mut self, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.opening_datagrams.open(sealed).ok()
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
