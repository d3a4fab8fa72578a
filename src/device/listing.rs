//! The text of `--list-devices`.

use std::fmt::{self, Display};

use super::{Listed, System, choose, hints};
use crate::format::printable;

/// Longest name that a line shows, in characters.
const NAME: usize = 100;

/// Longest id that a line shows, in characters: the longest that systems give are half as long.
const ID: usize = 400;

/// Devices as `--list-devices` prints them: what plays, what records, what carries the PC's own
/// sound; one line each, the id ready to be pasted, the default marked.
#[derive(Debug)]
pub struct Listing<'a> {
    system: System,
    devices: &'a [Listed],
}

impl<'a> Listing<'a> {
    /// Makes the listing of `devices`, as `system` uses them.
    #[must_use]
    pub fn new(system: System, devices: &'a [Listed]) -> Self {
        Self { system, devices }
    }
}

impl Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { system, devices } = *self;
        let taken = choose::loopback(system, devices, None).ok();
        let taken = taken.as_deref().and_then(<[_]>::first).map(|device| device.id.as_str());
        // A monitor is an input to the system, but not to the person who reads this.
        let is_monitor = |device: &Listed| choose::captured_output(system, device).is_some();

        f.write_str("Outputs (auralync-client --device ID):")?;
        lines(f, devices, |device| device.outputs.then_some(device.default_output))?;
        f.write_str("\nWhat this PC plays (auralync-server --source loopback:ID):")?;
        lines(f, devices, |device| device.loopback.then_some(taken == Some(&device.id)))?;
        f.write_str("\nInputs (auralync-server --source device:ID):")?;
        lines(f, devices, |device| {
            (device.inputs && !is_monitor(device)).then_some(device.default_input)
        })?;
        if taken.is_none() {
            write!(f, "\nWhat this PC plays cannot be captured. {}.", hints::no_loopback(system))?;
        }
        Ok(())
    }
}

/// A line for each device that `belongs` gives an answer for; true marks it as the default.
fn lines(
    f: &mut fmt::Formatter<'_>,
    devices: &[Listed],
    belongs: impl Fn(&Listed) -> Option<bool>,
) -> fmt::Result {
    let mut none = true;
    for device in devices {
        let Some(default) = belongs(device) else { continue };
        none = false;
        let mark = if default { " (default)" } else { "" };
        let id = printable(&device.id, ID);
        write!(f, "\n  {id}  {}{mark}", printable(&device.name, NAME))?;
    }
    if none { f.write_str("\n  none") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str, name: &str, inputs: bool, default: bool) -> Listed {
        let mut listed = Listed {
            id: id.to_owned(),
            name: name.to_owned(),
            inputs,
            outputs: !inputs,
            default_input: inputs && default,
            default_output: !inputs && default,
            loopback: false,
        };
        listed.loopback = choose::is_loopback(System::Linux, &listed);
        listed
    }

    #[test]
    fn every_device_has_a_line_with_an_id_to_paste() {
        let devices = [
            device("pulseaudio:pc", "Speakers\x1b[2J", false, true),
            device("pulseaudio:hdmi", "TV", false, false),
            device("pulseaudio:pc.monitor", "Monitor of Speakers", true, false),
            device("pulseaudio:mic", "Microphone", true, true),
        ];
        assert_eq!(
            Listing::new(System::Linux, &devices).to_string(),
            "\
Outputs (auralync-client --device ID):
  pulseaudio:pc  Speakers[2J (default)
  pulseaudio:hdmi  TV
What this PC plays (auralync-server --source loopback:ID):
  pulseaudio:pc.monitor  Monitor of Speakers (default)
Inputs (auralync-server --source device:ID):
  pulseaudio:mic  Microphone (default)"
        );
    }

    #[test]
    fn a_pc_without_sound_is_told_what_to_do() {
        let text = Listing::new(System::Windows, &[]).to_string();
        assert_eq!(text.matches("  none").count(), 3);
        assert!(text.contains("Stereo Mix"), "{text}");
    }
}
