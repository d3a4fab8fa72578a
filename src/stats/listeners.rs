//! What is said of each listener.

use std::net::SocketAddr;

use serde::Serialize;

use crate::codec::Codec;

/// One listener in [`ServerStats`](super::ServerStats).
#[derive(Debug, Clone, Serialize)]
pub struct ListenerStats {
    /// Where it is.
    pub address: SocketAddr,
    /// What it calls itself; empty for the first generation.
    pub name: String,
    /// Protocol version spoken.
    pub version: u32,
    /// How it is connected.
    pub via: Via,
    /// Codec in use.
    pub codec: Codec,
    /// Seconds since it connected.
    pub connected_s: f64,
    /// Chunks waiting for it.
    pub queued: usize,
    /// Audio frames sent.
    pub frames: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Datagrams of sound sent, each counted once.
    pub datagrams: u64,
    /// Datagrams that it had lost and that were sent again.
    pub resent: u64,
    /// Datagrams that it had lost and that were more than may be sent again.
    pub resent_refused: u64,
    /// Frames or datagrams dropped because its queue, or the system's, was full.
    pub dropped_full: u64,
    /// Frames or datagrams dropped because they were too old to be heard.
    pub dropped_old: u64,
    /// What the listener itself reported last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<crate::wire::Report>,
    /// What it is among the people, where listeners may speak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<PersonStats>,
}

/// How a listener is connected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// By a connection of its own.
    #[default]
    Tcp,
    /// By a connection of its own, and sound by datagram.
    Udp,
    /// From a browser.
    WebSocket,
    /// From a browser whose WebSocket does not open: it listens to an answer that never ends.
    Fetch,
}

/// One person in [`ListenerStats`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PersonStats {
    /// Their number, for as long as the server runs.
    pub number: u32,
    /// Whether they have a microphone that may speak.
    pub can_talk: bool,
    /// Whether nobody hears it.
    pub is_muted: bool,
    /// Whether they have turned their own sound off.
    pub is_deaf: bool,
    /// Whether they speak now.
    pub is_speaking: bool,
    /// Frames of their sound that were taken.
    pub talk_frames: u64,
    /// Frames of it that were too many, too old, or from the future.
    pub talk_dropped: u64,
}
