//! Keeps an output open: joins [`device`](crate::device) and [`speaker`](super::speaker).
//!
//! A card that goes away is reported once, and opened again as soon as it is back. Without
//! `--device` the system's default output is followed.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use log::{debug, info};

use super::controls::Controls;
use super::play::Plugged;
use super::play_thread::Card;
use super::speaker;
use super::talk::clean::far_end::Output;
use crate::capture;
use crate::clock::Clock;
use crate::device::keep::{
    LOOK, LOOKS_PER_QUESTION, PERIOD_SHARE, SHORTEST_PERIOD_MS, keep, must_shorten,
};
use crate::device::{self, OutputDevice, Stream};
use crate::shutdown::Shutdown;
use crate::stats;

/// Most systems hold no more than two periods ahead, so that longer ones outlast more of the machine's
/// hiccups: long delays afford more than the ordinary length.
const ORDINARY_PERIOD_MS: f64 = 5.0;
const LONG_PERIOD_SHARE: f64 = 1.0 / 15.0;
const LONGEST_PERIOD_MS: f64 = 50.0;

/// Sound on its way from the playing thread to the callback, at most, in ms: the longest lead and
/// the largest callback that is expected.
const RING_MS: f64 = 500.0;

/// The keeper of one output.
pub(super) struct KeepCard {
    pub(super) name: Option<String>,
    pub(super) found: Option<OutputDevice>,
    /// The playout delays of the streams to come, in ms: periods are cut for them.
    pub(super) delays: Receiver<u32>,
    /// Which trim and which sound hold depends on the card.
    pub(super) controls: Arc<Controls>,
    pub(super) clock: Clock,
    pub(super) counters: Arc<stats::Playback>,
    pub(super) player: SyncSender<Card>,
    /// Whoever takes what is played out of a microphone.
    pub(super) echoes: Option<SyncSender<Output>>,
}

impl KeepCard {
    /// Runs until `shutdown`.
    pub(super) fn run(mut self, shutdown: &Shutdown) {
        let Some(mut period_ms) = self.first_period_ms(shutdown) else {
            return;
        };
        keep(shutdown, |said| {
            // Before opening, which takes long enough for it to change.
            let default = device::default_output_id();
            let device = match self.found.take() {
                Some(device) => device,
                None => OutputDevice::find(self.name.as_deref())?,
            };
            self.controls.on_device(device.id(), device.name());
            let stream = self.start(&device, period_ms)?;
            if said {
                info!("sound is back, on “{}”", device.name());
            }
            let why = self.watch(&device, &stream, default.as_deref(), &mut period_ms, shutdown);
            let _ = self.player.send(Card::Lost);
            if let Some(echoes) = &self.echoes {
                let _ = echoes.send(Output::Lost);
            }
            Ok(why.map(|why| {
                format!("“{}” plays no more: {why}. Sound resumes when it is back", device.name())
            }))
        });
    }

    /// Waits for the first stream: a card that is opened before its delay is known would have to be
    /// opened twice.
    fn first_period_ms(&self, shutdown: &Shutdown) -> Option<f64> {
        loop {
            match self.delays.recv_timeout(Duration::from_millis(20)) {
                Ok(delay_ms) => return Some(period_ms(delay_ms)),
                Err(RecvTimeoutError::Timeout) if !shutdown.is_requested() => {}
                Err(_) => return None,
            }
        }
    }

    fn start(&self, device: &OutputDevice, period_ms: f64) -> crate::Result<Stream> {
        let format = device.format();
        let frames = format.frames_in_ms(RING_MS);
        let (mut speaker, feed) = speaker::ring(format, frames, Arc::clone(&self.counters));
        let period = u32::try_from(format.frames_in_ms(period_ms)).unwrap_or(480);
        let clock = self.clock;
        let overheard = self.echoes.as_ref().map(|_| capture::ring(format, Arc::default()));
        let (mut overheard, played) = overheard.unzip();
        let stream = device.start(clock, period, move |samples, heard_us| {
            let now_us = clock.now_us();
            speaker.fill(samples, heard_us, now_us);
            if let Some(overheard) = &mut overheard {
                overheard.on_input(samples, heard_us, now_us);
            }
        })?;
        debug!(
            "playing on “{}” at {format}, {} frames a time",
            device.name(),
            stream.period_frames()
        );
        let period = stream.period_frames().min(period * 4) as usize;
        let _ = self.player.send(Card::Plugged(Plugged { feed, format, period }));
        if let (Some(echoes), Some(played)) = (&self.echoes, played) {
            let _ = echoes.send(Output::Plugged { played, format });
        }
        Ok(stream)
    }

    /// Watches a running stream. Returns why it ended, or `None` if an output is to be opened anew
    /// or the client stops. `default_before` was the default output before this one was opened.
    fn watch(
        &self,
        device: &OutputDevice,
        stream: &Stream,
        default_before: Option<&str>,
        period: &mut f64,
        shutdown: &Shutdown,
    ) -> Option<String> {
        let mut looks = 0_u32;
        while !shutdown.sleep(LOOK) {
            self.controls.save();
            if let Some(delay_ms) = self.delays.try_iter().last()
                && must_shorten(*period, period_ms(delay_ms), delay_ms)
            {
                *period = period_ms(delay_ms);
                debug!("opening “{}” anew for a delay of {delay_ms} ms", device.name());
                return None;
            }
            if let Some(why) = stream.lost(device.name()) {
                return Some(why);
            }
            looks += 1;
            if !looks.is_multiple_of(LOOKS_PER_QUESTION) {
                continue;
            }
            self.controls.trim.look_again(device.name());
            // Some sound servers move a stream to another output when its own is unplugged, and
            // say nothing.
            if self.name.is_some() && !device::is_present(device.id()) {
                return Some("it was unplugged".to_owned());
            }
            if device::default_output_id().is_none_or(|default| default == device.id()) {
                continue;
            }
            if self.name.is_none() {
                info!("the default output has changed: playing there from here on");
                return None;
            }
            if default_before == Some(device.id()) && device::moves_with_default() {
                info!("the default output has changed: staying on “{}”", device.name());
                return None;
            }
        }
        None
    }
}

/// How long a period should be for a playout delay.
fn period_ms(delay_ms: u32) -> f64 {
    let delay_ms = f64::from(delay_ms);
    let short = (delay_ms * PERIOD_SHARE).clamp(SHORTEST_PERIOD_MS, ORDINARY_PERIOD_MS);
    short.max((delay_ms * LONG_PERIOD_SHARE).min(LONGEST_PERIOD_MS))
}
