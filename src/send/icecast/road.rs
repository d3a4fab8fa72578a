//! The connection to one Icecast server, made and used without ever waiting.

use std::io;

use log::debug;
use mio::net::TcpStream;
use socket2::SockRef;

use crate::icecast::fault::Fault;
use crate::icecast::target::Target;
use crate::outgoing::{Addresses, Outgoing, Trust};

/// What the system may hold back, in bytes: more would hide for long that nothing goes through.
const SEND_BUFFER: usize = 32 * 1024;

/// A path that answers nothing for so long is dead.
#[cfg(any(target_os = "linux", target_os = "android"))]
const USER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// A connection.
pub(super) struct Road(Outgoing);

impl Road {
    /// Begins a connection. The system's answer to what a name means is waited for.
    ///
    /// # Errors
    /// The [`Fault`] that keeps it from being made.
    pub(super) fn open(target: &Target, trust: Option<&Trust>) -> Result<Self, Fault> {
        let found = Addresses::of(&target.host, target.port).map_err(Fault::Unresolved)?;
        let mut way = Outgoing::begin(found, prepare).map_err(Fault::of_connecting)?;
        if let Some(trust) = trust {
            way.seal(trust, &target.host).map_err(broken)?;
        }
        Ok(Self(way))
    }

    /// Whether something can be said over it. Where an address cannot be reached, the next of the same name is tried.
    ///
    /// # Errors
    /// The [`Fault`] if none can.
    pub(super) fn is_open(&mut self) -> Result<bool, Fault> {
        self.0.is_open(prepare).map_err(Fault::of_connecting)
    }

    /// Reads what is there; `None` where nothing is.
    ///
    /// # Errors
    /// The [`Fault`], or none of its own where the other end hung up.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Option<Fault>> {
        match self.0.read(buffer) {
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
        self.0.flush().or_else(|e| unless_full(e).map(drop))
    }

    /// Writes what the system takes: 0 where that is nothing now.
    ///
    /// # Errors
    /// The [`Fault`] of a connection that is broken.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        self.0.write(bytes).or_else(unless_full)
    }
}

/// What it means that a socket did not take something: 0 where there is no room now.
fn unless_full(error: io::Error) -> Result<usize, Fault> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Err(Fault::Ended),
        _ => Err(broken(error)),
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

/// Everything here is an improvement that a system may refuse.
fn prepare(socket: &mut TcpStream) -> io::Result<()> {
    let socket = SockRef::from(&*socket);
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
    Ok(())
}
