//! What the channels of a device are.

use super::Opened;
use crate::sound::mixdown::Layout;

/// What the device's channels are, in their order. Where the sound system does not say it, the order
/// that is usual there: Windows and macOS have one, ALSA another.
#[cfg(target_os = "linux")]
pub(super) fn of(opened: &Opened) -> Layout {
    if opened.is_on_pulseaudio() {
        super::pulse::layout(opened)
    } else {
        Layout::alsa(opened.format().channels)
    }
}

/// What the device's channels are, in their order: the usual one.
#[cfg(not(target_os = "linux"))]
pub(super) fn of(opened: &Opened) -> Layout {
    Layout::usual(opened.format().channels)
}
