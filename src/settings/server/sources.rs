//! What a server sends, as the preset and the flags on top of it say.

use crate::error::{Error, Result};
use crate::preset::Preset;
use crate::source::{Kind, MAX_SOURCES, Source};

/// Each source once, and no more than can be mixed; the carrier first.
pub(super) fn sources(preset: &Preset) -> Result<Vec<Source>> {
    let Some(specs) = preset.source.as_deref() else {
        return Ok(vec![Source::default()]);
    };
    if specs.len() > MAX_SOURCES {
        return Err(Error::usage(
            format!("{} sources were given, and {MAX_SOURCES} can be mixed", specs.len()),
            "Leave some out",
        ));
    }
    let mut sources: Vec<Source> = Vec::new();
    for spec in specs {
        let source: Source = spec.parse()?;
        if sources.iter().any(|other| other.kind == source.kind) {
            let kind = crate::format::printable(&source.kind.to_string(), 200);
            return Err(Error::usage(
                format!("the source “{kind}” was given twice"),
                "Give each once; ,level= makes one louder",
            ));
        }
        sources.push(source);
    }
    put_carrier_first(&mut sources);
    Ok(sources)
}

/// What another server sends has no pace of its own here: the first other source gives it its time, or silence does.
fn put_carrier_first(sources: &mut Vec<Source>) {
    let is_carrier = |source: &Source| !matches!(source.kind, Kind::Auralync(_));
    match sources.iter().position(is_carrier) {
        Some(first) => sources[..=first].rotate_right(1),
        None => sources.insert(0, Kind::None.into()),
    }
}
