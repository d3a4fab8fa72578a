//! What is said of each snapclient.

use std::net::{Ipv4Addr, SocketAddr};

use serde::Serialize;

/// One snapclient in [`ServerStats`](super::ServerStats).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SnapclientStats {
    /// What it is known by when it comes again.
    pub id: String,
    /// Its computer's name.
    pub name: String,
    /// Where it is.
    pub address: SocketAddr,
    /// Its program's version.
    pub version: String,
    /// Seconds since it connected.
    pub connected_s: f64,
    /// How loud it is, 0 to 100.
    pub volume: u8,
    /// Whether it is silent.
    pub is_muted: bool,
    /// How much earlier than the others it hands its sound over, for what its loudspeaker takes, in ms.
    pub latency_ms: u32,
    /// How long after its capture it was told to let sound be heard, in ms.
    pub delay_ms: u32,
    /// Messages that wait for it.
    pub queued: usize,
    /// Chunks of sound sent.
    pub chunks: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Chunks dropped because they were too old to be heard.
    pub dropped_old: u64,
}

impl Default for SnapclientStats {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            version: String::new(),
            connected_s: 0.0,
            volume: 0,
            is_muted: false,
            latency_ms: 0,
            delay_ms: 0,
            queued: 0,
            chunks: 0,
            bytes: 0,
            dropped_old: 0,
        }
    }
}
