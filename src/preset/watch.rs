//! Notices when the preset file in use is saved.

use std::path::PathBuf;

use log::{info, warn};

use super::{Fixed, Origin, Overrides, Preset, load, lookup};

/// Watches one preset's file.
#[derive(Debug)]
pub struct Watch {
    name: String,
    overrides: Overrides,
    path: PathBuf,
    fixed: Fixed,
    /// What stood in the file that was taken last. Date and size tell less: either may stay as it was.
    seen: Option<Vec<u8>>,
    /// What the last look saw: a file that is being written must hold still for one look.
    looked: Option<Vec<u8>>,
}

impl Watch {
    /// Watches the file that the preset called `name` came from; `overrides` go on top of it, as
    /// at the start, and what is `fixed` stays. `None` if it came from no file.
    #[must_use]
    pub fn new(name: &str, origin: &Origin, overrides: Overrides, fixed: Fixed) -> Option<Self> {
        let path = origin.path()?.to_owned();
        let seen = lookup::bytes(&path);
        let looked = seen.clone();
        Some(Self { name: name.to_owned(), overrides, path, fixed, seen, looked })
    }

    /// The preset anew, if its file was saved since the last look. A file that cannot be used is
    /// said once, and what was in force stays.
    pub fn look(&mut self) -> Option<Preset> {
        let now = lookup::bytes(&self.path);
        let holds_still = now == self.looked;
        self.looked = now;
        if self.looked.is_none() || self.looked == self.seen || !holds_still {
            return None;
        }
        self.seen.clone_from(&self.looked);
        let loaded = load(&self.name)
            .and_then(|(preset, _)| preset.with(self.overrides.clone()))
            .and_then(|preset| preset.held_to(self.fixed));
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preset::Unreporting;
    use crate::scratch::Scratch;

    #[test]
    fn a_file_that_is_still_being_written_is_not_read() {
        let scratch = Scratch::new();
        let path = scratch.path("mine.toml");
        std::fs::write(&path, "playout_delay_ms = 400\n").unwrap();
        let name = path.to_str().unwrap();
        let origin = Origin::File(path.clone());
        let fixed = Fixed { sample_rate: 48_000, chunk_size: 1_024, unreporting: None };
        let mut watch = Watch::new(name, &origin, Overrides::default(), fixed).unwrap();
        std::fs::write(&path, "").unwrap();
        assert_eq!(watch.look(), None);
        std::fs::write(&path, "playout_delay_ms = 350\n").unwrap();
        assert_eq!(watch.look(), None);
        assert_eq!(watch.look().map(|preset| preset.playout_delay_ms), Some(350));
        assert_eq!(watch.look(), None);
    }

    #[test]
    fn a_saved_file_is_known_by_what_stands_in_it_and_not_by_size_and_date() {
        let scratch = Scratch::new();
        let path = scratch.path("mine.toml");
        let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
        let save = |text: &str| {
            std::fs::write(&path, text).unwrap();
            std::fs::File::options().write(true).open(&path).unwrap().set_modified(date).unwrap();
        };
        save("playout_delay_ms = 400\n");
        let origin = Origin::File(path.clone());
        let fixed = Fixed { sample_rate: 48_000, chunk_size: 1_024, unreporting: None };
        let name = path.to_str().unwrap();
        let mut watch = Watch::new(name, &origin, Overrides::default(), fixed).unwrap();
        save("playout_delay_ms = 350\n");
        assert_eq!(watch.look(), None);
        assert_eq!(watch.look().map(|preset| preset.playout_delay_ms), Some(350));
        // Saved again as it is: nothing has changed.
        save("playout_delay_ms = 350\n");
        assert_eq!((watch.look(), watch.look()), (None, None));
    }

    #[test]
    fn a_delay_that_is_to_be_found_is_not_taken_where_somebody_says_nothing_of_it() {
        for (has_engine, has_snapclients, is_auto) in
            [(false, false, Some(true)), (true, false, None), (false, true, None)]
        {
            let scratch = Scratch::new();
            let path = scratch.path("mine.toml");
            std::fs::write(&path, "playout_delay_ms = 400\n").unwrap();
            let unreporting = Unreporting::among(has_engine, has_snapclients);
            let fixed = Fixed { sample_rate: 48_000, chunk_size: 1_024, unreporting };
            let (name, origin) = (path.to_str().unwrap(), Origin::File(path.clone()));
            let mut watch = Watch::new(name, &origin, Overrides::default(), fixed).unwrap();
            std::fs::write(&path, "playout_delay_ms = \"auto\"\n").unwrap();
            assert_eq!(watch.look(), None);
            assert_eq!(watch.look().map(|preset| preset.auto_delay), is_auto);
            // A number is taken as ever.
            std::fs::write(&path, "playout_delay_ms = 350\n").unwrap();
            assert_eq!(watch.look(), None);
            let taken = watch.look().map(|preset| (preset.playout_delay_ms, preset.auto_delay));
            assert_eq!(taken, Some((350, false)));
        }
    }
}
