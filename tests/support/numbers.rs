//! Figures that a program has written down.

use std::path::Path;

/// What the lines of a `--stats` file say of one key, in order. A line that is being written has not
/// come yet.
pub(crate) fn numbers(stats: &Path, key: &str) -> Vec<f64> {
    let lines = std::fs::read_to_string(stats).unwrap_or_default();
    let whole = lines.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let objects = whole.map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    objects.filter_map(|object| object[key].as_f64()).collect()
}
