//! What is wrong with a payload.

/// Why a payload cannot be decoded: the rest of a sentence about what carried it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub(super) String);
