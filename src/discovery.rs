//! Servers that announce themselves on the local network, and listeners that look for them: mDNS
//! (RFC 6762) with DNS-SD (RFC 6763), service `_auralync._tcp`.
//!
//! What is said ([`record`]) and when ([`responder`]), what is believed of it ([`found`]) and which
//! server is meant ([`choose`]) is decided without a network. [`announce`] owns the sockets that
//! answer, [`browse`] the daemon that asks; [`seek`] asks the person, [`follow`] finds a server again.

pub mod announce;
mod ask;
pub mod browse;
pub mod choose;
pub mod follow;
pub mod found;
pub mod identity;
mod last;
pub mod list;
pub mod record;
pub mod responder;
pub mod seek;
pub mod target;
pub mod trust;

/// The service's type, as mDNS spells it.
pub const SERVICE: &str = "_auralync._tcp.local.";
