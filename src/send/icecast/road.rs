//! The connection to one Icecast server, made and used without ever waiting.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};

use log::debug;
use mio::net::TcpStream;
use socket2::SockRef;

use crate::engine::{Tls, Trust};
use crate::icecast::fault::Fault;
use crate::icecast::target::Target;

/// Addresses of one name that are tried, one after another.
const MOST_OF_A_NAME: usize = 8;

/// What the system may hold back, in bytes: more would hide for long that nothing goes through.
const SEND_BUFFER: usize = 32 * 1024;

/// A path that answers nothing for so long is dead.
#[cfg(any(target_os = "linux", target_os = "android"))]
const USER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// A connection.
pub(super) struct Road {
    socket: TcpStream,
    /// Others of the same name, to be tried if this one cannot be reached.
    others: Vec<SocketAddr>,
    is_connected: bool,
    tls: Option<Tls>,
}

impl Road {
    /// Begins a connection. The system's answer to what a name means is waited for.
    ///
    /// # Errors
    /// The [`Fault`] that keeps it from being made.
    pub(super) fn open(target: &Target, trust: Option<&Trust>) -> Result<Self, Fault> {
        let found = (&*target.host, target.port).to_socket_addrs().map_err(Fault::Unresolved)?;
        let mut others: Vec<SocketAddr> = found.take(MOST_OF_A_NAME).collect();
        others.reverse();
        let socket = begin(&mut others).map_err(Fault::of_connecting)?;
        let tls = trust.map(|trust| Tls::begin(trust, &target.host)).transpose();
        Ok(Self { socket, others, is_connected: false, tls: tls.map_err(broken)? })
    }

    /// Whether something can be said over it. Where an address cannot be reached, the next of the same name is tried.
    ///
    /// # Errors
    /// The [`Fault`] if none can.
    pub(super) fn is_open(&mut self) -> Result<bool, Fault> {
        if self.is_connected {
            return Ok(true);
        }
        let failed = match self.socket.take_error() {
            Ok(None) => match self.socket.peer_addr() {
                Ok(_) => {
                    self.is_connected = true;
                    return Ok(true);
                }
                Err(e) if e.kind() == io::ErrorKind::NotConnected => return Ok(false),
                Err(e) => e,
            },
            Ok(Some(e)) | Err(e) => e,
        };
        if self.others.is_empty() {
            return Err(Fault::of_connecting(failed));
        }
        self.socket = begin(&mut self.others).map_err(Fault::of_connecting)?;
        Ok(false)
    }

    /// Reads what is there; `None` where nothing is.
    ///
    /// # Errors
    /// The [`Fault`], or none of its own where the other end hung up.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Option<Fault>> {
        let read = match &mut self.tls {
            Some(tls) => tls.read(&mut self.socket, buffer),
            None => self.socket.read(buffer),
        };
        match read {
            Ok(0) => Err(None),
            Ok(count) => Ok(Some(count)),
            Err(e) => match e.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(None),
                io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Err(None),
                _ => Err(Some(broken(e))),
            },
        }
    }

    /// Writes what was sealed already and has found no room.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub(super) fn flush(&mut self) -> Result<(), Fault> {
        if self.tls.is_some() { self.write(&[]).map(drop) } else { Ok(()) }
    }

    /// Writes what the system takes: 0 where that is nothing now.
    ///
    /// # Errors
    /// The [`Fault`] of a connection that is broken.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let written = match &mut self.tls {
            Some(tls) => tls.write(&mut self.socket, bytes),
            None => self.socket.write(bytes),
        };
        match written {
            Ok(count) => Ok(count),
            Err(e) => match e.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Err(Fault::Ended),
                _ => Err(broken(e)),
            },
        }
    }
}

fn broken(error: io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::InvalidData => Fault::Unsafe(error.to_string()),
        // What was written has not arrived for long.
        io::ErrorKind::TimedOut => Fault::Slow,
        _ => Fault::Broken(error),
    }
}

/// Begins a connection to the last of these addresses that the system has a way to.
fn begin(others: &mut Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    while let Some(address) = others.pop() {
        match TcpStream::connect(address) {
            Ok(socket) => {
                prepare(&SockRef::from(&socket));
                return Ok(socket);
            }
            Err(e) => failed = e,
        }
    }
    Err(failed)
}

/// Everything here is an improvement that a system may refuse.
fn prepare(socket: &SockRef<'_>) {
    let tried = [
        ("TCP_NODELAY", socket.set_tcp_nodelay(true)),
        ("the send buffer", socket.set_send_buffer_size(SEND_BUFFER)),
        #[cfg(any(target_os = "linux", target_os = "android"))]
        ("TCP_USER_TIMEOUT", socket.set_tcp_user_timeout(Some(USER_TIMEOUT))),
    ];
    for (option, result) in tried {
        if let Err(e) = result {
            debug!("{option} not set: {e}");
        }
    }
}
