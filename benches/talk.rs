//! What talkers cost: the real server with 4 to 64 people who all speak at once, each of whom gets a
//! mix of their own as Opus, and 50 listeners beside them.
//!
//! Run as a test (`cargo test --bench talk`), four people speak for a second;
//! `cargo bench --bench talk -- evening` has four speak for two minutes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a measurement that cannot go on should stop where it stands"
)]

mod measuring;
mod processor;
#[path = "../tests/support"]
mod support {
    mod address;
    pub(crate) mod caller;
    mod connecting;
    mod line;
    pub(crate) mod program;
    mod waiting;
}

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use auralync::codec::Bitrate;
use auralync::codec::opus::{Encoder, Layout};
use auralync::wire::{AudioHeader, kind};
use measuring::{Result, is_measuring};
use processor::cpu;
use support::caller::{Caller, FRAME, microphone_of};
use support::program::Program;

const LISTENERS: usize = 50;

/// What is not counted at the start of a run: lags and encoders settle.
const SETTLING: Duration = Duration::from_secs(2);

/// A caller who only counts what comes: decoding for all of them would cost more than serving them.
struct Person {
    caller: Caller,
    next: Option<u64>,
    frames: u64,
    gaps: u64,
    /// Frames that came after their time, and the longest that one took.
    late: u64,
    longest_us: i64,
}

impl Person {
    fn join(server: SocketAddr, id: usize, talks: bool) -> Result<Self> {
        let delay = Layout::VOICE.delay;
        let microphone = talks.then(|| microphone_of("opus", delay));
        let caller = Caller::join(server, &id.to_string(), "opus", microphone);
        if talks && caller.welcome.longest_talk().is_none() {
            return Err("may not talk".into());
        }
        // There are many to look at.
        caller.line.socket.set_nonblocking(true)?;
        Ok(Self { caller, next: None, frames: 0, gaps: 0, late: 0, longest_us: 0 })
    }

    /// Takes what has come.
    fn listen(&mut self, delay_us: i64, counts: bool) -> Result<()> {
        let now_us = self.caller.server_us().filter(|_| counts);
        let Self { caller, next, frames, gaps, late, longest_us } = self;
        caller.listen(|kind, body| {
            if kind != kind::AUDIO {
                return;
            }
            let (header, _) = AudioHeader::split(body).unwrap();
            let is_next = next.is_none_or(|next| next == header.position);
            *next = Some(header.position + u64::from(header.frames));
            if let Some(now_us) = now_us {
                let took_us = now_us as i64 - header.captured_us as i64;
                *frames += 1;
                *gaps += u64::from(!is_next);
                *late += u64::from(took_us > delay_us);
                *longest_us = took_us.max(*longest_us);
            }
        });
        if caller.has_ended { Err("the server closed".into()) } else { Ok(()) }
    }
}

/// What one run showed.
struct Outcome {
    cpu_percent: f64,
    frames: u64,
    gaps: u64,
    late: u64,
    longest_ms: f64,
}

fn run(talkers: usize, listeners: usize, preset: &str, length: Duration) -> Result<Outcome> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auralync-server"));
    command.args(["--bind", "127.0.0.1", "--port", "0", "--no-discovery", "--no-web"]);
    command.args(["--source", "none", "--sample-rate", "48000", "--talk", "--max-clients", "0"]);
    command.args(["--max-talkers", "64"]);
    command.args(["--codecs", "opus", "--preset", preset]);
    let mut server = Program::start(command);
    let address = server.address();
    let delay_ms: i64 = if preset == "live" { 25 } else { 80 };
    let mut people: Vec<Person> = (0..talkers + listeners)
        .map(|n| Person::join(address, n, n < talkers))
        .collect::<Result<_>>()?;
    let mut encoder = Encoder::new(Layout::VOICE, 1, Bitrate::nearest(64))?;
    let wave: Vec<f32> = (0..FRAME).map(|n| (n as f32 * 0.05).sin() * 0.02).collect();
    let packet = encoder.encode(&wave).ok_or("no packet")?.to_vec();

    let start = Instant::now();
    let (mut said, mut counted) = (0, None);
    while start.elapsed() < SETTLING + length {
        let counts = start.elapsed() > SETTLING;
        if counts && counted.is_none() {
            counted = Some((Instant::now(), cpu(&server)?));
        }
        for person in &mut people {
            person.listen(delay_ms * 1000, counts)?;
        }
        if start.elapsed().as_millis() / 10 > said {
            said += 1;
            if said % 25 == 1 {
                people.iter_mut().for_each(|person| person.caller.ping());
            }
            for Person { caller, .. } in &mut people[..talkers] {
                if let Some(end_us) = caller.server_us() {
                    caller.talk(&packet, FRAME, end_us - 10_000, 0);
                }
            }
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    let (since, before) = counted.ok_or("it was never counted")?;
    let cpu = cpu(&server)?.saturating_sub(before);
    let cpu_percent = cpu.as_secs_f64() / since.elapsed().as_secs_f64() * 100.0;
    server.stop();
    let sum = |of: fn(&Person) -> u64| people.iter().map(of).sum();
    let longest = people.iter().map(|person| person.longest_us).max().unwrap_or(0);
    Ok(Outcome {
        cpu_percent,
        frames: sum(|person| person.frames),
        gaps: sum(|person| person.gaps),
        late: sum(|person| person.late),
        longest_ms: longest as f64 / 1e3,
    })
}

fn main() -> Result<()> {
    if !cfg!(target_os = "linux") {
        println!("talk: processor time is only read on Linux");
        return Ok(());
    }
    if !is_measuring() {
        run(4, 2, "low-latency", Duration::from_secs(1))?;
        return Ok(());
    }
    let is_evening = std::env::args().any(|argument| argument == "evening");
    let (talking, seconds) = if is_evening { (&[4][..], 120) } else { (&[4, 16, 32, 64][..], 8) };
    let length = Duration::from_secs(seconds);
    println!("everybody speaks; Opus both ways; {LISTENERS} listeners beside them");
    println!("preset       talkers  server's core  of it each  frames  gaps  late  longest");
    for preset in ["low-latency", "live"] {
        let alone = run(0, LISTENERS, preset, Duration::from_secs(8))?;
        println!("{preset:<12} {:>7}  {:>11.1} %", 0, alone.cpu_percent);
        for &talkers in talking {
            let Outcome { cpu_percent, frames, gaps, late, longest_ms } =
                run(talkers, LISTENERS, preset, length)?;
            let each = (cpu_percent - alone.cpu_percent) / talkers as f64;
            println!(
                "{preset:<12} {talkers:>7}  {cpu_percent:>11.1} %  {each:>8.2} %  {frames:>6}  \
                 {gaps:>4}  {late:>4}  {longest_ms:>4.1} ms"
            );
        }
    }
    Ok(())
}
