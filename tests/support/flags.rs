//! Flags that name a file.

use std::path::Path;

/// `wav:PATH` for `--output`.
pub(crate) fn wav(path: &Path) -> String {
    format!("wav:{}", path.display())
}

/// `file:PATH` for `--source`.
pub(crate) fn source(path: &Path) -> String {
    format!("file:{}", path.display())
}
