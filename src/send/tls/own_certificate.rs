//! The certificate that the server makes for itself: for all of this PC's addresses and names, kept beside the
//! room's key, and made anew in time.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

use super::certificate::Says;
use crate::error::{Error, Result};
use crate::{secret_file, self_signed};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How long one holds: browsers take none that holds longer than this many days.
const DAYS: u32 = 397;

/// One that holds for no longer than this is made anew: whoever starts a server once a month never meets an old
/// one.
const RENEWED_DAYS: u32 = 30;

/// Most names in one: those of networks that this PC has not been in for long make room.
const MOST_NAMES: usize = 64;

/// What browsers may call this PC, by its own name and its addresses.
pub(super) fn names(pc: &str, addresses: impl Iterator<Item = IpAddr>) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        .into_iter()
        .chain(addresses.filter(|ip| stays(*ip)))
        .map(|ip: IpAddr| ip.to_string())
        .collect();
    names.insert("localhost".to_owned());
    let is_known = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if !pc.is_empty() && pc.len() <= 63 && pc.chars().all(is_known) {
        let pc = pc.to_ascii_lowercase();
        let first = pc.split('.').next().unwrap_or_default();
        if !first.is_empty() {
            names.insert(format!("{first}.local"));
        }
        names.insert(pc);
    }
    names
}

/// Whether an address is one for long. IPv6 addresses of the world's network change every day, so that nobody is
/// recognised by them, and with them the certificate would.
fn stays(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_unspecified(),
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

/// The certificate of this user's server, if the one that is kept at `path` will do at `now`, for `names`.
///
/// # Errors
/// [`Error::File`] where the file cannot be read, or others may read it.
pub(super) fn kept(
    path: &Path,
    names: &BTreeSet<String>,
    now: SystemTime,
) -> Result<(Option<CertifiedKey>, BTreeSet<String>)> {
    let Some((pair, says)) = secret_file::read(path)?.and_then(|text| read(&text)) else {
        return Ok((None, BTreeSet::new()));
    };
    let old: BTreeSet<String> = says.names.iter().cloned().collect();
    let will_do =
        now >= says.from && now + RENEWED_DAYS * DAY < says.until && names.is_subset(&old);
    Ok((will_do.then_some(pair), old))
}

/// Makes another certificate, and keeps it at `path`. Where this PC was in other networks before, it is `also` for
/// those: who comes back need not be asked anew.
///
/// # Errors
/// [`Error::File`] where it cannot be written, [`Error::Internal`] where none can be made.
pub(super) fn make(
    path: &Path,
    names: &BTreeSet<String>,
    also: &BTreeSet<String>,
    now: SystemTime,
) -> Result<CertifiedKey> {
    let all: Vec<String> =
        names.iter().chain(also.difference(names)).take(MOST_NAMES).cloned().collect();
    let text = Zeroizing::new(
        pem(&all, now)
            .map_err(|e| Error::internal("the secure page's certificate cannot be made", e))?,
    );
    let (pair, _) = read(text.as_bytes()).ok_or_else(|| {
        Error::internal("the secure page's certificate cannot be used", "it is none")
    })?;
    secret_file::write(path, text.as_bytes())?;
    Ok(pair)
}

/// A fresh key and the certificate that it has signed, in PEM.
pub(super) fn pem(
    names: &[String],
    now: SystemTime,
) -> std::result::Result<String, self_signed::Error> {
    let purposes = vec![self_signed::Purpose::ServerAuth];
    let says = self_signed::Says { common_name: "AuraLync", names, purposes, days: DAYS };
    let (certificate, key) = self_signed::make(says, now)?;
    Ok(certificate + &key)
}

fn read(text: &[u8]) -> Option<(CertifiedKey, Says)> {
    let certificate = CertificateDer::from_pem_slice(text).ok()?;
    let key = PrivateKeyDer::from_pem_slice(text).ok()?;
    let says = Says::read(&certificate)?;
    let pair = CertifiedKey::new(vec![certificate], ring::sign::any_supported_type(&key).ok()?);
    pair.keys_match().ok()?;
    Some((pair, says))
}
