//! Sound that is encoded for one listener alone.

use super::{Log, Outbox};
use crate::wire::AudioFrame;

/// A listener's own log of frames, which takes the place of everybody's where its first frame
/// begins: no gap, no overlap.
#[derive(Debug)]
pub struct Own {
    log: Log,
    /// Whether the listener has got to it.
    is_read: bool,
}

impl Own {
    /// An own log that begins with `frame`. What waits for the listener before it still goes out.
    pub(super) fn begin(frame: AudioFrame, bound: usize, outbox: &mut Outbox) -> Self {
        outbox.end_at(frame.header().position);
        let mut log = Log::new(bound);
        log.push(frame);
        Self { log, is_read: false }
    }

    /// The next frame.
    pub(super) fn push(&mut self, frame: AudioFrame) {
        self.log.push(frame);
    }

    /// Turns `outbox` to this log once everything before it in `common` is written.
    pub(super) fn turn(&mut self, outbox: &mut Outbox, common: &Log) {
        if !self.is_read && outbox.is_through(common) {
            outbox.go_on_in(&self.log);
            self.is_read = true;
        }
    }

    /// The log that a listener reads at the moment.
    #[must_use]
    pub fn read_or<'a>(own: Option<&'a Self>, common: &'a Log) -> &'a Log {
        own.filter(|own| own.is_read).map_or(common, |own| &own.log)
    }

    /// Whether nothing of everybody's log is wanted any more.
    pub(super) fn is_read(&self) -> bool {
        self.is_read
    }
}
