//! What talkers cost: the real server with 4 to 64 people who all speak at once, each of whom gets a
//! mix of their own as Opus, and 50 listeners beside them.
//!
//! Run as a test (`cargo test --bench talk`), four people speak for a second;
//! `cargo bench --bench talk -- evening` has four speak for two minutes.

#[allow(dead_code, reason = "each bench uses its own part of this")]
mod running;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use auralync::codec::Bitrate;
use auralync::codec::opus::{Encoder, Layout};
use auralync::wire::{
    AudioHeader, Deframer, Frame, Hello, Limits, MAX_SERVER_FRAME, Microphone, Ping, Pong, Welcome,
    kind, talk_frame,
};
use running::{PATIENCE, Result, Running, is_measuring};

const LISTENERS: usize = 50;

/// Frames in a talk frame: 10 ms.
const FRAME: u32 = 480;

/// What is not counted at the start of a run: lags and encoders settle.
const SETTLING: Duration = Duration::from_secs(2);

/// One connection.
struct Person {
    socket: TcpStream,
    deframer: Deframer,
    /// The server's clock − ours, in µs, with its round trip.
    offset: Option<(i64, u64)>,
    next: Option<u64>,
    frames: u64,
    gaps: u64,
    /// Frames that came after their time, and the longest that one took.
    late: u64,
    longest_us: i64,
}

impl Person {
    fn join(server: SocketAddr, id: usize, talks: bool) -> Result<Self> {
        let mut socket = TcpStream::connect(server)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let microphone =
            Microphone { codec: "opus".into(), rate: 48_000, channels: 1, algorithmic_delay: 120 };
        let hello = Hello {
            version: 2,
            id: id.to_string(),
            name: format!("person {id}"),
            codecs: vec!["opus".into()],
            talk: talks.then_some(microphone),
        };
        socket.write_all(&hello.frame())?;
        // Nothing of version 1 is of interest.
        let mut deframer = Deframer::new(Limits { plain: 1 << 20, typed: MAX_SERVER_FRAME });
        let mut bytes = [0; 16 * 1024];
        loop {
            let count = socket.read(&mut bytes)?;
            if count == 0 {
                return Err("the server closed".into());
            }
            deframer.push(&bytes[..count]);
            while let Some(frame) = deframer.next_frame()? {
                if let Frame::Typed { kind: kind::WELCOME, body } = frame {
                    let welcome = Welcome::read(body)?;
                    if talks && welcome.longest_talk().is_none() {
                        return Err("may not talk".into());
                    }
                    socket.set_nonblocking(true)?;
                    return Ok(Self {
                        socket,
                        deframer,
                        offset: None,
                        next: None,
                        frames: 0,
                        gaps: 0,
                        late: 0,
                        longest_us: 0,
                    });
                }
            }
        }
    }

    fn say(&mut self, bytes: &[u8]) -> Result<()> {
        // A frame of 200 bytes in an empty socket is taken whole.
        Ok(self.socket.write_all(bytes)?)
    }

    /// Takes what has come by `now_us` of our clock.
    fn listen(&mut self, now_us: u64, delay_us: i64, counts: bool) -> Result<()> {
        let mut bytes = [0; 16 * 1024];
        loop {
            match self.socket.read(&mut bytes) {
                Ok(0) => return Err("the server closed".into()),
                Ok(count) => self.deframer.push(&bytes[..count]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e.into()),
            }
            while let Some(frame) = self.deframer.next_frame()? {
                let Frame::Typed { kind, body } = frame else { continue };
                match kind {
                    kind::AUDIO => {
                        let (header, _) = AudioHeader::split(body)?;
                        let is_next = self.next.is_none_or(|next| next == header.position);
                        self.next = Some(header.position + u64::from(header.frames));
                        if let Some((offset, _)) = self.offset.filter(|_| counts) {
                            let took_us = now_us as i64 + offset - header.captured_us as i64;
                            self.frames += 1;
                            self.gaps += u64::from(!is_next);
                            self.late += u64::from(took_us > delay_us);
                            self.longest_us = self.longest_us.max(took_us);
                        }
                    }
                    kind::PONG => {
                        let pong = Pong::read(body)?;
                        let round_trip = now_us.saturating_sub(pong.client_us);
                        let offset =
                            pong.received_us as i64 - (pong.client_us + round_trip / 2) as i64;
                        if self.offset.is_none_or(|(_, quickest)| round_trip < quickest) {
                            self.offset = Some((offset, round_trip));
                        }
                    }
                    _ => {}
                }
            }
        }
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
    let mut server = Running::start("auralync-server", &mut command)?;
    let address: SocketAddr = server.wait_for(|line| {
        line.split_once("auralync-client ")?.1.split_whitespace().next()?.parse().ok()
    })?;
    let delay_ms: i64 = if preset == "live" { 25 } else { 80 };
    let mut people: Vec<Person> = (0..talkers + listeners)
        .map(|n| Person::join(address, n, n < talkers))
        .collect::<Result<_>>()?;
    let mut encoder = Encoder::new(Layout::for_delay(80), 1, Bitrate::nearest(64))?;
    let wave: Vec<f32> = (0..FRAME).map(|n| (n as f32 * 0.05).sin() * 0.02).collect();
    let packet = encoder.encode(&wave).ok_or("no packet")?.to_vec();

    let start = Instant::now();
    let us = || start.elapsed().as_micros() as u64;
    let (mut said, mut counted) = (0_u64, None);
    while start.elapsed() < SETTLING + length {
        let counts = start.elapsed() > SETTLING;
        if counts && counted.is_none() {
            counted = Some((Instant::now(), cpu_ms(&server)?));
        }
        for person in &mut people {
            person.listen(us(), delay_ms * 1000, counts)?;
        }
        if us() / 10_000 > said {
            let end_us = us();
            said += 1;
            for person in &mut people {
                if said % 25 == 1 {
                    person.say(&Ping { client_us: us() }.frame())?;
                }
            }
            for person in &mut people[..talkers] {
                let Some((offset, _)) = person.offset else { continue };
                let captured_us = (end_us - 10_000).saturating_add_signed(offset);
                let position = said * u64::from(FRAME);
                let header = AudioHeader { flags: 0, frames: FRAME, position, captured_us };
                let frame = talk_frame(header, &packet).ok_or("too long")?;
                person.say(&frame)?;
            }
        }
        std::thread::sleep(Duration::from_micros(500));
    }
    let (since, before_ms) = counted.ok_or("it was never counted")?;
    let cpu_ms = cpu_ms(&server)? - before_ms;
    let cpu_percent = cpu_ms / since.elapsed().as_secs_f64() / 10.0;
    server.stop()?;
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

/// Processor time of all of a program's threads, in ms.
fn cpu_ms(program: &Running) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", program.child.id()))?;
    let (_, fields) = stat.rsplit_once(") ").ok_or("no such line")?;
    let ticks: Vec<f64> =
        fields.split(' ').skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
    // A hundred ticks a second, on every Linux.
    Ok(ticks.iter().sum::<f64>() * 10.0)
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
