//! Arithmetic on samples: rates, channels, loudness, limits. No socket, no clock, no thread.

pub mod limiter;
pub mod loudness;
pub mod mixdown;
pub(crate) mod ramp;
pub mod rate;
