//! A real server on 127.0.0.1, and peers that speak to it in literal bytes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use auralync::send::Server;
use auralync::settings::ServerArgs;
use auralync::shutdown::Shutdown;
use clap::Parser;
use serde_json::Value;

/// Far longer than anything here takes; a test that runs into it has failed.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A server in this process that sends a tone. Stops when dropped.
pub(crate) struct Room {
    address: SocketAddr,
    shutdown: Shutdown,
    server: Option<JoinHandle<auralync::Result<()>>>,
}

impl Room {
    /// Opens one, with these flags besides the usual ones. Its frames fall out only after two
    /// seconds: a busy machine's stalls are nobody's doing.
    pub(crate) fn open(flags: &str) -> Self {
        let usual = "auralync-server --preset presets/smooth.toml --bind 127.0.0.1 --port 0 \
                     --source tone:440 --sample-rate 44100 --name room -q --no-discovery \
                     --playout-delay-ms 2000 --max-queue-size 200";
        let words = usual.split_whitespace().chain(flags.split_whitespace());
        let settings = ServerArgs::try_parse_from(words).unwrap().settings().unwrap();
        let server = Server::open(settings).unwrap();
        let address = server.address().unwrap();
        let shutdown = Shutdown::default();
        let heard = shutdown.clone();
        let server = Some(std::thread::spawn(move || server.run(&heard)));
        Self { address, shutdown, server }
    }

    /// Where it is.
    #[cfg(target_os = "linux")]
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn connect(&self) -> Peer {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        Peer { stream }
    }

    /// A listener that has said hello and heard its welcome.
    pub(crate) fn welcomed(&self, id: &str) -> Peer {
        let mut peer = self.connect();
        peer.config();
        peer.say(&hello(id));
        peer.welcome();
        peer
    }

    /// Asks the server to stop, as Ctrl-C does.
    pub(crate) fn stop(&self) {
        self.shutdown.request();
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shutdown.request();
        let ended = self.server.take().map(JoinHandle::join);
        if !std::thread::panicking() {
            ended.unwrap().expect("the server does not panic").expect("the server ends well");
        }
    }
}

/// A frame as it lies on the wire.
#[derive(Debug, PartialEq)]
pub(crate) enum Raw {
    Plain(Vec<u8>),
    Typed(u8, Vec<u8>),
}

/// One connection, with no help from the code under test.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
}

impl Peer {
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next `count` bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    /// The next frame.
    pub(crate) fn frame(&mut self) -> Raw {
        self.frame_or_end().expect("a frame, not the end")
    }

    /// The next frame, or `None` if the server closes instead.
    pub(crate) fn frame_or_end(&mut self) -> Option<Raw> {
        let mut header = [0; 4];
        match self.stream.read_exact(&mut header) {
            Ok(()) => {}
            Err(e) if is_closing(&e) => return None,
            Err(e) => panic!("{e}"),
        }
        let word = u32::from_be_bytes(header);
        let length = (word & 0x7fff_ffff) as usize;
        assert!((1..1 << 20).contains(&length), "a length of {length}");
        let mut body = self.bytes(length);
        Some(if word == word & 0x7fff_ffff {
            Raw::Plain(body)
        } else {
            let kind = body.remove(0);
            Raw::Typed(kind, body)
        })
    }

    /// The config, which is the first frame.
    pub(crate) fn config(&mut self) -> Value {
        match self.frame() {
            Raw::Plain(json) => serde_json::from_slice(&json).unwrap(),
            other => panic!("{other:?} instead of a config"),
        }
    }

    /// Skips the sound of version 1 and returns the welcome.
    pub(crate) fn welcome(&mut self) -> Value {
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until {
            match self.frame() {
                Raw::Plain(_) => {}
                Raw::Typed(2, body) => return serde_json::from_slice(&body).unwrap(),
                Raw::Typed(kind, _) => panic!("kind {kind} before the welcome"),
            }
        }
        panic!("no welcome came");
    }

    /// Skips sound and returns the next typed frame of another kind; `None` at the end.
    pub(crate) fn control(&mut self) -> Option<(u8, Vec<u8>)> {
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until {
            match self.frame_or_end()? {
                Raw::Typed(3, _) | Raw::Plain(_) => {}
                Raw::Typed(kind, body) => return Some((kind, body)),
            }
        }
        panic!("nothing but sound came");
    }

    /// Reads until the server closes; panics if it does not. Returns how long that took.
    pub(crate) fn wait_for_the_end(&mut self) -> Duration {
        let start = Instant::now();
        let mut bytes = [0; 16 * 1024];
        while start.elapsed() < DEADLINE {
            match self.stream.read(&mut bytes) {
                Ok(0) => return start.elapsed(),
                Ok(_) => {}
                Err(e) if is_closing(&e) => return start.elapsed(),
                Err(e) => panic!("{e}"),
            }
        }
        panic!("the server keeps this connection open");
    }

    /// Which sound the next typed audio frame is: position, frames, flags, capture time.
    pub(crate) fn audio(&mut self) -> Sound {
        let until = Instant::now() + DEADLINE;
        while Instant::now() < until {
            if let Raw::Typed(3, body) = self.frame() {
                return Sound::read(&body);
            }
        }
        panic!("no sound came");
    }
}

/// What a typed audio frame says, read by hand.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sound {
    pub(crate) flags: u8,
    pub(crate) frames: u32,
    pub(crate) position: u64,
    pub(crate) captured_us: u64,
    pub(crate) samples: Vec<f32>,
}

impl Sound {
    fn read(body: &[u8]) -> Self {
        let u64_at = |at: usize| u64::from_be_bytes(body[at..at + 8].try_into().unwrap());
        Self {
            flags: body[0],
            frames: u32::from_be_bytes(body[3..7].try_into().unwrap()),
            position: u64_at(7),
            captured_us: u64_at(15),
            samples: samples(&body[23..]),
        }
    }
}

pub(crate) fn samples(payload: &[u8]) -> Vec<f32> {
    assert!(payload.len().is_multiple_of(4));
    payload.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// A typed frame, put together by hand.
pub(crate) fn typed(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 1).unwrap();
    [(0x8000_0000 | length).to_be_bytes().as_slice(), &[kind], body].concat()
}

pub(crate) fn hello(id: &str) -> Vec<u8> {
    let json = format!(r#"{{"version":2,"id":"{id}","name":"peer","codecs":["f32"]}}"#);
    typed(1, json.as_bytes())
}

pub(crate) fn ping(client_us: u64) -> Vec<u8> {
    typed(4, &client_us.to_be_bytes())
}

/// Whether an error is one way or another of the server closing.
pub(crate) fn is_closing(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}
