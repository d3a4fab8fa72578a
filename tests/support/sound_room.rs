//! A room without hardware: a PulseAudio of its own with one clock, the sink `pc` that the playing
//! PC plays on, and the sinks `ear1` and `ear2` of two listeners. Everything that any of them plays
//! is in one recording of eight channels, sample beside sample.
//!
//! One room at a time: several sound servers on a small machine disturb each other.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::sound_compare::{self, Recording};
use super::sound_program::{Guarded, wait_until};

/// A null sink cuts its clock to whole microseconds per block: only at a rate whose frames last
/// whole microseconds does it keep true time.
pub(crate) const RATE: u32 = 40_000;

/// The sinks with their channels in the room's recording.
pub(crate) const PC: Sink = Sink { name: "pc", channels: "front-left,front-right", first: 0 };
pub(crate) const EAR1: Sink = Sink { name: "ear1", channels: "rear-left,rear-right", first: 2 };
pub(crate) const EAR2: Sink = Sink { name: "ear2", channels: "front-center,lfe", first: 4 };

/// What is played here is what two people say into their microphones, once those are plugged in: one
/// into each channel.
pub(crate) const MOUTH: Sink = Sink { name: "mouth", channels: "side-left,side-right", first: 6 };

/// The microphones of two people.
pub(crate) const MIC1: Microphone = Microphone { name: "mic1", channel: "front-left" };
pub(crate) const MIC2: Microphone = Microphone { name: "mic2", channel: "front-right" };

const CHANNELS: usize = 8;
const FRAME_BYTES: usize = 4 * CHANNELS;
const CHANNEL_MAP: &str =
    "front-left,front-right,rear-left,rear-right,front-center,lfe,side-left,side-right";

/// How much of the latest sound says whether anything is heard, and how loud a sample must be.
const LATEST_S: f64 = 0.4;
const AUDIBLE: f32 = 0.003;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// An output that programs can play on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sink {
    pub(crate) name: &'static str,
    channels: &'static str,
    first: usize,
}

/// An input that programs can record from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Microphone {
    pub(crate) name: &'static str,
    channel: &'static str,
}

pub(crate) struct Room {
    folder: PathBuf,
    server: Option<Guarded>,
    modules: HashMap<&'static str, String>,
    recorders: usize,
    _turn: MutexGuard<'static, ()>,
}

impl Room {
    /// A room with its three sinks, `pc` the default one.
    pub(crate) fn open() -> Self {
        let mut room = Self::without_sound_server();
        room.start();
        room
    }

    /// The surroundings of a room, with nothing that plays or records.
    pub(crate) fn without_sound_server() -> Self {
        // A test that failed has said so; the next one starts afresh.
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let name = format!("auralync-room-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("pulse")).unwrap();
        // PulseAudio takes no folder that others can read.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        // No cards by way of ALSA either, whatever this machine has.
        fs::write(folder.join("asound.conf"), "").unwrap();
        Self { folder, server: None, modules: HashMap::new(), recorders: 0, _turn: turn }
    }

    /// Starts the sound server, as it was when the room was opened.
    pub(crate) fn start(&mut self) {
        let script = self.folder.join("room.pa");
        let sink = format!(
            "load-module module-native-protocol-unix auth-anonymous=1\n\
             load-module module-null-sink sink_name=room rate={RATE} format=float32le \
             channels={CHANNELS} channel_map={CHANNEL_MAP}\n"
        );
        fs::write(&script, sink).unwrap();
        let mut command = self.command(&pulseaudio());
        command
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"])
            .args(["--resample-method=speex-float-5", "--log-target=stderr", "-F"])
            .arg(&script)
            .stdout(Stdio::null())
            .stderr(File::create(self.folder.join("pulseaudio.log")).unwrap());
        self.server = Some(Guarded(spawn(&mut command)));
        wait_until("PulseAudio answers", || {
            self.command("pactl").arg("info").output().is_ok_and(|out| out.status.success())
        });
        self.modules.clear();
        for sink in [PC, EAR1, EAR2] {
            self.plug(sink);
        }
        self.make_default(PC);
    }

    /// Kills the sound server as a crash would.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    pub(crate) fn plug(&mut self, sink: Sink) {
        self.plug_at(RATE, sink);
    }

    /// Plugs in an output that takes sound at a rate of its own.
    pub(crate) fn plug_at(&mut self, rate: u32, sink: Sink) {
        let Sink { name, channels, .. } = sink;
        let index = self.pactl(&[
            "load-module",
            "module-remap-sink",
            &format!("sink_name={name}"),
            "master=room",
            &format!("rate={rate}"),
            "channels=2",
            "channel_map=front-left,front-right",
            &format!("master_channel_map={channels}"),
            "remix=no",
            &format!("sink_properties=device.description={name}"),
        ]);
        self.modules.insert(name, index);
    }

    pub(crate) fn unplug(&mut self, sink: Sink) {
        let index = self.modules.remove(sink.name).expect("it is plugged in");
        self.pactl(&["unload-module", &index]);
    }

    /// Plugs in a microphone, which hears one channel of what [`MOUTH`] plays.
    pub(crate) fn plug_microphone(&mut self, microphone: Microphone) {
        if !self.modules.contains_key(MOUTH.name) {
            self.plug(MOUTH);
        }
        let Microphone { name, channel } = microphone;
        let index = self.pactl(&[
            "load-module",
            "module-remap-source",
            &format!("source_name={name}"),
            "master=mouth.monitor",
            &format!("rate={RATE}"),
            "channels=1",
            "channel_map=mono",
            &format!("master_channel_map={channel}"),
            "remix=no",
            &format!("source_properties=device.description={name}"),
        ]);
        self.modules.insert(name, index);
    }

    pub(crate) fn unplug_microphone(&mut self, microphone: Microphone) {
        let index = self.modules.remove(microphone.name).expect("it is plugged in");
        self.pactl(&["unload-module", &index]);
    }

    pub(crate) fn make_default_source(&self, name: &str) {
        self.pactl(&["set-default-source", name]);
    }

    pub(crate) fn make_default(&self, sink: Sink) {
        self.pactl(&["set-default-sink", sink.name]);
    }

    /// A WAV file of so many seconds of noise, each run the same.
    pub(crate) fn noise(&self, seconds: usize) -> PathBuf {
        let path = self.path("music.wav");
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: RATE,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let noise = sound_compare::noise(seconds * RATE as usize, RATE);
        let mut wav = hound::WavWriter::create(&path, spec).unwrap();
        for (left, right) in noise.left.iter().zip(&noise.right) {
            wav.write_sample(*left).unwrap();
            wav.write_sample(*right).unwrap();
        }
        wav.finalize().unwrap();
        path
    }

    /// Plays a WAV file on `sink` until what is returned is dropped.
    pub(crate) fn play(&self, wav: &Path, sink: Sink) -> Guarded {
        let mut command = self.command("paplay");
        command.arg(format!("--device={}", sink.name)).arg(wav);
        Guarded(spawn(command.stdout(Stdio::null()).stderr(Stdio::null())))
    }

    /// Plugs in an output of its own whose channels are `map`.
    pub(crate) fn plug_arranged(&self, name: &str, map: &str) {
        self.pactl(&[
            "load-module",
            "module-null-sink",
            &format!("sink_name={name}"),
            &format!("rate={RATE}"),
            "format=float32le",
            &format!("channels={}", map.split(',').count()),
            &format!("channel_map={map}"),
            &format!("sink_properties=device.description={name}"),
        ]);
    }

    /// Plays raw samples whose channels are `map` on the output called `name`.
    pub(crate) fn play_arranged(&self, raw: &Path, name: &str, map: &str) -> Guarded {
        let mut command = self.command("pacat");
        command
            .args(["--playback", "--raw", "--format=float32le", "-d", name])
            .args([&format!("--rate={RATE}"), &format!("--channel-map={map}")])
            .arg(format!("--channels={}", map.split(',').count()))
            .arg(raw);
        Guarded(spawn(command.stdout(Stdio::null()).stderr(Stdio::null())))
    }

    /// Starts to record what the output called `name` plays to the channels of `map`, raw.
    pub(crate) fn record_arranged(&self, name: &str, map: &str) -> (PathBuf, Guarded) {
        let path = self.path(&format!("{name}.raw"));
        let mut command = self.command("parec");
        command
            .args(["-d", &format!("{name}.monitor"), "--raw", "--format=float32le"])
            .args([&format!("--rate={RATE}"), &format!("--channel-map={map}")])
            .arg(format!("--channels={}", map.split(',').count()))
            .stdout(File::create(&path).unwrap())
            .stderr(Stdio::null());
        (path, Guarded(spawn(&mut command)))
    }

    /// Starts to record everything that plays in the room.
    pub(crate) fn record(&mut self) -> Recorder {
        self.recorders += 1;
        let path = self.folder.join(format!("room-{}.raw", self.recorders));
        let mut command = self.command("parec");
        command
            .args(["-d", "room.monitor", "--raw", "--format=float32le", "--no-remix"])
            .args([&format!("--channels={CHANNELS}"), &format!("--rate={RATE}")])
            .args([&format!("--channel-map={CHANNEL_MAP}"), "--latency-msec=50"])
            .stdout(File::create(&path).unwrap())
            .stderr(Stdio::null());
        Recorder { path, _program: Guarded(spawn(&mut command)) }
    }

    /// A program that lives in this room.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_remove("PULSE_SERVER")
            .env_remove("PULSE_RUNTIME_PATH")
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .env_remove("PULSE_COOKIE")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("RUST_LOG")
            .env("XDG_RUNTIME_DIR", &self.folder)
            .env("HOME", &self.folder)
            .env("ALSA_CONFIG_PATH", self.folder.join("asound.conf"))
            .stdin(Stdio::null());
        command
    }

    /// A file for a test's own use, gone with the room.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn pactl(&self, words: &[&str]) -> String {
        let out = self.command("pactl").args(words).output().unwrap_or_else(|e| lacks("pactl", &e));
        let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
        assert!(
            out.status.success(),
            "pactl {words:?}: {text} {}",
            String::from_utf8_lossy(&out.stderr)
        );
        text
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.server = None;
        // What cannot be removed is the system's to clear.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A recording that is being made.
pub(crate) struct Recorder {
    path: PathBuf,
    _program: Guarded,
}

impl Recorder {
    /// Seconds recorded so far.
    pub(crate) fn seconds(&self) -> f64 {
        let bytes = fs::metadata(&self.path).map_or(0, |file| file.len());
        bytes as f64 / FRAME_BYTES as f64 / f64::from(RATE)
    }

    /// What `sink` has played since second `from` of the recording.
    pub(crate) fn played(&self, sink: Sink, from: f64) -> Recording {
        let mut file = File::open(&self.path).unwrap();
        let start = (from.max(0.0) * f64::from(RATE)) as u64 * FRAME_BYTES as u64;
        file.seek(SeekFrom::Start(start)).unwrap();
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        let channel = |channel: usize| {
            let at = 4 * (sink.first + channel);
            bytes
                .chunks_exact(FRAME_BYTES)
                .map(|frame| f32::from_le_bytes([0, 1, 2, 3].map(|byte| frame[at + byte])))
                .collect()
        };
        Recording { left: channel(0), right: channel(1) }
    }

    /// When `sink` was first and last heard between two seconds of the recording, if it was.
    pub(crate) fn heard(&self, sink: Sink, from: f64, to: f64) -> Option<(f64, f64)> {
        let played = self.played(sink, from).left;
        let frames = ((to - from) * f64::from(RATE)) as usize;
        let within = &played[..frames.min(played.len())];
        let is_heard = |sample: &f32| sample.abs() > AUDIBLE;
        let at = |frame: usize| from + frame as f64 / f64::from(RATE);
        Some((at(within.iter().position(is_heard)?), at(within.iter().rposition(is_heard)?)))
    }

    /// Whether `sink` has been playing sound, and nothing but sound, for the last tenths of a
    /// second.
    pub(crate) fn hears(&self, sink: Sink) -> bool {
        let seconds = self.seconds();
        let latest = self.played(sink, seconds - LATEST_S);
        let pieces = latest.left.chunks_exact(RATE as usize / 50);
        seconds > LATEST_S
            && pieces.len() > 0
            && pieces.clone().all(|piece| piece.iter().any(|sample| sample.abs() > AUDIBLE))
    }

    /// Whether `sink` has been silent for the last tenths of a second.
    pub(crate) fn hears_nothing(&self, sink: Sink) -> bool {
        let seconds = self.seconds();
        let latest = self.played(sink, seconds - LATEST_S);
        seconds > LATEST_S && latest.left.iter().all(|sample| sample.abs() < AUDIBLE)
    }
}

/// Where `scripts/setup.sh` unpacks PulseAudio when it must not install it.
fn pulseaudio() -> String {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pulseaudio/bin/pulseaudio");
    if own.is_file() { own.display().to_string() } else { "pulseaudio".to_owned() }
}

fn spawn(command: &mut Command) -> Child {
    let program = command.get_program().to_string_lossy().into_owned();
    command.spawn().unwrap_or_else(|e| lacks(&program, &e))
}

fn lacks(program: &str, error: &std::io::Error) -> ! {
    panic!(
        "cannot start {program}: {error}. The sound tests need PulseAudio and its tools: run \
         scripts/setup.sh sound, which installs them"
    )
}
