//! Named threads, how soon they run, and what becomes of one that breaks.

mod priority;

use std::thread::{Builder, JoinHandle};

use crate::error::{Error, Result};

pub(crate) use priority::Priority;

/// Starts a thread called `name`, and asks the system for its priority.
///
/// # Errors
/// [`Error::Internal`] if the system gives no thread.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    priority: Priority,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            priority.ask();
            work()
        })
        .map_err(|e| Error::internal(format!("cannot start the {name} thread"), e))
}

/// Waits for a thread's end.
///
/// # Errors
/// What the thread ended with; [`Error::Internal`] if it panicked.
pub(crate) fn join<T>(handle: JoinHandle<Result<T>>) -> Result<T> {
    let name = handle.thread().name().unwrap_or("nameless").to_owned();
    handle
        .join()
        .unwrap_or_else(|_| Err(Error::internal(format!("the {name} thread broke"), "it panicked")))
}

/// Processor time that the calling thread has taken, in µs; `None` where the system does not say.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn cpu_us() -> Option<u64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    Some(seconds * 1_000_000 + u64::try_from(time.tv_nsec).ok()? / 1_000)
}

/// Processor time that the calling thread has taken, in µs; `None` where the system does not say.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn cpu_us() -> Option<u64> {
    None
}
