//! A room without hardware: a private PulseAudio with one clock, the sink `pc` that the playing PC
//! plays on, and the sinks of two listeners. One recording holds them all, sample beside sample.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::listen;
use crate::running::{PATIENCE, Result};

/// A null sink cuts its clock to whole microseconds per block: only at a rate whose frames last
/// whole microseconds does it keep true time.
pub(crate) const RATE: u32 = 40_000;

const CHANNELS: usize = 6;
const CHANNEL_MAP: &str = "front-left,front-right,rear-left,rear-right,front-center,lfe";

/// A sink's left channel in the recording.
pub(crate) const PC: usize = 0;
pub(crate) const EAR1: usize = 2;
pub(crate) const EAR2: usize = 4;

/// The sinks, with the channels of the room that each of them fills.
const SINKS: [(&str, &str); 3] = [
    ("pc", "front-left,front-right"),
    ("ear1", "rear-left,rear-right"),
    ("ear2", "front-center,lfe"),
];

/// The room; closed when dropped.
pub(crate) struct House {
    folder: PathBuf,
    daemon: Option<Ended>,
}

/// A program that is killed when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It has ended already, or nothing is left to do about it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl House {
    /// Starts the sound server and waits until it answers.
    pub(crate) fn open() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("auralync-house-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        // PulseAudio takes no folder that others can read.
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        // No cards by way of ALSA, whatever this machine has.
        fs::write(folder.join("asound.conf"), "")?;
        let mut house = Self { folder, daemon: None };
        let script = house.folder.join("house.pa");
        fs::write(&script, house.script())?;
        let mut command = house.command(pulseaudio()?);
        command
            .args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no"])
            .args(["--resample-method=speex-float-5", "--log-target=stderr", "-F"])
            .arg(&script)
            .stderr(File::create(house.folder.join("log"))?);
        house.daemon = Some(spawn(&mut command)?);
        let mut ask = house.command("pactl");
        ask.arg("info").stdout(Stdio::null()).stderr(Stdio::null());
        wait_until("PulseAudio does not answer", || Ok(ask.status()?.success()))?;
        Ok(house)
    }

    fn script(&self) -> String {
        let mut script = format!(
            "load-module module-native-protocol-unix auth-anonymous=1 socket={}\n\
             load-module module-null-sink sink_name=room rate={RATE} format=float32le \
             channels={CHANNELS} channel_map={CHANNEL_MAP}\n",
            self.socket().display()
        );
        for (name, channels) in SINKS {
            script.push_str(&format!(
                "load-module module-remap-sink sink_name={name} master=room channels=2 \
                 channel_map=front-left,front-right master_channel_map={channels} remix=no \
                 sink_properties=device.description={name}\n"
            ));
        }
        script.push_str("set-default-sink pc\nset-default-source pc.monitor\n");
        script
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// A command whose sound system is this room.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("XDG_RUNTIME_DIR", &self.folder)
            .env("HOME", &self.folder)
            .env("PULSE_SERVER", format!("unix:{}", self.socket().display()))
            .env("ALSA_CONFIG_PATH", self.folder.join("asound.conf"))
            .env_remove("PULSE_SINK")
            .env_remove("PULSE_SOURCE")
            .stdin(Stdio::null());
        command
    }

    /// Plays noise on `pc` and records the room: what follows `settle`, for `listening` and as long
    /// after as sound may still be on its way.
    pub(crate) fn record(&self, settle: Duration, listening: Duration) -> Result<Recording> {
        const TAIL: Duration = Duration::from_secs(1);
        let (noise, raw) = (self.folder.join("noise.raw"), self.folder.join("room.raw"));
        let whole = settle + listening + TAIL;
        fs::write(&noise, bytes(&listen::noise(frames(whole + TAIL))))?;
        let mut play = self.command("paplay");
        play.args(["--device=pc", "--raw", "--format=float32le", "--channels=2"])
            .arg(format!("--rate={RATE}"))
            .arg(&noise);
        let _playing = spawn(&mut play)?;
        let mut record = self.command("parec");
        record
            .args(["-d", "room.monitor", "--raw", "--format=float32le", "--no-remix"])
            .arg(format!("--rate={RATE}"))
            .arg(format!("--channels={CHANNELS}"))
            .args([&format!("--channel-map={CHANNEL_MAP}"), "--latency-msec=50"])
            .stdout(File::create(&raw)?);
        let recording = spawn(&mut record)?;
        let wanted = (frames(whole) * CHANNELS * 4) as u64;
        let deadline = Instant::now() + whole + PATIENCE;
        while fs::metadata(&raw)?.len() < wanted {
            if Instant::now() > deadline {
                return Err("the room's recording does not grow".into());
            }
            thread::sleep(Duration::from_millis(50));
        }
        drop(recording);
        let recorded = Recording::read(&raw, frames(settle))?;
        fs::remove_file(&raw)?;
        Ok(recorded)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.daemon = None;
        // What cannot be removed is the system's to clear.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Every channel of the room, one after the other.
pub(crate) struct Recording {
    channels: Vec<Vec<f32>>,
}

impl Recording {
    fn read(raw: &Path, from_frame: usize) -> Result<Self> {
        let bytes = fs::read(raw)?;
        let mut channels = vec![Vec::new(); CHANNELS];
        for frame in bytes.chunks_exact(CHANNELS * 4).skip(from_frame) {
            for (channel, sample) in channels.iter_mut().zip(frame.chunks_exact(4)) {
                channel.push(f32::from_le_bytes([sample[0], sample[1], sample[2], sample[3]]));
            }
        }
        Ok(Self { channels })
    }

    pub(crate) fn channel(&self, index: usize) -> &[f32] {
        &self.channels[index]
    }
}

fn frames(duration: Duration) -> usize {
    (duration.as_secs_f64() * f64::from(RATE)) as usize
}

fn bytes(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn spawn(command: &mut Command) -> Result<Ended> {
    let name = command.get_program().to_string_lossy().into_owned();
    let child = command.spawn().map_err(|e| format!("cannot start {name}: {e}. {INSTALL}"))?;
    Ok(Ended(child))
}

const INSTALL: &str = "To install what is missing, run: scripts/setup.sh sound";

/// The sound server, in the PATH or where the set-up unpacked one.
fn pulseaudio() -> Result<PathBuf> {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pulseaudio/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push(unpacked);
    let found = folders.into_iter().map(|folder| folder.join("pulseaudio")).find(|p| p.is_file());
    found.ok_or_else(|| format!("PulseAudio is missing. {INSTALL}").into())
}

fn wait_until(failure: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !condition()? {
        if Instant::now() > deadline {
            return Err(failure.into());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
