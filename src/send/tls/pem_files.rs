//! A certificate and its key in PEM, as files of whoever runs the server.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::certificate::{Says, day};
use crate::error::{Error, Result, plain};

/// Longest file that is read, in bytes: a chain of certificates is a tenth of it.
const LONGEST: u64 = 256 * 1024;

/// Most certificates in a chain: one more than any that browsers follow.
const MOST: usize = 16;

/// Where they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// What they hold.
#[derive(PartialEq)]
pub(super) struct Contents {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Files {
    /// Reads both files.
    ///
    /// # Errors
    /// [`Error::File`] for the one that cannot be read.
    pub(super) fn read(&self) -> Result<Contents> {
        let certificate = bytes(&self.certificate)?.to_vec();
        Ok(Contents { certificate, key: bytes(&self.key)? })
    }

    /// What the files hold, if it can be used at `now`.
    ///
    /// # Errors
    /// [`Error::File`] for the one that is wrong.
    pub(super) fn pair(&self, held: &Contents, now: SystemTime) -> Result<CertifiedKey> {
        let (path, key_path) = (self.certificate.as_path(), self.key.as_path());
        let no_certificate = || {
            let fix = "Give the file that begins with -----BEGIN CERTIFICATE-----";
            Error::file(path, "this holds no certificate in PEM form", fix)
        };
        let chain = CertificateDer::pem_slice_iter(&held.certificate).take(MOST);
        let chain: Vec<_> =
            chain.collect::<std::result::Result<_, _>>().map_err(|_| no_certificate())?;
        let says = chain.first().and_then(Says::read).ok_or_else(no_certificate)?;
        refuse_outside(path, &says, now)?;
        let key = PrivateKeyDer::from_pem_slice(&held.key).map_err(|_| {
            let fix =
                "Give the file that begins with -----BEGIN PRIVATE KEY-----, without a password";
            Error::file(key_path, "this holds no private key in PEM form", fix)
        })?;
        let key = ring::sign::any_supported_type(&key).map_err(|_| {
            let fix = "Make one of ECDSA (P-256), Ed25519 or RSA (2048 bits or more)";
            Error::file(key_path, "this is no key that TLS 1.3 can use", fix)
        })?;
        let pair = CertifiedKey::new(chain, key);
        pair.keys_match().map_err(|_| {
            let why = format!("this is not the key of the certificate “{}”", path.display());
            Error::file(key_path, why, "Give the two files that were made together")
        })?;
        Ok(pair)
    }
}

fn refuse_outside(path: &Path, says: &Says, now: SystemTime) -> Result<()> {
    if now >= says.until {
        let why = format!("this certificate ended on {}", day(says.until));
        return Err(Error::file(path, why, "Give a newer one, and look at this PC's clock"));
    }
    if now < says.from {
        let why = format!("this certificate begins on {}", day(says.from));
        return Err(Error::file(path, why, "Wait until then, and look at this PC's clock"));
    }
    Ok(())
}

fn bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let failed = |why: &str, fix: &str| Error::file(path, why, fix);
    let unreadable = |e: std::io::Error| failed(&plain(&e), "Name a file that you may read");
    // A pipe is empty when it is looked at again, and could be waited for without end.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        let fix = "Name a file: it is looked every ten seconds whether it has changed";
        return Err(failed("this is no file that can be read again", fix));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes));
    if read.map_err(unreadable)? as u64 > LONGEST {
        let why = format!("this is longer than the {} KiB of any such file", LONGEST / 1024);
        return Err(failed(&why, "Give the server's own certificate and key, and no others"));
    }
    Ok(bytes)
}
