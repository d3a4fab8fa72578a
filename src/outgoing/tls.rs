//! TLS to somebody else's server, without its socket's waiting: whom is believed, and what is read and written.
//!
//! The certificate is pinned: the one in the user's file is believed as it is, whoever made it and whatever it is for,
//! and any that it has signed.

use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore,
    SignatureScheme,
};

use crate::error::{Error, Result, plain};

/// Longest file of certificates that is read, in bytes: those of all the world's authorities are as long.
const LONGEST: u64 = 512 * 1024;

/// Most certificates in it.
const MOST: usize = 512;

/// Bytes that wait for the socket at most: what is behind them waits where it can still be dropped.
const MOST_BEHIND: usize = 64 * 1024;

/// Whom is believed.
#[derive(Debug, Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// The certificates in that file (PEM).
    ///
    /// # Errors
    /// [`Error::File`] where it cannot be read or holds none, [`Error::Internal`] if TLS cannot be had.
    pub fn read(path: &Path) -> Result<Self> {
        let unreadable =
            |e: io::Error| Error::file(path, plain(&e), "Name a file that you may read");
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut pem = Vec::new();
        file.take(LONGEST + 1).read_to_end(&mut pem).map_err(unreadable)?;
        if pem.len() as u64 > LONGEST {
            let why = format!("this is longer than the {} KiB of any such file", LONGEST / 1024);
            return Err(Error::file(
                path,
                why,
                "Give the server's own certificate, or of who signed it",
            ));
        }
        let certificates = CertificateDer::pem_slice_iter(&pem).take(MOST);
        let certificates: Vec<_> =
            certificates.collect::<std::result::Result<_, _>>().unwrap_or_default();
        if certificates.is_empty() {
            let fix = "Give the file that begins with -----BEGIN CERTIFICATE-----";
            return Err(Error::file(path, "this holds no certificate in PEM form", fix));
        }
        Self::of(certificates)
    }

    fn of(certificates: Vec<CertificateDer<'static>>) -> Result<Self> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates.iter().cloned());
        let signed =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build();
        let pinned = Pinned { certificates, signed: signed.ok(), provider: Arc::clone(&provider) };
        let builder =
            ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]);
        let builder = builder.map_err(|e| Error::internal("TLS cannot be had", e))?;
        let verifier = builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned));
        Ok(Self(Arc::new(verifier.with_no_client_auth())))
    }
}

/// Believes the user's certificates, and what they have signed.
#[derive(Debug)]
struct Pinned {
    certificates: Vec<CertificateDer<'static>>,
    signed: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        if self.certificates.iter().any(|pinned| pinned.as_ref() == shown.as_ref()) {
            return Ok(ServerCertVerified::assertion());
        }
        match &self.signed {
            Some(signed) => signed.verify_server_cert(shown, between, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        // TLS 1.3 alone is spoken.
        Err(rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// One connection.
pub(super) struct Tls(ClientConnection);

impl Tls {
    /// A connection to the server on that computer.
    ///
    /// # Errors
    /// If that is no name of a computer, or TLS cannot be had.
    pub(super) fn begin(trust: &Trust, host: &str) -> io::Result<Self> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let mut tls =
            ClientConnection::new(Arc::clone(&trust.0), name).map_err(io::Error::other)?;
        tls.set_buffer_limit(Some(MOST_BEHIND));
        Ok(Self(tls))
    }

    /// Reads what has come, open.
    ///
    /// # Errors
    /// As reading a socket; [`io::ErrorKind::InvalidData`] where what comes is no TLS, or nobody that is believed.
    pub(super) fn read(&mut self, socket: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.reader().read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            if self.0.read_tls(socket)? == 0 {
                return Ok(0);
            }
            let invalid = |e| io::Error::new(io::ErrorKind::InvalidData, e);
            self.0.process_new_packets().map_err(invalid)?;
        }
    }

    /// Seals and writes as much as there is room for; how much that was.
    ///
    /// # Errors
    /// As writing to a socket.
    pub(super) fn write(&mut self, socket: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.0.writer().write(bytes)?;
        while self.0.wants_write() {
            match self.0.write_tls(socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        if taken == 0 && !bytes.is_empty() {
            Err(io::ErrorKind::WouldBlock.into())
        } else {
            Ok(taken)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_file_without_a_certificate_is_refused_in_a_sentence() {
        let folder = Scratch::new();
        let path = folder.path("engine.pem");
        for wrong in [&b""[..], b"no certificate", b"-----BEGIN CERTIFICATE-----\nAAAA"] {
            std::fs::write(&path, wrong).unwrap();
            let said = Trust::read(&path).unwrap_err().to_string();
            assert!(said.contains("no certificate in PEM form"), "{said}");
        }
        std::fs::write(&path, vec![b' '; LONGEST as usize + 1]).unwrap();
        assert!(Trust::read(&path).unwrap_err().to_string().contains("longer than"));
        let missing = Trust::read(&folder.path("missing.pem")).unwrap_err();
        assert!(matches!(missing, Error::File { .. }), "{missing}");
    }

    #[test]
    fn words_in_clear_are_no_tls() {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let trust = Trust::of(vec![pair.cert.der().clone()]).unwrap();
        let mut tls = Tls::begin(&trust, "localhost").unwrap();
        let mut said = Vec::new();
        assert_eq!(tls.write(&mut said, b"CONNECT").unwrap(), 7);
        assert!(
            !said.windows(7).any(|part| part == b"CONNECT"),
            "nothing goes before the handshake"
        );
        let error = tls.read(&mut &b"+OK and more than a header"[..], &mut [0; 100]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
