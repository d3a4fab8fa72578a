//! Keeps a capture card open: joins [`device`](crate::device) and [`plug`](crate::capture::plug).
//!
//! A card that goes away leaves silence, is reported once, and is opened again as soon as it is
//! back. When the user changes the default output, the captured one follows.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::SyncSender;

use log::{debug, info, warn};

use super::captured::Capturing;
use crate::capture::cards::Card;
use crate::capture::plug::plug;
use crate::clock::Clock;
use crate::device::keep::{
    LOOK, LOOKS_PER_QUESTION, PERIOD_SHARE, SHORTEST_PERIOD_MS, SilenceHint, keep, must_shorten,
};
use crate::device::{self, InputDevice, Stream, System, hints};
use crate::error::Result;
use crate::shutdown::Shutdown;
use crate::sound::mixdown::Mixdown;
use crate::source::{Kind, Source};
use crate::stats;

/// Some systems hold no more than one captured period back, so that longer ones outlast more of the
/// machine's hiccups, up to this.
const LONGEST_PERIOD_MS: f64 = 50.0;

/// The keeper of one card.
pub(super) struct KeepCard {
    pub(super) source: Source,
    pub(super) found: Option<InputDevice>,
    /// The playout delay in force, in ms: periods are cut for it.
    pub(super) delay_ms: Arc<AtomicU32>,
    pub(super) clock: Clock,
    pub(super) counters: Arc<stats::Capture>,
    pub(super) producer: SyncSender<Card>,
    /// Is told which output is captured.
    pub(super) capturing: Capturing,
    /// Whether nothing is heard without it.
    pub(super) is_carrier: bool,
    /// Channels of the mix.
    pub(super) mix_channels: u16,
}

/// The card that `kind` means; none where this PC has nothing of the kind yet, no output to be captured
/// or no input, which is waited for as for a card that was unplugged.
///
/// # Errors
/// Why it cannot be captured, where there is sound.
pub(super) fn find(kind: &Kind) -> Result<Option<InputDevice>> {
    match InputDevice::find(kind) {
        Ok(device) => Ok(Some(device)),
        Err(_) if matches!(kind, Kind::Device(_)) && !device::has_input() => Ok(None),
        Err(_) if matches!(kind, Kind::Loopback(_)) && !device::has_output() => Ok(None),
        Err(e) => Err(e),
    }
}

/// The card that is captured.
struct Opened<'a> {
    device: &'a InputDevice,
    stream: &'a Stream,
    period_ms: f64,
    /// The default input before this one was opened.
    default_input: Option<String>,
}

impl KeepCard {
    /// Runs until `shutdown`.
    pub(super) fn run(mut self, shutdown: &Shutdown) {
        let start_us = self.clock.now_us();
        let mut hint = SilenceHint::default();
        keep(shutdown, |said| {
            // Before opening, which takes long enough for it to change.
            let default = device::default_output_id();
            let default_input = device::default_input_id();
            let device = match self.found.take() {
                Some(device) => device,
                None => InputDevice::find(&self.source.kind)?,
            };
            // Where it was not there at the start, it is found out here whether it has the channels.
            Mixdown::new(device.layout(), self.mix_channels, self.source.channels)?;
            let period_ms = period_ms(self.delay_ms());
            let (clock, counters) = (self.clock, &self.counters);
            let stream = plug(&device, period_ms, clock, counters, &self.producer)?;
            self.capturing.set(device.captured_output_id());
            if said {
                info!("sound is captured again, from “{}”", device.name());
            }
            let before = default.as_deref();
            let opened = Opened { device: &device, stream: &stream, period_ms, default_input };
            let why = self.watch(opened, before, start_us, &mut hint, shutdown);
            let _ = self.producer.send(Card::Lost);
            Ok(why.map(|why| {
                let name = device.name();
                let meanwhile = if self.is_carrier { "silence" } else { "the other sources" };
                format!(
                    "“{name}” delivers no more: {why}. Listeners hear {meanwhile} until it is back"
                )
            }))
        });
    }

    fn delay_ms(&self) -> u32 {
        self.delay_ms.load(Ordering::Relaxed)
    }

    /// Watches a running stream. Returns why it ended, or `None` if a device is to be opened anew
    /// or the server stops. `default_before` was the default output before this one was opened.
    fn watch(
        &self,
        Opened { device, stream, period_ms: period, mut default_input }: Opened<'_>,
        default_before: Option<&str>,
        start_us: u64,
        hint: &mut SilenceHint,
        shutdown: &Shutdown,
    ) -> Option<String> {
        let follows_default = self.source.kind == Kind::Loopback(None);
        let mut looks = 0_u32;
        while !shutdown.sleep(LOOK) {
            if let Some(why) = stream.lost(device.name()) {
                return Some(why);
            }
            let silent_us = self.clock.now_us().saturating_sub(start_us);
            if hint.is_due(self.counters.peak.was_heard(), silent_us) {
                warn!("{}", hint_for(&self.source.kind));
            }
            let delay_ms = self.delay_ms();
            if must_shorten(period, period_ms(delay_ms), delay_ms) {
                debug!("the delay is shorter now, and so must the card's periods be");
                return None;
            }
            looks += 1;
            if !looks.is_multiple_of(LOOKS_PER_QUESTION) {
                continue;
            }
            // Some sound servers move a stream to another device when its own is unplugged, and
            // say nothing.
            if !follows_default && !device::is_present(device.id()) {
                return Some("it was unplugged".to_owned());
            }
            let input = device::default_input_id();
            let default = device::default_output_id();
            if default.is_some() && default.as_deref() != default_before {
                if follows_default {
                    info!("the default output has changed: capturing that one from here on");
                    return None;
                }
                // A PC without a microphone records from its default output's monitor by default.
                let was_captured =
                    default_before.is_some() && default_before == device.captured_output_id();
                if was_captured && device::moves_with_default() {
                    info!("the default output has changed: staying with “{}”", device.name());
                    return None;
                }
            }
            if input.is_some() && input != default_input {
                let was_this = default_input.as_deref() == Some(device.id());
                default_input = input;
                // A microphone that is plugged in becomes the default, and what was captured from
                // the one before is moved along.
                if was_this && device::moves_with_default() {
                    info!("the default input has changed: staying with “{}”", device.name());
                    return None;
                }
            }
        }
        None
    }
}

/// What to check after silence from a source of that kind.
fn hint_for(kind: &Kind) -> String {
    match kind {
        Kind::Device(_) => hints::silent_microphone(System::current(), "--source device:NAME"),
        _ => hints::silence(System::current()).to_owned(),
    }
}

/// How long a period should be for a playout delay.
pub(super) fn period_ms(delay_ms: u32) -> f64 {
    (f64::from(delay_ms) * PERIOD_SHARE).clamp(SHORTEST_PERIOD_MS, LONGEST_PERIOD_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_microphone_that_is_silent_gets_the_hint_of_microphones_and_a_loopback_its_own() {
        let hint = hint_for(&Kind::Device("Headset".to_owned()));
        assert!(hint.contains("microphone") && hint.contains("--source device:NAME"), "{hint}");
        assert!(!hint.contains("loopback") && !hint.contains("--mic"), "{hint}");
        assert!(!hint_for(&Kind::Loopback(None)).contains("microphone for"));
    }
}
