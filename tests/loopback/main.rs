//! The real programs over 127.0.0.1, with sound of which every sample tells its position.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it stands"
)]

#[cfg(unix)]
mod bad_files;
#[cfg(unix)]
mod change;
#[cfg(unix)]
mod codecs;
mod crowd;
mod dry;
#[cfg(unix)] // Stopping and freezing a program takes signals.
mod ending;
#[cfg(unix)]
mod mixing;
#[cfg(unix)]
mod newest;
#[cfg(unix)]
mod piped;
#[cfg(unix)]
mod ramp;
#[cfg(unix)]
mod record;
#[cfg(unix)]
mod simulate;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
