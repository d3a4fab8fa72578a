//! A process full of listeners: this bench, started again in another role.

use std::io::{self, BufRead, Read, Write};
use std::net::SocketAddr;
use std::process::{ChildStdin, Command, ExitCode};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use auralync::wire::{Hello, VERSION};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};

use crate::browser::Unwrap;
use crate::listener::{Counts, Follower};
use crate::measuring::Result;
use crate::support::member;
use crate::support::program::Program;
use crate::support::waiting::PATIENCE;
use crate::support::websocket::{masked, opening};
use crate::way::Way;

/// The first argument of a process that is to be an audience.
const ROLE: &str = "--audience";

/// After each look at the sockets the audience rests, so that a send wakes it once per chunk and
/// not once per listener: real listeners do not wake anything on the server's machine.
const REST: Duration = Duration::from_millis(3);

/// Longest wait for sound before asking whether the bench is over.
const LOOK: Duration = Duration::from_millis(50);

/// Longest wait for frames that are still on their way at the end.
const LAST_FRAMES: Duration = Duration::from_secs(1);

/// Tokens of datagram sockets count from here, those of connections from 0.
const FIRST_WAY: usize = 1 << 20;

/// The listeners that are to come.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Seats {
    /// Where the server is.
    pub(crate) server: SocketAddr,
    /// Those that read.
    pub(crate) readers: usize,
    /// Where the server's page is, and how many come from there and read.
    pub(crate) browsers: Option<(SocketAddr, usize)>,
    /// Those that read datagrams.
    pub(crate) by_datagram: usize,
    /// Those that connect and never read.
    pub(crate) deaf: usize,
    /// Whether all of them ask for Opus.
    pub(crate) opus: bool,
    /// The secret of the private room that they come into, which has no browsers here.
    pub(crate) secret: Option<[u8; 16]>,
    /// Whether they come one by one into an open room too: what they ask later does not come at once then.
    pub(crate) one_by_one: bool,
}

/// The moment at which everybody has got what they first wait for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Greeted {
    /// From the first connection attempt to the last config, in ms.
    pub(crate) last_config_ms: f64,
}

/// What came since [`Audience::begin`], or since the start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) seconds: f64,
    /// Connections that the server closed, of those that read.
    pub(crate) closed: usize,
    pub(crate) lost: u64,
    /// Frames and bytes of each reader.
    pub(crate) frames: Vec<u64>,
    pub(crate) bytes: Vec<u64>,
}

/// The bench's side of an audience.
pub(crate) struct Audience {
    process: Program,
    orders: ChildStdin,
    pub(crate) greeted: Greeted,
}

impl Audience {
    /// Starts the process and waits until everybody in it is welcome.
    pub(crate) fn seat(seats: Seats) -> Result<Self> {
        Self::seat_while(seats, || Ok(())).map(|(audience, ())| audience)
    }

    /// Starts the process and waits until everybody in it is welcome, with a server that is `serve`.
    pub(crate) fn seat_while<T>(
        seats: Seats,
        serve: impl FnOnce() -> Result<T>,
    ) -> Result<(Self, T)> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(ROLE).arg(serde_json::to_string(&seats)?);
        let (mut process, orders) = Program::start_told(command);
        let served = serve()?;
        let greeted = process.find("that all are greeted", |line| serde_json::from_str(line).ok());
        Ok((Self { process, orders, greeted }, served))
    }

    fn tell(&mut self, line: &str) -> Result<()> {
        Ok(writeln!(self.orders, "{line}")?)
    }

    /// Counting starts anew.
    pub(crate) fn begin(&mut self) -> Result<()> {
        self.tell("begin")?;
        self.process.wait_for("begun");
        Ok(())
    }

    /// What came since [`begin`](Self::begin), as soon as everybody has got `frames` frames (or a
    /// second later); the process ends.
    pub(crate) fn end_after(mut self, frames: u64) -> Result<Outcome> {
        self.tell(&frames.to_string())?;
        let outcome = self.process.find("what came", |line| serde_json::from_str(line).ok());
        self.process.wait();
        Ok(outcome)
    }
}

/// Runs the bench of that name, or the audience that it has started in another process.
pub(crate) fn run(name: &str, measure: impl FnOnce() -> Result<()>) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == ROLE => listen(rest),
        _ => measure(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("{name}: {e}");
            ExitCode::FAILURE
        }
    }
}

/// The process itself.
fn listen(arguments: &[String]) -> Result<()> {
    auralync::send::transmit::sockets::make_room_for(0, 0);
    let seats: Seats = serde_json::from_str(arguments.first().ok_or("nobody to listen to")?)?;
    let orders = orders();
    let mut room = Room::connect(seats)?;
    let mut said = false;
    let mut begun = Instant::now();
    loop {
        match orders.try_recv() {
            Ok(order) if order == "begin" => {
                begun = Instant::now();
                room.forget_counts();
                say("begun")?;
            }
            Ok(order) => {
                let frames = order.parse()?;
                let deadline = Instant::now() + LAST_FRAMES;
                while !room.have_got(frames) && Instant::now() < deadline {
                    room.look()?;
                }
                say(&serde_json::to_string(&room.outcome(begun.elapsed()))?)?;
                return Ok(());
            }
            Err(TryRecvError::Disconnected) => return Ok(()),
            Err(TryRecvError::Empty) => {}
        }
        room.look()?;
        if !said && let Some(greeted) = room.all_are_welcome()? {
            said = true;
            say(&serde_json::to_string(&greeted)?)?;
        }
        // Until all are greeted, the time of the last config is what is measured.
        if said {
            thread::sleep(REST);
        }
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// The lines of stdin.
fn orders() -> Receiver<String> {
    let (sender, orders) = channel();
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(std::result::Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    orders
}

struct Room {
    poll: Poll,
    events: Events,
    readers: Vec<Reader>,
    /// Held open and never looked at.
    _deaf: Vec<std::net::TcpStream>,
    connecting: Instant,
    last_config: Instant,
    buffer: Vec<u8>,
}

struct Reader {
    stream: TcpStream,
    /// There if it reads datagrams.
    way: Option<Way>,
    /// What it asks for.
    codec: &'static str,
    /// There if it is a browser.
    unwrap: Option<Unwrap>,
    follower: Follower,
    said_hello: bool,
    closed: bool,
}

impl Room {
    /// Begins all connections at the same instant: none waits for another.
    fn connect(seats: Seats) -> Result<Self> {
        let poll = Poll::new()?;
        let connecting = Instant::now();
        let codec = if seats.opus { "opus" } else { "f32" };
        let mut readers = Vec::with_capacity(seats.readers);
        let private = if seats.secret.is_some() { seats.readers } else { 0 };
        for index in 0..private {
            let mut reader = Reader::member(seats, index, codec)?;
            poll.registry().register(&mut reader.stream, Token(index), Interest::READABLE)?;
            readers.push(reader);
        }
        for index in private..seats.readers {
            let mut stream = TcpStream::connect(seats.server).map_err(|e| {
                format!("listener {index} of {} cannot connect: {e}", seats.readers)
            })?;
            poll.registry().register(&mut stream, Token(index), Interest::READABLE)?;
            readers.push(Reader::new(stream, None, codec));
        }
        if let Some((page, browsers)) = seats.browsers {
            for _ in 0..browsers {
                let mut stream = std::net::TcpStream::connect(page)?;
                stream.write_all(opening(page).as_bytes())?;
                stream.set_nonblocking(true)?;
                let mut stream = TcpStream::from_std(stream);
                let token = Token(readers.len());
                poll.registry().register(&mut stream, token, Interest::READABLE)?;
                readers.push(Reader::new(stream, Some(Unwrap::default()), codec));
            }
        }
        for number in 0..seats.by_datagram {
            if seats.one_by_one && seats.secret.is_none() {
                thread::sleep(member::APART);
            }
            let (stream, mut way) = Way::open(seats.server, seats.secret, number, codec)?;
            let mut stream = TcpStream::from_std(stream);
            let token = readers.len();
            poll.registry().register(&mut stream, Token(token), Interest::READABLE)?;
            let way_token = Token(FIRST_WAY + token);
            poll.registry().register(&mut way.udp, way_token, Interest::READABLE)?;
            let mut reader = Reader::new(stream, None, codec);
            (reader.follower.greeted, reader.follower.welcomed) = (true, true);
            (reader.said_hello, reader.way) = (true, Some(way));
            readers.push(reader);
        }
        let deaf = (0..seats.deaf)
            .map(|_| std::net::TcpStream::connect(seats.server))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            poll,
            events: Events::with_capacity(4096),
            readers,
            _deaf: deaf,
            connecting,
            last_config: connecting,
            buffer: vec![0; 256 * 1024],
        })
    }

    /// Takes all that waits.
    fn look(&mut self) -> Result<()> {
        self.poll.poll(&mut self.events, Some(LOOK))?;
        for event in &self.events {
            if let Some(number) = event.token().0.checked_sub(FIRST_WAY) {
                let way = self.readers.get_mut(number).and_then(|reader| reader.way.as_mut());
                way.into_iter().for_each(|way| way.read(&mut self.buffer));
                continue;
            }
            let Some(reader) = self.readers.get_mut(event.token().0) else { continue };
            let was_greeted = reader.follower.greeted;
            reader.read(&mut self.buffer)?;
            if reader.follower.greeted && !was_greeted {
                self.last_config = Instant::now();
            }
        }
        Ok(())
    }

    fn all_are_welcome(&self) -> Result<Option<Greeted>> {
        if self.readers.iter().all(|reader| reader.follower.welcomed) {
            let last_config_ms = (self.last_config - self.connecting).as_secs_f64() * 1e3;
            return Ok(Some(Greeted { last_config_ms }));
        }
        if self.connecting.elapsed() > PATIENCE {
            let waiting = self.readers.iter().filter(|reader| !reader.follower.welcomed).count();
            return Err(format!("{waiting} of {} are left hanging", self.readers.len()).into());
        }
        Ok(None)
    }

    fn have_got(&self, frames: u64) -> bool {
        self.readers.iter().all(|reader| reader.counts().frames >= frames)
    }

    fn forget_counts(&mut self) {
        for reader in &mut self.readers {
            reader.follower.counts = Counts::default();
            reader.way.iter_mut().for_each(Way::forget_counts);
        }
    }

    fn outcome(&self, took: Duration) -> Outcome {
        let counts = || self.readers.iter().map(Reader::counts);
        Outcome {
            seconds: took.as_secs_f64(),
            closed: self.readers.iter().filter(|reader| reader.closed).count(),
            lost: counts().map(|counts| counts.lost).sum(),
            frames: counts().map(|counts| counts.frames).collect(),
            bytes: counts().map(|counts| counts.bytes).collect(),
        }
    }
}

/// How a listener here introduces itself.
pub(crate) fn hello(id: String, codec: &str, datagrams: bool) -> Hello {
    let (name, codecs) = ("audience".to_owned(), vec![codec.to_owned()]);
    Hello { version: VERSION, id, name, codecs, talk: None, datagrams }
}

impl Reader {
    /// One in a private room.
    fn member(seats: Seats, number: usize, codec: &'static str) -> Result<Self> {
        let hello = hello(format!("member {number}"), codec, false);
        let secret = seats.secret.ok_or("no secret")?;
        let (stream, _, _) = member::enter(seats.server, secret, number, &hello);
        stream.set_nonblocking(true)?;
        let mut reader = Self::new(TcpStream::from_std(stream), None, codec);
        (reader.follower.greeted, reader.follower.welcomed) = (true, true);
        reader.said_hello = true;
        Ok(reader)
    }

    fn new(stream: TcpStream, unwrap: Option<Unwrap>, codec: &'static str) -> Self {
        let follower = Follower::default();
        Self { stream, way: None, codec, unwrap, follower, said_hello: false, closed: false }
    }

    /// What has come both ways.
    fn counts(&self) -> Counts {
        let Counts { bytes, frames, lost } = self.follower.counts;
        let (more_bytes, more_frames, more_lost) =
            self.way.as_ref().map_or((0, 0, 0), |way| (way.bytes, way.chunks(), way.lost));
        Counts { bytes: bytes + more_bytes, frames: frames + more_frames, lost: lost + more_lost }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => {
                    self.closed = true;
                    return Ok(());
                }
                Ok(count) => match &mut self.unwrap {
                    Some(unwrap) => unwrap.take(&buffer[..count], &mut self.follower),
                    None => self.follower.take(&buffer[..count]),
                },
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(format!("a connection broke: {e}").into()),
            }
        }
        if self.follower.greeted && !self.said_hello {
            self.said_hello = true;
            // Two connections may come from one port if they go to different ones.
            let id = format!("{} to {}", self.stream.local_addr()?, self.stream.peer_addr()?);
            let hello = hello(id, self.codec, false).frame();
            let hello = if self.unwrap.is_some() { masked(0x82, &hello) } else { hello };
            // A hello fits into every empty send buffer.
            self.stream.write_all(&hello)?;
        }
        Ok(())
    }
}
