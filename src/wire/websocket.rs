//! WebSocket (RFC 6455) as a server speaks it: messages out, frames in, and the opening's key.
//! Bytes only; no I/O and no clock.
//!
//! Every message of a conversation is binary and holds exactly one typed frame. Clients mask what
//! they send; servers do not, so that one frame's bytes serve everybody.

use super::{MAX_CLIENT_FRAME, TYPED, kind, typed};

/// Longest message that a server takes from a client, in bytes: its longest typed frame.
pub const MAX_CLIENT_MESSAGE: usize = 4 + MAX_CLIENT_FRAME;

/// Longest payload of a ping, pong or close, in bytes, as the standard has it.
pub const MAX_CONTROL: usize = 125;

/// Longest header of an unmasked frame, in bytes.
pub const MAX_HEADER: usize = 10;

/// Codes of a close, as the standard has them, and from 4000 on what it leaves to us.
pub mod close {
    /// The purpose is fulfilled.
    pub const NORMAL: u16 = 1000;
    /// The server goes away.
    pub const GOING_AWAY: u16 = 1001;
    /// The other side broke the standard.
    pub const PROTOCOL_ERROR: u16 = 1002;
    /// Text where only binary messages are taken.
    pub const UNSUPPORTED: u16 = 1003;
    /// The standard was kept, AuraLync's protocol was not.
    pub const POLICY: u16 = 1008;
    /// A message beyond the limit.
    pub const TOO_BIG: u16 = 1009;
    /// Come again later: the server is full.
    pub const TRY_AGAIN: u16 = 1013;
    /// Whoever runs the server has asked this listener to leave: do not come again.
    pub const REMOVED: u16 = 4001;
    /// This room is private, and what was sent was made with another key than its own.
    pub const WRONG_KEY: u16 = 4002;
    /// Whoever runs this private room does not let this listener in: do not come again by itself.
    pub const NOT_LET_IN: u16 = 4003;
}

mod opcode {
    pub(super) const CONTINUATION: u8 = 0;
    pub(super) const TEXT: u8 = 1;
    pub(super) const BINARY: u8 = 2;
    pub(super) const CLOSE: u8 = 8;
    pub(super) const PING: u8 = 9;
    pub(super) const PONG: u8 = 10;
}

/// The last frame of a message.
const FIN: u8 = 0x80;

/// Set in a length byte: the payload is masked.
const MASKED: u8 = 0x80;

/// What a client did that a WebSocket may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// A frame without a mask.
    #[error("a frame that is not masked")]
    Unmasked,
    /// Anything else that the standard forbids.
    #[error("a frame that WebSocket does not allow")]
    Malformed,
    /// Text.
    #[error("a text message where only binary ones are taken")]
    Text,
    /// Anything but text, where only that is taken.
    #[error("a message that is not text where only that is taken")]
    NotText,
    /// A message beyond [`MAX_CLIENT_MESSAGE`].
    #[error("a message of more than {MAX_CLIENT_MESSAGE} bytes")]
    TooBig,
    /// A message that is not one typed frame.
    #[error("a message that is not exactly one frame")]
    NotOneFrame,
}

impl Misuse {
    /// What to close with.
    #[must_use]
    pub fn close_code(self) -> u16 {
        match self {
            Self::Unmasked | Self::Malformed => close::PROTOCOL_ERROR,
            Self::Text | Self::NotText => close::UNSUPPORTED,
            Self::TooBig => close::TOO_BIG,
            Self::NotOneFrame => close::POLICY,
        }
    }
}

/// What `Sec-WebSocket-Accept` answers to a `Sec-WebSocket-Key`; `None` if that is no key: 16
/// bytes in base64.
#[must_use]
pub fn accept(key: &str) -> Option<String> {
    const RITUAL: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    let digits = key.strip_suffix("==")?;
    let is_digit = |digit: u8| BASE64.contains(&digit);
    if digits.len() != 22 || !digits.bytes().all(is_digit) {
        return None;
    }
    let hash = sha1_smol::Sha1::from(format!("{key}{RITUAL}")).digest();
    Some(base64(&hash.bytes()))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, n| {
            bits << 8 | usize::from(three.get(n).copied().unwrap_or_default())
        });
        for digit in 0..4 {
            let index = bits >> (18 - 6 * digit) & 63;
            text.push(if digit <= three.len() { char::from(BASE64[index]) } else { '=' });
        }
    }
    text
}

/// Bytes of the header of an unmasked frame around `payload` bytes.
#[must_use]
pub fn header_size(payload: usize) -> usize {
    match payload {
        0..=MAX_CONTROL => 2,
        126..=0xffff => 4,
        _ => MAX_HEADER,
    }
}

/// Writes the header of an unmasked binary message around `payload` bytes into the last bytes of
/// `room`, which holds [`MAX_HEADER`] or more.
pub fn write_header(room: &mut [u8], payload: usize) {
    let header = header(opcode::BINARY, payload);
    let start = room.len().saturating_sub(header.len());
    room[start..].copy_from_slice(&header);
}

fn header(opcode: u8, payload: usize) -> Vec<u8> {
    let mut header = vec![FIN | opcode];
    let length = (payload as u64).to_be_bytes();
    match header_size(payload) {
        2 => header.push(length[7]),
        4 => {
            header.push(126);
            header.extend(&length[6..]);
        }
        _ => {
            header.push(127);
            header.extend(length);
        }
    }
    header
}

/// A binary message around a typed frame.
#[must_use]
pub fn binary(frame: &[u8]) -> Vec<u8> {
    message(opcode::BINARY, frame)
}

/// A text.
#[must_use]
pub fn text(text: &str) -> Vec<u8> {
    message(opcode::TEXT, text.as_bytes())
}

/// A text as clients send it; `mask` is random.
#[must_use]
pub fn masked_text(text: &str, mask: [u8; 4]) -> Vec<u8> {
    let mut bytes = header(opcode::TEXT, text.len());
    bytes[1] |= MASKED;
    bytes.extend(mask);
    bytes.extend(text.bytes().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A client's key, from random numbers.
#[must_use]
pub fn key(high: u64, low: u64) -> String {
    base64(&(u128::from(high) << 64 | u128::from(low)).to_be_bytes())
}

/// The first text in what came from a server, and the bytes until its end; `None` until it is
/// whole. Servers of ours send texts in one frame each, of which `most` bytes are taken.
///
/// # Errors
/// The code of a close; nothing for what no server of ours sends.
pub fn server_text(bytes: &[u8], most: usize) -> Result<Option<(Vec<u8>, usize)>, Option<u16>> {
    let mut from = 0;
    loop {
        let [first, second, rest @ ..] = &bytes[from..] else { return Ok(None) };
        if first & FIN == 0 {
            return Err(None);
        }
        let wide = match second {
            127 => 8,
            126 => 2,
            0..126 => 0,
            _ => return Err(None),
        };
        let Some(digits) = rest.get(..wide) else { return Ok(None) };
        let length = digits.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let length = if wide == 0 { (*second).into() } else { length };
        let length = usize::try_from(length).ok().filter(|n| *n <= most).ok_or(None)?;
        let start = from + 2 + wide;
        let Some(payload) = bytes.get(start..start + length) else { return Ok(None) };
        match first & !FIN {
            opcode::TEXT => return Ok(Some((payload.to_vec(), start + length))),
            opcode::PING | opcode::PONG => from = start + length,
            opcode::CLOSE => {
                let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                return Err(Some(code.unwrap_or(close::NORMAL)));
            }
            _ => return Err(None),
        }
    }
}

/// The answer to a ping that carried `payload`.
#[must_use]
pub fn pong(payload: &[u8]) -> Vec<u8> {
    message(opcode::PONG, &payload[..payload.len().min(MAX_CONTROL)])
}

/// A close with a code and a reason for a person, of which at most 123 bytes are said.
#[must_use]
pub fn closing(code: u16, reason: &str) -> Vec<u8> {
    message(opcode::CLOSE, &last_word(code, reason))
}

/// What ends an answer that a browser listens to: a code and a reason, as by WebSocket.
#[must_use]
pub fn closed(code: u16, reason: &str) -> Vec<u8> {
    typed(kind::CLOSED, &last_word(code, reason))
}

/// A code and as much of a reason as a control message holds.
fn last_word(code: u16, reason: &str) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    let most =
        (0..=reason.len().min(MAX_CONTROL - 2)).rev().find(|&end| reason.is_char_boundary(end));
    payload.extend(&reason.as_bytes()[..most.unwrap_or_default()]);
    payload
}

fn message(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(opcode, payload.len());
    bytes.extend_from_slice(payload);
    bytes
}

/// One thing that a client sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// A binary message: one typed frame.
    Frame {
        /// The frame's kind.
        kind: u8,
        /// What follows the kind.
        body: &'a [u8],
    },
    /// A text, from [`Messages::texts`] alone.
    Text(&'a str),
    /// A ping with what its answer must carry.
    Ping(&'a [u8]),
    /// A close with its code; [`close::NORMAL`] if it had none.
    Close(u16),
}

/// Cuts a client's bytes into messages. Holds at most one incomplete message plus what was pushed
/// since the last [`next_heard`](Self::next_heard) that returned `None`.
#[derive(Debug, Default)]
pub struct Messages {
    buffer: Vec<u8>,
    read: usize,
    /// The message so far, of which not every fragment has come.
    message: Vec<u8>,
    in_message: bool,
    control: Vec<u8>,
    takes_text: bool,
}

/// A frame's header.
struct Header {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    size: usize,
    payload: usize,
}

impl Messages {
    /// Makes a reader for a conversation in texts, of [`MAX_CLIENT_MESSAGE`] bytes at most.
    #[must_use]
    pub fn texts() -> Self {
        Self { takes_text: true, ..Self::default() }
    }

    /// Adds what the socket gave. Take all out before adding more.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.read > 0 {
            self.buffer.drain(..self.read);
            self.read = 0;
        }
        if self.buffer.is_empty() && self.buffer.capacity() > MAX_CLIENT_MESSAGE {
            // A peer's largest burst must not be kept for the rest of its stay.
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next that is whole, or `None` until more bytes come.
    ///
    /// # Errors
    /// A [`Misuse`] as soon as a header shows one. The stream cannot be read further.
    pub fn next_heard(&mut self) -> Result<Option<Heard<'_>>, Misuse> {
        loop {
            let waiting = &self.buffer[self.read..];
            let Some(header) = self.read_header(waiting)? else {
                return Ok(None);
            };
            let Some(payload) = waiting.get(header.size..header.size + header.payload) else {
                return Ok(None);
            };
            let unmasked = payload.iter().zip(header.mask.iter().cycle()).map(|(b, m)| b ^ m);
            let is_control = header.opcode >= opcode::CLOSE;
            let kept = if is_control { &mut self.control } else { &mut self.message };
            if is_control || header.opcode != opcode::CONTINUATION {
                kept.clear();
            }
            kept.extend(unmasked);
            self.read += header.size + header.payload;
            match header.opcode {
                opcode::PING => return Ok(Some(Heard::Ping(&self.control))),
                // Nobody was asked.
                opcode::PONG => {}
                opcode::CLOSE => return self.close().map(Some),
                _ => {
                    self.in_message = !header.fin;
                    if header.fin && self.takes_text {
                        let text = str::from_utf8(&self.message);
                        return text
                            .map(|text| Some(Heard::Text(text)))
                            .map_err(|_| Misuse::Malformed);
                    }
                    if header.fin {
                        return one_frame(&self.message).map(Some);
                    }
                }
            }
        }
    }

    fn read_header(&self, bytes: &[u8]) -> Result<Option<Header>, Misuse> {
        let &[first, second, ..] = bytes else {
            return Ok(None);
        };
        let (fin, opcode) = (first & FIN != 0, first & 0x0f);
        let short = usize::from(second & !MASKED);
        // The three bits between are extensions', and none was agreed on.
        if first & 0x70 != 0 {
            return Err(Misuse::Malformed);
        }
        if second & MASKED == 0 {
            return Err(Misuse::Unmasked);
        }
        match opcode {
            opcode::TEXT if !self.takes_text => return Err(Misuse::Text),
            opcode::BINARY if self.takes_text => return Err(Misuse::NotText),
            opcode::TEXT | opcode::BINARY if self.in_message => return Err(Misuse::Malformed),
            opcode::CONTINUATION if !self.in_message => return Err(Misuse::Malformed),
            opcode::CONTINUATION | opcode::TEXT | opcode::BINARY => {}
            opcode::CLOSE | opcode::PING | opcode::PONG => {
                if !fin || short > MAX_CONTROL {
                    return Err(Misuse::Malformed);
                }
            }
            _ => return Err(Misuse::Malformed),
        }
        let (size, payload) = match short {
            126 => {
                let Some(&[high, low]) = bytes.get(2..4) else { return Ok(None) };
                (4, usize::from(u16::from_be_bytes([high, low])))
            }
            // More than 64 KiB, or a length that would have fitted into fewer bytes.
            127 => return Err(Misuse::TooBig),
            short => (2, short),
        };
        if size == 4 && payload <= MAX_CONTROL {
            return Err(Misuse::Malformed);
        }
        let already = if opcode == opcode::CONTINUATION { self.message.len() } else { 0 };
        if opcode < opcode::CLOSE && already + payload > MAX_CLIENT_MESSAGE {
            return Err(Misuse::TooBig);
        }
        let Some(&mask) = bytes[size..].first_chunk::<4>() else {
            return Ok(None);
        };
        Ok(Some(Header { fin, opcode, mask, size: size + 4, payload }))
    }

    fn close(&self) -> Result<Heard<'_>, Misuse> {
        let (code, reason) = match self.control.as_slice() {
            [] => return Ok(Heard::Close(close::NORMAL)),
            [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
            [_] => return Err(Misuse::Malformed),
        };
        // The rest are reserved, or may only be reported and never sent.
        let may_be_sent = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        if !may_be_sent || str::from_utf8(reason).is_err() {
            return Err(Misuse::Malformed);
        }
        Ok(Heard::Close(code))
    }
}

fn one_frame(message: &[u8]) -> Result<Heard<'_>, Misuse> {
    let Some((&word, &[kind, ref body @ ..])) = message.split_first_chunk::<4>() else {
        return Err(Misuse::NotOneFrame);
    };
    let word = u32::from_be_bytes(word);
    if word & TYPED == 0 || (word & !TYPED) as usize != message.len() - 4 {
        return Err(Misuse::NotOneFrame);
    }
    Ok(Heard::Frame { kind, body })
}

#[cfg(test)]
mod tests;
