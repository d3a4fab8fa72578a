//! AuraLync: one PC plays, everybody around listens on their own headphones, in step.
//!
//! ```text
//! sound card ─► capture ─► chunk ─► encode ─► fanout ─► transmit ═ TCP ═► connect ─► decode ─► jitter ─► resample ─► speaker ─► sound card
//!               real-time   one thread, paced    one event loop          one thread  one thread ──────────────────►  real-time
//! ```
//!
//! Dependencies point one way: binaries → [`send`] / [`recv`] → their stages → the vocabulary
//! ([`wire`], [`codec`], [`mod@format`], [`clock`], [`discovery`], [`stats`], [`error`] …). Stages meet in
//! `send.rs` and `recv.rs`; only what drives another names it: `transmit` its `fanout` and the `web` page,
//! `resample` and `cardless` the `jitter` buffer that they read, `connect` the network that `simulate` puts before it. `device` knows no stage and stages know no device.
//! What decides anything takes time and bytes as arguments, so that hours can be simulated.

#[cfg(feature = "device")]
pub mod device;

pub mod addresses;
mod allowance;
pub mod capture;
pub mod clock;
pub mod codec;
pub mod control;
pub mod discovery;
pub mod error;
pub mod format;
mod hearsay;
mod home;
pub mod limiter;
pub mod loudness;
pub mod mixdown;
pub mod playout;
pub mod preset;
pub mod program;
pub mod qr;
mod ramp;
mod random;
pub mod rate;
pub mod recording;
pub mod recv;
pub mod send;
pub mod settings;
pub mod shutdown;
pub mod soundless;
pub mod source;
pub mod stats;
pub mod status;
pub mod talking;
mod threads;
pub mod wire;

pub use error::{Error, Result};
pub use format::Format;
