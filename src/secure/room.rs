//! A room's secret, and the link that hands it on.

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::Key;
use super::derive::derive;

/// Bytes of a room's secret: nobody guesses 128 bits.
pub const SECRET: usize = 16;

/// Bytes by which a link names the server's key: nobody makes another key with the same.
pub const SERVER: usize = 16;

/// Characters of a link's fragment.
pub const LINK: usize = (SECRET + SERVER) * 4 / 3 + 1;

/// What everybody in a private room knows, and nobody else.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; SECRET]);

impl Secret {
    /// The secret that these random bytes are.
    #[must_use]
    pub fn new(random: [u8; SECRET]) -> Self {
        Self(random)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; SECRET] {
        &self.0
    }

    /// What the room is called where everybody may read it.
    #[must_use]
    pub fn id(&self) -> [u8; 8] {
        let mut id = [0; 8];
        id.copy_from_slice(&derive(&self.0, "auralync room id", &[]).bytes()[..8]);
        id
    }

    /// The key that both sides of a handshake mix in.
    pub(super) fn shared(&self) -> Key {
        derive(&self.0, "auralync room handshake", &[])
    }

    /// The key of what stands before a handshake, by which strangers are told at little cost.
    pub(super) fn first_look(&self) -> Key {
        derive(&self.0, "auralync room first look", &[])
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a link to a private room holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The room's secret.
    pub secret: Secret,
    /// Names the server's public key, [`name_of`].
    pub server: [u8; SERVER],
}

/// What a link cannot be read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkFault {
    /// It is shorter or longer than a link.
    #[error("it has {characters} characters behind the #, and a whole link has {LINK}")]
    Length {
        /// The characters behind the `#`.
        characters: usize,
    },
    /// It has characters that no link has.
    #[error("a character in it belongs to no link")]
    Character,
}

impl Link {
    /// The text behind the `#` of an address, of [`LINK`] characters.
    #[must_use]
    pub fn fragment(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; SECRET + SERVER]);
        bytes[..SECRET].copy_from_slice(self.secret.bytes());
        bytes[SECRET..].copy_from_slice(&self.server);
        Zeroizing::new(Base64UrlUnpadded::encode_string(&*bytes))
    }

    /// Reads a whole link or what stands behind its `#`.
    ///
    /// # Errors
    /// [`LinkFault`] where that is none.
    pub fn read(text: &str) -> Result<Self, LinkFault> {
        let fragment = text.trim().rsplit('#').next().unwrap_or_default();
        let characters = fragment.chars().count();
        if characters != LINK {
            return Err(LinkFault::Length { characters });
        }
        let mut bytes = Zeroizing::new([0; SECRET + SERVER]);
        Base64UrlUnpadded::decode(fragment, &mut *bytes).map_err(|_| LinkFault::Character)?;
        let (mut secret, mut server) = ([0; SECRET], [0; SERVER]);
        secret.copy_from_slice(&bytes[..SECRET]);
        server.copy_from_slice(&bytes[SECRET..]);
        let link = Self { secret: Secret::new(secret), server };
        secret.zeroize();
        Ok(link)
    }
}

/// The bytes by which a link names a server's public key.
#[must_use]
pub fn name_of(public: &[u8; 32]) -> [u8; SERVER] {
    let mut name = [0; SERVER];
    name.copy_from_slice(&derive(public, "auralync server", &[]).bytes()[..SERVER]);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Link {
        Link { secret: Secret::new(*b"secret of a room"), server: name_of(&[5; 32]) }
    }

    #[test]
    fn a_link_is_read_as_it_was_written_with_and_without_its_address() {
        let fragment = link().fragment();
        assert_eq!(fragment.len(), LINK);
        for text in [
            fragment.to_string(),
            format!("http://192.168.1.100:8080/#{}", *fragment),
            format!("  http://pc.local:8080/#{}\n", *fragment),
        ] {
            assert_eq!(Link::read(&text).as_ref(), Ok(&link()), "{text}");
        }
    }

    #[test]
    fn what_is_no_link_is_named() {
        let fragment = link().fragment();
        for (text, fault) in [
            ("", LinkFault::Length { characters: 0 }),
            ("http://192.168.1.100:8080/#", LinkFault::Length { characters: 0 }),
            (&fragment[1..], LinkFault::Length { characters: LINK - 1 }),
            (&format!("{}é", &fragment[1..]), LinkFault::Character),
            (&format!("{}+", &fragment[1..]), LinkFault::Character),
        ] {
            assert_eq!(Link::read(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn what_is_derived_from_a_secret_tells_nothing_of_what_else_is() {
        let secret = link().secret;
        let keys = [secret.shared(), secret.first_look(), Key::new([0; 32])];
        assert!(keys.iter().enumerate().all(|(n, key)| !keys[n + 1..].contains(key)));
        assert_ne!(secret.id(), Secret::new(*b"secret of a roon").id());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
    }
}
