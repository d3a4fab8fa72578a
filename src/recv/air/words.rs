//! What was found of the way through the air, as sentences.

use super::{Air, Finding};
use crate::codec::Codec;

impl Finding {
    /// What happens, as a sentence of its own for a status line, without an end.
    #[must_use]
    pub fn what(self) -> String {
        match self {
            Self::Searches { pause_ms, every_s } => format!(
                "the Wi-Fi pauses for {pause_ms} ms about every {every_s} s, as where a PC looks for \
                 other networks"
            ),
            Self::AirDrop { percent } => format!(
                "{percent} of 100 pieces of sound are lost all the time, as where a Mac waits for AirDrop"
            ),
            Self::Roamed { hole_ms } => format!(
                "nothing came for {:.1} s, as where a PC changes from one Wi-Fi access point to another",
                f64::from(hole_ms) / 1e3
            ),
            Self::Crowded { pauses, longest_ms } => format!(
                "the network paused {pauses} times in a minute, for up to {longest_ms} ms, as where \
                 others use the air"
            ),
            Self::Loss { percent } => {
                format!("{percent} of 100 pieces of sound are lost on the way")
            }
            Self::Slow { first, now } => {
                format!("{first} is more than the network carries, so sound comes as {now}")
            }
        }
    }

    /// What a person can do about it on a system, who has sound in `codec`, as a sentence without an end.
    fn help(self, system: &str, codec: Option<Codec>) -> &'static str {
        match (self, system) {
            (Self::Searches { .. }, "windows") => {
                "Close the list of Wi-Fi networks and programs that show one; if that is not enough, run \
                 as administrator: netsh wlan set autoconfig enabled=no interface=\"Wi-Fi\", and with yes \
                 when the film is over"
            }
            (Self::Searches { .. }, "macos") => {
                "Close the list of Wi-Fi networks, and turn off Networking & Wireless in System Settings › \
                 Privacy & Security › Location Services › System Services"
            }
            (Self::Searches { .. }, "linux") => {
                "Close the list of Wi-Fi networks; NetworkManager stops looking for good where a connection \
                 is bound to one access point: nmcli connection modify NAME wifi.bssid ADDRESS"
            }
            (Self::Searches { .. }, _) => {
                "Close the list of Wi-Fi networks, and programs that show one"
            }
            (Self::AirDrop { .. }, _) => {
                "Turn AirDrop off while you listen: System Settings › General › AirDrop & Handoff › AirDrop, \
                 No One. A cable helps too"
            }
            (Self::Roamed { .. }, _) => {
                "A place nearer to one of the access points helps, or a network name for each of them"
            }
            (Self::Crowded { .. }, _) => {
                "A place nearer to the Wi-Fi router, its 5 GHz network, another channel, or a cable helps"
            }
            (Self::Loss { .. }, _) if matches!(codec, Some(Codec::Opus(_))) => {
                "A place nearer to the Wi-Fi router, its 5 GHz network, or a cable helps"
            }
            (Self::Slow { .. }, _) => {
                "A place nearer to the Wi-Fi router, its 5 GHz network, or a cable brings it back, once \
                 the network has been good for minutes"
            }
            (Self::Loss { .. }, _) => {
                "A place nearer to the Wi-Fi router or a cable helps, and so does --codec opus, a tenth of \
                 the data"
            }
        }
    }
}

impl Air {
    /// A finding in full: what happens, and what a person can do about it here.
    #[must_use]
    pub fn sentence(&self, finding: Finding) -> String {
        format!("{}. {}", finding.what(), finding.help(self.system, self.codec))
    }
}
