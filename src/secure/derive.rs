//! Keys from keys.

use blake2::Blake2sMac256;
use blake2::digest::{FixedOutput, KeyInit, Update};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A key of 256 bits, which is wiped from memory when it is dropped and never shown.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; 32]);

impl Key {
    /// The key that these bytes are.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key for one purpose: BLAKE2s with this key (RFC 7693) over `label` and `context`, a label
    /// never being the beginning of another.
    #[must_use]
    pub fn derive(&self, label: &str, context: &[u8]) -> Self {
        derive(&self.0, label, context)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What [`Key::derive`] makes of a secret of up to 32 bytes; longer ones are cut there.
pub(super) fn derive(secret: &[u8], label: &str, context: &[u8]) -> Key {
    let mut mac = keyed(secret);
    mac.update(label.as_bytes());
    mac.update(context);
    Key(mac.finalize_fixed().into())
}

/// BLAKE2s with the first 32 bytes of a secret as its key.
fn keyed(secret: &[u8]) -> Blake2sMac256 {
    let mut key = blake2::digest::Key::<Blake2sMac256>::default();
    let length = secret.len().min(key.len());
    key[..length].copy_from_slice(&secret[..length]);
    let mac = Blake2sMac256::new(&key);
    key.zeroize();
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_that_of_blake2s_as_its_authors_compute_it() {
        // The keyed test vectors of BLAKE2s: key 00 01 … 1f, and no input, then 00 01 02.
        let key = Key::new(std::array::from_fn(|n| n as u8));
        let hex =
            |key: Key| key.bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(
            hex(key.derive("", &[])),
            "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49"
        );
        assert_eq!(
            hex(key.derive("", &[0, 1, 2])),
            "1d220dbe2ee134661fdf6d9e74b41704710556f2f6e5a091b227697445dbea6b"
        );
    }

    #[test]
    fn a_key_is_not_shown() {
        assert_eq!(format!("{:?}", Key::new([7; 32])), "Key(…)");
    }
}
