//! Finds a preset by its name or path.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::nearest::nearest;
use super::{Overrides, Preset, file};
use crate::error::{Error, Result, plain};
use crate::home::expanded;

/// The preset of those who name none.
pub const DEFAULT: &str = "smooth";

const SMOOTH: &str = include_str!("../../presets/smooth.toml");

/// The built-in presets and their files' texts, in the order in which they are listed.
const BUILT_IN: [(&str, &str); 4] = [
    (DEFAULT, SMOOTH),
    ("low-latency", include_str!("../../presets/low-latency.toml")),
    ("stable", include_str!("../../presets/stable.toml")),
    ("live", include_str!("../../presets/live.toml")),
];

/// Largest preset file that is read, in bytes; the built-in ones have 3,000. Whoever names a film
/// by mistake gets an error instead of a full memory.
const LARGEST_FILE: u64 = 64 * 1024;

/// Most of the user's own presets that an error lists.
const MOST_LISTED: usize = 20;

/// Most files of the user's folder that are looked at for that.
const MOST_LOOKED_AT: usize = 10_000;

/// Where a preset came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The program itself.
    BuiltIn,
    /// A file.
    File(PathBuf),
}

impl Origin {
    /// The preset's file, when it came from one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::BuiltIn => None,
            Self::File(path) => Some(path),
        }
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built in"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// The preset called `name`: a file if `name` holds `/` or `\` or ends in `.toml`, else `name.toml`
/// in the user's configuration directory, else a built-in one.
///
/// # Errors
///
/// [`Error::Preset`] when there is none, when its file cannot be read, and for every mistake in it,
/// with the line.
pub fn load(name: &str) -> Result<(Preset, Origin)> {
    load_from(name, config_directory().as_deref())
}

/// The preset that a text makes, wherever it comes from.
///
/// # Errors
///
/// [`Error::Preset`] for every mistake in it, with the line.
#[doc(hidden)]
pub fn read(text: &str) -> Result<Preset> {
    file::read(text, "this text", smooth()?)
}

/// The text of the preset called `name`, to start one's own from.
///
/// # Errors
///
/// As [`load`]: what is printed is a preset that works.
pub fn print(name: &str) -> Result<String> {
    print_from(name, config_directory().as_deref())
}

pub(super) fn load_from(name: &str, directory: Option<&Path>) -> Result<(Preset, Origin)> {
    let (text, origin) = find(name, directory)?;
    Ok((understand(&text, name, &origin)?, origin))
}

pub(super) fn print_from(name: &str, directory: Option<&Path>) -> Result<String> {
    let (text, origin) = find(name, directory)?;
    understand(&text, name, &origin)?;
    Ok(text)
}

fn understand(text: &str, name: &str, origin: &Origin) -> Result<Preset> {
    let place = match origin {
        Origin::BuiltIn => format!("{name} ({origin})"),
        Origin::File(path) => path.display().to_string(),
    };
    file::read(text, &place, smooth()?)
}

/// What an absent key means. Read from the file itself, so that its figures stand in one place.
fn smooth() -> Result<Preset> {
    let (values, _) = file::parse(SMOOTH, DEFAULT)?;
    let missing = || Error::internal("the built-in preset smooth", "a figure is missing");
    let Overrides {
        per_address,
        sample_rate,
        channels,
        port,
        bind,
        source,
        name,
        private,
        codecs,
        icecast,
        engine,
        engine_room,
        ..
    } = values;
    Ok(Preset {
        chunk_size: values.chunk_size.ok_or_else(missing)?,
        max_queue_size: values.max_queue_size.ok_or_else(missing)?,
        max_clients: values.max_clients.ok_or_else(missing)?,
        max_talkers: values.max_talkers.ok_or_else(missing)?,
        listen_backlog: values.listen_backlog.ok_or_else(missing)?,
        per_address,
        playout_delay_ms: values.playout_delay_ms.ok_or_else(missing)?,
        auto_delay: values.auto_delay.unwrap_or(false),
        sample_rate,
        channels: channels.unwrap_or(2),
        port: port.unwrap_or(super::DEFAULT_PORT),
        bind,
        source,
        name,
        private: private.unwrap_or(false),
        codecs,
        icecast,
        engine,
        engine_room,
    })
}

fn find(name: &str, directory: Option<&Path>) -> Result<(String, Origin)> {
    if name.contains(['/', '\\']) || name.ends_with(".toml") {
        let path = expanded(name);
        return Ok((read_text(&path)?, Origin::File(path)));
    }
    if let Some(directory) = directory {
        let path = directory.join(format!("{name}.toml"));
        if path.exists() {
            return Ok((read_text(&path)?, Origin::File(path)));
        }
    }
    BUILT_IN
        .iter()
        .find(|(built_in, _)| *built_in == name)
        .map(|(_, text)| ((*text).to_owned(), Origin::BuiltIn))
        .ok_or_else(|| unknown(name, directory))
}

fn unknown(name: &str, directory: Option<&Path>) -> Error {
    let own = directory.map(own_presets).unwrap_or_default();
    let mut names: Vec<_> = BUILT_IN.iter().map(|(name, _)| *name).collect();
    names.extend(own.iter().map(String::as_str));
    let meant = nearest(name, names.iter().copied());
    let question = meant.map(|meant| format!("Did you mean {meant}? ")).unwrap_or_default();
    Error::Preset {
        place: format!("“{}”", crate::format::printable(name, 64)),
        why: "there is no preset of this name".to_owned(),
        fix: format!(
            "{question}There are: {}. For a file, write its path, with .toml at the end",
            names.join(", ")
        ),
    }
}

/// The names of the user's presets, sorted. What cannot be listed is not there to be meant.
fn own_presets(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .filter_map(|path| path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned))
        .filter(|name| BUILT_IN.iter().all(|(built_in, _)| built_in != name))
        .take(MOST_LOOKED_AT)
        .collect();
    names.sort();
    names.truncate(MOST_LISTED);
    names
}

/// What stands in the file at `path`, if it is one that can be a preset.
pub(super) fn bytes(path: &Path) -> Option<Vec<u8>> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(LARGEST_FILE + 1).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn read_text(path: &Path) -> Result<String> {
    let wrong = |why: String, fix: &str| Error::Preset {
        place: path.display().to_string(),
        why,
        fix: fix.to_owned(),
    };
    // A pipe or a device would make the program wait for ever.
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err(wrong("this is not a file".to_owned(), "Name the preset's own file")),
        Err(error) => {
            return Err(wrong(plain(&error), "Check the path, or take a built-in preset: smooth"));
        }
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| wrong(plain(&error), "Make the file readable, or take another preset"))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(wrong(
            format!("this file is larger than {} KiB", LARGEST_FILE / 1024),
            "A preset has a few lines; name another file",
        ));
    }
    decode(bytes)
        .ok_or_else(|| wrong("this is not a text file".to_owned(), "Save it as plain text (UTF-8)"))
}

/// UTF-8, or the UTF-16 that a `>` in Windows PowerShell writes.
fn decode(bytes: Vec<u8>) -> Option<String> {
    if let Some(utf16) = bytes.strip_prefix(&[0xff, 0xfe]) {
        let (pairs, rest) = utf16.as_chunks();
        let units: Vec<u16> = pairs.iter().map(|&pair| u16::from_le_bytes(pair)).collect();
        return if rest.is_empty() { String::from_utf16(&units).ok() } else { None };
    }
    let text = String::from_utf8(bytes).ok()?;
    Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// Where the user keeps what is theirs.
pub(crate) fn config_directory() -> Option<PathBuf> {
    directory_from(|variable| std::env::var_os(variable).filter(|value| !value.is_empty()))
}

#[cfg(windows)]
pub(super) fn directory_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(PathBuf::from(variable("APPDATA")?).join("auralync"))
}

#[cfg(target_os = "macos")]
pub(super) fn directory_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(PathBuf::from(variable("HOME")?).join("Library/Application Support/auralync"))
}

#[cfg(not(any(windows, target_os = "macos")))]
pub(super) fn directory_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // The XDG rules say to ignore a path that is not absolute.
    let config = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let config = match config {
        Some(config) => config,
        None => PathBuf::from(variable("HOME")?).join(".config"),
    };
    Some(config.join("auralync"))
}
