//! What stands for TLS in a program that was built without it.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Nobody is believed.
#[derive(Debug, Clone)]
pub struct Trust(Infallible);

impl Trust {
    /// Says that there is no TLS.
    ///
    /// # Errors
    /// Always.
    pub fn read(_path: &Path) -> Result<Self> {
        Err(Error::usage(
            "this program was built without TLS",
            "Use nats:// where nobody else is on the way, or build with --features https",
        ))
    }
}

/// No connection.
pub(super) struct Tls(Infallible);

impl Tls {
    /// Never called.
    ///
    /// # Errors
    /// Never.
    pub(super) fn begin(trust: &Trust, _host: &str) -> io::Result<Self> {
        match trust.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// Never.
    pub(super) fn read(
        &mut self,
        _socket: &mut impl Read,
        _buffer: &mut [u8],
    ) -> io::Result<usize> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// Never.
    pub(super) fn write(&mut self, _socket: &mut impl Write, _bytes: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }
}
