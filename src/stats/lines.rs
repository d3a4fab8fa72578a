//! Where the lines of `--stats` go.

use std::path::PathBuf;

use serde::Serialize;

use crate::error::{Error, Result, plain};

/// Where `--stats` says that the lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatsTarget {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// The open end of `--stats`.
pub struct Lines {
    out: Option<Box<dyn std::io::Write + Send>>,
}

impl Lines {
    /// Opens the target; a file is written anew. `None` swallows every line.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be made.
    pub fn open(target: Option<&StatsTarget>) -> Result<Self> {
        let out: Option<Box<dyn std::io::Write + Send>> = match target {
            None => None,
            Some(StatsTarget::Stdout) => Some(Box::new(std::io::stdout())),
            Some(StatsTarget::File(path)) => {
                let file = std::fs::File::create(path).map_err(|e| {
                    let why = plain(&e);
                    Error::file(path, why, "Choose a place for --stats that can be written")
                })?;
                Some(Box::new(file))
            }
        };
        Ok(Self { out })
    }

    /// Writes one line of JSON. A reader that has gone away or a full disk ends the statistics,
    /// not the sound; the log says so once.
    pub fn write(&mut self, stats: &impl Serialize) {
        let Some(out) = &mut self.out else {
            return;
        };
        let written = serde_json::to_string(stats)
            .map_err(std::io::Error::from)
            .and_then(|line| writeln!(out, "{line}").and_then(|()| out.flush()));
        if let Err(e) = written {
            log::warn!("--stats ends here: {}", plain(&e));
            self.out = None;
        }
    }
}
