//! Keeps a card open: what both directions do when one comes, goes and comes back.

use std::time::Duration;

use log::{debug, warn};

use super::{Stream, Trouble};
use crate::error::Result;
use crate::shutdown::Shutdown;

/// How often a running stream is looked at.
pub const LOOK: Duration = Duration::from_millis(250);

/// The system is asked about its devices every so many looks: it costs a question to the sound
/// server.
pub const LOOKS_PER_QUESTION: u32 = 4;

/// How long between attempts to open a card that is gone. Sound is to be back within a second of
/// the card, and an attempt costs the sound server a question or two.
const RETRY: Duration = Duration::from_millis(250);

/// A card hands over or takes sound in periods. Each costs about as much whatever its length, so a
/// period is as long as the delay affords: this share of it, but no shorter than most systems manage.
pub(crate) const PERIOD_SHARE: f64 = 1.0 / 6.0;
pub(crate) const SHORTEST_PERIOD_MS: f64 = 2.5;

/// A card that is open already is opened anew for a shorter delay only when its period is a larger
/// share of it than this.
const LONGEST_PERIOD_SHARE: f64 = 0.25;

/// Whether a card open with periods of `period_ms` is worth opening anew, which is a hole in the
/// sound, for `wanted_ms`, because the delay is `delay_ms` now: only where it would hold too much.
#[must_use]
pub fn must_shorten(period_ms: f64, wanted_ms: f64, delay_ms: u32) -> bool {
    period_ms > wanted_ms && period_ms > f64::from(delay_ms) * LONGEST_PERIOD_SHARE
}

/// A card that has given nothing but exact silence for this long gets a hint.
const SILENT_FOR_US: u64 = 10_000_000;

/// When to say, once, what to check of a card that gives nothing but exact silence.
#[derive(Debug, Default)]
pub struct SilenceHint {
    is_over: bool,
}

impl SilenceHint {
    /// Whether now is the time: `was_heard` says that anything but silence came so far, `silent_us`
    /// for how long it would have been silent if not.
    pub fn is_due(&mut self, was_heard: bool, silent_us: u64) -> bool {
        let is_silent = !was_heard && silent_us > SILENT_FOR_US;
        let is_due = is_silent && !self.is_over;
        self.is_over |= was_heard || is_silent;
        is_due
    }
}

/// Opens a card and watches it, again and again, until `shutdown`.
///
/// `once` opens it and returns when it is no more: the sentence to say, or nothing where there is
/// nothing to say. It is told whether a loss or a failure was said before, so that it can say that
/// sound is back. What fails is said once, then tried until it works.
pub fn keep(shutdown: &Shutdown, mut once: impl FnMut(bool) -> Result<Option<String>>) {
    let mut said = false;
    while !shutdown.is_requested() {
        match once(said) {
            Ok(lost) => {
                said = lost.is_some();
                if let Some(sentence) = lost {
                    warn!("{sentence}");
                }
            }
            Err(e) => {
                if !std::mem::replace(&mut said, true) {
                    warn!("{e}. Trying again until it works");
                }
                debug!("{e}");
                let _ = shutdown.sleep(RETRY);
            }
        }
    }
}

impl Stream {
    /// Why the stream on the card called `name` delivers no more, if it does not. What else
    /// happened to it since last asked goes to the log.
    #[must_use]
    pub fn lost(&self, name: &str) -> Option<String> {
        while let Some(trouble) = self.trouble() {
            match trouble {
                Trouble::Lost { why } => return Some(why),
                Trouble::Missed { times } => debug!("“{name}” missed sound {times} times"),
                Trouble::Rerouted => debug!("the system moved “{name}”"),
                Trouble::NotRealTime => {
                    debug!("the system does not run “{name}” ahead of other programs");
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn silence_is_spoken_of_once_and_never_after_a_sound() {
        let mut hint = SilenceHint::default();
        assert!(!hint.is_due(false, SILENT_FOR_US));
        assert!(hint.is_due(false, SILENT_FOR_US + 1));
        assert!(!hint.is_due(false, SILENT_FOR_US + 2));
        let mut hint = SilenceHint::default();
        assert!(!hint.is_due(true, 1));
        assert!(!hint.is_due(false, SILENT_FOR_US + 1));
    }

    #[test]
    fn what_fails_is_tried_until_it_works_and_a_return_is_known_as_one() {
        let shutdown = Shutdown::default();
        let mut calls = Vec::new();
        keep(&shutdown, |said| {
            calls.push(said);
            match calls.len() {
                1 => Err(Error::internal("no card", "")),
                2 => Ok(Some("gone".to_owned())),
                3 => Ok(None),
                _ => {
                    shutdown.request();
                    Ok(None)
                }
            }
        });
        assert_eq!(calls, [false, true, true, false]);
    }
}
