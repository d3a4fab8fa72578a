//! Arithmetic on samples: rates, channels, loudness, limits. No socket, no clock, no thread.

pub(crate) mod biquad;
pub mod ear;
pub mod limiter;
pub mod loudness;
pub mod mixdown;
pub(crate) mod ramp;
pub mod rate;

/// Highest sample rate that a file may have, in Hz. Beyond it its header lies.
pub const MAX_SAMPLE_RATE: u32 = 768_000;

/// Most channels of a sound file. Beyond it a header lies.
pub const MAX_CHANNELS: u16 = 64;
