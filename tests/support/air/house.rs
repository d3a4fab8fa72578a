//! A server on one side of a bad network, a listener on the other, and what the listener heard.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::bend::Bend;
use super::{Air, PC, Passed, Traffic};
use crate::support::flags::{source, wav};
use crate::support::heard::{self, Heard, RATE, Sent};
use crate::support::program::Program;
use crate::support::recorded::frames_on_disk;
use crate::support::scratch::Scratch;
use crate::support::waiting::wait_until;

const SERVER: &str = env!("CARGO_BIN_EXE_auralync-server");
const CLIENT: &str = env!("CARGO_BIN_EXE_auralync-client");

/// The sound that all servers send, in seconds: what goes on elsewhere is found in it.
const SENT_SECONDS: usize = 30;

/// What the listener hears goes there.
const HEARD: &str = "heard.wav";

/// What is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Set<'a> {
    pub(crate) network: &'a str,
    pub(crate) preset: &'a str,
    pub(crate) codec: &'a str,
    /// More flags of the server, and of the listener.
    pub(crate) server: &'a [&'a str],
    pub(crate) listener: &'a [&'a str],
}

/// Both machines, with programs that run.
pub(crate) struct House {
    pub(crate) scratch: Scratch,
    pub(crate) server: Program,
    pub(crate) listener: Program,
    pub(crate) air: Air,
    /// When sound was there, and what had passed by then.
    since: Instant,
    before: Passed,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) heard: Heard,
    /// What passed since sound was there, and how long that was.
    pub(crate) passed: Passed,
    pub(crate) took: Duration,
    /// The bad spells of the network on the way down, each with its length, in µs.
    pub(crate) holes: Vec<(u64, u64)>,
}

impl Outcome {
    /// What came down, in kbit/s, with its headers.
    pub(crate) fn down_kbits(&self) -> f64 {
        kbits(self.passed.down, self.took)
    }

    /// What went up, in kbit/s.
    pub(crate) fn up_kbits(&self) -> f64 {
        kbits(self.passed.up, self.took)
    }
}

fn kbits(traffic: Traffic, took: Duration) -> f64 {
    (traffic.tcp_bytes + traffic.udp_bytes) as f64 * 8e-3 / took.as_secs_f64()
}

/// The sound that all servers send.
pub(crate) fn sent() -> &'static Sent {
    static SENT: OnceLock<Sent> = OnceLock::new();
    SENT.get_or_init(|| Sent::make(SENT_SECONDS))
}

/// Judges one recording after the other: it works hard, and others listen meanwhile.
pub(crate) fn judge(heard: &[f32]) -> Heard {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    sent().judge(heard)
}

/// A program keeps its secrets there.
fn keeps_in(command: &mut Command, folder: &Path) {
    command.env("XDG_CONFIG_HOME", folder).env("HOME", folder);
}

/// The link to the private room on the PC.
pub(crate) fn show_link(air: &Air, scratch: &Scratch) -> String {
    let mut command = air.on_pc(SERVER);
    keeps_in(&mut command, &scratch.path("pc"));
    let shown = command.args(["--bind", PC, "--no-web", "--show-link"]).output().unwrap();
    assert!(shown.status.success(), "{shown:?}");
    String::from_utf8(shown.stdout).unwrap().trim().to_owned()
}

impl House {
    /// Makes the network, starts both programs and waits for sound.
    #[track_caller]
    pub(crate) fn open(set: Set<'_>) -> Self {
        Self::open_in(Air::make(&set.network.parse::<Bend>().unwrap()).unwrap(), set)
    }

    /// Starts both programs in a network that is there, and waits for sound.
    #[track_caller]
    pub(crate) fn open_in(air: Air, set: Set<'_>) -> Self {
        let scratch = Scratch::new();
        let sound = scratch.path("sent.wav");
        sent().write(&sound);
        let mut command = air.on_pc(SERVER);
        keeps_in(&mut command, &scratch.path("pc"));
        let from = format!("{},loop", source(&sound));
        // Orders come from the PC itself.
        command.args(["--preset", set.preset, "--bind", "0.0.0.0", "--source", &from]);
        command.arg("--no-discovery").args(set.server);
        if !set.server.contains(&"--web") {
            command.arg("--no-web");
        }
        let mut server = Program::start(command);
        server.wait_for("Ctrl-C stops.");
        let recorded = scratch.path(HEARD);
        let mut command = air.at_ear(CLIENT);
        keeps_in(&mut command, &scratch.path("ear"));
        if set.server.contains(&"--private") {
            let link = scratch.path("link");
            std::fs::write(&link, show_link(&air, &scratch)).unwrap();
            command.arg("--link").arg(link);
        }
        command.args([PC, "--codec", set.codec, "--output", &wav(&recorded), "--no-discovery"]);
        command.args(set.listener);
        let listener = Program::start(command);
        wait_until("sound", || frames_on_disk(&recorded, 2) > RATE.into());
        let (since, before) = (Instant::now(), air.passed());
        Self { scratch, server, listener, air, since, before }
    }

    /// Frames that the listener has heard so far.
    pub(crate) fn frames(&self) -> u64 {
        frames_on_disk(&self.scratch.path(HEARD), 2)
    }

    /// Waits until the listener has heard so much more.
    #[track_caller]
    pub(crate) fn listen(&self, seconds: u64) {
        let until = self.frames() + seconds * u64::from(RATE);
        let deadline = Instant::now() + Duration::from_secs(2 * seconds + 30);
        while self.frames() < until {
            assert!(Instant::now() < deadline, "the listener hears no more");
            sleep(Duration::from_millis(20));
        }
    }

    /// Stops both programs and judges what was heard.
    #[track_caller]
    pub(crate) fn close(mut self) -> Outcome {
        let passed = self.air.passed().since(self.before);
        let (took, holes) = (self.since.elapsed(), self.air.holes());
        self.listener.stop();
        self.server.stop();
        let heard = judge(&heard::read(&self.scratch.path(HEARD)));
        Outcome { heard, passed, took, holes }
    }
}
