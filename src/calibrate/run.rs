//! What `auralync-client calibrate` does, one step after the other, and what it says.

use super::find::find;
use super::verdict::{Refusal, Verdict, judge};
use super::{listen, pair, room};
use crate::clock::{Clock, FARTHEST_MS};
use crate::device::{self, InputDevice, Listed, OutputDevice, System, choose, hints};
use crate::error::{Error, Result};
use crate::recv::trim;
use crate::settings::CalibrateSettings;
use crate::shutdown::Shutdown;

/// What a microphone costs beyond what its card reports is no more than this, in ms, where nothing tells: USB
/// and analog ones lie below.
const UNKNOWN_MS: f64 = 15.0;

/// A listener cannot play sooner than this after the capture, in ms.
const EARLIEST_MS: f64 = 10.0;

/// What the microphone's side costs, in ms.
#[derive(Debug, Clone, Copy)]
pub(super) struct MicrophoneSide {
    pub(super) ms: f64,
    pub(super) sure_ms: f64,
}

/// Measures what `settings` ask for, and remembers it; `say` gets what to tell meanwhile and at the end.
///
/// # Errors
/// What keeps it from measuring, or why what was heard says nothing: nothing is remembered then.
pub fn run(
    settings: &CalibrateSettings,
    shutdown: &Shutdown,
    mut say: impl FnMut(String),
) -> Result<()> {
    let (system, clock) = (System::current(), Clock::start());
    let devices = device::list()?;
    let ear = microphone(system, &devices, settings.microphone.as_deref())?.clone();
    if settings.listen {
        let Some(side) = side(settings, system, &devices, None, &ear, clock, shutdown, &mut say)?
        else {
            return Ok(());
        };
        return listen::run(settings, &ear, side, clock, shutdown, say);
    }
    let output = choose::output(system, &devices, settings.device.as_deref())?.clone();
    pair::check(system, &output, &ear)?;
    let side = side(settings, system, &devices, Some(&output), &ear, clock, shutdown, &mut say)?;
    let Some(side) = side else { return Ok(()) };
    say(format!("Playing a chirp on “{}” for three seconds. Please be quiet.", output.name));
    let Some((verdict, clocks_ms)) = measure(&output, &ear, clock, shutdown)? else {
        return Ok(());
    };
    let verdict = verdict.map_err(|refusal| refused(&output.name, refusal))?;
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
    let earliest_ms = f64::from(trim_ms) + playout_delay_ms;
    if earliest_ms >= EARLIEST_MS {
        return format!("The server's delay of {playout_delay_ms:.0} ms leaves room for that.");
    }
    let needed_ms = EARLIEST_MS - f64::from(trim_ms);
    format!(
        "The server's delay of {playout_delay_ms:.0} ms is too short for that: it stays {:.0} ms late. Whoever runs \
         the server can start it with --playout-delay-ms {needed_ms:.0}.",
        EARLIEST_MS - earliest_ms
    )
}

/// The microphone that is meant.
fn microphone<'a>(system: System, devices: &'a [Listed], name: Option<&str>) -> Result<&'a Listed> {
    choose::microphone(system, devices, name).map_err(|error| match error {
        // That nobody hears the person is not what matters here.
        Error::NoDevice { why, fix, .. } if name.is_none() => Error::NoDevice {
            what: "nothing can be measured".to_owned(),
            why,
            fix: match hints::no_microphone(system).split_once(". You listen") {
                Some((plug, _)) if fix.contains("You listen") => plug.to_owned(),
                _ => fix,
            },
        },
        other => other,
    })
}

/// Plays the chirp on an output and judges what a microphone hears of it; with how well the clocks are known, in ms.
/// `None` if stopping is asked for.
fn measure(
    output: &Listed,
    ear: &Listed,
    clock: Clock,
    shutdown: &Shutdown,
) -> Result<Option<(std::result::Result<Verdict, Refusal>, f64)>> {
    let before = OutputDevice::find(Some(&output.id))?.format();
    let microphone = InputDevice::microphone(Some(&ear.id))?;
    let open = room::open(&microphone, clock)?;
    // A headset changes its mode, which takes a moment, and is another output then.
    let found = OutputDevice::find(Some(&output.id)).ok();
    pair::check_unchanged(&output.name, before, found.as_ref().map(OutputDevice::format))?;
    let Some(found) = found else { return Ok(None) };
    let Some(take) = room::chirp(&found, &microphone, open, 0.0, shutdown, || {})? else {
        return Ok(None);
    };
    let heard = find(&take.recording, take.chirp, &take.due_us);
    let after = OutputDevice::find(Some(&output.id)).ok();
    pair::check_unchanged(&output.name, before, after.as_ref().map(OutputDevice::format))?;
    log::debug!("{heard:?}");
    Ok(Some((judge(&heard), take.clocks_ms)))
}

/// What the microphone's side costs: heard on an output that hides nothing, or as its card says. `None` if stopping is
/// asked for.
#[allow(clippy::too_many_arguments, reason = "what one run has, handed on once")]
fn side(
    settings: &CalibrateSettings,
    system: System,
    devices: &[Listed],
    output: Option<&Listed>,
    ear: &Listed,
    clock: Clock,
    shutdown: &Shutdown,
    say: &mut impl FnMut(String),
) -> Result<Option<MicrophoneSide>> {
    let named = settings.known.as_deref();
    let named = named.map(|name| choose::output(system, devices, Some(name))).transpose()?;
    if let (Some(known), Some(output)) = (named, output)
        && known.id == output.id
    {
        return Err(Error::usage(
            format!(
                "“{}” is what is to be measured, and cannot tell anything of itself",
                known.name
            ),
            "With --known, name an output that is wired",
        ));
    }
    let known = named.or_else(|| pair::known(devices, output?, ear));
    if let Some(known) = known {
        pair::check(system, known, ear)?;
        say(format!(
            "First a chirp on “{}”, to learn what the microphone costs. Please be quiet.",
            known.name
        ));
        let Some((verdict, clocks_ms)) = measure(known, ear, clock, shutdown)? else {
            return Ok(None);
        };
        match verdict {
            Ok(verdict) => {
                log::debug!("the microphone's side: {verdict:?}");
                let sure_ms = verdict.sure_ms + clocks_ms;
                return Ok(Some(MicrophoneSide { ms: verdict.lag_ms, sure_ms }));
            }
            Err(refusal) if named.is_some() => return Err(refused(&known.name, refusal)),
            Err(_) => say(format!("“{}” was not heard. Going on without it.", known.name)),
        }
    }
    if pair::is_bluetooth(ear) {
        return Err(Error::usage(
            format!("“{}” is a Bluetooth microphone, which hides a delay of its own", ear.name),
            "Choose a wired one with --mic, or name a wired output with --known, which tells what it hides",
        ));
    }
    say(format!(
        "What “{}” costs is taken as its card says it, give or take {UNKNOWN_MS:.0} ms; --known with a wired output \
         tells it better.",
        ear.name
    ));
    Ok(Some(MicrophoneSide { ms: 0.0, sure_ms: UNKNOWN_MS }))
}

/// A refusal as an error, which says that nothing was set.
pub(super) fn refused(name: &str, refusal: Refusal) -> Error {
    Error::Device {
        device: name.to_owned(),
        why: format!("nothing was set: {}", refusal.why()),
        fix: refusal.help().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let refused = refused("TV", Refusal::TooLoud(1.4)).to_string();
        assert!(refused.contains("“TV”: nothing was set: the room was too loud"), "{refused}");
    }
}
