//! Joins the sending stages.

pub mod capture;
pub mod chunk;
pub mod encode;
pub mod fanout;
pub mod transmit;
