//! `--self-test`: a chirp through the whole chain, without a room and without anybody else. A server and two
//! listeners run in this program, on this computer's own addresses alone.
//!
//! Where what an output plays can be captured, the chirp is played there: the server captures and sends it, one listener
//! plays it there again, and what comes out is heard where it was captured. Elsewhere the chirp is pushed into the
//! server, and no card has a part.

#[cfg(feature = "device")]
mod carded;
mod cardless;
mod report;

use crate::error::{Error, Result};
use crate::preset::Preset;
use crate::settings::{ServerArgs, ServerSettings, parse};
use crate::shutdown::Shutdown;
use crate::source::Kind;

pub use report::{Measured, Report};

/// What is to be tested.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The preset to send with, by its name or file.
    pub preset: Option<String>,
    /// What of the preset flags have changed.
    pub changed: Option<Preset>,
    /// The output to play on and to capture from: an id or a part of its name; `None` is the default one.
    pub output: Option<String>,
}

impl Wanted {
    /// What a server with these settings would do: with its preset, on the output that it captures.
    #[must_use]
    pub fn of(settings: &ServerSettings) -> Self {
        let captured = settings.sources.iter().find_map(|source| match &source.kind {
            Kind::Loopback(output) => output.clone(),
            _ => None,
        });
        Self {
            preset: Some(settings.preset_name.clone()),
            changed: Some(settings.preset.clone()),
            output: captured,
        }
    }
}

/// Tests the chain; `say` gets what to tell.
///
/// # Errors
/// [`Error::Unwell`] where not all is well, with what is not; what keeps it from being tested.
pub fn run(wanted: &Wanted, shutdown: &Shutdown, mut say: impl FnMut(String)) -> Result<()> {
    let Some(report) = measure(wanted, shutdown, &mut say)? else { return Ok(()) };
    report.lines().into_iter().for_each(&mut say);
    let wrong = report.wrong();
    if wrong.is_empty() {
        say("All is well.".to_owned());
        return Ok(());
    }
    Err(Error::Unwell {
        why: format!(
            "{}. Close what works hard on this computer, let nothing else play there, and test again",
            wrong.join("; ")
        ),
    })
}

#[cfg(feature = "device")]
fn measure(
    wanted: &Wanted,
    shutdown: &Shutdown,
    say: &mut impl FnMut(String),
) -> Result<Option<Report>> {
    match carded::Cards::find(wanted) {
        Ok(cards) => carded::measure(wanted, &cards, shutdown, say),
        Err(error) if wanted.output.is_none() => {
            log::debug!("no output that can be captured: {error}");
            cardless::measure(wanted, shutdown, say)
        }
        Err(error) => Err(error),
    }
}

#[cfg(not(feature = "device"))]
fn measure(
    wanted: &Wanted,
    shutdown: &Shutdown,
    say: &mut impl FnMut(String),
) -> Result<Option<Report>> {
    cardless::measure(wanted, shutdown, say)
}

/// A server for this computer alone, which sends `source` as the preset that is wanted has it.
fn server(wanted: &Wanted, source: &str) -> Result<ServerSettings> {
    let mut words = vec!["auralync-server".to_owned(), format!("--source={source}")];
    words.extend(wanted.preset.iter().map(|preset| format!("--preset={preset}")));
    words.extend(["--bind=127.0.0.1", "--port=0", "--no-discovery", "--no-web"].map(str::to_owned));
    if let Some(changed) = &wanted.changed {
        words.push(format!("--playout-delay-ms={}", changed.playout_delay_ms));
        words.push(format!("--chunk-size={}", changed.chunk_size));
    }
    let words: Vec<_> = words.into_iter().map(Into::into).collect();
    let mut settings = parse::<ServerArgs>(&words)?.settings()?;
    // A test is nobody's room, and leaves nothing behind.
    settings.private = false;
    settings.preset.private = false;
    settings.icecast.clear();
    settings.engine = None;
    Ok(settings)
}
