//! A client that talks, through microphones of a private PulseAudio, to a server that keeps what it
//! hears.
#![cfg(all(feature = "device", target_os = "linux"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it stands"
)]

#[path = "../support"]
#[allow(dead_code, reason = "the other tests of real sound use the rest")]
mod support {
    pub(crate) mod room_server;
    pub(crate) mod sound_compare;
    pub(crate) mod sound_program;
    pub(crate) mod sound_room;
}

mod mouth_to_ear;
mod refused;
mod speech;
