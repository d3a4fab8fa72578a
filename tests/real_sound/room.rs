//! What else may happen in a room: what is plugged in is pulled out, and cards come in every kind.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::support::microphones::Microphone;
use crate::support::program::Guarded;
use crate::support::room::{RATE, Room, Sink, spawn};

/// The microphone of somebody else.
pub(crate) const MIC2: Microphone = Microphone { name: "mic2", channel: "front-right" };

impl Room {
    /// Kills the sound server as a crash would.
    pub(crate) fn kill(&mut self) {
        self.server = None;
    }

    pub(crate) fn unplug(&mut self, sink: Sink) {
        let index = self.modules.remove(sink.name).expect("it is plugged in");
        self.pactl(&["unload-module", &index]);
    }

    pub(crate) fn unplug_microphone(&mut self, microphone: Microphone) {
        let index = self.modules.remove(microphone.name).expect("it is plugged in");
        self.pactl(&["unload-module", &index]);
    }

    pub(crate) fn make_default_source(&self, name: &str) {
        self.pactl(&["set-default-source", name]);
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
}
