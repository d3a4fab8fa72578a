//! What goes over the wire in a private room alone: `docs/keys.md` has the protocol.

use std::collections::BTreeMap;

use base64ct::{Base64UrlUnpadded, Encoding};
use byteorder::{BigEndian, ByteOrder};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::json::{json, json_frame};
use super::{
    AUDIO_BODY_HEADER, AudioFrame, AudioHeader, PLAIN_HEADER, TYPED, Violation, WEBSOCKET_ROOM,
    kind, length_word, plain, websocket,
};

/// Bytes by which a sealed frame is longer.
pub const SEAL: usize = 16;

/// In a config: the room is private.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateRoom {
    /// The server's public key.
    #[serde(with = "key_text")]
    pub key: [u8; 32],
    /// What the room is called where everybody may read it, 16 hex digits.
    pub id: String,
    /// Random, and another on each connection: what was said on one is worth nothing on the next.
    #[serde(with = "key_text")]
    pub once: [u8; ONCE],
}

/// Bytes of [`PrivateRoom::once`].
pub const ONCE: usize = 16;

/// What a private room's server says to whoever comes, in words that every client shows.
pub const PRIVATE_ROOM: &str = "This room is private: ask for the link or the code";

impl PrivateRoom {
    /// The config of a private room, length word included: an error for those who know no private rooms.
    #[must_use]
    pub(super) fn frame(&self, version: u32) -> Vec<u8> {
        let text = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
        let (key, once) = (text(&self.key), text(&self.once));
        let mut json = format!(
            "{{\"error\": \"{PRIVATE_ROOM}\", \"auralync\": {{\"version\": {version}, \"hold\": true, \
             \"room\": {{\"key\": \"{key}\", \"id\": \"{}\", \"once\": \"{once}\"}}}}}}",
            self.id
        );
        while !json.len().is_multiple_of(4) {
            json.push(' ');
        }
        plain(json.as_bytes())
    }
}

/// In a welcome: the keys of sound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomKeys {
    /// The secret of what is for this listener alone.
    pub own: SecretText,
    /// The secrets of the epochs whose sound may come.
    pub epochs: BTreeMap<u8, SecretText>,
    /// The room's secret as it is now: what lets in the next time.
    pub secret: SecretText<16>,
}

/// A secret of so many bytes as text, which is wiped from memory when it is dropped and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText<const LENGTH: usize = 32>(Zeroizing<[u8; LENGTH]>);

impl<const LENGTH: usize> SecretText<LENGTH> {
    /// The text of these bytes.
    #[must_use]
    pub fn new(bytes: &[u8; LENGTH]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; LENGTH] {
        &self.0
    }
}

impl<const LENGTH: usize> std::fmt::Debug for SecretText<LENGTH> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretText(…)")
    }
}

impl<const LENGTH: usize> Serialize for SecretText<LENGTH> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        key_text::serialize(&self.0, serializer)
    }
}

impl<'de, const LENGTH: usize> Deserialize<'de> for SecretText<LENGTH> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        key_text::deserialize(deserializer).map(|bytes| Self(Zeroizing::new(bytes)))
    }
}

mod key_text {
    use super::*;

    pub(super) fn serialize<S: serde::Serializer, const LENGTH: usize>(
        key: &[u8; LENGTH],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(Base64UrlUnpadded::encode_string(key)))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>, const LENGTH: usize>(
        deserializer: D,
    ) -> Result<[u8; LENGTH], D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let mut key = [0; LENGTH];
        let read = Base64UrlUnpadded::decode(text.as_bytes(), &mut key);
        match read.map(<[u8]>::len) {
            Ok(length) if length == LENGTH => Ok(key),
            _ => Err(serde::de::Error::custom("a key of another length")),
        }
    }
}

/// Server → client: new keys of sound, before any sound that they seal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epochs {
    /// Secrets by the number of their epoch.
    pub epochs: BTreeMap<u8, SecretText>,
    /// The oldest epoch whose sound may still come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<u8>,
    /// The room's secret, where it is another one from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretText<16>>,
}

impl Epochs {
    /// Reads the body.
    ///
    /// # Errors
    /// [`Violation::Unreadable`] if it is none.
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        json("keys", body)
    }

    /// The whole typed frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        json_frame(kind::EPOCHS, self)
    }
}

/// What a sealed audio frame says openly of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealedHeader {
    /// As in an audio frame.
    pub audio: AudioHeader,
    /// Which stream.
    pub stream: u8,
    /// Whose epoch's key seals it.
    pub epoch: u8,
}

impl SealedHeader {
    /// Bytes of the body that lie open.
    pub const OPEN: usize = AUDIO_BODY_HEADER;

    /// Reads what lies open of the body of a [`kind::SEALED`] frame.
    ///
    /// # Errors
    /// As [`AudioHeader::split`].
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        let (audio, sealed) = AudioHeader::split(body)?;
        if sealed.len() < SEAL {
            return Err(Violation::TooShort { length: length_word(body.len() + 1) });
        }
        Ok(Self { audio, stream: body[1], epoch: body[2] })
    }
}

impl AudioFrame {
    /// This frame, sealed: `seal` gets its counter, how many bytes of it lie open, and its body, whose
    /// rest it seals and makes [`SEAL`] bytes longer. `None` where that cannot be.
    #[must_use]
    pub fn sealed(
        &self,
        (stream, epoch): (u8, u8),
        seal: impl FnOnce(u64, usize, &mut Vec<u8>) -> Option<()>,
    ) -> Option<Self> {
        const START: usize = PLAIN_HEADER + 1;
        let open = &self.typed()[START..];
        let mut body = Vec::with_capacity(open.len() + SEAL);
        body.extend_from_slice(open);
        (body[1], body[2]) = (stream, epoch);
        seal(self.header().position, AUDIO_BODY_HEADER, &mut body)?;
        let mut bytes = vec![0; WEBSOCKET_ROOM + START + body.len()];
        let (room, frame) = bytes.split_at_mut(WEBSOCKET_ROOM);
        websocket::write_header(room, frame.len());
        BigEndian::write_u32(frame, TYPED | length_word(body.len() + 1));
        frame[PLAIN_HEADER] = kind::SEALED;
        frame[START..].copy_from_slice(&body);
        Some(Self { bytes: bytes.into(), ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_frame_keeps_its_header_and_nothing_of_its_sound() {
        let header = AudioHeader { flags: 1, frames: 2, position: 70, captured_us: 9 };
        let frame = AudioFrame::float32(header, &[0.5; 4]);
        let sealed = frame.sealed((2, 7), |counter, open, body| {
            assert_eq!((counter, open, body.len()), (70, SealedHeader::OPEN, 23 + 16));
            body[open..].fill(0xee);
            body.extend([0xff; SEAL]);
            Some(())
        });
        let sealed = sealed.unwrap();
        let typed = sealed.typed();
        assert_eq!((typed[4], typed.len()), (kind::SEALED, frame.typed().len() + SEAL));
        assert_eq!(BigEndian::read_u32(typed), TYPED | (typed.len() as u32 - 4));
        let read = SealedHeader::read(&typed[5..]).unwrap();
        assert_eq!(read, SealedHeader { audio: header, stream: 2, epoch: 7 });
        assert!(sealed.websocket().ends_with(typed));
        assert!(SealedHeader::read(&typed[5..5 + 23 + SEAL - 1]).is_err());
    }

    #[test]
    fn keys_are_read_as_they_were_written_and_not_shown() {
        let epochs =
            BTreeMap::from([(7, SecretText::new(&[1; 32])), (8, SecretText::new(&[2; 32]))]);
        let epochs = Epochs { epochs, since: Some(6), secret: Some(SecretText::new(&[3; 16])) };
        let frame = epochs.frame();
        assert_eq!(Epochs::read(&frame[5..]).as_ref(), Ok(&epochs));
        assert!(!format!("{epochs:?}").contains("AQEB"));
        for wrong in [
            "{}",
            r#"{"epochs":{"7":"AAAA"}}"#,
            r#"{"epochs":{"256":""}}"#,
            r#"{"epochs":{},"since":256}"#,
        ] {
            assert!(Epochs::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
