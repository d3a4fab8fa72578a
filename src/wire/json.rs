//! Messages that are one JSON object: read within a limit, written as a typed frame.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{MAX_JSON, Violation, typed};
use crate::format::printable;

/// What a peer says to be read, and what is said of what cannot be read, is cut to this many
/// characters.
pub(super) const LONGEST_TEXT: usize = 300;

/// Reads one JSON object of at most [`MAX_JSON`] bytes; `what` names the message in an error.
pub(super) fn json<T: DeserializeOwned>(what: &'static str, body: &[u8]) -> Result<T, Violation> {
    json_within(MAX_JSON, what, body)
}

/// Reads one JSON object of at most `limit` bytes; `what` names the message in an error.
pub(super) fn json_within<T: DeserializeOwned>(
    limit: usize,
    what: &'static str,
    body: &[u8],
) -> Result<T, Violation> {
    if body.len() > limit {
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        return Err(Violation::TooLong { length, limit });
    }
    // Lists would do as well for serde, and `[]` as a report that says nothing.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Violation::Unreadable { what, why: "no JSON object".to_owned() });
    }
    serde_json::from_slice(body).map_err(|e| {
        // It may quote what was sent.
        Violation::Unreadable { what, why: printable(&e.to_string(), LONGEST_TEXT) }
    })
}

/// A whole typed frame of `kind` around `message`.
pub(super) fn json_frame<T: Serialize>(kind: u8, message: &T) -> Vec<u8> {
    // Our own structs of numbers, texts and string-keyed maps always serialise.
    typed(kind, &serde_json::to_vec(message).unwrap_or_default())
}
