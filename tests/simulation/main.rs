//! Hours of listening in seconds: the library's stages between virtual cards, over a virtual
//! network, on one virtual clock.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it stands"
)]

mod clean;
mod drift;
#[path = "../support/espeak.rs"]
mod espeak;
mod nonsense;
mod repair;
#[path = "../support/simulated/mod.rs"]
mod simulated;
