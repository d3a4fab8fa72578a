//! The keys by which an engine knows its users: Ed25519, and written so that people see what they are.

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::{Signer, SigningKey};

use crate::secure::Key;

/// Characters of a public key as it is written.
pub const PUBLIC_LENGTH: usize = 56;

/// What stands in front of a user's public key, so that its text begins with U:
/// <https://github.com/nats-io/nkeys>.
const USER: u8 = 20 << 3;

/// A user's pair of keys.
#[derive(Clone)]
pub struct Nkey(SigningKey);

impl Nkey {
    /// The pair that is made from these random bytes.
    #[must_use]
    pub fn new(seed: &Key) -> Self {
        Self(SigningKey::from_bytes(seed.bytes()))
    }

    /// The key that the engine is told, as text: U and 55 more letters and digits.
    #[must_use]
    pub fn public(&self) -> String {
        let mut bytes = vec![USER];
        bytes.extend(self.0.verifying_key().as_bytes());
        bytes.extend(crc(&bytes).to_le_bytes());
        base32(&bytes)
    }

    /// Shows that the pair is ours: the signature of what the engine said, as it wants it.
    #[must_use]
    pub fn sign(&self, nonce: &str) -> String {
        Base64UrlUnpadded::encode_string(&self.0.sign(nonce.as_bytes()).to_bytes())
    }
}

/// CRC-16 with the polynomial 0x1021 from 0 on, the highest bit first.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

/// Five bits a character, the highest first (RFC 4648, section 6), without padding.
fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let letters = (0..(bytes.len() * 8).div_ceil(5)).map(|letter| {
        let value = (0..5).fold(0, |value, at| value << 1 | bit(letter * 5 + at));
        char::from(LETTERS[usize::from(value)])
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_and_letters_are_those_of_the_standards() {
        // The check value of CRC-16/XMODEM, and RFC 4648, section 10.
        assert_eq!(crc(b"123456789"), 0x31c3);
        assert_eq!(base32(b"foobar"), "MZXW6YTBOI");
        assert_eq!(base32(b"foob"), "MZXW6YQ");
    }

    #[test]
    fn a_public_key_is_written_as_an_engine_reads_it() {
        let nkey = Nkey::new(&Key::new([7; 32]));
        let public = nkey.public();
        assert_eq!(public.len(), PUBLIC_LENGTH);
        assert!(public.starts_with('U'), "{public}");
        assert_ne!(public, Nkey::new(&Key::new([8; 32])).public());
    }

    #[test]
    fn a_signature_is_of_what_was_said_alone() {
        let nkey = Nkey::new(&Key::new([7; 32]));
        assert_eq!(nkey.sign("nonce"), nkey.sign("nonce"));
        assert_ne!(nkey.sign("nonce"), nkey.sign("another"));
        assert_eq!(nkey.sign("nonce").len(), 86);
    }
}
