//! One end of a connection, whose frames are read as they come.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use auralync::wire::{Deframer, Frame, Limits};

pub(crate) struct Line {
    pub(crate) socket: TcpStream,
    deframer: Deframer,
    bytes: Vec<u8>,
}

impl Line {
    /// A line on which frames come that are no longer than `longest`, from now on typed ones alone.
    /// `socket` waits for them as long as it has been told.
    pub(crate) fn new(socket: TcpStream, longest: usize) -> Self {
        let deframer = Deframer::new(Limits { plain: 0, typed: longest });
        Self { socket, deframer, bytes: vec![0; 64 * 1024] }
    }

    pub(crate) fn say(&mut self, bytes: &[u8]) {
        // Another end that has closed is found out by reading.
        let _ = self.socket.write_all(bytes);
    }

    /// Hands kind and body of each frame that has come to `take`; `false` if no more will come.
    pub(crate) fn listen(&mut self, mut take: impl FnMut(u8, &[u8])) -> bool {
        let is_open = match self.socket.read(&mut self.bytes) {
            Ok(count) => {
                self.deframer.push(&self.bytes[..count]);
                count > 0
            }
            Err(e) => matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        };
        while let Some(frame) = self.deframer.next_frame().unwrap() {
            let Frame::Typed { kind, body } = frame else { panic!("a plain frame") };
            take(kind, body);
        }
        is_open
    }
}
