//! What the frames other than audio say.

mod report;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::datagram::Token;
use super::json::{LONGEST_TEXT, json, json_frame};
use super::sealed::{PrivateRoom, RoomKeys};
use super::talk::{MAX_TALK_BYTES, Microphone};
use super::{
    Full, MAX_ALGORITHMIC_DELAY, MAX_AUDIO_PAYLOAD, MAX_CLIENT_FRAME, MAX_NAME, MAX_NAME_BYTES,
    SERVER_FULL, VERSION, Violation, kind, plain,
};
use crate::codec::MAX_CODECS;
use crate::format::{Format, MAX_STREAM_CHANNELS, MAX_STREAM_RATE, hex, printable, printable_name};

pub use report::Report;

/// The first thing a server says: generation one's config, with our key in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Config {
    /// Frames per second.
    pub sample_rate: u32,
    /// Samples per frame.
    pub channels: u16,
    /// Frames in each plain audio frame; every one holds exactly as many.
    pub chunk_size: u32,
    /// There if the server speaks more than version 1.
    #[serde(default)]
    pub auralync: Option<AuralyncKey>,
}

/// The `auralync` key of a config.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AuralyncKey {
    /// The newest version that the server speaks.
    pub version: u32,
    /// No audio comes before `hello`.
    #[serde(default)]
    pub hold: bool,
    /// There if the room is private: [`PrivateRoom`].
    #[serde(default)]
    pub room: Option<PrivateRoom>,
}

/// What a client finds in a server's first frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerFirst {
    /// The stream's layout.
    Config(Config),
    /// The server takes no more listeners.
    Full(Full),
    /// The room is private: nothing is said of it to those who have no key.
    Private(PrivateRoom),
}

impl Config {
    /// The config frame that our servers send, length word included. The three keys of generation
    /// one come first, in its order and spacing; spaces at the end make 4 + length a multiple of 4,
    /// so that TCP does not cut the headers that follow.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        if let Some(AuralyncKey { version, room: Some(room), .. }) = &self.auralync {
            return room.frame(*version);
        }
        let mut json = format!(
            "{{\"sample_rate\": {}, \"channels\": {}, \"chunk_size\": {}",
            self.sample_rate, self.channels, self.chunk_size
        );
        if let Some(key) = &self.auralync {
            json.push_str(&format!(", \"auralync\": {{\"version\": {}", key.version));
            if key.hold {
                json.push_str(", \"hold\": true");
            }
            json.push('}');
        }
        json.push('}');
        if self.auralync.is_some() {
            while !json.len().is_multiple_of(4) {
                json.push(' ');
            }
        }
        plain(json.as_bytes())
    }

    /// Bytes of one plain audio payload.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.format().samples(self.chunk_size as usize) * 4
    }

    /// Rate and channels.
    #[must_use]
    pub fn format(&self) -> Format {
        Format { sample_rate: self.sample_rate, channels: self.channels }
    }
}

impl ServerFirst {
    /// Reads the payload of a server's first frame.
    ///
    /// # Errors
    /// [`Violation::Unreadable`] if it is no config that can be played.
    pub fn read(payload: &[u8]) -> Result<Self, Violation> {
        if payload == &SERVER_FULL[4..] {
            return Ok(Self::Full(Full::Server));
        }
        let unreadable = |why: String| Violation::Unreadable { what: "config", why };
        let value: serde_json::Value =
            serde_json::from_slice(payload).map_err(|e| unreadable(e.to_string()))?;
        if !value.is_object() {
            return Err(unreadable("no JSON object".to_owned()));
        }
        if let Some(room) = value.get("auralync").and_then(|key| key.get("room")) {
            let room = PrivateRoom::deserialize(room).map_err(|e| unreadable(e.to_string()))?;
            return Ok(Self::Private(room));
        }
        if let Some(error) = value.get("error") {
            let text = error.as_str().unwrap_or_default();
            let said = text.to_ascii_lowercase();
            if said == "server full" {
                return Ok(Self::Full(Full::Server));
            }
            if said.starts_with("server full: ") {
                return Ok(Self::Full(Full::Address));
            }
            return Err(unreadable(format!("the server says “{}”", printable(text, 200))));
        }
        let config: Config =
            serde_json::from_value(value).map_err(|e| unreadable(e.to_string()))?;
        check_layout(config.format(), config.chunk_size).map_err(unreadable)?;
        Ok(Self::Config(config))
    }
}

/// What every layout from a peer must hold before anything is sized by it.
fn check_layout(format: Format, chunk_size: u32) -> Result<(), String> {
    if !(1..=MAX_STREAM_RATE).contains(&format.sample_rate) {
        return Err(format!("a sample rate of {} Hz", format.sample_rate));
    }
    if !(1..=MAX_STREAM_CHANNELS).contains(&format.channels) {
        return Err(format!("{} channels", format.channels));
    }
    let bytes = u64::from(chunk_size) * u64::from(format.channels) * 4;
    if chunk_size == 0 || bytes > MAX_AUDIO_PAYLOAD as u64 {
        return Err(format!("a chunk of {chunk_size} frames"));
    }
    Ok(())
}

/// Client → server, once: who is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The newest version that the client speaks.
    pub version: u32,
    /// Random per client run: a reconnecting listener replaces its own old connection.
    pub id: String,
    /// What the person calls this listener.
    #[serde(default)]
    pub name: String,
    /// Codecs that the client plays, best first.
    #[serde(default)]
    pub codecs: Vec<String>,
    /// There if the client wants to speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub talk: Option<Microphone>,
    /// Whether the client can take sound by datagram.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub datagrams: bool,
}

impl Hello {
    /// Reads a hello's body. The texts come out fit to print and of bounded length.
    ///
    /// # Errors
    /// [`Violation::Unreadable`] if it is no hello.
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        let mut hello: Self = json("hello", body)?;
        hello.id = printable(&hello.id, MAX_NAME);
        hello.name = printable_name(&hello.name, MAX_NAME, MAX_NAME_BYTES);
        hello.codecs.truncate(MAX_CODECS);
        if hello.version < 2 || hello.id.is_empty() {
            let why = format!("version {} or an empty id", hello.version);
            return Err(Violation::Unreadable { what: "hello", why });
        }
        Ok(hello)
    }

    /// The whole typed frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        json_frame(kind::HELLO, self)
    }
}

/// Server → client, the answer to hello: typed frames only from here on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version spoken from here on: the lower of both.
    pub version: u32,
    /// 16 hex digits, random per server run: clock estimates live as long as it. (A text, because
    /// JSON numbers lose 64-bit integers in browsers.)
    pub session: String,
    /// The server's name, as its listeners see it.
    #[serde(default)]
    pub name: String,
    /// Rate and channels of the decoded sound.
    pub format: Format,
    /// How payloads are coded.
    pub codec: String,
    /// Frames in each audio frame, usually; an audio frame's own count decides.
    pub chunk_size: u32,
    /// Positions and frame counts are at this rate, in Hz.
    pub position_rate: u32,
    /// Frames at `position_rate` by which decoded sound lags its positions.
    #[serde(default)]
    pub algorithmic_delay: u32,
    /// A sample is heard this long after its capture, in ms.
    pub playout_delay_ms: u32,
    /// How often the server wants to be pinged, in ms.
    pub ping_ms: u32,
    /// Kinds of client frames that may be longer than the standard limit, or that may come only if
    /// they are named here: kind → bytes.
    #[serde(default)]
    pub accepts: BTreeMap<String, u32>,
    /// The client's own number among the people, where the server lets listeners speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<u32>,
    /// The output whose sound is captured, only towards a client on the server's own machine: it
    /// must not play there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captured_output: Option<String>,
    /// Further ones, [`MAX_CAPTURED`] with that one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also_captured: Vec<String>,
    /// How sound comes by datagram, where both sides can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datagrams: Option<Datagrams>,
    /// Listeners here are in step with those at other places within so many ms, where that is not close.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within_ms: Option<u32>,
    /// The keys of sound, in a private room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Box<RoomKeys>>,
    /// The sessions of other servers that the sound comes through, [`MAX_VIA`] at most: whoever finds its own takes
    /// nothing from here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
}

/// In a welcome: how sound comes by datagram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Datagrams {
    /// 32 hex digits that tell whose a datagram is, random per connection.
    pub token: String,
    /// The server's UDP port.
    pub port: u16,
}

impl Datagrams {
    /// What a server says of its `port` to whom it gives `token`.
    #[must_use]
    pub fn new(token: Token, port: u16) -> Self {
        let token = hex(&token);
        Self { token, port }
    }

    /// The token; `None` where it is none.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        let is_hex = self.token.len() == 32 && self.token.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u128::from_str_radix(&self.token, 16).ok().filter(|_| is_hex)?;
        Some(number.to_be_bytes())
    }
}

impl Welcome {
    /// Reads a welcome's body.
    ///
    /// # Errors
    /// [`Violation::Unreadable`] if it is no welcome that can be played.
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        let mut welcome: Self = json("welcome", body)?;
        welcome.via = sessions(welcome.via);
        let unreadable = |why: String| Violation::Unreadable { what: "welcome", why };
        check_layout(welcome.format, welcome.chunk_size).map_err(unreadable)?;
        if !(1..=VERSION).contains(&welcome.version) {
            return Err(unreadable(format!("version {}, ours is {VERSION}", welcome.version)));
        }
        if welcome.position_rate == 0 || welcome.position_rate > MAX_STREAM_RATE {
            return Err(unreadable(format!("a position rate of {} Hz", welcome.position_rate)));
        }
        // Sound must be counted in the frames that it is heard in, or nobody could say what lies
        // between two of them.
        if welcome.position_rate != welcome.format.sample_rate {
            let (rate, heard) = (welcome.position_rate, welcome.format.sample_rate);
            return Err(unreadable(format!("positions at {rate} Hz of sound at {heard} Hz")));
        }
        if welcome.algorithmic_delay > MAX_ALGORITHMIC_DELAY {
            let why = format!("an algorithmic delay of {} frames", welcome.algorithmic_delay);
            return Err(unreadable(why));
        }
        if welcome.playout_delay_ms > MAX_PLAYOUT_DELAY_MS {
            let why = format!("a playout delay of {} ms", welcome.playout_delay_ms);
            return Err(unreadable(why));
        }
        Ok(welcome)
    }

    /// Lets the listener send frames of that kind, as long as any of its frames may be.
    pub fn accept(&mut self, kind: u8) {
        self.accepts.insert(kind.to_string(), LONGEST_FRAME);
    }

    /// Lets the listener speak.
    pub fn let_speak(&mut self) {
        self.accepts.insert(kind::TALK.to_string(), LONGEST_TALK);
    }

    /// The longest talk frame (kind and body) that the server takes, in bytes, at most
    /// [`MAX_TALK_BYTES`]; `None` where this client may not talk.
    #[must_use]
    pub fn longest_talk(&self) -> Option<usize> {
        let longest = *self.accepts.get(&kind::TALK.to_string())?;
        Some((longest as usize).min(MAX_TALK_BYTES))
    }

    /// The whole typed frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        json_frame(kind::WELCOME, self)
    }
}

/// [`MAX_CLIENT_FRAME`] as a welcome says it.
const LONGEST_FRAME: u32 = MAX_CLIENT_FRAME as u32;

/// [`MAX_TALK_BYTES`] as a welcome says it.
const LONGEST_TALK: u32 = MAX_TALK_BYTES as u32;

/// Longest playout delay that a client accepts, in ms; it sizes the jitter buffer.
pub const MAX_PLAYOUT_DELAY_MS: u32 = 10_000;

/// Servers that sound comes through, at most, as a welcome or a notice names them: more than anybody has.
pub const MAX_VIA: usize = 32;

/// What of a list are sessions, as many as are looked at.
pub(crate) fn sessions(mut list: Vec<String>) -> Vec<String> {
    list.truncate(MAX_VIA);
    list.retain(|one| one.len() == 16 && one.bytes().all(|b| b.is_ascii_hexdigit()));
    list
}

/// Outputs that a welcome names as captured.
pub const MAX_CAPTURED: usize = 16;

/// Bytes of the id of each of them: a welcome holds all.
pub const MAX_CAPTURED_BYTES: usize = 256;

/// Server → client: what changes, or why the connection ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// What it is about.
    pub reason: Reason,
    /// What the reason means, in one sentence for a person.
    #[serde(default)]
    pub text: String,
    /// The new playout delay, in ms, for [`Reason::PlayoutDelay`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub playout_delay_ms: Option<u32>,
    /// The capture time (µs, server's clock) from which a change holds: everybody changes on the
    /// same sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_us: Option<u64>,
    /// How long to wait before the next try, in seconds, for [`Reason::CodeWait`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_s: Option<u32>,
    /// The servers that the sound comes through from now on, for [`Reason::Via`]; as in a welcome.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub via: Vec<String>,
}

/// What a notice is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The server stops.
    Stopping,
    /// A newer connection with the same id has taken over.
    Replaced,
    /// This listener took nothing for too long. Servers of ours never send it: who takes nothing
    /// takes no notice either.
    Stalled,
    /// This listener broke the protocol.
    Violation,
    /// Whoever runs the server has asked this listener to leave: do not come again.
    Removed,
    /// This room has another key than this listener.
    WrongKey,
    /// This listener tried a code that is not the one that the server shows.
    WrongCode,
    /// The server shows no code, or none any more.
    NoCode,
    /// Codes were tried too often: the next try may come in so many seconds.
    CodeWait,
    /// Whoever runs the room is asked whether this listener may come in.
    Waiting,
    /// This listener is not let in.
    NotLetIn,
    /// The server takes no more listeners: come again later.
    ServerFull,
    /// It takes no more listeners from this address.
    AddressFull,
    /// The output that is captured has changed: come again, and see whether it is yours.
    Captured,
    /// Whoever runs the server lets nobody hear this listener.
    Muted,
    /// Whoever runs the server lets this listener be heard again.
    Unmuted,
    /// The playout delay changes.
    PlayoutDelay,
    /// Nobody hears this listener's microphone, or no more: it goes on listening.
    MayNotTalk,
    /// The sound comes through other servers than before.
    Via,
    /// A reason that this version does not know; it is ignored.
    #[serde(other)]
    Unknown,
}

impl Notice {
    /// A notice that only names a reason.
    #[must_use]
    pub fn because(reason: Reason, text: &str) -> Self {
        let text = text.to_owned();
        Self { reason, text, playout_delay_ms: None, from_us: None, wait_s: None, via: Vec::new() }
    }

    /// Reads a notice's body.
    ///
    /// # Errors
    /// [`Violation::Unreadable`] if it is no notice.
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        let mut notice: Self = json("notice", body)?;
        notice.text = printable(&notice.text, LONGEST_TEXT);
        notice.via = sessions(notice.via);
        if notice.playout_delay_ms.is_some_and(|ms| ms > MAX_PLAYOUT_DELAY_MS) {
            let why = "a playout delay beyond every buffer".to_owned();
            return Err(Violation::Unreadable { what: "notice", why });
        }
        Ok(notice)
    }

    /// The whole typed frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        json_frame(kind::NOTICE, self)
    }
}

#[cfg(test)]
mod tests;
