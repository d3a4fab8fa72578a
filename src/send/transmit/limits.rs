//! Limits and sentences that several parts of the loop share.

/// Connections to the page that are not listeners. Each has a few seconds for its request and for its
/// answer.
pub(super) const MAX_VISITORS: usize = 64;

/// How long accepting pauses when the system has no connection to give, in µs.
pub(super) const ACCEPT_PAUSE_US: u64 = 100_000;

/// What those are told who were asked to leave.
pub(super) const PLEASE_LEAVE: &str = "whoever runs this server has asked this listener to leave";
