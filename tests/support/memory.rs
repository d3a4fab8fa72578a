//! What a program holds of the machine's memory.

use super::program::{Program, memory_kib};

impl Program {
    /// Memory in use, in KiB; 0 where the system does not tell.
    pub(crate) fn resident_kib(&self) -> u64 {
        memory_kib(self.pid(), "VmRSS:")
    }
}
