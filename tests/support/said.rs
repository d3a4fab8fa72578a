//! How often a program says something.

use super::program::Program;

impl Program {
    /// How many lines with `part` it has said so far.
    pub(crate) fn times_said(&self, part: &str) -> usize {
        self.said().lines().filter(|line| line.contains(part)).count()
    }
}
