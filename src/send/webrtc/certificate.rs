//! A certificate that says nothing but whose key it is: browsers compare its fingerprint with the one in
//! the answer, and look at nothing else.

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePrivateKey;
use str0m::crypto::dtls::DtlsCert;

use crate::random;

/// Tags of DER (X.690, 8.1).
const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const OBJECT: u8 = 0x06;
const TEXT: u8 = 0x0c;
const TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// `ecdsa-with-SHA256`, `id-ecPublicKey`, `prime256v1` and `id-at-commonName` (RFC 5480, RFC 5758).
const SIGNED_WITH: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const CURVE: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

const NAME: &[u8] = b"AuraLync";

/// All years that two digits can name: the clock of this PC may be wrong.
const FROM: &[u8] = b"000101000000Z";
const UNTIL: &[u8] = b"491231235959Z";

/// A fresh key, and a certificate that it has signed itself. `None` if the system has no random numbers.
pub(super) fn generate() -> Option<DtlsCert> {
    let secret = random::secret::<32>().ok()?;
    // Firefox refuses two certificates with one serial number.
    let mut serial = *random::secret::<16>().ok()?;
    // A positive number, whose first byte is never one too many.
    serial[0] = serial[0] & 0x3f | 0x40;
    let key = SigningKey::from_slice(&*secret).ok()?;
    let certificate = signed(&key, &serial)?;
    let private_key = key.to_pkcs8_der().ok()?.as_bytes().to_vec();
    Some(DtlsCert { certificate, private_key })
}

fn signed(key: &SigningKey, serial: &[u8]) -> Option<Vec<u8>> {
    let public = key.verifying_key().to_encoded_point(false);
    let algorithm = der(SEQUENCE, &[&der(OBJECT, &[SIGNED_WITH])?])?;
    let name = der(SEQUENCE, &[&der(OBJECT, &[COMMON_NAME])?, &der(TEXT, &[NAME])?])?;
    let name = der(SEQUENCE, &[&der(SET, &[&name])?])?;
    let valid = der(SEQUENCE, &[&der(TIME, &[FROM])?, &der(TIME, &[UNTIL])?])?;
    let kind = der(SEQUENCE, &[&der(OBJECT, &[PUBLIC_KEY])?, &der(OBJECT, &[CURVE])?])?;
    let public = der(SEQUENCE, &[&kind, &der(BITS, &[&[0], public.as_bytes()])?])?;
    let serial = der(INTEGER, &[serial])?;
    let body = der(SEQUENCE, &[&serial, &algorithm, &name, &valid, &name, &public])?;
    let signature: Signature = key.sign(&body);
    let signature = der(BITS, &[&[0], signature.to_der().as_bytes()])?;
    der(SEQUENCE, &[&body, &algorithm, &signature])
}

/// One value of DER; `None` where it is longer than any here.
fn der(tag: u8, parts: &[&[u8]]) -> Option<Vec<u8>> {
    let body = parts.concat();
    let length = u16::try_from(body.len()).ok()?;
    let [high, low] = length.to_be_bytes();
    let mut bytes = vec![tag];
    match length {
        0..0x80 => bytes.push(low),
        0x80..0x100 => bytes.extend([0x81, low]),
        _ => bytes.extend([0x82, high, low]),
    }
    bytes.extend(body);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_one_two_and_three_bytes_are_written_as_der_has_them() {
        assert_eq!(der(TEXT, &[b"ab"]).unwrap(), [TEXT, 2, b'a', b'b']);
        assert_eq!(der(TEXT, &[&[7; 0x80]]).unwrap()[..3], [TEXT, 0x81, 0x80]);
        assert_eq!(der(TEXT, &[&[7; 0x123]]).unwrap()[..4], [TEXT, 0x82, 1, 0x23]);
        assert_eq!(der(TEXT, &[&[7; 0x1_0000]]), None);
    }

    #[test]
    fn two_certificates_have_nothing_in_common_but_their_name() {
        let (one, other) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one.private_key, other.private_key);
        assert_ne!(one.certificate[13..29], other.certificate[13..29], "serial numbers");
        assert!(one.certificate.windows(NAME.len()).any(|part| part == NAME));
    }
}
