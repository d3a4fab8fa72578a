//! A Windows console.

use std::io;
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::{ansi_support, terminal};

use super::keys::Stroke;

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
    pub(super) fn open(_wants_release: bool) -> Option<Self> {
        terminal::enable_raw_mode().ok()?;
        Some(Self)
    }

    /// Whether the console tells when a key is let go: all of them do.
    pub(super) fn tells_release(&self) -> bool {
        true
    }

    /// What came from the keyboard, after a while at most.
    pub(super) fn typed(&mut self) -> io::Result<Vec<Stroke>> {
        if !terminal::is_raw_mode_enabled()? {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if !event::poll(WAIT)? {
            return Ok(Vec::new());
        }
        Ok(match event::read()? {
            Event::Key(key) => stroke(key).into_iter().collect(),
            Event::FocusLost => vec![Stroke::SpaceUp],
            _ => Vec::new(),
        })
    }
}

fn stroke(key: KeyEvent) -> Option<Stroke> {
    let letter = match key.code {
        KeyCode::Char(letter) => letter,
        KeyCode::Tab => '\t',
        _ => return None,
    };
    match key.kind {
        KeyEventKind::Release => (letter == ' ').then_some(Stroke::SpaceUp),
        // In this mode Ctrl-C is a key like any other.
        _ if key.modifiers == KeyModifiers::CONTROL && letter == 'c' => Some(Stroke::Stop),
        _ => letter.is_ascii().then_some(Stroke::Down(letter)),
    }
}
