//! A server that lets listeners speak and keeps what they say: just enough of one to see what a
//! client sends.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use auralync::Format;
use auralync::wire::{
    AudioFrame, AudioHeader, AuralyncKey, Config, Hello, MAX_CLIENT_FRAME, Ping, Pong, Welcome,
    Wish, kind,
};

use super::line::Line;

const FORMAT: Format = Format { sample_rate: 48_000, channels: 2 };
const CHUNK: u32 = 480;

/// The server's clock is this far ahead of when it started, in µs: no client's is near it.
const EPOCH_US: u64 = 7_000_000_000;

/// One talk frame as it came.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) header: AudioHeader,
    pub(crate) payload: Vec<u8>,
    /// When it came, by the server's clock.
    pub(crate) arrived_us: u64,
}

/// What has come so far.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) hellos: Vec<Hello>,
    pub(crate) said: Vec<Said>,
    pub(crate) wishes: Vec<Wish>,
}

/// The server; stops when dropped.
pub(crate) struct RoomServer {
    pub(crate) address: SocketAddr,
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    started: Instant,
    lets_speak: bool,
    heard: Mutex<Heard>,
    /// The frame that says who is there.
    pub(super) people: Mutex<Vec<u8>>,
    stop: AtomicBool,
    hang_up: AtomicBool,
}

impl RoomServer {
    /// Opens a server that lets listeners speak, or does not.
    pub(crate) fn open(lets_speak: bool) -> Self {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = door.local_addr().unwrap();
        let shared = Arc::new(Shared {
            started: Instant::now(),
            lets_speak,
            heard: Mutex::default(),
            people: Mutex::default(),
            stop: false.into(),
            hang_up: false.into(),
        });
        let own = Arc::clone(&shared);
        thread::spawn(move || {
            for socket in door.incoming().map_while(Result::ok) {
                if own.stop.load(Ordering::Relaxed) {
                    return;
                }
                let own = Arc::clone(&own);
                // A client that goes ends the conversation, as it should.
                thread::spawn(move || drop(own.serve(socket)));
            }
        });
        Self { address, shared }
    }

    /// What has come so far.
    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.shared.heard.lock().unwrap()
    }

    /// Closes every connection there is.
    pub(crate) fn hang_up(&self) {
        self.shared.hang_up.store(true, Ordering::Relaxed);
    }
}

impl Drop for RoomServer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Whoever waits at the door sees the order and goes.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn now_us(&self) -> u64 {
        EPOCH_US + u64::try_from(self.started.elapsed().as_micros()).unwrap()
    }

    /// Silence at its pace, and answers, until either side ends it.
    fn serve(&self, mut socket: TcpStream) -> std::io::Result<()> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_millis(2)))?;
        let config = Config {
            sample_rate: FORMAT.sample_rate,
            channels: FORMAT.channels,
            chunk_size: CHUNK,
            auralync: Some(AuralyncKey { version: 2, hold: true, room: None }),
        };
        socket.write_all(&config.frame())?;
        let mut line = Line::new(socket, MAX_CLIENT_FRAME);
        let (mut is_open, mut is_welcomed, mut position) = (true, false, 0);
        let mut told = Vec::new();
        while is_open && !self.stop.load(Ordering::Relaxed) {
            if is_welcomed && self.hang_up.swap(false, Ordering::Relaxed) {
                return Ok(());
            }
            let mut answers = Vec::new();
            is_open = line.listen(|kind, body| {
                answers.extend(self.answer(kind, body, self.now_us()));
            });
            for answer in answers {
                line.say(&answer);
                is_welcomed = true;
            }
            let due = (self.now_us() - EPOCH_US) * 48 / 1000;
            while is_welcomed && position + u64::from(CHUNK) <= due {
                let captured_us = EPOCH_US + position * 1000 / 48;
                let header = AudioHeader { flags: 0, frames: CHUNK, position, captured_us };
                let frame = AudioFrame::float32(header, &[0.0; CHUNK as usize * 2]);
                line.say(frame.typed());
                position += u64::from(CHUNK);
            }
            let people = self.people.lock().unwrap().clone();
            if is_welcomed && people != told {
                line.say(&people);
                told = people;
            }
        }
        Ok(())
    }

    fn answer(&self, kind: u8, body: &[u8], arrived_us: u64) -> Option<Vec<u8>> {
        let mut heard = self.heard.lock().unwrap();
        match kind {
            kind::HELLO => {
                heard.hellos.push(Hello::read(body).unwrap());
                Some(self.welcome().frame())
            }
            kind::PING => {
                let client_us = Ping::read(body).unwrap().client_us;
                let sent_us = self.now_us();
                Some(Pong { client_us, received_us: arrived_us, sent_us }.frame())
            }
            kind::TALK => {
                assert!(self.lets_speak, "it was told that it may not");
                let (header, payload) = AudioHeader::split(body).unwrap();
                let said = Said { header, payload: payload.to_vec(), arrived_us };
                assert!(said.header.captured_us < said.arrived_us && !said.payload.is_empty());
                heard.said.push(said);
                None
            }
            kind::WISH => {
                heard.wishes.push(Wish::read(body).unwrap());
                None
            }
            _ => None,
        }
    }

    fn welcome(&self) -> Welcome {
        let mut welcome = Welcome {
            version: 2,
            session: "00000000000000aa".to_owned(),
            name: "PC".to_owned(),
            format: FORMAT,
            codec: "f32".to_owned(),
            chunk_size: CHUNK,
            position_rate: FORMAT.sample_rate,
            algorithmic_delay: 0,
            playout_delay_ms: 80,
            ping_ms: 250,
            accepts: BTreeMap::new(),
            person: self.lets_speak.then_some(2),
            captured_output: None,
            also_captured: Vec::new(),
            within_ms: None,
            via: Vec::new(),
            datagrams: None,
            room: None,
        };
        if self.lets_speak {
            welcome.let_speak();
        }
        welcome
    }
}
