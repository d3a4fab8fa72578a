//! What threads and programs cost, as `/proc` tells it.

use std::fs;
use std::time::Duration;

use crate::running::{Result, Running};

/// CPU time of the whole program so far.
pub(crate) fn cpu(program: &Running) -> Result<Duration> {
    let mut total = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{}/task", program.child.id()))? {
        // A thread that ended in between has nothing more to add.
        total += on_cpu(&task?.path().display().to_string()).unwrap_or_default();
    }
    Ok(total)
}

/// Bytes of memory that the program has in use: now, and at most so far.
pub(crate) fn memory(program: &Running) -> Result<(u64, u64)> {
    let status = fs::read_to_string(format!("/proc/{}/status", program.child.id()))?;
    let bytes = |key: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        let kilobytes: u64 = kilobytes.ok_or("the system does not tell memory in use")?.parse()?;
        Ok(kilobytes * 1024)
    };
    Ok((bytes("VmRSS:")?, bytes("VmHWM:")?))
}

/// CPU time of the thread whose folder in `/proc` this is.
pub(crate) fn on_cpu(task: &str) -> Result<Duration> {
    let schedstat = fs::read_to_string(format!("{task}/schedstat"))?;
    let nanoseconds = schedstat.split_whitespace().next().ok_or("an empty schedstat")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

/// Keeps the calling thread on the first core. Where the system does not allow it, the figures are
/// a little noisier.
pub(crate) fn stay_on_first_core() {
    let mut first = rustix::thread::CpuSet::new();
    first.set(0);
    let _ = rustix::thread::sched_setaffinity(None, &first);
}
