//! The certificate that an engine shows, made together with its configuration.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType,
    date_time_ymd,
};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// How long it holds, in days: nobody is asked about it, and servers everywhere have a copy.
const DAYS: u32 = 3_650;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate for computers of these names and addresses, and its key, both in PEM.
///
/// # Errors
/// [`Error::Internal`] where none can be made.
pub(super) fn certificate(names: &[String]) -> Result<Option<(String, Zeroizing<String>)>> {
    pem(names, SystemTime::now())
        .map(Some)
        .map_err(|e| Error::internal("the engine's certificate cannot be made", e))
}

fn pem(
    names: &[String],
    now: SystemTime,
) -> std::result::Result<(String, Zeroizing<String>), rcgen::Error> {
    let mut params = CertificateParams::default();
    for name in names {
        params.subject_alt_names.push(match (name.parse::<IpAddr>(), name.as_str().try_into()) {
            (Ok(ip), _) => SanType::IpAddress(ip),
            (_, Ok(name)) => SanType::DnsName(name),
            // A computer may have a name that no network knows.
            _ => continue,
        });
    }
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(DAY);
    let from = since.saturating_sub(DAY);
    params.not_before = date_time_ymd(1970, 1, 1) + from;
    params.not_after = date_time_ymd(1970, 1, 1) + from + DAYS * DAY;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "AuraLync engine");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // Nodes show it to each other too.
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), Zeroizing::new(key.serialize_pem())))
}
