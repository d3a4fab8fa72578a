//! Named threads, how soon they run, and what becomes of one that breaks.

mod priority;

use std::thread::{Builder, JoinHandle};

use crate::error::{Error, Result};
use crate::shutdown::Shutdown;

pub(crate) use priority::Priority;

/// Starts a thread called `name`, and asks the system for its priority. If it panics, everybody who
/// looks at `stop` ends: a program that lacks a part must not look well.
///
/// # Errors
/// [`Error::Internal`] if the system gives no thread.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    priority: Priority,
    stop: &Shutdown,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    let watch = Watch { name: name.to_owned(), stop: stop.clone() };
    Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let _watch = watch;
            priority.ask();
            work()
        })
        .map_err(|e| Error::internal(format!("cannot start the {name} thread"), e))
}

/// Notices the end of a thread: it is dropped then, whatever the thread ends by.
struct Watch {
    name: String,
    stop: Shutdown,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.stop.break_off(&self.name);
        }
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::exit;

    #[test]
    fn a_thread_that_panics_ends_the_program_with_a_sentence() {
        let stop = Shutdown::default();
        let fine = spawn("fine", Priority::Ordinary, &stop, || Ok(())).unwrap();
        join(fine).unwrap();
        assert!(!stop.is_requested() && stop.breakage().is_none());
        // Nobody joins it, as nobody does who may be inside a system call for long.
        let _broken = spawn("keys", Priority::Ordinary, &stop, || panic!("on purpose")).unwrap();
        assert!(stop.sleep(Duration::from_secs(10)), "nobody was told");
        let error = stop.breakage().unwrap();
        assert!(error.to_string().contains("the keys thread broke"), "{error}");
        assert_eq!(error.exit_code(), exit::INTERNAL);
    }
}
