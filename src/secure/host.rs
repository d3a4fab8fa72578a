//! What the server of a private room keeps.

use super::handshake::Pair;
use super::room::{Link, Secret, name_of};

/// What everybody in the room knows, and the server's own keys.
#[derive(Debug, Clone)]
pub struct Host {
    /// The room's secret.
    pub secret: Secret,
    /// The server's keys.
    pub pair: Pair,
}

impl Host {
    /// What lets people into the room.
    #[must_use]
    pub fn link(&self) -> Link {
        Link { secret: self.secret.clone(), server: name_of(&self.pair.public) }
    }
}
