//! The certificate that is shown, and what can be said of one.

use std::fmt::Write;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::SignatureAlgorithm;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The certificate that is shown to those who come from now on; another may take its place at any time.
#[derive(Debug)]
pub struct Shown(Mutex<(Arc<CertifiedKey>, String)>);

impl Shown {
    pub(super) fn new(key: CertifiedKey) -> Arc<Self> {
        let print = fingerprint_of(&key);
        Arc::new(Self(Mutex::new((Arc::new(key), print))))
    }

    pub(super) fn replace(&self, key: CertifiedKey) {
        let print = fingerprint_of(&key);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (Arc::new(key), print);
    }

    /// Whether that is the certificate that is shown.
    pub(super) fn is(&self, key: &CertifiedKey) -> bool {
        self.now().0.cert == key.cert
    }

    /// Whether its key is one of RSA, which signs slowly.
    pub(super) fn is_rsa(&self) -> bool {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shown.0.key.algorithm() == SignatureAlgorithm::RSA
    }

    pub(super) fn now(&self) -> (Arc<CertifiedKey>, String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The SHA-256 fingerprint of the certificate as browsers show it: 32 bytes in hexadecimal, with colons
    /// between them.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.now().1
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.now().0)
    }
}

fn fingerprint_of(key: &CertifiedKey) -> String {
    key.cert.first().map(|der| fingerprint(der)).unwrap_or_default()
}

fn fingerprint(der: &[u8]) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(der) {
        let colon = if text.is_empty() { "" } else { ":" };
        let _ = write!(text, "{colon}{byte:02X}");
    }
    text
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Says {
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
    pub(super) names: Vec<String>,
}

impl Says {
    /// Reads a certificate; `None` where it is none.
    pub(super) fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let body = &certificate.tbs_certificate;
        let time = |time: &x509_cert::time::Time| SystemTime::UNIX_EPOCH + time.to_unix_duration();
        let names = body.get::<SubjectAltName>().ok().flatten();
        let names = names.map(|(_, SubjectAltName(names))| names).unwrap_or_default();
        Some(Self {
            from: time(&body.validity.not_before),
            until: time(&body.validity.not_after),
            names: names.iter().filter_map(name).collect(),
        })
    }
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
            let ip = v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
            Some(ip.ok()?.to_string())
        }
        _ => None,
    }
}

/// A day as people write it, as `2026-11-29`; in the Gregorian calendar, by UTC.
pub(super) fn day(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    x509_cert::der::DateTime::from_unix_duration(since)
        .map(|date| format!("{}-{:02}-{:02}", date.year(), date.month(), date.day()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_written_as_browsers_show_it() {
        // FIPS 180-4's example of SHA-256, “abc”.
        let print = fingerprint(b"abc");
        assert!(print.starts_with("BA:78:16:BF:8F:01"), "{print}");
        assert!(print.ends_with(":F2:00:15:AD"), "{print}");
        assert_eq!(print.len(), 32 * 3 - 1);
    }

    #[test]
    fn a_day_is_written_with_its_year_first() {
        assert_eq!(day(SystemTime::UNIX_EPOCH), "1970-01-01");
        assert_eq!(day(SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_910_400)), "2026-11-29");
    }

    #[test]
    fn what_is_no_certificate_says_nothing() {
        assert_eq!(Says::read(&CertificateDer::from(vec![0x30, 0x82, 0xff, 0xff])), None);
        assert_eq!(Says::read(&CertificateDer::from(Vec::new())), None);
    }
}
