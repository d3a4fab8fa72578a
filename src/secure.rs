//! Private rooms: who is let in, and what seals sound. `docs/keys.md` is the protocol.
//!
//! Pure: bytes, random numbers and time are arguments. Nothing here has a socket, a file or a clock.

pub mod code;
mod cpace;
mod derive;
pub mod door;
pub mod handshake;
pub mod host;
pub mod keyring;
pub mod room;
pub mod seal;
mod window;

pub use derive::Key;
pub use window::{Window, nearest};
