//! One connection over TLS, without its socket: what is read and written goes through here.
//!
//! Memory of one is bounded: rustls takes no record longer than 18 KiB, and what the socket has not taken is
//! bounded by [`MOST_BEHIND`]. Time is the door's: it ends who takes too long.

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::version::TLS13;
use rustls::{ServerConfig, ServerConnection};

use super::certificate::Shown;
use crate::error::{Error, Result};

/// Bytes that wait for the socket at most: a row of frames that leave together is no longer, and what is behind this
/// waits where it can still be dropped.
const MOST_BEHIND: usize = 64 * 1024;

/// For how many handshakes one with an RSA key counts: signing takes up to four milliseconds, and a twelfth of that
/// with all others.
const RSA_SHARE: u64 = 12;

/// What all connections share.
#[derive(Debug, Clone)]
pub struct Sessions(Arc<ServerConfig>, Arc<Shown>);

impl Sessions {
    /// Connections that are shown `certificate`.
    ///
    /// # Errors
    /// [`Error::Internal`] if TLS cannot be had.
    pub fn new(certificate: Arc<Shown>) -> Result<Self> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_protocol_versions(&[&TLS13]);
        let builder = builder.map_err(|e| Error::internal("TLS cannot be had", e))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(certificate.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A browser comes with several connections at once, and one ticket is for one of them.
        config.send_tls13_tickets = 2;
        Ok(Self(Arc::new(config), certificate))
    }

    /// For how many ordinary handshakes one counts with the certificate that is shown now, by the time that it takes.
    #[must_use]
    pub fn share(&self) -> u64 {
        if self.1.is_rsa() { RSA_SHARE } else { 1 }
    }

    /// A connection whose other end is to speak first.
    ///
    /// # Errors
    /// If TLS cannot be had.
    pub fn begin(&self) -> io::Result<Session> {
        let mut tls = ServerConnection::new(Arc::clone(&self.0)).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(MOST_BEHIND));
        Ok(Session { tls, is_ending: false, has_ended: false })
    }
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    tls: ServerConnection,
    /// Nothing more is to be written behind what waits.
    is_ending: bool,
    has_ended: bool,
}

impl Session {
    /// Whether bytes wait for the socket.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.tls.wants_write() || self.is_ending && !self.has_ended
    }

    /// Reads what the peer said. 0 is its end.
    ///
    /// # Errors
    /// What the socket says; `WouldBlock` where nothing has come, `Interrupted` where what came was no word of the
    /// peer's: call again. What is no TLS is `InvalidData`.
    pub fn read(
        &mut self,
        socket: &mut (impl Read + Write),
        buffer: &mut [u8],
    ) -> io::Result<usize> {
        self.flush_as_far(socket)?;
        if let Some(done) = self.take(buffer) {
            return done;
        }
        if self.tls.read_tls(socket)? == 0 {
            return Ok(0);
        }
        if let Err(e) = self.tls.process_new_packets() {
            // The alert that says why.
            let _ = self.flush(socket);
            return Err(io::Error::new(io::ErrorKind::InvalidData, e));
        }
        self.flush_as_far(socket)?;
        self.take(buffer).unwrap_or_else(|| Err(io::ErrorKind::Interrupted.into()))
    }

    /// What has been said and not read yet.
    fn take(&mut self, buffer: &mut [u8]) -> Option<io::Result<usize>> {
        match self.tls.reader().read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => None,
            // Cut off without a word: all that is said here says itself where it ends.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Some(Ok(0)),
            done => Some(done),
        }
    }

    /// Takes bytes to be written, as many as there is room for, and writes as far as the socket allows.
    ///
    /// # Errors
    /// What the socket says; `WouldBlock` as long as it has not taken what came before.
    pub fn send(&mut self, socket: &mut impl Write, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush(socket)?;
        if self.tls.is_handshaking() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let taken = self.tls.writer().write_vectored(slices)?;
        self.flush_as_far(socket)?;
        Ok(taken)
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// What the socket says; `WouldBlock` where it takes no more for now.
    pub fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while self.tls.wants_write() {
            match self.tls.write_tls(socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    fn flush_as_far(&mut self, socket: &mut impl Write) -> io::Result<()> {
        self.flush(socket).or_else(|e| match e.kind() {
            io::ErrorKind::WouldBlock => Ok(()),
            _ => Err(e),
        })
    }

    /// Says that nothing more comes.
    pub fn end(&mut self) {
        if !self.is_ending {
            self.is_ending = true;
            self.tls.send_close_notify();
        }
    }

    /// Whether the last word has just been written: then, once, the socket's own end may follow.
    pub fn takes_leave(&mut self) -> bool {
        let is_now = self.is_ending && !self.has_ended && !self.tls.wants_write();
        self.has_ended |= is_now;
        is_now
    }
}

#[cfg(test)]
mod tests;
