//! Snapcast's protocol, version 2, as its players speak it: they join as listeners. No socket and no clock; the thread
//! is `send/snapcast`.
//!
//! A snapclient plays a chunk at its time plus a delay, by the server's clock. That is our own sum, so the time of a
//! chunk is its capture time, and the delay is ours.

pub mod guest;
pub mod kept;
pub mod message;
pub mod narrow;
pub mod outbox;
pub mod packing;
pub mod reader;

/// The port where snapclients look for a server.
pub const PORT: u16 = 1704;
