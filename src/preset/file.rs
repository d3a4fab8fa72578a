//! The text of a preset's file ⇄ what it says, with the line of every mistake.

use std::net::IpAddr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::limits::{
    self, CHANNELS, CHUNK_SIZE, LISTEN_BACKLOG, MAX_CLIENTS, MAX_QUEUE_SIZE, MAX_TALKERS, Number,
    PER_ADDRESS, PLAYOUT_DELAY_MS, PORT, SAMPLE_RATE,
};
use super::nearest::nearest;
use super::{Overrides, Preset, Wrong};
use crate::error::{Error, Result};
use crate::icecast::target::Target;
use crate::source::{RoomName, Source};

/// Every key that a preset may have.
const KEYS: [&str; 18] = [
    "chunk_size",
    "max_queue_size",
    "max_clients",
    "max_talkers",
    "listen_backlog",
    "per_address",
    "playout_delay_ms",
    "sample_rate",
    "channels",
    "port",
    "bind",
    "source",
    "name",
    "private",
    "codecs",
    "icecast",
    "engine",
    "engine_room",
];

/// Most sources or codecs that one list may name. More is not a preset.
const LONGEST_LIST: usize = crate::source::MAX_SOURCES;

/// Reads a preset's text. `place` is what errors call the file; keys that are absent come from
/// `base`.
///
/// # Errors
///
/// [`Error::Preset`], with file and line, for text that is not TOML, an unknown key, a value of the
/// wrong kind or out of its range, and a delay of less than two chunks.
pub(super) fn read(text: &str, place: &str, base: Preset) -> Result<Preset> {
    let (values, lines) = parse(text, place)?;
    let preset = base.replaced_by(values);
    preset.check_delay().map_err(|wrong| Error::Preset {
        place: format!(
            "{place}{}",
            lines.named(&["playout_delay_ms", "chunk_size", "sample_rate"])
        ),
        why: wrong.why,
        fix: format!(
            "Set playout_delay_ms to {} or more, or chunk_size to {} or less",
            wrong.shortest_ms, wrong.largest_chunk
        ),
    })?;
    Ok(preset)
}

/// What the text says by itself.
///
/// # Errors
///
/// As [`read`], apart from how the values fit together.
pub(super) fn parse(text: &str, place: &str) -> Result<(Overrides, Lines)> {
    let at = |offset: usize| format!("{place}, line {}", line_of(text, offset));
    let table = DeTable::parse(text).map_err(|error| {
        let place = error.span().map_or_else(|| place.to_owned(), |span| at(span.start));
        let line = error.span().and_then(|span| text.lines().nth(line_of(text, span.start) - 1));
        if let Some(fixed) = line.and_then(with_single_quotes) {
            return Error::Preset {
                place,
                why: "between double quotation marks a backslash does not stand for itself".into(),
                fix: format!("Put the path in single quotes: {fixed}"),
            };
        }
        Error::Preset {
            place,
            why: format!("this line cannot be understood ({})", error.message()),
            fix: "Write one “key = value” on a line, each key once, texts in quotation marks"
                .to_owned(),
        }
    })?;

    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut values = Overrides::default();
    let mut lines = Lines::default();
    for (key, value) in entries {
        let offset = key.span().start;
        let name = key.get_ref().as_ref();
        match set(&mut values, name, value.get_ref()) {
            Ok(()) => lines.0.push((name.to_owned(), line_of(text, offset))),
            Err(Wrong { key, why, fix }) => {
                let why = if key.is_empty() { why } else { format!("{key} {why}") };
                return Err(Error::Preset { place: at(offset), why, fix });
            }
        }
    }
    Ok((values, lines))
}

/// A line with a path of Windows' kind in double quotation marks, as it should be: `\` begins an escape
/// there. `None` for any other line.
fn with_single_quotes(line: &str) -> Option<String> {
    let (before, quoted) = line.split_once('"')?;
    let (inside, behind) = quoted.rsplit_once('"')?;
    if !inside.contains('\\') {
        return None;
    }
    Some(crate::format::printable(&format!("{before}'{}'{behind}", inside.replace('"', "'")), 200))
}

/// Where the keys of a file stand.
#[derive(Default)]
pub(super) struct Lines(Vec<(String, usize)>);

impl Lines {
    /// “, line 3” or “, lines 3 and 7”: where those of `keys` stand that the file has.
    fn named(&self, keys: &[&str]) -> String {
        let found: Vec<_> = self
            .0
            .iter()
            .filter(|(key, _)| keys.contains(&key.as_str()))
            .map(|(_, line)| line.to_string())
            .collect();
        match found.as_slice() {
            [] => String::new(),
            [line] => format!(", line {line}"),
            lines => format!(", lines {}", lines.join(" and ")),
        }
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

fn set(values: &mut Overrides, key: &str, value: &DeValue<'_>) -> std::result::Result<(), Wrong> {
    match key {
        "chunk_size" => values.chunk_size = Some(number(&CHUNK_SIZE, value)?),
        "max_queue_size" => values.max_queue_size = Some(number(&MAX_QUEUE_SIZE, value)?),
        "max_clients" => values.max_clients = Some(number(&MAX_CLIENTS, value)?),
        "per_address" => values.per_address = Some(number(&PER_ADDRESS, value)?),
        "max_talkers" => values.max_talkers = Some(number(&MAX_TALKERS, value)?),
        "listen_backlog" => values.listen_backlog = Some(number(&LISTEN_BACKLOG, value)?),
        "playout_delay_ms" if value.as_str() == Some("auto") => values.auto_delay = Some(true),
        "playout_delay_ms" => values.playout_delay_ms = Some(number(&PLAYOUT_DELAY_MS, value)?),
        "sample_rate" => values.sample_rate = Some(number(&SAMPLE_RATE, value)?),
        "channels" => values.channels = Some(number(&CHANNELS, value)?),
        "port" => values.port = Some(number(&PORT, value)?),
        "bind" => values.bind = Some(address(value)?),
        "source" => values.source = Some(sources(value)?),
        "name" => {
            values.name = Some(text("name", value)?);
            limits::check_name(values.name.as_deref())?;
        }
        "private" => values.private = Some(yes_or_no("private", value)?),
        "codecs" => {
            values.codecs = Some(list("codecs", value)?);
            limits::check_codecs(values.codecs.as_deref())?;
        }
        "icecast" => values.icecast = Some(targets(value)?),
        "engine" => values.engine = Some(list("engine", value)?),
        "engine_room" => values.engine_room = Some(room(value)?),
        unknown => return Err(unknown_key(unknown, value)),
    }
    Ok(())
}

fn unknown_key(key: &str, value: &DeValue<'_>) -> Wrong {
    let key = crate::format::printable(key, 64);
    if value.is_table() {
        return Wrong {
            key: "",
            why: format!("“{key}” is a section, and a preset has none"),
            fix: "Take the line in square brackets out, or the dot in the key".to_owned(),
        };
    }
    Wrong {
        key: "",
        why: format!("“{key}” is not a key that a preset has"),
        fix: match nearest(&key, KEYS) {
            Some(meant) => format!("Did you mean {meant}? The keys are: {}", KEYS.join(", ")),
            None => format!("The keys are: {}", KEYS.join(", ")),
        },
    }
}

fn number<N: TryFrom<u32>>(number: &Number, value: &DeValue<'_>) -> std::result::Result<N, Wrong> {
    let Some(integer) = value.as_integer() else {
        return Err(wrong_kind(number.key, value, "a whole number", number.allowed()));
    };
    let refused = || Wrong {
        key: number.key,
        why: format!("cannot be {}", crate::format::printable(integer.as_str(), 20)),
        fix: number.allowed(),
    };
    let value = i64::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| refused())?;
    N::try_from(number.check(value)?).map_err(|_| refused())
}

fn yes_or_no(key: &'static str, value: &DeValue<'_>) -> std::result::Result<bool, Wrong> {
    let fix = || "Write it without quotation marks".to_owned();
    value.as_bool().ok_or_else(|| wrong_kind(key, value, "true or false", fix()))
}

fn text(key: &'static str, value: &DeValue<'_>) -> std::result::Result<String, Wrong> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| wrong_kind(key, value, "a text", "Put it in quotation marks".to_owned()))
}

fn address(value: &DeValue<'_>) -> std::result::Result<IpAddr, Wrong> {
    let text = text("bind", value)?;
    text.parse().map_err(|_| Wrong {
        key: "bind",
        why: format!("cannot be “{}”", crate::format::printable(&text, 64)),
        fix: "Write one of this PC's addresses in digits, like \"192.168.1.100\"".to_owned(),
    })
}

fn sources(value: &DeValue<'_>) -> std::result::Result<Vec<String>, Wrong> {
    let sources = list("source", value)?;
    if sources.is_empty() {
        return Err(Wrong {
            key: "source",
            why: "names none".to_owned(),
            fix: "Write source = \"loopback\" for what this PC plays, or leave the line out".into(),
        });
    }
    sources
        .iter()
        .try_for_each(|source| source.parse::<Source>().map(drop))
        .map_err(|e| unusable("source", e))?;
    Ok(sources)
}

fn targets(value: &DeValue<'_>) -> std::result::Result<Vec<String>, Wrong> {
    let targets = list("icecast", value)?;
    targets
        .iter()
        .try_for_each(|target| target.parse::<Target>().map(drop))
        .map_err(|e| unusable("icecast", e))?;
    Ok(targets)
}

fn room(value: &DeValue<'_>) -> std::result::Result<RoomName, Wrong> {
    let room = text("engine_room", value)?;
    room.parse().map_err(|why| Wrong {
        key: "engine_room",
        why: format!("cannot be “{}”: {why}", crate::format::printable(&room, 64)),
        fix: "Choose another, like \"hall-2\"".to_owned(),
    })
}

fn unusable(key: &'static str, error: Error) -> Wrong {
    let (why, fix) = match error {
        Error::Usage { what, fix } => (what, fix),
        other => (other.to_string(), "Correct it or leave the line out".to_owned()),
    };
    Wrong { key, why: format!("cannot be used: {why}"), fix }
}

/// One text, or a list of them.
fn list(key: &'static str, value: &DeValue<'_>) -> std::result::Result<Vec<String>, Wrong> {
    let Some(array) = value.as_array() else { return Ok(vec![text(key, value)?]) };
    if array.len() > LONGEST_LIST {
        return Err(Wrong {
            key,
            why: format!("lists {} things", array.len()),
            fix: format!("Write at most {LONGEST_LIST}"),
        });
    }
    array.iter().map(|item: &Spanned<DeValue<'_>>| text(key, item.get_ref())).collect()
}

fn wrong_kind(key: &'static str, value: &DeValue<'_>, wanted: &str, fix: String) -> Wrong {
    let found = match value {
        DeValue::String(_) => "a text in quotation marks",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    };
    Wrong { key, why: format!("must be {wanted}, and here it is {found}"), fix }
}
