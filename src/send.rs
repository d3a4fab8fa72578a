//! Joins the sending stages.

pub mod fanout;
pub mod transmit;
