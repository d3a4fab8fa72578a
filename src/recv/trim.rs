//! The trim: how much later or earlier than the others this listener plays. It is remembered for
//! each output.
//!
//! The file is read and written by threads that may wait. The playing thread reads one number.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use log::info;

use super::per_output::{self, PerOutput, Words};
use crate::clock::FARTHEST_MS;
use crate::error::Error;

/// The file in the user's configuration directory that holds device ids with milliseconds.
const FILE: &str = "delays.json";

const WORDS: Words = Words { many: "delays", one: "delay" };

/// Remembers `ms` for an output, as if it had been given with `--delay` there. A client that plays on it takes it
/// over.
///
/// # Errors
/// [`Error::File`] where it cannot be remembered.
#[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card has an id"))]
pub(crate) fn remember(device: &str, ms: i32) -> crate::Result<()> {
    let Some(path) = PerOutput::<i32>::path(FILE) else {
        return Err(Error::internal(
            "cannot remember a delay",
            "this user has no folder for settings",
        ));
    };
    remember_in(&path, device, ms)
}

/// The delay that is remembered for an output, in ms; 0 where none is.
#[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card has an id"))]
pub(crate) fn remembered_for(device: &str) -> i32 {
    let path = PerOutput::<i32>::path(FILE);
    path.map_or(0, |path| per_output::remembered(&path, is_possible, device))
}

#[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card has an id"))]
fn remember_in(path: &Path, device: &str, ms: i32) -> crate::Result<()> {
    let ms = ms.clamp(-FARTHEST_MS, FARTHEST_MS);
    per_output::remember(path, is_possible, device, ms)
        .map_err(|why| Error::file(path, why, format!("Play with --delay {ms} instead")))
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "values of other files are larger")]
fn is_possible(ms: &i32) -> bool {
    (-FARTHEST_MS..=FARTHEST_MS).contains(ms)
}

/// The trim in use.
#[derive(Debug)]
pub(super) struct Trim {
    ms: AtomicI32,
    memory: Mutex<Memory>,
}

#[derive(Debug)]
struct Memory {
    /// What `--delay` says, until the first device has it.
    flag: Option<i32>,
    file: PerOutput<i32>,
}

impl Trim {
    /// As `--delay` says, if it does; remembered in the user's configuration directory.
    pub(super) fn new(flag: Option<i32>) -> Self {
        Self::remembered_in(PerOutput::<i32>::path(FILE), flag)
    }

    fn remembered_in(path: Option<PathBuf>, flag: Option<i32>) -> Self {
        let memory = Memory { flag, file: PerOutput::in_file(path, WORDS, is_possible) };
        Self { ms: AtomicI32::new(flag.unwrap_or(0)), memory: Mutex::new(memory) }
    }

    /// Positive plays later.
    pub(super) fn ms(&self) -> i32 {
        self.ms.load(Ordering::Relaxed)
    }

    /// Moves it, as the user asks.
    pub(super) fn nudge(&self, by_ms: i32) {
        let mut memory = self.memory();
        let ms = self.ms().saturating_add(by_ms).clamp(-FARTHEST_MS, FARTHEST_MS);
        self.ms.store(ms, Ordering::Relaxed);
        memory.file.change();
    }

    /// `asked_ms` cannot be had, `ms` can.
    pub(super) fn settle_for(&self, asked_ms: i32, ms: i32) {
        // Whoever has asked for something else meanwhile is answered next.
        let _ = self.ms.compare_exchange(asked_ms, ms, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Sound goes to this device from here on: takes its own trim, and says so. `--delay` is for
    /// the first.
    #[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card has an id"))]
    pub(super) fn on_device(&self, id: &str, name: &str) {
        let mut memory = self.memory();
        let Some(known) = memory.file.turn_to(id, self.ms()) else {
            return;
        };
        let flag = memory.flag.take();
        let ms = flag.unwrap_or(known);
        if ms != known {
            memory.file.change();
        }
        self.ms.store(ms, Ordering::Relaxed);
        if ms != 0 {
            info!("“{name}” plays {}; this is remembered, --delay 0 forgets it", in_words(ms));
        } else if known != 0 {
            info!("“{name}” plays with the others again");
        }
        memory.file.save(ms);
    }

    /// Takes over what another program has remembered for the device meanwhile. May wait for a disk.
    #[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card has an id"))]
    pub(super) fn look_again(&self, name: &str) {
        if let Some(ms) = self.memory().file.look_again() {
            self.ms.store(ms, Ordering::Relaxed);
            let how = if ms == 0 { "with the others".to_owned() } else { in_words(ms) };
            info!("“{name}” plays {how} from here on, as was set meanwhile");
        }
    }

    /// Writes what has changed. May wait for a disk.
    pub(super) fn save(&self) {
        let mut memory = self.memory();
        memory.file.save(self.ms());
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn in_words(ms: i32) -> String {
    let way = if ms < 0 { "earlier" } else { "later" };
    format!("{} ms {way} than the others", ms.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recv::per_output::LARGEST_FILE;
    use crate::scratch::Scratch;

    fn trim(path: &Path, flag: Option<i32>) -> Trim {
        Trim::remembered_in(Some(path.to_owned()), flag)
    }

    fn remembered(path: &Path, device: &str) -> i32 {
        let trim = trim(path, None);
        trim.on_device(device, "x");
        trim.ms()
    }

    #[test]
    fn a_flag_is_remembered_for_the_device_it_was_given_for() {
        let folder = Scratch::new();
        let path = folder.path("a/b/delays.json");
        trim(&path, Some(40)).on_device("usb", "Headphones");
        assert_eq!((remembered(&path, "usb"), remembered(&path, "hdmi")), (40, 0));
        trim(&path, Some(-15)).on_device("hdmi", "TV");
        assert_eq!((remembered(&path, "usb"), remembered(&path, "hdmi")), (40, -15));
    }

    #[test]
    fn zero_forgets() {
        let folder = Scratch::new();
        let path = folder.path("delays.json");
        trim(&path, Some(40)).on_device("usb", "x");
        trim(&path, Some(0)).on_device("usb", "x");
        assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), "{}");
        assert_eq!(remembered(&path, "usb"), 0);
    }

    #[test]
    fn another_device_at_run_time_has_its_own_trim_and_the_first_keeps_what_keys_made_of_it() {
        let folder = Scratch::new();
        let path = folder.path("delays.json");
        trim(&path, Some(100)).on_device("hdmi", "x");
        let trim = trim(&path, Some(40));
        trim.on_device("usb", "x");
        trim.nudge(5);
        trim.nudge(5);
        trim.on_device("hdmi", "x");
        assert_eq!(trim.ms(), 100);
        trim.on_device("usb", "x");
        assert_eq!(trim.ms(), 50);
        // The same device opened anew keeps what is not written yet.
        trim.nudge(-5);
        trim.on_device("usb", "x");
        assert_eq!(trim.ms(), 45);
        trim.save();
        assert_eq!(remembered(&path, "usb"), 45);
    }

    #[test]
    fn two_listeners_of_one_user_do_not_forget_each_others_devices() {
        let folder = Scratch::new();
        let path = folder.path("delays.json");
        let (one, other) = (trim(&path, None), trim(&path, None));
        one.on_device("usb", "x");
        other.on_device("hdmi", "x");
        one.nudge(5);
        one.save();
        other.nudge(-5);
        other.save();
        assert_eq!((remembered(&path, "usb"), remembered(&path, "hdmi")), (5, -5));
    }

    #[test]
    fn a_damaged_file_counts_as_none_and_is_replaced_by_the_next_delay() {
        let folder = Scratch::new();
        let path = folder.path("delays.json");
        let long = format!("{{\"usb\": 1{}}}", " ".repeat(LARGEST_FILE as usize));
        for damaged in ["", "{", "[1]", "{\"usb\": \"x\"}", "{\"usb\": 5001}", "\u{0}\u{1}", &long]
        {
            std::fs::write(&path, damaged).unwrap();
            assert_eq!(remembered(&path, "usb"), 0);
            trim(&path, Some(7)).on_device("usb", "x");
            assert_eq!(remembered(&path, "usb"), 7, "{damaged:.20}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_written_changes_nothing_but_memory() {
        let folder = Scratch::new();
        // A folder where the file should be, and a file where the folder should be.
        let file = folder.path("file");
        std::fs::write(&file, "").unwrap();
        for path in [folder.path(""), file.join("delays.json")] {
            let trim = trim(&path, Some(40));
            trim.on_device("usb", "x");
            trim.nudge(5);
            trim.save();
            assert_eq!(trim.ms(), 45);
        }
        let nowhere = Trim::remembered_in(None, Some(40));
        nowhere.on_device("usb", "x");
        assert_eq!(nowhere.ms(), 40);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "", "nothing is replaced");
    }

    #[test]
    fn what_another_program_remembers_is_taken_over_and_what_keys_do_meanwhile_stays() {
        let folder = Scratch::new();
        let path = folder.path("delays.json");
        let trim = trim(&path, None);
        trim.on_device("usb", "x");
        trim.look_again("x");
        assert_eq!(trim.ms(), 0);
        remember_in(&path, "usb", -180).unwrap();
        remember_in(&path, "hdmi", 7).unwrap();
        trim.look_again("x");
        assert_eq!(trim.ms(), -180);
        // What cannot be had is settled for, and is not asked for again.
        trim.settle_for(-180, -70);
        trim.look_again("x");
        assert_eq!((trim.ms(), remembered(&path, "hdmi")), (-70, 7));
        trim.nudge(5);
        remember_in(&path, "usb", 0).unwrap();
        trim.look_again("x");
        assert_eq!(trim.ms(), -65);
        trim.save();
        trim.look_again("x");
        assert_eq!((trim.ms(), remembered(&path, "usb")), (-65, -65));
        assert!(remember_in(&folder.path(""), "usb", 5).is_err());
    }

    #[test]
    fn nothing_is_left_beside_the_file() {
        let folder = Scratch::new();
        trim(&folder.path("delays.json"), Some(40)).on_device("usb", "x");
        let names: Vec<_> = std::fs::read_dir(folder.path("")).unwrap().flatten().collect();
        assert_eq!(names.len(), 1, "{names:?}");
    }

    #[test]
    fn a_trim_stays_within_what_can_be_asked_for() {
        let trim = Trim::remembered_in(None, Some(4_998));
        trim.nudge(5);
        assert_eq!(trim.ms(), 5_000);
        trim.settle_for(4_998, 1);
        assert_eq!(trim.ms(), 5_000, "another wish came between");
        trim.settle_for(5_000, 1);
        assert_eq!(trim.ms(), 1);
    }
}
