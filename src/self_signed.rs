//! Certificates that nobody else has signed.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, KeyPair, KeyUsagePurpose, SanType, date_time_ymd};
pub(crate) use rcgen::{Error, ExtendedKeyUsagePurpose as Purpose};
use zeroize::Zeroizing;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One holds since yesterday: phones' clocks may be late.
const EARLIER: Duration = DAY;

/// What a certificate is to say.
pub(crate) struct Says<'a> {
    /// What people who look at it see.
    pub(crate) common_name: &'a str,
    /// The names and addresses of the computers that it is for.
    pub(crate) names: &'a [String],
    /// What it is for.
    pub(crate) purposes: Vec<Purpose>,
    /// How long it holds.
    pub(crate) days: u32,
}

/// A fresh key's certificate that it has signed itself, and that key, both in PEM.
///
/// # Errors
/// For a name that no computer can have.
pub(crate) fn make(says: Says<'_>, now: SystemTime) -> Result<(String, Zeroizing<String>), Error> {
    let mut params = CertificateParams::default();
    for name in says.names {
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) => SanType::DnsName(name.as_str().try_into()?),
        });
    }
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(EARLIER);
    let from = since.saturating_sub(EARLIER);
    params.not_before = date_time_ymd(1970, 1, 1) + from;
    params.not_after = date_time_ymd(1970, 1, 1) + from + says.days * DAY;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, says.common_name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = says.purposes;
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), Zeroizing::new(key.serialize_pem())))
}
