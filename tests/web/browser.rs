//! As much of a browser as a test needs, over bare sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use auralync::wire::{Hello, TYPED, kind};

use crate::support::socket;
use crate::support::websocket::{masked, opening};

/// Writes `request` and reads until the server closes.
pub(crate) fn exchange(page: SocketAddr, request: &[u8]) -> String {
    let mut socket = socket::connect(page);
    socket.write_all(request).unwrap();
    read_all(socket)
}

pub(crate) fn read_all(mut socket: TcpStream) -> String {
    let mut answer = Vec::new();
    // A server that closes while we still write resets the connection; what it said counts.
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// `GET` (or another method) of a path, as from the page itself.
pub(crate) fn request(page: SocketAddr, method: &str, path: &str) -> (String, String) {
    let text = format!("{method} {path} HTTP/1.1\r\nHost: {page}\r\nConnection: close\r\n\r\n");
    let answer = exchange(page, text.as_bytes());
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    (head.to_owned(), body.to_owned())
}

/// A WebSocket that does only what a test makes it do.
pub(crate) struct WebSocket(pub(crate) TcpStream);

/// What the server sent.
#[derive(Debug, PartialEq)]
pub(crate) enum Message {
    /// A typed frame.
    Frame(u8, Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
    /// The connection's end.
    End,
}

impl WebSocket {
    pub(crate) fn open(page: SocketAddr) -> Self {
        Self::open_on(socket::connect(page), page)
    }

    pub(crate) fn open_on(mut socket: TcpStream, page: SocketAddr) -> Self {
        socket.write_all(opening(page).as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            socket.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{head}");
        Self(socket)
    }

    /// Opens, says hello and reads the welcome.
    pub(crate) fn listen(page: SocketAddr, id: &str) -> (Self, serde_json::Value) {
        let mut socket = Self::open(page);
        socket.send(&hello(id));
        let Message::Frame(kind::WELCOME, welcome) = socket.next() else {
            panic!("no welcome");
        };
        (socket, serde_json::from_slice(&welcome).unwrap())
    }

    /// A masked binary message.
    pub(crate) fn send(&mut self, frame: &[u8]) {
        self.0.write_all(&masked(0x82, frame)).unwrap();
    }

    pub(crate) fn next(&mut self) -> Message {
        let mut head = [0; 2];
        if self.0.read_exact(&mut head).is_err() {
            return Message::End;
        }
        assert_eq!(head[0] & 0xf0, 0x80, "whole messages, and no extension");
        let mut length = [0; 8];
        let wide = match head[1] {
            127 => 8,
            126 => 2,
            _ => 0,
        };
        self.0.read_exact(&mut length[8 - wide..]).unwrap();
        let length = if wide == 0 { head[1].into() } else { u64::from_be_bytes(length) };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).unwrap();
        match head[0] & 0x0f {
            2 => {
                let word = u32::from_be_bytes(payload[..4].try_into().unwrap());
                assert_eq!(word, TYPED | (payload.len() as u32 - 4), "one typed frame");
                Message::Frame(payload[4], payload.split_off(5))
            }
            10 => Message::Pong(payload),
            8 => {
                let code = u16::from_be_bytes(payload[..2].try_into().unwrap());
                Message::Close(code, String::from_utf8(payload.split_off(2)).unwrap())
            }
            other => panic!("opcode {other}"),
        }
    }

    /// The next message that is no sound.
    pub(crate) fn next_word(&mut self) -> Message {
        loop {
            match self.next() {
                Message::Frame(kind::AUDIO, _) => {}
                other => return other,
            }
        }
    }

    /// The next audio frame's body.
    pub(crate) fn sound(&mut self) -> Vec<u8> {
        loop {
            match self.next() {
                Message::Frame(kind::AUDIO, body) => return body,
                Message::Frame(..) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

pub(crate) fn hello(id: &str) -> Vec<u8> {
    let codecs = vec!["f32".into()];
    Hello {
        version: 2,
        id: id.into(),
        name: "a phone".into(),
        codecs,
        talk: None,
        datagrams: false,
    }
    .frame()
}
