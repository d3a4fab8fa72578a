//! All that needs no sound card, no browser and no network of its own: the real programs over
//! 127.0.0.1, the protocol, and memory. One program of tests, because each of them links the whole library.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod cli;
#[cfg(target_os = "linux")]
mod engine;
mod loopback;
mod memory;
#[cfg(target_os = "linux")]
mod player;
mod protocol;
mod snapcast;
mod support;
mod talk;
mod web;
