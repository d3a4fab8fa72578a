//! The network loop's CPU per send against a bare loop that does nothing but the sends.
//!
//! Both run on a thread of their own in this process, are woken by the same means as often, and
//! write the same bytes into sockets set up alike. They take turns on one core, chunk by
//! chunk, so that what the machine does meanwhile meets both.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use auralync::clock::Clock;
use auralync::codec::{Bitrate, Codec};
use auralync::dscp::Dscp;
use auralync::send::transmit::datagram_socket;
use auralync::send::transmit::sockets::{self, Buffering};
use auralync::send::transmit::{Handle, Room, Snapshot, Transmit};
use auralync::send::web::Web;
use auralync::send::web::names::Names;
use auralync::settings::Readers;
use auralync::wire::{AUDIO_HEADER, AudioFrame, AudioHeader, MAX_CLIENT_FRAME};
use mio::net::TcpStream;
use mio::{Events, Poll, Token, Waker};

use crate::audience::{Audience, Seats};
use crate::measuring::Result;
use crate::processor::on_cpu;
use crate::streams::{PIECE, PLAYOUT_DELAY_MS, STREAMS, Stream, room, streams_by_datagram};
use crate::support::median::median;
use crate::support::waiting::PATIENCE;

/// The loop may cost this much of a bare loop.
const TARGET: f64 = 1.15;

const SIZES: [usize; 4] = [1, 50, 500, 2000];

/// Chunks that are sent through both sides before their cost is read.
const CHUNKS_PER_TURN: u64 = 10;

/// Readings of the cost.
const TURNS: usize = 24;

/// A machine that is busy with something else for half a second keeps listeners from reading, and
/// then the two loops do different things.
const ATTEMPTS: usize = 3;

/// A browser may cost this much of a native listener.
const BROWSER_TARGET: f64 = 1.3;

/// How many browsers there are, and as many native listeners.
const BROWSERS: usize = 500;

/// Everybody connects at once.
const BACKLOG: u32 = 4096;

/// Bytes of a packet of Opus at 128 kbit/s, for each ms.
const OPUS_BYTES_PER_MS: u32 = 16;

/// Of datagrams at least so many in a hundred must have come: this machine may be busy for longer than a
/// short delay forgives.
const LEAST_BY_DATAGRAM: u64 = 95;

/// How many listeners hear by datagram, and as many by TCP.
const BY_DATAGRAM: usize = 500;

/// Measures and prints the table; `only` is the one number of listeners to do it with.
pub(crate) fn measure(measuring: bool, only: Option<usize>) -> Result<()> {
    println!("\nCPU of the network loop per send, against a bare loop woken as often");
    println!("(medians of {TURNS} readings; the target is a ratio of {TARGET} or less)\n");
    println!(
        "{:>9}  {:>20}  {:>9}  {:>9}  {:>6}  {:>13}",
        "listeners", "chunk", "loop", "bare", "ratio", "middle half"
    );
    for stream in STREAMS {
        for size in only.map_or(SIZES.to_vec(), |only| vec![only]) {
            let size = if measuring { size } else { size.min(3) };
            let (turns, chunks) = if measuring { (TURNS, CHUNKS_PER_TURN) } else { (1, 3) };
            let row = (0..ATTEMPTS).map(|_| {
                let clock = Clock::start();
                let ours = Side::network_loop(stream, size, clock)?;
                compare(stream, size, [ours, Side::bare(stream, size)?], clock, (turns, chunks))
            });
            println!("{}", first_success(row)?);
            if !measuring {
                break;
            }
        }
    }
    Ok(())
}

/// Measures what a browser costs, and prints it.
pub(crate) fn measure_browsers(measuring: bool) -> Result<()> {
    println!("\nThe same per send to a browser (WebSocket), against a native listener");
    println!("(the target is a ratio of {BROWSER_TARGET} or less)\n");
    println!(
        "{:>9}  {:>20}  {:>9}  {:>9}  {:>6}  {:>13}",
        "of each", "chunk", "browser", "native", "ratio", "middle half"
    );
    let (size, turns) = if measuring { (BROWSERS, (TURNS, CHUNKS_PER_TURN)) } else { (3, (1, 3)) };
    let streams = if measuring { &STREAMS[..] } else { &STREAMS[..1] };
    for &stream in streams {
        let row = (0..ATTEMPTS).map(|_| {
            let clock = Clock::start();
            let browsers = Side::browsers(stream, size, clock)?;
            let native = Side::network_loop(stream, size, clock)?;
            compare(stream, size, [browsers, native], clock, turns)
        });
        println!("{}", first_success(row)?);
    }
    Ok(())
}

/// Measures what a listener by datagram costs, beside one by TCP, and prints it.
pub(crate) fn measure_datagrams(measuring: bool) -> Result<()> {
    println!("\nThe same per chunk or packet by datagram, against TCP");
    println!("(wanted: at most 0.6 for Opus and 1.0 for float32)\n");
    println!(
        "{:>9}  {:>20}  {:>9}  {:>9}  {:>6}  {:>13}",
        "of each", "chunk", "datagrams", "TCP", "ratio", "middle half"
    );
    let (size, turns) =
        if measuring { (BY_DATAGRAM, (TURNS, CHUNKS_PER_TURN)) } else { (3, (1, 3)) };
    for stream in streams_by_datagram() {
        let row = (0..ATTEMPTS).map(|_| {
            let clock = Clock::start();
            let datagrams = Side::by_datagram(stream, size, clock)?;
            let tcp = Side::network_loop(stream, size, clock)?;
            compare(stream, size, [datagrams, tcp], clock, turns)
        });
        let of = if stream.opus { "Opus" } else { "float32" };
        println!("{}  {of}, {} ms", first_success(row)?, stream.playout_delay_ms);
    }
    Ok(())
}

/// The first that succeeds, or how the last one failed.
fn first_success(attempts: impl Iterator<Item = Result<String>>) -> Result<String> {
    let mut outcome = Err("nothing was tried".into());
    for attempt in attempts {
        outcome = attempt;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// A row of a table: the first side's cost against the second's, in so many turns of so many chunks.
fn compare(
    stream: Stream,
    listeners: usize,
    sides: [Side; 2],
    clock: Clock,
    (turns, chunks): (usize, u64),
) -> Result<String> {
    let mut sender = Sender { stream, clock, position: 0 };
    // The first chunks find cold caches and small congestion windows.
    sender.turn(&sides, chunks)?;
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..turns {
        let cpu = sender.turn(&sides, chunks)?;
        for (costs, cpu) in costs.iter_mut().zip(cpu) {
            costs.push(cpu.as_secs_f64() * 1e6 / (chunks as f64 * listeners as f64));
        }
    }
    for side in sides {
        side.end_after((turns as u64 + 1) * chunks)?;
    }
    let mut ratios: Vec<f64> =
        costs[0].iter().zip(&costs[1]).map(|(ours, bare)| ours / bare).collect();
    ratios.sort_by(f64::total_cmp);
    let quarter = |share: usize| ratios[ratios.len() * share / 4];
    let [ours, bare] = costs.map(median);
    let ratio = median(ratios.clone());
    Ok(format!(
        "{listeners:>9}  {:>20}  {ours:>6.2} µs  {bare:>6.2} µs  {ratio:>6.2}  {:>5.2} … {:<5.2}",
        format!("{} at {} Hz", stream.chunk, stream.format.sample_rate),
        quarter(1),
        quarter(3),
    ))
}

/// Makes chunks in time.
struct Sender {
    stream: Stream,
    clock: Clock,
    position: u64,
}

impl Sender {
    /// Sends `chunks` at the stream's pace through both sides, by turns; the CPU that the thread of
    /// each spent on it.
    fn turn(&mut self, sides: &[Side; 2], chunks: u64) -> Result<[Duration; 2]> {
        let Stream { format, chunk, opus, .. } = self.stream;
        let is_cut = !opus && sides.iter().any(|side| side.takes_pieces);
        let piece = if is_cut { PIECE } else { chunk };
        let half = Duration::from_secs_f64(format.micros(u64::from(piece)) / 2e6);
        let spent = || -> Result<[Duration; 2]> { Ok([sides[0].cpu()?, sides[1].cpu()?]) };
        let before = spent()?;
        let mut due = Instant::now();
        for _ in 0..chunks {
            let (captured_us, begin) = (self.clock.now_us(), self.position);
            while self.position < begin + u64::from(chunk) {
                let end = self.position + u64::from(piece);
                for side in sides {
                    if !opus && side.takes_pieces {
                        (side.send)(
                            self.frame(self.position, piece, self.clock.now_us()).into_piece(),
                        )?;
                    } else if end == begin + u64::from(chunk) {
                        (side.send)(self.frame(begin, chunk, captured_us))?;
                    }
                    due += half;
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                }
                self.position = end;
            }
        }
        let after = spent()?;
        Ok([0, 1].map(|side: usize| after[side].saturating_sub(before[side])))
    }

    fn frame(&self, position: u64, frames: u32, captured_us: u64) -> AudioFrame {
        let Stream { format, opus, .. } = self.stream;
        let header = AudioHeader { flags: 0, frames, position, captured_us };
        if opus {
            let bytes = frames * OPUS_BYTES_PER_MS * 1000 / format.sample_rate;
            let codec = Codec::Opus(Bitrate::default());
            AudioFrame::new(codec, header, bytes as usize, |bytes| bytes.fill(7))
        } else {
            AudioFrame::float32(header, &vec![0.25; format.samples(frames as usize)])
        }
    }
}

/// A way to hand a frame to a loop.
type SendFrame = Box<dyn Fn(AudioFrame) -> Result<()>>;

/// One of the two loops, with the listeners it serves.
struct Side {
    name: &'static str,
    /// It gets pieces of a chunk as they are made, if its codec has any.
    takes_pieces: bool,
    audience: Audience,
    send: SendFrame,
    /// Its thread's folder in `/proc`.
    task: String,
    thread: JoinHandle<Result<()>>,
    stop: Box<dyn FnOnce()>,
    /// Snapshots go on being taken, as the server does.
    _snapshots: Option<Receiver<Snapshot>>,
}

impl Side {
    fn network_loop(stream: Stream, listeners: usize, clock: Clock) -> Result<Self> {
        Self::serving(stream, clock, |server, _| Seats {
            server,
            readers: listeners,
            browsers: None,
            by_datagram: 0,
            deaf: 0,
            opus: stream.opus,
            secret: None,
            one_by_one: false,
        })
    }

    fn by_datagram(stream: Stream, listeners: usize, clock: Clock) -> Result<Self> {
        let mut side = Self::serving(stream, clock, |server, _| Seats {
            server,
            readers: 0,
            browsers: None,
            by_datagram: listeners,
            deaf: 0,
            opus: stream.opus,
            secret: None,
            one_by_one: false,
        })?;
        (side.name, side.takes_pieces) = ("network loop by datagram", true);
        Ok(side)
    }

    fn browsers(stream: Stream, listeners: usize, clock: Clock) -> Result<Self> {
        let mut side = Self::serving(stream, clock, |server, page| Seats {
            server,
            readers: 0,
            browsers: Some((page, listeners)),
            by_datagram: 0,
            deaf: 0,
            opus: false,
            secret: None,
            one_by_one: false,
        })?;
        side.name = "network loop with browsers";
        Ok(side)
    }

    fn serving(
        stream: Stream,
        clock: Clock,
        seats: impl FnOnce(SocketAddr, SocketAddr) -> Seats,
    ) -> Result<Self> {
        let door = sockets::listen(Some(Ipv4Addr::LOCALHOST.into()), 0, BACKLOG)?;
        let server = door.local_addr()?;
        let (mut transmit, handle, snapshots) = Transmit::new(door, room(stream), clock)?;
        transmit.send_datagrams(datagram_socket::open(server, Dscp::default())?)?;
        let door = sockets::listen(Some(Ipv4Addr::LOCALHOST.into()), 0, BACKLOG)?;
        let seats = seats(server, door.local_addr()?);
        transmit.open_to_browsers(door, Web::new(Readers::Local, Names::default()))?;
        let (task, thread) = spawn(move || Ok(transmit.run()?))?;
        let audience = Audience::seat(seats)?;
        let stopping = handle.clone();
        Ok(Self {
            name: "network loop",
            takes_pieces: false,
            audience,
            send: Box::new(move |frame| hand_over(&handle, frame)),
            task,
            thread,
            stop: Box::new(move || stopping.stop()),
            _snapshots: Some(snapshots),
        })
    }

    fn bare(stream: Stream, listeners: usize) -> Result<Self> {
        let door = sockets::listen(Some(Ipv4Addr::LOCALHOST.into()), 0, BACKLOG)?;
        door.set_nonblocking(false)?;
        let server = door.local_addr()?;
        let seats = Seats {
            server,
            readers: listeners,
            browsers: None,
            by_datagram: 0,
            deaf: 0,
            opus: false,
            secret: None,
            one_by_one: false,
        };
        let (audience, streams) = Audience::seat_while(seats, || admit(&door, stream, listeners))?;
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), Token(0))?);
        let (orders, taken) = sync_channel(64);
        let (task, thread) = spawn(move || bare_loop(poll, &taken, streams))?;
        let last: SyncSender<Option<AudioFrame>> = orders.clone();
        let last_waker = Arc::clone(&waker);
        Ok(Self {
            name: "bare loop",
            takes_pieces: false,
            audience,
            send: Box::new(move |frame| {
                orders.try_send(Some(frame)).map_err(|_| "the bare loop is too slow")?;
                Ok(waker.wake()?)
            }),
            task,
            thread,
            stop: Box::new(move || {
                // Where it has ended already, joining it tells why.
                let _ = last.send(None).map(|()| last_waker.wake());
            }),
            _snapshots: None,
        })
    }

    fn cpu(&self) -> Result<Duration> {
        on_cpu(&self.task)
    }

    /// Ends the loop once everybody has got `frames` frames; that it did its work is part of the
    /// comparison.
    fn end_after(self, frames: u64) -> Result<()> {
        let outcome = self.audience.end_after(frames)?;
        (self.stop)();
        self.thread.join().map_err(|_| format!("the {} broke", self.name))??;
        let least = if self.takes_pieces { frames * LEAST_BY_DATAGRAM / 100 } else { frames };
        if outcome.frames.iter().any(|got| *got < least || *got > frames) {
            return Err(format!("the {} did not send everything to everybody", self.name).into());
        }
        Ok(())
    }
}

/// Keeps the calling thread on the first core. Where the system does not allow it, the figures are
/// a little noisier.
fn stay_on_first_core() {
    let mut first = rustix::thread::CpuSet::new();
    first.set(0);
    let _ = rustix::thread::sched_setaffinity(None, &first);
}

fn hand_over(handle: &Handle, frame: AudioFrame) -> Result<()> {
    if handle.send(frame) { Ok(()) } else { Err("the network loop is too slow".into()) }
}

/// Runs `work` on a thread of its own; where its CPU time is to be read.
fn spawn(
    work: impl FnOnce() -> Result<()> + Send + 'static,
) -> Result<(String, JoinHandle<Result<()>>)> {
    let (sender, id) = sync_channel(1);
    let thread = thread::Builder::new().spawn(move || {
        stay_on_first_core();
        let _ = sender.send(rustix::thread::gettid().as_raw_nonzero());
        work()
    })?;
    Ok((format!("/proc/self/task/{}", id.recv()?), thread))
}

/// As many connections as there are listeners, set up as the network loop sets its own up, and after
/// the same conversation: when a system acknowledges depends on what has been said before.
fn admit(door: &std::net::TcpListener, stream: Stream, listeners: usize) -> Result<Vec<TcpStream>> {
    let frame_bytes = stream.format.samples(stream.chunk as usize) * 4 + AUDIO_HEADER;
    let bytes_per_second = stream.format.samples(stream.format.sample_rate as usize) * 4;
    let buffering = Buffering { frame_bytes, bytes_per_second, playout_delay_ms: PLAYOUT_DELAY_MS };
    let Room { config, welcome, .. } = room(stream);
    let mut admitted = Vec::with_capacity(listeners);
    for _ in 0..listeners {
        let (mut stream, _) = door.accept()?;
        sockets::prepare(socket2::SockRef::from(&stream), buffering, Dscp::default());
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&config.frame())?;
        admitted.push(stream);
    }
    let mut hello = [0; MAX_CLIENT_FRAME];
    let welcomed = admitted.into_iter().map(|mut stream| {
        let _ = stream.read(&mut hello)?;
        stream.write_all(&welcome.frame())?;
        stream.set_nonblocking(true)?;
        Ok(TcpStream::from_std(stream))
    });
    welcomed.collect()
}

/// Wakes, takes what there is, sends it to everybody. A socket that does not take all of it ends
/// the comparison.
fn bare_loop(
    mut poll: Poll,
    orders: &Receiver<Option<AudioFrame>>,
    mut streams: Vec<TcpStream>,
) -> Result<()> {
    let mut events = Events::with_capacity(1024);
    loop {
        match poll.poll(&mut events, None) {
            Err(e) if e.kind() != ErrorKind::Interrupted => return Err(e.into()),
            _ => {}
        }
        while let Ok(order) = orders.try_recv() {
            let Some(frame) = order else { return Ok(()) };
            for stream in &mut streams {
                if stream.write(frame.typed())? != frame.typed().len() {
                    return Err("a listener did not keep up with the bare loop".into());
                }
            }
        }
    }
}
