//! Sound cards: list, choose, open. Only this file and those below it say `cpal`; what they hand
//! over are slices and times.
//!
//! All of it may block, some for seconds: it belongs on a thread that may wait. The exceptions are
//! the closures given to `start`, which run on the audio thread: no allocation, free, lock, log or
//! system call in them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use cpal::traits::{DeviceTrait, HostTrait};

use crate::clock::Clock;
use crate::format::printable;
use crate::sound::mixdown::Layout;
use crate::source::Kind;
use crate::{Error, Format, Result};

pub mod choose;
pub mod hints;
pub mod keep;

mod convert;
mod layout;
mod listing;
#[cfg(target_os = "linux")]
mod pulse;
mod stamps;
mod stream;
mod system;
mod trouble;

pub use listing::Listing;
pub use stream::Stream;
pub use system::System;
pub use trouble::Trouble;

/// Longest name of a device, in characters.
const LONGEST_NAME: usize = 200;

/// A device as the system describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// What to paste to mean exactly this device. An input and an output may share one.
    pub id: String,
    /// What people call it, fit to be shown. Not unique.
    pub name: String,
    /// Whether it records.
    pub inputs: bool,
    /// Whether it plays.
    pub outputs: bool,
    /// Whether the system records from it unless told otherwise.
    pub default_input: bool,
    /// Whether the system plays on it unless told otherwise.
    pub default_output: bool,
    /// Whether what this PC plays can be captured from it.
    pub loopback: bool,
}

/// Every device of this PC. May block for a few seconds.
///
/// # Errors
///
/// [`Error::Device`] if the sound system does not answer.
pub fn list() -> Result<Vec<Listed>> {
    let devices = enumerate()?;
    Ok(devices.into_iter().map(|(listed, _)| listed).collect())
}

/// Whether this PC has any output at the moment. May block for a few seconds.
#[must_use]
pub fn has_output() -> bool {
    list().is_ok_and(|devices| devices.iter().any(|device| device.outputs))
}

/// Whether this PC has any input at the moment. May block for a few seconds.
#[must_use]
pub fn has_input() -> bool {
    list().is_ok_and(|devices| devices.iter().any(|device| device.inputs))
}

/// The id of the output that the system plays on by default, `None` if there is none. Quick enough
/// to ask once a second, to follow the user who plugs in headphones.
#[must_use]
pub fn default_output_id() -> Option<String> {
    default_id(cpal::Host::default_output_device)
}

/// The id of the input that the system records from by default, `None` if there is none.
#[must_use]
pub fn default_input_id() -> Option<String> {
    default_id(cpal::Host::default_input_device)
}

fn default_id(default: impl Fn(&cpal::Host) -> Option<cpal::Device>) -> Option<String> {
    let host = host().ok()?;
    let id = default(&host).and_then(|device| device.id().ok());
    // No default device and a dead connection look the same from here.
    if id.is_none() && host.devices().is_err() {
        forget(&host);
    }
    id.map(|id| id.to_string())
}

/// Whether the device of that id is still there. PulseAudio moves a stream whose output vanishes
/// to the default one and says nothing, so whoever was told to use one device asks now and then.
#[must_use]
pub fn is_present(id: &str) -> bool {
    let Ok(id) = id.parse::<cpal::DeviceId>() else { return false };
    host().is_ok_and(|host| host.device_by_id(&id).is_some())
}

/// Whether the system moves what plays on its default output, or records from its default input, along
/// when that changes, even what was opened on that very device, and says nothing. PulseAudio and PipeWire do.
#[must_use]
pub fn moves_with_default() -> bool {
    System::current() == System::Linux
}

/// A device to capture from.
#[derive(Debug)]
pub struct InputDevice {
    opened: Opened,
    captured: Option<String>,
    layout: Layout,
}

impl InputDevice {
    /// The device that a [`Kind::Loopback`] or [`Kind::Device`] means on this PC. May block for a
    /// few seconds.
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`] if it means none or several; [`Error::Device`] if the device or the
    /// sound system does not answer; [`Error::Internal`] for a kind that is no device.
    pub fn find(kind: &Kind) -> Result<Self> {
        let system = System::current();
        let devices = enumerate()?;
        let listed: Vec<Listed> = devices.iter().map(|(listed, _)| listed.clone()).collect();
        let candidates = match kind {
            Kind::Loopback(name) => choose::loopback(system, &listed, name.as_deref())?,
            Kind::Device(name) => vec![choose::input(&listed, name)?],
            other => return Err(Error::internal("opening a sound card", other)),
        };
        let open = |listed: &Listed| {
            // A loopback candidate that has no inputs is an output to be tapped.
            let direction = if listed.inputs { Direction::Input } else { Direction::Tap };
            Opened::new(&devices, listed, direction)
        };
        let mut failure = None;
        for (index, candidate) in candidates.iter().enumerate() {
            let last = index + 1 == candidates.len();
            // Whether the system allows a tap shows only when it is opened.
            let tried = open(candidate).and_then(|opened| {
                if last { Ok(opened) } else { stream::try_input(&opened).map(|()| opened) }
            });
            match tried {
                Ok(opened) => {
                    let captured = choose::captured_output(system, candidate).map(str::to_owned);
                    let layout = layout::of(&opened);
                    return Ok(Self { opened, captured, layout });
                }
                Err(error) => {
                    log::debug!("cannot capture from “{}”: {error}", candidate.name);
                    failure.get_or_insert(error);
                }
            }
        }
        Err(failure.unwrap_or_else(|| Error::internal("opening a sound card", "no candidate")))
    }

    /// The microphone that `name` means on this PC, or the default one. May block for a few seconds.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    pub fn microphone(name: Option<&str>) -> Result<Self> {
        let devices = enumerate()?;
        let listed: Vec<Listed> = devices.iter().map(|(listed, _)| listed.clone()).collect();
        let chosen = choose::microphone(System::current(), &listed, name)?;
        let opened = Opened::new(&devices, chosen, Direction::Input)?;
        let layout = layout::of(&opened);
        Ok(Self { opened, captured: None, layout })
    }

    /// The card's own rate and channel count, which `start` delivers.
    #[must_use]
    pub fn format(&self) -> Format {
        self.opened.format()
    }

    /// What its channels are, in the order in which `start` delivers them.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.opened.listed.name
    }

    /// What [`list`] calls it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.opened.listed.id
    }

    /// The id of the output whose sound this captures, where that is certain.
    #[must_use]
    pub fn captured_output_id(&self) -> Option<&str> {
        self.captured.as_deref()
    }

    /// Starts capturing. `on_input` gets interleaved samples in [`format`](Self::format), whole
    /// frames but any number of them, and when the first was captured, in µs of `clock`.
    ///
    /// `period_frames` is how many frames at a time are asked for; the system may decide
    /// otherwise, and may deliver nothing at all while nothing plays. Blocks up to 5 s.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] if the device cannot be opened in time.
    pub fn start(
        &self,
        clock: Clock,
        period_frames: u32,
        on_input: impl FnMut(&[f32], u64) + Send + 'static,
    ) -> Result<Stream> {
        #[cfg(target_os = "linux")]
        if self.opened.is_on_pulseaudio() {
            return pulse::record(&self.opened, clock, period_frames, on_input);
        }
        stream::start_input(&self.opened, clock, period_frames, on_input)
    }
}

/// A device to play on.
#[derive(Debug)]
pub struct OutputDevice {
    opened: Opened,
}

impl OutputDevice {
    /// The output that `name` means on this PC, or the default one. May block for a few seconds.
    ///
    /// # Errors
    ///
    /// [`Error::NoDevice`] if there is none, or `name` means none or several; [`Error::Device`] if
    /// the device or the sound system does not answer.
    pub fn find(name: Option<&str>) -> Result<Self> {
        let devices = enumerate()?;
        let listed: Vec<Listed> = devices.iter().map(|(listed, _)| listed.clone()).collect();
        let chosen = choose::output(System::current(), &listed, name)?;
        Ok(Self { opened: Opened::new(&devices, chosen, Direction::Output)? })
    }

    /// The card's own rate and channel count, in which `start` wants its samples.
    #[must_use]
    pub fn format(&self) -> Format {
        self.opened.format()
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.opened.listed.name
    }

    /// What [`list`] calls it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.opened.listed.id
    }

    /// Starts playing. `on_output` fills interleaved samples in [`format`](Self::format), whole
    /// frames but any number of them, silent until written; it is told when the first will be
    /// heard, in µs of `clock`.
    ///
    /// `period_frames` is how many frames at a time are asked for; the system may decide
    /// otherwise. Blocks up to 5 s.
    ///
    /// # Errors
    ///
    /// [`Error::Device`] if the device cannot be opened in time.
    pub fn start(
        &self,
        clock: Clock,
        period_frames: u32,
        on_output: impl FnMut(&mut [f32], u64) + Send + 'static,
    ) -> Result<Stream> {
        #[cfg(target_os = "linux")]
        if self.opened.is_on_pulseaudio() {
            return pulse::play(&self.opened, clock, period_frames, on_output);
        }
        stream::start_output(&self.opened, clock, period_frames, on_output)
    }
}

/// Which way sound goes through a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Input,
    /// Captures what an output plays, which works in that output's own format alone.
    Tap,
    Output,
}

/// A device with what is needed to start it.
#[derive(Debug, Clone)]
struct Opened {
    device: cpal::Device,
    listed: Listed,
    config: cpal::SupportedStreamConfig,
}

impl Opened {
    fn new(
        devices: &[(Listed, cpal::Device)],
        chosen: &Listed,
        direction: Direction,
    ) -> Result<Self> {
        let Some((listed, device)) = devices.iter().find(|(listed, _)| listed == chosen) else {
            return Err(Error::internal("opening a sound card", "it is not in the list"));
        };
        let config = match direction {
            Direction::Input => device.default_input_config(),
            Direction::Tap | Direction::Output => device.default_output_config(),
        }
        .map_err(|error| trouble::device_error(&listed.name, &error))?;
        let config = if direction == Direction::Tap {
            config
        } else {
            convert::prefer_floats(device, config, direction == Direction::Input)
        };
        Ok(Self { device: device.clone(), listed: listed.clone(), config })
    }

    /// Whether it is PulseAudio's, where streams are our own and not cpal's.
    #[cfg(target_os = "linux")]
    fn is_on_pulseaudio(&self) -> bool {
        self.device.id().is_ok_and(|id| id.host() == cpal::HostId::PulseAudio)
    }

    fn format(&self) -> Format {
        Format { sample_rate: self.config.sample_rate(), channels: self.config.channels() }
    }
}

/// The connection to the sound system. Devices hold it, too, as far as they need it.
#[derive(Clone)]
struct SharedHost(Arc<cpal::Host>);

impl std::ops::Deref for SharedHost {
    type Target = cpal::Host;

    fn deref(&self) -> &cpal::Host {
        &self.0
    }
}

/// One connection for the whole process: each would cost a thread and a handshake, once a second
/// where a default is followed.
static HOST: Mutex<Option<SharedHost>> = Mutex::new(None);

/// The sound system that this run uses, from the first on that has a device. While PulseAudio is being
/// restarted, bare ALSA would offer other devices or none, and be stayed with.
static SYSTEM: OnceLock<cpal::HostId> = OnceLock::new();

fn host() -> Result<SharedHost> {
    hush();
    let mut current = HOST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(host) = current.as_ref() {
        return Ok(host.clone());
    }
    #[cfg(target_os = "linux")]
    pulse::make_sure_of_a_cookie();
    let mut failure = None;
    // In cpal's order: on Linux PulseAudio (which PipeWire also answers to) before bare ALSA.
    for id in SYSTEM.get().map_or_else(cpal::available_hosts, |&id| vec![id]) {
        match cpal::host_from_id(id) {
            Ok(host) => return Ok(current.insert(SharedHost(Arc::new(host))).clone()),
            Err(error) => {
                failure.get_or_insert(error);
            }
        }
    }
    Err(match failure {
        Some(error) => trouble::system_error(&error),
        None => Error::NoDevice {
            what: "the sound system".to_owned(),
            why: "none is running".to_owned(),
            fix: hints::no_output(System::current()).to_owned(),
        },
    })
}

/// Keeps this thread's ALSA from writing to stderr, a dozen lines for each card that is not there:
/// what it means is in our own errors. Each call also throws away what ALSA has said since.
#[cfg(target_os = "linux")]
fn hush() {
    if let Err(error) = alsa::Output::local_error_handler() {
        log::debug!("ALSA will write to stderr: {error}");
    }
}

#[cfg(not(target_os = "linux"))]
fn hush() {}

/// Makes the next call connect anew, unless that has happened already.
fn forget(host: &SharedHost) {
    let mut current = HOST.lock().unwrap_or_else(PoisonError::into_inner);
    if current.as_ref().is_some_and(|current| Arc::ptr_eq(&current.0, &host.0)) {
        *current = None;
    }
}

fn enumerate() -> Result<Vec<(Listed, cpal::Device)>> {
    let mut host = host()?;
    let mut devices = host.devices();
    if devices.is_err() {
        // The connection outlives a sound system that was restarted; a new one may work.
        forget(&host);
        host = self::host()?;
        devices = host.devices();
    }
    let devices = devices.map_err(|error| {
        forget(&host);
        trouble::system_error(&error)
    })?;
    let default_input = host.default_input_device();
    let default_output = host.default_output_device();
    let mut described: Vec<_> = devices
        .filter_map(|device| describe(device, default_input.as_ref(), default_output.as_ref()))
        .filter(|(listed, _)| !choose::is_alsa_tool(&listed.id))
        .collect();
    // ALSA often leaves its default out of the list, and has one even without a card.
    for default in [&default_output, &default_input].into_iter().flatten() {
        let listed = describe(default.clone(), default_input.as_ref(), default_output.as_ref());
        let Some((mut listed, device)) = listed else { continue };
        if described.iter().any(|(other, _)| other.id == listed.id) {
            continue;
        }
        listed.inputs &= device.default_input_config().is_ok();
        listed.outputs &= device.default_output_config().is_ok();
        if listed.inputs || listed.outputs {
            described.insert(0, (listed, device));
        }
    }
    if described.is_empty() {
        // A sound server may come later, and is asked before bare ALSA then.
        forget(&host);
    } else {
        let _ = SYSTEM.set(host.id());
    }
    Ok(described)
}

/// `None` for a device that went away in between, or cannot say what it is.
fn describe(
    device: cpal::Device,
    default_input: Option<&cpal::Device>,
    default_output: Option<&cpal::Device>,
) -> Option<(Listed, cpal::Device)> {
    let id = device.id().ok()?;
    let description = device.description().ok()?;
    let (inputs, outputs) = (description.supports_input(), description.supports_output());
    // By id: on Windows the default is a stand-in that equals none of the devices.
    let is = |other: Option<&cpal::Device>| {
        other.and_then(|other| other.id().ok()).as_ref() == Some(&id)
    };
    let mut listed = Listed {
        id: id.to_string(),
        // A Bluetooth device is called whatever its owner likes, and a name goes to terminals.
        name: printable(description.name(), LONGEST_NAME),
        inputs,
        outputs,
        default_input: inputs && is(default_input),
        default_output: outputs && is(default_output),
        loopback: false,
    };
    listed.loopback = choose::is_loopback(System::current(), &listed);
    Some((listed, device))
}
