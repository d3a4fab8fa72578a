//! A terminal of a Unix system, through its own calls.
//!
//! For keys only echo and line editing are turned off: Ctrl-C and Ctrl-Z go on meaning what they
//! mean everywhere, and what is written needs no care for the mode.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcgetwinsize,
    tcsetattr,
};

/// How often a key is looked for. To wait in a read would not do: what waits there while a shell
/// puts us in the background is stopped, and may wait for a whole line afterwards.
const LOOK: Duration = Duration::from_millis(25);

/// How the terminal was before keys were read; `None` when they are not.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Whether the terminal is ours to write on: a shell that has put us in the background has it now.
pub(super) fn is_ours() -> bool {
    is_in_front(io::stderr())
}

fn is_in_front(terminal: impl std::os::fd::AsFd) -> bool {
    match tcgetpgrp(terminal) {
        Ok(group) => group == getpgrp(),
        // A terminal that controls nobody is nobody else's.
        Err(error) => error == Errno::NOTTY,
    }
}

/// Columns and rows, where they are known.
pub(super) fn size() -> Option<(u16, u16)> {
    let size = tcgetwinsize(io::stderr()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col, size.ws_row))
}

/// Gives the terminal's mode back.
pub(super) fn release() {
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(before) = before.take()
        && is_in_front(io::stdin())
    {
        // In the background the shell has its own mode set, and a terminal that is gone has none.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &before);
    }
}

/// The keyboard.
#[derive(Debug)]
pub(super) struct Keys;

impl Keys {
    pub(super) fn open() -> Option<Self> {
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_in_front(io::stdin()) {
            return None;
        }
        let now = tcgetattr(io::stdin()).ok()?;
        take_keys(&now).ok()?;
        before.get_or_insert(now);
        Some(Self)
    }

    /// The bytes that came from the keyboard, after a moment at most.
    pub(super) fn typed(&mut self) -> io::Result<Vec<u8>> {
        std::thread::sleep(LOOK);
        let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        if before.is_none() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let now = tcgetattr(io::stdin())?;
        if !is_in_front(io::stdin()) {
            return Ok(Vec::new());
        }
        // A shell that had the terminal meanwhile has left it in another mode.
        if now.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO) {
            take_keys(&now)?;
        }
        let mut bytes = [0; 64];
        match rustix::io::read(io::stdin(), &mut bytes) {
            Ok(count) => Ok(bytes[..count].to_vec()),
            Err(Errno::INTR | Errno::AGAIN) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Keys come one by one, unseen; without one a read ends at once.
fn take_keys(now: &Termios) -> io::Result<()> {
    let mut mode = now.clone();
    mode.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO);
    mode.special_codes[SpecialCodeIndex::VMIN] = 0;
    mode.special_codes[SpecialCodeIndex::VTIME] = 0;
    Ok(tcsetattr(io::stdin(), OptionalActions::Now, &mode)?)
}
