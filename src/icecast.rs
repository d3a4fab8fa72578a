//! Sound for every player that there is, by way of an Icecast server: as Ogg Opus, by one HTTP request that never ends.
//!
//! Pure: time, bytes and sound are arguments. `send/icecast` has the socket.

pub mod answer;
pub mod fault;
pub mod pages;
pub mod password;
pub mod request;
pub mod retry;
pub mod session;
pub mod target;
