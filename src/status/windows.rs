//! A Windows console.

use std::io;
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::{ansi_support, terminal};

/// How long to wait for a key.
const WAIT: Duration = Duration::from_millis(200);

/// Whether the console can move its cursor as we ask it to; those before Windows 10 cannot.
pub(super) fn is_ours() -> bool {
    ansi_support::supports_ansi()
}

/// Columns and rows, where they are known.
pub(super) fn size() -> Option<(u16, u16)> {
    terminal::size().ok().filter(|(columns, rows)| *columns > 0 && *rows > 0)
}

/// Gives the console's mode back.
pub(super) fn release() {
    // Where no key was read there is nothing to give back.
    if terminal::is_raw_mode_enabled().unwrap_or(false) {
        let _ = terminal::disable_raw_mode();
    }
}

/// The keyboard.
#[derive(Debug)]
pub(super) struct Keys;

impl Keys {
    pub(super) fn open() -> Option<Self> {
        terminal::enable_raw_mode().ok()?;
        Some(Self)
    }

    /// The bytes that came from the keyboard, after a while at most.
    pub(super) fn typed(&mut self) -> io::Result<Vec<u8>> {
        if !terminal::is_raw_mode_enabled()? {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if !event::poll(WAIT)? {
            return Ok(Vec::new());
        }
        let Event::Key(key) = event::read()? else {
            return Ok(Vec::new());
        };
        let KeyCode::Char(letter) = key.code else {
            return Ok(Vec::new());
        };
        // In this mode Ctrl-C is a key like any other.
        let stop = key.modifiers == KeyModifiers::CONTROL && letter == 'c';
        let letter = if stop { 'q' } else { letter };
        let pressed = key.kind != KeyEventKind::Release && letter.is_ascii();
        Ok(if pressed { vec![letter as u8] } else { Vec::new() })
    }
}
