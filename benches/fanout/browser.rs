//! A listener by WebSocket that only counts: messages taken out of their framing.

use crate::listener::Follower;

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
