//! Notices when the preset file in use is saved.

use std::path::PathBuf;
use std::time::SystemTime;

use log::{info, warn};

use super::{Origin, Overrides, Preset, load};

/// Watches one preset's file.
#[derive(Debug)]
pub struct Watch {
    name: String,
    overrides: Overrides,
    path: PathBuf,
    seen: Option<Saved>,
    /// What the last look saw: a file that is being written must hold still for one look.
    looked: Option<Saved>,
}

/// When a file was saved last, and its size: one alone may stay the same.
type Saved = (SystemTime, u64);

impl Watch {
    /// Watches the file that the preset called `name` came from; `overrides` go on top of it, as
    /// at the start. `None` if it came from no file.
    #[must_use]
    pub fn new(name: &str, origin: &Origin, overrides: Overrides) -> Option<Self> {
        let path = origin.path()?.to_owned();
        let mut watch = Self { name: name.to_owned(), overrides, path, seen: None, looked: None };
        watch.seen = watch.stamp();
        watch.looked = watch.seen;
        Some(watch)
    }

    /// The preset anew, if its file was saved since the last look. A file that cannot be used is
    /// said once, and what was in force stays.
    pub fn look(&mut self) -> Option<Preset> {
        let stamp = self.stamp();
        let before = std::mem::replace(&mut self.looked, stamp);
        if stamp.is_none() || stamp == self.seen || stamp != before {
            return None;
        }
        self.seen = stamp;
        let loaded = load(&self.name).and_then(|(preset, _)| preset.with(self.overrides.clone()));
        match loaded {
            Ok(preset) => {
                info!("{} was saved: what can change while running does", self.path.display());
                Some(preset)
            }
            Err(e) => {
                warn!("{e}. Going on as before");
                None
            }
        }
    }

    fn stamp(&self) -> Option<Saved> {
        let data = std::fs::metadata(&self.path).ok()?;
        Some((data.modified().ok()?, data.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soundless::scratch::Scratch;

    #[test]
    fn a_file_that_is_still_being_written_is_not_read() {
        let scratch = Scratch::new();
        let path = scratch.path("mine.toml");
        std::fs::write(&path, "playout_delay_ms = 400\n").unwrap();
        let name = path.to_str().unwrap();
        let origin = Origin::File(path.clone());
        let mut watch = Watch::new(name, &origin, Overrides::default()).unwrap();
        std::fs::write(&path, "").unwrap();
        assert_eq!(watch.look(), None);
        std::fs::write(&path, "playout_delay_ms = 350\n").unwrap();
        assert_eq!(watch.look(), None);
        assert_eq!(watch.look().map(|preset| preset.playout_delay_ms), Some(350));
        assert_eq!(watch.look(), None);
    }
}
