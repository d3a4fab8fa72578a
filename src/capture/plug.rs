//! Starts a card that is captured: joins [`device`](crate::device), [`capture`](super) and
//! whoever takes its sound.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use super::cards::Card;
use crate::capture;
use crate::clock::Clock;
use crate::device::{InputDevice, Stream};
use crate::error::Result;
use crate::stats;

/// Starts to capture from `device`, `period_ms` of sound at a time, and announces it through `cards`.
///
/// # Errors
/// As [`InputDevice::start`].
pub(crate) fn plug(
    device: &InputDevice,
    period_ms: f64,
    clock: Clock,
    counters: &Arc<stats::Capture>,
    cards: &SyncSender<Card>,
) -> Result<Stream> {
    let format = device.format();
    let (mut capture, captured) = capture::ring(format, Arc::clone(counters));
    let period = u32::try_from(format.frames_in_ms(period_ms)).unwrap_or(480);
    let stream = device.start(clock, period, move |samples, at_us| {
        capture.on_input(samples, at_us, clock.now_us());
    })?;
    let (name, frames) = (device.name(), stream.period_frames());
    log::debug!("capturing “{name}” at {format}, {frames} frames a time");
    let layout = device.layout().clone();
    let _ = cards.send(Card::Plugged { captured, format, layout, period_ms });
    Ok(stream)
}
