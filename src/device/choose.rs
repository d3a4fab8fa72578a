//! Which device is meant: pure choices over a list of devices, the same on every machine.

use super::{Listed, System, hints};
use crate::{Error, Result};

/// Ends the id of the input that carries what a PulseAudio output plays.
const MONITOR: &str = ".monitor";

/// How Windows and its drivers call the input that carries what the PC plays, in lower case. One
/// entry per language; the driver, not Windows, decides which one appears.
const STEREO_MIX: &[&str] = &[
    "stereo mix",
    "stereomix",
    "stereo-mix",
    "mixage stéréo",
    "mixage stereo",
    "mezcla estéreo",
    "mezcla estereo",
    "mixagem estéreo",
    "mistura estéreo",
    "missaggio stereo",
    "mix stereo",
    "stereomixer",
    "stereomischung",
    "stereomiks",
    "miks stereo",
    "sztereó keverő",
    "směšovač stereo",
    "стерео микшер",
    "стереомикшер",
    "стерео мікшер",
    "立体声混音",
    "立體聲混音",
    "ステレオ ミキサー",
    "ステレオミキサー",
    "스테레오 믹스",
    "what u hear",
    "what you hear",
    "wave out mix",
    "waveout mix",
    "wave-out mix",
    "rec. playback",
    "loopback",
];

/// The macOS drivers that play into an input, in lower case.
const VIRTUAL_CABLES: &[&str] =
    &["blackhole", "soundflower", "loopback audio", "vb-cable", "background music"];

/// What ALSA lists among the cards though it is none: converters, mixers, doors to sound servers
/// that have an interface of their own here, and `null`, which asks for sound a million times a
/// second.
const ALSA_TOOLS: &[&str] = &[
    "null",
    "lavrate",
    "samplerate",
    "speexrate",
    "jack",
    "oss",
    "pulse",
    "speex",
    "upmix",
    "vdownmix",
];

/// How many devices an error names; the rest are counted.
const NAMED_IN_ERRORS: usize = 8;

/// Whether what this PC plays can be had from the device on that system.
#[must_use]
pub fn is_loopback(system: System, device: &Listed) -> bool {
    let name = device.name.to_lowercase();
    let named = |names: &[&str]| device.inputs && names.iter().any(|known| name.contains(known));
    match system {
        System::Windows => device.outputs || named(STEREO_MIX),
        // An output that also has inputs would give its microphone instead.
        System::MacOs => (device.outputs && !device.inputs) || named(VIRTUAL_CABLES),
        System::Linux => device.inputs && device.id.ends_with(MONITOR),
    }
}

/// Whether the id is one of ALSA's own tools and no card.
#[must_use]
pub(super) fn is_alsa_tool(id: &str) -> bool {
    id.strip_prefix("alsa:").is_some_and(|name| ALSA_TOOLS.contains(&name))
}

/// The devices to capture what this PC plays from, best first, at least one: on the output that
/// `name` means, or on the default one.
///
/// # Errors
///
/// [`Error::NoDevice`] if there is none, or `name` means none or several.
pub fn loopback<'a>(
    system: System,
    devices: &'a [Listed],
    name: Option<&str>,
) -> Result<Vec<&'a Listed>> {
    match name {
        Some(name) => named_loopback(system, devices, name).map(|device| vec![device]),
        None => default_loopback(system, devices),
    }
}

fn default_loopback(system: System, devices: &[Listed]) -> Result<Vec<&Listed>> {
    let default = devices.iter().find(|device| device.default_output);
    let first = default.and_then(|output| captures(system, devices, output));
    let spare = devices
        .iter()
        .filter(|device| system != System::Linux && device.loopback && device.inputs)
        .filter(|device| first.is_none_or(|first| first.id != device.id));
    let found: Vec<_> = first.into_iter().chain(spare).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let why = match default {
        Some(output) => format!("nothing here can capture what “{}” plays", output.name),
        None if devices.is_empty() => "there is no sound device at all".to_owned(),
        None => "there is no output to capture".to_owned(),
    };
    Err(Error::NoDevice {
        what: "what this PC plays".to_owned(),
        why,
        fix: hints::no_loopback(system).to_owned(),
    })
}

fn named_loopback<'a>(system: System, devices: &'a [Listed], name: &str) -> Result<&'a Listed> {
    let what = || format!("loopback “{}”", crate::format::printable(name, 200));
    let exact = devices.iter().find(|device| device.loopback && is_id(device, name));
    if let Some(device) = exact {
        return Ok(device);
    }
    // A monitor bears its output's name: outputs first, or every name would mean two devices.
    let outputs = matching(devices.iter().filter(|device| device.outputs), name);
    let inputs = || matching(devices.iter().filter(|device| device.loopback), name);
    let chosen = match outputs.as_slice() {
        [] => inputs(),
        _ => outputs,
    };
    let device = only(&chosen, devices.iter().filter(|device| device.loopback), what)?;
    if device.loopback {
        return Ok(device);
    }
    captures(system, devices, device).ok_or_else(|| Error::NoDevice {
        what: what(),
        why: format!("nothing here can capture what “{}” plays", device.name),
        fix: hints::no_loopback(system).to_owned(),
    })
}

/// The device that delivers what `output` plays.
fn captures<'a>(system: System, devices: &'a [Listed], output: &'a Listed) -> Option<&'a Listed> {
    match system {
        System::Windows | System::MacOs => output.loopback.then_some(output),
        System::Linux => devices.iter().find(|device| {
            device.loopback && device.id.strip_suffix(MONITOR) == Some(output.id.as_str())
        }),
    }
}

/// The id of the output whose sound `device` delivers, where that is certain. Playing to it while
/// capturing from `device` would feed back.
#[must_use]
pub fn captured_output(system: System, device: &Listed) -> Option<&str> {
    match system {
        System::Linux => device.id.strip_suffix(MONITOR).filter(|_| device.inputs),
        // Stereo Mix does not say whose mix it is.
        System::Windows | System::MacOs => {
            (device.outputs && device.loopback).then_some(device.id.as_str())
        }
    }
}

/// The input that `name` means: its id, its name, or a part of one name alone, whatever the case.
///
/// # Errors
///
/// [`Error::NoDevice`] naming the candidates if it means none or several.
pub fn input<'a>(devices: &'a [Listed], name: &str) -> Result<&'a Listed> {
    named(devices, name, "input", |device| device.inputs)
}

/// The microphone that `name` means (see [`input`]), or the default input, if that is one: a PC
/// without a microphone records what it plays by default, and to send that would be an echo of all.
///
/// # Errors
///
/// [`Error::NoDevice`] if there is no microphone, or `name` means none or several.
pub fn microphone<'a>(
    system: System,
    devices: &'a [Listed],
    name: Option<&str>,
) -> Result<&'a Listed> {
    if let Some(name) = name {
        return named(devices, name, "microphone", |device| device.inputs);
    }
    let microphones = || devices.iter().filter(|device| device.inputs && !device.loopback);
    microphones().find(|device| device.default_input).ok_or_else(|| {
        let (why, fix) = match candidates(microphones()) {
            None => ("this PC has no microphone".to_owned(), hints::no_microphone(system)),
            Some(there) => (
                format!("this PC has no default microphone. There is {there}"),
                "Choose one with --mic, by its name or id",
            ),
        };
        Error::NoDevice { what: "nobody can hear you".to_owned(), why, fix: fix.to_owned() }
    })
}

/// The output that `name` means (see [`input`]), or the default one.
///
/// # Errors
///
/// [`Error::NoDevice`] if there is no output or no default, or `name` means none or several.
pub fn output<'a>(system: System, devices: &'a [Listed], name: Option<&str>) -> Result<&'a Listed> {
    if let Some(name) = name {
        return named(devices, name, "output", |device| device.outputs);
    }
    let default = devices.iter().find(|device| device.default_output);
    default.ok_or_else(|| {
        let (why, fix) = match candidates(devices.iter().filter(|device| device.outputs)) {
            None => ("this PC has no sound output".to_owned(), hints::no_output(system)),
            Some(there) => (
                format!("this PC has no default output. There is {there}"),
                "Choose one with --device, by its name or id",
            ),
        };
        Error::NoDevice { what: "cannot play".to_owned(), why, fix: fix.to_owned() }
    })
}

fn named<'a>(
    devices: &'a [Listed],
    name: &str,
    role: &str,
    fits: impl Fn(&Listed) -> bool + Copy,
) -> Result<&'a Listed> {
    let fitting = || devices.iter().filter(|device| fits(device));
    let what = || format!("{role} “{}”", crate::format::printable(name, 200));
    // A monitor is an input to the system, but to a person the inputs are what records.
    let real = fitting().filter(|device| !is_monitor(device));
    let monitors = fitting().filter(|device| is_monitor(device));
    only(&matching(fitting(), name), real.chain(monitors), what)
}

/// Whether this is no microphone or line, but what an output plays.
fn is_monitor(device: &Listed) -> bool {
    device.inputs && device.loopback
}

fn is_id(device: &Listed, name: &str) -> bool {
    device.id == name || device.id.split_once(':').is_some_and(|(_, bare)| bare == name)
}

/// What `name` means, by the first of these that finds anything: id, whole name, part of a name.
fn matching<'a>(devices: impl Iterator<Item = &'a Listed> + Clone, name: &str) -> Vec<&'a Listed> {
    let by_id: Vec<_> = devices.clone().filter(|device| is_id(device, name)).collect();
    if !by_id.is_empty() {
        return by_id;
    }
    let wanted = name.trim().to_lowercase();
    let whole: Vec<_> =
        devices.clone().filter(|device| device.name.to_lowercase() == wanted).collect();
    if !whole.is_empty() {
        return whole;
    }
    devices.filter(|device| device.name.to_lowercase().contains(&wanted)).collect()
}

fn only<'a>(
    matches: &[&'a Listed],
    all: impl Iterator<Item = &'a Listed>,
    what: impl Fn() -> String,
) -> Result<&'a Listed> {
    let (why, fix) = match matches {
        [device] => return Ok(device),
        [] => match candidates(all) {
            None => (
                "this PC has none".to_owned(),
                "Plug one in, or see what there is with --list-devices".to_owned(),
            ),
            Some(there) => (
                format!("none is called that. There is {there}"),
                "Write an id or a part of a name, as --list-devices shows them".to_owned(),
            ),
        },
        several => (
            format!(
                "several are called that: {}",
                candidates(several.iter().copied()).unwrap_or_default()
            ),
            "Write more of the name, or the id that --list-devices shows".to_owned(),
        ),
    };
    Err(Error::NoDevice { what: what(), why, fix })
}

/// An id without what a terminal would obey.
fn shown(id: &str) -> String {
    crate::format::printable(id, 400)
}

fn candidates<'a>(devices: impl Iterator<Item = &'a Listed>) -> Option<String> {
    let named: Vec<_> =
        devices.map(|device| format!("“{}” ({})", device.name, shown(&device.id))).collect();
    let more = named.len().saturating_sub(NAMED_IN_ERRORS);
    let shown = named[..named.len() - more].join(", ");
    match (named.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(shown),
        (false, more) => Some(format!("{shown} and {more} more")),
    }
}

#[cfg(test)]
mod tests;
