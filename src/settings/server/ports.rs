//! Which ports a server takes, as far as two of them could be the same.

use super::super::DEFAULT_WEB_PORT;
use crate::error::{Error, Result};
use crate::preset::Preset;

/// Listeners and browsers need a port each. Only what was typed is named as such.
pub(super) fn refuse_one_port_for_both(
    preset: &Preset,
    port: Option<u16>,
    web: Option<u16>,
) -> Result<()> {
    let page = web.unwrap_or(DEFAULT_WEB_PORT);
    if page == 0 || page != preset.port {
        return Ok(());
    }
    let (what, fix) = match (port, web) {
        (Some(_), Some(_)) => (
            format!(
                "--port and --web name the same port, {page}: listeners and browsers need one each"
            ),
            "Choose another for one of the two",
        ),
        (None, Some(_)) => {
            (format!("--web {page} is the port that listeners connect to"), "Choose another")
        }
        (port, None) => (
            match port {
                Some(_) => format!("--port {page} is the port of the page for phones and browsers"),
                None => {
                    format!("the preset's port {page} is that of the page for phones and browsers")
                }
            },
            "Choose another, or move the page with --web PORT, or leave it out with --no-web",
        ),
    };
    Err(Error::usage(what, fix))
}
