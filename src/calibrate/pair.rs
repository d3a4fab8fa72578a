//! Whether an output and a microphone can measure each other, and which other output tells what the
//! microphone costs: pure choices over a list of devices.

use crate::device::{Listed, System, choose};
use crate::error::{Error, Result};
use crate::format::Format;

/// How Bluetooth's devices are called in ids, in lower case.
const BLUETOOTH: &[&str] = &["bluez", "bluetooth"];

/// How Windows and others call a headset in the mode in which its microphone works, in lower case.
const HANDS_FREE: &[&str] =
    &["hands-free", "hands free", "handsfree", "headset_head_unit", "headset-head-unit"];

/// Outputs of this name hide a delay, or may, in lower case: a picture is computed beside their sound.
const PICTURES: &[&str] = &["hdmi", "displayport", "iec958", "digital"];

/// A headset that is spoken into has no higher rate, in Hz.
const SPEECH_HZ: u32 = 16_000;

/// Refuses a microphone that cannot say when `output` is heard.
///
/// # Errors
/// [`Error::Usage`] where it hears what an output is given and not what it plays, or where it belongs to the
/// very headset: that plays in another mode while it is spoken into.
pub(super) fn check(system: System, output: &Listed, microphone: &Listed) -> Result<()> {
    check_microphone(system, Some(output), microphone)?;
    if is_same_headset(output, microphone) || is_hands_free(output) {
        return Err(other_mode(&output.name));
    }
    Ok(())
}

/// Refuses what hears no air.
///
/// # Errors
/// [`Error::Usage`] where it is what an output is given.
pub(super) fn check_microphone(
    system: System,
    output: Option<&Listed>,
    microphone: &Listed,
) -> Result<()> {
    let ear = &microphone.name;
    let captured = choose::captured_output(system, microphone);
    if captured.is_none() && !microphone.loopback {
        return Ok(());
    }
    let is_same = output.is_some_and(|output| captured == Some(&output.id));
    let whose = match captured {
        Some(_) if is_same => "is the same card, and ",
        Some(_) => "is another output, and ",
        None => "",
    };
    Err(Error::usage(
        format!(
            "“{ear}” is no microphone: it {whose}tells what is given to an output and not when that is heard"
        ),
        "Choose a real microphone with --mic; --list-devices shows them",
    ))
}

/// Refuses an output that has changed since its microphone was opened: `before` and `after` are its formats, `None`
/// where it is gone.
///
/// # Errors
/// [`Error::Usage`] for a headset in its other mode, [`Error::Device`] for what was unplugged.
pub(super) fn check_unchanged(
    output: &Listed,
    before: Format,
    after: Option<Format>,
) -> Result<()> {
    let is_headset = is_bluetooth(output);
    let is_speech = |format: Format| format.sample_rate <= SPEECH_HZ;
    match after {
        // Somebody else may have its microphone open already.
        Some(after) if after == before && !(is_headset && is_speech(after)) => Ok(()),
        Some(after) if !is_speech(after) && after.channels >= before.channels => Ok(()),
        // In its other mode it may be another output to the system.
        Some(_) => Err(other_mode(&output.name)),
        None if is_headset => Err(other_mode(&output.name)),
        None => Err(Error::Device {
            device: output.name.clone(),
            why: "it was unplugged meanwhile".to_owned(),
            fix: "Plug it in again, and try once more".to_owned(),
        }),
    }
}

fn other_mode(name: &str) -> Error {
    Error::usage(
        format!(
            "“{name}” plays in another mode while its own microphone is open, as Bluetooth headsets do (8 or \
             16 kHz, mono): what is measured there is not how late music is"
        ),
        "Choose a microphone that is not the headset's with --mic, and hold it to one ear",
    )
}

/// Whether the microphone has a long way of its own that no card reports.
pub(super) fn is_bluetooth(device: &Listed) -> bool {
    let (id, name) = (device.id.to_lowercase(), device.name.to_lowercase());
    BLUETOOTH.iter().any(|known| id.contains(known) || name.contains(known))
        || is_hands_free(device)
}

fn is_hands_free(device: &Listed) -> bool {
    let (id, name) = (device.id.to_lowercase(), device.name.to_lowercase());
    HANDS_FREE.iter().any(|known| id.contains(known) || name.contains(known))
}

/// Whether both are the two ends of one Bluetooth headset.
fn is_same_headset(output: &Listed, microphone: &Listed) -> bool {
    let address = |device: &Listed| address(&device.id);
    let is_one = address(output).is_some_and(|there| address(microphone) == Some(there));
    // Where ids say nothing, both ends bear one name: “Headphones (WH-1000)” and “Headset (WH-1000)”.
    let model = |device: &Listed| {
        let (_, model) = device.name.rsplit_once('(')?;
        Some(model.trim_end_matches(')').to_lowercase()).filter(|model| !model.is_empty())
    };
    let is_model =
        is_bluetooth(microphone) && model(output).is_some_and(|one| model(microphone) == Some(one));
    is_one || is_model
}

/// The Bluetooth address in an id of PulseAudio's or PipeWire's, `bluez_output.AA_BB_CC_DD_EE_FF.1`.
fn address(id: &str) -> Option<String> {
    let (_, behind) = id.split_once("bluez")?;
    let (_, behind) = behind.split_once('.')?;
    let address: String = behind.chars().take(17).map(|c| if c == ':' { '_' } else { c }).collect();
    (address.len() == 17 && address.matches('_').count() == 5).then(|| address.to_uppercase())
}

/// The output that tells what the microphone costs, where nobody names one: the wired one of the very card that
/// the microphone is on. What is heard there late is the microphone's.
pub(super) fn known<'a>(
    devices: &'a [Listed],
    output: &Listed,
    microphone: &Listed,
) -> Option<&'a Listed> {
    let card = card(&microphone.id)?;
    devices.iter().find(|device| {
        device.outputs
            && device.id != output.id
            && !is_bluetooth(device)
            && self::card(&device.id) == Some(card)
            && !PICTURES.iter().any(|known| device.id.to_lowercase().contains(known))
    })
}

/// The part of an id of PulseAudio's or PipeWire's that names the card: `pci-0000_00_1f.3` of
/// `pulseaudio:alsa_input.pci-0000_00_1f.3.analog-stereo`.
fn card(id: &str) -> Option<&str> {
    let (_, behind) = id.split_once("alsa_input.").or_else(|| id.split_once("alsa_output."))?;
    // Behind the card stands what it is used as.
    let (card, _) = behind.rsplit_once('.')?;
    Some(card).filter(|card| !card.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(id: &str, name: &str) -> Listed {
        Listed {
            id: id.to_owned(),
            name: name.to_owned(),
            inputs: id.contains("input") || id.contains("source") || id.ends_with(".monitor"),
            outputs: id.contains("output") && !id.ends_with(".monitor"),
            default_input: false,
            default_output: false,
            loopback: id.ends_with(".monitor"),
        }
    }

    const PCI: &str = "pulseaudio:alsa_output.pci-0000_00_1f.3.analog-stereo";

    #[test]
    fn what_an_output_is_given_is_no_microphone() {
        let (speakers, usb) =
            (device(PCI, "Speakers"), device("pulseaudio:alsa_output.usb.x", "USB"));
        let monitor = device(&format!("{PCI}.monitor"), "Monitor of Speakers");
        let same = check(System::Linux, &speakers, &monitor).unwrap_err().to_string();
        assert!(same.contains("the same card") && same.contains("--mic"), "{same}");
        let other = check(System::Linux, &usb, &monitor).unwrap_err().to_string();
        assert!(other.contains("another output"), "{other}");
        let stereo_mix = Listed { loopback: true, ..device("wasapi:input", "Stereo Mix") };
        assert!(check(System::Windows, &speakers, &stereo_mix).is_err());
        let microphone =
            device("pulseaudio:alsa_input.pci-0000_00_1f.3.analog-stereo", "Microphone");
        check(System::Linux, &speakers, &microphone).unwrap();
    }

    #[test]
    fn a_headset_does_not_measure_itself() {
        for (output, microphone) in [
            (
                "pulseaudio:bluez_output.AA_BB_CC_DD_EE_FF.1",
                "pulseaudio:bluez_input.AA:BB:CC:DD:EE:FF",
            ),
            (
                "pulseaudio:bluez_sink.AA_BB_CC_DD_EE_FF.a2dp_sink",
                "pulseaudio:bluez_source.AA_BB_CC_DD_EE_FF.handsfree_head_unit",
            ),
        ] {
            let (output, microphone) = (device(output, "WH-1000"), device(microphone, "WH-1000"));
            let said = check(System::Linux, &output, &microphone).unwrap_err().to_string();
            assert!(said.contains("another mode"), "{said}");
            let other = device("pulseaudio:alsa_input.usb-x.mono", "USB microphone");
            check(System::Linux, &output, &other).unwrap();
        }
        let output = device("wasapi:output", "Headphones (WH-1000)");
        let microphone = device("wasapi:input", "Headset (WH-1000)");
        check(System::Windows, &output, &microphone).unwrap();
        let bluetooth = device("wasapi:bluetooth-input", "Headset (WH-1000)");
        assert!(check(System::Windows, &output, &bluetooth).is_err());
        let hands_free = device("wasapi:output", "Headset (WH-1000 Hands-Free AG Audio)");
        assert!(check(System::Windows, &hands_free, &microphone).is_err());
    }

    #[test]
    fn an_output_that_falls_to_the_rate_of_speech_has_changed() {
        let format = |sample_rate, channels| Format { sample_rate, channels };
        let headset = device("pulseaudio:bluez_output.AA_BB_CC_DD_EE_FF.1", "WH-1000");
        let check = |after| check_unchanged(&headset, format(48_000, 2), after);
        check(Some(format(48_000, 2))).unwrap();
        check(Some(format(44_100, 2))).unwrap();
        for after in
            [Some(format(16_000, 1)), Some(format(48_000, 1)), Some(format(8_000, 2)), None]
        {
            assert!(check(after).unwrap_err().to_string().contains("another mode"), "{after:?}");
        }
        // It was in that mode before.
        let speech = format(16_000, 1);
        assert!(check_unchanged(&headset, speech, Some(speech)).is_err());
        let telephone = device("pulseaudio:alsa_output.usb-x.mono", "Telephone");
        check_unchanged(&telephone, speech, Some(speech)).unwrap();
        let gone = check_unchanged(&telephone, speech, None).unwrap_err().to_string();
        assert!(gone.contains("unplugged"), "{gone}");
    }

    #[test]
    fn the_wired_output_of_the_microphones_own_card_is_known() {
        let microphone =
            device("pulseaudio:alsa_input.pci-0000_00_1f.3.analog-stereo", "Microphone");
        let headset = device("pulseaudio:bluez_output.AA_BB_CC_DD_EE_FF.1", "WH-1000");
        let tv = device("pulseaudio:alsa_output.pci-0000_00_1f.3.hdmi-stereo", "TV");
        let usb = device("pulseaudio:alsa_output.usb-x.analog-stereo", "USB");
        let all = [headset.clone(), tv.clone(), usb.clone(), device(PCI, "Speakers")];
        assert_eq!(known(&all, &headset, &microphone).unwrap().name, "Speakers");
        assert_eq!(known(&all[..3], &headset, &microphone), None);
        // It tells nothing of itself.
        assert_eq!(known(&all, &all[3], &microphone), None);
        assert_eq!(known(&all, &headset, &device("wasapi:input", "Microphone")), None);
    }
}
