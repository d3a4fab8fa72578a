//! What threads and programs cost of a processor, as `/proc` tells it.

use std::fs;
use std::time::Duration;

use crate::measuring::Result;
use crate::support::program::Program;

/// CPU time of the whole program so far.
pub(crate) fn cpu(program: &Program) -> Result<Duration> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{}/task", program.pid()))? {
        // A thread that ended in between has nothing more to add.
        total += on_cpu(&task?.path().display().to_string()).unwrap_or_default();
    }
    Ok(total)
}

/// CPU time of the thread whose folder in `/proc` this is.
pub(crate) fn on_cpu(task: &str) -> Result<Duration> {
    let schedstat = fs::read_to_string(format!("{task}/schedstat"))?;
    let nanoseconds = schedstat.split_whitespace().next().ok_or("an empty schedstat")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
