//! Datagrams to browsers: a data channel for each that asks for one, on a thread and a socket of their own.
//!
//! What a browser says of itself comes over its WebSocket, and so does the answer. There is no server
//! that helps to find each other, because the browser has found this one already.

mod certificate;
mod crypto;
mod keep_peers;
mod no_media;
mod peer;
mod peers;
mod strangers;

pub use keep_peers::{Channels, open_socket, start};

use std::net::IpAddr;

/// Longest offer that is read, in bytes of SDP: browsers' are 500.
pub const MAX_OFFER_BYTES: usize = 3_072;

/// Whose channel it is: a seat, and a number that tells those apart who sit there one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Whose {
    /// The seat.
    pub seat: usize,
    /// Counts up with each offer.
    pub number: u64,
}

/// A browser asks for a channel.
#[derive(Debug)]
pub struct Offer {
    /// Who asks.
    pub whose: Whose,
    /// The address by which it reached this server.
    pub at: IpAddr,
    /// What it says of itself, as SDP.
    pub sdp: String,
}

/// What comes from the channels.
#[derive(Debug)]
pub enum Said {
    /// An offer's answer as SDP, or why there is none, as a sentence.
    Answer(Result<String, String>),
    /// A datagram.
    Heard(Vec<u8>),
    /// It is gone.
    Closed,
}
