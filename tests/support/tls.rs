//! A way through TLS for helpers that speak to bare sockets.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};
use sha2::{Digest, Sha256};

use super::sealed_way::pass_on;

/// Trusts the certificate that has this fingerprint, as somebody does who has compared it.
#[derive(Debug)]
struct Compared(String, CryptoProvider);

impl ServerCertVerifier for Compared {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let bytes = Sha256::digest(shown);
        let print: Vec<String> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
        if print.join(":") == self.0 {
            return Ok(ServerCertVerified::assertion());
        }
        Err(Error::General(format!("{} is not {}", print.join(":"), self.0)))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.1.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.signature_verification_algorithms.supported_schemes()
    }
}

/// What a client needs to speak to a server whose certificate has this fingerprint.
pub(crate) fn trusting(fingerprint: &str) -> Arc<ClientConfig> {
    let verifier = Compared(fingerprint.to_owned(), ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Arc::new(config)
}

/// Begins a connection.
pub(crate) fn begin(config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(Arc::clone(config), ServerName::try_from("localhost").unwrap()).unwrap()
}

/// A port whose connections go on to `server` over TLS. It ends with the test.
pub(crate) fn tunnel(server: SocketAddr, fingerprint: &str) -> SocketAddr {
    let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (address, config) = (door.local_addr().unwrap(), trusting(fingerprint));
    thread::spawn(move || {
        for near in door.incoming() {
            let config = Arc::clone(&config);
            // Either end may go in the middle of it.
            thread::spawn(move || {
                pass_on(near?, TcpStream::connect(server)?, begin(&config).into())
            });
        }
    });
    address
}
