//! What happens when a program's window is closed, or its user logs off.
//!
//! Windows ends the program as soon as its handler has come back, whatever it was doing: a recording
//! without its end, listeners whom nobody told. So the handler does not come back. The program ends by
//! itself meanwhile, and the system waits 5 s for that.

use std::io;
use std::sync::OnceLock;
use std::thread;

use windows_sys::Win32::System::Console::{
    CTRL_CLOSE_EVENT, CTRL_LOGOFF_EVENT, CTRL_SHUTDOWN_EVENT, SetConsoleCtrlHandler,
};
use windows_sys::core::BOOL;

use crate::shutdown::Shutdown;

static ASKED: OnceLock<Shutdown> = OnceLock::new();

/// From now on, closing the window asks for `shutdown`. Called again, the first one stays.
///
/// The handler that is set last is asked first, so this comes after that of Ctrl-C.
#[allow(unsafe_code, reason = "there is no other way to be told")]
pub(super) fn stop_when_closed(shutdown: &Shutdown) -> io::Result<()> {
    if ASKED.set(shutdown.clone()).is_err() {
        return Ok(());
    }
    // SAFETY: the handler is a function, which stays where it is.
    match unsafe { SetConsoleCtrlHandler(Some(told), 1) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Runs on a thread of the system's.
#[allow(unsafe_code, reason = "the system calls it")]
unsafe extern "system" fn told(event: u32) -> BOOL {
    if !matches!(event, CTRL_CLOSE_EVENT | CTRL_LOGOFF_EVENT | CTRL_SHUTDOWN_EVENT) {
        return 0;
    }
    if let Some(shutdown) = ASKED.get() {
        shutdown.request();
    }
    loop {
        thread::park();
    }
}
