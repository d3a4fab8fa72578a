//! The seal on sound: made once for everybody in the room, with the key of an epoch.
//!
//! ChaCha20-Poly1305 (RFC 8439). What lies before the payload is read by anybody and changed by nobody.

use chacha20poly1305::aead::AeadInPlace;
use chacha20poly1305::{ChaCha20Poly1305, KeyInit};

use super::{Key, Window};

/// Bytes by which a sealed payload is longer.
pub const TAG: usize = 16;

/// Seals one kind of sound of one stream in one epoch.
#[derive(Debug)]
pub struct Sealer {
    cipher: Cipher,
    /// The lowest counter that may come next: none is used twice under one key.
    next: u64,
}

/// Opens what a [`Sealer`] with that key has sealed, each once.
#[derive(Debug)]
pub struct Opener {
    cipher: Cipher,
    window: Window,
}

/// One key.
pub(super) struct Cipher(ChaCha20Poly1305);

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher(…)")
    }
}

impl Cipher {
    pub(super) fn new(key: &Key) -> Self {
        Self(ChaCha20Poly1305::new(key.bytes().into()))
    }

    /// Seals what follows the first `open` bytes of a message in its place; [`TAG`] bytes come behind
    /// it. `None`, and nothing is changed, where the message is shorter.
    pub(super) fn seal(&self, counter: u64, open: usize, message: &mut Vec<u8>) -> Option<()> {
        let (header, payload) = message.split_at_mut_checked(open)?;
        let nonce = nonce(counter);
        let tag = self.0.encrypt_in_place_detached(&nonce.into(), header, payload).ok()?;
        message.extend_from_slice(&tag);
        Some(())
    }

    /// Opens a message whose first `open` bytes lie open, into `payload`. `false`, and `payload` holds
    /// nothing, where the seal is not right.
    pub(super) fn open(
        &self,
        counter: u64,
        open: usize,
        message: &[u8],
        payload: &mut Vec<u8>,
    ) -> bool {
        payload.clear();
        let Some((header, sealed)) = message.split_at_checked(open) else {
            return false;
        };
        let Some(length) = sealed.len().checked_sub(TAG) else {
            return false;
        };
        let (sealed, tag) = sealed.split_at(length);
        payload.extend_from_slice(sealed);
        let (nonce, tag) = (nonce(counter), chacha20poly1305::Tag::from_slice(tag));
        let opened = self.0.decrypt_in_place_detached(&nonce.into(), header, payload, tag);
        if opened.is_err() {
            payload.clear();
        }
        opened.is_ok()
    }
}

/// Twelve bytes: four zeros, and the counter in big-endian.
fn nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    nonce
}

impl Sealer {
    /// A sealer with a key that no other sealer has.
    #[must_use]
    pub fn new(key: &Key) -> Self {
        Self { cipher: Cipher::new(key), next: 0 }
    }

    /// Seals what follows the first `open` bytes of a message in its place; [`TAG`] bytes come behind it.
    /// `None`, and nothing is changed, where the counter is not higher than all before it, or the message
    /// is shorter.
    #[must_use]
    pub fn seal(&mut self, counter: u64, open: usize, message: &mut Vec<u8>) -> Option<()> {
        if counter < self.next || counter == u64::MAX || open > message.len() {
            return None;
        }
        self.next = counter + 1;
        self.cipher.seal(counter, open, message)
    }
}

impl Opener {
    /// An opener for the sealer with that key.
    #[must_use]
    pub fn new(key: &Key) -> Self {
        Self { cipher: Cipher::new(key), window: Window::default() }
    }

    /// Opens a message whose first `open` bytes lie open, into `payload`. `false`, and `payload` holds
    /// nothing, where the seal is not right or the counter came before.
    #[must_use]
    pub fn open(
        &mut self,
        counter: u64,
        open: usize,
        message: &[u8],
        payload: &mut Vec<u8>,
    ) -> bool {
        payload.clear();
        if !self.window.is_new(counter) || !self.cipher.open(counter, open, message, payload) {
            return false;
        }
        self.window.take(counter)
    }

    /// The highest counter that was opened, and one more; 0 before any.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.window.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> (Sealer, Opener) {
        let key = Key::new([9; 32]);
        (Sealer::new(&key), Opener::new(&key))
    }

    #[test]
    fn the_cipher_is_that_of_rfc_8439() {
        // Section 2.8.2, whose nonce begins with 07 00 00 00: so the cipher alone, without ours.
        let key = Key::new(std::array::from_fn(|n| 0x80 + n as u8));
        let nonce = [7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47];
        let aad = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let mut text = *b"Ladies and Gentlemen of the class of '99: If I could offer you \
                          only one tip for the future, sunscreen would be it.";
        let cipher = Cipher::new(&key);
        let tag = cipher.0.encrypt_in_place_detached(&nonce.into(), &aad, &mut text).unwrap();
        assert_eq!(text[..8], [0xd3, 0x1a, 0x8d, 0x34, 0x64, 0x8e, 0x60, 0xdb]);
        assert_eq!(tag[..4], [0x1a, 0xe1, 0x0b, 0x59]);
    }

    #[test]
    fn what_is_sealed_is_opened_once() {
        let (mut sealer, mut opener) = both();
        let mut payload = Vec::new();
        for counter in [0, 1, 7, 5_000] {
            let mut message = b"headsound".to_vec();
            sealer.seal(counter, 4, &mut message).unwrap();
            assert_eq!((&message[..4], message.len()), (&b"head"[..], 9 + TAG));
            assert_ne!(&message[4..9], b"sound");
            assert!(opener.open(counter, 4, &message, &mut payload));
            assert_eq!(payload, b"sound");
            assert!(!opener.open(counter, 4, &message, &mut payload) && payload.is_empty());
        }
    }

    #[test]
    fn a_counter_is_used_once() {
        let (mut sealer, _) = both();
        let mut message = b"headsound".to_vec();
        sealer.seal(3, 4, &mut message).unwrap();
        let sealed = message.clone();
        for counter in [3, 2, 0, u64::MAX] {
            assert_eq!(sealer.seal(counter, 4, &mut message), None);
            assert_eq!(message, sealed);
        }
    }

    #[test]
    fn each_bit_that_is_changed_each_other_counter_and_each_cut_is_refused() {
        let (mut sealer, mut opener) = both();
        let mut message = b"headsound".to_vec();
        sealer.seal(3, 4, &mut message).unwrap();
        let mut payload = Vec::new();
        for bit in 0..message.len() * 8 {
            let mut changed = message.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(!opener.open(3, 4, &changed, &mut payload), "bit {bit}");
        }
        for length in 0..message.len() {
            assert!(!opener.open(3, 4, &message[..length], &mut payload), "{length} bytes");
        }
        for (counter, open) in [(2, 4), (4, 4), (3, 3), (3, 5), (3, 400)] {
            assert!(!opener.open(counter, open, &message, &mut payload));
        }
        let mut other = Opener::new(&Key::new([8; 32]));
        assert!(!other.open(3, 4, &message, &mut payload));
        assert!(opener.open(3, 4, &message, &mut payload));
    }
}
