//! What the clocks of both sides are compared by.

use byteorder::{BigEndian, ByteOrder};

use super::{Violation, kind, typed};

/// Client → server: the client's clock, in µs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ping {
    /// When it was sent, by the client's clock.
    pub client_us: u64,
}

impl Ping {
    /// Reads a ping's body; more bytes than ours are ignored.
    ///
    /// # Errors
    /// [`Violation::TooShort`].
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        if body.len() < 8 {
            return Err(Violation::TooShort { length: body.len() as u32 + 1 });
        }
        Ok(Self { client_us: BigEndian::read_u64(body) })
    }

    /// The whole typed frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        typed(kind::PING, &self.client_us.to_be_bytes())
    }
}

/// Server → client: the ping's time, and the server's when it came and when this left, in µs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pong {
    /// Echoed from the ping.
    pub client_us: u64,
    /// When the ping was read.
    pub received_us: u64,
    /// When this was handed to the system.
    pub sent_us: u64,
}

impl Pong {
    /// Reads a pong's body; more bytes than ours are ignored.
    ///
    /// # Errors
    /// [`Violation::TooShort`].
    pub fn read(body: &[u8]) -> Result<Self, Violation> {
        if body.len() < 24 {
            return Err(Violation::TooShort { length: body.len() as u32 + 1 });
        }
        Ok(Self {
            client_us: BigEndian::read_u64(body),
            received_us: BigEndian::read_u64(&body[8..]),
            sent_us: BigEndian::read_u64(&body[16..]),
        })
    }

    /// The whole typed frame.
    #[must_use]
    pub fn frame(&self) -> Vec<u8> {
        let mut body = [0; 24];
        BigEndian::write_u64(&mut body, self.client_us);
        BigEndian::write_u64(&mut body[8..], self.received_us);
        BigEndian::write_u64(&mut body[16..], self.sent_us);
        typed(kind::PONG, &body)
    }
}
