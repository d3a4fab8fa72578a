//! Servers that announce themselves on the local network, and listeners that look for them: mDNS
//! (RFC 6762) with DNS-SD (RFC 6763), service `_auralync._tcp`.
//!
//! What is said ([`record`]), what is believed of it ([`found`]) and which server is meant
//! ([`choose`]) is decided without a network. [`announce`] and [`browse`] own the daemon that speaks
//! on it; [`seek`] asks the person, [`follow`] finds a server again.

pub mod announce;
pub mod browse;
pub mod choose;
pub mod follow;
pub mod found;
pub mod list;
pub mod record;
pub mod seek;

/// The service's type, as mDNS spells it.
pub const SERVICE: &str = "_auralync._tcp.local.";
