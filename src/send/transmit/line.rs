//! A connection as the loop reads and writes it: bare, or over TLS.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, SocketAddr};

use mio::net::TcpStream;
use socket2::SockRef;

use super::{Seat, sockets};
use crate::send::tls::Session;

/// A connection.
pub(super) struct Line {
    socket: TcpStream,
    /// What seals it.
    session: Option<Box<Session>>,
}

impl Line {
    /// A bare one.
    pub(super) fn plain(socket: TcpStream) -> Self {
        Self { socket, session: None }
    }

    /// From now on all is sealed.
    pub(super) fn begin(&mut self, session: Session) {
        self.session = Some(Box::new(session));
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// The socket, to be registered with the loop.
    pub(super) fn socket_mut(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// The socket, for somebody else.
    pub(super) fn into_socket(self) -> TcpStream {
        self.socket
    }

    /// The socket, to be set up.
    pub(super) fn settings(&self) -> SockRef<'_> {
        SockRef::from(&self.socket)
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    pub(super) fn is_secure(&self) -> bool {
        self.session.is_some()
    }

    /// Reads once, without blocking. Over TLS `Interrupted` says that what came was nobody's word.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.session else { return self.socket.read(buffer) };
        let read = session.read(&mut self.socket, buffer);
        self.take_leave();
        read
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.send(&[IoSlice::new(bytes)], false)
    }

    /// Writes once, without blocking. What is sent `apart` is never joined with what comes later.
    pub(super) fn send(&mut self, slices: &[IoSlice<'_>], apart: bool) -> io::Result<usize> {
        let socket = &self.socket;
        match &mut self.session {
            None => sockets::send(socket, slices, apart),
            Some(session) => session.send(&mut Sealed { socket, apart }, slices),
        }
    }

    /// Whether something that was written waits for the socket.
    pub(super) fn is_behind(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_behind())
    }

    /// Writes what waits for the socket.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Some(session) = &mut self.session else { return Ok(()) };
        let flushed = session.flush(&mut self.socket);
        self.take_leave();
        flushed
    }

    /// Ends what is written, behind all that waits.
    pub(super) fn shutdown(&mut self) {
        match &mut self.session {
            None => drop(self.socket.shutdown(Shutdown::Write)),
            Some(session) => {
                session.end();
                // What the socket takes no more of now goes when it does.
                let _ = self.flush();
            }
        }
    }

    fn take_leave(&mut self) {
        if self.session.as_mut().is_some_and(|session| session.takes_leave()) {
            let _ = self.socket.shutdown(Shutdown::Write);
        }
    }
}

impl Seat {
    /// Writes what was sealed already and waits for the socket, as far as that goes.
    pub(super) fn catch_up(&mut self, now_us: u64) -> io::Result<()> {
        if !self.writable || !self.line.is_behind() {
            return Ok(());
        }
        let flushed = self.line.flush();
        let is_blocked = flushed.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::WouldBlock);
        self.writable = !is_blocked;
        self.listener.wrote(!is_blocked, is_blocked, now_us);
        if is_blocked { Ok(()) } else { flushed }
    }
}

/// Where sealed bytes go.
struct Sealed<'a> {
    socket: &'a TcpStream,
    apart: bool,
}

impl Write for Sealed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        sockets::send(self.socket, &[IoSlice::new(bytes)], self.apart)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        sockets::send(self.socket, slices, self.apart)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
