//! Machines of a test's own, as network namespaces.

use std::process::Command;

/// `ip netns exec` becomes the program: signals and kills reach it.
pub(crate) fn inside(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

/// Runs the program `ip`.
///
/// # Errors
/// What it says, as the end of a sentence.
pub(crate) fn ip(arguments: &[&str]) -> Result<(), String> {
    let out = Command::new("ip").args(arguments).output().map_err(|e| {
        format!("the program ip cannot be run ({e}); scripts/setup.sh network installs it")
    })?;
    if out.status.success() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&out.stderr);
    Err(format!("this system does not allow “ip {}”: {}", arguments.join(" "), why.trim()))
}
