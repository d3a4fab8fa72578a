//! Keeps a talker's microphone open: joins [`device`](crate::device) and [`plug`](crate::capture::plug).
//!
//! A microphone is opened only where the server lets its person speak. One that goes away is
//! reported once, and opened again as soon as it is back. Without `--mic` the system's default
//! input is followed.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use log::{info, warn};

use crate::capture::cards::Card;
use crate::capture::plug::plug;
use crate::clock::Clock;
use crate::device::keep::{LOOK, LOOKS_PER_QUESTION, SilenceHint, keep};
use crate::device::{self, InputDevice, Stream, System, hints};
use crate::shutdown::Shutdown;
use crate::stats;
use crate::talking::Talking;

/// A microphone hands over sound in periods of this length: half a frame, so that none waits long
/// for its last sample, and no shorter than most sound servers manage.
const PERIOD_MS: f64 = 5.0;

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
        let mut hint = SilenceHint::default();
        let mut told_of_rate = false;
        keep(shutdown, |said| {
            if !self.is_wanted(shutdown) {
                return Ok(None);
            }
            // Before opening, which takes long enough for it to change.
            let default = device::default_input_id();
            let microphone = InputDevice::microphone(self.name.as_deref())?;
            let (clock, counters) = (self.clock, &self.counters);
            let stream = plug(&microphone, PERIOD_MS, clock, counters, &self.talker)?;
            self.talking.set_microphone(true);
            let name = microphone.name();
            if said {
                info!("you can be heard again, through “{name}”");
            } else {
                info!("you can be heard, through “{name}”");
            }
            let rate_hz = microphone.format().sample_rate;
            let telephone = hints::telephone_microphone(name, rate_hz, "--mic NAME");
            if let Some(hint) = telephone.filter(|_| !std::mem::replace(&mut told_of_rate, true)) {
                warn!("{hint}");
            }
            let why = self.watch(&microphone, &stream, default.as_deref(), &mut hint, shutdown);
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

    /// Watches a running stream. Returns why it ended, or `None` if a microphone is to be opened anew,
    /// or none is wanted any more. `default_before` was the default input before this one was opened.
    fn watch(
        &self,
        microphone: &InputDevice,
        stream: &Stream,
        default_before: Option<&str>,
        hint: &mut SilenceHint,
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
            // What systems hand over to programs that may not listen.
            let silent_us = self.clock.now_us().saturating_sub(opened_us);
            if hint.is_due(self.counters.peak.was_heard(), silent_us) {
                warn!("{}", hints::silent_microphone(System::current(), "--mic NAME"));
            }
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
}
