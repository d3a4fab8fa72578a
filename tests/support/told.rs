//! Programs that are told what to do while they run.

use std::process::{ChildStdin, Command, Stdio};

use super::program::Program;

impl Program {
    /// Starts `command`, which reads what is written to the pipe beside it.
    pub(crate) fn start_told(mut command: Command) -> (Self, ChildStdin) {
        command.stdin(Stdio::piped());
        let mut program = Self::spawn(command);
        let stdin = program.child.0.stdin.take().unwrap();
        (program, stdin)
    }
}
