//! The numbers and switches that a person may change while sound plays, and what keys do to them.
//! The playing thread takes the newest every few milliseconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use super::ears::Ears;
use super::people::Room;
use super::play::Wishes;
use super::trim::Trim;
use crate::sound::ear::Hearing;
use crate::sound::limiter::MAX_VOLUME;
use crate::status::Key;
use crate::talking::Talking;

/// Steps of the keys.
const VOLUME_STEP: u16 = 5;
const TRIM_STEP_MS: i32 = 5;

/// The controls of one listener.
#[derive(Debug)]
pub(crate) struct Controls {
    volume_percent: AtomicU16,
    deaf: AtomicBool,
    pub(super) trim: Trim,
    pub(super) ears: Ears,
    /// The switches of a listener who talks.
    talking: Option<Arc<Talking>>,
    /// Whether the keyboard tells that a key is let go.
    tells_release: AtomicBool,
    pub(super) room: Arc<Room>,
}

impl Controls {
    pub(super) fn new(
        volume_percent: u16,
        trim: Trim,
        ears: Ears,
        talking: Option<Arc<Talking>>,
    ) -> Self {
        Self {
            volume_percent: volume_percent.into(),
            deaf: false.into(),
            trim,
            ears,
            talking,
            tells_release: false.into(),
            room: Arc::default(),
        }
    }

    /// Whether the key to talk can be held, rather than pressed twice.
    pub(super) fn tells_release(&self) -> bool {
        self.tells_release.load(Ordering::Relaxed)
    }

    /// The keyboard tells that a key is let go.
    pub(super) fn expect_release(&self) {
        self.tells_release.store(true, Ordering::Relaxed);
    }

    /// What the volume is set to, heard or not.
    pub(super) fn volume_set_percent(&self) -> u16 {
        self.volume_percent.load(Ordering::Relaxed)
    }

    /// Sets the volume, in per cent.
    pub(crate) fn set_volume(&self, percent: u16) {
        self.volume_percent.store(percent, Ordering::Relaxed);
    }

    pub(super) fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::Relaxed)
    }

    /// How loud it is to be.
    pub(super) fn volume_percent(&self) -> u16 {
        if self.is_deaf() { 0 } else { self.volume_set_percent() }
    }

    /// What the player is to do.
    pub(super) fn wishes(&self) -> Wishes {
        Wishes {
            volume_percent: self.volume_percent(),
            trim_ms: self.trim.ms(),
            hearing: self.ears.hearing(),
        }
    }

    /// Sets how it is to sound.
    pub(crate) fn set_hearing(&self, hearing: Hearing) {
        self.ears.set(hearing);
    }

    /// Sound goes to this device from here on: takes what is remembered for it.
    #[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card has an id"))]
    pub(super) fn on_device(&self, id: &str, name: &str) {
        self.trim.on_device(id, name);
        self.ears.on_device(id, name);
    }

    /// Writes what is to be remembered. May wait for a disk.
    pub(super) fn save(&self) {
        self.trim.save();
        self.ears.save();
    }

    /// Does what a key asks for; [`Key::Quit`] is not for here.
    pub(super) fn press(&self, key: Key) {
        match key {
            Key::Louder | Key::Softer => self.turn(key == Key::Louder),
            Key::Deafen => self.deaf.store(!self.is_deaf(), Ordering::Relaxed),
            Key::Earlier => self.trim.nudge(-TRIM_STEP_MS),
            Key::Later => self.trim.nudge(TRIM_STEP_MS),
            Key::NextControl => self.ears.choose_next(),
            Key::Less | Key::More => self.ears.turn(key == Key::More),
            Key::NextPerson => self.room.select_next(),
            Key::Mute | Key::Talk | Key::Hush => self.press_to_talk(key),
            Key::Code | Key::LetIn | Key::Refuse | Key::Quit => {}
        }
        let is_muted = self.talking.as_ref().is_some_and(|talking| talking.is_muted());
        self.room.wish(is_muted, self.is_deaf());
    }

    /// Turns the person up or down that was turned to, else everything.
    fn turn(&self, louder: bool) {
        if self.room.turn(louder) {
            return;
        }
        let percent = self.volume_set_percent();
        let percent = if louder {
            percent.saturating_add(VOLUME_STEP).min(MAX_VOLUME)
        } else {
            percent.saturating_sub(VOLUME_STEP)
        };
        self.volume_percent.store(percent, Ordering::Relaxed);
    }

    fn press_to_talk(&self, key: Key) {
        match (&self.talking, key) {
            (None, _) => {}
            (Some(talking), Key::Mute) => talking.toggle_mute(),
            (Some(talking), Key::Talk) if self.tells_release() => talking.push(true),
            (Some(talking), Key::Talk) => talking.toggle_push(),
            (Some(talking), _) => talking.push(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::EarFlags;
    use crate::talking::{Lets, Mode};
    use crate::wire::{People, Person};

    fn controls(volume_percent: u16, talking: Option<Arc<Talking>>) -> Controls {
        let (trim, ears) = (Trim::new(None), Ears::new(EarFlags::default(), true));
        Controls::new(volume_percent, trim, ears, talking)
    }

    #[test]
    fn the_volume_goes_by_steps_and_stays_in_its_range() {
        let controls = controls(8, None);
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
        let controls = controls(80, None);
        controls.press(Key::Deafen);
        controls.press(Key::Louder);
        assert_eq!((controls.volume_percent(), controls.volume_set_percent()), (0, 85));
        controls.press(Key::Deafen);
        assert_eq!(controls.volume_percent(), 85);
    }

    #[test]
    fn space_is_held_where_its_release_is_told_and_else_pressed_twice() {
        let talking = Arc::new(Talking::new(Mode::Push));
        talking.allow(true);
        talking.set_microphone(true);
        let controls = controls(100, Some(Arc::clone(&talking)));
        let lets = |key| {
            controls.press(key);
            talking.lets() == Lets::Everything
        };
        assert!(lets(Key::Talk));
        assert!(!lets(Key::Talk));
        controls.expect_release();
        // A key that is held repeats itself.
        assert!(lets(Key::Talk) && lets(Key::Talk));
        assert!(!lets(Key::Hush));
    }

    #[test]
    fn plus_and_minus_are_for_the_person_that_was_turned_to() {
        let controls = controls(50, None);
        let anna = Person {
            person: 3,
            name: "Anna".into(),
            can_talk: true,
            is_muted: false,
            is_deaf: false,
            is_speaking: false,
        };
        controls.room.enter(People { you: 1, people: vec![anna], elsewhere: 0 });
        controls.press(Key::NextPerson);
        controls.press(Key::Softer);
        assert_eq!((controls.room.others()[0].volume_percent, controls.volume_percent()), (90, 50));
        controls.press(Key::NextPerson);
        controls.press(Key::Softer);
        assert_eq!((controls.room.others()[0].volume_percent, controls.volume_percent()), (90, 45));
    }

    #[test]
    fn brackets_move_the_trim_by_5_ms() {
        let controls = controls(100, None);
        controls.press(Key::Later);
        controls.press(Key::Later);
        controls.press(Key::Earlier);
        assert_eq!(controls.trim.ms(), 5);
    }
    #[test]
    fn e_goes_through_the_ears_controls_and_the_arrows_beside_it_move_them() {
        let controls = controls(100, None);
        for key in [Key::More, Key::More, Key::NextControl, Key::More, Key::NextControl, Key::Less]
        {
            controls.press(key);
        }
        assert_eq!(controls.wishes().hearing.words(), "dialogue +6 dB, night");
        assert_eq!(controls.volume_percent(), 100);
    }
}
