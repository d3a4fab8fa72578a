//! How whoever keeps a program running asks it to end, as Ctrl-C would, and how the program hears of that.
//!
//! On Windows a program without a window has no signals. So the keeper holds a mutex that the program inherits and
//! waits for: it comes free when the keeper lets go of it, and also when the keeper itself was ended by force. Then
//! nobody else could end the program, which has no window to be closed.

#[cfg(windows)]
pub(super) use by_mutex::Tie;
#[cfg(windows)]
pub(crate) use by_mutex::stop_when_let_go;
#[cfg(unix)]
pub(super) use by_signal::Tie;

#[cfg(unix)]
mod by_signal {
    use std::process::{Child, Command};

    use rustix::process::{Pid, Signal, kill_process};

    use crate::error::Result;

    /// Nothing: every program hears signals.
    pub(in crate::service) struct Tie;

    impl Tie {
        #[allow(clippy::unnecessary_wraps, reason = "elsewhere the system may refuse")]
        pub(in crate::service) fn new() -> Result<Self> {
            Ok(Self)
        }

        /// Before the program is started.
        pub(in crate::service) fn to(&self, _command: &mut Command) {}

        /// Asks the program to end.
        pub(in crate::service) fn let_go(&self, child: &Child) {
            // The only failure is that it has ended already.
            let _ = kill_process(Pid::from_child(child), Signal::TERM);
        }
    }
}

#[cfg(windows)]
#[allow(unsafe_code, reason = "no safe crate that is here already knows the system's mutexes")]
mod by_mutex {
    use std::io;
    use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
    use std::process::{Child, Command};
    use std::ptr::null;

    use windows_sys::Win32::Foundation::{
        HANDLE, HANDLE_FLAG_INHERIT, SetHandleInformation, WAIT_ABANDONED, WAIT_OBJECT_0,
    };
    use windows_sys::Win32::System::Threading::{
        CreateMutexW, INFINITE, ReleaseMutex, WaitForSingleObject,
    };

    use crate::error::{Error, Result, plain};
    use crate::shutdown::Shutdown;
    use crate::threads::{Priority, spawn};

    /// The variable that names the mutex to the program: the number of the handle that it inherits.
    const VARIABLE: &str = "AURALYNC_KEEPER";

    /// A mutex that the thread which made this holds.
    pub(in crate::service) struct Tie(OwnedHandle);

    impl Tie {
        /// # Errors
        /// [`Error::Internal`] if the system gives none.
        pub(in crate::service) fn new() -> Result<Self> {
            let refused = || {
                let why = plain(&io::Error::last_os_error());
                Error::internal("cannot make what ends the program", why)
            };
            // SAFETY: neither attributes nor a name are handed over.
            let handle = unsafe { CreateMutexW(null(), 1, null()) };
            if handle.is_null() {
                return Err(refused());
            }
            // SAFETY: the handle is new, and nobody else's.
            let handle = unsafe { OwnedHandle::from_raw_handle(handle) };
            // SAFETY: the handle is open.
            match unsafe {
                SetHandleInformation(
                    handle.as_raw_handle(),
                    HANDLE_FLAG_INHERIT,
                    HANDLE_FLAG_INHERIT,
                )
            } {
                0 => Err(refused()),
                _ => Ok(Self(handle)),
            }
        }

        /// Before the program is started.
        pub(in crate::service) fn to(&self, command: &mut Command) {
            command.env(VARIABLE, (self.0.as_raw_handle() as usize).to_string());
        }

        /// Asks the program to end. For the thread that made this.
        pub(in crate::service) fn let_go(&self, _child: &Child) {
            // SAFETY: the handle is open. Where the thread no longer holds it, nothing happens.
            unsafe { ReleaseMutex(self.0.as_raw_handle()) };
        }
    }

    /// Asks for `shutdown` as soon as the keeper lets go, if one keeps this program running.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system gives no thread.
    pub(crate) fn stop_when_let_go(shutdown: &Shutdown) -> Result<()> {
        let number = std::env::var(VARIABLE).ok().and_then(|number| number.parse::<usize>().ok());
        let Some(number) = number else { return Ok(()) };
        let asked = shutdown.clone();
        let _waits_as_long_as_the_program =
            spawn("keeper", Priority::Ordinary, shutdown, move || {
                // SAFETY: what is no handle of a mutex is refused at once.
                let end = unsafe { WaitForSingleObject(number as HANDLE, INFINITE) };
                match end {
                    WAIT_OBJECT_0 | WAIT_ABANDONED => asked.request(),
                    // Somebody else has set the variable.
                    _ => log::debug!("{VARIABLE} names nothing that could be waited for"),
                }
            })?;
        Ok(())
    }
}
