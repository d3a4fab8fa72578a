//! Bytes ⇄ messages: the protocol of `docs/protocol.md`, with no I/O and no clock.
//!
//! Two framings share a connection. *Plain* frames are generation one's: `u32 length`, payload.
//! *Typed* frames are generation two's: `u32 (0x8000_0000 | length)`, `u8 kind`, body. Every header
//! integer is big-endian; samples are interleaved IEEE float32, little-endian.

mod channel;
pub mod datagram;
mod deframe;
pub mod http;
mod json;
mod message;
mod path;
mod ping;
mod sealed;
mod talk;
pub mod websocket;

pub use channel::{MAX_OFFER_BYTES, Offer, OfferAnswer};
pub use deframe::{Deframer, Frame, Limits};
pub(crate) use message::sessions;
pub use message::{
    AuralyncKey, Config, Datagrams, Hello, MAX_CAPTURED, MAX_CAPTURED_BYTES, MAX_PLAYOUT_DELAY_MS,
    MAX_VIA, Notice, Reason, Report, ServerFirst, Welcome,
};
pub use path::{Path, Switch};
pub use ping::{Ping, Pong};
pub use sealed::{
    Epochs, ONCE, PRIVATE_ROOM, PrivateRoom, RoomKeys, SEAL, SealedHeader, SecretText,
};
pub use talk::{
    Changes, FLAG_HELD, FLAG_LAST, HIGHEST_TALK_RATE, LOWEST_TALK_RATE, MAX_PEOPLE,
    MAX_PEOPLE_BYTES, MAX_TALK_BYTES, MAX_VOLUME_PERCENT, Microphone, People, Person,
    USUAL_PERCENT, Wish, talk_frame,
};

use std::sync::Arc;

use byteorder::{BigEndian, ByteOrder, LittleEndian};

use crate::codec::pcm::{self, Dither};
use crate::codec::{self, Codec};

/// The newest protocol version that this code speaks.
pub const VERSION: u32 = 3;

/// The first version whose sound may come by datagram.
pub const DATAGRAMS_SINCE: u32 = 3;

/// The TCP port, unless a user says otherwise.
pub const PORT: u16 = 5555;

/// By TCP, sound may wait for more of it that leaves at once: for one part in so many of the playout
/// delay.
pub const TOGETHER_ONE_IN: u64 = 8;

/// However long the delay, it waits no longer, in µs: listeners take half a second of quiet for a dead
/// path.
pub const TOGETHER_FOR_US: u64 = 100_000;

/// How long sound may wait for more of it by TCP at a playout delay of `delay_us`, in µs.
#[must_use]
pub fn together_us(delay_us: u64) -> u64 {
    (delay_us / TOGETHER_ONE_IN).min(TOGETHER_FOR_US)
}

/// At shorter playout delays, in µs, datagrams wait for nothing: a hole in the network is survived if it is
/// shorter than what is left of the delay.
pub const BURSTS_FROM_US: u64 = 150_000;

/// Samples that leave together by datagram last no longer, in µs: queues on the way overflow where more
/// comes at once.
pub const BURST_FOR_US: u64 = 25_000;

/// How long datagrams may leave after their sound ends, because others leave with them, at a playout delay
/// of `delay_us`, in µs.
#[must_use]
pub fn burst_us(delay_us: u64) -> u64 {
    if delay_us < BURSTS_FROM_US { 0 } else { together_us(delay_us).min(BURST_FOR_US) }
}

/// Set in a typed frame's length word; no plain frame is that long.
pub const TYPED: u32 = 0x8000_0000;

/// Kinds of typed frames.
pub mod kind {
    /// Server → browser that listens by fetch: the last frame, with what closes a WebSocket.
    pub const CLOSED: u8 = 0;
    /// Client → server: JSON, who is there and what it can play.
    pub const HELLO: u8 = 1;
    /// Server → client: JSON, how the stream is laid out.
    pub const WELCOME: u8 = 2;
    /// Server → client: timed sound.
    pub const AUDIO: u8 = 3;
    /// Client → server: what is your clock?
    pub const PING: u8 = 4;
    /// Server → client: the answer.
    pub const PONG: u8 = 5;
    /// Client → server: JSON, how playing goes.
    pub const REPORT: u8 = 6;
    /// Server → client: JSON, what changes or why you are being closed.
    pub const NOTICE: u8 = 7;
    /// Client → server: timed sound of its microphone.
    pub const TALK: u8 = 8;
    /// Client → server: JSON, what a listener changes about itself.
    pub const WISH: u8 = 9;
    /// Server → client: JSON, who is there and who speaks.
    pub const PEOPLE: u8 = 10;
    /// Server → client: JSON, what of that has changed.
    pub const CHANGES: u8 = 11;
    /// Client → server: JSON, which way sound is to come from now on.
    pub const PATH: u8 = 12;
    /// Client → server: JSON, it wants a data channel.
    pub const OFFER: u8 = 13;
    /// Server → client: JSON, the answer.
    pub const ANSWER: u8 = 14;
    /// Server → client: JSON, how sound is packed from a position on.
    pub const SWITCH: u8 = 15;
    /// Client → server: the first message of a handshake, around a hello.
    pub const ENTER: u8 = 16;
    /// Server → client: the second, around a welcome.
    pub const ENTERED: u8 = 17;
    /// Either way: a frame of another kind, sealed for whom it is for.
    pub const PRIVATE: u8 = 18;
    /// Server → client: timed sound, sealed for everybody in the room.
    pub const SEALED: u8 = 19;
    /// Server → client: JSON, keys of sound.
    pub const EPOCHS: u8 = 20;
    /// Client → server: it wants to try the code that is shown at the server.
    pub const CODE: u8 = 21;
    /// Server → client: the answer, which shows that the server has the code too.
    pub const CODE_ANSWER: u8 = 22;
    /// Client → server: this shows that the client has it.
    pub const CODE_PROOF: u8 = 23;
    /// Server → client: the room's secret, sealed for whoever has the code.
    pub const CODE_SECRET: u8 = 24;
}

/// Longest frame (kind and body) that a server takes from a client, in bytes.
pub const MAX_CLIENT_FRAME: usize = 4096;

/// Longest config, welcome or notice that a client takes, in bytes.
pub const MAX_JSON: usize = 16 * 1024;

/// Longest id or name that is kept of a peer's, in characters.
pub const MAX_NAME: usize = 64;

/// Longest name that is kept of a client's, in bytes: lists of people go to everybody.
pub const MAX_NAME_BYTES: usize = 64;

/// Most frames by which decoded sound may lag its positions.
pub const MAX_ALGORITHMIC_DELAY: u32 = 9_600;

/// Longest audio payload, in bytes: 8,192 frames of 8 float32 channels.
pub const MAX_AUDIO_PAYLOAD: usize = 8192 * 8 * 4;

/// A typed audio frame's bytes before its payload: length, kind, flags, reserved, frames,
/// position, capture time. A multiple of four, so that float32 payloads stay aligned.
pub const AUDIO_HEADER: usize = 28;

/// Generation one's bytes before a payload.
pub const PLAIN_HEADER: usize = 4;

/// Longest frame (kind and body) that a client takes from a server, in bytes: the longest audio.
pub const MAX_SERVER_FRAME: usize = AUDIO_HEADER - PLAIN_HEADER + MAX_AUDIO_PAYLOAD;

/// Flag bit 0 of an audio frame: the timeline was broken before this frame.
pub const FLAG_BROKEN: u8 = 1;

/// What a full server sends instead of a config, in either generation.
pub const SERVER_FULL: &[u8] = b"\x00\x00\x00\x18{\"error\": \"Server full\"}";

/// What a server sends instead to one who comes from an address that has all its seats.
pub const ADDRESS_FULL: &[u8] =
    b"\x00\x00\x00\x3e{\"error\": \"Server full: too many listeners from your address\"}";

/// What is full where a server takes no more listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The server.
    Server,
    /// The seats that one address may have.
    Address,
}

impl Full {
    /// What is sent instead of a config, in either generation.
    #[must_use]
    pub fn frame(self) -> &'static [u8] {
        match self {
            Self::Server => SERVER_FULL,
            Self::Address => ADDRESS_FULL,
        }
    }

    /// What a browser is closed with.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Server => "the server is full",
            Self::Address => "too many listeners from your address",
        }
    }
}

/// What a peer did that the protocol does not allow. The connection is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A length beyond what may come here; refused before anything is allocated.
    #[error("a frame of {length} bytes where at most {limit} are allowed")]
    TooLong {
        /// The length announced.
        length: u32,
        /// The limit in force.
        limit: usize,
    },
    /// A length that cannot hold what it must.
    #[error("a frame of {length} bytes, too short for what it should hold")]
    TooShort {
        /// The length announced.
        length: u32,
    },
    /// A plain frame where only typed ones may come, or the other way round.
    #[error("its first bytes are not AuraLync's")]
    Unframed,
    /// A body that cannot be read.
    #[error("an unreadable {what}: {why}")]
    Unreadable {
        /// The message.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Far more of a microphone's sound than there is time for.
    #[error("far more of its microphone's sound than there is time for")]
    TooMuchTalk,
    /// What a WebSocket may not do.
    #[error("{0}")]
    WebSocket(#[from] websocket::Misuse),
}

impl From<codec::Fault> for Violation {
    fn from(fault: codec::Fault) -> Self {
        Self::Unreadable { what: "audio frame", why: fault.to_string() }
    }
}

/// A plain frame around `payload`.
#[must_use]
pub fn plain(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; PLAIN_HEADER];
    BigEndian::write_u32(&mut bytes, length_word(payload.len()));
    bytes.extend_from_slice(payload);
    bytes
}

/// A typed frame of `kind` around `body`.
#[must_use]
pub fn typed(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 5];
    BigEndian::write_u32(&mut bytes, TYPED | length_word(body.len() + 1));
    bytes[4] = kind;
    bytes.extend_from_slice(body);
    bytes
}

/// Lengths here are ours and far below 2³¹; saturating keeps the top bit free without a cast.
fn length_word(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(TYPED - 1).min(TYPED - 1)
}

/// What an audio frame says about its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioHeader {
    /// Bit 0: [`FLAG_BROKEN`]; in a talk frame bit 1: [`FLAG_LAST`], bit 2: [`FLAG_HELD`]. The others
    /// are written zero and ignored.
    pub flags: u8,
    /// How many frames the payload holds, at the welcome's `position_rate`.
    pub frames: u32,
    /// Position of the first frame since the stream began, at `position_rate`.
    pub position: u64,
    /// When the system handed the first frame to the card: µs of the server's monotonic clock.
    pub captured_us: u64,
}

/// Positions and capture times lie below this, so that nothing wraps.
const MAX_POSITION: u64 = 1 << 62;

/// Bytes of an audio frame's header that follow the length and the kind.
pub(crate) const AUDIO_BODY_HEADER: usize = AUDIO_HEADER - 5;

impl AudioHeader {
    /// Splits the body of an [`kind::AUDIO`] frame (what follows the kind) into header and payload.
    ///
    /// # Errors
    /// [`Violation::TooShort`] if the body cannot hold a header, [`Violation::Unreadable`] if its
    /// position or time is beyond 2⁶² (nothing may wrap).
    pub fn split(body: &[u8]) -> Result<(Self, &[u8]), Violation> {
        if body.len() < AUDIO_BODY_HEADER {
            return Err(Violation::TooShort { length: length_word(body.len() + 1) });
        }
        let (head, payload) = body.split_at(AUDIO_BODY_HEADER);
        let header = Self {
            flags: head[0],
            frames: BigEndian::read_u32(&head[3..7]),
            position: BigEndian::read_u64(&head[7..15]),
            captured_us: BigEndian::read_u64(&head[15..23]),
        };
        if header.position >= MAX_POSITION || header.captured_us >= MAX_POSITION {
            let why = "its position or time is beyond every clock".to_owned();
            return Err(Violation::Unreadable { what: "audio frame", why });
        }
        Ok((header, payload))
    }
}

/// Writes the first [`AUDIO_HEADER`] bytes of an audio or talk frame with `payload` bytes behind them.
fn header_bytes(frame: &mut [u8], kind: u8, header: AudioHeader, payload: usize) {
    BigEndian::write_u32(frame, TYPED | length_word(AUDIO_HEADER - PLAIN_HEADER + payload));
    frame[4] = kind;
    frame[5] = header.flags;
    BigEndian::write_u32(&mut frame[8..12], header.frames);
    BigEndian::write_u64(&mut frame[12..20], header.position);
    BigEndian::write_u64(&mut frame[20..28], header.captured_us);
}

/// One encoded chunk, ready for every listener: made once, shared by all.
#[derive(Debug, Clone)]
pub struct AudioFrame {
    codec: Codec,
    header: AudioHeader,
    is_piece: bool,
    /// Generation one's length word; its payload is the tail of `bytes`.
    plain_header: [u8; PLAIN_HEADER],
    /// [`WEBSOCKET_ROOM`] bytes that end with the header of a WebSocket message, then the typed frame.
    bytes: Arc<[u8]>,
}

/// Bytes before a typed frame in which a WebSocket's header lies: a multiple of four, so that
/// payloads stay aligned.
const WEBSOCKET_ROOM: usize = 12;

impl AudioFrame {
    /// Encodes interleaved float samples as a float32 frame.
    #[must_use]
    pub fn float32(header: AudioHeader, samples: &[f32]) -> Self {
        Self::new(Codec::Float32, header, samples.len() * 4, |payload| {
            LittleEndian::write_f32_into(samples, payload);
        })
    }

    /// Encodes interleaved samples as one frame of a codec that has a fixed size per sample. `None` for
    /// Opus, which cuts packets of its own.
    #[must_use]
    pub fn pcm(
        codec: Codec,
        header: AudioHeader,
        samples: &[f32],
        dither: &mut Dither,
    ) -> Option<Self> {
        let frame = match codec {
            Codec::Float32 => Self::float32(header, samples),
            Codec::Int24 => Self::new(codec, header, samples.len() * 3, |payload| {
                pcm::write_int24(samples, payload);
            }),
            Codec::Int16 => {
                // Silence stays what it is.
                let is_silent = samples.iter().all(|sample| *sample == 0.0);
                Self::new(codec, header, samples.len() * 2, |payload| {
                    let noise = || if is_silent { 0.0 } else { dither.step() };
                    pcm::write_int16(samples, noise, payload);
                })
            }
            Codec::Opus(_) => return None,
        };
        Some(frame)
    }

    /// A frame whose payload of `payload` bytes `fill` writes.
    #[must_use]
    pub fn new(
        codec: Codec,
        header: AudioHeader,
        payload: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Self {
        let mut bytes = vec![0; WEBSOCKET_ROOM + AUDIO_HEADER + payload];
        let (room, frame) = bytes.split_at_mut(WEBSOCKET_ROOM);
        websocket::write_header(room, frame.len());
        header_bytes(frame, kind::AUDIO, header, payload);
        fill(&mut frame[AUDIO_HEADER..]);
        let mut plain_header = [0; PLAIN_HEADER];
        BigEndian::write_u32(&mut plain_header, length_word(payload));
        Self { codec, header, is_piece: false, plain_header, bytes: bytes.into() }
    }

    /// Sound as a piece of a chunk, for those who get it so.
    #[must_use]
    pub fn into_piece(self) -> Self {
        Self { is_piece: true, ..self }
    }

    /// Whether it is a piece of a chunk that others get whole.
    #[must_use]
    pub fn is_piece(&self) -> bool {
        self.is_piece
    }

    /// How the payload is packed.
    #[must_use]
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Position, time and flags.
    #[must_use]
    pub fn header(&self) -> &AudioHeader {
        &self.header
    }

    /// The whole typed frame, for version 2 listeners.
    #[must_use]
    pub fn typed(&self) -> &[u8] {
        &self.bytes[WEBSOCKET_ROOM..]
    }

    /// The whole typed frame as one WebSocket message.
    #[must_use]
    pub fn websocket(&self) -> &[u8] {
        let header = websocket::header_size(self.bytes.len() - WEBSOCKET_ROOM);
        &self.bytes[WEBSOCKET_ROOM - header..]
    }

    /// Length word and payload, for version 1 listeners: two slices, one vectored write. They play
    /// [`Codec::Float32`] only.
    #[must_use]
    pub fn plain(&self) -> (&[u8; PLAIN_HEADER], &[u8]) {
        (&self.plain_header, &self.bytes[WEBSOCKET_ROOM + AUDIO_HEADER..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audio_frame_serves_every_framing_from_one_buffer() {
        let header = AudioHeader { flags: 1, frames: 2, position: 0x0102, captured_us: 0x0304 };
        let frame = AudioFrame::float32(header, &[1.0, -1.0, 0.5, 0.0]);
        let (length, payload) = frame.plain();
        assert_eq!(length, &[0, 0, 0, 16]);
        assert_eq!(payload[..4], [0, 0, 0x80, 0x3f]);
        assert_eq!(frame.typed().len(), AUDIO_HEADER + 16);
        assert_eq!(frame.typed()[..8], [0x80, 0, 0, 40, 3, 1, 0, 0]);
        assert_eq!(frame.websocket(), websocket::binary(frame.typed()));
        let (read, rest) = AudioHeader::split(&frame.typed()[5..]).unwrap();
        assert_eq!(read, header);
        assert_eq!(rest, payload);
        let mut samples = Vec::new();
        pcm::read_float32(rest, read.frames, 2, &mut samples).unwrap();
        assert_eq!(samples, [1.0, -1.0, 0.5, 0.0]);
    }

    #[test]
    fn times_that_would_wrap_are_refused() {
        let mut body = [0_u8; 23];
        body[7] = 0xff;
        assert!(AudioHeader::split(&body).is_err());
        assert!(AudioHeader::split(&body[..22]).is_err());
    }
}
