//! A listener by WebSocket that only counts: its opening, and messages taken out of their framing.

use std::net::SocketAddr;

use crate::listener::Follower;

/// What a browser sends first.
pub(crate) fn opening(page: SocketAddr) -> String {
    format!(
        "GET /listen HTTP/1.1\r\nHost: {page}\r\nOrigin: http://{page}\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A short frame as a client must send it. A mask of zeros is one.
pub(crate) fn masked(frame: &[u8]) -> Vec<u8> {
    let length = u16::try_from(frame.len()).unwrap_or(u16::MAX).to_be_bytes();
    let head = match frame.len() {
        0..126 => vec![0x82, 0x80 | length[1]],
        _ => vec![0x82, 0x80 | 126, length[0], length[1]],
    };
    [&head[..], &[0; 4], frame].concat()
}

/// Takes the framing off what a server sends.
#[derive(Debug, Default)]
pub(crate) struct Unwrap {
    opened: bool,
    /// What of the answer's end or of a message's header has come.
    head: Vec<u8>,
    /// Bytes until the next header.
    left: usize,
}

impl Unwrap {
    /// Hands the frames in `bytes` to the follower.
    pub(crate) fn take(&mut self, mut bytes: &[u8], follower: &mut Follower) {
        while let Some((&first, rest)) = bytes.split_first() {
            if self.left > 0 {
                let (frame, later) = bytes.split_at(self.left.min(bytes.len()));
                self.left -= frame.len();
                follower.take(frame);
                bytes = later;
                continue;
            }
            self.head.push(first);
            bytes = rest;
            if !self.opened {
                self.opened = self.head.ends_with(b"\r\n\r\n");
                follower.greeted = self.opened;
            } else if let Some(left) = length(&self.head) {
                self.left = left;
            } else {
                continue;
            }
            if self.opened {
                self.head.clear();
            }
        }
    }
}

/// What a whole header says of the bytes that follow it.
fn length(head: &[u8]) -> Option<usize> {
    let wide = match head.get(1)? {
        127 => 8,
        126 => 2,
        short => return Some(usize::from(*short)),
    };
    let digits = head.get(2..2 + wide)?;
    Some(digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)))
}
