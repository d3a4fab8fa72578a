//! What the server plays.

use std::path::PathBuf;

/// The kinds of source.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// What this PC plays, on the default output or the named one.
    Loopback(Option<String>),
    /// An input of a sound card.
    Device(String),
    /// A sound file.
    File(PathBuf),
    /// A sine.
    Tone {
        /// Its frequency.
        hz: f64,
    },
    /// Silence.
    None,
}
