//! Datagrams ⇄ messages: sound that goes by UDP, what is asked for again, and the proof of an address.
//!
//! Each datagram is a message of its own. Integers are big-endian. Nothing here has a socket or a clock.

mod cut;
mod parity;

pub use cut::cut;
pub(crate) use parity::of as parity_of;
pub use parity::{PAIR, PARITY_OF, Parities, parity, restore};

use byteorder::{BigEndian, ByteOrder};
use zeroize::Zeroizing;

use super::{AudioHeader, MAX_POSITION};
pub use crate::secure::nearest;

/// Longest datagram, in bytes: with its headers it fits into the smallest packet of IPv6, 1,280 bytes, so
/// that nothing is ever cut on the way.
pub const MAX_DATAGRAM: usize = 1_200;

/// Bytes of a datagram of sound that are kept free, for a seal.
pub const SEAL_ROOM: usize = 20;

/// Bytes by which what a client says is longer in a private room: a header, a token, a counter, a seal.
pub const PRIVATE_TO_SERVER: usize = 4 + 16 + 8 + 16;

/// Bytes by which what a server answers is longer in a private room: a header, a counter, a seal.
pub const PRIVATE_TO_CLIENT: usize = 4 + 8 + 16;

/// Bytes of a datagram of sound before its payload.
pub const SOUND_HEADER: usize = 28;

/// Where a sealed datagram of sound or of parity names the epoch whose key seals it.
pub const EPOCH_AT: usize = 3;

/// Bytes of a parity before what it restores.
pub const PARITY_HEADER: usize = 12;

/// Longest payload of a datagram of sound, in bytes. Parity over it is four bytes longer.
pub const MAX_DATAGRAM_PAYLOAD: usize = MAX_DATAGRAM - SEAL_ROOM - 4 - SOUND_HEADER;

/// Bytes of an ask before what is missing.
pub const ASK_HEADER: usize = 36;

/// Bytes of an answer, if it proves nothing but the address.
pub const ANSWER: usize = 28;

/// Bytes of a datagram of a microphone's sound before its payload.
pub const TALK_HEADER: usize = 52;

/// Bytes of a list of missing talk datagrams before what is missing.
pub const MISSING_HEADER: usize = 12;

/// Stretches of numbers that are asked for at once, of up to [`STRETCH`] numbers each.
pub const MAX_STRETCHES: usize = 16;

/// Numbers that one stretch names at most.
pub const STRETCH: u32 = 33;

/// Epochs whose keys one datagram tells at most: what fits beside its seal.
pub const MAX_EPOCHS: usize = (MAX_DATAGRAM - PRIVATE_TO_CLIENT - EPOCHS_HEADER) / 33;

/// Bytes of a datagram of keys before the first, which is 33 bytes long: a number and a secret.
pub const EPOCHS_HEADER: usize = 4;

/// Added to a stream's number where only one listener gets it: a mix that leaves its own voice out.
pub const OWN_STREAM: u8 = 0x40;

/// Flag bit 0 of an ask: sound is to come by datagram.
pub const FLAG_WANTED: u8 = 1;

/// Flag bit 1 of an ask: parity over each four is wanted too.
pub const FLAG_PARITY: u8 = 2;

/// Flag bit 2 of an ask: so is parity over each two.
pub const FLAG_PAIRS: u8 = 4;

/// Flag bit 0 of an answer: the ask's cookie was right for the address that it came from.
pub const FLAG_PROVEN: u8 = 1;

/// First bytes of datagrams. None is one that STUN, DTLS or RTP begin with.
pub mod kind {
    /// Server → client: timed sound.
    pub const SOUND: u8 = 0xa1;
    /// Server → client: what restores one of four, or one of two.
    pub const PARITY: u8 = 0xa2;
    /// Server → client: an ask has come.
    pub const ANSWER: u8 = 0xa3;
    /// Client → server: who I am, and what is missing.
    pub const ASK: u8 = 0xa4;
    /// Client → server: timed sound of its microphone.
    pub const TALK: u8 = 0xa5;
    /// Server → client: what of that is missing.
    pub const MISSING: u8 = 0xa6;
    /// Both ways, in a private room: one of those that are one listener's own, sealed.
    pub const PRIVATE: u8 = 0xa7;
    /// Server → client, in a private room: keys of sound that are needed soon.
    pub const EPOCHS: u8 = 0xa8;
}

/// What tells a server whose datagram it has got: said in a welcome, by TCP.
pub type Token = [u8; 16];

/// A datagram of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// Which stream, [`Codec::index`](crate::codec::Codec::index), with [`OWN_STREAM`] where it is one
    /// listener's own.
    pub stream: u8,
    /// Counts up by one with each datagram of its stream.
    pub number: u32,
    /// What it holds, and where that belongs.
    pub header: AudioHeader,
    /// Frames of the stream's codec, or one packet of Opus.
    pub payload: &'a [u8],
}

impl Piece<'_> {
    /// The datagram. `None` where the payload is longer than [`MAX_DATAGRAM_PAYLOAD`], or of more frames
    /// than 65,535.
    #[must_use]
    pub fn datagram(&self) -> Option<Vec<u8>> {
        let frames = u16::try_from(self.header.frames).ok()?;
        if self.payload.len() > MAX_DATAGRAM_PAYLOAD {
            return None;
        }
        let mut bytes = vec![0; SOUND_HEADER];
        (bytes[0], bytes[1], bytes[2]) = (kind::SOUND, self.header.flags, self.stream);
        BigEndian::write_u32(&mut bytes[4..], self.number);
        BigEndian::write_u16(&mut bytes[8..], frames);
        BigEndian::write_u64(&mut bytes[12..], self.header.position);
        BigEndian::write_u64(&mut bytes[20..], self.header.captured_us);
        bytes.extend_from_slice(self.payload);
        Some(bytes)
    }
}

/// What a server's datagram says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromServer<'a> {
    /// Sound.
    Sound(Piece<'a>),
    /// What restores one of some successive datagrams of a stream, [`restore`] says how.
    Parity {
        /// Which stream.
        stream: u8,
        /// The first of them.
        first: u32,
        /// The whole datagram.
        bytes: &'a [u8],
    },
    /// An ask has come.
    Answer(Answer),
    /// What of a microphone's sound is missing.
    Missing {
        /// The cookie of the address that this went to.
        cookie: u64,
        /// The numbers, at most [`MAX_STRETCHES`] × [`STRETCH`].
        numbers: Vec<u32>,
    },
}

impl<'a> FromServer<'a> {
    /// Reads a datagram. `None` of anything that is none of a server's: it is skipped.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        match *bytes.first()? {
            kind::SOUND if bytes.len() >= SOUND_HEADER => {
                let header = AudioHeader {
                    flags: bytes[1],
                    frames: BigEndian::read_u16(&bytes[8..]).into(),
                    position: BigEndian::read_u64(&bytes[12..]),
                    captured_us: BigEndian::read_u64(&bytes[20..]),
                };
                let number = BigEndian::read_u32(&bytes[4..]);
                let payload = &bytes[SOUND_HEADER..];
                let is_possible = is_possible(&header) && payload.len() <= MAX_DATAGRAM_PAYLOAD;
                is_possible.then_some(Self::Sound(Piece {
                    stream: bytes[2],
                    number,
                    header,
                    payload,
                }))
            }
            kind::PARITY if bytes.len() >= SOUND_HEADER + 4 && bytes.len() <= MAX_DATAGRAM => {
                let first = BigEndian::read_u32(&bytes[4..]);
                let is_possible = match parity_of(bytes)? {
                    PARITY_OF => first.is_multiple_of(PARITY_OF as u32),
                    _ => true,
                };
                is_possible.then_some(Self::Parity { stream: bytes[2], first, bytes })
            }
            kind::ANSWER if bytes.len() >= ANSWER => Some(Self::Answer(Answer {
                is_proven: bytes[1] & FLAG_PROVEN != 0,
                cookie: BigEndian::read_u64(&bytes[4..]),
                client_us: BigEndian::read_u64(&bytes[12..]),
                server_us: BigEndian::read_u64(&bytes[20..]),
            })),
            kind::MISSING if bytes.len() >= MISSING_HEADER => Some(Self::Missing {
                cookie: BigEndian::read_u64(&bytes[4..]),
                numbers: read_numbers(&bytes[MISSING_HEADER..]),
            }),
            _ => None,
        }
    }
}

/// Server → client: an ask has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The ask's cookie was right for the address that it came from.
    pub is_proven: bool,
    /// The cookie of that address.
    pub cookie: u64,
    /// Echoed from the ask, in µs of the client's clock.
    pub client_us: u64,
    /// When the ask was read, in µs of the server's clock.
    pub server_us: u64,
}

impl Answer {
    /// The datagram, with zeros at its end up to `length` bytes.
    #[must_use]
    pub fn datagram(&self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length.clamp(ANSWER, MAX_DATAGRAM)];
        (bytes[0], bytes[1]) = (kind::ANSWER, u8::from(self.is_proven) * FLAG_PROVEN);
        BigEndian::write_u64(&mut bytes[4..], self.cookie);
        BigEndian::write_u64(&mut bytes[12..], self.client_us);
        BigEndian::write_u64(&mut bytes[20..], self.server_us);
        bytes
    }
}

/// What a client's datagram says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromClient<'a> {
    /// Who it is, and what is missing.
    Ask(Ask),
    /// Sound of its microphone.
    Talk {
        /// Who it is.
        token: Token,
        /// What proves its address.
        cookie: u64,
        /// Counts up by one with each.
        number: u32,
        /// What it holds, and where that belongs.
        header: AudioHeader,
        /// Frames of the talker's codec, or one packet of Opus.
        payload: &'a [u8],
    },
}

impl<'a> FromClient<'a> {
    /// Reads a datagram. `None` of anything that is none of a client's: it is skipped, unanswered.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > MAX_DATAGRAM {
            return None;
        }
        match *bytes.first()? {
            kind::ASK if bytes.len() >= ASK_HEADER => Some(Self::Ask(Ask {
                is_wanted: bytes[1] & FLAG_WANTED != 0,
                parity: Parities {
                    of_four: bytes[1] & FLAG_PARITY != 0,
                    of_two: bytes[1] & FLAG_PAIRS != 0,
                },
                stream: bytes[2],
                token: bytes[4..20].try_into().ok()?,
                cookie: BigEndian::read_u64(&bytes[20..]),
                client_us: BigEndian::read_u64(&bytes[28..]),
                missing: read_numbers(&bytes[ASK_HEADER..]),
            })),
            kind::TALK if bytes.len() >= TALK_HEADER => {
                let header = AudioHeader {
                    flags: bytes[1],
                    frames: BigEndian::read_u16(&bytes[32..]).into(),
                    position: BigEndian::read_u64(&bytes[36..]),
                    captured_us: BigEndian::read_u64(&bytes[44..]),
                };
                let token = bytes[4..20].try_into().ok()?;
                let cookie = BigEndian::read_u64(&bytes[20..]);
                let number = BigEndian::read_u32(&bytes[28..]);
                let payload = &bytes[TALK_HEADER..];
                let talk = Self::Talk { token, cookie, number, header, payload };
                is_possible(&header).then_some(talk)
            }
            _ => None,
        }
    }
}

/// Client → server: who it is, and what is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Sound is to come by datagram.
    pub is_wanted: bool,
    /// So is this parity.
    pub parity: Parities,
    /// The stream whose numbers are missing.
    pub stream: u8,
    /// From the welcome.
    pub token: Token,
    /// From an answer; 0 before the first.
    pub cookie: u64,
    /// When it was sent, in µs of the client's clock.
    pub client_us: u64,
    /// Numbers that are to be sent again, oldest first.
    pub missing: Vec<u32>,
}

impl Ask {
    /// The datagram. Of what is missing it names the first numbers that fit. Without a cookie it is as
    /// long as a datagram may be, so that its answer proves that the path carries such.
    #[must_use]
    pub fn datagram(&self) -> Vec<u8> {
        self.datagram_within(MAX_DATAGRAM)
    }

    /// The datagram, `longest` bytes long where it has no cookie: its seal makes it as long as a datagram
    /// may be.
    #[must_use]
    pub fn datagram_within(&self, longest: usize) -> Vec<u8> {
        let mut bytes = vec![0; ASK_HEADER];
        (bytes[0], bytes[2]) = (kind::ASK, self.stream);
        bytes[1] = (u8::from(self.is_wanted) * FLAG_WANTED)
            | (u8::from(self.parity.of_four) * FLAG_PARITY)
            | (u8::from(self.parity.of_two) * FLAG_PAIRS);
        bytes[4..20].copy_from_slice(&self.token);
        BigEndian::write_u64(&mut bytes[20..], self.cookie);
        BigEndian::write_u64(&mut bytes[28..], self.client_us);
        write_numbers(&mut bytes, &self.missing);
        if self.cookie == 0 {
            bytes.truncate(ASK_HEADER);
            bytes.resize(longest.clamp(ASK_HEADER, MAX_DATAGRAM), 0);
        }
        bytes
    }
}

/// What a client says in a private room, whose server knows it by `token`: `sealed` begins with its counter.
#[must_use]
pub fn private_to_server(token: &Token, sealed: &[u8]) -> Vec<u8> {
    [&[kind::PRIVATE, 0, 0, 0][..], token, sealed].concat()
}

/// What a server answers in a private room: `sealed` begins with its counter.
#[must_use]
pub fn private_to_client(sealed: &[u8]) -> Vec<u8> {
    [&[kind::PRIVATE, 0, 0, 0][..], sealed].concat()
}

/// Whose a sealed datagram of a client is, and what is sealed, with its counter. `None` where it is none.
#[must_use]
pub fn read_private_to_server(bytes: &[u8]) -> Option<(Token, &[u8])> {
    let (token, sealed) = read_private_to_client(bytes)?.split_first_chunk::<16>()?;
    Some((*token, sealed))
}

/// What is sealed in a server's datagram, with its counter. `None` where it is none.
#[must_use]
pub fn read_private_to_client(bytes: &[u8]) -> Option<&[u8]> {
    let is_private = bytes.first() == Some(&kind::PRIVATE) && bytes.len() <= MAX_DATAGRAM;
    bytes.get(4..).filter(|_| is_private)
}

/// The datagram of a microphone's sound. `None` where the payload is longer than a datagram holds, or of
/// more frames than 65,535.
#[must_use]
pub fn talk_datagram(
    token: &Token,
    cookie: u64,
    number: u32,
    header: AudioHeader,
    payload: &[u8],
) -> Option<Vec<u8>> {
    let frames = u16::try_from(header.frames).ok()?;
    if TALK_HEADER + payload.len() > MAX_DATAGRAM - PRIVATE_TO_SERVER {
        return None;
    }
    let mut bytes = vec![0; TALK_HEADER];
    (bytes[0], bytes[1]) = (kind::TALK, header.flags);
    bytes[4..20].copy_from_slice(token);
    BigEndian::write_u64(&mut bytes[20..], cookie);
    BigEndian::write_u32(&mut bytes[28..], number);
    BigEndian::write_u16(&mut bytes[32..], frames);
    BigEndian::write_u64(&mut bytes[36..], header.position);
    BigEndian::write_u64(&mut bytes[44..], header.captured_us);
    bytes.extend_from_slice(payload);
    Some(bytes)
}

/// The datagram that asks a talker for `numbers`, of which it names the first that fit.
#[must_use]
pub fn missing_datagram(cookie: u64, numbers: &[u32]) -> Vec<u8> {
    let mut bytes = vec![0; MISSING_HEADER];
    bytes[0] = kind::MISSING;
    BigEndian::write_u64(&mut bytes[4..], cookie);
    write_numbers(&mut bytes, numbers);
    bytes
}

/// The datagram that tells keys of sound by the numbers of their epochs, of which it holds the first that fit.
#[must_use]
pub fn epochs_datagram<'a>(epochs: impl Iterator<Item = (u8, &'a [u8; 32])>) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_DATAGRAM));
    bytes.extend_from_slice(&[kind::EPOCHS, 0, 0, 0]);
    for (number, secret) in epochs.take(MAX_EPOCHS) {
        bytes.push(number);
        bytes.extend_from_slice(secret);
    }
    bytes
}

/// Whether a header says something that can be: it has frames, and nothing in it wraps.
fn is_possible(header: &AudioHeader) -> bool {
    header.frames > 0 && header.position < MAX_POSITION && header.captured_us < MAX_POSITION
}

/// Adds numbers as stretches: the first, and which of the 32 behind it.
fn write_numbers(bytes: &mut Vec<u8>, numbers: &[u32]) {
    let mut left = numbers.iter().copied().peekable();
    for _ in 0..MAX_STRETCHES {
        let Some(first) = left.next() else {
            return;
        };
        let mut mask = 0_u32;
        while let Some(next) = left.peek()
            && let behind @ 0..STRETCH = next.wrapping_sub(first)
        {
            // The first named twice is named once.
            mask |= behind.checked_sub(1).map_or(0, |bit| 1 << bit);
            left.next();
        }
        bytes.extend_from_slice(&first.to_be_bytes());
        bytes.extend_from_slice(&mask.to_be_bytes());
    }
}

/// Reads stretches of numbers, as many as may come at once.
fn read_numbers(bytes: &[u8]) -> Vec<u32> {
    let mut numbers = Vec::new();
    for stretch in bytes.chunks_exact(8).take(MAX_STRETCHES) {
        let (first, mask) = (BigEndian::read_u32(stretch), BigEndian::read_u32(&stretch[4..]));
        numbers.push(first);
        let behind = (0..32).filter(|bit| mask & 1 << bit != 0);
        numbers.extend(behind.map(|bit| first.wrapping_add(bit + 1)));
    }
    numbers
}

#[cfg(test)]
mod tests;
