//! `make demo-engine`: three NATS servers, an origin, two edges and six listeners on this machine; one of the NATS
//! servers is killed, and one table says what each listener heard.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a demo that cannot go on should stop where it stands"
)]

#[path = "../demo/heard.rs"]
mod heard;
#[path = "../../tests/support"]
mod support {
    mod address;
    mod free_port;
    pub(crate) mod median;
    #[allow(dead_code, reason = "what nodes are configured by or started anew with is for tests")]
    pub(crate) mod nats;
    pub(crate) mod program;
    pub(crate) mod scratch;
    pub(crate) mod waiting;
}

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::thread;
use std::time::Duration;

use crate::support::nats;
use crate::support::program::Program;
use crate::support::scratch::Scratch;

/// What the origin plays, in Hz.
const TONE_HZ: f64 = 440.0;

/// How long everybody listens before and after the node is killed.
const BEFORE: Duration = Duration::from_secs(4);

const NODES: usize = 3;

/// Listeners at each of the three servers.
const LISTENERS: usize = 2;

fn main() -> ExitCode {
    // What stops a program is told in words, not in lines of code.
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload().downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.payload().downcast_ref().copied()).unwrap_or_default();
        eprintln!("demo-engine: {text}");
    }));
    if demo() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether every listener heard the tone without a gap.
fn demo() -> bool {
    let folder = Scratch::new();
    println!(
        "{NODES} NATS servers, an origin with a {TONE_HZ} Hz tone, 2 edges, {} listeners …",
        3 * LISTENERS
    );
    let mut nodes = nats::cluster(NODES, &[]);
    let mut servers = [
        server(&folder, &nodes[0].url(), &["--source", &format!("tone:{TONE_HZ}")]),
        server(&folder, &nodes[1].url(), &["--source", "engine:room"]),
        server(&folder, &nodes[2].url(), &["--source", "engine:room"]),
    ];
    let names = ["origin", "edge 1", "edge 2"];
    let mut listeners = Vec::new();
    for (server, name) in servers.iter_mut().zip(names) {
        let address = server.address().to_string();
        for number in 1..=LISTENERS {
            let wav = folder.path(format!("{name} {number}.wav"));
            let mut command = Command::new(built("auralync-client"));
            command.arg(&address).args(["--once", "--output", &format!("wav:{}", wav.display())]);
            listeners.push((format!("{name}, listener {number}"), wav, Program::start(command)));
        }
    }
    thread::sleep(BEFORE);
    println!("… and now the NATS server of edge 1 is killed …\n");
    // As `kill -9` does.
    drop(nodes.remove(1));
    thread::sleep(BEFORE);
    for (_, _, listener) in &mut listeners {
        listener.stop();
    }
    println!("{:<22}{:>12}{:>9}  gaps", "", "frequency", "sound");
    let mut is_whole = true;
    for (name, wav, _) in &listeners {
        match measure(wav) {
            None => {
                is_whole = false;
                println!("{name:<22}  heard nothing");
            }
            Some(heard) => {
                is_whole &= heard.gaps == 0 && heard.is_tone(TONE_HZ);
                let gaps = match heard.gaps {
                    0 => "none".to_owned(),
                    count => {
                        format!("{count}, with up to {:.0} ms of silence", heard.longest_silence_ms)
                    }
                };
                println!(
                    "{name:<22}{:>9.2} Hz{:>7.1} s  {gaps}",
                    heard.frequency_hz, heard.seconds
                );
            }
        }
    }
    is_whole
}

fn measure(wav: &Path) -> Option<heard::Heard> {
    let mut reader = hound::WavReader::open(wav).ok()?;
    let spec = reader.spec();
    let samples: Vec<f32> = reader.samples().collect::<Result<_, _>>().ok()?;
    heard::measure(&samples, spec.channels.into(), spec.sample_rate)
}

/// A server of a user that is there for this demo alone.
fn server(folder: &Scratch, engine: &str, flags: &[&str]) -> Program {
    let settings = folder.path("settings");
    let mut command = Command::new(built("auralync-server"));
    command.env("XDG_CONFIG_HOME", &settings).env("HOME", &settings).env("APPDATA", &settings);
    command.args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"]);
    command.args(["--preset", "smooth", "--engine", engine]).args(flags);
    let mut server = Program::start(command);
    // The origin makes the key that the edges need.
    server.wait_for("is there");
    server
}

/// The program of that name as cargo built it: one folder above this example.
fn built(name: &str) -> PathBuf {
    let demo = std::env::current_exe().unwrap();
    let folder = demo.parent().and_then(Path::parent).unwrap();
    let program = folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "{name} is not built in {}. Run: make demo-engine",
        folder.display()
    );
    program
}
