//! Joins the receiving stages.

pub mod decode;
pub mod jitter;
pub mod record;
pub mod resample;
pub mod speaker;
