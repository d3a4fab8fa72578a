//! A connection that this program begins, made and used without ever waiting, by TLS or not.

#[cfg(not(feature = "https"))]
mod no_tls;
#[cfg(feature = "https")]
mod tls;

use std::io::{self, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};

use mio::net::TcpStream;

#[cfg(not(feature = "https"))]
use no_tls::Tls;
#[cfg(not(feature = "https"))]
pub use no_tls::Trust;
#[cfg(feature = "https")]
use tls::Tls;
#[cfg(feature = "https")]
pub use tls::Trust;

/// Addresses of one name that are tried, one after another.
const MOST_OF_A_NAME: usize = 8;

/// Addresses that are tried: the last is next.
#[derive(Debug)]
pub(crate) struct Addresses(Vec<SocketAddr>);

impl Addresses {
    /// Those of a computer. The system's answer to what a name means is waited for.
    ///
    /// # Errors
    /// What the system says of the name.
    pub(crate) fn of(host: &str, port: u16) -> io::Result<Self> {
        let mut found: Vec<SocketAddr> =
            (host, port).to_socket_addrs()?.take(MOST_OF_A_NAME).collect();
        found.reverse();
        Ok(Self(found))
    }

    /// Begins a connection to the next of these that the system has a way to.
    fn begin(
        &mut self,
        mut prepare: impl FnMut(&mut TcpStream) -> io::Result<()>,
    ) -> io::Result<TcpStream> {
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        while let Some(address) = self.0.pop() {
            match TcpStream::connect(address) {
                Ok(mut socket) => {
                    prepare(&mut socket)?;
                    return Ok(socket);
                }
                Err(e) => failed = e,
            }
        }
        Err(failed)
    }
}

/// A connection.
pub(crate) struct Outgoing {
    socket: TcpStream,
    /// Others of the same name, to be tried if this one cannot be reached.
    others: Addresses,
    is_open: bool,
    /// Through which all goes, where it must.
    tls: Option<Tls>,
}

impl Outgoing {
    /// Begins a connection to one of these. `prepare` sees each socket before it is used.
    ///
    /// # Errors
    /// What the system says of the last of them, or what `prepare` does.
    pub(crate) fn begin(
        mut others: Addresses,
        prepare: impl FnMut(&mut TcpStream) -> io::Result<()>,
    ) -> io::Result<Self> {
        let socket = others.begin(prepare)?;
        Ok(Self { socket, others, is_open: false, tls: None })
    }

    /// From now on all goes by TLS, to a computer of this name whom `trust` believes.
    ///
    /// # Errors
    /// If that is no name of a computer, or TLS cannot be had.
    pub(crate) fn seal(&mut self, trust: &Trust, host: &str) -> io::Result<()> {
        self.tls = Some(Tls::begin(trust, host)?);
        Ok(())
    }

    /// Whether something can be said over it. Where an address cannot be reached, the next is tried.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub(crate) fn is_open(
        &mut self,
        prepare: impl FnMut(&mut TcpStream) -> io::Result<()>,
    ) -> io::Result<bool> {
        if self.is_open {
            return Ok(true);
        }
        let failed = match self.socket.take_error() {
            Ok(None) => match self.socket.peer_addr() {
                Ok(_) => {
                    self.is_open = true;
                    return Ok(true);
                }
                Err(e) if e.kind() == io::ErrorKind::NotConnected => return Ok(false),
                Err(e) => e,
            },
            Ok(Some(e)) | Err(e) => e,
        };
        if self.others.0.is_empty() {
            return Err(failed);
        }
        self.socket = self.others.begin(prepare)?;
        Ok(false)
    }

    /// Writes what was sealed already and has found no room, the handshake first of all.
    ///
    /// # Errors
    /// As writing to a socket; none where that takes no more for now.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.write(&mut self.socket, &[]).map(drop),
            None => Ok(()),
        }
    }

    /// Reads what has come, open.
    ///
    /// # Errors
    /// As reading a socket; [`io::ErrorKind::InvalidData`] where what comes is no TLS, or nobody that is believed.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.read(&mut self.socket, buffer),
            None => self.socket.read(buffer),
        }
    }

    /// Writes as much as there is room for; how much that was.
    ///
    /// # Errors
    /// As writing to a socket.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.tls {
            Some(tls) => tls.write(&mut self.socket, bytes),
            None => self.socket.write(bytes),
        }
    }
}
