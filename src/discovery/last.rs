//! Which server was chosen last: where several are found, it is the one that Enter takes.

use std::path::PathBuf;

use log::debug;
use serde::{Deserialize, Serialize};

use super::found::Found;
use crate::preset;
use crate::secret_file;

/// The file's name, in the folder of this user's settings.
const FILE: &str = "last-server.json";

/// The server that was chosen last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Last {
    id: Option<String>,
    name: String,
}

impl Last {
    fn of(found: &Found) -> Self {
        Self { id: found.details.id.clone(), name: found.name.clone() }
    }

    /// The one that this user chose, if it can be read.
    pub(super) fn remembered() -> Option<Self> {
        Self::read(file()?)
    }

    fn read(file: PathBuf) -> Option<Self> {
        serde_json::from_slice(&secret_file::read(&file).ok()??).ok()
    }

    /// Remembers that this one was chosen. Where that cannot be written, the next question has no first choice.
    pub(super) fn keep(found: &Found) {
        let Some(file) = file() else { return };
        if let Err(e) = Self::of(found).write(file) {
            debug!("the last server is not remembered: {e}");
        }
    }

    fn write(&self, file: PathBuf) -> crate::Result<()> {
        if Self::read(file.clone()).as_ref() == Some(self) {
            return Ok(());
        }
        secret_file::write(&file, &serde_json::to_vec(self).unwrap_or_default())
    }

    /// Which of these it is. None where several could be: anybody can take a name and an id.
    pub(super) fn among(&self, servers: &[Found]) -> Option<usize> {
        let is_it = |found: &Found| match &self.id {
            Some(id) => found.details.id.as_ref() == Some(id),
            None => found.details.id.is_none() && found.name == self.name,
        };
        let mut those = servers.iter().enumerate().filter(|(_, found)| is_it(found));
        let (place, _) = those.next()?;
        those.next().is_none().then_some(place)
    }
}

fn file() -> Option<PathBuf> {
    Some(preset::config_directory()?.join(FILE))
}

#[cfg(test)]
mod tests {
    use super::super::found::{example, installed};
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_installation_that_it_was_is_known_whatever_it_is_called_and_wherever_it_is() {
        let last = Last::of(&installed("a", "192.0.2.1:5555"));
        let servers = [example("attic", "192.0.2.1:5555"), installed("a", "192.0.2.9:5555")];
        assert_eq!(last.among(&servers), Some(1));
        assert_eq!(last.among(&servers[..1]), None);
    }

    #[test]
    fn one_that_somebody_else_pretends_to_be_is_no_first_choice() {
        let last = Last::of(&installed("a", "192.0.2.1:5555"));
        let servers = [installed("a", "192.0.2.1:5555"), installed("a", "192.0.2.66:5555")];
        assert_eq!(last.among(&servers), None);
    }

    #[test]
    fn one_without_an_id_is_known_by_its_name() {
        let last = Last::of(&example("attic", "192.0.2.1:5555"));
        let servers = [example("cellar", "192.0.2.1:5555"), example("attic", "192.0.2.2:5555")];
        assert_eq!(last.among(&servers), Some(1));
    }

    #[test]
    fn it_is_read_as_it_was_written_and_what_is_no_such_file_is_none() {
        let scratch = Scratch::new();
        let file = scratch.path("auralync").join(FILE);
        assert_eq!(Last::read(file.clone()), None);
        for id in ["a", "b"] {
            let last = Last::of(&installed(id, "192.0.2.1:5555"));
            last.write(file.clone()).unwrap();
            assert_eq!(Last::read(file.clone()), Some(last));
        }
        std::fs::write(&file, "[").unwrap();
        assert_eq!(Last::read(file), None);
    }
}
