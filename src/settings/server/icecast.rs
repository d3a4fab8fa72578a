//! Which Icecast servers get what is sent.

use crate::error::{Error, Result};
use crate::icecast::target::{MOST_TARGETS, Target};
use crate::preset::Preset;

/// The servers that a preset names, with its flags on top.
pub(super) fn targets(preset: &Preset) -> Result<Vec<Target>> {
    let specs = preset.icecast.as_deref().unwrap_or_default();
    if preset.private && !specs.is_empty() {
        return Err(Error::usage(
            "--icecast sends the sound to where everybody may hear it, and this room is private",
            "Leave out --private, or --icecast",
        ));
    }
    if specs.len() > MOST_TARGETS {
        return Err(Error::usage(
            format!("{} Icecast addresses were given, and {MOST_TARGETS} can be", specs.len()),
            "Leave some out: an Icecast server can relay to others by itself",
        ));
    }
    let mut targets: Vec<Target> = Vec::new();
    for spec in specs {
        let target: Target = spec.parse()?;
        if targets.iter().any(|other| other.to_string() == target.to_string()) {
            return Err(Error::usage(
                format!("the Icecast address {target} was given twice"),
                "Give each another mount, such as ,mount=/room-96.opus",
            ));
        }
        targets.push(target);
    }
    Ok(targets)
}
