//! Keeps a talker's microphone open: joins [`device`](crate::device) and [`capture`](super::capture).
//!
//! It is opened only where the server lets its person speak. One that goes away is said once and opened
//! again as soon as it is back; without `--mic` the system's default input is followed.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use log::{debug, info, warn};

use super::capture;
use super::cards::Card;
use crate::clock::Clock;
use crate::device::keep::{LOOK, LOOKS_PER_QUESTION, keep};
use crate::device::{self, InputDevice, Stream, System, hints};
use crate::shutdown::Shutdown;
use crate::stats;
use crate::talking::Talking;

/// A microphone hands over sound in periods of this length: half a frame, so that none waits long
/// for its last sample, and no shorter than most sound servers manage.
const PERIOD_MS: f64 = 5.0;

/// Exact silence since the start for this long gets a hint: what systems hand over to programs that
/// may not listen.
const SILENT_FOR_US: u64 = 10_000_000;

/// The keeper of one microphone.
pub(crate) struct KeepMicrophone {
    pub(crate) name: Option<String>,
    pub(crate) clock: Clock,
    pub(crate) counters: Arc<stats::Capture>,
    pub(crate) talking: Arc<Talking>,
    pub(crate) talker: SyncSender<Card>,
}

impl KeepMicrophone {
    /// Runs until `shutdown`.
    pub(crate) fn run(self, shutdown: &Shutdown) {
        let mut hint_due = true;
        keep(shutdown, |said| {
            if !self.is_wanted(shutdown) {
                return Ok(None);
            }
            // Before opening, which takes long enough for it to change.
            let default = device::default_input_id();
            let microphone = InputDevice::microphone(self.name.as_deref())?;
            let stream = self.start(&microphone)?;
            self.talking.set_microphone(true);
            let name = microphone.name();
            if said {
                info!("you can be heard again, through “{name}”");
            } else {
                info!("you can be heard, through “{name}”");
            }
            let why = self.watch(&microphone, &stream, default.as_deref(), &mut hint_due, shutdown);
            self.talking.set_microphone(false);
            let _ = self.talker.send(Card::Lost);
            Ok(why.map(|why| {
                format!("“{name}” delivers no more: {why}. Nobody hears you until it is back")
            }))
        });
    }

    /// Waits until the person may speak. `false` if the program stops first.
    fn is_wanted(&self, shutdown: &Shutdown) -> bool {
        while !self.talking.is_allowed() {
            if shutdown.sleep(LOOK) {
                return false;
            }
        }
        true
    }

    fn start(&self, microphone: &InputDevice) -> crate::Result<Stream> {
        let format = microphone.format();
        let (mut capture, captured) = capture::ring(format, Arc::clone(&self.counters));
        let period = u32::try_from(format.frames_in_ms(PERIOD_MS)).unwrap_or(240);
        let clock = self.clock;
        let stream = microphone.start(clock, period, move |samples, at_us| {
            capture.on_input(samples, at_us, clock.now_us());
        })?;
        debug!(
            "the microphone “{}” delivers {format}, {} frames a time",
            microphone.name(),
            stream.period_frames()
        );
        let _ = self.talker.send(Card::Plugged { captured, format, period_ms: PERIOD_MS });
        Ok(stream)
    }

    /// Watches a running stream. Returns why it ended, or `None` if a microphone is to be opened anew,
    /// or none is wanted any more. `default_before` was the default input before this one was opened.
    fn watch(
        &self,
        microphone: &InputDevice,
        stream: &Stream,
        default_before: Option<&str>,
        hint_due: &mut bool,
        shutdown: &Shutdown,
    ) -> Option<String> {
        let opened_us = self.clock.now_us();
        let mut looks = 0_u32;
        while !shutdown.sleep(LOOK) {
            if let Some(why) = stream.lost(microphone.name()) {
                return Some(why);
            }
            if !self.talking.is_allowed() {
                return None;
            }
            self.hint(opened_us, hint_due);
            looks += 1;
            if !looks.is_multiple_of(LOOKS_PER_QUESTION) {
                continue;
            }
            // Some sound servers move a stream to another device when its own is unplugged, and
            // say nothing.
            if !device::is_present(microphone.id()) {
                return Some("it was unplugged".to_owned());
            }
            let default = device::default_input_id();
            if self.name.is_none() && default.is_some() && default.as_deref() != default_before {
                info!("the default microphone has changed: listening to that one from here on");
                return None;
            }
        }
        None
    }

    /// After ten seconds of exact silence since the start, what to check, once.
    fn hint(&self, opened_us: u64, due: &mut bool) {
        if !*due {
            return;
        }
        if self.counters.peak.was_heard() {
            *due = false;
        } else if self.clock.now_us().saturating_sub(opened_us) > SILENT_FOR_US {
            warn!("{}", hints::silent_microphone(System::current()));
            *due = false;
        }
    }
}
