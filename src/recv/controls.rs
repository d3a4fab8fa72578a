//! What the person who listens may change while sound plays: three numbers, of which the playing
//! thread takes the newest every few milliseconds.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use super::trim::Trim;
use crate::limiter::MAX_VOLUME;
use crate::status::Key;

/// Steps of the keys.
const VOLUME_STEP: u16 = 5;
const TRIM_STEP_MS: i32 = 5;

/// The controls of one listener.
#[derive(Debug)]
pub(super) struct Controls {
    volume_percent: AtomicU16,
    deaf: AtomicBool,
    pub(super) trim: Trim,
}

impl Controls {
    pub(super) fn new(volume_percent: u16, trim: Trim) -> Self {
        Self { volume_percent: volume_percent.into(), deaf: false.into(), trim }
    }

    /// What the volume is set to, heard or not.
    pub(super) fn volume_set_percent(&self) -> u16 {
        self.volume_percent.load(Ordering::Relaxed)
    }

    pub(super) fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::Relaxed)
    }

    /// How loud it is to be.
    pub(super) fn volume_percent(&self) -> u16 {
        if self.is_deaf() { 0 } else { self.volume_set_percent() }
    }

    /// Does what a key asks for; [`Key::Quit`] is not for here.
    pub(super) fn press(&self, key: Key) {
        let volume = self.volume_set_percent();
        match key {
            Key::Louder => self.set_volume(volume.saturating_add(VOLUME_STEP).min(MAX_VOLUME)),
            Key::Softer => self.set_volume(volume.saturating_sub(VOLUME_STEP)),
            Key::Deafen => self.deaf.store(!self.is_deaf(), Ordering::Relaxed),
            Key::Earlier => self.trim.nudge(-TRIM_STEP_MS),
            Key::Later => self.trim.nudge(TRIM_STEP_MS),
            Key::Quit => {}
        }
    }

    fn set_volume(&self, percent: u16) {
        self.volume_percent.store(percent, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volume_goes_by_steps_and_stays_in_its_range() {
        let controls = Controls::new(8, Trim::new(None));
        for expected in [3, 0, 0] {
            controls.press(Key::Softer);
            assert_eq!(controls.volume_percent(), expected);
        }
        for _ in 0..100 {
            controls.press(Key::Louder);
        }
        assert_eq!(controls.volume_percent(), MAX_VOLUME);
    }

    #[test]
    fn deaf_is_silent_and_forgets_no_volume() {
        let controls = Controls::new(80, Trim::new(None));
        controls.press(Key::Deafen);
        controls.press(Key::Louder);
        assert_eq!((controls.volume_percent(), controls.volume_set_percent()), (0, 85));
        controls.press(Key::Deafen);
        assert_eq!(controls.volume_percent(), 85);
    }

    #[test]
    fn brackets_move_the_trim_by_5_ms() {
        let controls = Controls::new(100, Trim::new(None));
        controls.press(Key::Later);
        controls.press(Key::Later);
        controls.press(Key::Earlier);
        assert_eq!(controls.trim.ms(), 5);
    }
}
