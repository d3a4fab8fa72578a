//! Measures an output with a microphone, and what the microphone itself costs.

use std::time::Duration;

use super::find::find;
use super::verdict::{Refusal, Sought, Verdict, judge};
use super::{pair, room};
use crate::clock::Clock;
use crate::device::{InputDevice, Listed, OutputDevice, System, choose, hints};
use crate::error::{Error, Result};
use crate::settings::CalibrateSettings;
use crate::shutdown::Shutdown;

/// What a microphone costs beyond what its card reports is no more than this, in ms, where nothing tells: USB
/// and analog ones lie below.
const UNKNOWN_MS: f64 = 15.0;

/// How often, and at which distance, an output that is gone is looked for again: a headset that changes its mode
/// is gone for a second.
const LOOKS: u32 = 20;
const LOOK: Duration = Duration::from_millis(100);

/// What the microphone's side costs, in ms.
#[derive(Debug, Clone, Copy)]
pub(super) struct MicrophoneSide {
    pub(super) ms: f64,
    pub(super) sure_ms: f64,
}

/// The microphone that is meant.
///
/// # Errors
/// [`Error::NoDevice`] if there is none, or the name means none or several.
pub(super) fn microphone<'a>(
    system: System,
    devices: &'a [Listed],
    name: Option<&str>,
) -> Result<&'a Listed> {
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

/// What one run measures with.
pub(super) struct Measuring<'a> {
    pub(super) settings: &'a CalibrateSettings,
    pub(super) devices: &'a [Listed],
    pub(super) ear: &'a Listed,
    pub(super) clock: Clock,
    pub(super) shutdown: &'a Shutdown,
}

/// What was judged, and how well the cards' clocks are known, in ms.
pub(super) type Judged = (std::result::Result<Verdict, Refusal>, f64);

impl Measuring<'_> {
    /// Plays the chirp on an output and judges what the microphone hears of it, once more where sound was held up
    /// meanwhile. `None` if stopping is asked for.
    ///
    /// # Errors
    /// What keeps a card from playing or hearing; [`Error::Usage`] for a headset that plays in another mode.
    pub(super) fn measure(
        &self,
        output: &Listed,
        say: &mut impl FnMut(String),
    ) -> Result<Option<Judged>> {
        let judged = self.once(output)?;
        if !matches!(judged, Some((Err(Refusal::Unsteady(_)), _))) {
            return Ok(judged);
        }
        say("The chirps came at different times. Once more.".to_owned());
        self.once(output)
    }

    fn once(&self, output: &Listed) -> Result<Option<Judged>> {
        let format =
            || OutputDevice::find(Some(&output.id)).ok().as_ref().map(OutputDevice::format);
        let before = OutputDevice::find(Some(&output.id))?.format();
        let microphone = InputDevice::microphone(Some(&self.ear.id))?;
        let open = room::open(&microphone, self.clock)?;
        // A headset changes its mode, which takes a moment, and is another output then.
        pair::check_unchanged(output, before, format())?;
        let found = OutputDevice::find(Some(&output.id))?;
        let taken = room::chirp(&found, &microphone, open, 0.0, self.shutdown, || {});
        // That its stream has ended says less than why, and what takes its place needs a moment to come.
        let mut looks = if taken.is_err() { LOOKS } else { 0 };
        while looks > 0 && format().is_none() && !self.shutdown.sleep(LOOK) {
            looks -= 1;
        }
        pair::check_unchanged(output, before, format())?;
        let Some(take) = taken? else { return Ok(None) };
        let heard = find(&take.recording, take.chirp, &take.due_us);
        log::debug!("{heard:?}");
        Ok(Some((judge(&heard), take.clocks_ms)))
    }

    /// What the microphone's side costs: heard on an output that hides nothing, or as its card says. `output` is what is
    /// to be measured, if anything here is. `None` if stopping is asked for.
    ///
    /// # Errors
    /// As [`measure`](Self::measure), and where the output that was named as known tells nothing.
    pub(super) fn side(
        &self,
        output: Option<&Listed>,
        say: &mut impl FnMut(String),
    ) -> Result<Option<MicrophoneSide>> {
        let (system, devices, ear) = (System::current(), self.devices, self.ear);
        let named = self.settings.known.as_deref();
        let named = named.map(|name| choose::output(system, devices, Some(name))).transpose()?;
        if let Some(known) =
            named.filter(|known| output.is_some_and(|output| output.id == known.id))
        {
            return Err(Error::usage(
                format!(
                    "“{}” is what is to be measured, and cannot tell anything of itself",
                    known.name
                ),
                "With --known, name an output that is wired",
            ));
        }
        if let Some(known) = named.or_else(|| pair::known(devices, output?, ear)) {
            pair::check(system, known, ear)?;
            say(format!(
                "First a chirp on “{}”, to learn what the microphone costs. Please be quiet.",
                known.name
            ));
            let Some((verdict, clocks_ms)) = self.measure(known, say)? else {
                return Ok(None);
            };
            match verdict {
                Ok(verdict) => {
                    log::debug!("the microphone's side: {verdict:?}");
                    let sure_ms = verdict.sure_ms + clocks_ms;
                    return Ok(Some(MicrophoneSide { ms: verdict.lag_ms, sure_ms }));
                }
                Err(refusal) if named.is_some() => {
                    return Err(refused(&known.name, refusal, Sought::CHIRP));
                }
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
}

/// A refusal as an error, which says what comes of it.
pub(super) fn refused(name: &str, refusal: Refusal, sought: Sought) -> Error {
    Error::Device {
        device: name.to_owned(),
        why: format!("{}: {}", sought.outcome, refusal.why(sought)),
        fix: refusal.help().to_owned(),
    }
}
