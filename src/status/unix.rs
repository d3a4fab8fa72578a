//! A terminal of a Unix system, through its own calls.
//!
//! For keys only echo and line editing are turned off: Ctrl-C and Ctrl-Z go on meaning what they
//! mean everywhere, and what is written needs no care for the mode. Only to hold a key for talking is
//! the terminal asked for more, where it can do more.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Signal, getpgrp, kill_current_process_group};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcgetwinsize,
    tcsetattr,
};

use super::escapes::strokes;
use super::keys::Stroke;

/// How often a key is looked for. To wait in a read would not do: what waits there while a shell
/// puts us in the background is stopped, and may wait for a whole line afterwards.
const LOOK: Duration = Duration::from_millis(25);

/// Asks which keys the terminal tells of, and what it is, which all of them answer.
const QUESTION: &str = "\x1b[?u\x1b[c";

/// How long an answer may take: a terminal far away still talks.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// Tell every key, with what it types and when it is let go (1 + 2 + 8 + 16 of kitty's keyboard
/// protocol), and when the window is left, which swallows the letting go.
const TELL_ALL: &str = "\x1b[>27u\x1b[?1004h";
const TELL_AS_BEFORE: &str = "\x1b[?1004l\x1b[<u";

/// How the terminal was before keys were read; `None` when they are not.
static BEFORE: Mutex<Option<Before>> = Mutex::new(None);

struct Before {
    mode: Termios,
    /// Whether it has been asked to tell every key.
    tells_all: bool,
}

impl Before {
    fn restore(&mut self) {
        if std::mem::take(&mut self.tells_all) {
            say(TELL_AS_BEFORE);
        }
        // In the background the shell has its own mode set, and a terminal that is gone has none.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.mode);
    }
}

/// Writes to the terminal, past what is shown on it.
fn say(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

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
    if let Some(mut before) = before.take()
        && is_in_front(io::stdin())
    {
        before.restore();
    }
}

/// The keyboard.
#[derive(Debug)]
pub(super) struct Keys {
    tells_release: bool,
}

impl Keys {
    pub(super) fn open(wants_release: bool) -> Option<Self> {
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_in_front(io::stdin()) {
            return None;
        }
        let mode = tcgetattr(io::stdin()).ok()?;
        take_keys(&mode).ok()?;
        let before = before.get_or_insert(Before { mode, tells_all: false });
        let tells_release = wants_release && is_seen_to_tell();
        if tells_release {
            say(TELL_ALL);
            before.tells_all = true;
        }
        Some(Self { tells_release })
    }

    /// Whether the terminal tells when a key is let go.
    pub(super) fn tells_release(&self) -> bool {
        self.tells_release
    }

    /// What came from the keyboard, after a moment at most.
    pub(super) fn typed(&mut self) -> io::Result<Vec<Stroke>> {
        std::thread::sleep(LOOK);
        let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(before) = before.as_mut() else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let now = tcgetattr(io::stdin())?;
        if !is_in_front(io::stdin()) {
            return Ok(Vec::new());
        }
        // A shell that had the terminal meanwhile has left it in another mode.
        if now.local_modes.intersects(LocalModes::ICANON | LocalModes::ECHO) {
            take_keys(&now)?;
            if self.tells_release && !before.tells_all {
                say(TELL_ALL);
                before.tells_all = true;
            }
        }
        let strokes: Vec<Stroke> = strokes(&read()?).collect();
        if strokes.contains(&Stroke::Suspend) {
            // A terminal that tells every key leaves to us what its driver does otherwise.
            before.restore();
            kill_current_process_group(Signal::TSTP)?;
        }
        Ok(strokes)
    }
}

/// Whether the terminal says that it can tell every key.
fn is_seen_to_tell() -> bool {
    say(QUESTION);
    let until = Instant::now() + ANSWER_WITHIN;
    let mut answer = Vec::new();
    // The second answer ends with a c, and begins like the first.
    while !answer.windows(3).any(|part| part == b"\x1b[?") || !answer.ends_with(b"c") {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(LOOK);
        match read() {
            Ok(bytes) => answer.extend(bytes),
            Err(_) => return false,
        }
    }
    let flags = answer.split(|byte| *byte == 0x1b).find_map(|part| part.strip_prefix(b"[?"));
    flags.is_some_and(|flags| flags.ends_with(b"u"))
}

/// The bytes that wait.
fn read() -> io::Result<Vec<u8>> {
    let mut bytes = [0; 256];
    match rustix::io::read(io::stdin(), &mut bytes) {
        Ok(count) => Ok(bytes[..count].to_vec()),
        Err(Errno::INTR | Errno::AGAIN) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
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
