//! What is remembered for each output, in a file of the user's configuration directory.
//!
//! The file is read and written by threads that may wait.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use log::warn;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::plain;
use crate::{home, preset};

/// Most bytes of the file, which has a few lines; what is larger is something else. Where another output would make it
/// so, the first of the others is forgotten.
pub(super) const LARGEST_FILE: u64 = 64 * 1024;

/// What is remembered, by the id of its output.
type All<V> = BTreeMap<String, V>;

/// What a file remembers, in words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words {
    /// As in “the delays remembered in …”.
    pub(super) many: &'static str,
    /// As in “this output's delay is not remembered”.
    pub(super) one: &'static str,
}

/// Remembers a value for each output. The default is not worth a line.
#[derive(Debug)]
pub(super) struct PerOutput<V> {
    /// Nothing is remembered without one.
    path: Option<PathBuf>,
    words: Words,
    /// Whether a value in the file can be.
    is_possible: fn(&V) -> bool,
    device: Option<String>,
    /// What the file said of it when it was last read or written.
    written: V,
    /// The file does not say yet what is in use.
    changed: bool,
    /// That the file cannot be used was said.
    complained: bool,
}

impl<V: Copy + Default + PartialEq + Serialize + DeserializeOwned> PerOutput<V> {
    /// Remembers in `path`.
    pub(super) fn in_file(
        path: Option<PathBuf>,
        words: Words,
        is_possible: fn(&V) -> bool,
    ) -> Self {
        Self {
            path,
            words,
            is_possible,
            device: None,
            written: V::default(),
            changed: false,
            complained: false,
        }
    }

    /// The file of that name in the user's configuration directory.
    pub(super) fn path(file: &str) -> Option<PathBuf> {
        preset::config_directory().map(|folder| folder.join(file))
    }

    /// Sound goes to this output from here on; `used` was in use. Gives what is remembered for it, `None` where it was
    /// that output before.
    #[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card has an id"))]
    pub(super) fn turn_to(&mut self, id: &str, used: V) -> Option<V> {
        if self.device.as_deref() == Some(id) {
            return None;
        }
        self.save(used);
        self.device = Some(id.to_owned());
        self.written = self.load().and_then(|all| all.get(id).copied()).unwrap_or_default();
        Some(self.written)
    }

    /// What another program has remembered for the output meanwhile; `None` where none has. May wait for a disk.
    #[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card has an id"))]
    pub(super) fn look_again(&mut self) -> Option<V> {
        let device = self.device.clone().filter(|_| !self.changed)?;
        let now = self.load()?.get(&device).copied().unwrap_or_default();
        (std::mem::replace(&mut self.written, now) != now).then_some(now)
    }

    /// What is in use is to be saved.
    pub(super) fn change(&mut self) {
        self.changed = true;
    }

    /// Writes what is in use, where that has changed. May wait for a disk.
    pub(super) fn save(&mut self, used: V) {
        let Some(device) = self.device.clone().filter(|_| std::mem::take(&mut self.changed)) else {
            return;
        };
        // Another client may have written meanwhile.
        let mut all = self.load().unwrap_or_default();
        let Some(path) = self.path.clone() else {
            return;
        };
        put(&mut all, &device, used);
        self.written = used;
        if let Err(why) = write(&path, all, &device) {
            self.complain(&format!(
                "this output's {} is not remembered: {}: {why}. Everything else goes on",
                self.words.one,
                path.display()
            ));
        }
    }

    /// What the file says; `None` if it cannot be used.
    fn load(&mut self) -> Option<All<V>> {
        let (path, many) = (self.path.clone()?, self.words.many);
        match read(&path, self.is_possible) {
            Ok(all) => return Some(all),
            Err(Trouble::Damaged) => self.complain(&format!(
                "the {many} remembered in {} cannot be understood: starting without them",
                path.display()
            )),
            Err(Trouble::System(why)) => {
                self.complain(&format!(
                    "the {many} remembered in {} cannot be read: {why}. Going on without them",
                    path.display()
                ));
                // Whatever it holds is not ours to replace.
                self.path = None;
            }
        }
        None
    }

    fn complain(&mut self, sentence: &str) {
        if !std::mem::replace(&mut self.complained, true) {
            warn!("{sentence}");
        }
    }
}

/// Remembers `value` for an output in `path`, as a program that plays on it would. May wait for a disk. An error says why
/// it cannot be.
#[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card has an id"))]
pub(super) fn remember<V: Copy + Default + PartialEq + Serialize + DeserializeOwned>(
    path: &Path,
    is_possible: fn(&V) -> bool,
    device: &str,
    value: V,
) -> Result<(), String> {
    let mut all = match read(path, is_possible) {
        Ok(all) => all,
        Err(Trouble::Damaged) => All::new(),
        Err(Trouble::System(why)) => return Err(why),
    };
    put(&mut all, device, value);
    write(path, all, device)
}

/// What is remembered for an output in `path`.
#[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card has an id"))]
pub(super) fn remembered<V: Copy + Default + DeserializeOwned>(
    path: &Path,
    is_possible: fn(&V) -> bool,
    device: &str,
) -> V {
    let all = read(path, is_possible).unwrap_or_default();
    all.get(device).copied().unwrap_or_default()
}

fn put<V: Default + PartialEq>(all: &mut All<V>, device: &str, value: V) {
    if value == V::default() {
        all.remove(device);
    } else {
        all.insert(device.to_owned(), value);
    }
}

enum Trouble {
    Damaged,
    System(String),
}

fn read<V: DeserializeOwned>(path: &Path, is_possible: fn(&V) -> bool) -> Result<All<V>, Trouble> {
    let system = |error: &std::io::Error| Trouble::System(plain(error));
    // A pipe or a device would make the program wait for ever.
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(All::new()),
        Err(error) => return Err(system(&error)),
        Ok(metadata) if !metadata.is_file() => {
            return Err(Trouble::System("this is not a file".to_owned()));
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| system(&error))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(Trouble::Damaged);
    }
    let all: All<V> = serde_json::from_slice(&bytes).map_err(|_| Trouble::Damaged)?;
    if !all.values().all(is_possible) {
        return Err(Trouble::Damaged);
    }
    Ok(all)
}

/// Writes all of it, with the line of `device` before any other.
fn write<V: Serialize>(path: &Path, mut all: All<V>, device: &str) -> Result<(), String> {
    loop {
        let text = serde_json::to_string_pretty(&all).map_err(|error| error.to_string())? + "\n";
        if text.len() as u64 <= LARGEST_FILE {
            return home::replace(path, &text).map_err(|error| plain(&error));
        }
        let Some(other) = all.keys().find(|id| *id != device).cloned() else {
            return Err("the output's name is too long".to_owned());
        };
        all.remove(&other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const WORDS: Words = Words { many: "numbers", one: "number" };

    #[test]
    fn the_file_never_becomes_too_large_to_be_read_again() {
        let folder = Scratch::new();
        let path = folder.path("numbers.json");
        for n in 1..=100_u32 {
            let mut file = PerOutput::in_file(Some(path.clone()), WORDS, |_| true);
            let id = format!("{n:01000}");
            assert_eq!(file.turn_to(&id, 0), Some(0));
            file.change();
            file.save(n);
        }
        assert!(path.metadata().unwrap().len() <= LARGEST_FILE);
        let mut file = PerOutput::in_file(Some(path), WORDS, |_| true);
        assert_eq!(file.turn_to(&format!("{:01000}", 100), 0), Some(100_u32));
        assert_eq!(file.turn_to(&format!("{:01000}", 1), 0), Some(0), "the first was forgotten");
    }
}
