//! Players whose picture follows the delay, in `--stats`.

use serde::Serialize;

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlayerStats {
    /// `mpv` or `vlc`.
    pub player: String,
    /// Where it is told: a socket, or an address with a port.
    pub at: String,
    /// The number of its process, where the system tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// What it does.
    pub state: PlayerState,
    /// How much later its picture is for us, in ms.
    pub delay_ms: f64,
    /// The audio delay that it has by itself, in ms.
    pub own_ms: f64,
}

/// What a player's picture does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlayerState {
    /// No film plays.
    Waiting,
    /// The picture is as late as listeners hear.
    Held,
    /// Somebody at the player has put it back.
    PutBack,
    /// The player does not do what it is told.
    Lies,
}
