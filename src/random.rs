//! Numbers that nobody can foresee: ids, keys, and what spreads attempts in time.

use std::hash::{BuildHasher, RandomState};

use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::secure::Key;

/// 64 random bits from the system. Where it gives none, from the keys that the standard library draws
/// for its hash maps, so that a listener who needs no secret still gets its number.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_ne_bytes(bytes),
        Err(_) => RandomState::new().hash_one(std::process::id()),
    }
}

/// Secret bytes that nobody can foresee.
///
/// # Errors
/// [`Error::Internal`] where the system gives no random numbers.
pub(crate) fn secret<const LENGTH: usize>() -> Result<Zeroizing<[u8; LENGTH]>> {
    let mut bytes = Zeroizing::new([0; LENGTH]);
    getrandom::fill(&mut *bytes)
        .map_err(|e| Error::internal("the system gives no random numbers", e))?;
    Ok(bytes)
}

/// A key that nobody can foresee.
///
/// # Errors
/// As [`secret`].
pub(crate) fn new_key() -> Result<Key> {
    secret().map(|bytes| Key::new(*bytes))
}

#[cfg(test)]
mod tests {
    use super::random;

    #[test]
    fn no_number_comes_twice() {
        let numbers: std::collections::BTreeSet<u64> = (0..1_000).map(|_| random()).collect();
        assert_eq!(numbers.len(), 1_000);
    }
}
