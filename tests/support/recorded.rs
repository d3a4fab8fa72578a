//! A recording that is still being made.

use std::path::Path;

/// Bytes of a recording before its first sample.
pub(crate) const HEADER: u64 = 94;

/// Frames on the disk so far.
pub(crate) fn frames_on_disk(path: &Path, channels: u64) -> u64 {
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    bytes.saturating_sub(HEADER) / 4 / channels
}
