//! Joins the receiving stages.

pub mod jitter;
pub mod resample;
