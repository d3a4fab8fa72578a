//! What to do about sound on each system, in words for the person in front of it.

use super::System;

/// What to do when nothing can capture what the PC plays.
#[must_use]
pub fn no_loopback(system: System) -> &'static str {
    match system {
        System::Windows => {
            "Plug in or enable an output, or turn on Stereo Mix: Settings > System > Sound > More \
             sound settings > Recording, right-click the list, Show Disabled Devices, enable \
             Stereo Mix. --list-devices shows what there is; --source tone sends a test tone"
        }
        System::MacOs => {
            "This needs macOS 14.6 and an output without a microphone in it, or the free driver \
             BlackHole (existential.audio/blackhole): install it, make it the output, start \
             again. --list-devices shows what there is; --source tone sends a test tone"
        }
        System::Linux => {
            "This needs PulseAudio, or PipeWire with pipewire-pulse: check with “pactl info” that \
             it runs for this user, then pick a monitor that --list-devices shows with --source \
             loopback:NAME. --source tone sends a test tone"
        }
    }
}

/// What to do when there is nothing to play on.
#[must_use]
pub fn no_output(system: System) -> &'static str {
    match system {
        System::Windows => {
            "Plug in speakers or headphones, or enable one in Settings > System > Sound. --output \
             wav:FILE writes a file instead"
        }
        System::MacOs => {
            "Plug in speakers or headphones and choose them in System Settings > Sound. --output \
             wav:FILE writes a file instead"
        }
        System::Linux => {
            "Plug in speakers or headphones, and check with “pactl info” that PulseAudio or \
             PipeWire runs for this user. --output wav:FILE writes a file instead"
        }
    }
}

/// What to check after ten seconds of exact silence since the start.
#[must_use]
pub fn silence(system: System) -> &'static str {
    match system {
        System::Windows => {
            "nothing but silence for 10 s. Is something playing, on the output that is captured? \
             --list-devices shows the outputs; --source loopback:NAME picks one"
        }
        System::MacOs => {
            "nothing but silence for 10 s. Is something playing? If so, allow this terminal under \
             System Settings > Privacy & Security > Screen & System Audio Recording, and start \
             again: without it macOS hands over silence"
        }
        System::Linux => {
            "nothing but silence for 10 s. Is something playing, on the output that is captured, \
             and not muted? --list-devices shows the outputs; --source loopback:NAME picks one"
        }
    }
}

/// What to do when there is nothing to talk into.
#[must_use]
pub fn no_microphone(system: System) -> &'static str {
    match system {
        System::Windows => {
            "Plug one in, or enable it in Settings > System > Sound > Input. You listen meanwhile"
        }
        System::MacOs => {
            "Plug one in, or choose it in System Settings > Sound > Input. You listen meanwhile"
        }
        System::Linux => "Plug one in; --list-devices shows what there is. You listen meanwhile",
    }
}

/// What to check after ten seconds of exact silence from a microphone. `another` is how another one
/// is chosen.
#[must_use]
pub fn silent_microphone(system: System, another: &str) -> String {
    let ask = match system {
        System::Windows => {
            "Is it muted? Is this program allowed to use it: Settings > Privacy & security > \
             Microphone?"
        }
        System::MacOs => {
            "Is it muted? If not, allow this terminal under System Settings > Privacy & Security > \
             Microphone, and start again."
        }
        System::Linux => "Is it muted?",
    };
    format!(
        "nothing but silence from the microphone for 10 s. {ask} --list-devices shows the inputs; \
         {another} picks another"
    )
}

/// What a person should know of a microphone that delivers no more than a telephone does: a Bluetooth
/// headset, which plays no better meanwhile. `another` is how another one is chosen.
#[must_use]
pub fn telephone_microphone(name: &str, rate_hz: u32, another: &str) -> Option<String> {
    /// What Bluetooth's wide band speech has, in Hz.
    const TELEPHONE_HZ: u32 = 16_000;
    (rate_hz <= TELEPHONE_HZ).then(|| {
        format!(
            "“{name}” hears no better than a telephone ({rate_hz} Hz). If it is in a Bluetooth headset, \
             that also plays no better while its microphone is open: {another} takes another \
             microphone, and the headset sounds whole again"
        )
    })
}

/// What to do when the system forbids the use of a device.
#[must_use]
pub fn permission(system: System) -> &'static str {
    match system {
        System::Windows => {
            "Allow desktop apps to use the microphone: Settings > Privacy & security > Microphone"
        }
        System::MacOs => {
            "Allow this terminal under System Settings > Privacy & Security > Microphone, and > \
             Screen & System Audio Recording"
        }
        System::Linux => {
            "Start it as the user who is logged in at the screen, or add this user to the group \
             “audio” and log in again"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_microphone_like_a_telephones_is_worth_a_word() {
        let hint = |rate_hz| telephone_microphone("Headset", rate_hz, "--mic NAME");
        assert!(hint(8_000).is_some() && hint(16_000).is_some_and(|hint| hint.contains("Headset")));
        assert_eq!((hint(32_000), hint(48_000)), (None, None));
    }
}
