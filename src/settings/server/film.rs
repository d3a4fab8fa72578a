//! How late listeners hear, and which players show their picture as late.

use super::EngineSettings;
use crate::error::{Error, Result};
use crate::player::Players;
use crate::preset::{Preset, Unreporting};
use crate::settings::words::whole_number;

/// The delay, and who follows it.
#[derive(Debug, clap::Args)]
pub(super) struct FilmArgs {
    /// From this PC playing a sound to every listener hearing it, in milliseconds, 5 to 10000; or auto: the
    /// shortest that those who listen can hold, beginning with the preset's.
    #[arg(long, value_name = "MS|auto", value_parser = delay, allow_negative_numbers = true)]
    playout_delay_ms: Option<Delay>,
    /// Whose picture is delayed by as much, on this PC: auto (any player that can be told), mpv, mpv:SOCKET, vlc,
    /// vlc:HOST:PORT (HOST is this PC: localhost, 127.0.0.1 or [::1]) or off. Without this flag none is.
    #[arg(long, value_name = "PLAYER", value_parser = player)]
    player: Option<Players>,
}

/// A delay as it is typed.
#[derive(Debug, Clone, Copy)]
enum Delay {
    Auto,
    Ms(u32),
}

fn delay(typed: &str) -> std::result::Result<Delay, String> {
    if typed.eq_ignore_ascii_case("auto") {
        return Ok(Delay::Auto);
    }
    whole_number::<u32>(typed).map(Delay::Ms)
}

fn player(typed: &str) -> std::result::Result<Players, String> {
    typed.parse()
}

impl FilmArgs {
    /// The delay, where a number was typed.
    pub(super) fn delay_ms(&self) -> Option<u32> {
        match self.playout_delay_ms {
            Some(Delay::Ms(ms)) => Some(ms),
            _ => None,
        }
    }

    /// Whether the delay is found while people listen, where that was typed.
    pub(super) fn auto_delay(&self) -> Option<bool> {
        matches!(self.playout_delay_ms, Some(Delay::Auto)).then_some(true)
    }

    /// The players that follow.
    pub(super) fn players(&self) -> Players {
        self.player.clone().unwrap_or_default()
    }

    /// Refuses what cannot be.
    pub(super) fn check(
        &self,
        preset: &Preset,
        engine: Option<&EngineSettings>,
        has_snapclients: bool,
    ) -> Result<()> {
        if engine.is_some_and(|engine| engine.is_edge) && self.players() != Players::Off {
            return Err(Error::usage(
                "--player delays the picture of a film that plays on this PC, and here the sound comes from another",
                "Give --player to the server where the film plays, or leave it out",
            ));
        }
        preset.check_auto(Unreporting::among(engine.is_some(), has_snapclients))
    }
}
