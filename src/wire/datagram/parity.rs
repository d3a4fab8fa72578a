//! What restores one of four datagrams of sound: the exclusive or of all four.

use byteorder::{BigEndian, ByteOrder};

use super::{MAX_DATAGRAM_PAYLOAD, SOUND_HEADER, kind};

/// Datagrams that one of parity stands for. The number of the first is a multiple of it.
pub const PARITY_OF: usize = 4;

/// Bytes of a datagram of sound that all of a stream have alike, or that follow from its number.
const COMMON: usize = 8;

/// Bytes of parity before what is combined.
const HEADER: usize = 12;

/// The datagram that restores any one of four successive datagrams of sound of one stream.
#[must_use]
pub fn parity(four: [&[u8]; PARITY_OF]) -> Vec<u8> {
    let longest = four.iter().map(|bytes| bytes.len()).max().unwrap_or(0).max(SOUND_HEADER);
    let mut bytes = vec![0; HEADER + longest - COMMON];
    let [first, ..] = four;
    bytes[2..COMMON].copy_from_slice(&first[2..COMMON]);
    let mut lengths = 0;
    for sound in four {
        bytes[1] ^= sound[1];
        lengths ^= sound.len() as u16;
        combine(&mut bytes[HEADER..], &sound[COMMON..]);
    }
    bytes[0] = kind::PARITY;
    BigEndian::write_u16(&mut bytes[COMMON..], lengths);
    bytes
}

/// The datagram that is missing beside the `others` of the four that `parity` stands for. `None` where
/// these are not three of its four.
#[must_use]
pub fn restore(parity: &[u8], others: [&[u8]; PARITY_OF - 1]) -> Option<Vec<u8>> {
    if parity.len() < HEADER || parity[0] != kind::PARITY {
        return None;
    }
    let first = BigEndian::read_u32(&parity[4..]);
    let mut missing = (0..PARITY_OF as u32).sum::<u32>();
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
        let seen = seen.get_mut(place as usize)?;
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
