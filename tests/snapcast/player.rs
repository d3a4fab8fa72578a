//! A snapclient, as far as the network goes.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::PATIENCE;

pub(super) const CODEC_HEADER: u16 = 1;
pub(super) const WIRE_CHUNK: u16 = 2;
pub(super) const SERVER_SETTINGS: u16 = 3;
pub(super) const TIME: u16 = 4;
pub(super) const HELLO: u16 = 5;
pub(super) const CLIENT_INFO: u16 = 7;
pub(super) const ERROR: u16 = 8;

const HEADER: usize = 26;

/// A message from the server.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) kind: u16,
    pub(super) answers: u16,
    pub(super) sent_us: i64,
    pub(super) body: Vec<u8>,
}

/// A piece of sound.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chunk {
    pub(super) captured_us: i64,
    pub(super) sound: Vec<u8>,
}

fn number(bytes: &[u8], at: usize) -> i32 {
    i32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

pub(super) fn us(bytes: &[u8], at: usize) -> i64 {
    i64::from(number(bytes, at)) * 1_000_000 + i64::from(number(bytes, at + 4))
}

impl Message {
    pub(super) fn json(&self) -> Value {
        assert_eq!(number(&self.body, 0) as usize, self.body.len() - 4);
        serde_json::from_slice(&self.body[4..]).unwrap()
    }

    pub(super) fn chunk(&self) -> Chunk {
        assert_eq!(number(&self.body, 8) as usize, self.body.len() - 12);
        Chunk { captured_us: us(&self.body, 0), sound: self.body[12..].to_vec() }
    }
}

/// A message as a client writes it.
pub(super) fn message(kind: u16, id: u16, sent_us: i64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(id.to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(i32::try_from(sent_us.div_euclid(1_000_000)).unwrap().to_le_bytes());
    bytes.extend(i32::try_from(sent_us.rem_euclid(1_000_000)).unwrap().to_le_bytes());
    bytes.extend([0; 8]);
    bytes.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    bytes.extend(body);
    bytes
}

pub(super) fn text(kind: u16, id: u16, value: &Value) -> Vec<u8> {
    let text = value.to_string();
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    message(kind, id, 0, &[&length, text.as_bytes()].concat())
}

pub(super) fn hello(id: &str) -> Value {
    json!({
        "Arch": "x86_64", "ClientName": "Snapclient", "HostName": format!("room {id}"), "ID": id,
        "Instance": 1, "MAC": "00:00:00:00:00:00", "OS": "Debian", "SnapStreamProtocolVersion": 2,
        "Version": "0.26.0",
    })
}

pub(super) struct Player {
    pub(super) socket: TcpStream,
}

impl Player {
    pub(super) fn connect(server: SocketAddr) -> Self {
        let socket = TcpStream::connect(server).unwrap();
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket }
    }

    /// Joins, and returns what it is set to.
    pub(super) fn join(server: SocketAddr, id: &str) -> (Self, Value) {
        let mut player = Self::connect(server);
        player.say(&text(HELLO, 7, &hello(id)));
        let settings = player.next();
        assert_eq!((settings.kind, settings.answers), (SERVER_SETTINGS, 7), "{settings:?}");
        let header = player.next();
        assert_eq!(header.kind, CODEC_HEADER, "{header:?}");
        assert_eq!(header.body[..7], [3, 0, 0, 0, b'p', b'c', b'm']);
        (player, settings.json())
    }

    pub(super) fn say(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).unwrap();
    }

    /// The next message; `None` where the server has closed.
    pub(super) fn try_next(&mut self) -> Option<Message> {
        let mut head = [0; HEADER];
        self.socket.read_exact(&mut head).ok()?;
        let mut body = vec![0; usize::try_from(number(&head, 22)).unwrap()];
        self.socket.read_exact(&mut body).ok()?;
        let word = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
        Some(Message { kind: word(0), answers: word(4), sent_us: us(&head, 6), body })
    }

    pub(super) fn next(&mut self) -> Message {
        self.try_next().expect("the server has closed")
    }

    /// The next message of a kind; sound may come before it.
    pub(super) fn next_of(&mut self, kind: u16) -> Message {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let message = self.next();
            if message.kind == kind {
                return message;
            }
            assert!(message.kind == WIRE_CHUNK, "{message:?}");
            assert!(Instant::now() < deadline, "nothing of kind {kind} came");
        }
    }

    /// Asks the server for its time, as often as a client does at the start. By how much its clock is ahead of ours, which
    /// began then 3 s before zero, and how long the quickest question took, all in µs.
    pub(super) fn ask_the_time(&mut self, began: Instant) -> (i64, i64) {
        let now_us = || began.elapsed().as_micros() as i64 - 3_000_000;
        let mut aheads = Vec::new();
        for id in 1..=50 {
            let sent_us = now_us();
            self.say(&message(TIME, id, sent_us, &[0; 8]));
            let answer = self.next_of(TIME);
            let back_us = now_us();
            assert_eq!(answer.answers, id);
            let there_us = us(&answer.body, 0);
            // The server's clock lies between the two ways.
            assert!(answer.sent_us - there_us >= sent_us);
            assert!(answer.sent_us >= sent_us + there_us);
            aheads.push((back_us - sent_us, (there_us + answer.sent_us - back_us) / 2));
        }
        // The quickest knows best.
        let (round_us, ahead_us) = *aheads.iter().min().unwrap();
        (ahead_us, round_us)
    }

    /// Reads until the server closes. It must.
    pub(super) fn until_closed(mut self) -> Vec<Message> {
        let deadline = Instant::now() + PATIENCE;
        let mut last = Vec::new();
        while let Some(message) = self.try_next() {
            last.push(message);
            assert!(Instant::now() < deadline, "it is not closed: {last:?}");
        }
        assert!(Instant::now() < deadline, "it is not closed");
        last
    }
}
