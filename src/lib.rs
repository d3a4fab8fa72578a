//! AuraLync: one PC plays, everybody around listens on their own headphones, in step.
//!
//! ```text
//! sound card ─► capture ─► mix ─► encode ─► fanout ─► transmit ═ TCP ═►
//!               real-time   one thread, paced         one event loop
//!
//!     ═ TCP ═► connect ─► decode ─► playout ─► speaker ─► sound card
//!              one thread           one thread            real-time
//! ```
//!
//! A [`Listener`] plays what a server sends, on a sound card or where a program [pulls](Listener::pull) it. A
//! [`Broadcaster`] sends what a program pushes. Both begin with an example of thirty lines, run until they are
//! dropped, and are what the two programs of this package are made of. `docs/stability.md` says what stays as it is.
//!
//! All other modules are public for the programs, tests and benches of this package alone, are not shown here, and may
//! change at any time. CONTRIBUTING.md says where a sample goes and who may name whom; what decides anything takes time
//! and bytes as arguments, so that hours can be simulated.

// What the two programs do before and beside the sound, for them alone.
#[doc(hidden)]
pub mod addresses;
#[doc(hidden)]
pub mod calibrate;
#[doc(hidden)]
pub mod control;
#[doc(hidden)]
pub mod discovery;
#[doc(hidden)]
pub mod preset;
#[doc(hidden)]
pub mod program;
#[doc(hidden)]
pub mod qr;
#[doc(hidden)]
pub mod self_test;
#[doc(hidden)]
pub mod service;
#[doc(hidden)]
pub mod status;

// Sound on its way, public for tests and benches, which look at each stage by itself.
#[doc(hidden)]
pub mod capture;
#[doc(hidden)]
pub mod playout;
#[doc(hidden)]
pub mod recv;
#[doc(hidden)]
pub mod send;

// What those are made of, public for tests, benches and fuzzing.
#[doc(hidden)]
pub mod chance;
#[doc(hidden)]
pub mod clock;
#[doc(hidden)]
pub mod codec;
#[cfg(feature = "device")]
#[doc(hidden)]
pub mod device;
#[doc(hidden)]
pub mod engine;
#[doc(hidden)]
pub mod icecast;
#[doc(hidden)]
pub mod recording;
mod secret_file;
#[doc(hidden)]
pub mod secure;
#[doc(hidden)]
pub mod snapcast;
#[doc(hidden)]
pub mod sound;
#[doc(hidden)]
pub mod soundless;
#[doc(hidden)]
pub mod source;
#[doc(hidden)]
pub mod stats;
#[doc(hidden)]
pub mod talking;
#[doc(hidden)]
pub mod wire;

mod allowance;
mod broadcaster;
#[doc(hidden)]
pub mod dscp;
#[doc(hidden)] // shown as [`Error`] and [`Result`]
pub mod error;
#[doc(hidden)] // shown as [`Format`]
pub mod format;
mod hearsay;
mod home;
mod listener;
#[doc(hidden)]
pub mod outgoing;
#[doc(hidden)]
pub mod player;
mod random;
// What the unit tests hear spoken, too.
#[cfg(all(test, target_os = "linux"))] // Where setup.sh can install espeak-ng.
#[path = "../tests/support/espeak.rs"]
mod espeak;
// Where the unit tests keep files, too.
#[cfg(test)]
#[path = "../tests/support/scratch.rs"]
mod scratch;
#[cfg(feature = "https")]
mod self_signed;
#[doc(hidden)]
pub mod settings;
#[doc(hidden)]
pub mod shutdown;
mod threads;
#[doc(hidden)]
pub mod upstreams;
mod wifi;

pub use broadcaster::{Broadcaster, BroadcasterOptions, Input};
pub use error::{Error, Result};
pub use format::Format;
pub use listener::{Event, Listener, ListenerOptions, Sound, Stats};
#[doc(hidden)]
pub use recv::Client;
#[doc(hidden)]
pub use send::Server;
#[doc(hidden)]
pub use shutdown::Shutdown;
pub use sound::ear::Hearing;
