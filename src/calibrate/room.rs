//! Plays the chirp on an output while a microphone listens: joins [`device`](crate::device) and what finds
//! the chirp again.

use std::sync::Arc;
use std::time::Duration;

use ringbuf::traits::Consumer;

use super::chirp::{Chirp, SWEEP_MS};
use super::find::{LATEST_MS, QUIET_MS, Recording};
use super::player::{Played, Player};
use super::recorder::Recorder;
use crate::capture;
use crate::clock::{CardClock, Clock};
use crate::device::{InputDevice, OutputDevice, Stream};
use crate::error::{Error, Result};
use crate::shutdown::Shutdown;

/// Cards are asked for periods of this length, in ms: nobody waits for this sound, and a busy machine tears it less.
const PERIOD_MS: f64 = 25.0;

/// Silence before the first sweep, in ms: the cards' clocks are learnt meanwhile, headsets wake up, and the
/// room is listened to.
const BEFORE_MS: f64 = 2_500.0;

/// Sound is on its way for so long at most, in ms, before and behind what cards say of it.
const SPARE_MS: f64 = 400.0;

/// A card that has not played all this long after it should have is none, in ms.
const PATIENCE_MS: f64 = 6_000.0;

/// How often what came is taken.
const LOOK: Duration = Duration::from_millis(10);

/// What was heard of it.
pub(crate) struct Take {
    pub(crate) recording: Recording,
    pub(crate) chirp: Chirp,
    /// When each sweep was due, in µs.
    pub(crate) due_us: Vec<f64>,
    /// How well the cards' clocks are known, in ms.
    pub(crate) clocks_ms: f64,
}

/// A microphone that is open.
pub(crate) struct OpenMicrophone {
    _stream: Stream,
    clock: Clock,
    captured: capture::Captured,
    recorder: Recorder,
}

/// Opens a microphone, and keeps what it hears from now on.
///
/// # Errors
/// As [`InputDevice::start`].
pub(crate) fn open(microphone: &InputDevice, clock: Clock) -> Result<OpenMicrophone> {
    let format = microphone.format();
    let (mut capture, captured) = capture::ring(format, Arc::default());
    let stream = microphone.start(clock, period(format), move |samples, at_us| {
        capture.on_input(samples, at_us, clock.now_us());
    })?;
    Ok(OpenMicrophone { _stream: stream, clock, captured, recorder: Recorder::new(format) })
}

impl OpenMicrophone {
    /// Takes what came.
    pub(super) fn take(&mut self) {
        self.recorder.take(&mut self.captured);
    }

    /// Ends it. What it has heard.
    pub(super) fn close(mut self) -> Recorder {
        self.take();
        self.recorder
    }
}

fn period(format: crate::Format) -> u32 {
    u32::try_from(format.frames_in_ms(PERIOD_MS)).unwrap_or(480)
}

/// Plays the chirp on `output`, and keeps what `microphone`, which is open as `opened`, hears until `after_ms` later
/// than what can be heard of it. Does `meanwhile` every few milliseconds. `None` if stopping is asked for.
///
/// # Errors
/// [`Error::Device`] where a card does not play or hear.
pub(crate) fn chirp(
    output: &OutputDevice,
    microphone: &InputDevice,
    mut opened: OpenMicrophone,
    after_ms: f64,
    shutdown: &Shutdown,
    mut meanwhile: impl FnMut(),
) -> Result<Option<Take>> {
    let (format, clock) = (output.format(), opened.clock);
    let chirp = Chirp::between(format.sample_rate, microphone.format().sample_rate);
    let (sound, starts) = chirp.played(format.sample_rate);
    let begins = format.frames_in_ms(BEFORE_MS) as u64;
    let (mut player, mut told) = Player::new(sound, begins, format.channels);
    let stream = output.start(clock, period(format), move |samples, heard_us| {
        player.fill(samples, heard_us, clock.now_us());
    })?;
    let mut card = Card::new(format.sample_rate, starts.iter().map(|at| begins + *at as u64));
    let after_us = (after_ms + LATEST_MS + SWEEP_MS + QUIET_MS + SPARE_MS) * 1e3;
    let longest_ms = BEFORE_MS + Chirp::length_ms() + after_us / 1e3 + PATIENCE_MS;
    let give_up_us = clock.now_us() + (longest_ms * 1e3) as u64;
    loop {
        if shutdown.sleep(LOOK) {
            return Ok(None);
        }
        opened.take();
        meanwhile();
        told.pop_iter().for_each(|played| card.played(played));
        if let Some(why) = stream.lost(output.name()) {
            return Err(failed(output.name(), why));
        }
        let now_us = clock.now_us();
        if card.last_due_us().is_some_and(|last_us| now_us as f64 > last_us + after_us) {
            break;
        }
        if now_us > give_up_us {
            return Err(failed(output.name(), "it does not play".to_owned()));
        }
    }
    drop(stream);
    let recorder = opened.close();
    if recorder.frames() == 0 {
        return Err(failed(microphone.name(), "no sound comes from it".to_owned()));
    }
    let clocks_ms = recorder.sure_ms() + card.clock.uncertainty_us() / 1e3;
    let due_us = card.due_us();
    let Some(recording) = recorder.recording() else {
        return Err(failed(microphone.name(), "it does not say when it captures".to_owned()));
    };
    log::debug!("{} frames heard, sweeps due at {due_us:.0?}", recording.samples.len());
    Ok(Some(Take { recording, chirp, due_us, clocks_ms }))
}

fn failed(name: &str, why: String) -> Error {
    Error::Device {
        device: name.to_owned(),
        why,
        fix: "Plug it in again, or choose another one from --list-devices".to_owned(),
    }
}

/// When the card that plays is to be heard, as a listener computes it.
struct Card {
    clock: CardClock,
    /// The frames at which the sweeps begin, and when they were due by what was known soon after.
    sweeps: Vec<(u64, Option<f64>)>,
    stepped: bool,
    settle: u64,
}

impl Card {
    fn new(rate_hz: u32, sweeps: impl Iterator<Item = u64>) -> Self {
        Self {
            clock: CardClock::new(rate_hz),
            sweeps: sweeps.map(|frame| (frame, None)).collect(),
            stepped: false,
            settle: u64::from(rate_hz / 4),
        }
    }

    fn played(&mut self, played: Played) {
        self.stepped |= self.clock.stamp(played.frame, played.heard_us, played.came_us).is_some();
        for (frame, due_us) in &mut self.sweeps {
            if due_us.is_none() && played.frame > *frame + self.settle {
                *due_us = self.clock.time_of(*frame as f64);
            }
        }
    }

    /// When the last sweep is due, in µs, once it has been played.
    fn last_due_us(&self) -> Option<f64> {
        self.sweeps.last().and_then(|(_, due_us)| *due_us)
    }

    /// When each sweep was due, in µs: by all that is known, unless the card has moved meanwhile.
    fn due_us(&self) -> Vec<f64> {
        let due = |(frame, then_us): &(u64, Option<f64>)| {
            if self.stepped { *then_us } else { self.clock.time_of(*frame as f64) }
        };
        self.sweeps.iter().filter_map(due).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_due_before_a_card_stepped_stays_where_it_was() {
        let mut card = Card::new(48_000, [48_000, 480_000].into_iter());
        for turn in 0..1_100_u64 {
            let frame = turn * 480;
            // Half a second is lost after the fifth.
            let late_us = if turn >= 500 { 500_000 } else { 0 };
            let came_us = 1_000_000_000 + turn * 10_000 + late_us;
            card.played(Played { frame, heard_us: came_us + 20_000, came_us });
        }
        let due = card.due_us();
        assert!((due[0] - 1_001_020_000.0).abs() < 50.0, "{due:?}");
        assert!((due[1] - 1_010_520_000.0).abs() < 50.0, "{due:?}");
        assert_eq!(card.last_due_us(), Some(due[1]));
    }
}
