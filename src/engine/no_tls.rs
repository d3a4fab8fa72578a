//! What stands for TLS in a program that was built without it.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// No certificate.
///
/// # Errors
/// Never.
pub(super) fn certificate(_hosts: &[String]) -> Result<Option<(String, Zeroizing<String>)>> {
    Ok(None)
}

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
pub struct Tls(Infallible);

impl Tls {
    /// Never called.
    ///
    /// # Errors
    /// Never.
    pub fn begin(trust: &Trust, _host: &str) -> io::Result<Self> {
        match trust.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// Never.
    pub fn read(&mut self, _socket: &mut impl Read, _buffer: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// Never.
    pub fn write(&mut self, _socket: &mut impl Write, _bytes: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }
}
