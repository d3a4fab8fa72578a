//! When the same sound is to be heard at two edges and at their origin, and when it comes.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use auralync::clock::{Clock, ServerClock};
use auralync::wire::{AudioHeader, Deframer, Frame, Limits, Ping, Pong};

use crate::audience::hello;
use crate::measuring::Result;
use crate::servers::{Servers, nodes};
use crate::support::median::median;

const LISTENING: Duration = Duration::from_secs(20);

/// Between two pings: as often as a server lets one.
const PINGS_EVERY: Duration = Duration::from_millis(60);

/// Longest frame that a server here sends, in bytes.
const LONGEST: usize = 1 << 20;

/// Two ears at two edges may be apart by so much, in µs.
const MOST_APART_US: f64 = 300.0;

/// What a listener knows of each position.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// When it came, and when it was captured by the server's clock, in µs.
    pub(crate) frames: BTreeMap<u64, (u64, u64)>,
    clock: ServerClock,
}

impl Heard {
    /// When a frame is to be heard, without the delay that is the same for all, in µs of this program.
    fn ear_us(&self, position: u64) -> Option<f64> {
        let (_, captured_us) = self.frames.get(&position)?;
        Some(self.clock.offset()?.ours_us(*captured_us as f64))
    }
}

/// Listens for a while.
pub(crate) fn listen(server: SocketAddr, clock: Clock, listening: Duration) -> Result<Heard> {
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(Duration::from_millis(5)))?;
    socket.set_nodelay(true)?;
    socket.write_all(&hello(format!("probe {}", socket.local_addr()?), "s16", false).frame())?;
    let mut deframer = Deframer::new(Limits { plain: LONGEST, typed: LONGEST });
    let (mut heard, mut buffer) = (Heard::default(), vec![0; 65_536]);
    let (began, mut pinged) = (Instant::now(), Instant::now() - PINGS_EVERY);
    while began.elapsed() < listening {
        if pinged.elapsed() >= PINGS_EVERY {
            pinged = Instant::now();
            socket.write_all(&Ping { client_us: clock.now_us() }.frame())?;
        }
        let count = match socket.read(&mut buffer) {
            Ok(0) => return Err("the server closed".into()),
            Ok(count) => count,
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                continue;
            }
            Err(e) => return Err(e.into()),
        };
        let now_us = clock.now_us();
        deframer.push(&buffer[..count]);
        while let Some(frame) = deframer.next_frame().map_err(|e| e.to_string())? {
            let Frame::Typed { kind, body } = frame else { continue };
            if kind == 3 {
                let (header, _) = AudioHeader::split(body)?;
                heard.frames.insert(header.position, (now_us, header.captured_us));
            } else if let (5, Ok(pong)) = (kind, Pong::read(body)) {
                heard.clock.pong(pong, now_us);
            }
        }
    }
    Ok(heard)
}

pub(crate) fn measure(measuring: bool) -> Result<()> {
    let servers = Servers::new();
    let nodes = nodes(&servers.scratch, 3)?;
    let mut origin = servers
        .origin(&nodes[0], &["--source", "tone", "--preset", "smooth", "--codecs", "f32,s16"]);
    let mut edges = [servers.edge(&nodes[1], &[]), servers.edge(&nodes[2], &[])];
    let listening = if measuring { LISTENING } else { Duration::from_secs(3) };
    let (at, clock) = (origin.address(), Clock::start());
    let doors = [at, at, edges[0].address(), edges[1].address()];
    let listeners = doors.map(|door| thread::spawn(move || listen(door, clock, listening)));
    let heard = listeners.map(|one| one.join().expect("a listener panicked"));
    let [first, second, near, far] = heard;
    let (first, second, near, far) = (first?, second?, near?, far?);
    let apart = |a: &Heard, b: &Heard| {
        // From when the clocks are known well.
        let skipped = a.frames.len() / 3;
        let apart = a
            .frames
            .keys()
            .skip(skipped)
            .filter_map(|position| Some((a.ear_us(*position)? - b.ear_us(*position)?).abs()));
        let apart: Vec<f64> = apart.collect();
        (median(apart.iter().copied()), apart.iter().copied().fold(0.0, f64::max))
    };
    let late = |one: &Heard| {
        let skipped = one.frames.len() / 3;
        let mut late: Vec<f64> = one
            .frames
            .iter()
            .skip(skipped)
            .filter_map(|(position, (came_us, _))| Some(*came_us as f64 - one.ear_us(*position)?))
            .collect();
        late.sort_by(f64::total_cmp);
        let at =
            |part: f64| late.get((late.len() as f64 * part) as usize).copied().unwrap_or_default();
        (at(0.5) / 1e3, at(0.99) / 1e3)
    };
    println!("\nTwo edges behind three nodes, {:.0} s (preset smooth)\n", listening.as_secs_f64());
    let row = |what: &str, measured: String, target: &str| {
        println!("  {what:<52}  {measured:>26}  {target}")
    };
    row("", "median, worst".to_owned(), "target");
    let (one, one_worst) = apart(&first, &second);
    row("two ears at one server, apart", format!("{one:.0}, {one_worst:.0} µs"), "");
    let (two, two_worst) = apart(&near, &far);
    row(
        "two ears at two edges, apart",
        format!("{two:.0}, {two_worst:.0} µs"),
        "3 times that, or 300 µs",
    );
    let (between, between_worst) = apart(&first, &near);
    row(
        "an ear at the origin and one at an edge",
        format!("{between:.0}, {between_worst:.0} µs"),
        "",
    );
    let (direct, direct_p99) = late(&first);
    row(
        "sound comes at the origin after its capture (p99)",
        format!("{direct:.2}, {direct_p99:.2} ms"),
        "",
    );
    let (added, added_p99) = late(&near);
    row("at an edge", format!("{added:.2}, {added_p99:.2} ms"), "2 times, 5 times that");
    println!(
        "  ratios: {:.2} apart, {:.2} median, {:.2} p99",
        two / one.max(1.0),
        added / direct,
        added_p99 / direct_p99
    );
    if two > MOST_APART_US.max(3.0 * one) {
        println!("  the ears at two edges are further apart than they should be");
    }
    Ok(())
}
