//! Joins the receiving stages.

pub mod jitter;
