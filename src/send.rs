//! Joins the sending stages.

pub mod fanout;
