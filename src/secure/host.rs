//! What the server of a private room keeps.

use super::handshake::Pair;
use super::room::Secret;

/// What everybody in the room knows, and the server's own keys.
#[derive(Debug, Clone)]
pub struct Host {
    /// The room's secret.
    pub secret: Secret,
    /// The server's keys.
    pub pair: Pair,
}
