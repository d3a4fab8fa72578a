//! Whether snapclients may join, and where.

use super::super::DEFAULT_WEB_PORT;
use super::ServerArgs;
use crate::error::{Error, Result};
use crate::preset::Preset;

impl ServerArgs {
    /// The port for snapclients, if they may join.
    pub(super) fn snapcast(&self, preset: &Preset, https: Option<u16>) -> Result<Option<u16>> {
        let Some(port) = self.snapcast else {
            return match self.snapcast_codec {
                None => Ok(None),
                Some(_) => Err(Error::usage(
                    "--snapcast-codec needs --snapcast: it is for snapclients alone",
                    "Type both, or neither",
                )),
            };
        };
        if preset.private {
            return Err(Error::usage(
                "--snapcast lets everybody on the network listen, unsealed, and this room is private",
                "Leave one of --snapcast and --private out",
            ));
        }
        let page = self.web.unwrap_or(DEFAULT_WEB_PORT);
        let taken = [
            (Some(preset.port), "the port that listeners connect to"),
            ((!self.no_web).then_some(page), "the port of the page for phones and browsers"),
            (https, "the port of the encrypted page"),
        ];
        match taken.into_iter().find(|(taken, _)| port != 0 && *taken == Some(port)) {
            Some((_, what)) => Err(Error::usage(
                format!("--snapcast {port} is {what}"),
                "Choose another, such as --snapcast 1704",
            )),
            None => Ok(Some(port)),
        }
    }
}
