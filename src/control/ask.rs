//! The asking side: one connection to the server on this machine, one call after the other.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use serde_json::{Value, json};

use super::{PATH, token};
use crate::error::{Error, Result, plain};
use crate::wire::websocket::{self, close};

/// How long a server may take to answer; taking a sound card in is slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest head of the answer to an opening, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// Longest answer, in bytes: a few thousand listeners.
const MAX_ANSWER: usize = 4 << 20;

/// A connection to a server.
#[derive(Debug)]
pub struct Caller {
    stream: TcpStream,
    address: SocketAddr,
    /// What has come and has not been read.
    buffer: Vec<u8>,
    calls: u64,
}

impl Caller {
    /// Connects to the page's port of a server on this machine, and shows its token.
    ///
    /// # Errors
    /// [`Error::Usage`] for a host that is not this machine, and where there is no token;
    /// [`Error::Refused`] and [`Error::NotAuraLync`] where no server of ours answers.
    pub fn connect(host: &str, port: u16) -> Result<Self> {
        // A name that nobody knows is not this computer's either.
        let found = (host, port).to_socket_addrs().ok().into_iter().flatten();
        let local: Vec<SocketAddr> =
            found.filter(|address| address.ip().to_canonical().is_loopback()).collect();
        if local.is_empty() {
            return Err(Error::usage(
                format!(
                    "a server can be told what to do only on its own computer, not on “{}”",
                    crate::format::printable(host, 100)
                ),
                "Leave the host out, or write localhost",
            ));
        }
        let token = token::read(port)?;
        let first = local[0];
        let tried = local.into_iter().find_map(|address| {
            let stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
            Some((stream, address))
        });
        let (stream, address) = tried.ok_or(Error::Refused { address: first })?;
        let mut caller = Self { stream, address, buffer: Vec::new(), calls: 0 };
        caller.open(&token)?;
        Ok(caller)
    }

    fn open(&mut self, token: &str) -> Result<()> {
        let timeouts = self
            .stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| self.stream.set_write_timeout(Some(PATIENCE)));
        timeouts.map_err(|e| self.lost(&e))?;
        let key = websocket::key(crate::random::random(), crate::random::random());
        let request = format!(
            "GET {PATH} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\
             Authorization: Bearer {token}\r\n\r\n",
            self.address
        );
        self.stream.write_all(request.as_bytes()).map_err(|e| self.lost(&e))?;
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(self.strange("its answer has no end"));
            }
            self.read_more()?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
        self.buffer.drain(..end);
        let accepted = websocket::accept(&key).unwrap_or_default();
        let is_open = head.starts_with("HTTP/1.1 101 ") && head.contains(&accepted);
        if is_open { Ok(()) } else { Err(self.refused(&head)) }
    }

    fn refused(&self, head: &str) -> Error {
        let status = head.split_whitespace().nth(1).unwrap_or_default();
        match status {
            "401" => Error::usage(
                "the server does not know this token: it belongs to one that has ended",
                "Try again, or see whether two servers were started on one port",
            ),
            "404" => Error::usage(
                "this server cannot be told anything: it found no place for its token",
                "Its first lines say why",
            ),
            status => self.strange(&format!("it answers {}", crate::format::printable(status, 40))),
        }
    }

    /// Calls a method.
    ///
    /// # Errors
    /// [`Error::Declined`]: what the server says cannot be, in its own words;
    /// [`Error::Lost`] if it is gone.
    pub fn call(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.calls += 1;
        let call = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": self.calls});
        let mask = crate::random::random().to_be_bytes();
        let mask = [mask[0], mask[1], mask[2], mask[3]];
        let bytes = websocket::masked_text(&call.to_string(), mask);
        self.stream.write_all(&bytes).map_err(|e| self.lost(&e))?;
        loop {
            let answer: Value = serde_json::from_slice(&self.next_text()?)
                .map_err(|_| self.strange("its answer is no JSON"))?;
            if answer["id"] != self.calls {
                continue;
            }
            if let Some(message) = answer["error"]["message"].as_str() {
                return Err(Error::Declined { why: crate::format::printable(message, 600) });
            }
            return Ok(answer["result"].clone());
        }
    }

    fn next_text(&mut self) -> Result<Vec<u8>> {
        loop {
            match websocket::server_text(&self.buffer, MAX_ANSWER) {
                Ok(Some((text, used))) => {
                    self.buffer.drain(..used);
                    return Ok(text);
                }
                Ok(None) => self.read_more()?,
                Err(Some(code)) if code == close::TRY_AGAIN => {
                    return Err(Error::usage(
                        "too many programs tell this server what to do",
                        "End one of them",
                    ));
                }
                Err(Some(code)) => return Err(self.strange(&format!("it closed with {code}"))),
                Err(None) => return Err(self.strange("it does not speak WebSocket")),
            }
        }
    }

    fn read_more(&mut self) -> Result<()> {
        let mut bytes = [0; 16 * 1024];
        loop {
            return match self.stream.read(&mut bytes) {
                Ok(0) => Err(self.lost(&io::ErrorKind::UnexpectedEof.into())),
                Ok(count) => {
                    self.buffer.extend_from_slice(&bytes[..count]);
                    Ok(())
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => Err(self.lost(&e)),
            };
        }
    }

    fn lost(&self, error: &io::Error) -> Error {
        Error::Lost { address: self.address, why: plain(error) }
    }

    fn strange(&self, why: &str) -> Error {
        Error::NotAuraLync { address: self.address, why: why.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn whatever_answers_there_cannot_move_the_cursor() {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = door.local_addr().unwrap();
        let stream = TcpStream::connect(address).unwrap();
        let caller = Caller { stream, address, buffer: Vec::new(), calls: 0 };
        let status = format!("\u{1b}[2J{}", "9".repeat(5000));
        let error = caller.refused(&format!("HTTP/1.1 {status} OK\r\n\r\n")).to_string();
        assert!(error.contains("it answers [2J999"), "{error}");
        assert!(error.len() < 300 && !error.contains('\u{1b}'), "{}", error.len());
    }
}
