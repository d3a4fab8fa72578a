//! How this listener wants to hear. It is remembered for each output, as its trim is.
//!
//! The playing thread reads one number.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use log::info;

use super::per_output::{PerOutput, Words};
use crate::settings::EarFlags;
use crate::sound::ear::{Control, Hearing};

/// The file in the user's configuration directory that holds device ids with what is set.
const FILE: &str = "ears.json";

const WORDS: Words = Words { many: "settings of sound", one: "sound" };

/// What is set, and which control the keys move.
#[derive(Debug)]
pub(super) struct Ears {
    /// A [`Hearing`], packed.
    hearing: AtomicU64,
    memory: Mutex<Memory>,
}

#[derive(Debug)]
struct Memory {
    /// What the flags say, until the first device has it.
    flags: EarFlags,
    file: PerOutput<Hearing>,
    /// The control that keys move, once one was pressed.
    chosen: Option<Control>,
}

impl Ears {
    /// As the flags say, where they do; remembered in the user's configuration directory, or not at all.
    pub(super) fn new(flags: EarFlags, is_remembered: bool) -> Self {
        Self::with_file(PerOutput::<Hearing>::path(FILE), is_remembered, flags)
    }

    fn with_file(path: Option<PathBuf>, is_remembered: bool, flags: EarFlags) -> Self {
        let path = path.filter(|_| is_remembered);
        let file = PerOutput::in_file(path, WORDS, Hearing::is_possible);
        let hearing = flags.over(Hearing::NONE).packed().into();
        Self { hearing, memory: Mutex::new(Memory { flags, file, chosen: None }) }
    }

    /// What is set.
    pub(super) fn hearing(&self) -> Hearing {
        Hearing::unpacked(self.hearing.load(Ordering::Relaxed))
    }

    /// Sets all of it.
    pub(super) fn set(&self, hearing: Hearing) {
        let mut memory = self.memory();
        self.hearing.store(hearing.within().packed(), Ordering::Relaxed);
        memory.file.change();
    }

    /// The control that the keys move, if one was pressed.
    pub(super) fn chosen(&self) -> Option<Control> {
        self.memory().chosen
    }

    /// Turns the keys to the next control, and after the last to none.
    pub(super) fn choose_next(&self) {
        let mut memory = self.memory();
        memory.chosen = match memory.chosen {
            None => Control::ALL.first().copied(),
            Some(chosen) => {
                Control::ALL.iter().copied().skip_while(|control| *control != chosen).nth(1)
            }
        };
    }

    /// Moves the chosen control by a step, dialogue where none is.
    pub(super) fn turn(&self, is_more: bool) {
        // Under one lock: what another thread sets between reading and writing would be lost.
        let mut memory = self.memory();
        let chosen = *memory.chosen.get_or_insert(Control::Dialogue);
        let hearing = self.hearing().turned(chosen, is_more);
        self.hearing.store(hearing.within().packed(), Ordering::Relaxed);
        memory.file.change();
    }

    /// Sound goes to this device from here on: takes what is its own, and says so. Flags are for the first.
    #[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card has an id"))]
    pub(super) fn on_device(&self, id: &str, name: &str) {
        let mut memory = self.memory();
        let Some(known) = memory.file.turn_to(id, self.hearing()) else {
            return;
        };
        let hearing = std::mem::take(&mut memory.flags).over(known);
        if hearing != known {
            memory.file.change();
        }
        self.hearing.store(hearing.packed(), Ordering::Relaxed);
        if !hearing.is_off() {
            info!("“{name}” plays with {}; this is remembered", hearing.words());
        } else if !known.is_off() {
            info!("“{name}” plays sound as it comes again");
        }
        memory.file.save(hearing);
    }

    /// Writes what has changed. May wait for a disk.
    pub(super) fn save(&self) {
        let mut memory = self.memory();
        memory.file.save(self.hearing());
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::scratch::Scratch;

    fn ears(path: &Path, flags: EarFlags) -> Ears {
        Ears::with_file(Some(path.to_owned()), true, flags)
    }

    fn remembered(path: &Path, device: &str) -> String {
        let ears = ears(path, EarFlags::default());
        ears.on_device(device, "x");
        ears.hearing().words()
    }

    fn night() -> EarFlags {
        EarFlags { night: Some(true), ..EarFlags::default() }
    }

    #[test]
    fn a_flag_is_remembered_for_its_output_and_leaves_the_rest_alone() {
        let folder = Scratch::new();
        let path = folder.path("a/ears.json");
        ears(&path, night()).on_device("usb", "x");
        let louder = EarFlags { dialogue: Some(6), ..EarFlags::default() };
        ears(&path, louder).on_device("usb", "x");
        let both = "dialogue +6 dB, night";
        assert_eq!([remembered(&path, "usb"), remembered(&path, "hdmi")], [both, ""]);
        let neither = EarFlags { dialogue: Some(0), night: Some(false), ..EarFlags::default() };
        ears(&path, neither).on_device("usb", "x");
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), "{}");
    }

    #[test]
    fn keys_walk_through_the_controls_and_what_they_make_is_remembered() {
        let folder = Scratch::new();
        let path = folder.path("ears.json");
        let ears = ears(&path, EarFlags::default());
        ears.on_device("usb", "x");
        ears.turn(true);
        assert_eq!(ears.chosen(), Some(Control::Dialogue), "what is wanted most");
        ears.choose_next();
        ears.turn(true);
        assert_eq!(ears.hearing().words(), "dialogue +3 dB, night");
        ears.save();
        assert_eq!(remembered(&path, "usb"), ears.hearing().words());
        let walked: Vec<_> = std::iter::from_fn(|| {
            ears.choose_next();
            ears.chosen()
        })
        .collect();
        assert_eq!(walked, Control::ALL[2..]);
    }

    #[test]
    fn no_step_is_lost_where_two_turn_at_once() {
        // On one core two threads seldom meet: then this shows little.
        for _ in 0..200 {
            let ears = Ears::with_file(None, false, EarFlags::default());
            while ears.chosen() != Some(Control::Balance) {
                ears.choose_next();
            }
            ears.turn(true);
            let step = ears.hearing().balance;
            let begins = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        begins.wait();
                        (0..4).for_each(|_| ears.turn(true));
                    });
                }
            });
            assert_eq!(ears.hearing().balance, 9 * step);
        }
    }

    #[test]
    fn what_is_not_to_be_remembered_is_neither_read_nor_written() {
        let folder = Scratch::new();
        let path = folder.path("ears.json");
        ears(&path, night()).on_device("usb", "x");
        let text = std::fs::read_to_string(&path).unwrap();
        let stranger = Ears::with_file(Some(path.clone()), false, EarFlags::default());
        stranger.on_device("usb", "x");
        assert!(stranger.hearing().is_off());
        stranger.turn(true);
        stranger.save();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn another_output_has_its_own_sound() {
        let folder = Scratch::new();
        let path = folder.path("ears.json");
        let ears = ears(&path, night());
        ears.on_device("usb", "x");
        ears.on_device("hdmi", "x");
        assert!(ears.hearing().is_off());
        ears.on_device("usb", "x");
        assert_eq!(ears.hearing().words(), "night");
    }

    #[test]
    fn a_damaged_file_counts_as_none_and_is_replaced_by_the_next_change() {
        let folder = Scratch::new();
        let path = folder.path("ears.json");
        for damaged in ["", "{", "{\"usb\": 3}", "{\"usb\": {\"bass_db\": 99}}", "\u{0}"] {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(remembered(&path, "usb"), "");
            ears(&path, night()).on_device("usb", "x");
            assert_eq!(remembered(&path, "usb"), "night", "{damaged}");
        }
    }
}
