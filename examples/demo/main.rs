//! `make demo`: a server on a tone and three listeners on this machine, then one table of what
//! each of them heard.
//!
//! The listeners write WAV files in place of playing, so the demo needs no sound card and what it
//! prints is measured from the very samples that a listener would have played.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a demo that cannot go on should stop where it stands"
)]

mod heard;
mod pair;
#[path = "../../tests/support"]
mod support {
    mod address;
    pub(crate) mod median;
    pub(crate) mod numbers;
    pub(crate) mod program;
    pub(crate) mod scratch;
    pub(crate) mod waiting;
}

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use auralync::{Error, Result};

use crate::heard::Heard;
use crate::support::scratch::Scratch;

/// What the server plays, in Hz: concert pitch.
const TONE_HZ: f64 = 440.0;

const LISTENERS: usize = 3;

/// How long the listeners listen. Long enough for the quickest tenth of the pings to mean
/// something, short enough to wait for.
const LISTENING: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    // What stops a program is told in words, not in lines of code.
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload().downcast_ref::<String>().map(String::as_str);
        eprintln!("demo: {}", text.or(panic.payload().downcast_ref().copied()).unwrap_or_default());
    }));
    match demo() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!(
                "demo: a listener did not hear the tone: see its line above. Run `make test`, which \
                 says where the sound stops."
            );
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("demo: {error}.");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Runs the pair and prints the table. Returns whether every listener heard the tone.
fn demo() -> Result<bool> {
    println!(
        "One server plays a {TONE_HZ} Hz tone, {LISTENERS} listeners hear it for {} seconds …\n",
        LISTENING.as_secs()
    );
    let folder = Scratch::new();
    let listened = pair::run(&folder, TONE_HZ, LISTENERS, LISTENING)?;

    println!("{:<10}{:>12}{:>14}{:>9}{:>9}  gaps", "", "frequency", "level", "sound", "delay");
    let mut all_heard_it = true;
    for (number, files) in (1..).zip(&listened) {
        let heard = measure(&files.wav)?;
        let delay = pair::delay_ms(&files.stats);
        all_heard_it &= heard.as_ref().is_some_and(|heard| heard.is_tone(TONE_HZ));
        println!("{}", row(&format!("listener {number}"), heard.as_ref(), delay));
    }
    println!("\nDelay: how long after this PC a listener hears the same sound.");
    Ok(all_heard_it)
}

/// What a WAV file holds, or `None` where it is silent.
fn measure(wav: &Path) -> Result<Option<Heard>> {
    let unreadable = |error: hound::Error| Error::File {
        path: wav.to_owned(),
        why: error.to_string(),
        fix: "The listener should have written a float WAV file there: please report this".into(),
    };
    let mut reader = hound::WavReader::open(wav).map_err(unreadable)?;
    let spec = reader.spec();
    let samples: Vec<f32> =
        reader.samples().collect::<std::result::Result<_, _>>().map_err(unreadable)?;
    Ok(heard::measure(&samples, usize::from(spec.channels), spec.sample_rate))
}

fn row(name: &str, heard: Option<&Heard>, delay_ms: Option<f64>) -> String {
    let delay = delay_ms.map_or_else(|| "?".to_owned(), |ms| format!("{ms:.0} ms"));
    match heard {
        None => format!("{name:<10}  heard nothing"),
        Some(heard) => format!(
            "{name:<10}{:>9.2} Hz{:>9.1} dBFS{:>7.1} s{delay:>9}  {}",
            heard.frequency_hz,
            heard.level_dbfs,
            heard.seconds,
            gaps(heard)
        ),
    }
}

fn gaps(heard: &Heard) -> String {
    match (heard.gaps, heard.longest_silence_ms) {
        (0, _) => "none".to_owned(),
        (count, 0.0) => format!("{count}, jumps without silence"),
        (count, ms) => format!("{count}, with up to {ms:.0} ms of silence"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_figures_under_their_headings() {
        let heard = Heard {
            frequency_hz: 440.0,
            level_dbfs: -12.0,
            seconds: 4.9,
            gaps: 2,
            longest_silence_ms: 13.4,
        };
        assert_eq!(
            row("listener 1", Some(&heard), Some(80.2)),
            "listener 1   440.00 Hz    -12.0 dBFS    4.9 s    80 ms  2, with up to 13 ms of silence"
        );
        assert_eq!(row("listener 2", None, None), "listener 2  heard nothing");
    }
}
