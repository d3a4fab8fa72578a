//! The cryptography of a data channel: DTLS in Rust alone, and the hashes that ICE and fingerprints need.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use dimpl::Dtls;
use sha1_smol::Sha1;
use sha2::{Digest, Sha256};
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
};
use str0m::crypto::{CryptoError, CryptoProvider, Sha1HmacProvider, Sha256Provider};

use super::certificate;
use super::no_media::NoMedia;

/// Bytes that SHA-1 takes at a time (RFC 2104).
const BLOCK: usize = 64;

pub(super) fn provider() -> CryptoProvider {
    CryptoProvider {
        srtp_provider: &NoMedia,
        sha1_hmac_provider: &Hashes,
        sha256_provider: &Hashes,
        dtls_provider: &Handshakes,
    }
}

#[derive(Debug)]
struct Hashes;

impl Sha1HmacProvider for Hashes {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        let hashed = (key.len() > BLOCK).then(|| Sha1::from(key).digest().bytes());
        let key = hashed.as_ref().map_or(key, |hashed| hashed);
        let mut padded = [0; BLOCK];
        padded.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        let mut inner = Sha1::from(padded.map(|byte| byte ^ 0x36));
        payloads.iter().for_each(|payload| inner.update(payload));
        let mut outer = Sha1::from(padded.map(|byte| byte ^ 0x5c));
        outer.update(&inner.digest().bytes());
        outer.digest().bytes()
    }
}

impl Sha256Provider for Hashes {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        Sha256::digest(data).into()
    }
}

#[derive(Debug)]
struct Handshakes;

impl DtlsProvider for Handshakes {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        certificate::generate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        // ICE has proven the address before.
        let config = dimpl::Config::builder().use_server_cookie(false);
        let config = mtu.into_iter().fold(config, |config, mtu| config.mtu(mtu));
        let config = config.build().map_err(|e| CryptoError::Other(e.to_string()))?;
        let (config, cert) = (Arc::new(config), cert.clone());
        Ok(Box::new(Handshake(match version {
            DtlsVersion::Dtls12 => Dtls::new_12(config, cert, now),
            DtlsVersion::Dtls13 => Dtls::new_13(config, cert, now),
            _ => Dtls::new_auto(config, cert, now),
        })))
    }
}

struct Handshake(Dtls);

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}

impl DtlsInstance for Handshake {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        self.0.poll_output(buf)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<(), DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_signed_as_the_rfc_says() {
        let hex = |bytes: [u8; 20]| bytes.map(|byte| format!("{byte:02x}")).concat();
        // RFC 2202, test cases 2, 3 and 6.
        let signed = hex(Hashes.sha1_hmac(b"Jefe", &[b"what do ya ", b"want for nothing?"]));
        assert_eq!(signed, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        let signed = hex(Hashes.sha1_hmac(&[0xaa; 20], &[&[0xdd; 50]]));
        assert_eq!(signed, "125d7342b9ac11cd91a39af48aa17b4f63f175d3");
        let long: &[u8] = b"Test Using Larger Than Block-Size Key - Hash Key First";
        let signed = hex(Hashes.sha1_hmac(&[0xaa; 80], &[long]));
        assert_eq!(signed, "aa4ae5e15272d00e95705637ce8a3b55ed402112");
    }
}
