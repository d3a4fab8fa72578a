//! Snapcast over the bad network: its server plays what ours do, its client writes what it hears.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::support::air::house::{Outcome, judge, sent};
use crate::support::air::{Air, PC};
use crate::support::heard::RATE;
use crate::support::program::Program;
use crate::support::scratch::Scratch;
use crate::support::waiting::wait_until;

/// Bytes of 20 ms of what its server reads: 16 bits on two channels.
const PIECE: usize = RATE as usize / 50 * 4;

/// Bytes of a WAV file of ours before its samples.
const HEADER: usize = 44;

pub(crate) fn is_installed() -> bool {
    let has = |program: &str| {
        Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success())
    };
    has("snapserver") && has("snapclient")
}

/// Listens for so long over such a network, with so much delay.
pub(crate) fn listen(network: &str, delay_ms: u32, seconds: u64) -> Outcome {
    let air = Air::make(&network.parse().unwrap()).unwrap();
    let scratch = Scratch::new();
    let (pipe, settings) = (scratch.path("pipe"), scratch.path("snapserver.conf"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::fs::write(&settings, conf(&pipe, delay_ms)).unwrap();
    let mut command = air.on_pc("snapserver");
    command.arg("-c").arg(&settings).arg("--logging.sink=null");
    command.arg(format!("--server.datadir={}", scratch.path("").display()));
    let _server = Program::start(command);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| play(&pipe, &scratch, &is_over));
        let heard = scratch.path("heard.raw");
        let mut command = air.at_ear("snapclient");
        command.args(["-h", PC, "--logsink", "null", "--player"]);
        command.arg(format!("file:filename={}", heard.display()));
        let listener = Program::start(command);
        let bytes = || std::fs::metadata(&heard).map_or(0, |file| file.len());
        wait_until("what Snapcast hears", || bytes() > u64::from(RATE) * 4);
        let (since, before) = (Instant::now(), air.passed());
        std::thread::sleep(Duration::from_secs(seconds));
        let (took, passed, holes) = (since.elapsed(), air.passed().since(before), air.holes());
        drop(listener);
        is_over.store(true, Ordering::Relaxed);
        let raw = std::fs::read(&heard).unwrap();
        let left = raw.chunks_exact(4).map(|frame| i16::from_le_bytes([frame[0], frame[1]]));
        let samples: Vec<f32> = left.map(|sample| f32::from(sample) / 32_768.0).collect();
        let heard = judge(&samples);
        Outcome { heard, passed, took, holes }
    })
}

fn conf(pipe: &Path, delay_ms: u32) -> String {
    format!(
        "[http]\nenabled = false\n[tcp]\nenabled = false\n[stream]\nsource = \
         pipe://{}?name=pc&sampleformat={RATE}:16:2&chunk_ms=20&codec=opus&mode=read\nbuffer = \
         {delay_ms}\n",
        pipe.display()
    )
}

/// Plays the sound into a pipe, as fast as it is heard.
fn play(pipe: &Path, scratch: &Scratch, is_over: &AtomicBool) {
    let path = scratch.path("sent.wav");
    sent().write(&path);
    let sound = std::fs::read(path).unwrap();
    // Neither waits for a server that has ended; a piece is written whole or not at all.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let mut pipe = File::options().read(true).write(true).custom_flags(flags).open(pipe).unwrap();
    let mut next = Instant::now();
    for piece in sound[HEADER..].chunks_exact(PIECE).cycle() {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let _ = pipe.write(piece);
        next += Duration::from_millis(20);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}
