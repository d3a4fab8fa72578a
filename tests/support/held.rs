//! What a program holds beside memory.

use super::program::Program;

impl Program {
    /// Threads, and open files and sockets, on Linux.
    pub(crate) fn threads_and_files(&self) -> (usize, usize) {
        let count = |what| {
            let folder = format!("/proc/{}/{what}", self.pid());
            std::fs::read_dir(folder).map_or(0, Iterator::count)
        };
        (count("task"), count("fd"))
    }
}
