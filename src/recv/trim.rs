//! The trim: how much later or earlier than the others this listener plays. It is remembered for
//! each output.
//!
//! The file is read and written by threads that may wait. The playing thread reads one number.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use log::{info, warn};

use crate::clock::FARTHEST_MS;
use crate::error::{Error, plain};
use crate::home;
use crate::preset;

/// The file in the user's configuration directory that holds device ids with milliseconds.
const FILE: &str = "delays.json";

/// A file of remembered delays is a few lines; what is larger is something else.
const LARGEST_FILE: u64 = 64 * 1024;

type Delays = BTreeMap<String, i32>;

/// Remembers `ms` for an output, as if it had been given with `--delay` there. A client that plays on it takes it
/// over.
///
/// # Errors
/// [`Error::File`] where it cannot be remembered.
#[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card has an id"))]
pub(crate) fn remember(device: &str, ms: i32) -> crate::Result<()> {
    let Some(path) = preset::config_directory().map(|folder| folder.join(FILE)) else {
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
    let path = preset::config_directory().map(|folder| folder.join(FILE));
    let delays = path.and_then(|path| read(&path).ok());
    delays.and_then(|delays| delays.get(device).copied()).unwrap_or(0)
}

#[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card has an id"))]
fn remember_in(path: &Path, device: &str, ms: i32) -> crate::Result<()> {
    let mut delays = match read(path) {
        Ok(delays) => delays,
        Err(Trouble::Damaged) => Delays::new(),
        Err(Trouble::System(why)) => {
            return Err(Error::file(path, why, format!("Play with --delay {ms} instead")));
        }
    };
    if ms == 0 {
        delays.remove(device);
    } else {
        delays.insert(device.to_owned(), ms.clamp(-FARTHEST_MS, FARTHEST_MS));
    }
    write(path, &delays)
        .map_err(|why| Error::file(path, why, format!("Play with --delay {ms} instead")))
}

/// The trim in use.
#[derive(Debug)]
pub(super) struct Trim {
    ms: AtomicI32,
    memory: Mutex<Memory>,
}

#[derive(Debug)]
struct Memory {
    /// Nothing is remembered without one.
    path: Option<PathBuf>,
    /// What `--delay` says, until the first device has it.
    flag: Option<i32>,
    device: Option<String>,
    /// What the file said of it when it was last read or written.
    written: i32,
    /// The file does not say yet what is in use.
    changed: bool,
    /// That the file cannot be used was said.
    complained: bool,
}

impl Trim {
    /// As `--delay` says, if it does; remembered in the user's configuration directory.
    pub(super) fn new(flag: Option<i32>) -> Self {
        Self::remembered_in(preset::config_directory().map(|folder| folder.join(FILE)), flag)
    }

    fn remembered_in(path: Option<PathBuf>, flag: Option<i32>) -> Self {
        let memory =
            Memory { path, flag, device: None, written: 0, changed: false, complained: false };
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
        memory.changed = true;
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
        if memory.device.as_deref() == Some(id) {
            return;
        }
        memory.save(self.ms());
        memory.device = Some(id.to_owned());
        let known = memory.load().and_then(|delays| delays.get(id).copied());
        memory.written = known.unwrap_or(0);
        let ms = memory.flag.take();
        memory.changed = ms.is_some_and(|ms| ms != known.unwrap_or(0));
        let forgotten = ms == Some(0) && known.is_some();
        let ms = ms.or(known).unwrap_or(0);
        self.ms.store(ms, Ordering::Relaxed);
        if ms != 0 {
            info!("“{name}” plays {}; this is remembered, --delay 0 forgets it", in_words(ms));
        } else if forgotten {
            info!("“{name}” plays with the others again");
        }
        memory.save(ms);
    }

    /// Takes over what another program has remembered for the device meanwhile. May wait for a disk.
    #[cfg_attr(not(feature = "device"), allow(dead_code, reason = "only a card has an id"))]
    pub(super) fn look_again(&self, name: &str) {
        let mut memory = self.memory();
        let Some(device) = memory.device.clone().filter(|_| !memory.changed) else {
            return;
        };
        let Some(delays) = memory.load() else {
            return;
        };
        let ms = delays.get(&device).copied().unwrap_or(0);
        if std::mem::replace(&mut memory.written, ms) != ms {
            self.ms.store(ms, Ordering::Relaxed);
            let how = if ms == 0 { "with the others".to_owned() } else { in_words(ms) };
            info!("“{name}” plays {how} from here on, as was set meanwhile");
        }
    }

    /// Writes what has changed. May wait for a disk.
    pub(super) fn save(&self) {
        let mut memory = self.memory();
        memory.save(self.ms());
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    /// What the file says; `None` if it cannot be used.
    fn load(&mut self) -> Option<Delays> {
        let path = self.path.clone()?;
        match read(&path) {
            Ok(delays) => return Some(delays),
            Err(Trouble::Damaged) => self.complain(&format!(
                "the delays remembered in {} cannot be understood: starting without them",
                path.display()
            )),
            Err(Trouble::System(why)) => {
                self.complain(&format!(
                    "the delays remembered in {} cannot be read: {why}. Going on without them",
                    path.display()
                ));
                // Whatever it holds is not ours to replace.
                self.path = None;
            }
        }
        None
    }

    fn save(&mut self, ms: i32) {
        let Some(device) = self.device.clone().filter(|_| std::mem::take(&mut self.changed)) else {
            return;
        };
        // Another client may have written meanwhile.
        let mut delays = self.load().unwrap_or_default();
        let Some(path) = self.path.clone() else {
            return;
        };
        if ms == 0 {
            delays.remove(&device);
        } else {
            delays.insert(device, ms);
        }
        self.written = ms;
        if let Err(why) = write(&path, &delays) {
            self.complain(&format!(
                "this output's delay is not remembered: {}: {why}. Everything else goes on",
                path.display()
            ));
        }
    }

    fn complain(&mut self, sentence: &str) {
        if !std::mem::replace(&mut self.complained, true) {
            warn!("{sentence}");
        }
    }
}

enum Trouble {
    Damaged,
    System(String),
}

fn read(path: &Path) -> Result<Delays, Trouble> {
    let system = |error: &std::io::Error| Trouble::System(plain(error));
    // A pipe or a device would make the program wait for ever.
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Delays::new()),
        Err(error) => return Err(system(&error)),
        Ok(metadata) if !metadata.is_file() => {
            return Err(Trouble::System("this is not a file".to_owned()));
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(LARGEST_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| system(&error))?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(Trouble::Damaged);
    }
    let delays: Delays = serde_json::from_slice(&bytes).map_err(|_| Trouble::Damaged)?;
    if delays.values().any(|ms| !(-FARTHEST_MS..=FARTHEST_MS).contains(ms)) {
        return Err(Trouble::Damaged);
    }
    Ok(delays)
}

fn write(path: &Path, delays: &Delays) -> Result<(), String> {
    let text = serde_json::to_string_pretty(delays).map_err(|error| error.to_string())?;
    home::replace(path, &(text + "\n")).map_err(|error| plain(&error))
}

fn in_words(ms: i32) -> String {
    let way = if ms < 0 { "earlier" } else { "later" };
    format!("{} ms {way} than the others", ms.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
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
