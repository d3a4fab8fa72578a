//! What is sent to Icecast: by the real programs, to a real Icecast server on this machine and to bad ones, and what a
//! player gets from there.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod attempts;
mod bad;
mod edge;
mod icecast;
mod ogg_pages;
mod player;
mod real;
mod refused;
#[cfg(feature = "https")]
mod sealed;
#[path = "../support"]
mod support {
    mod address;
    pub(crate) mod free_port;
    #[allow(dead_code, reason = "several nodes, and how they are, are for other tests")]
    pub(crate) mod nats;
    pub(crate) mod program;
    pub(crate) mod scratch;
    #[cfg(feature = "https")]
    pub(crate) mod sealed_way;
    pub(crate) mod servers;
    pub(crate) mod tone;
    pub(crate) mod waiting;
    pub(crate) mod within;
}
