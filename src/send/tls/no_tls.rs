//! What stands for TLS in a program that was built without it.

use std::convert::Infallible;
use std::io::{self, IoSlice, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::shutdown::Shutdown;

/// No certificate.
#[derive(Debug)]
pub struct Shown(Infallible);

impl Shown {
    /// Never called.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        match self.0 {}
    }
}

/// No keeper of certificates.
pub struct Keeper(Infallible);

impl Keeper {
    /// Says that there is none.
    ///
    /// # Errors
    /// Always.
    pub fn open(_files: Option<(PathBuf, PathBuf)>, _added: &[String]) -> Result<Self> {
        Err(Error::usage(
            "this program was built without the secure page",
            "Leave --https out, or build it with --features https",
        ))
    }

    /// Never called.
    #[must_use]
    pub fn shown(&self) -> Arc<Shown> {
        match self.0 {}
    }
}

/// Never called.
pub fn keep(keeper: Keeper, _shutdown: &Shutdown) {
    match keeper.0 {}
}

/// No connections.
#[derive(Debug, Clone)]
pub struct Sessions(Infallible);

impl Sessions {
    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn new(certificate: Arc<Shown>) -> Result<Self> {
        match certificate.0 {}
    }

    /// Never called.
    #[must_use]
    pub fn share(&self) -> u64 {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub fn begin(&self) -> io::Result<Session> {
        match self.0 {}
    }
}

/// No connection.
#[derive(Debug)]
pub struct Session(Infallible);

#[allow(missing_docs, clippy::missing_errors_doc, reason = "none of it is ever called")]
impl Session {
    #[must_use]
    pub fn is_behind(&self) -> bool {
        match self.0 {}
    }

    pub fn read(&mut self, _: &mut (impl Read + Write), _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub fn send(&mut self, _: &mut impl Write, _: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.0 {}
    }

    pub fn flush(&mut self, _: &mut impl Write) -> io::Result<()> {
        match self.0 {}
    }

    pub fn end(&mut self) {
        match self.0 {}
    }

    pub fn takes_leave(&mut self) -> bool {
        match self.0 {}
    }
}
