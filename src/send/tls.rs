//! TLS 1.3 for the secure page: browsers give a microphone to encrypted pages alone.
//!
//! Here is what a connection and a certificate need, without a socket. A certificate is made by the server
//! itself, or brought by whoever runs it.

#[cfg(feature = "https")]
mod certificate;
#[cfg(feature = "https")]
mod keep_certificate;
#[cfg(not(feature = "https"))]
mod no_tls;
#[cfg(feature = "https")]
mod own_certificate;
#[cfg(feature = "https")]
mod pem_files;
#[cfg(feature = "https")]
mod session;

#[cfg(feature = "https")]
pub use certificate::Shown;
#[cfg(feature = "https")]
pub use keep_certificate::{Keeper, keep};
#[cfg(not(feature = "https"))]
pub use no_tls::{Keeper, Session, Sessions, Shown, keep};
#[cfg(feature = "https")]
pub use session::{Session, Sessions};

/// The fatal alert `protocol_version` (RFC 8446, section 6), unencrypted: what a port without TLS says to whoever
/// begins to speak it, so that they end at once.
pub const NO_TLS_HERE: [u8; 7] = [21, 3, 3, 0, 2, 2, 70];

/// The first byte of whoever speaks TLS: a record of the handshake.
pub const FIRST_BYTE: u8 = 22;
