//! TLS around the connection to an Icecast server that is known by its certificate.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore,
    SignatureScheme, Stream,
};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result, plain};
use crate::icecast::fault::Fault;
use crate::icecast::target::{Target, Trust};

/// Longest file of authorities that is read, in bytes: what browsers trust is a quarter of it.
const LONGEST: u64 = 1 << 20;

/// What may be sealed and wait for the system, in bytes: more would hide for long that nothing goes through.
const SEALED: usize = 16 * 1024;

/// How connections to one server are sealed.
#[derive(Clone)]
pub(super) struct Seals {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

/// The seal of one connection.
pub(super) struct Seal(ClientConnection);

impl Seals {
    /// `None` where the connection is not sealed.
    ///
    /// # Errors
    /// [`Error::File`] for authorities that cannot be read.
    pub(super) fn open(target: &Target) -> Result<Option<Self>> {
        let Some(trust) = &target.trust else { return Ok(None) };
        let failed = |e: &dyn std::error::Error| {
            Error::internal(format!("cannot seal the connection to {target}"), e)
        };
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])
            .map_err(|e| failed(&e))?;
        let config = match trust {
            Trust::Authorities(path) => config.with_root_certificates(authorities(path)?),
            Trust::Fingerprint(fingerprint) => config
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Pinned::new(*fingerprint))),
        };
        // An address of a link ends with its name, which is no part of a certificate.
        let host = target.host.split('%').next().unwrap_or_default().to_owned();
        let name = ServerName::try_from(host).map_err(|e| failed(&e))?;
        Ok(Some(Self { config: Arc::new(config.with_no_client_auth()), name }))
    }

    pub(super) fn begin(&self) -> std::result::Result<Seal, Fault> {
        let tls = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        let mut tls = tls.map_err(|e| Fault::Unsafe(e.to_string()))?;
        tls.set_buffer_limit(Some(SEALED));
        Ok(Seal(tls))
    }
}

fn authorities(path: &Path) -> Result<RootCertStore> {
    let failed = |e: io::Error| Error::file(path, plain(&e), "Make it a file that you may read");
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(LONGEST).read_to_end(&mut bytes).map_err(failed)?;
    let mut known = RootCertStore::empty();
    known.add_parsable_certificates(CertificateDer::pem_slice_iter(&bytes).flatten());
    if known.is_empty() {
        let fix = "Give the file that begins with -----BEGIN CERTIFICATE-----";
        return Err(Error::file(path, "this holds no certificate in PEM form", fix));
    }
    Ok(known)
}

impl Seal {
    /// Reads as the socket does.
    pub(super) fn read(&mut self, socket: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
        match Stream::new(&mut self.0, socket).read(buffer) {
            // Few say goodbye before they hang up.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read,
        }
    }

    /// Writes as the socket does. What is sealed and finds no room leaves with the next call, of either sort.
    pub(super) fn write(&mut self, socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
        Stream::new(&mut self.0, socket).write(bytes)
    }
}

/// The [`Fault`] behind what the system or TLS says, if it is one of TLS.
pub(super) fn fault(error: &io::Error) -> Option<Fault> {
    use rustls::Error as Tls;
    let error = error.get_ref()?.downcast_ref::<Tls>()?;
    Some(Fault::Unsafe(match error {
        Tls::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => {
            "its certificate is not the one of pin=. If it has a new one, give that one's fingerprint; \
             else somebody pretends to be it"
                .to_owned()
        }
        Tls::InvalidCertificate(why) => {
            format!("its certificate does not hold for it ({why}). Correct ca=, or the name in the address")
        }
        Tls::InvalidMessage(_) => {
            "it speaks no TLS at that port. Write http, or the port where it does".to_owned()
        }
        other => format!(
            "the connection cannot be sealed ({other}). Let it speak TLS 1.3, or put a proxy before it that does"
        ),
    }))
}

/// Believes the one certificate that has this fingerprint.
#[derive(Debug)]
struct Pinned {
    fingerprint: [u8; 32],
    provider: CryptoProvider,
}

impl Pinned {
    fn new(fingerprint: [u8; 32]) -> Self {
        Self { fingerprint, provider: ring::default_provider() }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        if Sha256::digest(shown)[..] == self.fingerprint {
            return Ok(ServerCertVerified::assertion());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
