//! What restores one of four datagrams of sound, or one of two: the exclusive or of all of them.

use byteorder::{BigEndian, ByteOrder};

use super::{MAX_DATAGRAM_PAYLOAD, SOUND_HEADER, kind};

/// Datagrams that one of parity stands for where it is to cost little. The number of the first is a
/// multiple of it.
pub const PARITY_OF: usize = 4;

/// Datagrams that one of parity stands for where there is no time to wait for four: each with the one
/// before it, so that either of its neighbours brings a datagram back.
pub const PAIR: usize = 2;

/// Which parity is wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parities {
    /// Over each [`PARITY_OF`] datagrams, a quarter more.
    pub of_four: bool,
    /// Over each datagram and the one before it, as much again.
    pub of_two: bool,
}

impl Parities {
    /// None at all.
    pub const NONE: Self = Self { of_four: false, of_two: false };

    /// What either wants.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { of_four: self.of_four || other.of_four, of_two: self.of_two || other.of_two }
    }

    /// Whether any is wanted.
    #[must_use]
    pub fn is_any(self) -> bool {
        self != Self::NONE
    }
}

/// Bytes of a datagram of sound that all of a stream have alike, or that follow from its number.
const COMMON: usize = 8;

/// Bytes of parity before what is combined.
const HEADER: usize = 12;

/// Where a parity says how many it stands for; 0 is [`PARITY_OF`].
const OF: usize = 10;

/// The datagram that restores any one of four successive datagrams of sound of one stream, or of two.
#[must_use]
pub fn parity<const N: usize>(all: [&[u8]; N]) -> Vec<u8> {
    const { assert!(N == PARITY_OF || N == PAIR) };
    let longest = all.iter().map(|bytes| bytes.len()).max().unwrap_or(0).max(SOUND_HEADER);
    let mut bytes = vec![0; HEADER + longest - COMMON];
    bytes[2..COMMON].copy_from_slice(&all[0][2..COMMON]);
    bytes[OF] = if N == PARITY_OF { 0 } else { N as u8 };
    let mut lengths = 0;
    for sound in all {
        bytes[1] ^= sound[1];
        lengths ^= sound.len() as u16;
        combine(&mut bytes[HEADER..], &sound[COMMON..]);
    }
    bytes[0] = kind::PARITY;
    BigEndian::write_u16(&mut bytes[COMMON..], lengths);
    bytes
}

/// How many datagrams a datagram of parity stands for; `None` where it says nothing that can be.
#[must_use]
pub(crate) fn of(parity: &[u8]) -> Option<usize> {
    match usize::from(*parity.get(OF)?) {
        0 => Some(PARITY_OF),
        PAIR => Some(PAIR),
        _ => None,
    }
}

/// The datagram that is missing beside the `others` of those that `parity` stands for. `None` where
/// these are not all of them but one.
#[must_use]
pub fn restore(parity: &[u8], others: &[&[u8]]) -> Option<Vec<u8>> {
    if parity.len() < HEADER || parity[0] != kind::PARITY || of(parity)? != others.len() + 1 {
        return None;
    }
    let first = BigEndian::read_u32(&parity[4..]);
    let mut missing = (0..=others.len() as u32).sum::<u32>();
    let mut body = parity[HEADER..].to_vec();
    let mut length = BigEndian::read_u16(&parity[COMMON..]);
    let mut flags = parity[1];
    let mut seen = [false; PARITY_OF];
    for sound in others {
        let is_sound = sound.len() >= SOUND_HEADER && sound[0] == kind::SOUND;
        if !is_sound || sound[2..4] != parity[2..4] || sound.len() - COMMON > body.len() {
            return None;
        }
        let place = BigEndian::read_u32(&sound[4..]).wrapping_sub(first);
        let seen = seen[..=others.len()].get_mut(place as usize)?;
        if std::mem::replace(seen, true) {
            return None;
        }
        missing -= place;
        flags ^= sound[1];
        length ^= sound.len() as u16;
        combine(&mut body, &sound[COMMON..]);
    }
    let length = usize::from(length);
    if !(SOUND_HEADER..=SOUND_HEADER + MAX_DATAGRAM_PAYLOAD).contains(&length)
        || length - COMMON > body.len()
    {
        return None;
    }
    let mut bytes = vec![0; COMMON];
    (bytes[0], bytes[1]) = (kind::SOUND, flags);
    bytes[2..4].copy_from_slice(&parity[2..4]);
    BigEndian::write_u32(&mut bytes[4..], first.wrapping_add(missing));
    bytes.extend_from_slice(&body[..length - COMMON]);
    Some(bytes)
}

/// The exclusive or of both, in the first, which is at least as long.
fn combine(into: &mut [u8], bytes: &[u8]) {
    into.iter_mut().zip(bytes).for_each(|(into, byte)| *into ^= byte);
}
