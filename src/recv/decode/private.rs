//! A private room, from the listener's side: entering it, and opening what is sealed.

use byteorder::{BigEndian, ByteOrder};
use zeroize::Zeroizing;

use crate::recv::rooms::Ticket;
use crate::secure::Key;
use crate::secure::handshake::{AnyOrder, Asking, Channel, Opening, Sealing, Terms};
use crate::secure::keyring::{Keyring, Kind};
use crate::secure::room::Secret;
use crate::wire::datagram::{self, PAIR, parity_of};
use crate::wire::{
    AudioHeader, Epochs, Hello, MAX_JSON, PLAIN_HEADER, PrivateRoom, SealedHeader, Violation,
    Welcome, kind, typed,
};

/// Why a room is not entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// It is private, and there is no ticket.
    NoTicket,
    /// It is open, and the ticket says that it should not be.
    Open,
    /// The ticket is for another server, or somebody pretends to be this one.
    OtherServer,
    /// The ticket is for another room, or an old one.
    OtherRoom,
    /// Whoever runs the room does not let us in.
    NotLetIn,
    /// The server shows another code than the one that was typed.
    WrongCode,
    /// The server shows no code.
    NoCode,
    /// Codes were tried too often.
    CodeWait {
        /// How long to wait before the next try, in seconds.
        seconds: u32,
    },
}

/// Entering on its way.
#[derive(Debug)]
pub(super) struct Entering(Asking, Ticket);

/// What is sealed goes through this.
#[derive(Debug)]
pub(super) struct Inside {
    sealing: Sealing,
    opening: Opening,
    /// What seals datagrams, until their socket has it.
    pub(super) sealing_datagrams: Option<Sealing>,
    opening_datagrams: AnyOrder,
    ring: Keyring,
    /// What was opened last.
    opened: Vec<u8>,
}

/// The frame with which `ticket`'s listener asks to enter `room`, whose config had that payload; `random` is
/// for this handshake alone. `None` where the room's key is none.
pub(super) fn ask(
    ticket: &Ticket,
    room: &PrivateRoom,
    config: &[u8],
    hello: &Hello,
    random: &Key,
) -> Option<(Entering, Vec<u8>)> {
    let terms = Terms { secret: &ticket.secret, own: &ticket.own, config, random };
    let body = hello.frame().split_off(PLAIN_HEADER + 1);
    let (asking, message) = terms.ask(&room.key, &body)?;
    Some((Entering(asking, ticket.clone()), typed(kind::ENTER, &message)))
}

impl Entering {
    /// The welcome that the answer holds, and what opens all that follows.
    pub(super) fn finish(self, body: &[u8]) -> Result<(Welcome, Inside, Ticket), Violation> {
        let unreadable = |why: &str| Violation::Unreadable { what: "welcome", why: why.to_owned() };
        if body.len() > 2 * MAX_JSON {
            return Err(unreadable("it is too long"));
        }
        let finished = self.0.finish(body);
        let (channel, welcome) =
            finished.map_err(|_| unreadable("somebody else than the room's server sent it"))?;
        let mut welcome = Welcome::read(&welcome)?;
        let keys = welcome.room.take().ok_or_else(|| unreadable("it holds no keys"))?;
        let mut ring = Keyring::new(Key::new(*keys.own.bytes()));
        for (epoch, secret) in keys.epochs {
            ring.learn(epoch, Key::new(*secret.bytes()));
        }
        let ticket = Ticket { secret: Secret::new(*keys.secret.bytes()), ..self.1 };
        let Channel { sealing, opening, sealing_datagrams, opening_datagrams } = channel;
        let sealing_datagrams = Some(sealing_datagrams);
        let opened = Vec::new();
        let inside =
            Inside { sealing, opening, sealing_datagrams, opening_datagrams, ring, opened };
        Ok((welcome, inside, ticket))
    }
}

impl Inside {
    /// Seals a frame that is to be said.
    pub(super) fn seal(&mut self, frame: &[u8]) -> Vec<u8> {
        let inner = frame.get(PLAIN_HEADER..).unwrap_or_default();
        typed(kind::PRIVATE, &self.sealing.seal(inner).unwrap_or_default())
    }

    /// Opens a frame that is for this listener alone: its kind and its body.
    pub(super) fn open(&mut self, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, Violation> {
        let opened = self.opening.open(body).ok();
        opened.filter(|opened| !opened.is_empty()).ok_or_else(wrong_seal)
    }

    /// Takes keys of sound. Returns the room's secret, where that is another one from now on.
    pub(super) fn learn(&mut self, body: &[u8]) -> Result<Option<Secret>, Violation> {
        let Epochs { epochs, since, secret } = Epochs::read(body)?;
        for (epoch, secret) in epochs {
            self.ring.learn(epoch, Key::new(*secret.bytes()));
        }
        if let Some(since) = since {
            self.ring.forget_before(since);
        }
        Ok(secret.map(|secret| Secret::new(*secret.bytes())))
    }

    /// Opens a frame of sound.
    pub(super) fn open_sound(&mut self, body: &[u8]) -> Result<(AudioHeader, &[u8]), Violation> {
        let SealedHeader { audio, stream, epoch } = SealedHeader::read(body)?;
        let which = (Kind::Frame, epoch, stream);
        let opened = &mut self.opened;
        if !self.ring.open(which, audio.position, SealedHeader::OPEN, body, opened) {
            return Err(wrong_seal());
        }
        Ok((audio, opened))
    }

    /// Opens a datagram. `None` where it is sealed wrongly, or came before.
    pub(super) fn open_datagram(&mut self, bytes: &[u8]) -> Option<&[u8]> {
        let (kind, open) = match *bytes.first()? {
            datagram::kind::SOUND => (Kind::Sound, datagram::SOUND_HEADER),
            datagram::kind::PARITY if parity_of(bytes)? == PAIR => {
                (Kind::OfTwo, datagram::PARITY_HEADER)
            }
            datagram::kind::PARITY => (Kind::OfFour, datagram::PARITY_HEADER),
            _ => {
                let sealed = datagram::read_private_to_client(bytes)?;
                let opened = self.opening_datagrams.open(sealed).ok()?;
                self.opened.clear();
                if let [datagram::kind::EPOCHS, _, _, _, told @ ..] = &opened[..] {
                    self.ring.learn_all(told);
                } else {
                    self.opened.extend_from_slice(&opened);
                }
                return Some(&self.opened);
            }
        };
        let header = bytes.get(..open)?;
        let which = (kind, header[datagram::EPOCH_AT], header[2]);
        let number = BigEndian::read_u32(&header[4..]);
        let mut payload = std::mem::take(&mut self.opened);
        let is_right = self.ring.open_number(which, number, open, bytes, &mut payload);
        if is_right {
            payload.splice(..0, header.iter().copied());
        }
        self.opened = payload;
        is_right.then_some(&self.opened[..])
    }
}

fn wrong_seal() -> Violation {
    let why = "somebody without the room's keys sent it".to_owned();
    Violation::Unreadable { what: "sealed frame", why }
}
