//! A room without hardware: a PulseAudio of its own with one clock, the sink `pc` that the playing
//! PC plays on, and the sinks `ear1` and `ear2` of two listeners. Everything that any of them plays
//! is in one recording of eight channels, sample beside sample.
//!
//! Two rooms at a time, which wait more than they work: more sound servers on a small machine disturb each
//! other.

use std::cell::Cell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};

use super::program::Guarded;
use super::scratch::Scratch;
use super::waiting::wait_until;

/// A null sink cuts its clock to whole microseconds per block: only at a rate whose frames last
/// whole microseconds does it keep true time.
pub(crate) const RATE: u32 = 40_000;

pub(crate) const PC: Sink = Sink { name: "pc", channels: "front-left,front-right" };
pub(crate) const EAR1: Sink = Sink { name: "ear1", channels: "rear-left,rear-right" };
pub(crate) const EAR2: Sink = Sink { name: "ear2", channels: "front-center,lfe" };

/// The channels of the room's one recording.
pub(super) const CHANNELS: usize = 8;
pub(super) const CHANNEL_MAP: &str =
    "front-left,front-right,rear-left,rear-right,front-center,lfe,side-left,side-right";

/// Rooms that may be open at a time, and how many more may be now.
const ROOMS: usize = 2;
static FREE: Mutex<usize> = Mutex::new(ROOMS);
static ONE_MORE: Condvar = Condvar::new();

thread_local! {
    /// Whether the rooms of this test have no others beside them.
    static IS_ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test of which every room is one [without others](Room::open_alone).
#[allow(dead_code, reason = "this is for tests with browsers")]
pub(crate) fn with_no_other_room(test: impl FnOnce()) {
    IS_ALONE.set(true);
    test();
    IS_ALONE.set(false);
}

/// An output that programs can play on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sink {
    pub(crate) name: &'static str,
    /// Where it is in the room's recording.
    pub(super) channels: &'static str,
}

pub(crate) struct Room {
    // Dropped first to last: what uses the folder goes before it.
    pub(crate) server: Option<Guarded>,
    /// What is plugged in, with the number that the sound server gave it.
    pub(crate) modules: HashMap<&'static str, String>,
    folder: Scratch,
    _turn: Turn,
}

/// So many places among the rooms that may be open, for as long as it lives.
struct Turn(usize);

impl Turn {
    fn wait_for(places: usize) -> Self {
        // A test that failed has said so; the next one starts afresh.
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = ONE_MORE
            .wait_while(free, |free| *free < places)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= places;
        Self(places)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += self.0;
        ONE_MORE.notify_all();
    }
}

impl Room {
    /// A room with its three sinks, `pc` the default one.
    pub(crate) fn open() -> Self {
        let mut room = Self::without_sound_server();
        room.start();
        room
    }

    /// A room with its three sinks, and no other room beside it: for what a busy machine would spoil.
    pub(crate) fn open_alone() -> Self {
        let mut room = Self::surroundings(Turn::wait_for(ROOMS));
        room.start();
        room
    }

    /// The surroundings of a room, with nothing that plays or records.
    pub(crate) fn without_sound_server() -> Self {
        Self::surroundings(Turn::wait_for(if IS_ALONE.get() { ROOMS } else { 1 }))
    }

    fn surroundings(turn: Turn) -> Self {
        let folder = Scratch::new();
        fs::create_dir_all(folder.path("pulse")).unwrap();
        // PulseAudio takes no folder that others can read.
        fs::set_permissions(folder.path(""), fs::Permissions::from_mode(0o700)).unwrap();
        // No cards by way of ALSA either, whatever this machine has.
        fs::write(folder.path("asound.conf"), "").unwrap();
        Self { server: None, modules: HashMap::new(), folder, _turn: turn }
    }

    /// Starts the sound server, as it was when the room was opened.
    pub(crate) fn start(&mut self) {
        let script = self.folder.path("room.pa");
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
            .stderr(File::create(self.folder.path("pulseaudio.log")).unwrap());
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

    pub(crate) fn plug(&mut self, sink: Sink) {
        self.plug_at(RATE, sink);
    }

    /// Plugs in an output that takes sound at a rate of its own.
    pub(crate) fn plug_at(&mut self, rate: u32, sink: Sink) {
        let Sink { name, channels } = sink;
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

    pub(crate) fn make_default(&self, sink: Sink) {
        self.pactl(&["set-default-sink", sink.name]);
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
            .env("XDG_RUNTIME_DIR", self.path(""))
            .env("HOME", self.path(""))
            .env("ALSA_CONFIG_PATH", self.folder.path("asound.conf"))
            .stdin(Stdio::null());
        command
    }

    /// A file for a test's own use, gone with the room.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    pub(crate) fn pactl(&self, words: &[&str]) -> String {
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

/// Where `scripts/setup.sh` unpacks PulseAudio when it must not install it.
pub(crate) fn pulseaudio() -> String {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pulseaudio/bin/pulseaudio");
    if own.is_file() { own.display().to_string() } else { "pulseaudio".to_owned() }
}

pub(crate) fn spawn(command: &mut Command) -> Child {
    let program = command.get_program().to_string_lossy().into_owned();
    command.spawn().unwrap_or_else(|e| lacks(&program, &e))
}

fn lacks(program: &str, error: &std::io::Error) -> ! {
    panic!(
        "cannot start {program}: {error}. The sound tests need PulseAudio and its tools: run \
         scripts/setup.sh sound, which installs them"
    )
}
