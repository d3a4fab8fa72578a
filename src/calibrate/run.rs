//! What `auralync-client calibrate` does, one step after the other, and what it says.

use super::side::{Measuring, MicrophoneSide, microphone, refused};
use super::verdict::{Sought, Verdict};
use super::{listen, pair};
use crate::clock::{Clock, FARTHEST_MS, SOONEST_MS};
use crate::device::{self, System, choose};
use crate::error::Result;
use crate::recv::trim;
use crate::settings::CalibrateSettings;
use crate::shutdown::Shutdown;

/// Measures what `settings` ask for, and remembers it; `say` gets what to tell meanwhile and at the end.
///
/// # Errors
/// What keeps it from measuring, or why what was heard says nothing: nothing is remembered then.
pub fn run(
    settings: &CalibrateSettings,
    shutdown: &Shutdown,
    mut say: impl FnMut(String),
) -> Result<()> {
    let system = System::current();
    let devices = device::list()?;
    let ear = microphone(system, &devices, settings.microphone.as_deref())?;
    let measuring = Measuring { settings, devices: &devices, ear, clock: Clock::start(), shutdown };
    if settings.listen {
        pair::check_microphone(system, None, ear)?;
        let Some(side) = measuring.side(None, &mut say)? else { return Ok(()) };
        return listen::run(&measuring, side, say);
    }
    let output = choose::output(system, &devices, settings.device.as_deref())?;
    pair::check(system, output, ear)?;
    let Some(side) = measuring.side(Some(output), &mut say)? else { return Ok(()) };
    say(format!("Playing a chirp on “{}” for three seconds. Please be quiet.", output.name));
    let Some((verdict, clocks_ms)) = measuring.measure(output, &mut say)? else { return Ok(()) };
    let verdict = verdict.map_err(|refusal| refused(&output.name, refusal, Sought::CHIRP))?;
    let found = Found::new(verdict, side, clocks_ms);
    let mut said = found.words(&output.name);
    if settings.dry_run {
        said.push_str(&format!("Nothing was set; --delay {} would be right.", found.trim_ms));
    } else {
        trim::remember(&output.id, found.trim_ms)?;
        said.push_str(&match found.trim_ms {
            0 => "It plays with the others, and no delay is set.".to_owned(),
            ms => format!(
                "--delay {ms} is set and remembered for it; a client that runs takes it over."
            ),
        });
    }
    say(said);
    if let Some(room) = listen::playout_delay_ms(settings, shutdown)? {
        say(fits(room, found.trim_ms));
    }
    Ok(())
}

/// What was found of an output.
struct Found {
    late_ms: f64,
    sure_ms: f64,
    verdict: Verdict,
    trim_ms: i32,
}

impl Found {
    fn new(verdict: Verdict, side: MicrophoneSide, clocks_ms: f64) -> Self {
        let late_ms = verdict.lag_ms - side.ms;
        let trim_ms = (-late_ms.round()) as i32;
        Self {
            late_ms,
            sure_ms: verdict.sure_ms + clocks_ms + side.sure_ms,
            verdict,
            trim_ms: trim_ms.clamp(-FARTHEST_MS, FARTHEST_MS),
        }
    }

    fn words(&self, name: &str) -> String {
        let Verdict { agreed, above_room_db, .. } = self.verdict;
        format!(
            "“{name}” is heard {:.1} ms {} than its card says, ± {:.1} ms ({agreed} of {} chirps agree, {:.0} dB above \
             the room). ",
            self.late_ms.abs(),
            if self.late_ms < 0.0 { "earlier" } else { "later" },
            self.sure_ms,
            super::chirp::SWEEPS,
            above_room_db.min(99.0),
        )
    }
}

/// Whether a room's delay leaves room for a trim.
fn fits(playout_delay_ms: f64, trim_ms: i32) -> String {
    let heard_ms = f64::from(trim_ms) + playout_delay_ms;
    let soonest_ms = f64::from(SOONEST_MS);
    if heard_ms >= soonest_ms {
        return format!("The server's delay of {playout_delay_ms:.0} ms leaves room for that.");
    }
    let needed_ms = soonest_ms - f64::from(trim_ms);
    format!(
        "The server's delay of {playout_delay_ms:.0} ms is too short for that: it stays {:.0} ms late. Whoever runs \
         the server can start it with --playout-delay-ms {needed_ms:.0}.",
        soonest_ms - heard_ms
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibrate::verdict::Refusal;

    const SIDE: MicrophoneSide = MicrophoneSide { ms: 12.0, sure_ms: 0.6 };

    fn verdict(lag_ms: f64) -> Verdict {
        Verdict { lag_ms, sure_ms: 0.7, agreed: 8, above_room_db: 24.2 }
    }

    #[test]
    fn what_is_late_plays_earlier_and_the_microphones_part_is_not_the_outputs() {
        let found = Found::new(verdict(192.4), SIDE, 0.1);
        assert_eq!(found.trim_ms, -180);
        let said = found.words("TV");
        assert!(said.contains("“TV” is heard 180.4 ms later"), "{said}");
        assert!(said.contains("± 1.4 ms (8 of 8 chirps agree, 24 dB above the room)"), "{said}");
        let early = Found::new(verdict(7.0), SIDE, 0.0);
        assert_eq!(early.trim_ms, 5);
        assert!(early.words("TV").contains("5.0 ms earlier"));
    }

    #[test]
    fn a_delay_that_is_too_short_is_said_with_one_that_does() {
        assert!(fits(300.0, -180).contains("leaves room"));
        let said = fits(80.0, -180);
        assert!(said.contains("110 ms late") && said.contains("--playout-delay-ms 190"), "{said}");
    }

    #[test]
    fn without_a_microphone_nothing_is_measured_and_one_line_says_so() {
        let error = microphone(System::Linux, &[], None).unwrap_err().to_string();
        assert_eq!(
            error,
            "nothing can be measured: this PC has no microphone. Plug one in; --list-devices shows what there is"
        );
        let refused = refused("TV", Refusal::TooLoud(1.4), Sought::CHIRP).to_string();
        assert!(refused.contains("“TV”: nothing was set: the room was too loud"), "{refused}");
    }
}
