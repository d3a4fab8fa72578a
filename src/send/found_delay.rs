//! The preset that a server runs with while its delay is found: what its file says, and the delay of those who listen.

use log::info;

use super::group_delay::GroupDelay;
use crate::clock::Clock;
use crate::format::Format;
use crate::preset::Preset;
use crate::stats::ListenerStats;

/// The preset in force.
pub(super) struct FoundDelay {
    preset: Preset,
    format: Format,
    clock: Clock,
    /// Where the delay is to be found.
    group: Option<GroupDelay>,
}

impl FoundDelay {
    /// Begins with what the server was started with.
    pub(super) fn new(preset: Preset, format: Format, clock: Clock) -> Self {
        let mut found = Self { preset, format, clock, group: None };
        found.group = found.begin();
        found
    }

    fn begin(&self) -> Option<GroupDelay> {
        let chunk_ms = self.format.micros(u64::from(self.preset.chunk_size)) / 1e3;
        let begin = || GroupDelay::new(self.preset.playout_delay_ms, chunk_ms, self.clock.now_us());
        self.preset.auto_delay.then(begin)
    }

    /// The preset that holds from now on, where something has changed: the one that was `saved`, or the delay for what
    /// `listeners` report, if they have.
    pub(super) fn look(
        &mut self,
        saved: Option<Preset>,
        listeners: Option<&[ListenerStats]>,
    ) -> Option<&Preset> {
        let has_changed = saved.is_some();
        if let Some(saved) = saved {
            let in_force_ms = self.preset.playout_delay_ms;
            self.preset = saved;
            if self.preset.auto_delay {
                // What was found still is.
                self.preset.playout_delay_ms = in_force_ms;
            }
            self.group = match (self.group.take(), self.preset.auto_delay) {
                (Some(group), true) => Some(group),
                _ => self.begin(),
            };
        }
        let (group, listeners) = (self.group.as_mut(), listeners);
        if let Some(step) = group
            .zip(listeners)
            .and_then(|(group, listeners)| group.look(listeners, self.clock.now_us()))
        {
            if let Some(sentence) = step.say {
                info!("{sentence}");
            }
            self.preset.playout_delay_ms = step.delay_ms;
            return Some(&self.preset);
        }
        has_changed.then_some(&self.preset)
    }
}
